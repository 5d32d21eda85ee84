# Reference values for the aligned rank transform: Rscript art.R (writes art.json beside it, and the
# data it makes to data/art_*.csv). R 4.2.2, lme4 1.1-31, car 3.1-1, emmeans 1.8.4. ARTool is in no
# Debian package: alignment is written out from Wobbrock et al. 2011 and Elkin et al. 2021.
suppressPackageStartupMessages({ library(lme4); library(car); library(emmeans) })
emm_options(lmerTest.limit = 1e4, pbkrtest.limit = 1e4)
num <- function(v) ifelse(is.na(v), "null", sprintf("%.17g", v))
js <- function(x) {
  if (is.list(x)) {
    inner <- vapply(x, js, "")
    if (is.null(names(x))) return(paste0("[", paste(inner, collapse = ", "), "]"))
    return(paste0("{", paste0('"', names(x), '": ', inner, collapse = ",\n"), "}"))
  }
  s <- if (is.numeric(x) || is.logical(x)) num(as.numeric(x)) else paste0('"', x, '"')
  if (length(x) == 1 && !inherits(x, "AsIs")) s else paste0("[", paste(s, collapse = ", "), "]")
}
CT <- lmerControl(optimizer = "nloptwrap", optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-13, maxeval = 1e5))
means <- function(y, d, s) if (!length(s)) rep(mean(y), length(y)) else ave(y, interaction(d[s], drop = TRUE))
parts <- function(s) unlist(lapply(0:length(s), function(m) combn(s, m, simplify = FALSE)), recursive = FALSE)
aligned <- function(y, d, all, s) y - means(y, d, all) + Reduce(`+`, lapply(parts(s), function(u) (-1)^(length(s) - length(u)) * means(y, d, u)))
fit <- function(f, d, factors) {
  cs <- setNames(rep(list("contr.sum"), length(factors)), factors)
  if (grepl("|", deparse1(f), fixed = TRUE)) suppressMessages(do.call(lmer, list(f, d, control = CT, contrasts = cs))) else do.call(lm, list(f, d, contrasts = cs))
}
anova_of <- function(y, d, factors, random = "") {
  rhs <- paste0(paste(factors, collapse = " * "), random)
  out <- list()
  for (s in parts(factors)[-1]) {
    name <- paste(s, collapse = ":"); al <- aligned(y, d, factors, s); d$ar <- rank(round(al, 8))
    m <- fit(as.formula(paste("ar ~", rhs)), d, factors); A <- as.data.frame(if (random == "") Anova(m, type = 3) else Anova(m, type = 3, test = "F"))
    d$raw <- al; r <- fit(as.formula(paste("raw ~", rhs)), d, factors)
    others <- if (random == "") { Q <- as.data.frame(Anova(r, type = 3)); Q[setdiff(rownames(Q), c("(Intercept)", "Residuals", name)), "F value"] } else NA
    out[[name]] <- list(F = A[name, if (random == "") "F value" else "F"], df1 = A[name, "Df"], df2 = if (random == "") df.residual(m) else A[name, "Df.res"], p = A[name, "Pr(>F)"], ranks = I(d$ar), sum = sum(al), largest_other = max(c(0, others)))
  }
  out
}
contrasts_of <- function(y, d, factors, names, random = "", kind = "pairwise", adjust = "BH") {
  others <- setdiff(factors, names);
  # the first of the names slowest
  d$cell <- factor(do.call(paste, c(lapply(names, function(v) as.character(d[[v]])), sep = ":")), levels = do.call(paste, c(rev(expand.grid(rev(lapply(d[names], levels)))), sep = ":")))
  al <- y - means(y, d, c("cell", others)) + means(y, d, "cell") - mean(y); d$ar <- rank(round(al, 8))
  all <- c("cell", others); m <- fit(as.formula(paste0("ar ~ ", paste(all, collapse = " * "), random)), d, all)
  k <- as.data.frame(summary(contrast(emmeans(m, "cell", lmer.df = "kenward-roger"), kind, adjust = adjust)))
  list(contrast = I(as.character(k$contrast)), estimate = I(k$estimate), se = I(k$SE), df = I(k$df), t = I(k$t.ratio), p = I(k$p.value))
}
save <- function(d, name) { write.csv(format.data.frame(d, digits = 17), file.path("data", paste0("art_", name, ".csv")), row.names = FALSE, quote = FALSE); d }
set.seed(1105); o <- list()

three <- expand.grid(rep = 1:4, a = c("low", "high"), b = c("x", "y", "z"), c = c("p", "q"))
three$y <- round(rexp(nrow(three)) * 10 + 3 * (three$a == "high") * (three$b == "z"), 2); three <- save(three, "three")
f <- c("a", "b", "c"); d <- three; d[f] <- lapply(d[f], function(v) factor(if (is.numeric(v)) v else as.character(v)))
o$three <- list(anova = anova_of(d$y, d, f), ab = contrasts_of(d$y, d, f, c("a", "b")), bc_holm = contrasts_of(d$y, d, f, c("b", "c"), adjust = "holm", kind = "consec"), b_tukey = contrasts_of(d$y, d, f, "b", adjust = "tukey"), abc = contrasts_of(d$y, d, f, f, adjust = "none"))

ragged <- three[-c(1, 2, 3, 9, 20, 33, 34), ]; ragged$y <- round(ragged$y); ragged <- save(ragged, "ragged")
d <- ragged; d[f] <- lapply(d[f], function(v) factor(if (is.numeric(v)) v else as.character(v)))
o$ragged <- list(anova = anova_of(d$y, d, f), ab = contrasts_of(d$y, d, f, c("a", "b")), a = contrasts_of(d$y, d, f, "a"))

within <- expand.grid(subject = sprintf("s%02d", 1:12), device = c("cpu", "gpu", "tpu"), load = c(1, 10, 2))
u <- rnorm(12); within$y <- u[as.integer(within$subject)] + rnorm(nrow(within)) + 1.5 * (within$device == "gpu") * (within$load == 10); within <- save(within, "within")
f <- c("device", "load"); d <- within; d[f] <- lapply(d[f], function(v) factor(if (is.numeric(v)) v else as.character(v)))
o$within <- list(anova = anova_of(d$y, d, f, " + (1 | subject)"), device = contrasts_of(d$y, d, f, "device", " + (1 | subject)"), cells = contrasts_of(d$y, d, f, c("device", "load"), " + (1 | subject)"))

split <- expand.grid(rep = 1:5, task = c("t1", "t2", "t3"), unit = sprintf("u%02d", 1:14))
split$method <- ifelse(as.integer(split$unit) <= 6, "int8", "bf16"); v <- rnorm(14); split$y <- round(exp(v[as.integer(split$unit)] + .4 * rnorm(nrow(split)) + .8 * (split$method == "int8")), 1); split <- save(split[-c(1, 2, 3, 40, 41, 77), ], "split")
f <- c("method", "task"); d <- split; d[f] <- lapply(d[f], function(v) factor(if (is.numeric(v)) v else as.character(v)))
o$split <- list(anova = anova_of(d$y, d, f, " + (1 | unit)"), method = contrasts_of(d$y, d, f, "method", " + (1 | unit)"), cells = contrasts_of(d$y, d, f, c("method", "task"), " + (1 | unit)"))

one <- data.frame(g = rep(c("a", "b", "c"), c(4, 7, 5)), y = sample(1:9, 16, TRUE)); one <- save(one, "one"); d <- one; d$g <- factor(d$g)
o$one <- list(anova = anova_of(d$y, d, "g"), g = contrasts_of(d$y, d, "g", "g"))
writeLines(js(o), "art.json")
