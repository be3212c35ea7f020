"""What a formula says: its outcome, its terms and the columns that they name."""

import difflib
import logging
import re
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO

import numpy as np

from partialpool.exact import calls
from partialpool.exact.namespace import flat, known

# What stands between quotes, and words with nothing but blanks between them.
QUOTED = r"""'[^']*'|"[^"]*"|`[^`]*`"""
BARE_WORDS = r"\w[\w.]*(\s+\w[\w.]*)+"
NOT_GAUSSIAN = dict.fromkeys(("p", "prop", "proportion"), "a binomial outcome")
NOT_GAUSSIAN |= dict.fromkeys(("truncated", "constrained"), "a truncated outcome")
NOT_GAUSSIAN |= {"censored": "a censored outcome", "c": "an outcome of several columns"}
# R's names for what formulas here write otherwise.
WRITTEN_OTHERWISE = dict.fromkeys(("factor", "as"), "C(x) makes categories of numbers")
WRITTEN_OTHERWISE |= dict.fromkeys(("ns", "s"), "bs(x, df=4) makes a spline")
WRITTEN_OTHERWISE["sqrt"] = "np.sqrt(x) takes the root, after import numpy as np"


class FormulaError(ValueError):
    """A model that cannot be fitted exactly: the message says which part and why."""


@dataclass(frozen=True)
class Formula:
    """A formula, read and found to be one that has a closed form."""

    text: str
    outcome: str  # column of the outcome
    weight: str | None  # column of the weights of the rows
    environment: object = field(repr=False, compare=False)  # of formulae
    # Formulae's description of the terms, to look at only.
    description: object = field(repr=False, compare=False)

    def describe(self):
        """Describe the terms anew: evaluating a description changes it."""
        from formulae import model_description

        with _quiet():
            return model_description(self.text)

    def columns(self, held):
        """Name the columns of the predictors and groups, of which the table has `held`.

        Columns that it lacks are among them; numbers and functions that a call in the
        formula takes from elsewhere, as in ``C(year, Sum)``, are not.
        """
        description = self.description
        parts = calls.components(description)
        plain = {part.name for part in parts if not hasattr(part, "call")}
        elsewhere = known(self.environment).namespace
        named = set().union(*(term.var_names for term in calls.all_terms(description)))
        named -= {None, ""}
        options = calls.names_in_options(description)
        options = {name for name in options if elsewhere.get(name) is not None}
        lacking = named - options - held
        lacking = {name for name in lacking if np.ndim(elsewhere.get(name, ())) > 0}
        return plain | lacking | named & held

    def grouping_columns(self):
        """Columns that group rows and do nothing else in the model: set of str."""
        description = self.description
        groups = [set(factor_columns(t.factor)) for t in description.group_terms]
        terms = [getattr(term, "expr", term) for term in calls.all_terms(description)]
        return set().union(*groups) - set().union(*(t.var_names for t in terms))


def parse(formula, environment=None):
    """Read a formula, and refuse by name what has no closed form: a `Formula`."""
    from formulae.environment import Environment

    if not isinstance(formula, str):
        raise FormulaError(
            f"The formula is a {type(formula).__name__}: give one line of text such as "
            "'y ~ x + (1|group)'. Models with a formula for each parameter need Bambi."
        )
    _refuse_other_notations(formula)
    description = _read(formula)
    if description.response is None:
        raise FormulaError(
            f"The formula '{formula}' has no outcome: write it to the left of a ~, as "
            "in 'y ~ x + (1|group)'."
        )
    for call in calls.all_calls(description):
        if call.callee == "hsgp":
            raise FormulaError(
                "hsgp() is a Gaussian process, which has no closed form here: use "
                "Bambi for this model."
            )
    _refuse_two_of_a_name(description)
    _refuse_offset_in_terms(description)
    outcome, weight = _response(description)
    environment = environment or Environment([])
    parsed = Formula(formula, outcome, weight, environment, description)
    _refuse_unknown_functions(description, parsed.environment)
    _refuse_outcome_as_predictor(description, outcome, weight)
    return parsed


def _read(formula):
    """Let formulae read the text to its end: a description of the model."""
    from formulae import model_description
    from formulae.parser import Parser
    from formulae.scanner import Scanner

    with _reading(formula):
        parser = Parser(Scanner(formula).scan())
        tree = parser.parse()
    if not parser.at_end():
        # What it cannot read formulae would leave out, and fit a shorter model.
        raise FormulaError(
            f"The formula '{formula}' cannot be read from {parser.peek().lexeme} on: "
            "correct what stands there; group terms go in parentheses, as in (1|group)."
        )
    _refuse_numbers(tree, formula)
    with _reading(formula):
        return model_description(formula)


@contextmanager
def _reading(formula):
    """Turn what formulae says of a formula that it cannot read into one sentence."""
    try:
        with _quiet():
            yield
    except Exception as error:
        raise FormulaError(
            f"The formula '{formula}' cannot be read: {_in_one_line(error)}. It should "
            "look like 'y ~ x + (1|group)'."
        ) from None


def _refuse_other_notations(formula):
    """Refuse what formulae would read only in part, or refuse in words of its own."""
    bare = re.sub(QUOTED, "``", formula)
    if "||" in bare:
        raise FormulaError(
            f"The formula '{formula}' has ||, lme4's way to keep effects uncorrelated: "
            "write a single |, as in (x|g), which already does so here "
            "(correlated=True correlates them)."
        )
    if less := re.search(r"\(([^()|]*?)\s*-\s*1\s*\|", bare):
        raise FormulaError(
            f"The formula '{formula}' takes 1 away inside a group term: write 0 + in "
            f"front, as in (0 + {less[1].strip() or 'x'}|g)."
        )
    if words := re.search(BARE_WORDS, bare):
        raise FormulaError(
            f"The formula '{formula}' has {words[0]} with no sign between the words: "
            f"if that is one name, put it between backticks, as in `{words[0]}`, and "
            "if not, put a sign such as + between them."
        )


def _refuse_numbers(tree, formula):
    """Refuse numbers as terms, and powers that formulae would drop."""
    kind = type(tree).__name__
    if kind == "Grouping":
        _refuse_numbers(tree.expression, formula)
    elif kind == "Unary":
        _refuse_numbers(tree.right, formula)
    elif kind == "Literal" and tree.value not in (0, 1):
        raise FormulaError(
            f"The formula '{formula}' has {tree.value!r} as a term, where only 0 and 1 "
            "may stand, for no intercept and for one: put arithmetic in I(), as in "
            "I(2 * x)."
        )
    elif kind == "Binary":
        if tree.operator.kind == "STAR_STAR":
            _refuse_power(tree, formula)
        else:
            _refuse_numbers(tree.right, formula)
        _refuse_numbers(tree.left, formula)


def _refuse_power(tree, formula):
    base = tree.left
    while type(base).__name__ == "Grouping":
        base = base.expression
    power = getattr(tree.right, "value", None)
    if type(base).__name__ != "Binary":
        raise FormulaError(
            f"The formula '{formula}' has a power of one column, which here would be "
            "the column itself: put arithmetic in I(), as in I(x**2)."
        )
    if not isinstance(power, int) or power < 2:
        raise FormulaError(
            f"The formula '{formula}' has a power that is no whole number above 1: "
            "(a + b)**2 stands for a + b + a:b, and arithmetic goes in I(), as in "
            "I(x**2)."
        )


def _refuse_unknown_functions(description, environment):
    there = known(environment).namespace
    for call in calls.all_calls(description):
        first = str(call.callee).split(".")[0]
        if first in there:
            continue
        near = difflib.get_close_matches(first, flat(there.keys()), n=1)
        hint = WRITTEN_OTHERWISE.get(first)
        if hint is None:
            hint = "define or import it before the fit"
            hint += f" (did you mean {near[0]}?)" if near else ""
        raise FormulaError(
            f"The formula uses {call.callee}, which is not known: {hint}."
        )


def _refuse_two_of_a_name(description):
    """Refuse terms of which formulae would keep only the last one of a name."""
    names = [term.name for term in description.terms]
    factors = {}
    for term in description.group_terms:
        columns = tuple(factor_columns(term.factor))
        if factors.setdefault(term.factor.name, columns) != columns:
            names += 2 * [term.factor.name]
    for name in names:
        if names.count(name) > 1:
            raise FormulaError(
                f"Two different parts of the formula would both be called {name}: "
                "rename the column with table.rename(columns={…}), and in the formula."
            )


def _refuse_offset_in_terms(description):
    for term in calls.all_terms(description):
        parts = getattr(getattr(term, "expr", term), "components", [])
        alone = not hasattr(term, "expr") and len(parts) == 1
        for part in parts:
            if calls.callee(part) == "offset" and not alone:
                raise FormulaError(
                    f"{part.name} stands inside {term.name}: an offset has no "
                    "coefficient and no groups; add it to the formula by itself."
                )


def _refuse_outcome_as_predictor(description, outcome, weight):
    where = {term.name: term.var_names for term in calls.all_terms(description)}
    where |= {f"weighted({outcome}, {weight})": {weight}}
    for name, columns in where.items():
        if outcome in columns:
            raise FormulaError(
                f"{outcome} is the outcome and stands in {name} as well: a column "
                "cannot explain itself; name another column for one of the roles."
            )


def factor_columns(factor):
    """Name the columns whose combinations are the groups of a factor."""
    columns = []
    for component in getattr(factor, "components", [factor]):
        call = getattr(component, "call", component)
        if call is not component and call.callee == "C" and len(call.args) == 1:
            call = call.args[0]
        name = getattr(call, "name", None)
        if not isinstance(name, str) or hasattr(call, "callee"):
            raise FormulaError(
                f"The formula groups by {getattr(component, 'name', component)}: make "
                "it a column of its own and name that column."
            )
        columns.append(name)
    return columns


def _response(description):
    """Name the outcome and the column of its weights, if it has one."""
    component = description.response.term.components[0]
    called = calls.callee(component)
    if called in NOT_GAUSSIAN:
        raise FormulaError(
            f"{component.name} is {NOT_GAUSSIAN[called]}, and only a Gaussian one has "
            "a closed form: use Bambi for this model."
        )
    if called == "weighted":
        arguments = [*component.call.args, *component.call.kwargs.values()]
        if len(arguments) != 2 or any(hasattr(a, "callee") for a in arguments):
            raise FormulaError(
                f"The outcome is written as {component.name}: give weighted() two "
                "columns, as in weighted(y, w)."
            )
        return tuple(map(str, arguments))
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


@contextmanager
def _quiet():
    """Keep what formulae prints or logs about a formula from the user's screen."""
    log = logging.getLogger("formulae")
    before = log.disabled
    log.disabled = True
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        log.disabled = before


@contextmanager
def plain_errors(what="The formula"):
    """Turn what goes wrong while a formula is worked out into one sentence."""
    try:
        with _quiet(), np.errstate(all="ignore"):
            yield
    except FormulaError:
        raise
    except KeyError as error:
        raise FormulaError(f"{what} uses {error}, which is not known.") from None
    except Exception as error:
        said = _in_one_line(error)
        raise FormulaError(
            f"{what} cannot be worked out: {said}; make such a part a column of its "
            "own and name that column."
        ) from None


def _in_one_line(error):
    """What a library says, to stand inside a sentence."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
