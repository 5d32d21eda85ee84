# Analysis of variance in R 4.2.2 (car 3.1-1, effectsize 0.8.3): Rscript anova.R
suppressPackageStartupMessages({library(car); library(effectsize)})
source("exact_json.R")
set.seed(20)
options(contrasts = c("contr.treatment", "contr.poly"))

# Noncentrality limits by root finding: effectsize's own come from a simplex and hold 3 or 4 digits.
limit <- function(f, df1, df2, p) {
  if (!is.finite(f)) return(NA)
  if (pf(f, df1, df2) <= 1 - p) return(0)
  g <- function(l) pf(f, df1, df2, l) - (1 - p)
  top <- max(1, f * df1); while (g(top) > 0) top <- 2 * top
  l <- uniroot(g, c(0, top), tol = 1e-13 * top, maxiter = 5000)$root
  l / (l + df2)
}
interval <- function(es, df1, df2) {
  f <- (es / df1) / ((1 - es) / df2)
  cbind(greater = mapply(limit, f, df1, df2, .05), low = mapply(limit, f, df1, df2, .025), high = mapply(limit, f, df1, df2, .975))
}
table_of <- function(a) { d <- as.data.frame(a); d[rownames(d) != "(Intercept)", ] }
sizes <- function(a) {
  t <- table_of(a); k <- nrow(t); df1 <- t$Df[-k]; df2 <- t$Df[k]
  one <- function(f, ...) suppressMessages(as.data.frame(f(a, ..., ci = .95, verbose = FALSE)))
  all <- list(eta = one(eta_squared, partial = FALSE), partial_eta = one(eta_squared, partial = TRUE), omega = one(omega_squared, partial = FALSE),
              partial_omega = one(omega_squared, partial = TRUE), epsilon = one(epsilon_squared, partial = FALSE), partial_epsilon = one(epsilon_squared, partial = TRUE))
  c(lapply(all, function(e) { i <- interval(e[[2]], df1, df2); list(value = I(e[[2]]), effectsize_low = I(e$CI_low), greater = I(i[, 1]), low = I(i[, 2]), high = I(i[, 3])) }),
    list(f = I(cohens_f(a, ci = NULL, verbose = FALSE)[[2]]), two_sided = one(eta_squared, partial = TRUE, alternative = "two.sided")))
}
safe <- function(expr) tryCatch(suppressWarnings(expr), error = function(e) list(error = trimws(gsub("[[:space:]]+", " ", conditionMessage(e)))))
part <- function(f, d) {
  used <- all.vars(f)[-1]
  sums <- lapply(Filter(is.factor, d[used]), function(v) "contr.sum")
  m <- lm(f, d); s <- if (length(sums)) lm(f, d, contrasts = sums) else m
  one <- function(a) list(table = a, sizes = sizes(a))
  list(formula = deparse(f, 500), type1 = one(anova(m)), type2 = one(Anova(m, type = 2)), type3 = safe(list(table = table_of(Anova(s, type = 3)), sizes = sizes(Anova(s, type = 3)))),
       hc3_type2 = safe(as.data.frame(suppressMessages(Anova(m, type = 2, white.adjust = "hc3")))), hc3_type3 = safe(table_of(suppressMessages(Anova(s, type = 3, white.adjust = "hc3")))))
}
o <- list()
add <- function(name, d, ...) o[[name]] <<- list(data = d, cases = lapply(list(...), part, d = d))
factors <- function(...) { d <- expand.grid(...); d }

tooth <- transform(ToothGrowth, dose = factor(dose))[-c(1:4, 15, 35, 36, 58), ]; rownames(tooth) <- NULL
add("ToothGrowth_unbalanced", tooth, len ~ supp * dose, len ~ dose, len ~ supp + dose)
w <- warpbreaks; w$tension <- factor(as.character(w$tension)); add("warpbreaks", w, breaks ~ wool * tension, sqrt(breaks) ~ tension, breaks ~ 0 + wool, breaks ~ wool:tension)
k <- npk; k$block <- factor(paste0("b", k$block)); for (v in c("N", "P", "K")) k[[v]] <- factor(ifelse(k[[v]] == "1", "yes", "no"))
add("npk", k, yield ~ block + N * P + K)

# Unbalanced three-way with a covariate, on a scale of 1e9.
n <- 97
d <- data.frame(a = factor(sample(c("p", "q", "r"), n, TRUE, c(.5, .3, .2))), b = factor(sample(c("u", "v"), n, TRUE, c(.7, .3))), c = factor(sample(paste0("t", 1:4), n, TRUE)), x = signif(rnorm(n, 5, 2), 6))
d[1:24, 1:3] <- expand.grid(a = levels(d$a), b = levels(d$b), c = levels(d$c))
d$y <- signif(1e9 * (5 + (d$a == "q") * (d$b == "v") - .4 * (d$c == "t3") + .2 * d$x + rnorm(n)), 12)
add("three_way_covariate", d, y ~ a * b * c + x, y ~ a * b + c * x, y ~ a + b + c + x, y ~ x * a, y ~ a * b * c, y ~ a)
# Means 1e9 above a spread of 1.
far <- data.frame(g = factor(rep(c("a", "b", "c"), c(4, 7, 9))), h = factor(rep(c("k", "l"), 10)))
far$y <- 1e9 + (far$g == "b") + round(rnorm(20), 3)
# What R makes of the mean taken away: with it, R itself keeps 5 or 6 digits.
add("far_from_zero", transform(far, y = y - 1e9), y ~ g * h, y ~ g)
o$far_from_zero$data <- far
# As small as can be; car refuses residuals below 1e-8 in all, so the tests bring it to a scale of 1e-9.
tiny <- data.frame(g = factor(rep(c("a", "b", "c"), 2)), y = c(1.25, 2.5, 2.25, 1.5, 3.75, 2))
add("tiny", tiny, y ~ g)
# Residuals of some parts in a million.
near <- data.frame(a = factor(rep(c("a", "b"), 12)), b = factor(rep(c("k", "l", "m"), each = 8)), x = round(runif(24), 4))
near$y <- 1e4 * (3 * (near$a == "b") + 2 * (near$b == "m") + 10 * near$x) + round(rnorm(24), 3) * .1
add("near_perfect", near, y ~ a * b + x)
# A big F: variances that differ, many rows.
big <- data.frame(g = factor(sample(letters[1:5], 600, TRUE, c(.1, .2, .3, .2, .2))), s = factor(sample(c("m", "n"), 600, TRUE)))
big$y <- signif(as.integer(big$g)^2 + (big$s == "n") * as.integer(big$g) + rnorm(600) * as.integer(big$g), 8)
add("many_rows", big, y ~ g * s, log10(y + 100) ~ g)
o$many_rows$cases[[2]] <- NULL
# Treatment within site, sites as blocks; no effect at all.
nested <- data.frame(site = factor(rep(paste0("s", 1:4), each = 9)), plot = factor(rep(paste0("p", 1:12), each = 3)), w = factor(rep(c("i", "j", "k"), 12)))
nested$y <- round(rnorm(36, 50, 4), 3)
o$nested <- list(data = nested, site_plot = list(type1 = anova(lm(y ~ site / plot + w, nested)), type2 = Anova(lm(y ~ site / plot + w, nested), type = 2, singular.ok = TRUE)),
                 plain = list(type1 = anova(lm(y ~ site + w, nested))))

# Empty cells.
g3 <- droplevels(d[!(d$a == "r" & d$b == "v" & d$c == "t4"), ]); g2 <- droplevels(d[!(d$a == "r" & d$b == "v"), ])
holes <- function(f, d) { m <- lm(f, d); ms <- lm(f, d, contrasts = list(a = "contr.sum", b = "contr.sum")); list(formula = deparse(f, 500), aliased = I(names(which(is.na(coef(m))))), type1 = anova(m), type2 = safe(as.data.frame(Anova(m, type = 2, singular.ok = TRUE))), type3_error = safe(Anova(ms, type = 3))$error) }
o$gap_in_three <- list(data = g3, cases = list(holes(y ~ a * b * c + x, g3)))
o$gap_in_two <- list(data = g2, cases = list(holes(y ~ a * b * c, g2), holes(y ~ a * b + c + x, g2)))
cells <- droplevels(g2); cells$cell <- factor(paste(cells$a, cells$b, sep = ":"))
o$gap_in_two$filled <- list(table = Anova(lm(y ~ cell + c, cells), type = 2), contrasts = {
  m <- lm(y ~ cell + c, cells); V <- vcov(m); b <- coef(m)
  row <- function(w) { r <- setNames(rep(0, length(b)), names(b)); for (n in names(w)) { i <- paste0("cell", n); if (i %in% names(r)) r[i] <- w[[n]] }; r }
  L <- rbind(row(c("q:u" = 1, "p:u" = -1)), row(c("r:u" = 1, "q:u" = -1)), row(c("q:v" = 1, "p:v" = -1)), row(c("p:v" = 1, "p:u" = -1)), row(c("q:v" = 1, "q:u" = -1)))
  e <- as.vector(L %*% b); s <- sqrt(diag(L %*% V %*% t(L))); p <- 2 * pt(-abs(e / s), m$df.residual)
  list(estimate = I(e), se = I(s), df = m$df.residual, p = I(p), BH = I(p.adjust(p, "BH"))) })

# Unequal variances.
games <- function(y, g) {
  lv <- levels(g); k <- length(lv); m <- tapply(y, g, mean); v <- tapply(y, g, var); n <- tapply(y, g, length)
  do.call(rbind, combn(k, 2, function(i) {
    s <- v[i] / n[i]; se <- sqrt(sum(s)); df <- sum(s)^2 / sum(s^2 / (n[i] - 1)); e <- m[i[1]] - m[i[2]]
    # A root of ptukey, since qtukey stops once its steps are below 1e-4.
    q <- uniroot(function(q) ptukey(q, k, df) - .95, c(.5, 60), tol = 1e-13)$root
    data.frame(contrast = paste(lv[i[1]], "-", lv[i[2]]), estimate = e, se = se, df = df, p = 2 * pt(-abs(e / se), df), p_adjusted = ptukey(abs(e / se) * sqrt(2), k, df, lower.tail = FALSE), ci_low = e - q / sqrt(2) * se, ci_high = e + q / sqrt(2) * se) }, simplify = FALSE))
}
unequal <- function(y, g) {
  t <- oneway.test(y ~ g); f <- unname(t$statistic); df <- unname(t$parameter)
  eta <- suppressMessages(eta_squared(t, verbose = FALSE)); omega <- suppressMessages(omega_squared(t, verbose = FALSE))
  G <- games(y, g); rownames(G) <- NULL
  list(F = f, df1 = df[1], df2 = df[2], p = t$p.value, eta = eta[[1]], omega = omega[[1]], eta_low = interval(eta[[1]], df[1], df[2])[1], omega_low = interval(omega[[1]], df[1], df[2])[1], games_howell = G)
}
small <- data.frame(y = c(1.5, 2.25, 1.75, 9, 11.5, 10.25, 3, 5, 8) * 1e9, g = rep(c('a', 'b', 'c'), each = 3))
o$welch <- list(iris = c(list(data = data.frame(y = iris$Sepal.Width, g = as.character(iris$Species))), unequal(iris$Sepal.Width, iris$Species)),
                many = c(list(data = data.frame(y = big$y, g = as.character(big$g))), unequal(big$y, big$g)),
                far = c(list(data = data.frame(y = far$y, g = as.character(far$g))), unequal(far$y - 1e9, far$g)),
                two = c(list(data = data.frame(y = 1e-9 * w$breaks, g = as.character(w$wool))), unequal(1e-9 * w$breaks, w$wool)),
                small = c(list(data = small), unequal(small$y, factor(small$g))))

# Trends.
trend <- function(f, d, scores = NULL) {
  v <- all.vars(f)[2]; d[[v]] <- factor(d[[v]], ordered = TRUE)
  if (!is.null(scores)) contrasts(d[[v]]) <- contr.poly(nlevels(d[[v]]), scores = scores)
  m <- lm(f, d); s <- coef(summary(m)); keep <- grep(paste0("^", v), rownames(s)); i <- confint(m)
  list(formula = deparse(f, 500), scores = if (is.null(scores)) NULL else I(scores), estimate = I(unname(s[keep, 1])), se = I(unname(s[keep, 2])), t = I(unname(s[keep, 3])), p = I(unname(s[keep, 4])), low = I(unname(i[keep, 1])), high = I(unname(i[keep, 2])), df = m$df.residual)
}
gen <- d; gen$a <- NULL; gen$dose <- c(2, 3, 3.1, 3.2)[as.integer(d$c)]; gen$c <- NULL
o$trends <- list(data = gen, cases = list(trend(y ~ dose, gen), trend(y ~ dose, gen, c(2, 3, 3.1, 3.2)), trend(y ~ dose + b + x, gen, c(2, 3, 3.1, 3.2)), trend(y ~ dose + b, gen)))
o$contr_poly <- lapply(list(1:2, 1:3, 1:12, c(2, 3, 3.1, 3.2), c(1, 2, 4, 8, 16, 32), c(5, 1, 3), 1e6 + c(0, 1, 5)), function(s) list(scores = I(s), matrix = t(contr.poly(length(s), scores = s))))
# Contrasts with unequal variances, by Satterthwaite's formula.
o$unequal_contrast <- { s <- tapply(big$y, big$g, var) / table(big$g); m <- tapply(big$y, big$g, mean); wt <- c(-1, -1, 0, .5, 1.5); v <- sum(wt^2 * s); list(weights = I(wt), estimate = sum(wt * m), se = sqrt(v), df = v^2 / sum((wt^2 * s)^2 / (table(big$g) - 1))) }
save_json(o, "anova")
