# The analysis of six research questions as R's packages give it, without plots: what
# `joulebench analyze --preset llama-generations --no-plots` computes, test by test.
# Usage: Rscript benchmarks/analysis.R TABLE.csv OUT_FOLDER
suppressPackageStartupMessages({
  library(lme4); library(lmerTest); library(emmeans); library(car); library(effectsize)
})
arguments <- commandArgs(TRUE)
out <- arguments[2]
dir.create(out, showWarnings = FALSE, recursive = TRUE)
emm_options(lmerTest.limit = 5000, pbkrtest.limit = 5000, msg.interaction = FALSE)

keep <- function(table, ...) {
  name <- paste(..., sep = "_")
  write.csv(as.data.frame(table), file.path(out, paste0(gsub("[^A-Za-z0-9._]", "_", name), ".csv")))
}
d <- read.csv(arguments[1], colClasses = c(generation = "character"))
for (name in c("generation", "model_size", "task", "run")) d[[name]] <- factor(d[[name]])
d$repetition <- factor(d$repetition)
d$model <- interaction(d$generation, d$model_size, drop = TRUE)
d$size_b <- as.numeric(sub("B", "", d$model_size))
d$energy_per_token <- d$energy_j / d$tokens
d$power_w <- d$energy_j / d$duration_s
d$j_per_b <- d$energy_j / d$size_b
m <- aggregate(cbind(energy_j, energy_per_token, power_w, j_per_b, accuracy, duration_s, tokens)
               ~ run + generation + model_size + task + model + size_b, d, mean)

# Descriptions and assumptions.
describe <- function(y, g) do.call(rbind, lapply(split(y, g, drop = TRUE), function(v) {
  n <- length(v); q <- quantile(v, c(0, 0.25, 0.5, 0.75, 1)); se <- sd(v) / sqrt(n)
  c(n = n, mean = mean(v), sd = sd(v), cv = sd(v) / mean(v), q, iqr = IQR(v),
    geometric = if (min(v) > 0) exp(mean(log(v))) else NA,
    low = mean(v) - qt(0.975, n - 1) * se, high = mean(v) + qt(0.975, n - 1) * se)
}))
scaled <- function(y, scale) switch(scale, raw = y, log = log(y), sqrt = sqrt(y))
moments <- function(r) c(skewness = mean(r^3) / mean(r^2)^1.5, kurtosis = mean(r^4) / mean(r^2)^2 - 3)
assumptions <- function(y, data, right, cells, mixed = NULL, scales = c("raw", "log", "sqrt")) {
  g <- data[[cells[1]]]
  for (name in cells[-1]) g <- interaction(g, data[[name]], drop = TRUE)
  variances <- max(table(g)) > 2
  if (min(y) <= 0) scales <- setdiff(scales, "log")
  data$v <- y
  fit <- lm(as.formula(paste("v ~", right)), data, y = TRUE, qr = TRUE)
  power <- NA
  if (min(y) > 0) {
    likelihood <- MASS::boxcox(fit, lambda = seq(-8, 8, 0.2), plotit = FALSE)
    power <- likelihood$x[which.max(likelihood$y)]
    scales <- c(scales, "box-cox")
  }
  one <- function(scale) {
    data$v <- if (scale == "box-cox") (y / exp(mean(log(y))))^power else scaled(y, scale)
    fit <- if (is.null(mixed)) lm(as.formula(paste("v ~", right)), data) else
      suppressMessages(lme4::lmer(as.formula(paste("v ~", right, mixed)), data))
    r <- residuals(fit); v <- if (is.null(mixed)) data$v else r
    found <- c(shapiro = shapiro.test(r)$p.value, moments(r))
    if (!variances) return(c(found, rep(NA, 4)))
    c(found, median = leveneTest(v, g)[1, 3], mean = leveneTest(v, g, center = mean)[1, 3],
      bartlett = tryCatch(bartlett.test(v, g)$p.value, error = function(e) NA),
      fligner = fligner.test(v, g)$p.value)
  }
  sapply(scales, one)
}

# Ranks.
dunn <- function(y, g, successive) {
  r <- rank(y); n <- length(y); count <- table(g); means <- tapply(r, g, mean)
  ties <- table(y); correction <- sum(ties^3 - ties) / (12 * (n - 1))
  pairs <- pairs_of(levels(g), successive)
  z <- apply(pairs, 2, function(p) (means[p[1]] - means[p[2]]) /
    sqrt((n * (n + 1) / 12 - correction) * (1 / count[p[1]] + 1 / count[p[2]])))
  data.frame(first = pairs[1, ], second = pairs[2, ], z = z, p = p.adjust(2 * pnorm(-abs(z)), "BH"))
}
pairs_of <- function(levels, successive)
  if (successive) rbind(head(levels, -1), tail(levels, -1)) else combn(levels, 2)
cliff <- function(x, y) {
  sign <- sign(outer(x, y, "-")); n <- length(x); k <- length(y); delta <- mean(sign)
  rows <- rowMeans(sign) - delta; columns <- colMeans(sign) - delta
  variance <- sum(rows^2) / (n * (n - 1)) + sum(columns^2) / (k * (k - 1)) +
    sum((sign - delta)^2) / (n * (n - 1) * k * (k - 1))
  z <- qnorm(0.975); rest <- 1 - delta^2
  half <- z * sqrt(variance) * sqrt(rest^2 + z^2 * variance)
  c(delta = delta, variance = variance, low = (delta * rest - half) / (rest + z^2 * variance),
    high = (delta * rest + half) / (rest + z^2 * variance), a = (delta + 1) / 2)
}
wilcoxon <- function(y, g, successive) {
  pairs <- pairs_of(levels(g), successive)
  rows <- apply(pairs, 2, function(p) {
    x1 <- y[g == p[1]]; x2 <- y[g == p[2]]
    w <- suppressWarnings(wilcox.test(x1, x2, conf.int = TRUE))
    rb <- rank_biserial(x1, x2)
    data.frame(first = p[1], second = p[2], w = w$statistic, p = w$p.value, shift = w$estimate,
               low = w$conf.int[1], high = w$conf.int[2], rb = rb$r_rank_biserial,
               rb_low = rb$CI_low, rb_high = rb$CI_high)
  })
  table <- do.call(rbind, rows)
  cbind(table, p_adjusted = p.adjust(table$p, "BH"))
}
ranked <- function(y, g, name) {
  k <- kruskal.test(y, g)
  keep(c(H = k$statistic, p = k$p.value, epsilon = rank_epsilon_squared(y, g, ci = NULL)[[1]],
         eta = rank_eta_squared(y, g, ci = NULL)[[1]], tapply(rank(y), g, mean)), name, "kruskal")
  for (successive in c(TRUE, FALSE)) {
    keep(dunn(y, g, successive), name, "dunn", successive)
    keep(wilcoxon(y, g, successive), name, "wilcoxon", successive)
  }
  pairs <- pairs_of(levels(g), TRUE)
  keep(t(apply(pairs, 2, function(p) cliff(y[g == p[1]], y[g == p[2]]))), name, "cliff")
}

# Means.
sizes <- function(table) do.call(cbind, lapply(list(
  eta_squared(table, partial = FALSE), eta_squared(table), omega_squared(table, partial = FALSE),
  omega_squared(table), epsilon_squared(table, partial = FALSE), epsilon_squared(table),
  cohens_f(table)), as.data.frame))
games_howell <- function(y, g) {
  n <- tapply(y, g, length); v <- tapply(y, g, var) / n; mean <- tapply(y, g, mean)
  pairs <- combn(levels(g), 2); a <- pairs[1, ]; b <- pairs[2, ]
  se <- sqrt(v[a] + v[b]); df <- (v[a] + v[b])^2 / (v[a]^2 / (n[a] - 1) + v[b]^2 / (n[b] - 1))
  t <- (mean[a] - mean[b]) / se; k <- nlevels(g)
  reach <- qtukey(0.95, k, df) / sqrt(2) * se
  data.frame(a, b, t, df, p = 2 * pt(-abs(t), df), adjusted = ptukey(abs(t) * sqrt(2), k, df, lower.tail = FALSE),
             low = mean[a] - mean[b] - reach, high = mean[a] - mean[b] + reach)
}
differences <- function(y, g) {
  pairs <- pairs_of(levels(g), TRUE)
  rows <- apply(pairs, 2, function(p) {
    x1 <- y[g == p[1]]; x2 <- y[g == p[2]]
    h <- hedges_g(x1, x2); t <- t.test(x1, x2)
    data.frame(first = p[1], second = p[2], t = t$statistic, df = t$parameter, p = t$p.value,
               low = t$conf.int[1], high = t$conf.int[2], g = h$Hedges_g, g_low = h$CI_low,
               g_high = h$CI_high)
  })
  table <- do.call(rbind, rows)
  cbind(table, p_adjusted = p.adjust(table$p, "BH"))
}
both <- function(contrasts) summary(contrasts, infer = TRUE)
parametric <- function(v, g, name) {
  fit <- lm(v ~ g)
  keep(Anova(fit, type = 2), name, "anova"); keep(sizes(fit), name, "sizes")
  welch <- oneway.test(v ~ g)
  keep(unlist(welch[1:3]), name, "welch")
  keep(F_to_omega2(welch$statistic, welch$parameter[1], welch$parameter[2]), name, "welch_omega")
  e <- emmeans(fit, "g")
  keep(summary(e), name, "means")
  keep(both(contrast(e, "consec", adjust = "BH")), name, "planned")
  keep(both(contrast(e, "consec", adjust = "none")), name, "consec")
  keep(both(pairs(e)), name, "tukey"); keep(both(contrast(e, "poly")), name, "trend")
  keep(differences(v, g), name, "differences"); keep(games_howell(v, g), name, "games_howell")
}

# The units: models, judged in blocks of tasks, as random, and by their size.
one_step <- list(`3.1 / 3` = c("3.8B", "3.1.8B"), `3B / 1B` = c("3.2.1B", "3.2.3B"))
steps_of <- function(levels) lapply(one_step, function(p) (levels == p[2]) - (levels == p[1]))
units <- function(y, repeated, scale, name) {
  m$v <- scaled(m[[y]], scale)
  back <- function(e) if (scale == "log") update(e, tran = "log") else e
  response <- function(contrasts) summary(contrasts, infer = TRUE, type = "response")
  fit <- lm(v ~ task + model, m)
  keep(Anova(fit, type = 2), name, "blocked"); keep(sizes(Anova(fit, type = 2)), name, "blocked_sizes")
  e <- back(emmeans(fit, "model"))
  keep(response(pairs(e)), name, "blocked_tukey")
  keep(response(contrast(e, steps_of(levels(m$model)), adjust = "BH")), name, "blocked_steps")
  if (scale == "raw") {
    matrix <- with(m, tapply(v, list(task, model), mean))
    keep(c(unlist(friedman.test(matrix)[1:3]), kendalls_w(matrix, ci = NULL)[[1]]), name, "friedman")
    keep(unlist(quade.test(matrix)[1:3]), name, "quade")
  }
  u <- aggregate(v ~ model + generation + model_size + size_b, m, mean)
  for (part in c("generation", "model_size")) {
    one <- lm(as.formula(paste("v ~", part)), u)
    keep(Anova(one, type = 2), name, "unit_means", part)
    keep(sizes(one), name, "unit_means_sizes", part)
  }
  conditions <- suppressMessages(lmer(v ~ generation + (1 | task), m))
  keep(VarCorr(conditions), name, "conditions_variances")
  for (ddf in c("Satterthwaite", "Kenward-Roger")) {
    keep(anova(conditions, type = 3, ddf = ddf), name, "conditions", ddf)
    e <- emmeans(conditions, "generation", lmer.df = tolower(ddf))
    keep(both(contrast(e, "consec", adjust = "BH")), name, "conditions_consec", ddf)
  }
  slope <- if (scale == "log") "log(size_b)" else "size_b"
  line <- lm(as.formula(paste("v ~", slope, "+ task")), m)
  keep(cbind(coef(summary(line)), confint(line)), name, "line")
  keep(anova(line, fit), name, "line_lack_of_fit")
  keep(coef(summary(lm(as.formula(paste("v ~", slope)), u))), name, "line_of_units")
  if (!repeated) return()
  d$v <- scaled(d[[y]], scale)
  every <- lm(v ~ task * model, d)
  keep(Anova(every, type = 2), name, "cells"); keep(sizes(Anova(every, type = 2)), name, "cells_sizes")
  e <- back(emmeans(every, "model"))
  keep(response(pairs(e)), name, "cells_tukey")
  keep(response(contrast(e, steps_of(levels(d$model)), adjust = "BH")), name, "cells_steps")
  e <- back(emmeans(every, ~ model | task))
  keep(summary(e, type = "response"), name, "cells_means")
  keep(response(contrast(e, "consec", adjust = "BH")), name, "cells_consec")
  random <- suppressMessages(lmer(v ~ generation + task + (1 | model) + (1 | model:task), d))
  keep(VarCorr(random), name, "random_units_variances")
  for (ddf in c("Satterthwaite", "Kenward-Roger"))
    keep(anova(random, type = 3, ddf = ddf), name, "random_units", ddf)
}

# Two crossed factors.
crossed <- function(fit, name, scale, ddf = NULL) {
  more <- if (is.null(ddf)) list() else list(lmer.df = ddf)
  for (specs in list(~ generation, ~ generation | task)) {
    e <- do.call(emmeans, c(list(fit, specs), more))
    by <- length(all.vars(specs)) > 1
    keep(summary(e), name, "means", by, ddf)
    consecutive <- contrast(e, "consec", adjust = "BH")
    keep(both(consecutive), name, "consec", by, ddf)
    if (by) keep(summary(consecutive, by = NULL, adjust = "BH", infer = TRUE), name, "all", ddf)
    else keep(both(pairs(e, adjust = "BH")), name, "pairs", ddf)
    if (scale == "log")
      keep(summary(contrast(update(e, tran = "log"), "consec", adjust = "BH"), type = "response",
                   infer = TRUE), name, "ratios", by, ddf)
  }
}
mixed <- function(scale, name) {
  d$v <- scaled(d$energy_j, scale)
  fit <- suppressMessages(lmer(v ~ generation * task + (1 | run), d))
  for (ddf in c("Satterthwaite", "Kenward-Roger")) {
    keep(anova(fit, type = 3, ddf = ddf), name, "terms", ddf)
    keep(coef(summary(fit, ddf = ddf)), name, "fixed", ddf)
    crossed(fit, name, scale, tolower(ddf))
  }
  keep(VarCorr(fit), name, "variances"); keep(suppressMessages(ranova(fit)), name, "ranova")
  keep(unlist(performance::r2_nakagawa(fit)), name, "r2"); keep(unlist(performance::icc(fit)), name, "icc")
  others <- list(rounds = v ~ generation * task + (1 | run) + (1 | repetition),
                 additive = v ~ generation + task + (1 | run))
  for (other in names(others)) {
    beside <- suppressMessages(lmer(others[[other]], d))
    keep(anova(beside, type = 3), name, other); keep(VarCorr(beside), name, other, "variances")
  }
}
two_way <- function(scale, name) {
  m$v <- scaled(m$energy_j, scale)
  sums <- lm(v ~ generation * task, m, contrasts = list(generation = contr.sum, task = contr.sum))
  for (type in 2:3) {
    table <- Anova(sums, type = type)
    keep(table, name, type); keep(sizes(table), name, type, "sizes")
  }
  crossed(lm(v ~ generation * task, m), name, scale)
}
align <- function(y, factors) {
  names <- colnames(factors)
  subsets <- unlist(lapply(seq_along(names), function(k) combn(names, k, simplify = FALSE)), FALSE)
  cell <- function(s) if (length(s)) ave(y, interaction(factors[s], drop = TRUE)) else mean(y)
  lapply(setNames(subsets, sapply(subsets, paste, collapse = ":")), function(s) {
    inner <- c(list(character(0)), unlist(lapply(seq_along(s), function(k)
      combn(s, k, simplify = FALSE)), FALSE))
    effect <- Reduce(`+`, lapply(inner, function(u) (-1)^(length(s) - length(u)) * cell(u)))
    rank(round(y - cell(names) + effect, 8))
  })
}
art <- function(y, data, names, random, name) {
  aligned <- align(y, data[names])
  sums <- setNames(rep(list("contr.sum"), length(names)), names)
  fitted <- function(right, contrasts = NULL) {
    formula <- as.formula(paste("aligned_rank ~", right, if (random) "+ (1 | run)"))
    if (random) suppressMessages(lmer(formula, data, contrasts = contrasts))
    else lm(formula, data, contrasts = contrasts)
  }
  for (term in names(aligned)) {
    data$aligned_rank <- aligned[[term]]
    fit <- fitted(paste(names, collapse = "*"), sums)
    keep(if (random) Anova(fit, type = 3, test = "F") else Anova(fit, type = 3), name, term, "art")
    if (term != "generation") next
    e <- emmeans(fit, term)
    keep(both(pairs(e, adjust = "BH")), name, "art_pairs")
    keep(both(contrast(e, "consec", adjust = "BH")), name, "art_consec")
  }
  if (length(names) == 1) return()
  data$cell <- interaction(data[names], drop = TRUE)
  data$aligned_rank <- rank(round(y - mean(y), 8))
  keep(both(pairs(emmeans(fitted("cell"), "cell"), adjust = "BH")), name, "art_cells")
}

# How responses go together.
coupled <- function(x, y, kendall) {
  if (sd(x) == 0 || sd(y) == 0) return(rep(NA, if (kendall) 6 else 4))
  r <- suppressWarnings(cor.test(x, y, method = "spearman"))
  z <- atanh(r$estimate) + c(-1, 1) * qnorm(0.975) * sqrt((1 + r$estimate^2 / 2) / (length(x) - 3))
  found <- c(rho = r$estimate, p = r$p.value, tanh(z))
  if (!kendall) return(found)
  k <- suppressWarnings(cor.test(x, y, method = "kendall"))
  c(found, tau = k$estimate, p = k$p.value)
}
couplings <- function(data, covariate, name) {
  groups <- split(data, data$generation)
  by <- t(sapply(groups, function(s) coupled(s$energy_j, s[[covariate]], TRUE)))
  keep(rbind(by, coupled(data$energy_j, data[[covariate]], TRUE)), name)
}

groups <- function(response, id, factor = "generation", repeated = TRUE, scales = c("raw", "log")) {
  for (level in if (repeated) c("run", "repetition") else "run") {
    data <- if (level == "run") m else d
    y <- data[[response]]; name <- paste(id, response, level, sep = "_")
    for (by in unique(c(factor, "model"))) keep(describe(y, data[[by]]), name, by, "desc")
    if (id == "RQ2") {
      keep(describe(y, interaction(data$generation, data$task)), name, "cells_desc")
      random <- if (level == "repetition") "+ (1 | run)"
      keep(assumptions(y, data, "generation * task", c("generation", "task"), random), name, "assumptions")
    } else keep(assumptions(y, data, factor, factor), name, "assumptions")
    ranked(y, data[[factor]], name)
    for (scale in scales) parametric(scaled(y, scale), data[[factor]], paste(name, scale, sep = "_"))
    if (id == "RQ2") {
      for (scale in scales)
        if (level == "run") two_way(scale, paste(name, scale, sep = "_"))
        else mixed(scale, paste(name, scale, sep = "_"))
      art(y, data, c("generation", "task"), level == "repetition", name)
    } else if (level == "repetition") art(y, data, "generation", TRUE, name)
  }
  for (scale in scales) units(response, repeated, scale, paste(id, response, scale, sep = "_"))
  keep(describe(d[[response]], interaction(d$model, d$task)), id, response, "desc")
}
groups("energy_j", "RQ1.1", repeated = FALSE)
groups("j_per_b", "RQ1.2", "model", repeated = FALSE)
groups("energy_j", "RQ1.2", "model", repeated = FALSE)
groups("energy_j", "RQ2")
covariates <- c(energy_per_token = "tokens", power_w = "duration_s", accuracy = "accuracy")
ids <- c(energy_per_token = "RQ3.1", power_w = "RQ3.2", accuracy = "RQ3.3")
for (response in names(ids)) {
  groups(response, ids[[response]], scales = if (response == "accuracy") "raw" else c("raw", "log"))
  couplings(m, covariates[[response]], paste(ids[[response]], "coupling_run", sep = "_"))
  couplings(d, covariates[[response]], paste(ids[[response]], "coupling_repetition", sep = "_"))
  within <- sapply(split(d, d$run), function(s) coupled(s$energy_j, s[[covariates[[response]]]], FALSE))
  keep(t(within), ids[[response]], "coupling_within_runs")
}
