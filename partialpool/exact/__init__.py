"""The exact posterior of a Gaussian multilevel model, from sums of products."""

from partialpool.exact.fit import SlowerMethodWarning, fit
from partialpool.exact.formula import FormulaError
from partialpool.exact.pointwise import compute_log_likelihood, compute_log_prior
from partialpool.exact.predict import predict
from partialpool.exact.priors import Prior
from partialpool.exact.structure import StructureWarning

__all__ = [
    "FormulaError",
    "Prior",
    "SlowerMethodWarning",
    "StructureWarning",
    "compute_log_likelihood",
    "compute_log_prior",
    "fit",
    "predict",
]
