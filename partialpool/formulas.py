"""What a formula says: its parts, and how its categories are encoded."""

import numpy as np
import pandas as pd

# Transformations of formulae that remember the table they were made on. These two
# remember only its mean and standard deviation, which is as much as cells can tell.
REMEMBER_MOMENTS = {"center", "scale", "standardize"}
REMEMBER_MORE = {"bs", "poly"}
NOT_GAUSSIAN = {
    "p": "a binomial outcome",
    "prop": "a binomial outcome",
    "proportion": "a binomial outcome",
    "censored": "a censored outcome",
    "truncated": "a truncated outcome",
    "constrained": "a truncated outcome",
    "c": "an outcome of several columns",
}


class FormulaError(ValueError):
    """A model that cannot be fitted exactly: the message says which part and why."""


def parse(formula):
    """Read a formula into formulae's description of a model."""
    from formulae import model_description

    if not isinstance(formula, str):
        raise FormulaError(
            f"The formula is a {type(formula).__name__}: give one line of text such as "
            "'y ~ x + (1|group)'. Models with a formula for each parameter need Bambi."
        )
    try:
        description = model_description(formula)
    except Exception as error:
        raise FormulaError(
            f"The formula '{formula}' cannot be read: {error}. It should look like "
            "'y ~ x + (1|group)'."
        ) from None
    if description.response is None:
        raise FormulaError(
            f"The formula '{formula}' has no outcome: write it to the left of a ~, as "
            "in 'y ~ x + (1|group)'."
        )
    for component in _components(description):
        called = _callee(component)
        if called == "hsgp":
            raise FormulaError(
                "hsgp() is a Gaussian process, which has no closed form here: use "
                "Bambi for this model."
            )
        if called in REMEMBER_MORE:
            raise FormulaError(
                f"{called}() makes columns from the whole table, which cells do not "
                "hold: make those columns first and name them in the formula."
            )
    return description


def _components(description):
    for term in [*description.common_terms, *description.group_terms]:
        for part in (getattr(term, "expr", term), getattr(term, "factor", None)):
            yield from getattr(part, "components", [])


def _callee(component):
    call = getattr(component, "call", None)
    return None if call is None else str(call.callee)


def response(description):
    """Name the outcome and the column of its weights, if it has one.

    Raises
    ------
    FormulaError
        If the outcome is not a plain or weighted column of numbers.
    """
    component = description.response.term.components[0]
    called = _callee(component)
    if called in NOT_GAUSSIAN:
        raise FormulaError(
            f"{component.name} is {NOT_GAUSSIAN[called]}, and only a Gaussian one has "
            "a closed form: use Bambi for this model."
        )
    if called == "weighted":
        outcome, weight = (str(argument) for argument in component.call.args[:2])
        return outcome, weight
    if called is not None:
        raise FormulaError(
            f"The outcome is written as {component.name}: make it a column of the "
            "table and name that column."
        )
    if component.reference is not None:
        raise FormulaError(
            f"The outcome {component.name}[{component.reference}] is a category, and "
            "only a Gaussian one has a closed form: use Bambi for this model."
        )
    return component.name, None


def recipe_for(description, observations):
    """Note what is needed to find the same columns in another table.

    Parameters
    ----------
    description : formulae.terms.terms.Model
    observations : partialpool.observations.Observations

    Returns
    -------
    dict
        Levels of each category, which of them are ordered, and mean and
        standard deviation of each number. Plain values, so that it can be
        stored.
    """
    factors = _factor_variables(description)
    recipe = {"levels": {}, "ordered": [], "moments": {}}
    for name in sorted(description.var_names - {observations.outcome}):
        if name not in observations.table:
            continue
        column = observations.table[name]
        # The levels of a column that only groups rows stay out: there may be many.
        if name in factors:
            recipe["levels"][name] = ["a", "b"]
        elif pd.api.types.is_numeric_dtype(column):
            recipe["moments"][name] = observations.moments(name)
            if name in _encoded_variables(description):
                levels = observations.codes([name])[1][name]
                recipe["levels"][name] = levels.tolist()
        else:
            levels = observations.codes([name])[1][name]
            recipe["levels"][name] = levels.tolist()
            if isinstance(levels.dtype, pd.CategoricalDtype) and levels.cat.ordered:
                recipe["ordered"].append(name)
    return recipe


def _factor_variables(description):
    """Columns that group rows and do nothing else in the model."""
    groups, others = set(), set()
    for term in description.group_terms:
        groups |= term.factor.var_names
        others |= term.expr.var_names
    for term in description.common_terms:
        others |= term.var_names
    return groups - others


def _encoded_variables(description):
    names = set()
    for component in _components(description):
        if _callee(component) in ("C", "S", "T"):
            names |= component.var_names
    for term in description.group_terms:
        names |= term.factor.var_names
    return names


def evaluate(description, recipe, environment):
    """Let formulae settle the encoding of each term on a small table.

    The table holds each level and, for each number, values with the mean and
    standard deviation of the real ones. That is all that encodings and the
    transformations ``scale`` and ``center`` remember.
    """
    from formulae.matrices import DesignMatrices
    from formulae.terms.call import Call

    levels, moments = recipe["levels"], recipe["moments"]
    rows = max([2, *(len(values) for values in levels.values())])
    rows += rows % 2
    signs = np.resize([-1.0, 1.0], rows)
    response = description.response.var_names
    numbers = {name: mean + sd * signs for name, (mean, sd) in moments.items()}
    numbers |= {name: signs for name in response if name not in moments}
    categories = {}
    for name, values in levels.items():
        column = np.resize(np.array(values, dtype=object), rows).tolist()
        if name in recipe["ordered"]:
            column = pd.Categorical(column, values, ordered=True)
        categories[name] = column
    table = pd.DataFrame({**numbers, **categories})
    for component in _components(description):
        # Transformations remember the first table they see.
        if isinstance(component, Call) and _callee(component) in REMEMBER_MOMENTS:
            component.set_type(pd.DataFrame(numbers), environment)
    # The response is found by ourselves; formulae would ask for its functions.
    answer, description.response = description.response, None
    try:
        return DesignMatrices(description, table, environment)
    except KeyError as error:
        raise FormulaError(f"The formula uses {error}, which is not known.") from None
    finally:
        description.response = answer
