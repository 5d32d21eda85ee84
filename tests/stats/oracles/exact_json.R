# Writes lists as JSON with 17 significant digits; data frames by column, null for NA.
number <- function(v) ifelse(is.na(v), "null", ifelse(is.infinite(v), ifelse(v > 0, "1e999", "-1e999"), sprintf("%.17g", v)))
text <- function(s) paste0('"', gsub('"', '\\"', gsub("\\", "\\\\", s, fixed = TRUE), fixed = TRUE), '"')
atoms <- function(x) {
  if (is.factor(x)) x <- as.character(x)
  if (is.logical(x)) return(ifelse(is.na(x), "null", tolower(as.character(x))))
  if (is.numeric(x)) number(as.numeric(x)) else ifelse(is.na(x), "null", text(x))
}
json <- function(x) {
  if (is.null(x)) return("null")
  if (is.matrix(x)) return(paste0("[", paste(apply(x, 1, function(r) json(I(unname(r)))), collapse = ",\n"), "]"))
  if (is.data.frame(x)) {
    rows <- attr(x, "row.names")
    x <- lapply(as.list(x), function(v) I(if (is.factor(v)) as.character(v) else v))
    if (is.character(rows)) x <- c(list(row = I(rows)), x)
  }
  if (is.list(x)) {
    inside <- vapply(x, json, "")
    if (is.null(names(x))) return(paste0("[", paste(inside, collapse = ",\n"), "]"))
    return(paste0("{", paste(text(names(x)), inside, sep = ": ", collapse = ",\n"), "}"))
  }
  inside <- atoms(unclass(x))
  if (length(x) == 1 && !inherits(x, "AsIs")) inside else paste0("[", paste(inside, collapse = ", "), "]")
}
save_json <- function(x, name) writeLines(json(x), paste0(name, ".json"))
