# Reference values for the rank tests and correlations: Rscript ranks.R (writes ranks.json beside it).
# R 4.2.2, effectsize 0.8.3. effectsize's paired rank-biserial interval counts zeroes of x and not of
# x - y, so it is asked for the differences.
suppressPackageStartupMessages(library(effectsize))
num <- function(v) ifelse(is.na(v), "null", ifelse(is.infinite(v), ifelse(v > 0, '"Inf"', '"-Inf"'), sprintf("%.17g", v)))
js <- function(x) {
  if (is.null(x)) return("null")
  if (is.list(x)) {
    inner <- vapply(x, js, "")
    if (is.null(names(x))) return(paste0("[", paste(inner, collapse = ", "), "]"))
    return(paste0("{", paste0('"', names(x), '": ', inner, collapse = ",\n"), "}"))
  }
  s <- if (is.numeric(x) || is.logical(x)) num(as.numeric(x)) else paste0('"', x, '"')
  if (length(x) == 1 && !inherits(x, "AsIs")) s else paste0("[", paste(s, collapse = ", "), "]")
}
quiet <- function(e) suppressWarnings(tryCatch(e, error = function(err) NULL))
# Two-sided 95 % interval of a share of variance, as effectsize::eta_squared has it, to more digits.
share_ci <- function(share, df1, df2) {
  if (share > 1 - 1e-12) return(NULL)
  Fv <- share / (1 - share) * df2 / df1
  at <- function(p) { g <- function(l) pf(Fv, df1, df2, l) - p; if (g(0) <= 0) return(0); u <- 1; while (g(u) > 0) u <- 2 * u; uniroot(g, c(0, u), tol = 1e-13)$root }
  l <- c(at(.975), at(.025)); vec(l / (l + df2))
}
vec <- function(v) I(as.numeric(unname(v)))

## ---- data that bite
set.seed(20260)
two <- list(
  plain = list(rnorm(12), rnorm(9, .8)),
  tiny = list(c(1.5, 2.5), c(0.5, 3.5)),
  one_each = list(3, 5),
  one_against_many = list(2.2, c(1, 2, 3, 4, 5.5)),
  heavy_ties = list(sample(1:4, 30, TRUE), sample(2:5, 25, TRUE)),
  few_ties = list(c(1, 2, 2, 4, 7, 9), c(3, 5, 6, 6, 8)),
  apart = list(c(1, 2, 3, 4), c(5, 6, 7, 8, 9)),
  large = list(rnorm(60), rnorm(80, .2)),
  unbalanced = list(rnorm(5), rnorm(200, 1)),
  huge_scale = list(rnorm(15) * 1e9 + 5e9, rnorm(14) * 1e9 + 5.5e9),
  tiny_scale = list(rnorm(15) * 1e-9, rnorm(14) * 1e-9 + 1e-9),
  even_49 = list(rnorm(49), rnorm(49, .3)),
  rounded = list(round(rnorm(70), 1), round(rnorm(65, .5), 1))
)
alternatives <- c("two.sided", "less", "greater")
rank_sum <- lapply(two, function(d) {
  x <- d[[1]]; y <- d[[2]]
  one <- function(exact, correct, alt) {
    w <- quiet(wilcox.test(x, y, exact = exact, correct = correct, alternative = alt, conf.int = length(x) * length(y) > 1))
    if (is.null(w)) w <- quiet(wilcox.test(x, y, exact = exact, correct = correct, alternative = alt))
    list(exact = if (is.null(exact)) "auto" else exact, correct = correct, alternative = alt, W = unname(w$statistic), p = w$p.value,
         ci = if (is.null(w$conf.int)) NULL else vec(w$conf.int), estimate = if (is.null(w$estimate)) NULL else unname(w$estimate), is_exact = grepl("exact", w$method))
  }
  e <- quiet(rank_biserial(x, y)); g <- quiet(rank_biserial(x, y, alternative = "greater"))
  diffs <- outer(x, y, "-")
  list(x = vec(x), y = vec(y), median_difference = median(diffs),
       tests = unlist(lapply(alternatives, function(a) list(one(NULL, TRUE, a), one(FALSE, TRUE, a), one(FALSE, FALSE, a))), recursive = FALSE),
       rank_biserial = if (is.null(e)) NULL else vec(c(e$r_rank_biserial, e$CI_low, e$CI_high)),
       rank_biserial_greater = if (is.null(g)) NULL else vec(c(g$CI_low, g$CI_high)))
})

## exact with ties, by writing out every assignment
permuted_sum <- function(x, y) {
  r <- rank(c(x, y)); n <- length(x); W <- sum(r[seq_len(n)]) - n * (n + 1) / 2
  all <- combn(length(r), n, function(i) sum(r[i])) - n * (n + 1) / 2
  m <- n * length(y) / 2; tol <- 1e-9
  list(x = vec(x), y = vec(y), W = W, two_sided = mean(abs(all - m) >= abs(W - m) - tol), less = mean(all <= W + tol), greater = mean(all >= W - tol))
}
permuted_signs <- function(d) {
  d <- d[d != 0]; r <- rank(abs(d)); n <- length(d); V <- sum(r[d > 0]); m <- sum(r) / 2; tol <- 1e-9
  all <- as.matrix(expand.grid(rep(list(0:1), n))) %*% r
  list(d = vec(d), V = V, two_sided = mean(abs(all - m) >= abs(V - m) - tol), less = mean(all <= V + tol), greater = mean(all >= V - tol))
}
exact_ties <- list(
  permuted_sum(c(1, 2, 2, 4, 7, 9), c(3, 5, 6, 6, 8)), permuted_sum(c(1, 1, 1, 2), c(1, 2, 2, 2, 3, 3, 3)),
  permuted_sum(sample(1:3, 9, TRUE), sample(1:4, 8, TRUE)), permuted_sum(c(5, 5), c(5, 5, 6, 1)),
  permuted_sum(sample(1:9, 3, TRUE), sample(1:9, 15, TRUE)), permuted_sum(sample(1:9, 12, TRUE), sample(1:9, 4, TRUE)))
exact_sign_ties <- list(permuted_signs(c(1, 1, -2, 3, 3, 3, -4, 5)), permuted_signs(c(1, -1, 1, -1, 2)), permuted_signs(sample(-4:5, 14, TRUE)), permuted_signs(c(2, 2)))

## ---- signed rank
pairs <- list(
  plain = list(rnorm(11), rnorm(11, .5)), tiny = list(c(1, 5), c(0, 7)), one = list(3, 1),
  zeroes = list(c(1, 2, 3, 4, 5, 6, 7), c(1, 2.5, 2, 4, 7.25, 3, 8.125)), heavy_ties = list(sample(1:6, 40, TRUE), sample(2:7, 40, TRUE)),
  large = list(rnorm(70), rnorm(70, .3)), huge_scale = list(rnorm(20) * 1e9, rnorm(20) * 1e9 + 3e8), rounded = list(round(rnorm(60), 1), round(rnorm(60, .4), 1)))
signed <- lapply(pairs, function(d) {
  x <- d[[1]]; y <- d[[2]]
  one <- function(exact, correct, alt) {
    w <- quiet(wilcox.test(x, y, paired = TRUE, exact = exact, correct = correct, alternative = alt, conf.int = length(x) > 1))
    if (is.null(w)) w <- quiet(wilcox.test(x, y, paired = TRUE, exact = exact, correct = correct, alternative = alt))
    list(exact = if (is.null(exact)) "auto" else exact, correct = correct, alternative = alt, V = unname(w$statistic), p = w$p.value,
         ci = if (is.null(w$conf.int)) NULL else vec(w$conf.int), confidence = if (is.null(w$conf.int)) NULL else attr(w$conf.int, "conf.level"), is_exact = grepl("exact", w$method))
  }
  e <- quiet(rank_biserial(x - y)); nz <- (x - y)[x != y]; s <- outer(nz, nz, "+") / 2
  list(x = vec(x), y = vec(y), pseudomedian = median(s[!lower.tri(s)]),
       tests = unlist(lapply(alternatives, function(a) list(one(NULL, TRUE, a), one(FALSE, TRUE, a), one(FALSE, FALSE, a))), recursive = FALSE),
       rank_biserial = if (is.null(e)) NULL else vec(c(e$r_rank_biserial, e$CI_low, e$CI_high)))
})

## ---- Cliff's delta, from the table of all pairs
cliff <- lapply(two[setdiff(names(two), c("one_each", "one_against_many"))], function(d) {
  x <- d[[1]]; y <- d[[2]]; n <- length(x); m <- length(y); D <- sign(outer(x, y, "-")); delta <- mean(D)
  a <- sum((rowMeans(D) - delta)^2); b <- sum((colMeans(D) - delta)^2); ab <- sum((D - delta)^2)
  S <- a / (n - 1) / n + b / (m - 1) / m + ab / ((n - 1) * (m - 1)) / (n * m)
  U <- (m^2 * a + n^2 * b - ab) / (n * m * (n - 1) * (m - 1)) # rows are means of m, columns of n
  ends <- function(v, z) { if (v < 0) return(c(NA, NA)); w <- 1 - delta^2 + z^2 * v; if (w == 0) return(c(delta, delta)); ((delta - delta^3) + c(-1, 1) * z * sqrt(v) * sqrt((1 - delta^2)^2 + z^2 * v)) / w }
  list(delta = delta, consistent = S, unbiased = U, normal = vec(ends(S, qnorm(.975))), t = vec(ends(S, qt(.975, n + m - 2))), unbiased_normal = vec(ends(U, qnorm(.975))), unbiased_t_90 = vec(ends(U, qt(.95, n + m - 2))))
})

## ---- several groups
groups <- list(
  ties = data.frame(y = sample(1:6, 60, TRUE), g = rep(c("a", "b", "c", "d"), c(5, 15, 30, 10))),
  plain = data.frame(y = rnorm(24) + rep(c(0, .5, 2), 8), g = rep(c("a", "b", "c"), 8)),
  one_of_one = data.frame(y = c(3, 1, 4, 1.5, 9), g = c("a", "a", "b", "b", "c")),
  two = data.frame(y = c(1, 2, 2, 3, 5, 8), g = rep(c("a", "b"), 3)),
  all_apart = data.frame(y = 1:9, g = rep(c("a", "b", "c"), each = 3)),
  near_ties = data.frame(y = c(.3, .1 + .2, .3, .1 + .2, .7, .8 - .1, .7, 1, 2, .1), g = rep(c("a", "b"), 5)),
  scale = data.frame(y = rnorm(20) * 1e-9 + rep(c(0, 1e-9), 10), g = rep(c("a", "b"), 10)))
kruskal <- lapply(groups, function(d) {
  k <- quiet(kruskal.test(y ~ g, d)); N <- nrow(d); g <- factor(d$g); r <- rank(d$y); R <- tapply(r, g, mean); n <- table(g); t <- table(d$y)
  C <- sum(t^3 - t) / (12 * (N - 1)); lv <- levels(g); z <- c(); nm <- c()
  for (i in seq_len(length(lv) - 1)) for (j in (i + 1):length(lv)) { nm <- c(nm, paste(lv[i], "-", lv[j])); z <- c(z, (R[[i]] - R[[j]]) / sqrt((N * (N + 1) / 12 - C) * (1 / n[[i]] + 1 / n[[j]]))) }
  share <- unname(k$statistic) / (N - 1)
  p <- 2 * pnorm(-abs(z)); pw <- quiet(pairwise.wilcox.test(d$y, g, p.adjust.method = "holm"))
  list(y = vec(d$y), g = I(as.character(d$g)), H = unname(k$statistic), df = unname(k$parameter), p = k$p.value, mean_ranks = vec(R),
       epsilon = rank_epsilon_squared(y ~ g, data = d, ci = NULL)[[1]], eta_h = (unname(k$statistic) - length(lv) + 1) / (N - length(lv)),
       rank_share_ci = share_ci(share, length(lv) - 1, N - length(lv)),
       contrast = I(nm), z = vec(z), p_none = vec(p), p_BH = vec(p.adjust(p, "BH")), p_holm = vec(p.adjust(p, "holm")),
       pairwise_holm = I(sort(as.numeric(pw$p.value[!is.na(pw$p.value)]))))
})

## ---- blocks
blocks <- list(
  plain = matrix(rnorm(24), 6), ties = matrix(sample(1:4, 40, TRUE), 8), agree = matrix(rep(1:4, each = 3) + c(0, 10, 20), 3), two = matrix(c(1, 2, 2, 4), 2),
  wide = matrix(rexp(60) * rep(10^(0:5), 10), 6))
friedman <- lapply(blocks, function(m) {
  f <- friedman.test(m); q <- quiet(quade.test(m)); b <- nrow(m); k <- ncol(m); r <- t(apply(m, 1, rank))
  W <- unname(f$statistic) / (b * (k - 1))
  list(values = vec(t(m)), b = b, k = k, chi2 = unname(f$statistic), df = unname(f$parameter), p = f$p.value, W = W, W_effectsize = kendalls_w(m, ci = NULL)[[1]],
       W_ci = share_ci(W, k - 1, (b - 1) * (k - 1)), mean_ranks = vec(colMeans(r)),
       quade_F = if (is.null(q)) NULL else unname(q$statistic), quade_p = if (is.null(q)) NULL else q$p.value)
})

## ---- correlations
z <- rnorm(40)
both <- list(
  plain = list(z, z + rnorm(40)), n2 = list(c(1, 2), c(4, 3)), n3 = list(c(1, 3, 2), c(4, 9, 5)), n5 = list(c(3, 1, 4, 1.5, 9), c(2, 7, 1, 8, 2.8)),
  n9 = list(rnorm(9), rnorm(9)), n10 = list(rnorm(10), rnorm(10)), n10_strong = list(1:10 + 0, c(1, 2, 3, 4, 5, 6, 7, 9, 8, 10)), n4_ties = list(c(1, 1, 2, 3), c(2, 3, 3, 4)),
  ties = list(sample(1:5, 50, TRUE), sample(1:5, 50, TRUE)), strong_ties = list(rep(1:8, 5), rep(1:8, 5) + sample(0:1, 40, TRUE)),
  n1290 = local({ u <- rnorm(1290); list(u, u * .05 + rnorm(1290)) }), n1291 = local({ u <- rnorm(1291); list(u, u * .05 + rnorm(1291)) }),
  near_ties = list(c(.3, .1 + .2, .3, .1 + .2, .7, .8 - .1, .7, 1, 2, .1), c(1, 2, 2, 3, 1.1 + 2.2, 3.3, 4, 5, 6, 1)),
  negative = list(z, -z + rnorm(40) / 2), n49 = list(rnorm(49), rnorm(49)), n50 = list(rnorm(50), rnorm(50)), huge = list(z * 1e9 + 1e9, z * 1e-9 + rnorm(40) * 1e-9))
correlation <- lapply(both, function(d) {
  x <- d[[1]]; y <- d[[2]]
  one <- function(method, exact, alt) { k <- quiet(cor.test(x, y, method = method, exact = exact, alternative = alt)); if (is.null(k)) return(NULL)
    list(method = method, exact = if (is.null(exact)) "auto" else exact, alternative = alt, estimate = unname(k$estimate), statistic = unname(k$statistic), p = k$p.value, ci = if (is.null(k$conf.int)) NULL else vec(k$conf.int)) }
  out <- unlist(lapply(alternatives, function(a) list(one("pearson", NULL, a), one("spearman", NULL, a), one("spearman", FALSE, a), one("kendall", NULL, a), one("kendall", FALSE, a))), recursive = FALSE)
  list(x = vec(x), y = vec(y), tests = out[!vapply(out, is.null, TRUE)])
})
writeLines(js(list(R = R.version.string, rank_sum = rank_sum, exact_ties = exact_ties, exact_sign_ties = exact_sign_ties, signed = signed, cliff = cliff, kruskal = kruskal, friedman = friedman, correlation = correlation)), "ranks.json")
