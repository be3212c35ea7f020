"""The truth behind synthetic graduates, and what follows from it for any row."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy

from partialpool.graduates import residual_distribution
from partialpool.graduates.published import SEXES

KEYS = ["subject", "provider", "sex", "prior_attainment", "region", "cohort", "yag"]


@dataclass(frozen=True, eq=False)
class GraduateTruth:
    """What the synthetic graduates were drawn from, and what follows from it.

    The log earnings of a graduate have the median::

        location[subject, sex, yag] + cohort + widening[yag]
        * (effect[provider, subject] + reach[subject] * (region + attainment))

    and around it a two-piece residual, ``scale_upper * s(z)`` where the standard
    normal ``z`` is positive and ``scale_lower * s(z)`` where it is negative,
    with ``s(z) = z * sqrt(1 + (z / tail)**2)``.

    Attributes
    ----------
    subjects : pandas.DataFrame
        By subject: ``share`` of graduates, ``female`` (share of women),
        ``providers`` (how many offer it), ``between_sd`` (standard deviation,
        over providers, of a provider's ``effect + composition``, log points),
        ``published`` (whether that figure is published or assumed) and
        ``reach`` (how much of the region and attainment effects arrives).
    earnings : pandas.DataFrame
        By subject, sex and yag: ``location``, ``scale_lower``, ``scale_upper``
        (log pounds), ``employed_logit`` (log odds of being employed at a
        provider whose employment effect is zero) and ``paid`` (share of the
        employed who have earnings).
    providers : pandas.DataFrame
        By provider: home ``region``, ``share`` of graduates, ``selectivity``
        (shift of prior attainment, standard deviations) and ``employment``
        (effect on the log odds of being employed).
    provider_subject : pandas.DataFrame
        By provider and subject offered: ``share`` of graduates, ``effect`` (log
        points, mean zero over the providers of a subject) and ``composition``
        (mean of the region and attainment effects of its graduates).
    regions, attainment : pandas.Series
        Effects in log points, before ``reach`` and ``widening``.
    cohorts : pandas.Series
        Effects in log points.
    widening : pandas.Series
        By yag: how wide the effects have opened, 1 at five years.
    region_shares : pandas.DataFrame
        Where the graduates of a provider live: provider by region.
    attainment_shares : pandas.DataFrame
        Prior attainment: provider and subject by band.
    persistence : pandas.DataFrame
        Correlation of ``z`` between years after graduation.
    tail : float
        The smaller, the heavier the tails of the residual.

    Notes
    -----
    The upper tail of earnings in pounds is Pareto with index
    ``tail / (2 * scale_upper)``.
    Change a table, for example with ``dataclasses.replace``, and
    :func:`~partialpool.graduates.simulate_graduates` draws from the changed
    truth; the fit to the published quartiles is then no longer promised.
    """

    subjects: pd.DataFrame
    earnings: pd.DataFrame
    providers: pd.DataFrame
    provider_subject: pd.DataFrame
    regions: pd.Series
    attainment: pd.Series
    cohorts: pd.Series
    widening: pd.Series
    region_shares: pd.DataFrame
    attainment_shares: pd.DataFrame
    persistence: pd.DataFrame
    tail: float

    def log_median(self, rows):
        """True median of log earnings for each row.

        Parameters
        ----------
        rows : pandas.DataFrame
            With the columns ``subject``, ``provider``, ``sex``,
            ``prior_attainment``, ``region``, ``cohort`` and ``yag``, such as
            the table of :func:`~partialpool.graduates.simulate_graduates`.

        Returns
        -------
        pandas.Series
            Log pounds, on the index of `rows`.

        Raises
        ------
        ValueError
            If a column is missing, or holds what this truth does not know.
        """
        return pd.Series(self._distribution(rows)[0], index=rows.index)

    def median(self, rows):
        """True median earnings, in pounds, for each row: see `log_median`."""
        return np.exp(self.log_median(rows))

    def log_mean(self, rows):
        """True mean of log earnings for each row: see `log_median`.

        It is not the log median, because the residual is not symmetric.
        """
        location, lower, upper = self._distribution(rows)
        mean = residual_distribution.mean(lower, upper, self.tail)
        return pd.Series(location + mean, index=rows.index)

    def quantile(self, rows, probability):
        """True quantile of earnings, in pounds, for each row.

        Parameters
        ----------
        rows : pandas.DataFrame
            As in `log_median`.
        probability : float
            Above 0 and below 1.

        Returns
        -------
        pandas.Series
            Pounds, on the index of `rows`.

        Raises
        ------
        ValueError
            If `probability` is not between 0 and 1, or a row is not known.
        """
        if not 0 < probability < 1:
            raise ValueError(
                f"probability is {probability}: give a number above 0 and below 1."
            )
        location, lower, upper = self._distribution(rows)
        residual = residual_distribution.quantile(probability, lower, upper, self.tail)
        return pd.Series(np.exp(location + residual), index=rows.index)

    def share_below(self, rows, earnings):
        """True probability that a row with earnings has less than an amount.

        Parameters
        ----------
        rows : pandas.DataFrame
            As in `log_median`.
        earnings : float or sequence of float
            Pounds, above 0: one amount for all rows or one for each.

        Returns
        -------
        pandas.Series
            Probabilities, on the index of `rows`.

        Raises
        ------
        ValueError
            If `earnings` is not above 0, or a row is not known.
        """
        earnings = np.asarray(earnings, dtype=float)
        if not (earnings > 0).all():
            raise ValueError("earnings must be above 0 throughout: give such amounts.")
        location, lower, upper = self._distribution(rows)
        residual = np.log(earnings) - location
        share = residual_distribution.cdf(residual, lower, upper, self.tail)
        return pd.Series(share, index=rows.index)

    def employed_share(self, rows):
        """True probability of being employed for each row: see `log_median`."""
        codes = self._codes(rows)
        log_odds = self._earnings_columns(codes, ["employed_logit"])[0]
        effect = self.providers["employment"].to_numpy()[codes["provider"]]
        return pd.Series(scipy.special.expit(log_odds + effect), index=rows.index)

    def _distribution(self, rows):
        codes = self._codes(rows)
        columns = ["location", "scale_lower", "scale_upper"]
        location, lower, upper = self._earnings_columns(codes, columns)
        effects = self.provider_subject["effect"].unstack("subject")
        effects = effects.reindex(self.providers.index)[self.subjects.index].to_numpy()
        effect = effects[codes["provider"], codes["subject"]]
        if np.isnan(effect).any():
            row = rows.iloc[int(np.flatnonzero(np.isnan(effect))[0])]
            raise ValueError(
                f"{row['provider']} has no graduates in {row['subject']!r} in this "
                "truth: leave that row out."
            )
        shift = self.regions.to_numpy()[codes["region"]]
        shift = shift + self.attainment.to_numpy()[codes["prior_attainment"]]
        shift = effect + shift * self.subjects["reach"].to_numpy()[codes["subject"]]
        shift = shift * self.widening.to_numpy()[codes["yag"]]
        shift = shift + self.cohorts.to_numpy()[codes["cohort"]]
        return location + shift, lower, upper

    def _earnings_columns(self, codes, columns):
        shape = (len(self.subjects), len(SEXES), len(self.persistence))
        index = (codes["subject"], codes["sex"], codes["yag"])
        return [self.earnings[c].to_numpy().reshape(shape)[index] for c in columns]

    def _codes(self, rows):
        absent = [column for column in KEYS if column not in rows]
        if absent:
            raise ValueError(f"rows lacks the column {absent[0]!r}: give {KEYS}.")
        labels = labels_of(self)
        return {column: _encode(rows[column], labels[column]) for column in KEYS}


def labels_of(truth):
    """Labels of each column that a truth knows, in the order of their codes."""
    return {
        "subject": truth.subjects.index,
        "provider": truth.providers.index,
        "sex": pd.Index(SEXES),
        "prior_attainment": truth.attainment.index,
        "region": truth.regions.index,
        "cohort": truth.cohorts.index,
        "yag": truth.persistence.index,
    }


def _encode(values, labels):
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes = np.append(labels.get_indexer(values.cat.categories), -1)
        codes = codes[values.cat.codes]
    else:
        codes = labels.get_indexer(values)
    if (codes < 0).any():
        unknown = values[codes < 0].tolist()[0]
        raise ValueError(
            f"Column {values.name!r} holds {unknown!r}, which this truth does not "
            "know: give rows of a table that was drawn from it."
        )
    return codes
