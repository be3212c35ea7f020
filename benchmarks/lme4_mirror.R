# Answer the questions of the chapter frequentist-mirror with lme4.
#
# Rscript lme4_mirror.R orders.json: reads the orders of lme4_mirror.py (CSV files,
# formulas), and prints what lme4 says as JSON.

library(jsonlite)
suppressPackageStartupMessages(library(lme4))

Z <- qnorm(0.95)

listen <- function(expression) {
  words <- character()
  note <- function(w) words <<- c(words, trimws(conditionMessage(w)))
  value <- withCallingHandlers(expression,
    warning = function(w) { note(w); invokeRestart("muffleWarning") },
    message = function(m) { note(m); invokeRestart("muffleMessage") })
  list(value = value, words = words)
}

read <- function(csv) read.csv(csv, stringsAsFactors = TRUE)

sds <- function(model) {
  parts <- as.data.frame(VarCorr(model))
  as.list(setNames(parts$sdcor, parts$grp))
}

intervals <- function(model) {
  effects <- as.data.frame(ranef(model, condVar = TRUE))
  middle <- fixef(model)[["(Intercept)"]] + effects$condval
  list(group = as.character(effects$grp), estimate = middle,
       low = middle - Z * effects$condsd, high = middle + Z * effects$condsd)
}

# No call of lme4 gives it: by hand, as Higgins and others (2009) do.
new_group <- function(model) {
  half <- sqrt(vcov(model)[1, 1] + VarCorr(model)$group[1, 1])
  half <- half * qt(0.95, ngrps(model)[["group"]] - 2)
  fixef(model)[["(Intercept)"]] + c(-half, half)
}

one <- function(order) {
  fit <- function(reml) lmer(as.formula(order$formula), read(order$csv), REML = reml)
  describe <- function(model) {
    effects <- as.data.frame(ranef(model))
    list(sds = sds(model), intercept = fixef(model)[["(Intercept)"]],
         effects = setNames(as.list(effects$condval), as.character(effects$grp)))
  }
  list(mean_outcome = mean(read(order$csv)[[order$outcome]]),
       reml = describe(fit(TRUE)), ml = describe(fit(FALSE)))
}

trap <- function(table) {
  said <- listen(lmer(y ~ 1 + (1 | group), table))
  model <- said$value
  ends <- tryCatch(
    suppressMessages(suppressWarnings(confint(model, parm = ".sig01", level = 0.9))),
    error = function(e) c(NA, NA))
  list(sd = sds(model)$group, singular = isSingular(model), words = I(said$words),
       intervals = intervals(model), new = new_group(model), sd_low = ends[1], sd_high = ends[2])
}

slope <- function(table) {
  said <- listen(lmer(y ~ x + (x | group), table))
  list(singular = isSingular(said$value), words = I(said$words))
}

crossed <- function(order) {
  table <- read(order$csv)
  model <- lmer(as.formula(order$formula), table)
  cells <- table[!duplicated(table$cell), ]
  list(sds = sds(model), cells = setNames(as.list(predict(model, cells)),
                                          as.character(cells$cell)))
}

three <- function(order) {
  table <- read(order$csv)
  model <- lmer(y ~ 1 + (1 | group), table)
  rows <- data.frame(group = c(order$known, "a new one"))
  without <- tryCatch(predict(model, rows), error = conditionMessage)
  list(conditional = predict(model, rows[1, , drop = FALSE])[[1]],
       population = predict(model, rows, re.form = NA)[[1]],
       refused = is.character(without),
       new = predict(model, rows, allow.new.levels = TRUE)[[2]])
}

orders <- fromJSON(commandArgs(trailingOnly = TRUE)[1], simplifyVector = FALSE)
by_set <- function(csv, f) lapply(unname(split(read(csv), read(csv)$set)), f)
result <- list(
  versions = list(R = as.character(getRversion()),
                  lme4 = as.character(packageVersion("lme4"))),
  fits = lapply(orders$fits, one),
  traps = by_set(orders$traps, trap),
  slopes = by_set(orders$slopes, slope),
  crossed = crossed(orders$crossed),
  three = three(orders$three)
)
cat(toJSON(result, auto_unbox = TRUE, digits = I(9), null = "null", na = "null"))
