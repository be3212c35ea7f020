"""Synthetic graduates: calibrated on published earnings, with the truth known."""

import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import scipy

QUARTILES = {"lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75}
SEXES = ["female", "male"]
YEARS = (1, 3, 5, 10)

# Published: mean over subject areas of ln(regional median / UK median), first
# degree, Discover Uni 2025. The shares of London, the South East, the North West
# and the North East follow LEO counts of 2018-19; the other shares are assumed.
REGIONS = pd.DataFrame(
    {
        "North East": (-0.11, 0.040),
        "North West": (-0.09, 0.125),
        "Yorkshire and the Humber": (-0.09, 0.085),
        "East Midlands": (-0.06, 0.075),
        "West Midlands": (-0.06, 0.090),
        "East of England": (0.05, 0.100),
        "London": (0.17, 0.230),
        "South East": (0.06, 0.145),
        "South West": (-0.04, 0.090),
        "Wales": (-0.11, 0.010),
        "Scotland": (-0.03, 0.010),
    },
    index=["effect", "share"],
).T
ABROAD = ["Wales", "Scotland"]  # graduates live there; the providers are English

# Assumed, both columns: the bands are LEO's, joined; no medians are published.
ATTAINMENT = pd.DataFrame(
    {
        "BTEC or other": (-0.08, 0.28),
        "below 240 points": (-0.05, 0.12),
        "240 to 299 points": (-0.02, 0.17),
        "300 to 359 points": (0.03, 0.24),
        "360 points or more": (0.10, 0.19),
    },
    index=["effect", "share"],
).T

# Computed from published provider medians: standard deviation of their logs, net
# of sampling noise (DerSimonian-Laird), and how many of 150 providers have the
# subject. Other subjects follow the rules of _between_sds and _count_providers.
BETWEEN_SD = {
    "Agriculture, food and related studies": 0.15,
    "Biosciences": 0.15,
    "Economics": 0.20,
    "Medicine and dentistry": 0.07,
    "Nursing and midwifery": 0.055,
}
OFFERED_BY = {
    "Agriculture, food and related studies": 57,
    "Biosciences": 115,
    "Economics": 80,
    "Medicine and dentistry": 39,
    "Nursing and midwifery": 75,
}
# Published provider medians in these two hardly agree with those in any other.
APART = ["Medicine and dentistry", "Nursing and midwifery"]

# How wide the effects have opened, five years being 1. Computed for 1 and 3 years
# from the provider medians of the first three subjects above; assumed for 10.
WIDENING = {1: 0.85, 3: 0.90, 5: 1.0, 10: 1.2}

# All assumed from here on; the notes of simulate_graduates say what each does.
COMMON_SHARE = 0.5
SELECTIVITY_SD = 0.6
SUBJECT_ATTAINMENT_SD = 0.5
EFFECT_OF_SELECTION = 0.5
STAY_SHARE = 0.4
MOST_COMPOSITION = 0.6
FULL_REACH_SPREAD = 0.30
EMPLOYMENT_SD = 0.25
COHORT_SD = 0.01
PERMANENT_SHARE = 0.5
YEARLY_PERSISTENCE = 0.85
TAIL = 2.5

# Calibration: a side of the residual keeps at least this share of its width, the
# quartiles of all count as much as this many of women and of men, and the effects
# of a row are put on this grid (log points).
LEAST_RESIDUAL = 0.3
WEIGHT_OF_ALL = 2
GRID = np.arange(-1.3, 1.3, 0.02)
BYTES_PER_ROW = 8
KEYS = ["subject", "provider", "sex", "prior_attainment", "region", "cohort", "yag"]


def load_published_earnings():
    """Published earnings by subject, sex and year after graduation.

    Real figures: first-degree graduates from the UK, of English providers, in
    tax year 2022-23. The four years after graduation are four different
    cohorts, seen in one tax year.

    Returns
    -------
    pandas.DataFrame
        408 rows (34 subjects, 3 sexes, 4 years), sorted by the first three
        columns:

        ``subject`` : str
            Subject (CAH level 2). Celtic studies is left out: suppressed.
        ``yag`` : int
            Years after graduation: 1, 3, 5 or 10.
        ``sex`` : str
            ``female``, ``male`` or ``all``.
        ``graduates`` : int
            Graduates, to the nearest 5.
        ``in_earnings`` : int
            Those of them whom the earnings describe, to the nearest 5.
        ``lower_quartile``, ``median``, ``upper_quartile`` : int
            Earnings in the tax year, pounds, to the nearest 100.
        ``in_work_or_study`` : float
            Per cent in sustained employment, further study or both.

    Notes
    -----
    Source: Department for Education (2025), *LEO Graduate and Postgraduate
    Outcomes*, tax year 2022-23. Contains public sector information licensed
    under the Open Government Licence v3.0.

    Examples
    --------
    >>> published = load_published_earnings()
    >>> len(published), published["subject"].nunique()
    (408, 34)
    """
    file = resources.files("partialpool") / "published_earnings.csv"
    with file.open(encoding="utf-8") as text:
        table = pd.read_csv(text, comment="#")
    first = ["subject", "yag", "sex"]
    return table.sort_values(first, ignore_index=True)[
        [*first, *table.columns.difference(first, sort=False)]
    ]


# The truth --------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class GraduateTruth:
    """What the synthetic graduates were drawn from, and what follows from it.

    The log earnings of a graduate have the median::

        location[subject, sex, yag] + cohort + widening[yag]
        * (effect[provider, subject] + reach[subject] * (region + attainment))

    and around it a residual that is ``scale_upper * s(z)`` where the standard
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
    :func:`simulate_graduates` draws from the changed truth; the fit to the
    published quartiles is then no longer promised.
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
            the table of :func:`simulate_graduates`.

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
        # Mean of s(z) over its upper half: an integral with a closed form.
        c = 2 / self.tail**2
        half = 1 + np.sqrt(c * np.pi) / 2 * scipy.special.erfcx(1 / np.sqrt(c))
        mean = location + (upper - lower) * half / np.sqrt(2 * np.pi)
        return pd.Series(mean, index=rows.index)

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
        z = scipy.special.ndtri(probability)
        scale = lower if z < 0 else upper
        log_earnings = location + scale * _stretch(z, self.tail)
        return pd.Series(np.exp(log_earnings), index=rows.index)

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
        share = _share_below(np.log(earnings) - location, lower, upper, self.tail)
        return pd.Series(share, index=rows.index)

    def employed_share(self, rows):
        """True probability of being employed for each row: see `log_median`."""
        codes = self._codes(rows)
        cell = self._cells(codes, ["employed_logit"])[0]
        odds = cell + self.providers["employment"].to_numpy()[codes["provider"]]
        return pd.Series(scipy.special.expit(odds), index=rows.index)

    def _distribution(self, rows):
        codes = self._codes(rows)
        location, lower, upper = self._cells(
            codes, ["location", "scale_lower", "scale_upper"]
        )
        effect = self._effects()[codes["provider"], codes["subject"]]
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

    def _effects(self):
        effects = self.provider_subject["effect"].unstack("subject")
        effects = effects.reindex(self.providers.index)[self.subjects.index]
        return effects.to_numpy()

    def _cells(self, codes, columns):
        shape = (len(self.subjects), len(SEXES), len(self.persistence))
        at = np.ravel_multi_index((codes["subject"], codes["sex"], codes["yag"]), shape)
        return [self.earnings[column].to_numpy()[at] for column in columns]

    def _labels(self):
        return {
            "subject": self.subjects.index,
            "provider": self.providers.index,
            "sex": pd.Index(SEXES),
            "prior_attainment": self.attainment.index,
            "region": self.regions.index,
            "cohort": self.cohorts.index,
            "yag": self.persistence.index,
        }

    def _codes(self, rows):
        absent = [column for column in KEYS if column not in rows]
        if absent:
            raise ValueError(f"rows lacks the column {absent[0]!r}: give {KEYS}.")
        labels = self._labels()
        return {column: _encode(rows[column], labels[column]) for column in KEYS}


def _encode(values, labels):
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes = np.append(labels.get_indexer(values.cat.categories), -1)
        codes = codes[values.cat.codes]
    else:
        codes = labels.get_indexer(values)
    if (codes < 0).any():
        stranger = values[codes < 0].tolist()[0]
        raise ValueError(
            f"Column {values.name!r} holds {stranger!r}, which this truth does not "
            "know: give rows of a table that was drawn from it."
        )
    return codes


def _stretch(z, tail):
    return z * np.sqrt(1 + (z / tail) ** 2)


def _share_below(log_gap, lower, upper, tail):
    stretched = log_gap / np.where(log_gap < 0, lower, upper)
    # The inverse of _stretch: a quadratic in z squared.
    root = np.sqrt(1 + (2 * stretched / tail) ** 2)
    return scipy.special.ndtr(np.sign(stretched) * tail * np.sqrt((root - 1) / 2))


# Drawing a truth --------------------------------------------------------------


def _draw_truth(n_providers, n_cohorts, rng):
    published = load_published_earnings()
    subjects = _describe_subjects(published, n_providers)
    providers, size, pull = _draw_providers(n_providers, rng)
    cells = _draw_offers(subjects, providers, size, rng)
    region_shares = _region_shares(providers)
    attainment_shares = _attainment_shares(cells, providers, published)
    mix = region_shares.reindex(cells["provider"]).to_numpy() @ REGIONS["effect"]
    mix = mix + attainment_shares.to_numpy() @ ATTAINMENT["effect"]
    subjects["reach"] = _reach(subjects, cells, mix)
    reach = subjects["reach"].reindex(cells["subject"]).to_numpy()
    cells["composition"] = mix * reach
    cells["effect"] = _draw_effects(subjects, cells, pull, rng)
    cohorts = pd.Series(
        rng.normal(0, COHORT_SD, n_cohorts),
        index=pd.RangeIndex(1, n_cohorts + 1, name="cohort").astype("int8"),
    )
    cells = cells.set_index(["provider", "subject"])
    attainment_shares.index = cells.index
    providers["share"] = cells["share"].groupby("provider").sum()
    truth = GraduateTruth(
        subjects=subjects[
            ["share", "female", "providers", "between_sd", "published", "reach"]
        ],
        earnings=_published_shares(published, subjects["female"]),
        providers=providers[["region", "share", "selectivity", "employment"]],
        provider_subject=cells[["share", "effect", "composition"]],
        regions=REGIONS["effect"].rename_axis("region"),
        attainment=ATTAINMENT["effect"].rename_axis("prior_attainment"),
        cohorts=cohorts.rename("effect"),
        widening=pd.Series(WIDENING, index=_years_index()),
        region_shares=region_shares,
        attainment_shares=attainment_shares,
        persistence=_persistence(),
        tail=TAIL,
    )
    _calibrate(truth, published)
    return truth


def _describe_subjects(published, n_providers):
    count = published.pivot_table("graduates", "subject", "sex")
    subjects = pd.DataFrame(
        {
            "share": count["all"] / count["all"].sum(),
            "female": count["female"] / (count["female"] + count["male"]),
        }
    )
    upper = np.log(published["upper_quartile"] / published["median"])
    lower = np.log(published["median"] / published["lower_quartile"])
    five = published.eval("yag == 5 and sex == 'all'")
    spread = ((upper + lower) / 1.349)[five].set_axis(published["subject"][five])
    # The narrower half of pay, at any age and for either sex, bounds what the
    # effects may add: what they spread cannot be taken away again.
    half = np.minimum(upper, lower) / 0.6745 / published["yag"].map(WIDENING)
    subjects["room"] = half.groupby(published["subject"]).min()
    subjects["between_sd"] = _between_sds(spread, subjects["room"])
    subjects["published"] = subjects.index.isin(list(BETWEEN_SD))
    subjects["providers"] = _count_providers(count["all"], n_providers)
    return subjects


def _between_sds(spread, room):
    known = pd.Series(BETWEEN_SD)
    line = np.polyfit(spread[known.index], known, 1)
    most = np.minimum(known.max(), room / 2)
    assumed = np.polyval(line, spread).clip(known.min(), most)
    return pd.Series(assumed, index=spread.index).mask(
        spread.index.isin(known.index), known.reindex(spread.index)
    )


def _count_providers(graduates, n_providers):
    # The square root meets three of the five published counts closely.
    anchor = "Biosciences"
    rule = OFFERED_BY[anchor] * np.sqrt(graduates / graduates[anchor])
    offered = pd.Series(OFFERED_BY).reindex(rule.index).fillna(rule.clip(upper=140))
    return (offered * n_providers / 150).round().clip(3, n_providers).astype(int)


def _draw_providers(n_providers, rng):
    width = max(3, len(str(n_providers)))
    names = [f"Provider {i:0{width}}" for i in range(1, n_providers + 1)]
    homes = REGIONS.drop(ABROAD)["share"]
    # Regions in turn, so that their providers are as many as their share says.
    at = (np.arange(n_providers) + 0.5) / n_providers
    home = np.searchsorted((homes / homes.sum()).cumsum().to_numpy(), at)
    size, selection, own, employment = rng.normal(size=(4, n_providers))
    pull = EFFECT_OF_SELECTION * selection + np.sqrt(1 - EFFECT_OF_SELECTION**2) * own
    providers = pd.DataFrame(
        {
            "region": pd.Categorical.from_codes(
                rng.permutation(home), categories=REGIONS.index
            ),
            "selectivity": SELECTIVITY_SD * selection,
            "employment": EMPLOYMENT_SD * employment,
        },
        index=pd.Index(names, name="provider"),
    )
    return providers, size, pull


def _draw_offers(subjects, providers, size, rng):
    # Large providers offer more subjects; the order of an exponential race draws
    # without replacement, in proportion to its weights.
    race = rng.exponential(size=(len(subjects), len(providers))) / np.exp(size)
    offered = race.argsort(axis=1).argsort(axis=1) < subjects[["providers"]].to_numpy()
    for provider in np.flatnonzero(~offered.any(axis=0)):
        offered[rng.integers(len(subjects)), provider] = True
    subjects["providers"] = offered.sum(axis=1)
    # Published cells of a subject have nearly exponential sizes.
    rank = 0.6 * size + 0.8 * rng.normal(size=offered.shape)
    weight = -np.log(scipy.special.ndtr(-rank)) * offered
    weight *= subjects[["share"]].to_numpy() / weight.sum(axis=1, keepdims=True)
    subject, provider = np.nonzero(offered)
    return pd.DataFrame(
        {
            "provider": providers.index[provider],
            "subject": subjects.index[subject],
            "share": weight[subject, provider],
            "place": provider,
        }
    )


def _region_shares(providers):
    stay = providers["region"].to_numpy()[:, None] == REGIONS.index.to_numpy()
    move = REGIONS["share"] / REGIONS["share"].sum()
    return pd.DataFrame(
        STAY_SHARE * stay + (1 - STAY_SHARE) * move.to_numpy(),
        index=providers.index,
        columns=REGIONS.index.rename("region"),
    )


def _attainment_shares(cells, providers, published):
    # Assumed: subjects that pay more at ten years recruit higher attainment.
    at_ten = published.query("yag == 10 and sex == 'all'").set_index("subject")
    pay = np.log(at_ten["median"])
    centre = np.average(pay, weights=at_ten["graduates"])
    shift = SUBJECT_ATTAINMENT_SD * (pay - centre) / pay.std()
    level = shift.reindex(cells["subject"]).to_numpy()
    level = level + providers["selectivity"].reindex(cells["provider"]).to_numpy()
    spread = np.sqrt(1 + SUBJECT_ATTAINMENT_SD**2 + SELECTIVITY_SD**2)
    cuts = spread * scipy.special.ndtri(ATTAINMENT["share"].cumsum().to_numpy()[:-1])
    below = scipy.special.ndtr(cuts - level[:, None])
    below = np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))
    bands = ATTAINMENT.index.rename("prior_attainment")
    return pd.DataFrame(np.diff(below, axis=1), columns=bands)


def _reach(subjects, cells, mix):
    # Where pay is narrow, as on a national scale, region and attainment cannot
    # move it in full; nor may they explain all of the spread between providers.
    spread = pd.Series(mix).groupby(cells["subject"].to_numpy()).std()
    room = MOST_COMPOSITION * subjects["between_sd"] / spread
    narrow = subjects["room"] / FULL_REACH_SPREAD
    return np.minimum(narrow, room).clip(upper=1)


def _draw_effects(subjects, cells, pull, rng):
    common = np.where(cells["subject"].isin(APART), 0, COMMON_SHARE)
    own = rng.normal(size=len(cells))
    draw = np.sqrt(common) * pull[cells["place"]] + np.sqrt(1 - common) * own
    effect = np.empty(len(cells))
    for subject, rows in cells.groupby("subject").indices.items():
        u, mix = draw[rows] - draw[rows].mean(), cells["composition"].to_numpy()[rows]
        cov = np.cov(u, mix)
        target = subjects.loc[subject, "between_sd"] ** 2
        # Effect and composition together have the between-provider sd exactly.
        roots = np.roots([cov[0, 0], 2 * cov[0, 1], cov[1, 1] - target])
        effect[rows] = roots.max() * u
    return effect


def _years_index():
    return pd.Index(YEARS, name="yag", dtype="int8")


def _persistence():
    gap = np.abs(np.subtract.outer(YEARS, YEARS))
    years = _years_index()
    fading = (1 - PERMANENT_SHARE) * YEARLY_PERSISTENCE**gap
    return pd.DataFrame(PERMANENT_SHARE + fading, index=years, columns=years)


def _published_shares(published, female):
    by_sex = published[published["sex"] != "all"].set_index(["subject", "sex", "yag"])
    by_sex = by_sex.sort_index()
    both = by_sex[["graduates", "in_earnings"]].groupby(["subject", "yag"]).sum()
    both = both.reindex(by_sex.index.droplevel("sex")).set_axis(by_sex.index)
    # One share of women serves all years here: the odds of having earnings are
    # set so that women are as many of those with earnings as published.
    share = female.reindex(by_sex.index.get_level_values("subject")).to_numpy()
    share = np.where(by_sex.index.get_level_values("sex") == "female", share, 1 - share)
    with_earnings = by_sex["in_earnings"] / both["graduates"] / share
    employed = by_sex["in_work_or_study"] / 100
    return pd.DataFrame(
        {
            "location": np.log(by_sex["median"]),
            "scale_lower": np.log(by_sex["median"] / by_sex["lower_quartile"]),
            "scale_upper": np.log(by_sex["upper_quartile"] / by_sex["median"]),
            "employed_logit": scipy.special.logit(employed),
            "paid": (with_earnings / employed).clip(upper=1),
        }
    )


# Calibration ------------------------------------------------------------------


def _calibrate(truth, published):
    """Set locations, scales and log odds so that the published figures come out.

    Region, attainment, provider and cohort spread earnings already: the residual
    gets what is left. The mixture over all of them is put on a grid, and the
    three quartiles of women, of men and of all are met as closely as six numbers
    allow, by least squares. Nothing is sampled.
    """
    earnings = truth.earnings
    shape = (len(truth.subjects), len(SEXES), len(YEARS))
    share = truth.provider_subject["share"].unstack("subject", fill_value=0)
    share = share.reindex(truth.providers.index)[truth.subjects.index].to_numpy().T
    share = share / share.sum(axis=1, keepdims=True)
    employment = truth.providers["employment"].to_numpy()

    target = scipy.special.expit(earnings["employed_logit"].to_numpy())
    log_odds = _solve_log_odds(target.reshape(shape), share, employment)
    earnings["employed_logit"] = log_odds.ravel()

    employed = (
        scipy.special.expit(log_odds[..., None] + employment) * share[:, None, None, :]
    )
    weights = np.empty((*shape, len(GRID)))
    for place, widening in enumerate(truth.widening):
        offsets = _offsets_on_grid(truth, widening)
        weights[:, :, place] = np.einsum("sxp,spk->sxk", employed[:, :, place], offsets)
    weights /= weights.sum(axis=-1, keepdims=True)
    columns = ["location", "scale_lower", "scale_upper"]
    women = _share_of_women(truth, target.reshape(shape))
    solved = _solve_scales(_targets(published), weights, women, truth.tail)
    earnings[columns] = solved.reshape(-1, 3)


def _share_of_women(truth, employed):
    """Among those with earnings, by subject and year."""
    paid = employed * truth.earnings["paid"].to_numpy().reshape(employed.shape)
    female = truth.subjects[["female"]].to_numpy()
    women, men = female * paid[:, 0], (1 - female) * paid[:, 1]
    return women / (women + men)


def _targets(published):
    """Log quartiles: subject by (women, men, all) by year by quartile."""
    sexes = pd.CategoricalDtype([*SEXES, "all"])
    table = published.astype({"sex": sexes}).sort_values(["subject", "sex", "yag"])
    quartiles = np.log(table[list(QUARTILES)].to_numpy())
    return quartiles.reshape(-1, 3, len(YEARS), 3)


def _solve_log_odds(target, share, employment):
    log_odds = scipy.special.logit(target)
    for _ in range(20):
        each = scipy.special.expit(log_odds[..., None] + employment)
        gap = np.einsum("sxyp,sp->sxy", each, share) - target
        slope = np.einsum("sxyp,sp->sxy", each * (1 - each), share)
        log_odds = log_odds - gap / slope
    return log_odds


def _offsets_on_grid(truth, widening):
    """Distribution of the offsets at each provider, subject by provider by grid."""
    cells = _combinations(truth)
    share = cells["share"] / cells["share"].sum(axis=(1, 2, 3), keepdims=True)
    offset = widening * cells["offset"] + truth.cohorts.to_numpy()
    at = (offset - GRID[0]) / (GRID[1] - GRID[0])
    # An offset between two points of the grid is shared out, which keeps the mean.
    at = at.clip(0, len(GRID) - 1.001)
    left = at.astype(int)
    place = cells["subject"] * len(truth.providers) + cells["provider"]
    place = place[:, None, None, None] * len(GRID) + left
    size = len(truth.subjects) * len(truth.providers) * len(GRID)
    right = (at - left) * share
    grid = np.bincount(place.ravel(), (share - right).ravel(), minlength=size)
    grid += np.bincount(place.ravel() + 1, right.ravel(), minlength=size)[:size]
    return grid.reshape(len(truth.subjects), len(truth.providers), len(GRID))


def _combinations(truth):
    """Shares by cell, attainment, region and cohort; offsets without the cohort's."""
    cells = truth.provider_subject
    provider = truth.providers.index.get_indexer(cells.index.get_level_values(0))
    subject = truth.subjects.index.get_indexer(cells.index.get_level_values(1))
    regions = truth.region_shares.to_numpy()[provider]
    bands = truth.attainment_shares.reindex(cells.index).to_numpy()
    share = cells["share"].to_numpy()[:, None, None, None]
    share = share * bands[:, :, None, None] * regions[:, None, :, None]
    share = np.repeat(share / len(truth.cohorts), len(truth.cohorts), axis=3)
    shift = np.add.outer(truth.attainment.to_numpy(), truth.regions.to_numpy())
    reach = truth.subjects["reach"].to_numpy()[subject]
    offset = reach[:, None, None] * shift + cells["effect"].to_numpy()[:, None, None]
    return {
        "provider": provider,
        "subject": subject,
        "share": share,
        "offset": offset[..., None],
    }


def _solve_scales(targets, weights, women, tail):
    """Location and two scales for each subject, sex and year, by least squares."""
    narrow = np.log(0.9 / _stretch(scipy.special.ndtri(0.75), tail))
    scales = np.log(np.diff(targets[:, :2], axis=-1)) + narrow
    location = targets[:, :2, :, 1] - weights @ GRID
    least = np.full((*location.shape, 3), -np.inf)
    least[..., 1:] = scales + np.log(LEAST_RESIDUAL)
    # Location, lower, upper: logs of the scales, so that they stay positive.
    unknown = np.concatenate([location[..., None], scales], axis=-1)
    for _ in range(10):
        gaps, slopes = _gaps_and_slopes(unknown, targets, weights, women, tail)
        across = slopes.swapaxes(-1, -2)
        # A little ridge, for where a scale no longer matters.
        square = across @ slopes + 1e-4 * np.eye(6)
        move = np.linalg.solve(square, across @ gaps[..., None])[..., 0]
        move = move.reshape(len(move), len(YEARS), len(SEXES), 3).swapaxes(1, 2)
        unknown = np.maximum(unknown - move.clip(-0.3, 0.3), least)
    return np.concatenate([unknown[..., :1], np.exp(unknown[..., 1:])], axis=-1)


def _gaps_and_slopes(unknown, targets, weights, women, tail, step=1e-5):
    """Nine gaps, in proportion to log pounds, and how six unknowns move them."""
    # Each sex has the share of its mixture below its own targets, and all's.
    both = np.broadcast_to(targets[:, 2:], targets[:, :2].shape)
    wanted = np.concatenate([targets[:, :2], both], axis=-1)
    now = _mixture_below(wanted, unknown, weights, tail)
    moved = [
        _mixture_below(wanted, unknown + step * axis, weights, tail)
        for axis in np.eye(3)
    ]
    moves = (np.stack(moved, axis=-1) - now[..., None]) / step
    gaps = np.zeros((len(targets), len(YEARS), 9))
    slopes = np.zeros((*gaps.shape, 6))
    for sex, part in enumerate([women[..., None], 1 - women[..., None]]):
        own, all_ = slice(3 * sex, 3 * sex + 3), slice(6, 9)
        gaps[..., own] = now[:, sex, :, :3]
        gaps[..., all_] += part * now[:, sex, :, 3:]
        slopes[..., own, own] = moves[:, sex, :, :3]
        slopes[..., all_, own] = part[..., None] * moves[:, sex, :, 3:]
    gaps -= np.tile(list(QUARTILES.values()), 3)
    # Over the density, about: a share becomes a distance on the log scale.
    scale = np.diff(targets[..., ::2])[..., 0] * [[1], [1], [WEIGHT_OF_ALL]]
    scale = np.repeat(scale.swapaxes(1, 2), 3, axis=-1)
    return scale * gaps, scale[..., None] * slopes


def _mixture_below(wanted, unknown, weights, tail):
    """Share of the mixture below the wanted log earnings."""
    gap = wanted[..., None] - unknown[..., :1, None] - GRID
    lower, upper = (np.exp(unknown[..., side, None, None]) for side in (1, 2))
    return (_share_below(gap, lower, upper, tail) @ weights[..., None])[..., 0]


# Drawing graduates -------------------------------------------------------------


def simulate_graduates(
    n=50_000,
    *,
    years=YEARS,
    n_providers=150,
    n_cohorts=5,
    truth=None,
    seed,
):
    """Draw graduates and their earnings, and hand over the truth with them.

    Synthetic data. Earnings have the quartiles that are published for each
    subject, sex and year after graduation; who earns them is invented, and so
    are the providers.

    Parameters
    ----------
    n : int
        Number of graduates. The table has a row for each of them in each year.
    years : int or sequence of int
        Years after graduation: a choice of 1, 3, 5 and 10.
    n_providers : int
        Number of providers, 20 to 1,000. Ignored when `truth` is given.
    n_cohorts : int
        Number of cohorts, up to 20, of equal size. Ignored when `truth` is given.
    truth : GraduateTruth, optional
        The truth of an earlier call: new graduates are drawn from it.
    seed : int or numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    table : pandas.DataFrame
        One row per graduate and year, sorted by the columns below as far as
        ``region``: take a sample with ``table.sample``, not with ``head``.

        ``graduate`` : int
            Identifier, from 0.
        ``subject`` : category
            34 subjects (CAH level 2).
        ``provider`` : category
            ``Provider 001`` and so on: fictitious.
        ``sex`` : category
            ``female`` or ``male``.
        ``prior_attainment`` : category
            Five bands of A-level points or other entry, ordered.
        ``region`` : category
            Where the graduate lives: nine English regions, Wales, Scotland. The
            same in all years.
        ``cohort`` : int
            1 to `n_cohorts`.
        ``yag`` : int
            Years after graduation.
        ``employed`` : bool
            In sustained employment, further study or both: the published
            figure does not separate them.
        ``earnings`` : float
            Earnings in the tax year, whole pounds of 2022-23. Missing for those
            who are not employed and for those of the employed who are outside
            the base of the published earnings.
    truth : GraduateTruth
        All that the rows were drawn from, and the true median, mean, quantiles
        and probability of employment of any row.

    Raises
    ------
    ValueError
        If an argument makes no sense.

    Notes
    -----
    *Published* (Department for Education, LEO, tax year 2022-23; Open
    Government Licence v3.0): the three quartiles of earnings and the share in
    employment or study by subject, sex and year; the share with earnings by
    subject and year, and the women among them; the sizes of the subjects and
    their share of women, averaged over the four years. Computed from published
    figures: the between-provider standard deviation at five years of Economics
    (0.20), Agriculture (0.15), Biosciences (0.15), Medicine (0.07) and Nursing
    (0.055), the number of their providers and the growth of that deviation from
    one to five years, all three from providers in Great Britain; and the region
    effects, from medians of subject areas.

    *Assumed*, for want of a published figure:

    - the between-provider standard deviation of the other subjects: a straight
      line through those five on the spread of pay, kept within their range and
      below half of the narrower half of pay;
    - a provider's effects in two subjects correlate 0.5, and 0 where one of
      them is Medicine or Nursing; the effects are 1.2 times as wide at ten
      years as at five;
    - the effects and shares of prior attainment, which depends on provider and
      subject; selective providers tend (0.5) to add more themselves;
    - region and attainment effects count for less where pay is narrow
      (``reach``), and explain at most 0.6 of the spread between providers;
    - 40 in 100 graduates live in the region of their provider, the others
      anywhere, as all graduates do; the shares of most regions;
    - the sizes of providers, their number of subjects, and exponential sizes of
      the cells of a subject, which resemble the published ones;
    - employment that differs by provider (log odds, standard deviation 0.25);
    - earnings ranks: half of a graduate's residual stays for life, the rest
      fades by 15 per cent a year, so that it correlates 0.86 over two years and
      0.62 over nine; employment persists in the same way;
    - the tails beyond the quartiles; cohorts that differ by 0.01 (standard
      deviation, log points).

    *Not represented*: growth of real pay or prices, drift of providers over
    cohorts, moves between regions, sex gaps or shares of women that differ by
    provider, and any tie of employment to pay, attainment or region. The
    published years are four cohorts in one tax year; here one graduate passes
    through them all.

    The quartiles of women, of men and of both together are met as nearly as one
    residual for each sex allows: to a fraction of one per cent on average, to a
    few per cent where pay is very skewed. :func:`compare_with_published` shows
    the gaps of a table.

    Examples
    --------
    >>> table, truth = simulate_graduates(2_000, seed=1)
    >>> len(table), table["subject"].nunique()
    (8000, 34)
    >>> next_cohort, _ = simulate_graduates(500, years=1, truth=truth, seed=2)
    >>> len(truth.median(next_cohort))
    500
    """
    _check_whole("n", n, 1)
    years = _check_years(years)
    for_truth, for_rows = np.random.default_rng(seed).spawn(2)
    truth = _truth_or_new(truth, n_providers, n_cohorts, for_truth)
    return _Sampler(truth, years, n).draw(n, for_rows), truth


def _check_whole(name, value, least, most=np.inf):
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}: give a whole number.")
    if value < least:
        raise ValueError(f"{name} is {value}: give {least} or more.")
    if value > most:
        raise ValueError(f"{name} is {value}: give {most} or fewer.")


def _check_years(years):
    years = np.atleast_1d(np.asarray(years)).tolist()
    if not years or len(set(years)) < len(years) or not set(years) <= set(YEARS):
        raise ValueError(
            f"years is {years}: give one or more of 1, 3, 5 and 10, each once."
        )
    return sorted(years)


def _truth_or_new(truth, n_providers, n_cohorts, rng):
    if truth is None:
        _check_whole("n_providers", n_providers, 20, 1000)
        _check_whole("n_cohorts", n_cohorts, 1, 20)
        return _draw_truth(n_providers, n_cohorts, rng)
    if not isinstance(truth, GraduateTruth):
        raise ValueError(
            f"truth is a {type(truth).__name__}: give the second thing that an "
            "earlier call returned."
        )
    return truth


class _Sampler:
    """Draws graduates from a truth: all that many draws share is made once."""

    def __init__(self, truth, years, n_in_all):
        self.truth, self.years = truth, years
        self.id_type = np.int32 if n_in_all < 2**31 else np.int64
        cells = _combinations(truth)
        female = truth.subjects["female"].to_numpy()[cells["subject"]]
        by_sex = np.stack([female, 1 - female], axis=1)[:, :, None, None, None]
        share = by_sex * cells["share"][:, None]
        self.shape = share.shape
        self.share = share.ravel() / share.sum()
        self.offset = self._spread(cells["offset"][:, None], np.float32)
        self.cohort_effect = self._spread(truth.cohorts.to_numpy(), np.float32)
        self._set_tables(cells)
        self._set_codes(cells)

    def _set_tables(self, cells):
        """By year, one entry for each cell and sex: what a row needs to know."""
        truth = self.truth
        shape = (len(truth.subjects), len(SEXES), len(truth.persistence))
        at = truth.persistence.index.get_indexer(self.years)

        def table(values):
            return np.ascontiguousarray(values[..., at].reshape(-1, len(at)).T)

        each = {
            name: truth.earnings[name].to_numpy().reshape(shape)[cells["subject"]]
            for name in truth.earnings
        }
        effect = truth.providers["employment"].to_numpy()[cells["provider"]]
        employed = scipy.special.expit(each["employed_logit"] + effect[:, None, None])
        self.location = table(each["location"]).astype(np.float32)
        # Lower and upper side by side: the sign of z picks one.
        scales = [table(each[f"scale_{side}"]) for side in ("lower", "upper")]
        self.scale = np.stack(scales, axis=2).reshape(len(at), -1).astype(np.float32)
        self.employed_below = scipy.special.ndtri(table(employed)).astype(np.float32)
        paid = table(employed * each["paid"])
        self.paid_below = scipy.special.ndtri(paid).astype(np.float32)
        chosen = truth.persistence.to_numpy()[np.ix_(at, at)]
        self.mixing = np.linalg.cholesky(chosen).T.astype(np.float32)

    def _set_codes(self, cells):
        """By combination: the code of its label in each column, and its cell."""
        truth = self.truth
        _, sex, band, region, cohort = np.indices(self.shape, sparse=True)
        wide = np.int8 if len(truth.providers) < 2**7 else np.int16
        self.codes = {
            "subject": self._spread(_upright(cells["subject"]), np.int8),
            "provider": self._spread(_upright(cells["provider"]), wide),
            "sex": self._spread(sex, np.int8),
            "prior_attainment": self._spread(band, np.int8),
            "region": self._spread(region, np.int8),
            "cohort": self._spread(truth.cohorts.index.to_numpy()[cohort], np.int8),
        }
        cell = np.arange(self.shape[0])[:, None] * len(SEXES) + np.arange(len(SEXES))
        self.cell = self._spread(cell[..., None, None, None], np.int32)
        labels = truth._labels()
        self.dtypes = {
            name: pd.CategoricalDtype(labels[name], ordered=name == "prior_attainment")
            for name in KEYS[:5]
        }

    def _spread(self, values, dtype):
        return np.broadcast_to(values, self.shape).astype(dtype).ravel()

    def draw(self, n, rng, first=0):
        """Draw n graduates, with identifiers from `first`."""
        counts = rng.multinomial(n, self.share)
        drawn = np.flatnonzero(counts).astype(np.int32)
        drawn = np.repeat(drawn, counts[drawn])
        n_years = len(self.years)
        employed, earnings = self._draw_outcomes(drawn, rng)
        identifiers = np.arange(first, first + n, dtype=self.id_type)
        columns = {"graduate": np.repeat(identifiers, n_years)}
        for name in KEYS[:-1]:
            codes = np.repeat(self.codes[name][drawn], n_years)
            if name in self.dtypes:
                codes = pd.Categorical.from_codes(
                    codes, dtype=self.dtypes[name], validate=False
                )
            columns[name] = codes
        columns["yag"] = np.tile(np.array(self.years, dtype=np.int8), n)
        columns |= {"employed": employed.ravel(), "earnings": earnings.ravel()}
        return pd.DataFrame(columns, copy=False)

    def _draw_outcomes(self, drawn, rng):
        n_years, cell = len(self.years), self.cell[drawn]
        offset, cohort = self.offset[drawn], self.cohort_effect[drawn]
        z = self._draw_normal(len(drawn), rng)
        luck = self._draw_normal(len(drawn), rng)
        employed = np.empty((len(drawn), n_years), dtype=bool)
        earnings = np.empty((len(drawn), n_years), dtype=np.float32)
        for place, year in enumerate(self.years):
            now = z[:, place]
            level = self.location[place][cell] + cohort
            level += np.float32(self.truth.widening[year]) * offset
            scale = self.scale[place][2 * cell + (now > 0)]
            level += scale * _stretch(now, np.float32(self.truth.tail))
            paid = luck[:, place] < self.paid_below[place][cell]
            pounds = np.maximum(np.rint(np.exp(level)), np.float32(1))
            earnings[:, place] = np.where(paid, pounds, np.float32(np.nan))
            employed[:, place] = luck[:, place] < self.employed_below[place][cell]
        return employed, earnings

    def _draw_normal(self, n, rng):
        z = rng.standard_normal((n, len(self.years)), dtype=np.float32)
        return z if len(self.years) == 1 else z @ self.mixing


def _upright(values):
    return values[:, None, None, None, None]


def compare_with_published(table, *, by_sex=False):
    """Quartiles of a synthetic table next to the published ones.

    Parameters
    ----------
    table : pandas.DataFrame
        The table of :func:`simulate_graduates`; any table with its columns
        ``subject``, ``yag``, ``earnings`` and, for `by_sex`, ``sex``.
    by_sex : bool
        Compare women and men apart.

    Returns
    -------
    pandas.DataFrame
        By subject, (sex,) and yag: ``n`` (rows with earnings); the quartiles of
        the table, ``lower_quartile``, ``median``, ``upper_quartile``, pounds; the
        published ones, with ``_published`` after the name; and by how many per
        cent the first are above the second, with ``_gap``.

    Raises
    ------
    ValueError
        If a column is missing, or no row has earnings.

    Examples
    --------
    >>> table, _ = simulate_graduates(30_000, years=5, seed=1)
    >>> gaps = compare_with_published(table)["median_gap"]
    >>> bool(gaps.abs().median() < 3)
    True
    """
    keys = ["subject", *(["sex"] if by_sex else []), "yag"]
    absent = [column for column in [*keys, "earnings"] if column not in table]
    if absent:
        raise ValueError(f"The table lacks the column {absent[0]!r}: add it.")
    paid = table.loc[table["earnings"].notna(), [*keys, "earnings"]]
    if paid.empty:
        raise ValueError("No row of the table has earnings: give more rows.")
    groups = paid.groupby(keys, observed=True)["earnings"]
    quartiles = groups.quantile(list(QUARTILES.values())).unstack()
    quartiles.columns = list(QUARTILES)
    published = load_published_earnings()
    if not by_sex:
        published = published[published["sex"] == "all"]
    published = published.set_index(keys)[list(QUARTILES)].reindex(quartiles.index)
    gaps = 100 * (quartiles / published - 1)
    parts = [quartiles, published.add_suffix("_published"), gaps.add_suffix("_gap")]
    return pd.concat([groups.size().rename("n"), *parts], axis=1)


# Many graduates ------------------------------------------------------------------


def write_graduates(
    folder,
    n,
    *,
    years=5,
    n_providers=150,
    n_cohorts=5,
    truth=None,
    seed,
    batch_rows=4_000_000,
    progress=True,
):
    """Write graduates to a folder of Parquet files, however many they are.

    The rows are those of :func:`simulate_graduates`, drawn in batches from one
    truth; memory holds two batches. Files get their names when all are written,
    so that an interrupted run leaves none.

    Parameters
    ----------
    folder : str or pathlib.Path
        Made if absent. It must not hold Parquet files.
    n : int
        Number of graduates; with one year, the default, the number of rows.
    years, n_providers, n_cohorts, truth, seed
        As in :func:`simulate_graduates`. Seed, `n` and `batch_rows` determine
        the rows.
    batch_rows : int
        Rows drawn at a time, and in each file.
    progress : bool
        Say on the standard error stream how many rows are written.

    Returns
    -------
    GraduateTruth
        The truth of all rows, the same that :func:`simulate_graduates` returns
        for this seed.

    Raises
    ------
    ValueError
        If an argument makes no sense.
    FileExistsError
        If `folder` holds Parquet files, or is a file itself.
    OSError
        If the disk has no room.
    ImportError
        If DuckDB is not installed.

    Notes
    -----
    Labels are text in the files, stored once per row group (dictionary
    encoding). Rows are sorted within a file only.

    Examples
    --------
    >>> import duckdb, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> truth = write_graduates(folder.name, 1_000, seed=1, progress=False)
    >>> query = f"select count(*) from '{folder.name}/*.parquet'"
    >>> duckdb.execute(query).fetchall()
    [(1000,)]
    >>> folder.cleanup()
    """
    _check_whole("n", n, 1)
    _check_whole("batch_rows", batch_rows, 1)
    years = _check_years(years)
    folder = _check_folder(folder, n * len(years))
    duckdb = _import_duckdb()
    sizes = _batch_sizes(n, max(1, batch_rows // len(years)))
    # The first child draws the truth, as in simulate_graduates.
    rngs = iter(np.random.default_rng(seed).spawn(1 + len(sizes)))
    truth = _truth_or_new(truth, n_providers, n_cohorts, next(rngs))
    sampler = _Sampler(truth, years, n)
    width = max(4, len(str(len(sizes))))
    parts = [folder / f"part-{i:0{width}}.parquet" for i in range(1, len(sizes) + 1)]
    drafts = [part.with_name(part.name + ".partial") for part in parts]
    say = _Progress(n * len(years), progress)
    firsts = np.cumsum([0, *sizes[:-1]]).tolist()
    tables = map(sampler.draw, sizes, rngs, firsts)
    try:
        for rows in _write_in_turn(duckdb, tables, drafts):
            say.advance(rows)
        for draft, part in zip(drafts, parts, strict=True):
            draft.replace(part)
    finally:
        # Also those that an earlier run could not take away, because it was killed.
        for draft in folder.glob("part-*.parquet.partial"):
            draft.unlink()
    return truth


def _batch_sizes(n, size):
    whole, rest = divmod(n, size)
    return [size] * whole + [rest] * (rest > 0)


def _check_folder(folder, rows):
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file: name a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("*.parquet")):
        raise FileExistsError(
            f"{folder} already holds Parquet files: empty it, or name another folder."
        )
    free, needed = shutil.disk_usage(folder).free, rows * BYTES_PER_ROW
    if needed > free:
        raise OSError(
            f"{rows:,} rows need about {needed / 1e9:.1f} GB and the disk of {folder} "
            f"has {free / 1e9:.1f} GB free: write fewer rows, or elsewhere."
        )
    return folder


def _import_duckdb():
    try:
        import duckdb
    except ImportError:
        raise ImportError(
            "write_graduates needs DuckDB: install it with 'pip install duckdb'."
        ) from None
    return duckdb


def _write_in_turn(duckdb, tables, drafts):
    """Write each table while the next is drawn, and yield how many rows it had."""
    with ThreadPoolExecutor(max_workers=1) as writer:
        writing, rows = None, 0
        for table, draft in zip(tables, drafts, strict=True):
            if writing:
                writing.result()
                yield rows
            writing, rows = (
                writer.submit(_write_parquet, duckdb, table, draft),
                len(table),
            )
        writing.result()
        yield rows


def _write_parquet(duckdb, table, path):
    quoted = str(path).replace("'", "''")
    with duckdb.connect() as connection:
        connection.register("graduates", table)
        connection.execute(
            f"copy (from graduates) to '{quoted}' (format parquet, compression zstd)"
        )


class _Progress:
    """One line on the standard error stream: updated there, repeated in a log."""

    def __init__(self, total, wanted):
        self.total, self.wanted = total, wanted
        self.done, self.said, self.start = 0, 0, time.monotonic()

    def advance(self, rows):
        self.done += rows
        seconds, last = time.monotonic() - self.start, self.done == self.total
        in_place = sys.stderr.isatty()
        # In a log, a line for every tenth of the rows is enough.
        if not self.wanted or not (
            in_place or last or self.done - self.said >= self.total / 10
        ):
            return
        self.said = self.done
        text = f"{self.done:,} of {self.total:,} rows, {seconds:.1f} s"
        end = "" if in_place and not last else "\n"
        print(("\r" if in_place else "") + text, end=end, file=sys.stderr, flush=True)
