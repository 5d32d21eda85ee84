# A random-intercept model on the rows that mixed_model.py wrote, with its Satterthwaite tables.
# Usage: Rscript benchmarks/mixed_model.R ROWS.bin NUMBER_OF_ROWS
suppressPackageStartupMessages(library(lmerTest))
arguments <- commandArgs(TRUE)
n <- as.integer(arguments[2])
source <- file(arguments[1], "rb")
d <- data.frame(y = readBin(source, "double", n), a = factor(readBin(source, "integer", n)),
                b = factor(readBin(source, "integer", n)), id = factor(readBin(source, "integer", n)))
close(source)
spent <- system.time({
  fit <- lmer(y ~ a * b + (1 | id), d)
  terms <- anova(fit, type = 3)
  fixed <- coef(summary(fit))
})
row <- function(v) paste0("[", paste(sprintf("%.17g", v), collapse = ","), "]")
cat(sprintf('{"seconds": %.4f, "estimate": %s, "se": %s, "df": %s, "f": %s, "f_df": %s}\n',
            spent[["elapsed"]], row(fixed[, "Estimate"]), row(fixed[, "Std. Error"]),
            row(fixed[, "df"]), row(terms[["F value"]]), row(terms[["DenDF"]])))
