# Fit the shapes of lme4_references.py by restricted maximum likelihood.
#
# Rscript lme4_references.R fits.json: reads the list of fits (name, formula and
# CSV file), and prints their estimates as JSON.

library(jsonlite)
suppressPackageStartupMessages(library(lme4))

estimate <- function(fit) {
  table <- read.csv(fit$csv, stringsAsFactors = TRUE)
  model <- lmer(as.formula(fit$formula), table, REML = TRUE)
  parts <- as.data.frame(VarCorr(model))
  list(
    formula = fit$formula,
    rows = nrow(table),
    fixed = fixed_effects(model),
    sds = between_sds(parts),
    correlations = correlations(parts),
    sigma = sigma(model),
    singular = isSingular(model)
  )
}

fixed_effects <- function(model) {
  table <- coef(summary(model))
  sapply(rownames(table), simplify = FALSE, function(name) {
    list(estimate = table[name, "Estimate"], se = table[name, "Std. Error"])
  })
}

between_sds <- function(parts) {
  rows <- parts[is.na(parts$var2) & parts$grp != "Residual", ]
  term <- sub("(Intercept)", "1", rows$var1, fixed = TRUE)
  setNames(as.list(rows$sdcor), paste0(term, "|", rows$grp, "_sigma"))
}

correlations <- function(parts) {
  rows <- parts[!is.na(parts$var2), ]
  setNames(as.list(rows$sdcor), paste0(rows$grp, "_correlation", recycle0 = TRUE))
}

fits <- fromJSON(commandArgs(trailingOnly = TRUE)[1], simplifyVector = FALSE)
result <- list(
  versions = list(R = as.character(getRversion()),
                  lme4 = as.character(packageVersion("lme4"))),
  fits = lapply(fits, estimate)
)
cat(toJSON(result, auto_unbox = TRUE, digits = I(10), null = "null"))
