"""What the shape of a table says about a model before it is fitted."""

import warnings

import numpy as np

from partialpool.exact.gram import plain

# Fewer groups than this hardly speak against an LKJ prior.
FEW = 10
# Columns are combinations of each other where their correlations leave less than this.
DEPENDENT = 1e-10


class StructureWarning(UserWarning):
    """The model can be fitted, but the table tells little of some part of it."""


def warn_of_structure(design, gram, correlated):
    """Warn of what the table cannot tell, whatever the draws say."""
    for factor in design.factors:
        groups = len(factor.levels)
        if groups == 1:
            _warn(
                f"{factor.name} has one group only, {factor.levels[0]}: how much "
                "groups differ is then said by its prior alone."
            )
        elif groups == design.rows.count:
            _warn(
                f"{factor.name} has one row in each group: what its groups add cannot "
                "be told from sigma but by the priors."
            )
        elif correlated and factor.columns > 1 and groups < FEW:
            _warn(
                f"{factor.name} has {groups} groups: the LKJ prior then draws the "
                "correlations of their effects towards 0; see what lkj=1 gives."
            )
    if dependent := _dependent_terms(design, gram):
        _warn(
            f"The terms {' and '.join(dependent)} say the same thing in other words: "
            "only their priors tell their coefficients apart; leave one of them out."
        )


def _warn(text):
    warnings.warn(text, StructureWarning, stacklevel=4)


def _dependent_terms(design, gram):
    """Names of common terms whose columns are combinations of each other."""
    products = plain(gram.dense[: gram.common, : gram.common])
    scale = np.sqrt(np.diag(products))
    if not (scale > 0).all():
        return []
    eigenvalues, vectors = np.linalg.eigh(products / np.outer(scale, scale))
    tied = (np.abs(vectors[:, eigenvalues < DEPENDENT]) > 1e-3).any(axis=1)
    owner = [term.name for term in design.common for _ in range(term.columns)]
    return list(dict.fromkeys(np.array(owner)[tied].tolist()))


def refuse_no_remainder(sigma, design):
    """Refuse draws of sigma that are 0 but for rounding: shape (draws,)."""
    # Above what rounding leaves, below what any measurement does.
    if np.median(sigma) < 1e-6 * design.outcome_sd:
        raise ValueError(
            f"The formula explains {design.rows.outcome} without remainder, so that "
            "sigma is 0: leave out the column that the outcome was made from."
        )


def explain_failure(error, design):
    """Say what may stand behind a posterior that could not be drawn."""
    outcome = design.rows.outcome
    if "settle" in str(error):
        return (
            f"The posterior could not be drawn. {error} Some standard deviations can "
            "hardly be told apart: leave out the finest group term, or give the group "
            "terms priors of their own."
        )
    return (
        f"The posterior could not be drawn: {error} Are there enough rows for this "
        f"formula, does something of {outcome} remain that it does not explain, and "
        "is every prior proper?"
    )
