# Permutation tests with given shuffles: Rscript permutation.R > permutation.json (from this folder)
suppressMessages({library(vegan); library(permute)})
options(digits = 17)
num <- function(v) paste0("[", paste(sprintf("%.17g", as.numeric(v)), collapse = ","), "]")
str <- function(v) paste0('["', paste(v, collapse = '","'), '"]')
int <- function(m) paste0("[", paste(apply(m - 1L, 1, function(r) paste0("[", paste(r, collapse = ","), "]")), collapse = ","), "]")
set.seed(42)
d <- data.frame(block = rep(c("p", "q", "r", "s"), c(5, 6, 5, 6)))
d$g <- c("a", "b", "c", "a", "b", "a", "b", "c", "c", "b", "a", "c", "a", "b", "c", "a", "a", "b", "c", "c", "b", "a")
d$h <- rep(c("u", "v"), 11)
d$x <- round(rnorm(22, 5, 2), 3)
d$y <- round(exp(rnorm(22, 1 + .5 * (d$g == "c") + .1 * d$x, .4)), 4)
inside <- how(nperm = 199, blocks = factor(d$block))
P <- shuffleSet(22, 199, inside)
# Freedman and Lane: residuals of the reduced model are shuffled.
fl <- function(term, rest) {
  m <- rda(as.formula(paste0("d$y ~ ", term, " + Condition(", rest, ")")), d)
  a <- anova(m, permutations = P, model = "reduced")
  sprintf('{"term": "%s", "F": %.17g, "p": %.17g, "found": %s}', term, a$F[1], a$`Pr(>F)`[1], num(permustats(a)$permutations[, 1]))
}
terms <- c(fl("g", "block + x"), fl("x", "block + g"), fl("block", "g + x"))
# Max-T, step down, from t values of lm() on every shuffle.
W <- list("b - a" = c(-1, 1, 0), "c - b" = c(0, -1, 1), "c - ab" = c(-.5, -.5, 1))
ts <- function(y) { m <- lm(y ~ 0 + g + block, data.frame(y = y, d[c("g", "block")])); V <- vcov(m)[1:3, 1:3]
  sapply(W, function(w) sum(w * coef(m)[1:3]) / sqrt(drop(w %*% V %*% w))) }
obs <- ts(d$x); T <- t(apply(P, 1, function(i) abs(ts(d$x[i]))))
o <- order(-abs(obs)); adj <- numeric(3); last <- 0
for (j in 1:3) { top <- apply(T[, o[j:3], drop = FALSE], 1, max)
  last <- max(last, (sum(top >= abs(obs[o[j]]) - 1e-9) + 1) / 200); adj[o[j]] <- last }
raw <- (colSums(sweep(T, 2, abs(obs) - 1e-9, ">=")) + 1) / 200
# Two samples and pairs: every arrangement.
x <- c(1.2, 3.4, 2.2, 5.9, 4.1); y <- c(0.3, 2.2, 1.9, 0.8, 1.2, 2.9)
z <- c(x, y); pick <- combn(11, 5)
means <- apply(pick, 2, function(i) mean(z[i]) - mean(z[-i])); medians <- apply(pick, 2, function(i) median(z[i]) - median(z[-i]))
dif <- c(.3, -.1, .8, 1.1, .2, -.4, .9, .3); flips <- as.matrix(expand.grid(rep(list(c(1, -1)), 8)))
fm <- drop(flips %*% dif) / 8; fmed <- apply(flips, 1, function(s) median(s * dif)); eps <- 1e-9
upper <- function(v, o) mean(v >= o - eps); two <- function(v, o) mean(abs(v) >= abs(o) - eps)
cat('{"frame": {"block":', str(d$block), ', "g":', str(d$g), ', "h":', str(d$h), ', "x":', num(d$x), ', "y":', num(d$y), '},\n"shuffles":', int(P),
    ',\n"terms": [', paste(terms, collapse = ",\n"), '],\n"contrasts": {"t":', num(obs), ', "p":', num(raw), ', "adjusted":', num(adj),
    '},\n"two": {"x":', num(x), ', "y":', num(y), ', "mean":', num(c(two(means, means[1]), upper(means, means[1]))), ', "median":', num(c(two(medians, medians[1]), upper(medians, medians[1]))),
    '},\n"pairs": {"d":', num(dif), ', "mean":', num(c(two(fm, fm[1]), upper(fm, fm[1]))), ', "median":', num(c(two(fmed, fmed[1]), upper(fmed, fmed[1]))), "}}\n")
