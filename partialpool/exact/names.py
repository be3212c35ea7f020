"""Names of the variables and dimensions of a posterior: Bambi's, each of them once."""

from partialpool.faults import TableError

SIGMA = "sigma"
STEPS = ("chain", "draw")
# What a tree of data sets keeps for its own paths, and what is written for it.
SLASH, DIVIDED = "/", "÷"


def variable(term):
    """Name the variable that holds a term's coefficients or effects."""
    return term.replace(SLASH, DIVIDED)


def _with(suffix):
    return lambda name: variable(name) + suffix


group_sd = _with("_sigma")  # standard deviation of a group term
correlation = _with("_correlation")  # correlations of a factor's effects
level_dim = _with("_dim")  # dimension of a common term's columns
group_dim = _with("__factor_dim")  # dimension of a factor's groups
pair_dim = _with("__pair_dim")  # dimension of those correlations


def expression_dim(term):
    """Name the dimension of the columns that a group term multiplies."""
    return f"{variable(term).split('|')[0]}__expr_dim"


def check_names(design, correlated):
    """Refuse a model in which two variables or dimensions would have one name."""
    taken = {SIGMA: "the residual standard deviation"}
    taken |= {step: f"the dimension of the {step}s" for step in STEPS}
    dims, shared = {}, {}
    for term in design.common:
        what = "the intercept" if term.is_intercept else f"the term {term.name}"
        _take(taken, variable(term.name), what)
        if term.levels is not None:
            _take(dims, level_dim(term.name), what)
    for factor in design.factors:
        _take(dims, group_dim(factor.name), f"the groups of {factor.name}")
        for term in factor.terms:
            what = f"the group term {term.name}"
            _take(taken, variable(term.name), what)
            _take(taken, group_sd(term.name), f"the standard deviation of {term.name}")
            if term.levels is not None:
                # One expression may vary by several factors.
                key = expression_dim(term.name), term.name.split("|")[0]
                first = shared.setdefault(key, term)
                if first.levels != term.levels:
                    raise TableError(
                        f"{term.name} and {first.name} have different columns, both "
                        f"called {key[0]} in the posterior: write 0 + in both or in "
                        "neither, or give one of them a copy of the column."
                    )
        if correlated and factor.columns > 1:
            whose = f"the correlations of {factor.name}"
            _take(taken, correlation(factor.name), whose)
            _take(dims, pair_dim(factor.name), whose)
    shared = [(dim, f"the group term {t.name}") for (dim, _), t in shared.items()]
    for name, what in [*dims.items(), *shared]:
        _take(taken, name, f"the dimension of {what}")


def _take(taken, name, what):
    if name in taken:
        both = f"{what[0].upper()}{what[1:]} and {taken[name]}"
        raise TableError(
            f"{both} would both be called {name} in the posterior: rename the column "
            "with table.rename(columns={…}), and in the formula."
        )
    taken[name] = what
