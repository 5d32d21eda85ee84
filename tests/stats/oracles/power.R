# Power of t tests and of one-way analysis of variance: Rscript power.R > power.json (from this folder)
options(digits = 17)
num <- function(v) sprintf("%.17g", as.numeric(v))
row <- function(l) paste0("{", paste(sprintf('"%s": %s', names(l), sapply(l, function(v) if (is.character(v)) paste0('"', v, '"') else if (is.logical(v)) tolower(v) else num(v))), collapse = ", "), "}")
t_rows <- list()
for (type in c("two.sample", "one.sample", "paired")) for (alternative in c("two.sided", "one.sided")) for (strict in c(FALSE, TRUE)) {
  ask <- function(...) { r <- power.t.test(..., type = type, alternative = alternative, strict = strict, tol = 1e-13)
    list(kind = type, alternative = alternative, strict = strict, n = r$n, d = r$delta, alpha = r$sig.level, power = r$power) }
  if (strict && alternative == "one.sided") next
  for (n in c(2, 3, 5.5, 30, 2000)) for (d in c(0, 0.05, 0.5, 1.3, 4)) for (alpha in c(0.05, 0.001))
    t_rows[[length(t_rows) + 1]] <- c(list(find = "power"), ask(n = n, delta = d, sig.level = alpha))
  for (d in c(0.1, 0.5, 1.2)) for (power in c(0.8, 0.99)) t_rows[[length(t_rows) + 1]] <- c(list(find = "n"), ask(delta = d, power = power))
  for (n in c(3, 10, 400)) for (power in c(0.5, 0.9)) {
    t_rows[[length(t_rows) + 1]] <- c(list(find = "d"), ask(n = n, power = power))
    if (n == 10) t_rows[[length(t_rows) + 1]] <- c(list(find = "alpha"), ask(n = n, delta = 0.7, power = power, sig.level = NULL))
  }
}
f_rows <- list()
for (groups in c(2, 3, 12)) {
  power <- function(n, f, alpha) power.anova.test(groups, n, f^2 * groups / (groups - 1), 1, alpha)$power
  solve <- function(g, low, high) uniroot(g, c(low, high), tol = 1e-14)$root
  add <- function(find, n, f, alpha) f_rows[[length(f_rows) + 1]] <<- list(find = find, groups = groups, n = n, f = f, alpha = alpha, power = power(n, f, alpha))
  for (n in c(2, 7.5, 60)) for (f in c(0.1, 0.4, 1)) for (alpha in c(0.05, 0.001)) add("power", n, f, alpha)
  # power.anova.test solves to four digits only: solved here for 0.8 and 0.9 of power.
  for (f in c(0.1, 0.4)) add("n", solve(function(n) power(n, f, .05) - 0.8, 2, 5000), f, .05)
  for (n in c(3, 40)) { add("f", n, solve(function(f) power(n, f, .05) - 0.9, 1e-3, 10), .05)
    add("alpha", n, 0.4, solve(function(a) power(n, 0.4, a) - 0.9, 1e-12, 1 - 1e-9)) }
}
cat('{"t": [', paste(sapply(t_rows, row), collapse = ",\n"), '],\n"anova": [', paste(sapply(f_rows, row), collapse = ",\n"), "]}\n")
