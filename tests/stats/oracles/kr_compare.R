# Likelihood-ratio tests, profile intervals, R squared and ICC in R 4.2.2 (lme4 1.1-31, lmerTest 3.1-3,
# performance 0.10.2): Rscript kr_compare.R
suppressPackageStartupMessages({library(lme4); library(lmerTest)})
source("exact_json.R")
set.seed(4711)
tight <- lmerControl(optimizer = "nloptwrap", optCtrl = list(xtol_abs = 1e-13, ftol_abs = 1e-14, maxeval = 1e5))
n <- 120
own <- data.frame(g = factor(paste0("g", sample(c(1:15, sample(15, n - 15, TRUE, rexp(15) + .1))))), k = factor(paste0("k", sample(6, n, TRUE))),
                  f = factor(sample(c("a", "b"), n, TRUE, c(.65, .35))), x = round(rnorm(n, 1), 2), z = round(runif(n), 2))
own$y <- round(20 + own$x * (1 + rnorm(15, 0, .8)[own$g]) + (own$f == "b") * (.5 + rnorm(15, 0, .7)[own$g]) + rnorm(15, 0, 1.2)[own$g] + rnorm(6, 0, .6)[own$k] + rnorm(n), 4)
d <- list(sleepstudy = lme4::sleepstudy, Penicillin = lme4::Penicillin, own = own)
d$sleepstudy$Subject <- factor(as.character(d$sleepstudy$Subject))
invisible(list2env(d, globalenv()))
fit <- function(f, where, ...) suppressWarnings(suppressMessages(eval(as.call(list(quote(lmer), f, data = as.name(where), control = quote(tight), ...)), globalenv())))

describe <- function(where, formula, reml = TRUE, profile = FALSE, levels = .95) {
  m <- fit(formula, where, REML = reml)
  o <- list(data = where, formula = deparse(formula, 500), reml = reml, singular = isSingular(m), criterion = -2 * as.numeric(logLik(m)))
  o$ranova <- tryCatch(as.data.frame(suppressWarnings(suppressMessages(ranova(m)))), error = function(e) conditionMessage(e))
  r <- suppressWarnings(performance::r2_nakagawa(m)); i <- suppressWarnings(performance::icc(m)); b <- suppressWarnings(performance::icc(m, by_group = TRUE))
  if (is.list(r) && is.data.frame(i)) { o$r2 <- list(marginal = unname(r$R2_marginal), conditional = unname(r$R2_conditional)); o$icc <- list(adjusted = i$ICC_adjusted, unadjusted = i$ICC_unadjusted) }
  if (is.data.frame(b) && !any(grepl("x|Days", deparse(formula[[3]][[3]])))) o$by_group <- as.data.frame(b)
  o$wald <- as.data.frame(confint(m, method = "Wald", parm = "beta_"))
  if (profile) {
    pr <- suppressWarnings(suppressMessages(profile(m, signames = FALSE, delta = qnorm(.975) / 24, maxpts = 400)))
    o$profile <- lapply(levels, function(l) list(confidence = l, table = as.data.frame(suppressWarnings(confint(pr, level = l)))))
  }
  o
}
o <- list(data = d, models = list(
  describe("sleepstudy", Reaction ~ Days + (Days | Subject), profile = TRUE, levels = c(.8, .95)),
  describe("sleepstudy", Reaction ~ Days + (Days | Subject), reml = FALSE),
  describe("sleepstudy", Reaction ~ Days + (1 | Subject), profile = TRUE),
  describe("sleepstudy", Reaction ~ Days + (Days || Subject), profile = TRUE),
  describe("sleepstudy", Reaction ~ Days + (0 + Days | Subject)),
  describe("Penicillin", diameter ~ 1 + (1 | plate) + (1 | sample), profile = TRUE),
  describe("own", y ~ x + f + (1 | g) + (1 | k), profile = TRUE),
  describe("own", y ~ x + f + (x | g) + (1 | k), profile = TRUE),
  describe("own", y ~ x + z + (x + z | g)),
  describe("own", y ~ x + f + (f | g)),
  describe("own", y ~ x + f + (0 + f | g)),
  describe("own", y ~ x * f + (1 | g:k)),
  describe("own", y ~ x + f + (1 | g / k)),
  describe("own", y ~ x + z + (1 | k) + (0 + z | g))))
pair <- function(where, ...) {
  fits <- lapply(list(...), function(f) if (is.null(lme4::findbars(f))) eval(as.call(list(quote(lm), f, data = as.name(where))), globalenv()) else fit(f, where))
  mixed <- !sapply(fits, inherits, "lm")
  z <- as.data.frame(suppressMessages(do.call(anova, c(fits[mixed], fits[!mixed], list(model.names = letters[seq_along(fits)])))))
  list(data = where, formulas = I(sapply(list(...), deparse, 500)), table = unname(lapply(as.list(z), I)), names = I(names(z)))
}
o$pairs <- list(
  pair("sleepstudy", Reaction ~ 1 + (Days | Subject), Reaction ~ Days + (Days | Subject)),
  pair("sleepstudy", Reaction ~ Days + (1 | Subject), Reaction ~ Days + (Days | Subject)),
  pair("sleepstudy", Reaction ~ Days, Reaction ~ Days + (1 | Subject), Reaction ~ Days + (Days || Subject), Reaction ~ Days + (Days | Subject)),
  pair("own", y ~ x + (x | g) + (1 | k), y ~ x * f + (x | g) + (1 | k)),
  pair("own", y ~ x + f + (1 | g), y ~ x + f + z + (1 | g) + (1 | k)))
# Restricted likelihoods of the same fixed effects.
o$restricted <- as.data.frame(suppressWarnings(anova(fit(Reaction ~ Days + (1 | Subject), "sleepstudy"), fit(Reaction ~ Days + (Days | Subject), "sleepstudy"), refit = FALSE, model.names = c("a", "b"))))
# The spline of confint() is off by up to 2e-5: ends found anew on the deviance itself.
exact <- function(formula, where, which, lower, upper) {
  m <- fit(formula, where, REML = FALSE)
  deviance <- lme4:::devfun2(m, useSc = TRUE, signames = FALSE)
  f <- function(v) { d <- tryCatch(suppressWarnings(deviance(v)), error = function(e) NA); if (is.finite(d)) d else 1e6 }
  best <- attr(deviance, "optimum")[seq_along(c(getME(m, "theta"), 1))]
  low <- ifelse(grepl("^cor", names(best)), -.9999, 1e-6)
  goal <- function(v) {
    start <- best[-which]
    for (k in 1:6) start <- nlminb(start, function(r) f(append(r, v, which - 1)), lower = low[-which], upper = ifelse(low[-which] < 0, .9999, Inf), control = list(rel.tol = 1e-15, x.tol = 1e-14, iter.max = 1000))$par
    f(append(start, v, which - 1))
  }
  least <- f(best)
  end <- function(a, b) uniroot(function(v) goal(v) - least - qchisq(.95, 1), c(a, b), tol = 1e-11)$root
  list(data = where, formula = deparse(formula, 500), name = names(best)[which], low = end(lower, best[[which]] - 1e-3), high = end(best[[which]] + 1e-3, upper))
}
o$exact <- list(
  exact(Reaction ~ Days + (Days | Subject), "sleepstudy", 1, 8, 60),
  exact(Reaction ~ Days + (Days | Subject), "sleepstudy", 2, -.9, .95),
  exact(Reaction ~ Days + (Days | Subject), "sleepstudy", 3, 2, 14),
  exact(Reaction ~ Days + (Days | Subject), "sleepstudy", 4, 20, 35),
  exact(diameter ~ 1 + (1 | plate) + (1 | sample), "Penicillin", 1, .3, 2.5),
  exact(diameter ~ 1 + (1 | plate) + (1 | sample), "Penicillin", 2, .6, 8))
save_json(o, "kr_compare")
