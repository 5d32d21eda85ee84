# Bootstrap intervals of R's boot package: Rscript bootstrap.R > bootstrap.json (from this folder)
suppressMessages(library(boot))
options(digits = 17)
num <- function(v) paste0("[", paste(sprintf("%.17g", as.numeric(v)), collapse = ","), "]")
int <- function(m) paste0("[", paste(apply(m - 1L, 1, function(r) paste0("[", paste(r, collapse = ","), "]")), collapse = ","), "]")
ends <- function(b, L, index = 1) {
  parts <- character()
  for (conf in c(0.5, 0.9, 0.95)) {
    # The jackknife values L weigh their stratum by its size, as D&H (5.25) has it.
    bca <- boot:::bca.ci(b, conf, index, L = L)[4:5]
    two <- boot.ci(b, conf, type = c("basic", "perc"), index = index)
    row <- c(bca, two$percent[4:5], two$basic[4:5])
    if (ncol(b$t) > 1) row <- c(row, boot.ci(b, conf, type = "stud", index = c(1, 2))$student[4:5])
    parts <- c(parts, sprintf('"%g": %s', conf, num(row)))
  }
  paste0("{", paste(parts, collapse = ", "), "}")
}
case <- function(name, data, b, strata = rep(1, nrow(data))) {
  jack <- empinf(b, type = "jack", index = 1)
  size <- as.numeric(table(strata)[as.character(strata)])
  columns <- paste(sprintf('"%s": %s', names(data), sapply(data, num)), collapse = ", ")
  sprintf('"%s": {"data": {%s},\n "index": %s,\n "t": %s, "t0": %s, "jack": %s,\n "ends": %s}', name, columns,
          int(boot.array(b, indices = TRUE)), num(b$t[, 1]), num(b$t0), num(jack / size), ends(b, jack / size))
}
set.seed(20240501)
skewed <- data.frame(y = round(exp(rnorm(15, 0, 1)), 4))
mean_case <- boot(skewed, function(d, i) c(mean(d$y[i]), var(d$y[i]) / length(i)), 299)
pairs <- data.frame(y = round(exp(rnorm(18, 3, .4)), 3), x = round(exp(rnorm(18, 1, .3)), 3))
ratio_case <- boot(pairs, function(d, i) sum(d$y[i]) / sum(d$x[i]), 399)
two <- data.frame(g = rep(1:2, c(6, 13)), y = round(c(exp(rnorm(6, 2, .5)), exp(rnorm(13, 1.5, .3))), 4))
strata_case <- boot(two, function(d, i) { e <- d[i, ]; mean(e$y[e$g == 2]) - mean(e$y[e$g == 1]) }, 499, strata = two$g)
huge <- data.frame(y = 1e9 + round(rnorm(12, 0, 1e-2), 6))
huge_case <- boot(huge, function(d, i) sd(d$y[i]), 199)
cat("{", paste(c(case("mean", skewed, mean_case), case("ratio", pairs, ratio_case),
                  case("strata", two, strata_case, two$g), case("huge", huge, huge_case)), collapse = ",\n"), "}\n")
