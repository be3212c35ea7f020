"""Terms and calls in a formula, as formulae's description of a model has them."""

# Functions whose further arguments are settings: knots, say, and no columns.
WITH_OPTIONS = ("bs", "poly", "B", "binary", "C", "S", "T")


def all_terms(description):
    """Every term but the outcome's, the common ones first."""
    return [*description.common_terms, *description.group_terms]


def predictors(description):
    """Each variable or call in the terms, grouping factors left out."""
    for term in all_terms(description):
        yield from getattr(getattr(term, "expr", term), "components", [])


def components(description):
    """Each variable or call in the terms and grouping factors."""
    yield from predictors(description)
    for term in description.group_terms:
        yield from term.factor.components


def all_calls(description):
    """Every call of a function in a description, inner ones first."""
    for component in components(description):
        yield from _calls(getattr(component, "call", None))


def _calls(part):
    for inner in [*getattr(part, "args", ()), *getattr(part, "kwargs", {}).values()]:
        yield from _calls(inner)
    if hasattr(part, "callee"):
        yield part


def names_in(part):
    """Names of the columns and numbers in a part of a call: set of str."""
    if hasattr(part, "args"):
        inner = [*part.args, *getattr(part, "kwargs", {}).values()]
        return set().union(*map(names_in, inner))
    return {part.name} if hasattr(part, "name") else set()


def names_in_options(description):
    """Names in what a function takes besides its first argument: set of str."""
    options = set()
    for call in all_calls(description):
        if call.callee in WITH_OPTIONS:
            for part in [*call.args, *call.kwargs.values()][1:]:
                options |= names_in(part)
    return options


def callee(component):
    """Name of the function that a component calls, or None."""
    call = getattr(component, "call", None)
    return None if call is None else str(call.callee)
