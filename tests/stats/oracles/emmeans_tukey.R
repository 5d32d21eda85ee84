# The studentised range in R 4.2.2, where its own algorithm is good to 1e-9: Rscript emmeans_tukey.R
library(jsonlite)
g <- expand.grid(q = c(0.3, 1.3, 2.2, 3.1, 3.9, 5, 6.7), means = c(2, 3, 4, 4.5, 5), df = c(11.3, 20, 33.3, 48, 120.5, 1000))
g$p <- ptukey(g$q, g$means, g$df, lower.tail = FALSE)
h <- expand.grid(p = c(.2, .1, .05, .01), means = c(2, 3, 5), df = c(8, 20.5, 48, 120)); h$q <- qtukey(h$p, h$means, h$df, lower.tail = FALSE)
writeLines(toJSON(list(ptukey = g, qtukey = h), digits = I(17), dataframe = "columns"), "emmeans_tukey.json")
