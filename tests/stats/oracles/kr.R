# Kenward-Roger in R 4.2.2 (lme4 1.1-31, pbkrtest 0.5.2, lmerTest 3.1-3): Rscript kr.R
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(pbkrtest); library(car)})
source("exact_json.R")
set.seed(20240611)
tight <- lmerControl(optimizer = "nloptwrap", optCtrl = list(xtol_abs = 1e-13, ftol_abs = 1e-14, maxeval = 1e5))

table_of <- function(m, type, ddf) as.data.frame(anova(m, type = type, ddf = ddf))

facts <- function(formula, d) {
  m <- suppressWarnings(suppressMessages(lmer(formula, d, control = tight)))
  adjusted <- vcovAdj(m)
  plain <- as.matrix(vcov(m))
  p <- length(fixef(m))
  hypotheses <- lmerTest:::get_contrasts_type3(m)
  tests <- lapply(hypotheses, function(l) {
    k <- KRmodcomp(m, l)
    list(L = unname(l), F = k$stats$Fstat, df1 = k$stats$ndf, df2 = k$stats$ddf, p = k$stats$p.value,
         scale = k$stats$F.scaling, F_unscaled = k$stats$FstatU)
  })
  list(formula = deparse(formula, 500), data = d, singular = isSingular(m), theta = I(unname(getME(m, "theta"))),
       sigma = sigma(m), columns = I(names(fixef(m))), beta = I(unname(fixef(m))), covariance = unname(plain),
       adjusted = unname(as.matrix(adjusted)), df = I(sapply(seq_len(p), function(i) Lb_ddf(diag(p)[i, ], plain, adjusted))),
       condition = attr(adjusted, "condi"), tests = tests,
       kr3 = table_of(m, 3, "Kenward-Roger"), kr2 = table_of(m, 2, "Kenward-Roger"), kr1 = table_of(m, 1, "Kenward-Roger"),
       sat3 = table_of(m, 3, "Satterthwaite"), sat2 = table_of(m, 2, "Satterthwaite"), sat1 = table_of(m, 1, "Satterthwaite"))
}
uneven <- function(n, k) factor(paste0("g", sample(c(seq_len(k), sample(k, n - k, TRUE, prob = rexp(k) + .2)))))
figures <- function(y) signif(y, 7)
make <- function(n, groups, others, slope, between, within, scale = 1) {
  d <- data.frame(g = uneven(n, groups), k = uneven(n, others), f = factor(sample(letters[1:3], n, TRUE, c(.5, .3, .2))),
                  h = factor(sample(c("low", "high"), n, TRUE, c(.6, .4))), x = round(rnorm(n, 2), 2), z = round(runif(n), 2))
  of_g <- rnorm(groups, 0, between); of_k <- rnorm(others, 0, between / 2); of_x <- rnorm(groups, 0, slope)
  y <- 5 + .4 * d$x + .5 * (d$f == "b") - .3 * (d$h == "low") * d$x + of_g[d$g] + of_k[d$k] + of_x[d$g] * d$x + rnorm(n, 0, within)
  cbind(y = figures(y * scale), d)
}
cases <- list()
for (i in 1:30) {
  n <- c(26, 40, 64)[1 + i %% 3]
  kind <- (i - 1) %% 10 + 1
  d <- make(n, c(5, 7, 9)[1 + i %% 3], 4, c(0, .5)[1 + i %% 2], c(.3, 1, 6)[1 + (i %/% 3) %% 3], 1, c(1, 1e9, 1e-9)[1 + (i > 10) + (i > 20)])
  d$s <- factor(paste0("s", sample(3, n, TRUE)))
  formula <- list(y ~ f * h + (1 | g), y ~ x * f + (x | g), y ~ x + h + (x || g), y ~ f + h + (1 | g / s),
                  y ~ f * x + (1 | g) + (1 | k), y ~ f + x + (x | g) + (1 | k), y ~ h * x + (0 + x | g), y ~ x + f + (x + z || g),
                  y ~ f + h + x + (1 | g:k), y ~ f + z + (1 | g) + (0 + x | k))[[kind]]
  used <- all.vars(formula)
  cases[[length(cases) + 1]] <- facts(formula, d[used])
}
# Three correlated effects, a tiny sample, a group a row nearly, response that groups do not touch, one that they make.
d <- make(90, 12, 5, .6, 1, .5); cases[["three"]] <- facts(y ~ x + z + f + (x + z | g), d[c("y", "x", "z", "f", "g")])
d <- make(9, 3, 2, 0, 1, 1); cases[["tiny"]] <- facts(y ~ x + (1 | g), d[c("y", "x", "g")])
d <- make(60, 8, 5, 0, 0, 1); d$y <- figures(d$y - ave(d$y, d$g)); cases[["flat"]] <- facts(y ~ f * h + (1 | g), d[c("y", "f", "h", "g")])
d <- make(60, 8, 5, 0, 300, .1); cases[["groups"]] <- facts(y ~ f * x + (1 | g), d[c("y", "f", "x", "g")])
b <- expand.grid(f = letters[1:3], h = c("low", "high"), r = 1:4); b$g <- factor(paste0(b$f, b$r)); b$y <- figures(rnorm(8)[as.integer(b$g) %% 8 + 1] + rnorm(24) + (b$h == "low"))
cases[["split"]] <- facts(y ~ f * h + (1 | g), b[c("y", "f", "h", "g")])
names(cases)[1:30] <- paste0("random", 1:30)
save_json(cases, "kr")
