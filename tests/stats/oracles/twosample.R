# Two samples in R 4.2.2 (effectsize 0.8.3): Rscript twosample.R
suppressPackageStartupMessages({library(effectsize)})
source("exact_json.R")
set.seed(20240705)
figures <- function(v) signif(v, 7)
test <- function(...) { h <- t.test(...); list(t = unname(h$statistic), df = unname(h$parameter), p = h$p.value,
  ci = I(as.vector(h$conf.int)), se = h$stderr) }

# Noncentrality of t, by integration over the chi density and root search, where pt() is an approximation
# beyond a noncentrality of 37.62 and effectsize's search stops at 1e-6.
tail <- function(t, df, d, lower) {
  constant <- log(2) + df / 2 * log(df / 2) - lgamma(df / 2)
  f <- function(s) exp(constant + (df - 1) * log(s) - df * s^2 / 2) * pnorm(if (lower) t * s - d else d - t * s)
  width <- 1 / sqrt(2 * df)
  knots <- sort(unique(pmax(c(0, 1 + seq(-12, 12, .5) * width, 1 + 12 * width + if (df < 30) seq(.5, 6, .5) else 0,
                              if (t != 0) (d + seq(-9, 9, .5)) / t), 0)))
  knots <- knots[knots <= max(1 + 12 * width + 6 * (df < 30), 0)]
  sum(mapply(function(a, b) integrate(f, a, b, rel.tol = 1e-12, abs.tol = 1e-16)$value, head(knots, -1), knots[-1]))
}
ncp <- function(t, df, conf) {
  a <- (1 - conf) / 2; w <- 6 + abs(t) * 4 / sqrt(df)
  c(uniroot(function(d) tail(t, df, d, FALSE) - a, c(t - w, t), extendInt = "upX", tol = 1e-13, maxiter = 500)$root,
    uniroot(function(d) tail(t, df, d, TRUE) - a, c(t, t + w), extendInt = "downX", tol = 1e-13, maxiter = 500)$root)
}
noncentral_t <- lapply(list(c(50, 900, .95), c(0, 10, .95), c(5.2, 10, .9), c(-3, 4.5, .95), c(2, 2, .95), c(1e-3, 30, .99),
  c(120, 5000, .95), c(12, 3.3, .95), c(60, 58, .95), c(1.5, 1e5, .95)), function(a) list(t = a[1], df = a[2], confidence = a[3],
    interval = I(ncp(a[1], a[2], a[3])), effectsize = I(suppressWarnings(effectsize:::.get_ncp_t(a[1], a[2], a[3])))))
f_ncp <- function(f, df1, df2, conf) { a <- (1 - conf) / 2
  low <- if (pf(f, df1, df2, lower.tail = FALSE) >= a) 0 else uniroot(function(l) pf(f, df1, df2, l, lower.tail = FALSE) - a, c(0, 10 * df1 * f + 10), tol = 1e-13, maxiter = 500)$root
  high <- if (pf(f, df1, df2) <= a) 0 else uniroot(function(l) pf(f, df1, df2, l) - a, c(0, 10 * df1 * f + 100), tol = 1e-13, maxiter = 500)$root
  c(low, high) }
noncentral_f <- lapply(list(c(24.8, 3, 26, .9), c(.5, 3, 26, .95), c(.01, 3, 26, .95), c(111.6, 4, 20, .9), c(5.7, 5, 20, .95), c(900, 3, 896, .9)),
  function(a) list(f = a[1], df1 = a[2], df2 = a[3], confidence = a[4], interval = I(f_ncp(a[1], a[2], a[3], a[4]))))
chi_ncp <- function(x, df, conf) { a <- (1 - conf) / 2
  low <- if (pchisq(x, df, lower.tail = FALSE) >= a) 0 else uniroot(function(l) pchisq(x, df, l, lower.tail = FALSE) - a, c(0, 4 * x + 10), tol = 1e-13, maxiter = 500)$root
  high <- if (pchisq(x, df) <= a) 0 else uniroot(function(l) pchisq(x, df, l) - a, c(0, 4 * x + 100), tol = 1e-13, maxiter = 500)$root
  c(low, high) }
noncentral_chi2 <- lapply(list(c(20, 3, .95), c(1, 3, .95), c(.01, 3, .95), c(300, 7, .9)),
  function(a) list(chi2 = a[1], df = a[2], confidence = a[3], interval = I(chi_ncp(a[1], a[2], a[3]))))

# Effects as effectsize gives them, and their intervals by the root search above beside its own.
scaled <- function(kind, x, y = NULL, mu = 0) {
  n1 <- length(x); n2 <- length(y); v1 <- var(x); v2 <- if (n2) var(y)
  switch(kind,
    one = c(mean(x) - mu, sqrt(v1 / n1), sqrt(1 / n1), n1 - 1),
    pooled = { s <- sqrt(((n1 - 1) * v1 + (n2 - 1) * v2) / (n1 + n2 - 2)); h <- sqrt(1 / n1 + 1 / n2); c(mean(x) - mean(y), s * h, h, n1 + n2 - 2) },
    unpooled = { s <- sqrt((v1 + v2) / 2); se <- sqrt(v1 / n1 + v2 / n2); c(mean(x) - mean(y), se, se / s, se^4 / ((v1 / n1)^2 / (n1 - 1) + (v2 / n2)^2 / (n2 - 1))) },
    glass = { h <- sqrt(1 / n2 + v1 / (n1 * v2)); c(mean(x) - mean(y), sqrt(v2) * h, h, n2 - 1) })
}
d_of <- function(f, ..., as, args, corrected = TRUE) { r <- suppressWarnings(as.data.frame(f(..., ci = .95))); s <- do.call(scaled, c(as, args))
  factor <- if (corrected) J(s[4]) else 1
  list(effect = r[[1]], low = r$CI_low, high = r$CI_high, exact = I(ncp(s[1] / s[2], s[4], .95) * s[3] * factor)) }
J <- function(df) exp(lgamma(df / 2) - log(sqrt(df / 2)) - lgamma((df - 1) / 2))
tost <- function(x, y, low, high, alpha, ...) {
  a <- t.test(x, y, mu = low, alternative = "greater", ...); b <- t.test(x, y, mu = high, alternative = "less", ...)
  ci <- t.test(x, y, conf.level = 1 - 2 * alpha, ...)
  list(p_lower = a$p.value, p_upper = b$p.value, p = max(a$p.value, b$p.value), df = unname(ci$parameter), ci = I(as.vector(ci$conf.int)),
       p_difference = ci$p.value)
}
pair <- function(x, y) {
  x <- figures(x); y <- figures(y)
  o <- list(x = I(x), y = I(y), one = test(x, mu = figures(mean(y))), mu = figures(mean(y)), student = test(x, y, var.equal = TRUE), welch = test(x, y),
    less = test(x, y, alternative = "less", conf.level = .9), greater = test(x, y, alternative = "greater", mu = -figures(sd(x)) / 3), shift = -figures(sd(x)) / 3,
    hedges_pooled = d_of(hedges_g, x, y, as = "pooled", args = list(x, y)), hedges_unpooled = d_of(hedges_g, x, y, pooled_sd = FALSE, as = "unpooled", args = list(x, y)), cohens = d_of(cohens_d, x, y, as = "pooled", args = list(x, y), corrected = FALSE),
    cohens_unpooled = d_of(cohens_d, x, y, pooled_sd = FALSE, as = "unpooled", args = list(x, y), corrected = FALSE), glass = d_of(glass_delta, x, y, as = "glass", args = list(x, y), corrected = FALSE), hedges_one = d_of(hedges_g, x, mu = figures(mean(y)), as = "one", args = list(x, mu = figures(mean(y)))),
    margin = figures(sd(y)))
  o$tost <- tost(x, y, -o$margin, o$margin, .05); o$tost_student <- tost(x, y, -o$margin, 2 * o$margin, .025, var.equal = TRUE)
  if (all(c(x, y) > 0)) { o$tost_ratio <- tost(log(x), log(y), -log(1.25), log(1.25), .05); o$ratio <- exp(mean(log(x)) - mean(log(y))) }
  if (length(x) == length(y)) { o$paired <- test(x, y, paired = TRUE); o$hedges_paired <- d_of(hedges_g, x, y, paired = TRUE, as = "one", args = list(x - y))
    o$tost_paired <- tost(x, y, -o$margin, o$margin, .05, paired = TRUE) }
  o
}
skewed <- rexp(15)
cases <- list(equal = pair(rnorm(12, 5), rnorm(12, 4.5)), unbalanced = pair(rnorm(5, 3, 4), rnorm(40, 1)), two_each = pair(c(1.5, 2.25), c(4, 3.125)),
  two_and_many = pair(c(10, 14), rnorm(9, 8, .1)), far_apart = pair(rnorm(10, 60), rnorm(14, 0)), large = pair(rnorm(6, 5e9, 1e8), rnorm(7, 4e9, 3e8)),
  small = pair(rnorm(6, 5e-9, 1e-9), rnorm(6, 4e-9, 1e-9)), ties = pair(c(1, 1, 2, 2, 3, 3), c(2, 2, 2, 3, 3, 4)), skewed = pair(skewed + .1, skewed * 1.1 + rnorm(15, 0, .02) + .1),
  none = pair(c(1, 2, 3, 4), c(4, 3, 2, 1)), uneven_spread = pair(rnorm(30, 100, 30), rnorm(8, 90, .5)), near = pair(exp(rnorm(20, 3, .05)), exp(rnorm(20, 3.01, .05))))

wilson <- function(x, n, conf) prop.test(x, n, correct = FALSE, conf.level = conf)$conf.int
newcombe <- function(x1, n1, x2, n2, conf, phi = 0) { a <- wilson(x1, n1, conf); b <- wilson(x2, n2, conf); p1 <- x1 / n1; p2 <- x2 / n2
  join <- function(u, v) sqrt(u^2 - 2 * phi * u * v + v^2)
  c(p1 - p2 - join(p1 - a[1], b[2] - p2), p1 - p2 + join(a[2] - p1, p2 - b[1])) }
proportions <- lapply(list(c(56, 70, 48, 80), c(9, 10, 3, 10), c(10, 10, 0, 20), c(0, 10, 0, 10), c(500, 800, 470, 800)), function(v) {
  h <- suppressWarnings(prop.test(v[c(1, 3)], v[c(2, 4)], correct = FALSE))
  list(counts = I(v), chi2 = unname(h$statistic), p = h$p.value, ci = I(suppressWarnings(newcombe(v[1], v[2], v[3], v[4], .95)))) })
pairs_of <- function(a, b, c, d, conf = .95) { n <- a + b + c + d
  margins <- (a + b) * (c + d) * (a + c) * (b + d); above <- a * d - b * c
  phi <- if (margins == 0) 0 else (if (above > 0) max(above - n / 2, 0) else above) / sqrt(margins)
  list(table = I(c(a, b, c, d)), p = if (b + c) binom.test(b, b + c)$p.value else 1, difference = (b - c) / n,
       ci = I(suppressWarnings(newcombe(a + b, n, a + c, n, conf, phi)))) }
paired_proportions <- list(pairs_of(20, 12, 2, 16), pairs_of(43, 0, 1, 0), pairs_of(10, 0, 0, 10), pairs_of(30, 5, 6, 39), pairs_of(0, 3, 9, 1), pairs_of(300, 60, 40, 400))

out <- list(noncentral_t = noncentral_t, noncentral_f = noncentral_f, noncentral_chi2 = noncentral_chi2, cases = cases,
  correction = lapply(c(1.5, 2, 3.3, 10, 58, 340), function(df) list(df = df, J = J(df))), proportions = proportions, paired_proportions = paired_proportions,
  adjust = lapply(list(runif(12)^3, c(.01, .02, NA, .02, 1, 0), .03, c(NA, NA)), function(p) { p <- signif(p, 6); m <- sum(!is.na(p))
    list(p = I(p), BH = I(p.adjust(p, "BH")), BY = I(p.adjust(p, "BY")), holm = I(p.adjust(p, "holm")), hochberg = I(p.adjust(p, "hochberg")),
         bonferroni = I(p.adjust(p, "bonferroni")), none = I(p), sidak = I(ifelse(is.na(p), NA, 1 - (1 - p)^m))) }))
save_json(out, "twosample")
