# Assumptions in R 4.2.2 (car 3.1-1, MASS 7.3-58, e1071 1.7-13): Rscript assumptions.R
suppressPackageStartupMessages({library(car); library(MASS); library(e1071)})
source("exact_json.R")
set.seed(20240706)

# Data that any language makes alike: i * 7919 mod 10007, raised to a power.
steps <- function(n, power) (((seq_len(n) * 7919) %% 10007) / 10007)^power
normal_of <- function(x) { s <- shapiro.test(x); list(W = unname(s$statistic), p = s$p.value,
  skewness = skewness(x, type = 1), kurtosis = kurtosis(x, type = 1)) }
shapiro_steps <- do.call(c, lapply(c(3:13, 20, 30, 50, 100, 300, 900, 2000, 4999, 5000), function(n)
  lapply(c(1, .5, 3), function(power) c(list(n = n, power = power), normal_of(steps(n, power))))))
figures <- function(v) signif(v, 12)
shapiro_values <- lapply(list(rnorm(8), rnorm(25, 1e9, 1), rnorm(25, 0, 1e-9), rexp(40), c(1, 1, 1, 2), c(1, 2, 2), c(0, 0, 0, 0, 0, 0, 1e6), rep(1:5, 20), rnorm(200),
  qnorm(ppoints(40)), c(1, 2, 3), 1:10, 1:11, 1:12), function(x) { x <- figures(x); c(list(x = I(x)), normal_of(x)) })

variances_of <- function(formula, cells, d) { y <- eval(formula[[2]], d); g <- factor(cells)
  a <- leveneTest(y, g, center = median); b <- leveneTest(y, g, center = mean)
  bt <- tryCatch(bartlett.test(y, g), error = function(e) NULL); f <- fligner.test(y, g)
  s <- tapply(y, g, sd)
  list(median = list(F = a[1, 2], df1 = a[1, 1], df2 = a[2, 1], p = a[1, 3]), mean = list(F = b[1, 2], p = b[1, 3]),
       bartlett = if (!is.null(bt)) list(K2 = unname(bt$statistic), df = unname(bt$parameter), p = bt$p.value),
       fligner = list(chi2 = unname(f$statistic), df = unname(f$parameter), p = f$p.value), sd_ratio = max(s, na.rm = TRUE) / min(s, na.rm = TRUE)) }
# The profile likelihood of MASS::boxcox at any lambda, its greatest, and where it is qchisq(.95, 1) / 2 below.
box_of <- function(formula, d) {
  m <- lm(formula, d, y = TRUE, qr = TRUE)
  at <- function(l) boxcox(m, lambda = c(l, l), plotit = FALSE, interp = FALSE, eps = 1e-3)$y[1]
  best <- optimize(at, c(-6, 6), maximum = TRUE, tol = 1e-10)
  below <- function(l) at(l) - best$objective + qchisq(.95, 1) / 2
  ends <- c(uniroot(below, c(best$maximum - 8, best$maximum), tol = 1e-11)$root, uniroot(below, c(best$maximum, best$maximum + 8), tol = 1e-11)$root)
  list(lambda = best$maximum, interval = I(ends), at = I(c(at(-1), at(.5), at(2))))
}
residuals_of <- function(formula, d) { m <- lm(formula, d); c(normal_of(residuals(m)), list(n = nobs(m))) }
case <- function(d, formula, cells) { d$cell <- cells
  list(data = d[setdiff(names(d), "cell")], formula = deparse(formula, 500), residuals = residuals_of(formula, d), variances = variances_of(formula, cells, d),
       log = residuals_of(update(formula, log(.) ~ .), d), sqrt = residuals_of(update(formula, sqrt(.) ~ .), d), boxcox = box_of(formula, d)) }
uneven <- data.frame(g = rep(c("a", "b", "c", "d"), c(3, 12, 5, 30))); uneven$y <- figures(exp(rnorm(50, c(a = 1, b = 2, c = 3, d = 2)[uneven$g], .5)))
large <- data.frame(g = rep(c("a", "b"), c(14, 9)), y = figures(abs(rnorm(23, 5e9, rep(c(1e8, 9e8), c(14, 9))))))
tiny <- data.frame(g = rep(c("a", "b", "c"), 4), y = figures(rexp(12) * 1e-9))
ties <- data.frame(g = rep(c("a", "b", "c"), each = 7), y = sample(1:4, 21, TRUE))
two <- expand.grid(a = c("k", "l", "m"), b = c("p", "q"), r = 1:5); two$y <- figures((10 + as.numeric(two$a) * 2 + rnorm(30))^2)
lone <- two[-c(1, 7, 13, 19), ]
wool <- warpbreaks; wool$wool <- as.character(wool$wool); wool$tension <- as.character(wool$tension)
tooth <- data.frame(len = ToothGrowth$len, supp = as.character(ToothGrowth$supp), dose = paste0("d", ToothGrowth$dose))
cases <- list(uneven = case(uneven, y ~ g, uneven$g), large = case(large, y ~ g, large$g), tiny = case(tiny, y ~ g, tiny$g), ties = case(ties, y ~ g, ties$g),
  cells = case(two, y ~ a * b, paste(two$a, two$b)), lone_cell = case(lone, y ~ a * b, paste(lone$a, lone$b)), additive = case(two, y ~ a + b, paste(two$a, two$b)),
  warpbreaks = case(wool, breaks ~ wool * tension, paste(wool$wool, wool$tension)), ToothGrowth = case(tooth, len ~ dose, tooth$dose))
save_json(list(shapiro_steps = shapiro_steps, shapiro_values = shapiro_values, cases = cases), "assumptions")
