# Hypotheses of types I, II and III in R 4.2.2 (car 3.1-1, lmerTest 3.1-3): Rscript kr_types.R
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(car)})
source("exact_json.R")
set.seed(77)
tight <- lmerControl(optimizer = "nloptwrap", optCtrl = list(xtol_abs = 1e-13, ftol_abs = 1e-14, maxeval = 1e5))
n <- 96
d <- data.frame(a = factor(sample(c("p", "q", "r"), n, TRUE, c(.5, .3, .2))), b = factor(sample(c("low", "mid", "top"), n, TRUE, c(.2, .5, .3))),
                c = factor(sample(c("no", "yes"), n, TRUE, c(.65, .35))), g = factor(paste0("s", sample(12, n, TRUE))),
                x = round(rnorm(n, 3, 1.5), 2), z = round(runif(n, -1, 4), 2))
d[1:18, c("a", "b", "c")] <- expand.grid(a = levels(d$a), b = levels(d$b), c = levels(d$c))
d$y <- round(10 + 2 * (d$a == "q") + (d$b == "top") * (d$a == "r") + .6 * d$x * (d$c == "yes") - .2 * d$z * d$x + rnorm(12)[d$g] + rnorm(n), 4)
part <- function(f, d) {
  sum_of <- lapply(Filter(is.factor, d[setdiff(all.vars(f)[-1], "g")]), function(v) "contr.sum")
  m <- lm(f, d)
  s <- if (length(sum_of)) lm(f, d, contrasts = sum_of) else m
  mixed <- suppressMessages(lmer(update(f, . ~ . + (1 | g)), d, control = tight))
  spaces <- list(lmerTest:::get_contrasts_type1(mixed), lmerTest:::get_contrasts_type2_unfolded(mixed), lmerTest:::get_contrasts_type3(mixed))
  one <- function(type, ddf) as.data.frame(anova(mixed, type = type, ddf = ddf))
  ms <- if (length(sum_of)) suppressMessages(lmer(update(f, . ~ . + (1 | g)), d, control = tight, contrasts = sum_of)) else mixed
  list(formula = deparse(f, 500), type1 = as.data.frame(anova(m)), type2 = as.data.frame(Anova(m, type = 2)), type3 = as.data.frame(Anova(s, type = 3)),
       L = lapply(spaces, function(v) lapply(v, unname)), sat1 = one(1, "Satterthwaite"), sat2 = one(2, "Satterthwaite"), sat3 = one(3, "Satterthwaite"),
       kr1 = one(1, "Kenward-Roger"), kr2 = one(2, "Kenward-Roger"), kr3 = one(3, "Kenward-Roger"),
       car3_kr = as.data.frame(Anova(ms, type = 3, test = "F")), car2_chisq = as.data.frame(Anova(mixed, type = 2)), car3_chisq = as.data.frame(Anova(ms, type = 3)))
}
formulas <- list(y ~ a * b, y ~ a * b * c, y ~ a * b + x, y ~ a * x, y ~ a * x + b, y ~ a * b * x, y ~ x * z, y ~ a * x * z, y ~ a + a:x, y ~ a:x, y ~ a / b,
                 y ~ a + b + c + x + z, y ~ (a + b + c)^2, y ~ a * c + I(x^2) + x, y ~ a, y ~ x, y ~ b + a:b + c, y ~ 0 + a + b, y ~ a * log(z + 3), y ~ b * c + a:c)
o <- list(data = d, cases = lapply(formulas, part, d = d))
# Cells that hold no row: a column of the last level is aliased.
e <- d[!(d$a == "r" & d$b == "top"), ]
m <- lm(y ~ a * b, e)
o$empty <- list(formula = "y ~ a * b", data = e, type1 = as.data.frame(anova(m)), aliased = I(names(which(is.na(coef(m))))))
# Extreme units.
big <- transform(d, x = x * 1e9 + 3e9, y = y * 1e9)
o$units <- c(list(data = big), part(y ~ a * x + b, big))
save_json(o, "kr_types")
