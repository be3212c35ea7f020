"""What a formula says: its parts, and how its categories are encoded."""

import re
from contextlib import contextmanager

import numpy as np
import pandas as pd

# What stands between quotes, and words with nothing but blanks between them.
QUOTED = r"""'[^']*'|"[^"]*"|`[^`]*`"""
BARE_WORDS = r"\w[\w.]*(\s+\w[\w.]*)+"
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
    from formulae.parser import Parser
    from formulae.scanner import Scanner

    if not isinstance(formula, str):
        raise FormulaError(
            f"The formula is a {type(formula).__name__}: give one line of text such as "
            "'y ~ x + (1|group)'. Models with a formula for each parameter need Bambi."
        )
    _refuse_other_notations(formula)
    try:
        parser = Parser(Scanner(formula).scan())
        parser.parse()
        description = model_description(formula)
    except Exception as error:
        raise FormulaError(
            f"The formula '{formula}' cannot be read: {error}. It should look like "
            "'y ~ x + (1|group)'."
        ) from None
    if not parser.at_end():
        # What it cannot read formulae would leave out, and fit a shorter model.
        raise FormulaError(
            f"The formula '{formula}' cannot be read from {parser.peek().lexeme} on: "
            "correct what stands there; group terms go in parentheses, as in (1|group)."
        )
    if description.response is None:
        raise FormulaError(
            f"The formula '{formula}' has no outcome: write it to the left of a ~, as "
            "in 'y ~ x + (1|group)'."
        )
    for call in _all_calls(description):
        if call.callee == "hsgp":
            raise FormulaError(
                "hsgp() is a Gaussian process, which has no closed form here: use "
                "Bambi for this model."
            )
        if call.callee in REMEMBER_MORE:
            raise FormulaError(
                f"{call.callee}() makes columns from the whole table, which cells do "
                "not hold: make those columns first and name them in the formula."
            )
    for term in description.group_terms:
        factor_columns(term.factor)
    return description


def _refuse_other_notations(formula):
    """Refuse what formulae would read only in part, or refuse in words of its own."""
    bare = re.sub(QUOTED, "``", formula)
    if "||" in bare:
        raise FormulaError(
            f"The formula '{formula}' has ||, lme4's way to keep effects uncorrelated: "
            "write a single |, as in (x|g), which already does so here "
            "(correlated=True correlates them)."
        )
    if words := re.search(BARE_WORDS, bare):
        raise FormulaError(
            f"The formula '{formula}' has {words[0]} with no sign between the words: "
            f"if that is one name, put it between backticks, as in `{words[0]}`, and "
            "if not, put a sign such as + between them."
        )


def factor_columns(factor):
    """Name the columns whose combinations are the groups of a factor.

    Returns
    -------
    list of str

    Raises
    ------
    FormulaError
        If the groups are not those of plain columns.
    """
    columns = []
    for component in factor.components:
        call = getattr(component, "call", component)
        if call is not component and call.callee == "C":
            call = call.args[0]
        if not hasattr(call, "name"):
            raise FormulaError(
                f"The formula groups by {component.name}: make it a column of its own "
                "and name that column."
            )
        columns.append(call.name)
    return columns


def _components(description):
    for term in [*description.common_terms, *description.group_terms]:
        for part in (getattr(term, "expr", term), getattr(term, "factor", None)):
            yield from getattr(part, "components", [])


def _all_calls(description):
    for component in _components(description):
        yield from _calls(getattr(component, "call", None))


def _scalings(description):
    calls = _all_calls(description)
    return [call for call in calls if call.callee in REMEMBER_MOMENTS]


def _calls(part):
    """Every call of a function within a part of a formula, inner ones first."""
    for inner in [*getattr(part, "args", ()), *getattr(part, "kwargs", {}).values()]:
        yield from _calls(inner)
    if hasattr(part, "callee"):
        yield part


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


def columns_of(description, columns, environment):
    """Name the columns that a formula needs.

    Parameters
    ----------
    description : formulae.terms.terms.Model
    columns : collection of str
        Those that the table has.
    environment : formulae.environment.Environment

    Returns
    -------
    set of str
        With those that the table lacks; without numbers and functions that a
        call in the formula takes from elsewhere, as in ``C(year, Sum)``.
    """
    terms = [*description.common_terms, *description.group_terms]
    plain = {
        component.name
        for component in _components(description)
        if not hasattr(component, "call")
    }
    elsewhere = _with_transforms(environment).namespace
    names = set().union(*(term.var_names for term in terms))
    return plain | {
        name
        for name in names
        if name and (name in columns or np.ndim(elsewhere.get(name, ())) > 0)
    }


def _with_transforms(environment):
    from formulae.categorical import ENCODINGS
    from formulae.environment import Environment
    from formulae.transforms import TRANSFORMS

    own = Environment([{**TRANSFORMS, **ENCODINGS}])
    return own.with_outer_namespace(environment.namespace)


def recipe_for(description, observations, columns, environment):
    """Note what is needed to find the same columns in another table.

    Parameters
    ----------
    description : formulae.terms.terms.Model
    observations : partialpool.observations.Observations
    columns : set of str
        As :func:`columns_of` names them.
    environment : formulae.environment.Environment

    Returns
    -------
    dict
        Columns, levels of each category, which of them are ordered, kind of
        number of each column that only groups rows, mean and standard deviation of
        each other number and of what is scaled or centred. Plain values, so that it
        can be stored.
    """
    factors = _factor_variables(description)
    recipe = {"columns": sorted(columns), "levels": {}, "ordered": [], "moments": {}}
    recipe |= {"scaled": [], "numbered": {}}
    for call in _scalings(description):
        with _plain_errors():
            moments = _moments_of(call, observations, environment)
            _remember(call, moments, environment)
        recipe["scaled"].append(moments)
    for name in sorted(columns):
        column = observations.table[name]
        # The levels of a column that only groups rows stay out: there may be many.
        if name in factors:
            recipe["levels"][name] = ["a", "b"]
            if column.dtype.kind in "iuf":
                recipe["numbered"][name] = str(column.dtype)
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


def _moments_of(call, observations, environment):
    """Mean and standard deviation, over all rows, of what a call is made on."""
    from formulae.terms.call_utils import CallVarsExtractor

    inner = [*call.args, *call.kwargs.values()][0]
    table, count = observations.table, observations.count
    name = getattr(inner, "name", None)
    if name in table:
        return observations.moments(name)
    for name in observations.covariates:
        if name in CallVarsExtractor(inner).get():
            raise FormulaError(
                f"{call} needs the mean of {inner}, and cells hold that of {name}: "
                f"make {inner} a column of its own before you collapse the table."
            )
    value = np.asarray(inner.eval(table, _with_transforms(environment)), dtype=float)
    mean = np.average(value, weights=count)
    variance = np.average((value - mean) ** 2, weights=count)
    return float(mean), float(np.sqrt(variance))


def _remember(call, moments, environment):
    """Show a transformation two numbers with the moments of the real ones."""
    mean, sd = moments
    known = _with_transforms(environment).namespace
    call.stateful_transform = known[call.callee]()
    call.stateful_transform(np.array([mean - sd, mean + sd]))


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

    The table holds each level and two values of each number. With the moments
    that ``scale`` and ``center`` remember, that is all that terms depend on.
    """
    from formulae.matrices import DesignMatrices

    scalings = _scalings(description)
    for call, moments in zip(scalings, recipe["scaled"], strict=True):
        _remember(call, moments, environment)
    # The response is found by ourselves; formulae would ask for its functions.
    answer, description.response = description.response, None
    try:
        # Two values of a number may be none for a logarithm.
        with np.errstate(all="ignore"), _plain_errors():
            built = DesignMatrices(description, _small_table(recipe), environment)
    finally:
        description.response = answer
    _refuse_made_categories(description, recipe)
    return built


@contextmanager
def _plain_errors():
    try:
        yield
    except FormulaError:
        raise
    except (KeyError, NameError) as error:
        raise FormulaError(f"The formula uses {error}, which is not known.") from None
    except Exception as error:
        raise FormulaError(f"The formula cannot be worked out: {error}.") from None


def _small_table(recipe):
    levels, moments = recipe["levels"], recipe["moments"]
    rows = max([2, *(len(values) for values in levels.values())])
    signs = np.resize([-1.0, 1.0], rows)
    columns = {name: mean + sd * signs for name, (mean, sd) in moments.items()}
    for name, values in levels.items():
        column = np.resize(np.array(values, dtype=object), rows).tolist()
        if name in recipe["ordered"]:
            column = pd.Categorical(column, values, ordered=True)
        columns[name] = column
    return pd.DataFrame(columns, index=range(rows))


def _refuse_made_categories(description, recipe):
    numbers = set(recipe["moments"]) - set(recipe["levels"])
    for component in _components(description):
        if component.kind == "categoric" and component.var_names & numbers:
            raise FormulaError(
                f"{component.name} makes categories of numbers: make it a column of "
                "its own and name that column."
            )
