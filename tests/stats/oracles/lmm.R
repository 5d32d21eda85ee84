# Reference values of linear mixed models: lme4, lmerTest. Run in this folder: Rscript lmm.R
# Writes lmm.json (17 significant digits) and the data sets to data/lmm_*.csv.
suppressPackageStartupMessages({library(lme4); library(lmerTest)})

num <- function(v) ifelse(is.na(v), "null", ifelse(is.infinite(v), "null", sprintf("%.17g", v)))
str <- function(s) ifelse(is.na(s), "null", paste0('"', s, '"'))
json <- function(x) {
  if (is.data.frame(x)) x <- lapply(as.list(x), function(c) I(if (is.factor(c)) as.character(c) else c))
  if (is.list(x)) return(paste0("{", paste0(str(names(x)), ": ", vapply(x, json, ""), collapse = ",\n"), "}"))
  s <- if (is.numeric(x)) num(as.numeric(x)) else if (is.logical(x)) ifelse(x, "true", "false") else str(x)
  if (length(s) == 1 && !inherits(x, "AsIs")) s else paste0("[", paste(s, collapse = ", "), "]")
}

# lme4's optimisers compare values of the deviance, which resolve theta to about 1e-5 alone. Newton
# steps on numerical derivatives follow, so that the reference does not carry that noise.
polished <- function(fn, par, lower, upper, control = list(), ...) {
  first <- lme4::nloptwrap(par, fn, lower, rep(Inf, length(par)), control = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-10, ftol_abs = 1e-12, maxeval = 1e5))
  second <- lme4::nloptwrap(first$par, fn, lower, rep(Inf, length(par)), control = list(algorithm = "NLOPT_LN_NELDERMEAD", xtol_abs = 1e-10, ftol_abs = 1e-12, maxeval = 1e5))
  th <- second$par; best <- fn(th)
  for (j in which(lower == 0 & th < 1e-3)) { z <- th; z[j] <- 0; if (fn(z) <= best + 1e-8) th <- z }
  free <- !(lower == 0 & th == 0)
  at <- function(z) { full <- th; full[free] <- z; fn(full) }
  if (any(free)) for (k in 1:12) {
    z <- th[free]; g <- numDeriv::grad(at, z); h <- numDeriv::hessian(at, z); e <- eigen(h, symmetric = TRUE)
    keep <- e$values > 1e-6 * max(e$values)
    step <- -drop(e$vectors[, keep, drop = FALSE] %*% (crossprod(e$vectors[, keep, drop = FALSE], g) / e$values[keep]))
    if (at(z + step) > at(z) + 1e-9) break
    th[free] <- z + step
    if (max(abs(step) / pmax(abs(z), 1e-3)) < 1e-11) break
  }
  list(par = th, fval = fn(th), conv = 0, message = "polished", feval = 0)
}
control <- lmerControl(optimizer = "polished", calc.derivs = FALSE, check.conv.grad = "ignore", check.conv.hess = "ignore", check.conv.singular = "ignore", check.rankX = "silent.drop.cols")

table_of <- function(formula, data, reml = TRUE, ranef = FALSE) {
  m <- suppressMessages(suppressWarnings(lmer(formula, data, REML = reml, control = control)))
  s <- coef(summary(m)); p <- length(fixef(m)); v <- as.data.frame(VarCorr(m))
  o <- list(formula = deparse1(formula), reml = reml, n = nobs(m), singular = isSingular(m, tol = 1e-6), log_likelihood = as.numeric(logLik(m)),
    aic = AIC(m), bic = BIC(m), sigma = sigma(m), theta = I(unname(getME(m, "theta"))), theta_names = I(names(getME(m, "theta"))),
    fixed = data.frame(term = rownames(s), estimate = s[, 1], se = s[, 2], df = s[, 3], t = s[, 4], p = s[, 5]),
    varcomp = data.frame(grp = v$grp, var1 = v$var1, var2 = v$var2, vcov = v$vcov, sdcor = v$sdcor))
  if (p > 1) {
    joint <- function(l) { j <- contest(m, l, joint = TRUE); list(F = j[["F value"]], df1 = j[["NumDF"]], df2 = j[["DenDF"]], p = j[["Pr(>F)"]]) }
    o$joint <- joint(diag(p)[-1, , drop = FALSE])
    o$last <- { l <- rep(0, p); l[1] <- 1; l[p] <- 0.5; c1 <- contest1D(m, l); list(estimate = c1$Estimate, se = c1[["Std. Error"]], df = c1$df, p = c1[["Pr(>|t|)"]]) }
  }
  if (ranef) { r <- as.data.frame(lme4::ranef(m)); o$ranef <- data.frame(grp = as.character(r$grpvar), term = as.character(r$term), level = as.character(r$grp), mode = r$condval, sd = r$condsd) }
  o
}
file_of <- function(name) paste0("data/lmm_", name, ".csv")
keep <- function(d, name) { for (j in names(d)) if (is.numeric(d[[j]])) d[[j]] <- signif(d[[j]], 10); write.csv(d, file_of(name), row.names = FALSE, quote = FALSE); invisible(read.csv(file_of(name))) }
out <- list(); add <- function(name, formula, ...) { r <- table_of(formula, read.csv(file_of(name)), ...); r$data <- name; out[[paste0("m", length(out) + 1)]] <<- r }

# ---- classic data sets
d <- lme4::sleepstudy; d$dayf <- paste0("d", d$Days); d$half <- ifelse(d$Days < 5, "early", "late"); keep(d, "sleepstudy")
add("sleepstudy", Reaction ~ Days + (Days | Subject), ranef = TRUE)
add("sleepstudy", Reaction ~ Days + (Days | Subject), reml = FALSE)
add("sleepstudy", Reaction ~ Days + (Days || Subject), ranef = TRUE)
add("sleepstudy", Reaction ~ Days + (1 | Subject), ranef = TRUE)
add("sleepstudy", Reaction ~ Days + (1 | Subject), reml = FALSE)
add("sleepstudy", Reaction ~ Days + (0 + Days | Subject))
add("sleepstudy", Reaction ~ dayf + (1 | Subject))
add("sleepstudy", log(Reaction) ~ Days + half + (0 + half | Subject))
add("sleepstudy", Reaction ~ Days * half + (Days | Subject))
add("sleepstudy", Reaction ~ 1 + (1 | Subject))
add("sleepstudy", Reaction ~ 0 + dayf + (1 | Subject))
add("sleepstudy", Reaction ~ half + (half | Subject), reml = FALSE)
add("sleepstudy", Reaction ~ Days + (1 | Subject) + (0 + half | Subject))
u <- d[-c(1:7, 12, 20:26, 55, 100:118, 179), ]; keep(u, "sleepstudy_unbalanced")
add("sleepstudy_unbalanced", Reaction ~ Days + (Days | Subject), ranef = TRUE)
add("sleepstudy_unbalanced", Reaction ~ dayf + (Days || Subject))
d <- lme4::cake[c("replicate", "recipe", "temperature", "angle", "temp")]; d$temperature <- paste0("t", d$temperature); d$replicate <- paste0("r", d$replicate); keep(d, "cake")
add("cake", angle ~ recipe * temperature + (1 | recipe:replicate))
add("cake", angle ~ recipe * temp + (temp | recipe:replicate))
u <- d[-c(3, 8:11, 40:44, 100, 150:163, 200:220), ]; keep(u, "cake_unbalanced")
add("cake_unbalanced", log(angle) ~ recipe * temperature + (1 | replicate/recipe))
add("cake_unbalanced", angle ~ recipe + temperature + (1 | replicate) + (1 | recipe:replicate), reml = FALSE)
d <- keep(lme4::Penicillin, "penicillin")
add("penicillin", diameter ~ 1 + (1 | plate) + (1 | sample), ranef = TRUE)
add("penicillin", diameter ~ 1 + (1 | plate) + (1 | sample), reml = FALSE)
add("penicillin", diameter ~ sample + (1 | plate))
d <- lme4::Pastes[c("strength", "batch", "cask")]; keep(d, "pastes")
add("pastes", strength ~ 1 + (1 | batch/cask), ranef = TRUE)
u <- d[-c(1, 2, 7, 13, 14, 15, 30, 44, 51), ]; keep(u, "pastes_unbalanced")
add("pastes_unbalanced", strength ~ cask + (1 | batch/cask))
add("pastes_unbalanced", strength ~ 1 + (1 | batch/cask), reml = FALSE)
keep(lme4::Dyestuff2, "dyestuff2"); add("dyestuff2", Yield ~ 1 + (1 | Batch))
keep(lme4::Dyestuff, "dyestuff"); add("dyestuff", Yield ~ 1 + (1 | Batch))
d <- as.data.frame(nlme::Machines); d <- data.frame(worker = paste0("w", d$Worker), machine = as.character(d$Machine), score = d$score); keep(d, "machines")
add("machines", score ~ machine + (0 + machine | worker))
add("machines", score ~ machine + (machine | worker))
add("machines", score ~ machine + (1 | worker/machine))
keep(d[-c(1, 2, 9, 20, 33, 34, 41), ], "machines_unbalanced")
add("machines_unbalanced", score ~ machine + (1 | worker) + (1 | worker:machine))

# ---- made to bite
set.seed(20240511)
g <- rep(1:12, times = c(2, 9, 4, 1, 7, 3, 8, 5, 2, 6, 10, 3)); n <- length(g)
base <- data.frame(id = paste0("s", g), x = round(rnorm(n), 3), f = sample(c("a", "b", "c"), n, TRUE))
high <- transform(base, y = 50 * rnorm(12)[g] + 0.3 * x + rnorm(n)); high <- keep(high, "high_icc")
add("high_icc", y ~ f * x + (1 | id), ranef = TRUE); add("high_icc", y ~ x + (1 | id), reml = FALSE)
extreme <- keep(transform(base, y = 3000 * rnorm(12)[g] + rnorm(n)), "extreme_icc"); add("extreme_icc", y ~ f + (1 | id))
low <- keep(transform(base, y = 0.35 * rnorm(12)[g] + 0.3 * x + rnorm(n)), "low_icc"); add("low_icc", y ~ f + x + (1 | id))
none <- keep(transform(base, y = { e <- rnorm(n); e - ave(e, g) + 0.05 * rnorm(12)[g] + x }), "no_icc")
add("no_icc", y ~ f + x + (1 | id)); add("no_icc", y ~ f + x + (x | id)); add("no_icc", y ~ f + (1 | id), reml = FALSE)
h <- rep(1:20, each = 6); z <- rnorm(20); x <- round(runif(120, 0, 4), 2)
near <- keep(data.frame(id = paste0("s", h), x = x, y = 2 + x + z[h] * (1.5 + 0.7 * x) + 0.15 * rnorm(20)[h] + rnorm(120)), "correlated")
add("correlated", y ~ x + (x | id)); add("correlated", y ~ x + (x | id), reml = FALSE); add("correlated", y ~ x + (x || id))
tiny <- keep(data.frame(run = rep(c("r1", "r2", "r3", "r4"), each = 3), k = rep(c("p", "q"), each = 6), y = c(5.1, 5.3, 4.8, 6.9, 7.2, 7.1, 9.4, 9.1, 9.9, 7.7, 7.4, 8.3)), "tiny")
add("tiny", y ~ k + (1 | run)); add("tiny", y ~ k + (1 | run), reml = FALSE); add("tiny", y ~ 1 + (1 | run))
a <- sample(sprintf("a%03d", 1:300), 3000, TRUE); b <- sample(sprintf("b%03d", 1:180), 3000, TRUE); cc <- sample(sprintf("c%02d", 1:14), 3000, TRUE)
eff <- function(k, s) { u <- s * rnorm(length(unique(k))); names(u) <- sort(unique(k)); unname(u[k]) }
rate <- data.frame(a = a, b = b, dept = cc, w = sample(0:1, 3000, TRUE)); rate$y <- round(3 + eff(a, 0.5) + eff(b, 0.4) + eff(cc, 0.15) + 0.1 * rate$w + rnorm(3000), 4); keep(rate, "rating")
add("rating", y ~ w + (1 | a) + (1 | b) + (1 | dept)); add("rating", y ~ w + (w | a) + (1 | b))
three <- data.frame(id = paste0("s", h), p = round(rnorm(120), 2), q = round(rnorm(120), 2)); three$y <- 1 + three$p + rnorm(20)[h] + 0.8 * rnorm(20)[h] * three$p + 0.5 * rnorm(20)[h] * three$q + rnorm(120); keep(three, "slopes")
add("slopes", y ~ p + q + (p + q | id)); add("slopes", y ~ p + q + (p + q || id)); add("slopes", y ~ p * q + (p | id) + (0 + q | id), reml = FALSE)
alias <- data.frame(g = rep(c("u", "v", "w"), c(8, 12, 10)), s = rep(c("k", "l", "k", "l"), c(8, 12, 5, 5)), run = paste0("r", rep(1:10, each = 3))); alias$y <- rnorm(30) + rnorm(10)[rep(1:10, each = 3)]; keep(alias, "aliased")
add("aliased", y ~ g * s + (1 | run))

# ---- fifty at random
make <- function(i) {
  set.seed(7000 + i); L <- sample(4:15, 1); n <- sample(25:110, 1)
  id <- sample(L, n, TRUE, prob = rexp(L) + 0.1); id <- c(id, rep(seq_len(L), 2)); n <- length(id); M <- sample(3:7, 1); item <- sample(M, n, TRUE)
  x <- round(rnorm(n, sample(c(0, 5), 1)), 2); f <- sample(c("a", "b", "c"), n, TRUE); t <- c("lo", "hi")[1 + (id %% 2)]
  sd <- sample(c(0, 0.2, 1, 3), 3, TRUE); scale <- 10^sample(-3:3, 1)
  y <- scale * (4 + 0.5 * x + (f == "b") + sd[1] * rnorm(L)[id] + sd[2] * 0.4 * rnorm(L)[id] * x + sd[3] * rnorm(M)[item] + rnorm(n))
  data.frame(set = i, id = paste0("s", id), item = paste0("i", item), x = x, f = f, t = t, y = signif(y, 9))
}
sets <- keep(do.call(rbind, lapply(1:50, make)), "random")
forms <- list(y ~ x + (1 | id), y ~ f * x + (1 | id), y ~ x + (x | id), y ~ f + t + (1 | id), y ~ x + f + (1 | id) + (1 | item), y ~ x + (x || id), y ~ t * f + (1 | id), y ~ f + (1 | id/item), y ~ x + (1 | id) + (x || item))
for (i in 1:50) { r <- table_of(forms[[1 + (i - 1) %% length(forms)]], sets[sets$set == i, ], reml = i %% 3 != 0); r$data <- "random"; r$set <- i; out[[paste0("m", length(out) + 1)]] <- r }
writeLines(json(out), "lmm.json")
