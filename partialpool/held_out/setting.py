"""The setting: a model, all of its data, and the groups that are to be left out."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from partialpool import faults
from partialpool.columns import missing_fault
from partialpool.exact.density import Marginal
from partialpool.exact.design import Design, read_design
from partialpool.exact.fit import check_options, draw_sds, marginal
from partialpool.exact.gram import products_by_group
from partialpool.exact.importance import Sample
from partialpool.exact.predict import generator
from partialpool.faults import quote, refuse
from partialpool.held_out.one_factor import COLUMNS

# Share of the largest below which a direction of flat coefficients is told by no row.
RANK = 1e-10


@dataclass(frozen=True)
class Setting:
    """A model fitted to all data.

    Attributes
    ----------
    design : partialpool.exact.design.Design
    density : partialpool.exact.density.Marginal
    drawn : partialpool.exact.importance.Sample
        Draws of the standard deviations.
    name : str
        What the groups to be left out are groups of.
    codes : numpy.ndarray
        The group of each row or cell.
    labels : list
        Of the groups.
    factor : int or None
        Which factor of the formula they belong to, if it is one.
    rng : numpy.random.Generator
    """

    design: Design
    density: Marginal
    drawn: Sample
    name: str
    codes: np.ndarray
    labels: list
    factor: int | None
    rng: np.random.Generator

    @property
    def is_closed(self):
        """Whether every group can be left out in closed form."""
        factors, common = self.design.factors, self.design.common
        return (
            self.factor == 0
            and len(factors) == 1
            and factors[0].columns == 1
            and factors[0].terms[0].levels is None
            and sum(term.columns for term in common) <= COLUMNS
        )

    def places(self):
        """Places of each group's rows in the table: a list of arrays."""
        order = np.argsort(self.codes, kind="stable")
        counts = np.bincount(self.codes, minlength=len(self.labels))
        return np.split(order, np.cumsum(counts)[:-1])


def read_setting(formula, data, group, environment, options, seed, progress):
    """Fit a model to all data and find its groups: a `Setting`.

    `options` are the arguments of :func:`~partialpool.exact.fit` by name: priors,
    draws, correlated and lkj.
    """
    check_options(options["draws"], options["lkj"])
    rng = generator(seed)
    design = read_design(formula, data, environment)
    name, codes, labels, factor = _find_groups(design, data, group)
    if len(labels) < 3:
        raise ValueError(
            f"{name} has {len(labels)} groups, and one is to be predicted from the "
            "others: three are the fewest that can say how much groups differ."
        )
    density = marginal(design, options["priors"], options["correlated"], options["lkj"])
    _refuse_untold(design, density.priors, name, codes, labels)
    drawn = draw_sds(density, options["draws"], rng, design, progress)
    return Setting(design, density, drawn, name, codes, labels, factor, rng)


def _find_groups(design, data, group):
    factors = [factor.name for factor in design.factors]
    if group is None and len(factors) == 1:
        group = factors[0]
    if group is None:
        have = f"has the factors {', '.join(factors)}" if factors else "has no factor"
        raise ValueError(
            f"The formula {have}: say which groups to leave out, as in "
            f"group={(factors or list(map(str, data.columns)))[0]!r}."
        )
    if group in factors:
        place = factors.index(group)
        factor = design.factors[place]
        return group, factor.codes, list(factor.levels), place
    if group not in data.columns:
        refuse(faults.absent(group, [*factors, *data.columns]))
    refuse(missing_fault(data[group]))
    try:
        codes, labels = pd.factorize(data[group], sort=True)
    except TypeError:
        raise faults.TableError(
            f"Column {quote(group)} holds labels of several kinds: make them one kind, "
            "for example with astype(str)."
        ) from None
    return group, codes, list(labels), None


def _refuse_untold(design, priors, name, codes, labels):
    """Refuse a flat prior of what no row tells once some group is left out."""
    flat = np.flatnonzero(priors.precision == 0)
    if not len(flat):
        return
    columns = [term.blocks for term in design.common]
    each = products_by_group(columns, codes, len(labels), design.rows)
    total = each.sum(0)[np.ix_(flat, flat)]
    scale = np.sqrt(np.diag(total))
    scale = np.outer(scale, scale)
    left = (total - each[:, flat][:, :, flat]) / scale
    untold = np.linalg.eigvalsh(left)[:, 0] < RANK
    if untold.any():
        raise ValueError(
            f"Without {labels[np.argmax(untold)]} of {name} no row tells some "
            "coefficient whose prior is Flat: give the terms Normal priors, or leave "
            "out what only that group has."
        )
