# Chances that a repeated test stops, from multivariate normal integrals (mvtnorm, Miwa's algorithm):
# Rscript sequential.R > sequential.json (from this folder)
suppressMessages(library(mvtnorm))
options(digits = 17)
num <- function(v) paste0("[", paste(sprintf("%.17g", as.numeric(v)), collapse = ","), "]")
stay <- function(t, b, sides, drift) {
  S <- outer(t, t, function(a, b) sqrt(pmin(a, b) / pmax(a, b)))
  sapply(seq_along(t), function(k) {
    i <- seq_len(k)
    if (k == 1) return(pnorm(b[1] - drift * sqrt(t[1])) - if (sides == 2) pnorm(-b[1] - drift * sqrt(t[1])) else 0)
    lower <- if (sides == 2) -b[i] else rep(-Inf, k)
    as.numeric(pmvnorm(lower, b[i], mean = drift * sqrt(t[i]), corr = matrix(S[i, i], k), algorithm = Miwa(steps = 4097)))
  })
}
case <- function(t, b, sides, drift) sprintf('{"information": %s, "bound": %s, "sides": %d, "drift": %g, "stopped": %s}', num(t), num(b), sides, drift, num(1 - stay(t, b, sides, drift)))
# Z boundaries by bisection: each look spends what the function adds (Lan and DeMets 1983).
bounds <- function(t, spend, sides) {
  b <- numeric()
  for (k in seq_along(t)) b[k] <- uniroot(function(x) (1 - stay(t[1:k], c(b, x), sides, 0))[k] - spend(t[k]), c(0.1, 8), tol = 1e-11)$root
  b
}
obf <- function(alpha, sides) function(t) sides * (2 - 2 * pnorm(qnorm(1 - alpha / sides / 2) / sqrt(t)))
pocock <- function(alpha, sides) function(t) alpha * log(1 + (exp(1) - 1) * t)
three <- c(0.3, 0.55, 1)
made <- function(name, t, spend, sides, alpha) sprintf('{"spending": "%s", "information": %s, "sides": %d, "alpha": %g, "boundary": %s}', name, num(t), sides, alpha, num(bounds(t, spend, sides)))
cat('{"crossing": [', paste(c(
  case(c(.25, .5, .75, 1), c(4, 2.8, 2.3, 2), 2, 0), case(c(.25, .5, .75, 1), c(4, 2.8, 2.3, 2), 2, 3),
  case(c(.05, .1, 1), c(1, 1.5, 2.2), 1, 0), case(c(.1, .6, .65, 1), c(2.5, 2.5, 2.5, 2.5), 1, -1), case(c(.2, .9, 1), c(2.1, 3, 2), 2, 6)), collapse = ",\n"),
  '],\n"boundaries": [', paste(c(
  made("obrien-fleming", three, obf(.05, 2), 2, .05), made("pocock", three, pocock(.05, 2), 2, .05),
  made("obrien-fleming", c(.4, .7, .9, 1), obf(.1, 1), 1, .1), made("pocock", c(.5, .6, 1), pocock(.01, 1), 1, .01)), collapse = ",\n"), "]}\n")
