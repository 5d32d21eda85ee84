# Mixed models of data that no other oracle uses: lme4, lmerTest, pbkrtest, emmeans, performance.
# Run in this folder: LC_ALL=C.UTF-8 Rscript versus_models.R (needs nlme, MASS, numDeriv, performance as well).
# Writes versus_models.json (17 significant digits) and data/versus_*.csv.
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(emmeans); library(pbkrtest); library(numDeriv)})
emm_options(msg.interaction = FALSE, msg.nesting = FALSE)
num <- function(v) ifelse(is.na(v), "null", ifelse(is.infinite(v), "1e999", sprintf("%.17g", v)))
str <- function(s) ifelse(is.na(s), "null", paste0('"', gsub('"', "'", gsub("\\s+", " ", s)), '"'))
json <- function(x) {
  if (is.data.frame(x)) x <- lapply(as.list(x), function(c) I(if (is.factor(c)) as.character(c) else c))
  if (is.list(x)) return(paste0("{", paste0(str(names(x)), ": ", vapply(x, json, ""), collapse = ",\n"), "}"))
  s <- if (is.numeric(x)) num(as.numeric(x)) else if (is.logical(x)) ifelse(x, "true", "false") else str(x)
  if (length(s) == 1 && !inherits(x, "AsIs")) s else paste0("[", paste(s, collapse = ", "), "]")
}
# Derivatives by steps that the rounding of the deviance does not drown. numDeriv's own leave theta off
# by 1e-7, and the degrees of freedom that lmerTest takes from them by 6e-4 where theta has a 0 (made7).
for (name in c("grad.default", "hessian.default", "jacobian.default")) {
  wide <- getFromNamespace(name, "numDeriv"); formals(wide)$method.args <- quote(list(d = 0.06, r = 6))
  assignInNamespace(name, wide, "numDeriv")
}
# Newton steps after the search, so that the reference does not carry the noise of an optimiser.
polished <- function(fn, par, lower, upper, control = list(), ...) {
  tight <- function(p, a) lme4::nloptwrap(p, fn, lower, rep(Inf, length(p)), control = list(algorithm = a, xtol_abs = 1e-10, ftol_abs = 1e-12, maxeval = 1e5))$par
  th <- tight(tight(par, "NLOPT_LN_BOBYQA"), "NLOPT_LN_NELDERMEAD"); best <- fn(th)
  for (j in which(lower == 0 & th < 1e-3)) { z <- th; z[j] <- 0; if (fn(z) <= best + 1e-8) th <- z }
  free <- !(lower == 0 & th == 0); at <- function(z) { full <- th; full[free] <- z; fn(full) }
  if (any(free)) for (k in 1:12) {
    z <- th[free]; g <- grad(at, z); h <- hessian(at, z); e <- eigen(h, symmetric = TRUE)
    keep <- e$values > 1e-6 * max(e$values); v <- e$vectors[, keep, drop = FALSE]
    step <- -drop(v %*% (crossprod(v, g) / e$values[keep]))
    if (at(z + step) > at(z) + 1e-9) break
    th[free] <- z + step
    if (max(abs(step) / pmax(abs(z), 1e-3)) < 1e-11) break
  }
  list(par = th, fval = fn(th), conv = 0, message = "polished", feval = 0)
}
# lmerTest zaps its type 3 contrasts to 7 digits (1/3 becomes 0.3333333), which moves F by 1e-6.
for (name in c("get_contrasts_type3", "extract_contrasts_type3")) {
  exact <- get(name, asNamespace("lmerTest")); environment(exact) <- list2env(list(zapsmall = identity), parent = environment(exact))
  assignInNamespace(name, exact, "lmerTest")
}
control <- lmerControl(optimizer = "polished", calc.derivs = FALSE, check.conv.grad = "ignore", check.conv.hess = "ignore", check.conv.singular = "ignore", check.rankX = "silent.drop.cols")
quiet <- function(e) suppressMessages(suppressWarnings(e))
try_ <- function(e) tryCatch(quiet(e), error = function(err) list(error = conditionMessage(err)))
rows <- function(x) { x <- as.data.frame(x); cbind(data.frame(row = rownames(x)), x) }
file_of <- function(name) paste0("data/versus_", name, ".csv")
keep <- function(d, name) {
  d <- as.data.frame(d)
  for (j in names(d)) if (!is.numeric(d[[j]])) { v <- as.character(d[[j]]); if (any(grepl("^[0-9.+-]", v))) v <- paste0("L", v); d[[j]] <- tolower(gsub("[ ,/_-]", "", v)) } else d[[j]] <- signif(d[[j]], 8)
  write.csv(d, file_of(name), row.names = FALSE, quote = FALSE)
}
out <- list()
add <- function(name, formula, profile = FALSE) {
  d <- read.csv(file_of(name), stringsAsFactors = TRUE); assign("DATA", d, globalenv())
  f <- as.formula(gsub("**", "^", formula, fixed = TRUE)); environment(f) <- globalenv()
  m <- quiet(eval(bquote(lmer(.(f), DATA, control = control)), globalenv()))
  v <- as.data.frame(VarCorr(m)); ml <- quiet(refitML(m))
  o <- list(data = name, formula = formula, n = nobs(m), singular = isSingular(m), log_likelihood = as.numeric(logLik(m)), aic = AIC(m), bic = BIC(m), sigma = sigma(m), theta = I(unname(getME(m, "theta"))), variances = I(v$vcov),
    ml = list(log_likelihood = as.numeric(logLik(ml)), aic = AIC(ml), bic = BIC(ml)), wald = rows(confint(m, method = "Wald", parm = "beta_")), ranova = try_(rows(ranova(m)[-1, c("LRT", "Df", "Pr(>Chisq)")])))
  r <- as.data.frame(lme4::ranef(m)); if (nrow(r) < 60) o$ranef <- data.frame(group = as.character(r$grpvar), effect = as.character(r$term), level = as.character(r$grp), mode = r$condval, sd = r$condsd)
  for (way in c("Satterthwaite", "Kenward-Roger")) {
    o[[paste("fixed", way)]] <- rows(coef(quiet(summary(m, ddf = way))))
    for (type in 1:3) o[[paste("anova", type, way)]] <- rows(quiet(anova(m, type = type, ddf = way))[-2])
  }
  o$r2 <- I(unlist(quiet(performance::r2_nakagawa(m, tolerance = 0)))[1:2]); o$icc <- I(unlist(quiet(performance::icc(m, tolerance = 0)))[1:2])
  if (profile) o$profile <- rows(confint(quiet(profile(m, optimizer = "bobyqa", signames = FALSE, delta.cutoff = 1/24))))
  vars <- all.vars(lme4::nobars(f)[[3]]); factors <- vars[vapply(vars, function(x) !is.numeric(d[[x]]) || grepl(paste0("factor(", x), formula, fixed = TRUE), TRUE)]; numbers <- setdiff(vars, factors)
  o$emmeans <- list()
  for (way in c("satterthwaite", "kenward-roger")) for (a in factors) {
    put <- function(kind, x) {
      x <- as.data.frame(quiet(x)); names(x) <- sub("^(emmean|response|.*\\.trend)$", "estimate", names(x))
      kept <- if (grepl("\\|(holm|bonferroni|tukey|BH|BY)$", kind)) c("lower.CL", "upper.CL", "p.value") else c("estimate", "SE", "df", "lower.CL", "upper.CL", "p.value")
      o$emmeans[[paste(way, a, kind, sep = "|")]] <<- x[intersect(kept, names(x))]
    }
    if (way == "kenward-roger") { put("equal", emmeans(m, a, lmer.df = way)); put("pairwise|none", summary(contrast(emmeans(m, a, lmer.df = way), "pairwise", adjust = "none"), infer = TRUE)); next }
    for (w in c("equal", "proportional", "cells")) put(w, emmeans(m, a, weights = w, lmer.df = way))
    e <- emmeans(m, a, lmer.df = way); put("response", summary(e, type = "response"))
    for (adjust in c("none", "holm", "bonferroni", "tukey", "BH", "BY")) put(paste0("pairwise|", adjust), summary(contrast(e, "pairwise", adjust = adjust), infer = TRUE))
    for (kind in c("consec", "poly", "trt.vs.ctrl", "eff", "del.eff")) put(paste0(kind, "|none"), summary(contrast(e, kind, adjust = "none"), infer = TRUE))
    for (b in setdiff(factors, a)) if (nlevels(factor(d[[a]])) < 5) put(paste0("by|", b), summary(contrast(emmeans(m, a, by = b, lmer.df = way), "pairwise", adjust = "tukey"), infer = TRUE))
    for (x in numbers) put(paste0("trend|", x), emtrends(m, a, var = x, lmer.df = way))
  }
  if (!length(o$emmeans)) o$emmeans <- NULL
  out[[paste0("v", length(out) + 1)]] <<- o
}
keep(nlme::Orthodont, "orthodont"); keep(nlme::Oats, "oats"); keep(nlme::Alfalfa, "alfalfa"); keep(nlme::PBG, "pbg"); keep(nlme::Pixel, "pixel"); keep(nlme::Oxide, "oxide"); keep(nlme::Assay, "assay"); keep(nlme::Cefamandole, "cefamandole"); keep(nlme::Gasoline, "gasoline"); keep(nlme::ergoStool, "ergostool"); keep(MASS::coop, "coop"); keep(datasets::CO2, "co2"); keep(datasets::npk, "npk"); keep(datasets::Loblolly, "loblolly"); keep(subset(nlme::RatPupWeight, as.integer(as.character(Litter)) %% 2 == 0), "ratpup")
add("orthodont", "distance ~ age * Sex + (1 | Subject)", TRUE); add("orthodont", "distance ~ age * Sex + (age | Subject)"); add("orthodont", "distance ~ poly(age, 2) * Sex + (1 | Subject)"); add("orthodont", "log(distance) ~ factor(age) * Sex + (1 | Subject)")
add("oats", "yield ~ factor(nitro) * Variety + (1 | Block/Variety)"); add("oats", "log(yield) ~ nitro + I(nitro**2) + Variety + (1 | Block) + (1 | Block:Variety)")
add("alfalfa", "Yield ~ Variety * Date + (1 | Block/Variety)"); add("pbg", "deltaBP ~ Treatment * log(dose) + (1 | Rabbit/Treatment)"); add("pbg", "deltaBP ~ Treatment * factor(dose) + (1 | Rabbit) + (1 | Rabbit:Treatment)")
add("pixel", "pixel ~ day + I(day**2) + (day | Dog) + (1 | Dog:Side)"); add("pixel", "pixel ~ day * Side + (1 | Dog/Side)"); add("oxide", "Thickness ~ Source * Site + (1 | Lot/Wafer)"); add("assay", "logDens ~ sample * dilut + (1 | Block)")
add("cefamandole", "sqrt(conc) ~ log(Time) + (1 | Subject)", TRUE); add("gasoline", "yield ~ endpoint * vapor + API + ASTM + (1 | Sample)"); add("ergostool", "effort ~ 0 + Type + (1 | Subject)"); add("coop", "Conc ~ Spc + (1 | Lab) + (1 | Lab:Spc)")
add("co2", "uptake ~ Type * Treatment * log(conc) + (1 | Plant)"); add("npk", "yield ~ N + P + K + N:P + (1 | block)"); add("loblolly", "height ~ poly(age, 3) + (1 | Seed)"); add("ratpup", "weight ~ Treatment * sex + Lsize + (1 | Litter)", TRUE)

# ---- made: unbalanced, some groups of one row, a variance of any size
make <- function(i) {
  set.seed(91000 + i); L <- sample(5:18, 1); id <- rep(seq_len(L), pmax(1, rpois(L, sample(c(2, 5), 1)))); id <- c(id, sample(L, 20, TRUE)); n <- length(id); M <- sample(4:8, 1); item <- sample(M, n, TRUE)
  f <- sample(c("a", "b", "c"), n, TRUE, c(.5, .3, .2)); g <- sample(c("u", "v"), n, TRUE); x <- round(rnorm(n, sample(c(0, 5, 100), 1)), 3); s <- sample(c(0.3, 1, 5), 3, TRUE)
  y <- 6 + 0.4 * (x - mean(x)) + 0.7 * (f == "b") + 0.5 * (g == "v") * (f == "c") + s[1] * rnorm(L)[id] + s[2] * 0.5 * rnorm(L)[id] * (x - mean(x)) + s[3] * rnorm(M)[item] + rnorm(n)
  data.frame(y = y, pos = exp(y / 3), id = sprintf("s%02d", id), item = paste0("i", item), f = f, g = g, t = c("lo", "hi")[1 + id %% 2], x = x)
}
forms <- c("y ~ f * g + (1 | id)", "y ~ f * x + (1 | id) + (1 | item)", "y ~ x + f + (0 + x | id) + (1 | id)", "log(pos) ~ f * g + x + (1 | id)", "y ~ t + f + (1 | id) + (1 | item)", "y ~ (f + g + x)**2 + (1 | id)", "y ~ g * x + (x | item)", "sqrt(pos) ~ f * scale(x) + (1 | item)")
for (i in 1:8) { name <- paste0("made", i); keep(make(i), name); add(name, forms[i]) }
add("made4", "y ~ poly(x, 2) * g + (1 | id)")  # type 2: to lmerTest what is a matrix is no covariate

# ---- ends of profile intervals where a curve drawn through few points is far off: solved for
solved <- function(name, formula, which, from, to) {
  m <- quiet(lmer(as.formula(formula), read.csv(file_of(name)), REML = FALSE, control = control)); dev <- lme4:::devfun2(m, useSc = TRUE); best <- attr(dev, "optimum")[1:4]
  kind <- c("sd", "cor", "sd", "sd"); into <- function(p, k) ifelse(k == "sd", exp(p), tanh(p)); back <- function(v, k) ifelse(k == "sd", log(v), atanh(v)); least <- dev(best)
  rise <- function(value) {
    at <- function(p) { full <- best; full[which] <- value; full[-which] <- into(p, kind[-which]); z <- tryCatch(dev(full), error = function(e) 1e9); if (is.finite(z)) z else 1e9 }
    set.seed(1); ends <- sapply(1:6, function(s) { p <- back(best[-which], kind[-which]) + rnorm(3, 0, 0.5 * (s > 1)); for (k in 1:4) p <- optim(p, at, control = list(maxit = 5000, reltol = 1e-15))$par; at(p) }); min(ends) - least }
  list(data = name, formula = formula, row = which, end = uniroot(function(v) rise(v) - qchisq(0.95, 1), c(from, to), tol = 1e-9)$root)
}
out$ends <- list(a = solved("cefamandole", "log(conc) ~ Time + (Time | Subject)", 2, -0.6, 0), b = solved("cefamandole", "log(conc) ~ Time + (Time | Subject)", 1, 0.03, 0.15), c = solved("cefamandole", "log(conc) ~ Time + (Time | Subject)", 4, 0.47, 0.6), d = solved("orthodont", "distance ~ age * Sex + (age | Subject)", 4, 1.4, 1.8))

# ---- formulas: names and coefficients of lm, so that what a formula means is what R means by it
d <- read.csv(file_of("made2"), stringsAsFactors = TRUE)
texts <- c("f*g", "f/g", "f/x", "(f+g+t)^2", "(f+x)^2", "0 + f", "f - 1", "f + 0", "-1 + f", "0 + f:g", "x:f", "x + x:f", "x*f - x", "x*f - f", "(f + g):x", "poly(x, 2)", "poly(x, 2):f", "x + I(x^2)", "I(x^2 + 1)", "I((x-5)^2)", "I(x/10)", "scale(x)", "scale(x, scale=FALSE)", "log(pos)", "log2(pos)", "log1p(pos)", "sqrt(pos)*f", "exp(x/10)", "f +\n g", "f\t+ g", "f*g*x - f:g:x", "f:g", "f + g:t", "f:g:t", "g + f:t", "f*g - f", "x:f + x:g", "f:g + f:g:t", "f:g + x:f:g", "0 + f:g:t", "log(pos)^2", "`x` + f", "f + g - g", "I(x*pos)", "f*scale(x)", "as.factor(item) + x")
out$formulas <- lapply(setNames(texts, paste0("f", seq_along(texts))), function(t) { b <- coef(lm(as.formula(paste("y ~", t)), d)); b <- b[!is.na(b)]; list(text = I(gsub("\n", "\\\\n", gsub("\t", "\\\\t", t))), names = I(names(b)), estimate = I(unname(b))) })
writeLines(json(out), "versus_models.json")
