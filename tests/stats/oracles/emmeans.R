# Estimated marginal means in R 4.2.2 (emmeans 1.8.4, lmerTest 3.1-3, pbkrtest 0.5.2): Rscript emmeans.R
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(emmeans); library(jsonlite)})
emm_options(lmerTest.limit = 1e5, pbkrtest.limit = 1e5, msg.interaction = FALSE)
set.seed(7)
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = .2, rhoend = 1e-11, maxfun = 1e5))
out <- list(data = list(), cases = list(), joint = list())

# Unbalanced, three factors, a covariate, a number of two values.
n <- 83
d <- data.frame(a = sample(c("p", "q", "r"), n, TRUE, c(.5, .3, .2)), b = sample(c("u", "w"), n, TRUE, c(.65, .35)),
                g = sample(c("2", "3", "3.1", "3.2"), n, TRUE), x = round(rgamma(n, 3), 3), z = sample(c(0, 2.5), n, TRUE, c(.7, .3)))
d$y <- round(exp(1 + .4 * (d$a == "q") - .3 * (d$b == "w") * (d$a == "r") + .2 * as.numeric(d$g) + .15 * d$x + .1 * d$z + rnorm(n, 0, .35)), 5)
# Cells without data; the filled ones hang together only in part.
h <- subset(expand.grid(a = c("p", "q", "r"), b = c("s", "t", "u", "v"), k = 1:4, stringsAsFactors = FALSE),
            !(a == "p" & b %in% c("t", "v")) & !(a == "q" & b == "v"))
h <- h[-c(1, 5, 11), ]; h$x <- round(rnorm(nrow(h)), 3)
h$y <- round(20 + 3 * (h$a == "q") - 2 * (h$b == "t") + 1.5 * h$x + rnorm(nrow(h)), 4); h$k <- NULL
# Two levels of a go only with two of b, the third only with the other two: even the sum cannot be estimated.
i <- data.frame(a = rep(c("p", "q", "r"), c(9, 8, 9)), b = c(rep(c("s", "t"), length.out = 17), rep(c("u", "v"), length.out = 9)))
i$y <- round(rnorm(26, 5), 4)
# One factor nested in another: each model is of one generation.
o <- data.frame(model = rep(c("m1", "m2", "m3", "m4", "m5"), c(7, 5, 6, 8, 4)))
o$gen <- unname(c(m1 = "2", m2 = "3", m3 = "3.1", m4 = "3.2", m5 = "3.2")[o$model]); o$task <- sample(c("A", "B", "C"), 30, TRUE); o$y <- round(rnorm(30, 5) + as.numeric(factor(o$model)), 4)
# Repeated measures, unbalanced; some groups see few of the treatments.
m <- expand.grid(id = 1:14, a = c("p", "q", "r"), b = c("u", "w"), k = 1:2, stringsAsFactors = FALSE)
m <- m[sort(sample(nrow(m), 118)), ]; m$s <- ifelse(m$id %% 3 == 0, "new", "old"); m$x <- round(rnorm(118), 3)
m$y <- round(exp(.5 + .2 * (m$a == "r") + .1 * m$x + rnorm(14, 0, .5)[m$id] + rnorm(118, 0, .3)), 5)
m$id <- sprintf("g%02d", m$id); m$k <- NULL
# emmeans leaves out of a variance what is below 1e-6 or so: the covariate is not scaled as far as the response.
big <- transform(d, y = y * 1e9, x = x * 1e-2); small <- transform(d, y = y * 1e-9, x = x * 1e3)
w <- datasets::warpbreaks; w$wool <- as.character(w$wool)
tg <- datasets::ToothGrowth; tg$supp <- as.character(tg$supp); tg$dose <- as.character(tg$dose)
ck <- as.data.frame(lme4::cake); ck <- data.frame(block = paste0(ck$recipe, ck$replicate), recipe = as.character(ck$recipe), temperature = as.character(ck$temperature), angle = ck$angle)
out$data <- list(three = d, holes = h, islands = i, nested = o, mixed = m, big = big, small = small, warpbreaks = w, tooth = tg, cake = ck)
levels_of <- list(warpbreaks = list(tension = levels(datasets::warpbreaks$tension)))
out$levels <- levels_of

fits <- list()
fit <- function(formula, data) {
  key <- paste(data, formula)
  if (is.null(fits[[key]])) {
    frame <- out$data[[data]]; f <- as.formula(formula)
    for (v in names(frame)) if (is.character(frame[[v]])) frame[[v]] <- factor(frame[[v]])
    if (data == "warpbreaks") frame$tension <- factor(frame$tension, levels_of$warpbreaks$tension)
    environment(f) <- list2env(list(frame = frame, tight = tight))
    fits[[key]] <<- if (grepl("|", formula, fixed = TRUE)) do.call(lmer, list(f, frame, control = tight)) else do.call(lm, list(f, frame))
  }
  fits[[key]]
}
tidy <- function(s) { s <- as.data.frame(s); s[] <- lapply(s, function(v) if (is.factor(v)) as.character(v) else if (is.numeric(v) && any(is.infinite(v))) sprintf("%.17g", v) else v); as.list(s) }
add <- function(formula, data, specs, by = NULL, at = NULL, weights = NULL, ddf = NULL, scale = "model", kind = NULL, adjust = "BH", families = "by",
                null = 0, alternative = "two-sided", reverse = FALSE, max_degree = NULL, confidence = .95, trend = NULL) {
  model <- fit(formula, data); type <- if (scale == "response") "response" else "link"
  args <- list(model, specs, by = by); if (!is.null(at)) args$at <- at; if (!is.null(weights)) args$weights <- weights
  if (!is.null(ddf)) args$lmer.df <- ddf
  if (is.null(trend)) e <- do.call(emmeans, args) else { names(args)[1:2] <- c("object", "specs"); args$var <- trend; e <- do.call(emtrends, args) }
  if (is.null(kind)) got <- summary(e, type = type, level = confidence) else {
    method <- c(pairwise = if (reverse) "revpairwise" else "pairwise", consecutive = "consec", polynomial = "poly", trt.vs.ctrl = "trt.vs.ctrl", eff = "eff", del.eff = "del.eff")
    cargs <- list(e, if (is.list(kind)) kind else method[[kind]])
    if (reverse && !identical(kind, "pairwise")) cargs$reverse <- TRUE
    if (!is.null(max_degree)) cargs$max.degree <- max_degree
    c1 <- do.call(contrast, cargs); if (families == "all") c1 <- rbind(c1)
    side <- c("two-sided" = 0, less = -1, greater = 1)[[alternative]]
    got <- summary(c1, infer = c(TRUE, TRUE), adjust = tolower(adjust), type = type, null = null, side = side, level = confidence)
  }
  call <- list(formula = formula, data = data, specs = I(specs), by = I(as.character(by)), at = lapply(at, I), weights = weights, ddf = ddf, scale = scale, kind = if (is.list(kind)) lapply(kind, I) else kind,
               adjust = adjust, families = families, null = null, alternative = alternative, reverse = reverse, max_degree = max_degree, confidence = confidence, trend = trend)
  out$cases[[length(out$cases) + 1]] <<- list(call = call[!sapply(call, is.null)], n = if (is.null(kind)) I(e@grid$.wgt.), table = lapply(tidy(got), I))
}
joint <- function(formula, data, by = NULL, ddf = NULL) {
  args <- list(fit(formula, data), by = by); if (!is.null(ddf)) args$lmer.df <- ddf
  j <- do.call(joint_tests, args)
  call <- list(formula = formula, data = data, by = I(as.character(by)), ddf = ddf)
  out$joint[[length(out$joint) + 1]] <<- list(call = call[!sapply(call, is.null)], table = lapply(tidy(j), I))
}
adjusts <- c("BH", "BY", "holm", "hochberg", "bonferroni", "sidak", "none", "tukey")

f <- "log(y) ~ a*b + g + x"
add(f, "three", "a"); add(f, "three", "a", "b"); add(f, "three", "g", c("a", "b"), scale = "response"); add(f, "three", c("a", "b"), scale = "response", confidence = .9)
for (k in c("equal", "proportional", "outer", "cells", "flat")) { add(f, "three", "a", weights = k); add("y ~ a*b*z + g*z + x", "three", "b", "a", weights = k) }
add(f, "three", "a", "b", at = list(x = 1.5)); add("log(y) ~ a*x + b", "three", "a", "x", at = list(x = c(1, 2, 5))); add("log(y) ~ a*x + b", "three", c("x", "a"), at = list(x = c(0, 4), b = "u"))
add(f, "three", "g", "b", at = list(a = c("r", "p")))
for (k in adjusts) {
  for (s in c("model", "response")) { add(f, "three", "g", "b", kind = "pairwise", adjust = k, scale = s); add(f, "three", "g", "b", kind = "consecutive", adjust = k, families = "all", scale = s) }
  for (alt in c("less", "greater")) add(f, "three", "a", "b", kind = "pairwise", adjust = k, alternative = alt, null = .1)
}
for (k in c("eff", "del.eff", "trt.vs.ctrl", "polynomial")) for (s in c("model", "response")) { add(f, "three", "g", kind = k, adjust = "holm", scale = s); add(f, "three", c("a", "b"), kind = k, adjust = "none", scale = s) }
for (k in 1:3) add(f, "three", "g", "a", kind = "polynomial", adjust = "none", max_degree = k)
add("y ~ a*b*g + x", "three", c("a", "b"), kind = "polynomial", adjust = "BH", max_degree = 4)
for (k in c("pairwise", "consecutive", "trt.vs.ctrl")) add(f, "three", "g", "b", kind = k, adjust = "holm", reverse = TRUE, null = -.2)
add(f, "three", "g", kind = list("new - old" = c(-.5, -.5, .5, .5), "3.1 and 3.2" = c(0, 0, -1, 1)), adjust = "bonferroni", scale = "response")
add(f, "three", "g", "b", kind = list("sum" = c(1, 1, 0, 0), "step" = c(0, -1, 1, 0)), adjust = "sidak", scale = "response")
add(f, "three", "g", "b", kind = "trt.vs.ctrl", adjust = "dunnettx"); add(f, "three", "b", kind = "pairwise", adjust = "tukey"); add(f, "three", "b", "a", kind = "consecutive", adjust = "BH", families = "all")
for (r in c("log10(y)", "log2(y)", "sqrt(y)", "y")) {
  f2 <- paste(r, "~ a*b*g + x")
  add(f2, "three", "a", "g", scale = "response"); add(f2, "three", "a", "b", kind = "pairwise", adjust = "tukey", scale = "response"); add(f2, "three", "g", kind = "consecutive", adjust = "BH", scale = "response", confidence = .99)
}
for (data in c("big", "small")) for (r in c("y", "log(y)")) { f2 <- paste(r, "~ a*x + b*g"); add(f2, data, "a", "b", kind = "pairwise", adjust = "tukey"); add(f2, data, c("a", "g")); add(f2, data, "a", trend = "x"); joint(f2, data) }

add("y ~ a*x + b*z", "three", "a", trend = "x"); add("y ~ a*x + b*z", "three", "a", trend = "x", kind = "pairwise", adjust = "tukey"); add("y ~ a*x*b + z", "three", "a", "b", trend = "x", kind = "consecutive", adjust = "holm")
add("y ~ a*b*x + z", "three", "b", trend = "x", weights = "proportional")
add("y ~ a*x + b*z", "three", "b", "z"); add("y ~ a*x + b*z", "three", "b", kind = "pairwise", adjust = "none")

for (f2 in c("y ~ a*b + x", "y ~ a + b", "y ~ a + b + x")) {
  add(f2, "holes", "a"); add(f2, "holes", "b", "a"); add(f2, "holes", "b"); for (k in c("cells", "flat", "proportional")) add(f2, "holes", "b", weights = k)
  for (k in c("BH", "bonferroni", "tukey", "sidak")) { add(f2, "holes", "b", "a", kind = "pairwise", adjust = k); add(f2, "holes", "a", kind = "pairwise", adjust = k) }
  add(f2, "holes", "b", "a", kind = "consecutive", adjust = "holm", families = "all"); joint(f2, "holes")
}
add("y ~ a + b", "islands", "a"); add("y ~ a + b", "islands", "a", kind = "pairwise", adjust = "tukey"); add("y ~ a + b", "islands", "b", kind = "consecutive", adjust = "BH"); add("y ~ a + b", "islands", "b", "a", kind = "pairwise", adjust = "holm", families = "all"); joint("y ~ a + b", "islands")

for (f2 in c("y ~ gen + model + task", "y ~ gen/model + task", "y ~ task*gen + model")) {
  add(f2, "nested", "gen"); add(f2, "nested", "task"); add(f2, "nested", "gen", kind = "pairwise", adjust = "tukey"); add(f2, "nested", "task", kind = "consecutive", adjust = "BH"); joint(f2, "nested")
}
joint("breaks ~ wool/tension", "warpbreaks"); joint("len ~ supp + supp:dose", "tooth")

add("breaks ~ wool*tension", "warpbreaks", "tension", "wool"); add("breaks ~ wool*tension", "warpbreaks", "tension", "wool", kind = "pairwise", adjust = "tukey"); add("breaks ~ wool*tension", "warpbreaks", "tension", kind = "polynomial", adjust = "none"); joint("breaks ~ wool*tension", "warpbreaks")
add("len ~ supp*dose", "tooth", c("supp", "dose"), kind = "pairwise", adjust = "tukey"); add("len ~ supp*dose", "tooth", "dose", "supp", kind = "consecutive", adjust = "BH"); joint("len ~ supp*dose", "tooth", by = "supp")
joint("y ~ a*b*g + x", "three"); joint("log(y) ~ a*x + b*z", "three"); joint("y ~ a*b + g", "three", by = "b"); joint("sqrt(y) ~ a + b", "three")

for (ddf in c("satterthwaite", "kenward-roger", "asymptotic")) {
  f2 <- "log(y) ~ a*b + s + x + (1 | id)"
  add(f2, "mixed", "a", "b", ddf = ddf); add(f2, "mixed", "s", ddf = ddf, scale = "response", weights = "proportional")
  add(f2, "mixed", "a", "b", ddf = ddf, kind = "pairwise", adjust = "tukey", scale = "response"); add(f2, "mixed", "a", c("b", "s"), ddf = ddf, kind = "consecutive", adjust = "BH", families = "all")
  add(f2, "mixed", c("a", "s"), ddf = ddf, kind = "pairwise", adjust = "tukey"); add("y ~ a*x + (x | id)", "mixed", "a", ddf = ddf, trend = "x", kind = "pairwise", adjust = "holm"); joint(f2, "mixed", ddf = ddf)
  f3 <- "angle ~ recipe*temperature + (1 | block)"
  add(f3, "cake", "recipe", ddf = ddf); add(f3, "cake", "temperature", "recipe", ddf = ddf, kind = "consecutive", adjust = "BH"); add(f3, "cake", "temperature", ddf = ddf, kind = "polynomial", adjust = "none"); add(f3, "cake", "recipe", ddf = ddf, kind = "pairwise", adjust = "tukey"); joint(f3, "cake", ddf = ddf)
}
writeLines(toJSON(out, digits = I(17), na = "null", auto_unbox = TRUE, dataframe = "columns"), "emmeans.json")
cat(length(out$cases), "cases,", length(out$joint), "joint tests\n")
