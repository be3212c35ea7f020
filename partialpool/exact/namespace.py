"""The names that a formula may use besides those of columns."""

import numpy as np

# As in Bambi, known in every formula where the caller has no such name.
FUNCTIONS = {n: getattr(np, n) for n in ("log", "log2", "log10", "exp", "exp2", "abs")}


def known(environment):
    """What a formula may use besides columns: formulae's, the caller's, Bambi's."""
    from formulae.categorical import ENCODINGS
    from formulae.environment import Environment
    from formulae.transforms import TRANSFORMS

    own = Environment([{**TRANSFORMS, **ENCODINGS}])
    return own.with_outer_namespace(with_functions(environment).namespace)


def with_functions(environment):
    """The caller's names, and behind them Bambi's functions."""
    from formulae.environment import Environment

    return environment.with_outer_namespace(Environment([FUNCTIONS]).namespace)


def flat(nested):
    """List the names in the nested lists that formulae makes of them."""
    for entry in nested:
        if isinstance(entry, list):
            yield from flat(entry)
        elif isinstance(entry, str):
            yield entry
