# Means of unbalanced cells with rounds of repetitions as blocks: type III tests and contrasts.
suppressPackageStartupMessages({library(car); library(emmeans); library(jsonlite)})
set.seed(20)
d <- expand.grid(model = c("a", "b", "c"), task = c("u", "v", "w", "x"), block = 1:5)
d <- d[-c(3, 17, 18, 40, 41, 55), ]
d$y <- exp(5 + 0.6 * as.integer(d$model) + 0.3 * as.integer(d$task) +
  0.2 * ((as.integer(d$model) * as.integer(d$task)) %% 3) + 0.1 * d$block + rnorm(nrow(d), 0, 0.15))
d$model <- factor(d$model); d$task <- factor(d$task); d$block <- factor(d$block)
write.csv(d, "data/within_cells.csv", row.names = FALSE)
one <- function(f) {
  m <- lm(f, d, contrasts = NULL)
  s <- lm(f, d, contrasts = setNames(rep(list("contr.sum"), length(all.vars(f)) - 1), all.vars(f)[-1]))
  a <- as.data.frame(Anova(s, type = 3))
  e <- emmeans(m, "model")
  p <- as.data.frame(summary(pairs(e, adjust = "tukey"), infer = c(TRUE, TRUE)))
  list(anova = list(term = rownames(a), sum_sq = a[["Sum Sq"]], df = a$Df, F = a[["F value"]],
                    p = a[["Pr(>F)"]]),
       means = as.list(as.data.frame(e)), pairs = as.list(p), sigma = sigma(m), df = df.residual(m))
}
out <- list(plain = one(log(y) ~ task * model), blocked = one(log(y) ~ block + task * model))
write(toJSON(out, digits = I(17), auto_unbox = TRUE, pretty = TRUE), "within_cells.json")
