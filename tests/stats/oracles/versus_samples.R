# Reference values of R on random samples: Rscript versus_samples.R [seed] [rounds] [file]
# Writes versus_samples.json beside it. R 4.2.2, car 3.1-1, effectsize 0.8.3, emmeans 1.8.4.
# Every call is wanted as R gives it, but for what R or a package rounds or searches roughly:
# effectsize's noncentralities are inverted here from pt() and pf(), dominance is written out over all
# pairs, asymptotic intervals of wilcox.test (searched to 1e-4) have a tolerance of their own, and
# ptukey() is asked from 6 degrees of freedom on (at 3 it is wrong by percents: ptukey(25, 4, 3,
# lower.tail = FALSE) is 0.0012906 and the integral 0.0012083; below 2 it is NaN).
suppressPackageStartupMessages({library(car); library(effectsize); library(emmeans)})
given <- commandArgs(trailingOnly = TRUE)
seed <- if (length(given) > 0) as.integer(given[1]) else 7
rounds <- if (length(given) > 1) as.integer(given[2]) else 1
file <- if (length(given) > 2) given[3] else "versus_samples.json"
set.seed(seed)
options(warn = -1)

number <- function(v) ifelse(is.na(v), "null", ifelse(is.infinite(v), ifelse(v > 0, "1e999", "-1e999"), sprintf("%.17g", v)))
text <- function(s) paste0('"', gsub('"', '\\"', gsub("\\", "\\\\", s, fixed = TRUE), fixed = TRUE), '"')
atoms <- function(x) {
  if (is.logical(x)) return(ifelse(is.na(x), "null", tolower(as.character(x))))
  if (is.numeric(x)) number(as.numeric(x)) else ifelse(is.na(x), "null", text(as.character(x)))
}
json <- function(x) {
  if (is.null(x)) return("null")
  if (is.factor(x)) x <- as.character(x)
  if (is.list(x)) {
    inside <- vapply(as.list(x), json, "")
    if (is.null(names(x))) return(paste0("[", paste(inside, collapse = ",\n"), "]"))
    return(paste0("{", paste(text(names(x)), inside, sep = ": ", collapse = ", "), "}"))
  }
  inside <- atoms(unclass(x))
  if (length(x) == 1 && !inherits(x, "AsIs")) inside else paste0("[", paste(inside, collapse = ", "), "]")
}
cases <- list(); keys <- character()
vec <- function(x) I(if (is.factor(x)) as.character(x) else unname(x))
# One comparison: what is called, with what, and what R gives; "refused" where R stops.
add <- function(call, data, want, args = list(), kind = "", tol = NULL) {
  want <- tryCatch(want, error = function(e) list(refused = TRUE))
  data <- json(lapply(as.list(data), vec)); place <- match(data, keys)
  if (is.na(place)) { keys <<- c(keys, data); place <- length(keys) }
  cases[[length(cases) + 1]] <<- c(list(call = call, kind = kind, data = place - 1, args = args, want = want), if (!is.null(tol)) list(tol = tol))
}

## ---- data that bite
kinds <- list(
  normal = function(n) rnorm(n, sample(c(0, 3), 1)), lognormal = function(n) exp(rnorm(n, 0, 1.5)),
  ties = function(n) sample(1:4, n, TRUE), likert = function(n) sample(1:5, n, TRUE, c(.05, .1, .2, .4, .25)),
  counts = function(n) rpois(n, 2), huge = function(n) (5 + rnorm(n)) * 1e9, tiny = function(n) (5 + rnorm(n)) * 1e-9,
  outlier = function(n) { x <- rnorm(n); x[1] <- 1e6; x }, negative = function(n) -exp(rnorm(n)),
  rounded = function(n) round(rnorm(n, 10), 1), level = function(n) 1e6 + rnorm(n), joules = function(n) round(exp(rnorm(n, 7, .3)), 2),
  constant = function(n) rep(2.5, n), zeroes = function(n) rbinom(n, 2, .3) * rexp(n))
alternatives <- c("two-sided", "less", "greater")
r_alternative <- function(a) sub("-", ".", a)
draw <- function(n, kind) { x <- kinds[[kind]](n); if (kind != "constant" && n > 1 && length(unique(x)) < 2) x[1] <- x[1] + 1; x }
small <- function() sample(c(2, 3, 4, 5, 7, 12, 20, if (rounds > 1) c(33, 49) else 27), 1)

## ---- noncentrality, inverted to all digits that pt and pf have
crossing <- function(f, low, high) uniroot(f, c(low, high), tol = 1e-14 * max(1, abs(low), abs(high)), maxiter = 2000)$root
t_ends <- function(t, df, conf, alternative) {
  tail <- if (alternative == "two-sided") (1 - conf) / 2 else 1 - conf
  if (abs(t) > 22) return(NULL)
  at <- function(p) { g <- function(d) pt(t, df, d) - p; step <- 2 + abs(t) / sqrt(df); low <- t - step; high <- t + step
    while (g(low) < 0 && low > -37) low <- max(-37, low - step); while (g(high) > 0 && high < 37) high <- min(37, high + step)
    if (g(low) < 0 || g(high) > 0) return(NA); crossing(g, low, high) }
  # pt() is no longer what it should be for a noncentrality above 37.6.
  e <- c(if (alternative == "less") -Inf else at(1 - tail), if (alternative == "greater") Inf else at(tail))
  if (anyNA(e) || any(abs(e[is.finite(e)]) > 30)) NULL else e
}
f_ends <- function(f, df1, df2, conf, alternative) {
  tail <- if (alternative == "two-sided") (1 - conf) / 2 else 1 - conf
  at <- function(p) { g <- function(l) pf(f, df1, df2, l) - p; if (g(0) <= 0) return(0); u <- 1; while (g(u) > 0) u <- 2 * u; crossing(g, 0, u) }
  c(if (alternative == "less") 0 else at(1 - tail), if (alternative == "greater") Inf else at(tail))
}
share_ends <- function(share, df1, df2, conf, alternative) {
  if (is.na(share) || share > 0.999) return(NULL)
  e <- f_ends(share / (1 - share) * df2 / df1, df1, df2, conf, alternative)
  s <- ifelse(is.infinite(e), 1, e / (e + df2)); list(ci_low = s[1], ci_high = s[2])
}
drop_null <- function(l) l[!vapply(l, is.null, TRUE)]

## ---- one and two samples
one_sample <- function(kind, n) {
  x <- draw(n, kind); conf <- sample(c(.8, .9, .95, .99), 1)
  add("shapiro", list(x = x), { s <- shapiro.test(x); list(value = unname(s$statistic), p = s$p.value) }, kind = kind)
  for (a in alternatives) {
    mu <- if (kind %in% c("tiny", "huge")) 0 else sample(c(0, round(median(x), 1)), 1)
    add("t_test", list(x = x), { t <- t.test(x, mu = mu, alternative = r_alternative(a), conf.level = conf)
      list(estimate = unname(t$estimate), se = t$stderr, value = unname(t$statistic), df1 = unname(t$parameter), p = t$p.value, ci_low = t$conf.int[1], ci_high = t$conf.int[2]) },
      list(mu = mu, alternative = a, confidence = conf), kind)
    for (fn in c("cohens_d", "hedges_g")) add(fn, list(x = x), {
      n <- length(x); if (var(x) == 0) stop(); J <- if (fn == "hedges_g") exp(lgamma((n - 1) / 2) - log(sqrt((n - 1) / 2)) - lgamma((n - 2) / 2)) else 1
      if (J == 0 || is.nan(J)) stop("no J"); e <- unlist(lapply(t_ends((mean(x) - mu) / sd(x) * sqrt(n), n - 1, conf, a), `*`, J / sqrt(n)))
      c(list(effect = (mean(x) - mu) / sd(x) * J), if (length(e)) list(ci_low = e[1], ci_high = e[2])) }, list(mu = mu, alternative = a, confidence = conf), kind)
    signed_rank(x, NULL, a, conf, kind)
  }
}
# Asymptotic intervals, which R searches to 1e-4 in the unit of the data.
asymptotic <- function(call, x, y, a, conf, kind) if (!grepl("tiny|huge|outlier|constant", kind) && length(x) > 6) for (correct in c(TRUE, FALSE)) {
  data <- if (is.null(y)) list(x = x) else list(x = x, y = y)
  add(call, data, { w <- wilcox.test(x, y, paired = call == "wilcoxon_signed_rank" && !is.null(y), exact = FALSE, correct = correct, alternative = r_alternative(a), conf.int = TRUE, conf.level = conf)
    if (abs(attr(w$conf.int, "conf.level") - conf) > 1e-9) stop(); list(estimate_low = w$conf.int[1], estimate_high = w$conf.int[2]) }, list(alternative = a, confidence = conf, method = "asymptotic", correct = correct), kind, tol = -3e-4)
}
signed_rank <- function(x, y, a, conf, kind) {
  asymptotic("wilcoxon_signed_rank", x, y, a, conf, kind)
  for (way in c("auto", "plain", "corrected")) {
    mu <- if (kind %in% c("ties", "likert", "counts")) sample(c(0, 1, 2), 1) else if (grepl("tiny|huge", kind)) 0 else sample(c(0, round(median(x), 1)), 1)
    data <- if (is.null(y)) list(x = x) else list(x = x, y = y)
    method <- if (way == "auto") "auto" else "asymptotic"
    add("wilcoxon_signed_rank", data, {
      ask <- function(ci) wilcox.test(x, y, paired = !is.null(y), exact = if (way == "auto") NULL else FALSE, correct = way != "plain", mu = mu, alternative = r_alternative(a), conf.int = ci, conf.level = conf)
      w <- ask(FALSE); d <- if (is.null(y)) x else x - y; if (all(d == mu)) stop("nothing")
      out <- list(value = unname(w$statistic), p = w$p.value)
      if (grepl("exact", w$method)) { ci <- ask(TRUE); out <- c(out, list(estimate = unname(ci$estimate), estimate_low = ci$conf.int[1], estimate_high = ci$conf.int[2])) }
      left <- (d - mu)[d != mu]; r <- rank(abs(left)); k <- length(left); rb <- sum(r * sign(left)) / sum(r)
      tail <- if (a == "two-sided") (1 - conf) / 2 else 1 - conf; half <- qnorm(1 - tail) * sqrt(k * (k + 1) * (2 * k + 1) / 6) / (k * (k + 1) / 2)
      ends <- if (abs(rb) == 1) c(rb, rb) else tanh(atanh(rb) + c(-1, 1) * half)
      c(out, list(effect = rb, ci_low = if (a == "less") -1 else ends[1], ci_high = if (a == "greater") 1 else ends[2]))
    }, list(mu = mu, alternative = a, confidence = conf, method = method, correct = way != "plain"), kind)
  }
}
dominance <- function(x, y, conf) {
  D <- sign(outer(x, y, "-")); n <- length(x); m <- length(y); d <- mean(D)
  if (min(n, m) < 2) return(list(effect = d))
  si <- sum((rowMeans(D) - d)^2); sj <- sum((colMeans(D) - d)^2); sij <- sum((D - d)^2)
  S <- si / (n - 1) / n + sj / (m - 1) / m + sij / ((n - 1) * (m - 1) * n * m); U <- max(0, (m^2 * si + n^2 * sj - sij) / (n * m * (n - 1) * (m - 1)))
  z <- qnorm(1 - (1 - conf) / 2); q <- qt(1 - (1 - conf) / 2, n + m - 2)
  ends <- function(z, S) { w <- 1 - d^2 + z^2 * S; if (w == 0) return(c(d, d)); (d - d^3 + c(-1, 1) * z * sqrt(S) * sqrt((1 - d^2)^2 + z^2 * S)) / w }
  list(effect = d, normal = ends(z, S), t = ends(q, U), variance_consistent = S, variance_unbiased = U)
}
two_samples <- function(kinds, n, m) {
  x <- draw(n, kinds[1]); y <- draw(m, kinds[2]); conf <- sample(c(.8, .9, .95, .99), 1); kind <- paste(kinds, collapse = "/")
  data <- list(x = x, y = y); paired <- n == m
  for (a in alternatives) {
    ra <- r_alternative(a); mu <- if (any(kinds %in% c("tiny", "huge"))) 0 else sample(c(0, 1), 1)
    t_row <- function(...) { t <- t.test(x, y, mu = mu, alternative = ra, conf.level = conf, ...)
      list(se = t$stderr, value = unname(t$statistic), df1 = unname(t$parameter), p = t$p.value, ci_low = t$conf.int[1], ci_high = t$conf.int[2]) }
    common <- list(mu = mu, alternative = a, confidence = conf)
    add("t_test", data, t_row(), common, kind)
    add("t_test", data, t_row(var.equal = TRUE), c(common, equal_variances = TRUE), kind)
    if (paired) add("t_test", data, t_row(paired = TRUE), c(common, paired = TRUE), kind)
    for (fn in c("cohens_d", "hedges_g")) for (type in c("pooled", "apart", "paired")) {
      if (type == "paired" && !paired) next
      add(fn, data, {
        v1 <- var(x); v2 <- var(y)
        if (type == "pooled") { df <- n + m - 2; s <- sqrt(((n - 1) * if (n > 1) v1 else 0) / df + ((m - 1) * if (m > 1) v2 else 0) / df); f <- sqrt(1 / n + 1 / m); d <- mean(x) - mean(y)
        } else if (type == "apart") { s <- sqrt((v1 + v2) / 2); se <- sqrt(v1 / n + v2 / m); df <- se^4 / ((v1 / n)^2 / (n - 1) + (v2 / m)^2 / (m - 1)); f <- se / s; d <- mean(x) - mean(y)
        } else { s <- sd(x - y); df <- n - 1; f <- 1 / sqrt(n); d <- mean(x - y) }
        if (is.na(s) || s == 0) stop("no spread"); J <- if (fn == "hedges_g") exp(lgamma(df / 2) - log(sqrt(df / 2)) - lgamma((df - 1) / 2)) else 1
        if (df <= 1 && fn == "hedges_g") stop("no J")
        e <- t_ends((d - mu) / s / f, df, conf, a) * f * J
        c(list(effect = (d - mu) / s * J, df1 = df), if (length(e)) list(ci_low = e[1], ci_high = e[2])) },
        c(common, if (type == "apart") list(pooled = FALSE), if (type == "paired") list(paired = TRUE)), kind)
    }
    add("glass_delta", data, { s <- sd(y); if (is.na(s) || s == 0) stop(); v1 <- if (n > 1) var(x) else 0; f <- sqrt(1 / m + v1 / (s^2 * n)); e <- t_ends((mean(x) - mean(y) - mu) / s / f, m - 1, conf, a) * f
      c(list(effect = (mean(x) - mean(y) - mu) / s), if (length(e)) list(ci_low = e[1], ci_high = e[2])) }, common, kind)
    for (way in c("auto", "plain", "corrected")) add("wilcoxon_rank_sum", data, {
      if (length(unique(c(x - mu, y))) < 2) stop()
      ask <- function(ci) wilcox.test(x, y, exact = if (way == "auto") NULL else FALSE, correct = way != "plain", mu = mu, alternative = ra, conf.int = ci, conf.level = conf)
      w <- ask(FALSE); out <- list(value = unname(w$statistic), p = w$p.value)
      if (grepl("exact", w$method)) { ci <- ask(TRUE); out <- c(out, list(estimate = unname(ci$estimate), estimate_low = ci$conf.int[1], estimate_high = ci$conf.int[2])) }
      rb <- mean(sign(outer(x - mu, y, "-"))); tail <- if (a == "two-sided") (1 - conf) / 2 else 1 - conf; half <- qnorm(1 - tail) * sqrt((n + m + 1) / (3 * n * m))
      ends <- if (abs(rb) == 1) c(rb, rb) else tanh(atanh(rb) + c(-1, 1) * half)
      c(out, list(effect = rb, ci_low = if (a == "less") -1 else ends[1], ci_high = if (a == "greater") 1 else ends[2])) },
      c(common, method = if (way == "auto") "auto" else "asymptotic", correct = way != "plain"), kind)
    asymptotic("wilcoxon_rank_sum", x, y, a, conf, kind)
    if (paired) signed_rank(x, y, a, conf, kind)
    if (paired && n > 2) correlations(x, y, a, conf, kind)
    for (type in if (paired) c("apart", "paired") else "apart") add("rank_biserial", data, {
      r <- effectsize::rank_biserial(x, y, paired = type == "paired", ci = conf, alternative = ra); if (type == "paired" && all(x == y)) stop()
      if (type == "paired") r <- effectsize::rank_biserial(x - y, ci = conf, alternative = ra)
      if (type == "paired" && length(unique((x - y)[x != y])) == 1) stop("rank_biserial forgets the sign of differences that are all alike"); list(effect = r$r_rank_biserial, ci_low = r$CI_low, ci_high = r$CI_high) }, list(alternative = a, confidence = conf, paired = type == "paired"), kind)
  }
  o <- dominance(x, y, conf)
  rest <- o[c("effect", "variance_consistent", "variance_unbiased")]; rest <- drop_null(rest[!is.na(names(rest))])
  add("cliffs_delta", data, c(rest, if (length(o) > 1) list(ci_low = o$normal[1], ci_high = o$normal[2])), list(confidence = conf), kind)
  add("cliffs_delta", data, c(rest, if (length(o) > 1) list(ci_low = o$t[1], ci_high = o$t[2])), list(confidence = conf, variance = "unbiased", quantile = "t"), kind)
  add("vargha_delaney", data, c(list(effect = (o$effect + 1) / 2), if (length(o) > 1) list(ci_low = (o$normal[1] + 1) / 2, ci_high = (o$normal[2] + 1) / 2)), list(confidence = conf), kind)
  equivalence_of(x, y, kind)
}
equivalence_of <- function(x, y, kind) {
  n <- length(x); margin <- max(abs(mean(x) - mean(y)), sd(c(x, y))) * runif(1, .3, 2)
  for (type in c("welch", "student", "paired")) {
    if (type == "paired" && n != length(y)) next
    extra <- list(equal_variances = type == "student", paired = type == "paired")
    test <- function(x, y, mu, a) t.test(x, y, mu = mu, alternative = a, var.equal = type == "student", paired = type == "paired")
    add("equivalence", list(x = x, y = y), { if (margin == 0) stop(); a <- test(x, y, -margin, "greater"); b <- test(x, y, margin, "less"); ci <- t.test(x, y, conf.level = .9, var.equal = type == "student", paired = type == "paired")
      list(p = max(a$p.value, b$p.value), p_lower = a$p.value, p_upper = b$p.value, ci_low = ci$conf.int[1], ci_high = ci$conf.int[2], p_difference = ci$p.value, df1 = unname(ci$parameter)) }, c(list(margin = margin), extra), kind)
    add("non_inferiority", list(x = x, y = y), { if (margin == 0) stop(); b <- test(x, y, margin, "less"); list(p = b$p.value, value = unname(b$statistic)) }, c(list(margin = margin), extra), kind)
    add("non_inferiority", list(x = x, y = y), { if (margin == 0) stop(); b <- test(x, y, -margin, "greater"); list(p = b$p.value, value = unname(b$statistic)) }, c(list(margin = margin, worse = "lower"), extra), kind)
    add("equivalence", list(x = x, y = y), { if (any(c(x, y) <= 0)) stop("no logarithm"); local({ x <- log(x); y <- log(y); a <- test(x, y, -log(1.2), "greater"); b <- test(x, y, log(1.2), "less"); ci <- t.test(x, y, conf.level = .9, var.equal = type == "student", paired = type == "paired")
      list(p = max(a$p.value, b$p.value), p_lower = a$p.value, p_upper = b$p.value, ci_low = exp(ci$conf.int[1]), ci_high = exp(ci$conf.int[2])) }) }, c(list(ratio_margin = 1.2), extra), kind)
  }
}
correlations <- function(x, y, a, conf, kind) {
  ra <- r_alternative(a); data <- list(x = x, y = y); n <- length(x)
  check <- function() if (length(unique(x)) < 2 || length(unique(y)) < 2) stop("constant")
  add("pearson", data, { check(); k <- cor.test(x, y, alternative = ra, conf.level = conf)
    c(list(value = unname(k$statistic), df1 = unname(k$parameter), p = k$p.value, effect = unname(k$estimate)), if (n > 3) list(ci_low = k$conf.int[1], ci_high = k$conf.int[2])) }, list(alternative = a, confidence = conf), kind)
  for (m in c("spearman", "kendall")) for (exact in c("auto", "asymptotic")) add(m, data, { check()
    k <- cor.test(x, y, method = m, alternative = ra, exact = if (exact == "auto") NULL else FALSE); r <- unname(k$estimate)
    se <- if (m == "spearman") sqrt((1 + r^2 / 2) / (n - 3)) else sqrt(.437 / (n - 4)); tail <- if (a == "two-sided") (1 - conf) / 2 else 1 - conf
    ends <- tanh(atanh(r) + c(-1, 1) * qnorm(1 - tail) * se); enough <- n > (if (m == "spearman") 3 else 4) && abs(r) < 1 - 1e-12
    c(list(value = unname(k$statistic), p = k$p.value, effect = r), if (enough) list(ci_low = if (a == "less") -1 else ends[1], ci_high = if (a == "greater") 1 else ends[2])) },
    c(list(alternative = a, method = exact), if (TRUE) list(confidence = conf)), kind)
}

## ---- groups
dunn_rows <- function(y, g, method) {
  r <- rank(y); N <- length(y); n <- table(g); R <- tapply(r, g, mean); t <- table(y); C <- sum(t^3 - t) / (12 * (N - 1)); lv <- levels(g)
  pair <- combn(length(lv), 2); se <- sqrt((N * (N + 1) / 12 - C) * as.numeric(1 / n[pair[1, ]] + 1 / n[pair[2, ]])); d <- as.numeric(R[pair[1, ]] - R[pair[2, ]]); p <- 2 * pnorm(-abs(d / se))
  list(contrast = vec(paste(lv[pair[1, ]], "-", lv[pair[2, ]])), estimate = vec(d), se = vec(se), value = vec(d / se), p = vec(p), p_adjusted = vec(p.adjust(p, method)))
}
howell_rows <- function(y, g, conf) {
  m <- tapply(y, g, mean); v <- tapply(y, g, var) / table(g); n <- table(g); k <- nlevels(g); pair <- combn(k, 2); i <- pair[1, ]; j <- pair[2, ]
  if (any(is.na(v)) || any(v == 0)) stop("no variance")
  se <- as.numeric(sqrt(v[i] + v[j])); df <- as.numeric((v[i] + v[j])^2 / (v[i]^2 / (n[i] - 1) + v[j]^2 / (n[j] - 1))); d <- as.numeric(m[i] - m[j])
  list(estimate = vec(d), se = vec(se), df1 = vec(df), p = vec(2 * pt(-abs(d / se), df)))
}
group_data <- function(k, kind, sizes) {
  y <- unlist(lapply(seq_len(k), function(j) { z <- draw(sizes[j], kind[(j - 1) %% length(kind) + 1]); if (j == 2 && length(z) > 1) z + sd(z) * .5 else z }))
  data.frame(y = y, g = factor(rep(letters[seq_len(k)], sizes)))
}
one_way <- function(d, kind) {
  conf <- sample(c(.9, .95), 1); formula <- "y ~ g"; y <- d$y; g <- d$g; k <- nlevels(g); n <- length(y)
  for (centre in c("median", "mean")) add("levene", d, { l <- leveneTest(y ~ g, d, center = get(centre)); if (is.nan(l[1, 2]) || is.infinite(l[1, 2])) stop(); list(value = l[1, 2], df1 = l[1, 1], df2 = l[2, 1], p = l[1, 3]) }, list(formula = formula, centre = centre), kind)
  add("bartlett", d, { b <- bartlett.test(y ~ g, d); if (any(tapply(y, g, var) == 0)) stop(); list(value = unname(b$statistic), df1 = unname(b$parameter), p = b$p.value) }, list(formula = formula), kind)
  add("fligner", d, { b <- fligner.test(y ~ g, d); if (is.nan(b$statistic)) stop(); list(value = unname(b$statistic), df1 = unname(b$parameter), p = b$p.value) }, list(formula = formula), kind)
  for (a in alternatives) add("kruskal", d, { if (length(unique(y)) < 2) stop(); b <- kruskal.test(y ~ g, d); H <- unname(b$statistic); e <- share_ends(H / (n - 1), k - 1, n - k, conf, a)
    c(list(value = H, df1 = unname(b$parameter), p = b$p.value, effect = H / (n - 1)), if (n > k) list(eta_squared_h = (H - k + 1) / (n - k)), if (n > k) e) }, list(formula = formula, alternative = a, confidence = conf), kind)
  for (m in c("BH", "BY", "holm", "hochberg", "bonferroni")) add("dunn", d, { if (length(unique(y)) < 2) stop(); dunn_rows(y, g, m) }, list(formula = formula, adjust = m), kind)
  add("pairwise_wilcoxon", d, { p <- pairwise.wilcox.test(y, g, p.adjust.method = "none")$p.value; p <- p[lower.tri(p, diag = TRUE)]; list(p = vec(p), p_adjusted = vec(p.adjust(p, "BH"))) }, list(formula = formula), kind)
  for (a in alternatives) add("welch_anova", d, { if (any(is.na(tapply(y, g, var))) || any(tapply(y, g, var) == 0)) stop(); w <- oneway.test(y ~ g, d); F <- unname(w$statistic); df <- unname(w$parameter); eta <- F * df[1] / (F * df[1] + df[2])
    c(list(value = F, df1 = df[1], df2 = df[2], p = w$p.value, effect = eta, omega_sq = max(0, (F - 1) * df[1] / (F * df[1] + df[2] + 1))), share_ends(eta, df[1], df[2], conf, a)) }, list(formula = formula, alternative = a, confidence = conf), kind)
  add("games_howell", d, howell_rows(y, g, conf), list(formula = formula, confidence = conf), kind)
  add("games_howell", d, { h <- howell_rows(y, g, conf); q <- sqrt(2) * abs(h$estimate / h$se); reach <- qtukey(conf, k, h$df1) / sqrt(2) * h$se
    few <- h$df1 < 6; p <- ptukey(q, k, h$df1, lower.tail = FALSE)
    list(p_adjusted = vec(ifelse(few | p < 1e-3, NA, p)), ci_low = vec(ifelse(few, NA, h$estimate - reach)), ci_high = vec(ifelse(few, NA, h$estimate + reach))) }, list(formula = formula, confidence = conf), kind, tol = 1e-4)
  add("planned_contrasts", d, { v <- tapply(y, g, var); if (any(is.na(v)) || any(v == 0)) stop(); m <- tapply(y, g, mean); s <- v / table(g); i <- 1:(k - 1); j <- i + 1; se <- as.numeric(sqrt(s[i] + s[j])); df <- as.numeric((s[i] + s[j])^2 / (s[i]^2 / (table(g)[i] - 1) + s[j]^2 / (table(g)[j] - 1))); e <- as.numeric(m[j] - m[i]); p <- 2 * pt(-abs(e / se), df)
    list(estimate = vec(e), se = vec(se), df1 = vec(df), p = vec(p), p_adjusted = vec(p.adjust(p, "BH"))) }, list(formula = formula, variances = "unequal"), kind)
  fit_one_way(d, kind, conf)
}
fit_one_way <- function(d, kind, conf) {
  fit <- function() { m <- lm(y ~ g, d); if (sigma(m) < 1e-12 * sd(d$y) || m$df.residual < 1) stop("perfect"); m }
  add("planned_contrasts", d, { s <- summary(contrast(emmeans(fit(), "g"), "consec", adjust = "holm"), infer = TRUE); u <- summary(contrast(emmeans(fit(), "g"), "consec", adjust = "none"), infer = TRUE, level = conf)
    list(contrast = vec(as.character(s$contrast)), estimate = vec(s$estimate), se = vec(s$SE), df1 = vec(s$df), p = vec(u$p.value), p_adjusted = vec(s$p.value), ci_low = vec(u$lower.CL), ci_high = vec(u$upper.CL)) }, list(formula = "y ~ g", adjust = "holm", confidence = conf), kind)
  add("polynomial_trend", d, { e <- d; e$g <- factor(e$g, ordered = TRUE); fit(); s <- coef(summary(lm(y ~ g, e)))[-1, , drop = FALSE]; list(estimate = vec(s[, 1]), se = vec(s[, 2]), value = vec(s[, 3]), p = vec(s[, 4])) }, list(formula = "y ~ g"), kind)
  scores <- sort(sample(1:30, nlevels(d$g)))
  add("polynomial_trend", d, { e <- d; e$g <- factor(e$g, ordered = TRUE); contrasts(e$g) <- contr.poly(nlevels(e$g), scores = scores); fit(); s <- coef(summary(lm(y ~ g, e)))[-1, , drop = FALSE]; list(estimate = vec(s[, 1]), se = vec(s[, 2]), p = vec(s[, 4])) }, list(formula = "y ~ g", scores = vec(scores)), kind)
  add("anova", d, { a <- anova(fit()); list(value = vec(a[, 4]), sum_sq = vec(a[, 2]), df1 = vec(a[, 1]), p = vec(a[, 5])) }, list(formula = "y ~ g"), kind)
}
in_blocks <- function(k, b, kind) {
  d <- expand.grid(g = letters[1:k], b = sprintf("b%02d", 1:b)); d$y <- unlist(lapply(1:b, function(i) draw(k, kind))); d <- d[sample(nrow(d)), ]
  same <- all(tapply(d$y, d$b, function(v) length(unique(v))) == 1); formula <- "y ~ g | b"
  for (a in alternatives) add("friedman", d, { if (same) stop(); f <- friedman.test(y ~ g | b, d); W <- unname(f$statistic) / (b * (k - 1)); e <- share_ends(W, k - 1, (b - 1) * (k - 1), .95, a)
    c(list(value = unname(f$statistic), df1 = unname(f$parameter), p = f$p.value, effect = W), e) }, list(formula = formula, alternative = a), kind)
  add("quade", d, { if (same) stop(); q <- quade.test(y ~ g | b, d); list(value = unname(q$statistic), df1 = unname(q$parameter)[1], df2 = unname(q$parameter)[2], p = q$p.value) }, list(formula = formula), kind)
}

## ---- linear models
design <- function(kind, empty = FALSE) {
  d <- expand.grid(a = c("p", "q", "r"), b = c("u", "v"), c = c("s", "t"), rep = 1:4, stringsAsFactors = FALSE); d <- d[sort(sample(nrow(d), 37)), ]
  if (empty) d <- d[!(d$a == "r" & d$b == "v"), ]
  d$x <- round(runif(nrow(d), 1, 9), 2); d$z <- round(rnorm(nrow(d)), 3); d$k <- sample(c(1, 2, 4, 8), nrow(d), TRUE)
  effect <- (d$a == "q") + .7 * (d$b == "v") * d$x / 5 - (d$c == "t") * .4
  noise <- draw(nrow(d), kind); d$y <- noise + effect * sd(noise) * .6; if (kind %in% c("lognormal", "joules")) d$y <- d$y - min(d$y) + 1; d[sample(nrow(d)), ]
}
es <- function(m, a, conf, alternative) {
  ss <- a[["Sum Sq"]]; df <- a[["Df"]]; k <- length(ss); res <- ss[k]; rdf <- df[k]; total <- sum(ss); ms <- res / rdf
  pe <- ss[-k] / (ss[-k] + res); ends <- lapply(seq_along(pe), function(i) { e <- share_ends(pe[i], df[i], rdf, conf, alternative); if (is.null(e)) c(NA, NA) else unlist(e) })
  list(effect = vec(c(pe, NA)), ci_low = vec(c(sapply(ends, `[`, 1), NA)), ci_high = vec(c(sapply(ends, `[`, 2), NA)), eta_sq = vec(c(ss[-k] / total, NA)),
       omega_sq = vec(c(pmax(0, (ss[-k] - df[-k] * ms) / (total + ms)), NA)), partial_omega_sq = vec(c(pmax(0, (ss[-k] - df[-k] * ms) / (ss[-k] + (sum(df) + 1 - df[-k]) * ms)), NA)),
       epsilon_sq = vec(c(pmax(0, (ss[-k] - df[-k] * ms) / total), NA)), partial_epsilon_sq = vec(c(pmax(0, (ss[-k] - df[-k] * ms) / (ss[-k] + res)), NA)), cohens_f = vec(c(sqrt(pe / (1 - pe)), NA)))
}
crossed <- function(kind) {
  d <- design(kind); conf <- sample(c(.9, .95), 1)
  formulas <- list(c("y ~ a + b", "y ~ a + b"), c("y ~ a * b", "y ~ a * b"), c("y ~ a * b * c", "y ~ a * b * c"), c("y ~ x + a * b", "y ~ x + a * b"), c("y ~ a * x", "y ~ a * x"), c("y ~ b * a + c:x", "y ~ b * a + c:x"),
    c("y ~ factor(k) * b", "y ~ factor(k) * b"), c("y ~ a * b + b * c + z", "y ~ a * b + b * c + z"), c("y ~ (a + b + c)^2", "y ~ (a + b + c)^2"), c("y ~ a / b", "y ~ a / b"), c("y ~ poly(x, 2) + a", "y ~ poly(x, 2) + a"), c("y ~ I(x^2) + x + b", "y ~ I(x^2) + x + b"), c("y ~ log(x) * a", "y ~ log(x) * a"), c("y ~ x * z", "y ~ x * z"))
  for (f in formulas) {
    a <- sample(alternatives, 1); m <- lm(as.formula(f[1]), d); s <- summary(m); if (anyNA(coef(m)) && !grepl("/", f[1])) next
    coefs <- list(estimate = vec(s$coefficients[, 1]), se = vec(s$coefficients[, 2]), value = vec(s$coefficients[, 3]), p = vec(s$coefficients[, 4]), ci_low = vec(confint(m)[!is.na(coef(m)), 1]), ci_high = vec(confint(m)[!is.na(coef(m)), 2]))
    add("lm", d, coefs, list(formula = f[2]), kind)
    rows <- function(t) { v <- if (is.null(t[["F value"]])) t[["F"]] else t[["F value"]]; list(term = vec(rownames(t)), df1 = vec(t[["Df"]]), sum_sq = vec(t[["Sum Sq"]]), value = vec(v), p = vec(t[["Pr(>F)"]])) }
    if (grepl("/", f[1])) next
    one <- anova(m); add("anova", d, c(rows(one), es(m, one, conf, a)), list(formula = f[2], type = 1, confidence = conf, alternative = a), kind)
    two <- Anova(m, type = 2); add("anova", d, c(rows(two), es(m, two, conf, a)), list(formula = f[2], type = 2, confidence = conf, alternative = a), kind)
    old <- options(contrasts = c("contr.sum", "contr.poly")); m3 <- lm(as.formula(f[1]), d); three <- Anova(m3, type = 3)[-1, ]; options(old)
    add("anova", d, c(rows(three), es(m3, three, conf, a)), list(formula = f[2], type = 3, confidence = conf, alternative = a), kind)
  }
  means(d, kind)
}
means <- function(d, kind) {
  specs <- list(list("y ~ a * b + x", "a", NULL), list("y ~ a * b * c", "a", "b"), list("y ~ a + b + c + z", "b", NULL), list("y ~ a * x + c", "a", "c"), list("y ~ factor(k) * b + x", "k", NULL))
  for (s in specs) {
    m <- lm(as.formula(s[[1]]), d); g <- emmeans(m, s[[2]], by = s[[3]], weights = w <- sample(c("equal", "proportional", "cells", "flat"), 1))
    r <- as.data.frame(summary(g, level = .9)); args <- drop_null(list(formula = s[[1]], specs = s[[2]], by = s[[3]], weights = w, confidence = .9))
    add("emmeans", d, list(estimate = vec(r$emmean), se = vec(r$SE), df1 = vec(r$df), ci_low = vec(r$lower.CL), ci_high = vec(r$upper.CL)), args, kind)
    for (adj in c("none", "BH", "BY", "holm", "hochberg", "bonferroni", "sidak", "tukey")) for (kd in c("pairwise", "consec", "poly", "trt.vs.ctrl", "eff", "del.eff")) {
      if (adj == "tukey" && kd != "pairwise") next
      if (!(adj %in% c("none", "holm", "sidak")) && runif(1) < .6) next
      a <- if (adj == "tukey") "two-sided" else sample(alternatives, 1)
      k <- contrast(g, kd, adjust = adj); r <- as.data.frame(summary(k, infer = TRUE, side = if (a == "two-sided") "two-sided" else if (a == "less") "<" else ">", level = .9))
      add("contrasts", d, list(estimate = vec(r$estimate), se = vec(r$SE), df1 = vec(r$df), value = vec(r$t.ratio), p_adjusted = vec(r$p.value), ci_low = vec(r$lower.CL), ci_high = vec(r$upper.CL)),
          c(args, list(kind = c(consec = "consecutive", poly = "polynomial")[kd], adjust = adj, alternative = a)), kind, tol = if (adj == "tukey") 1e-4 else NULL)
      if (is.na(cases[[length(cases)]]$args$kind)) cases[[length(cases)]]$args$kind <<- kd
    }
  }
  tr <- emtrends(lm(y ~ a * x + b, d), "a", var = "x"); r <- as.data.frame(summary(tr))
  add("trends", d, list(estimate = vec(r$x.trend), se = vec(r$SE), df1 = vec(r$df), ci_low = vec(r$lower.CL), ci_high = vec(r$upper.CL)), list(formula = "y ~ a * x + b", covariate = "x", specs = "a"), kind, tol = 1e-7)
}
deficient <- function(kind) {
  d <- design(kind, TRUE); d$w <- d$x * 2 + 1; d$copy <- d$a; Given <<- d
  for (f in c("y ~ a * b", "y ~ x + w + z", "y ~ a + copy + x", "y ~ a * b * c", "y ~ b * a * c", "y ~ w + x + a * b + z")) {
    m <- do.call("lm", list(as.formula(f), quote(Given))); s <- summary(m)
    add("lm", d, list(aliased = sum(is.na(coef(m))), place = vec(which(is.na(coef(m))) - 1), estimate = vec(s$coefficients[, 1]), se = vec(s$coefficients[, 2]), p = vec(s$coefficients[, 4])), list(formula = f), kind)
    one <- anova(m); add("anova", d, list(term = vec(rownames(one)), df1 = vec(one$Df), sum_sq = vec(one[["Sum Sq"]]), value = vec(one[["F value"]]), p = vec(one[["Pr(>F)"]])), list(formula = f, type = 1, aliased = "drop"), kind)
    add("anova", d, { two <- Anova(m, type = 2, singular.ok = TRUE); two <- two[two$Df > 0, ]; list(term = vec(rownames(two)), df1 = vec(two$Df), sum_sq = vec(two[["Sum Sq"]]), value = vec(two[["F value"]]), p = vec(two[["Pr(>F)"]])) }, list(formula = f, type = 2, aliased = "drop"), kind)
  }
}

## ---- p values, proportions, power, ranges
figures <- function() {
  p <- runif(sample(1:12, 1))^3; if (runif(1) < .3) p[1] <- p[length(p)]; if (runif(1) < .3) p <- c(p, 0, 1); if (runif(1) < .3 && length(p) > 1) p[2] <- NA
  for (m in c("BH", "BY", "holm", "hochberg", "bonferroni", "none")) add("adjusted", list(p = p), list(value = vec(p.adjust(p, m))), list(method = m))
  n <- sample(c(1, 5, 40, 1000), 2, TRUE); x <- c(sample(0:n[1], 1), sample(0:n[2], 1))
  wilson <- function(x, n) prop.test(x, n, correct = FALSE)$conf.int[1:2]
  add("two_proportions", list(), { k <- prop.test(x, n, correct = FALSE); a <- wilson(x[1], n[1]); b <- wilson(x[2], n[2]); q <- x / n; d <- q[1] - q[2]
    c(list(estimate = d, ci_low = d - sqrt((q[1] - a[1])^2 + (b[2] - q[2])^2), ci_high = d + sqrt((a[2] - q[1])^2 + (q[2] - b[1])^2)), if (!is.nan(k$p.value)) list(value = unname(k$statistic), p = k$p.value)) },
    list(correct_x = x[1], n_x = n[1], correct_y = x[2], n_y = n[2]))
  u <- rbinom(sample(c(3, 10, 60), 1), 1, runif(1)); v <- rbinom(length(u), 1, runif(1)); b <- sum(u > v); c <- sum(v > u)
  add("mcnemar", list(x = u, y = v), list(estimate = mean(u) - mean(v), value = b, p = if (b + c) binom.test(b, b + c)$p.value else 1))
  n <- sample(c(2, 3.5, 8, 50, 400), 1); d <- runif(1, 0, 2); alpha <- sample(c(.05, .01), 1)
  for (type in c("two-sample", "one-sample", "paired")) for (a in alternatives) for (strict in c(FALSE, TRUE)) if (!strict || a == "two-sided")
    add("power_t_test", list(), list(power = power.t.test(n, if (a == "less") d else d, 1, alpha, type = sub("-", ".", type), alternative = if (a == "two-sided") "two.sided" else "one.sided", strict = strict)$power), list(n = n, d = if (a == "less") -d else d, alpha = alpha, kind = type, alternative = a, strict = strict))
  k <- sample(2:7, 1); f <- runif(1, 0.05, 1); add("power_anova", list(), list(power = power.anova.test(k, n, f^2 * k / (k - 1), 1, alpha)$power), list(groups = k, n = n, f = f, alpha = alpha))
  want <- runif(1, .5, .97); d <- runif(1, .1, 1.5)
  add("power_t_test", list(), list(n = power.t.test(delta = d, power = want, sig.level = alpha, tol = 1e-13)$n), list(d = d, power = want, alpha = alpha))
  add("sample_size", list(), list(n = ceiling(power.t.test(delta = d, power = want, sig.level = alpha, tol = 1e-13)$n)), list(d = d, power = want, alpha = alpha))
  add("smallest_detectable", list(), list(difference = 2.5 * power.t.test(n = max(n, 3), power = want, sig.level = alpha, tol = 1e-13)$delta), list(n = max(n, 3), sd = 2.5, power = want, alpha = alpha))
}

## ---- large samples, made by Lehmer's generator so that they need not be written down
lehmer <- function(n, start) { u <- numeric(n); for (i in seq_len(n)) { start <- (start * 16807) %% 2147483647; u[i] <- start / 2147483647 }; u }
made <- function(n, start, kind) { u <- lehmer(n, start); switch(kind, flat = u, ties = floor(u * 7), skewed = 1 / (u + .03), joules = 1e3 + 50 * u * u, large = 1e9 * u, small = 1e-9 * u) }
names_made <- c("flat", "ties", "skewed", "joules", "large", "small")
big <- function(kind, n, m) {
  start <- sample(1e6, 2); x <- made(n, start[1], kind); y <- made(m, start[2], kind) * 1.01
  from <- list(made = vec(c(n, start[1], m, start[2], kind)))
  add("shapiro", from, { s <- shapiro.test(x); list(value = unname(s$statistic), p = s$p.value) }, list(), kind)
  add("t_test", from, { t <- t.test(x, y); list(value = unname(t$statistic), p = t$p.value, ci_low = t$conf.int[1]) }, list(), kind)
  add("wilcoxon_rank_sum", from, { t <- wilcox.test(x, y); list(value = unname(t$statistic), p = t$p.value) }, list(), kind)
  add("cliffs_delta", from, { o <- dominance(x, y, .95); list(effect = o$effect, variance_consistent = o$variance_consistent, variance_unbiased = o$variance_unbiased, ci_low = o$normal[1], ci_high = o$normal[2]) }, list(), kind)
  if (n == m) {
    add("wilcoxon_signed_rank", from, { t <- wilcox.test(x, y, paired = TRUE); list(value = unname(t$statistic), p = t$p.value) }, list(), kind)
    add("pearson", from, { t <- cor.test(x, y); list(value = unname(t$statistic), p = t$p.value, effect = unname(t$estimate)) }, list(), kind)
    add("spearman", from, { t <- cor.test(x, y, method = "spearman"); list(value = unname(t$statistic), p = t$p.value, effect = unname(t$estimate)) }, list(), kind)
    if (n < 2000) add("kendall", from, { t <- cor.test(x, y, method = "kendall"); list(value = unname(t$statistic), p = t$p.value, effect = unname(t$estimate)) }, list(), kind)
  }
  d <- data.frame(y = c(x, y), g = factor(paste0("g", c(seq_along(x) %% 3, seq_along(y) %% 4)))); from <- list(groups = from$made); g <- d$g; y <- d$y; formula <- list(formula = "y ~ g")
  add("kruskal", from, { t <- kruskal.test(y ~ g, d); list(value = unname(t$statistic), p = t$p.value) }, formula, kind)
  add("levene", from, { l <- leveneTest(y ~ g, d); list(value = l[1, 2], p = l[1, 3]) }, formula, kind)
  add("bartlett", from, { b <- bartlett.test(y ~ g, d); list(value = unname(b$statistic), p = b$p.value) }, formula, kind)
  add("fligner", from, { b <- fligner.test(y ~ g, d); list(value = unname(b$statistic), p = b$p.value) }, formula, kind)
  add("dunn", from, dunn_rows(y, g, "holm"), c(formula, adjust = "holm"), kind)
  add("games_howell", from, howell_rows(y, g, .95), formula, kind)
  add("welch_anova", from, { w <- oneway.test(y ~ g, d); list(value = unname(w$statistic), df2 = unname(w$parameter)[2], p = w$p.value) }, formula, kind)
  add("anova", from, { a <- anova(lm(y ~ g, d)); list(value = vec(a[, 4]), sum_sq = vec(a[, 2]), p = vec(a[, 5])) }, formula, kind)
}
for (kind in if (rounds > 1) names_made else sample(names_made, 3)) { n <- sample(c(400, 1000, 1290, 1291, 2500, 5000), 1); big(kind, n, if (runif(1) < .6) n else sample(c(50, 700, 3000), 1)) }

for (round in seq_len(rounds)) {
  names_of <- names(kinds)
  for (kind in if (rounds > 1) names_of else sample(names_of, 5)) one_sample(kind, small())
  for (i in seq_len(if (rounds > 1) 10 else 5)) { n <- small(); m <- if (runif(1) < .5) n else small(); two_samples(if (runif(1) < .6) rep(sample(names_of, 1), 2) else sample(setdiff(names_of, c("huge", "tiny")), 2, TRUE), n, m) }
  for (i in seq_len(if (rounds > 1) 8 else 4)) { k <- sample(2:6, 1); kind <- if (runif(1) < .7) sample(setdiff(names_of, "constant"), 1) else sample(setdiff(names_of, c("huge", "tiny")), 2); sizes <- if (runif(1) < .2) rep(sample(2:6, 1), k) else sample(c(1, 2, 3, 5, 9, 25), k, TRUE, c(1, 2, 4, 4, 4, 2)); one_way(group_data(k, kind, sizes), paste(kind, collapse = "/")) }
  for (i in 1:3) in_blocks(sample(2:6, 1), sample(2:9, 1), sample(names_of, 1))
  for (kind in sample(setdiff(names_of, c("constant", "zeroes", "ties", "tiny")), if (rounds > 1) 2 else 1)) crossed(kind)
  deficient(sample(c("normal", "huge", "joules", "level"), 1))
  for (i in 1:4) figures()
}
writeLines(paste0("{\"data\": [", paste(keys, collapse = ",\n"), "],\n\"cases\": [", paste(vapply(cases, json, ""), collapse = ",\n"), "]}"), file)
cat(length(cases), "cases\n")
