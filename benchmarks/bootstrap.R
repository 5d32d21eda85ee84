# BCa bootstrap of a difference of two means, by the package boot.
# Usage: Rscript benchmarks/bootstrap.R VALUES.csv RESAMPLES
suppressPackageStartupMessages(library(boot))
arguments <- commandArgs(TRUE)
d <- read.csv(arguments[1])
set.seed(1)
spent <- system.time({
  difference <- function(d, i) {
    y <- d$y[i]; second <- d$group[i] == 1
    mean(y[second]) - mean(y[!second])
  }
  found <- boot(d, difference, as.integer(arguments[2]), strata = d$group)
  # The influence by the jackknife: regressing it on all resamples, as boot.ci does unasked, takes
  # many times as long.
  influence <- empinf(data = d, statistic = difference, stype = "i", strata = d$group, type = "jack")
  ends <- boot.ci(found, type = "bca", L = influence)$bca[4:5]
})
cat(sprintf('{"seconds": %.4f, "low": %.17g, "high": %.17g}\n', spent[["elapsed"]], ends[1], ends[2]))
