# Time one of R's entrants on the rows that data.py wrote for R.
#
# Rscript fits.R ENTRANT FOLDER SECONDS MOST: fits for about so many seconds, at most
# so often; prints the seconds of each fit, and the effect of being a man.

arguments <- commandArgs(TRUE)
entrant <- arguments[1]
folder <- arguments[2]
seconds_each <- as.numeric(arguments[3])
most <- as.numeric(arguments[4])

at <- function(name) file.path(folder, name)
read_column <- function(name) {
  codes <- readBin(at(name), "integer", file.size(at(name)) / 4)
  structure(codes, levels = readLines(at(paste0(name, ".levels"))), class = "factor")
}
columns <- c("subject", "provider", "sex")
numbers <- c("trials", "successes")
if (!startsWith(entrant, "binomial")) {
  columns <- c(columns, "prior_attainment", "region")
  numbers <- "log_earnings"
}
read_number <- function(name) readBin(at(name), "double", file.size(at(name)) / 8)
rows <- as.data.frame(c(
  lapply(setNames(columns, columns), read_column),
  lapply(setNames(numbers, numbers), read_number)
))

complete <- log_earnings ~ sex + prior_attainment + region
partial <- update(complete, . ~ . + (1 | subject) + (1 | provider))
employed <- cbind(successes, trials - successes) ~
  sex + (1 | subject) + (1 | provider)
if (grepl("lme", entrant)) suppressPackageStartupMessages(library(lme4))
fit <- switch(entrant,
  r_lm = function(rows) lm(complete, rows, model = FALSE),
  r_glm = function(rows) glm(complete, data = rows, model = FALSE, y = FALSE),
  r_lme4 = function(rows)
    lmer(partial, rows, control = lmerControl(calc.derivs = FALSE)),
  r_lme4_default = function(rows) lmer(partial, rows),
  binomial_glmer = function(rows) glmer(employed, rows, binomial,
    control = glmerControl(calc.derivs = FALSE))
)
estimates <- NULL
time <- function(rows) {
  gc()
  system.time(estimates <<- coef(summary(fit(rows))))[["elapsed"]]
}
few <- rows[sample(nrow(rows), min(nrow(rows), 1000)), ]
invisible(suppressWarnings(suppressMessages(time(few))))
repeat {
  seconds <- time(rows)
  cat("seconds", seconds, "\n")
  seconds_each <- seconds_each - seconds
  most <- most - 1
  if (seconds_each < seconds || most < 1) break
}
cat("male", estimates["sexmale", 1], "\n")
