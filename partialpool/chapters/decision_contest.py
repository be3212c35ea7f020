"""The contest of decisions: every way decides in every world, and pays for it."""

import numpy as np
import pandas as pd
from scipy.special import ndtr

from partialpool.chapters import decision_rules as rules
from partialpool.chapters.decision_verdict import HIERARCHICAL
from partialpool.chapters.decision_worlds import believe
from partialpool.scores import interval_scores

BATCH = 25
# Settings from which a plain way gets the best in hindsight.
Z_CUTS = np.linspace(-4, 1, 51)
MARGINS = np.linspace(-0.1, 0.3, 41)
SIZES = np.array([0, 3, 5, 8, 11, 15, 20, 30, 40, 60, 80, 120, 200, np.inf])
GRADES = np.arange(1, 11)
# Ways whose draws have a spread between groups, so that they know triple-goal values.
POOLED = (*HIERARCHICAL, "ridge, Wahba")


def compete(worlds, *, draws=400, prob=0.9, costs=rules.COSTS, tests=True, seed):
    """Let every way take every decision in every world.

    Parameters
    ----------
    worlds : partialpool.chapters.decision_worlds.Worlds
    draws : int
    prob : float
        Probability of all intervals.
    costs : partialpool.chapters.decision_rules.Costs
    tests : bool
        Whether ranks have confidence sets from tests, which take a third of the time.
    seed : int

    Returns
    -------
    pandas.DataFrame
        Columns ``decision``, ``way``, ``world``, ``loss`` (or ``measure`` names in
        ``decision``, see below). Losses, each the smaller the better:

        ``domain means`` : RMSE over domains, of means weighted by the population
        ``top ten`` : share of those named that are not among the best
        ``rank intervals`` : mean interval score of ranks
        ``grades`` : 1 less the gain, see
        :func:`~partialpool.chapters.decision_rules.gain_of_grades`
        ``below benchmark`` : cost of calls
        ``spread`` : distance of the published values from the truth, both in order
        ``publish`` : cost of publishing and withholding
        ``differences`` : interval score of differences of neighbours in the table

        Further rows are measures and no losses: ``held: ...`` (share of intervals
        that hold), ``wide: ...`` (their width), ``false calls`` and ``missed calls``
        (share of groups), ``wrong grades``, ``told apart``, ``published``, ``off``
        (share of published figures that are off) and ``sd`` (of values over truth).
    """
    parts = []
    count = len(worlds.n)
    for i, start in enumerate(range(0, count, BATCH)):
        some = worlds.take(slice(start, start + BATCH))
        parts.append(
            _decide_all(some, draws, prob, costs, tests, [*np.atleast_1d(seed), i])
        )
    rows = []
    for key in parts[0]:
        values = np.concatenate([part[key] for part in parts])
        if values.ndim == 2:
            values = values[:, values.mean(0).argmin()]
        pair = {"decision": key[0], "way": key[1]}
        rows.append(pd.DataFrame({"world": np.arange(count), "loss": values} | pair))
    return pd.concat(rows, ignore_index=True)


def _decide_all(worlds, draws, prob, costs, tests, seed):
    answers = believe(worlds, draws=draws, prob=prob, seed=seed)
    found = {}
    for name, answer in answers.items():
        _average(found, worlds, name, answer, prob)
        if answer.draws is not None:
            _decide_from_draws(found, worlds, name, answer, prob, costs)
    _decide_plainly(found, worlds, answers, costs)
    if tests:
        _test_ranks(found, worlds, answers["none"].point, prob, seed)
    return found


def _score(found, label, way, low, high, truth, prob):
    """Interval score, coverage and width of intervals, by world."""
    found[label, way] = interval_scores(low, high, truth, prob=prob).mean(-1)
    found[f"held: {label}", way] = ((low <= truth) & (truth <= high)).mean(-1)
    found[f"wide: {label}", way] = (high - low).mean(-1)


def _average(found, worlds, way, answer, prob):
    """Means of domains, weighted by their population."""
    weights = worlds.weights()
    truth = (weights @ worlds.truth[..., None])[..., 0]
    if answer.domains is not None:
        point, low, high = answer.domains
    else:
        point = (weights @ answer.point[..., None])[..., 0]
    if answer.draws is not None:
        means = answer.draws @ weights.swapaxes(1, 2)
        low, high = np.quantile(means, [(1 - prob) / 2, (1 + prob) / 2], axis=1)
    if answer.draws is not None or answer.domains is not None:
        _score(found, "domain means", way, low, high, truth, prob)
    found["domain means", way] = np.sqrt(((point - truth) ** 2).mean(-1))


def _decide_from_draws(found, worlds, way, answer, prob, costs):
    """Take the decisions that follow from joint draws."""
    truth, draws = worlds.truth, answer.draws
    ranks, true_rank = rules.rank(draws), rules.rank(truth)
    named = rules.name_top(ranks, costs.top)
    _name(found, worlds, way, named, costs)
    ends = rules.rank_intervals(ranks, prob=prob)
    _score(found, "rank intervals", way, *ends, true_rank, prob)
    price = {"wrong": costs.wrong_grade}
    grades = rules.grade(ranks, **price)
    gain, wrong, told = rules.gain_of_grades(grades, truth, **price)
    found["grades", way] = 1 - gain
    found["wrong grades", way], found["told apart", way] = wrong, told
    limit = costs.false_call / (1 + costs.false_call)
    _call(found, worlds, way, (draws < worlds.benchmark).mean(1) > limit, costs)
    values = rules.triple_goal(draws, ranks) if way in POOLED else answer.point
    _spread(found, worlds, way, values)
    risk = rules.risk(answer.point, draws)
    _publish(found, worlds, way, risk < 1 / costs.wrong_figure, answer.point, costs)
    apart = draws - np.roll(draws, 1, -1)
    ends = np.quantile(apart, [(1 - prob) / 2, (1 + prob) / 2], axis=1)
    _score(found, "differences", way, *ends, truth - np.roll(truth, 1, -1), prob)


def _test_ranks(found, worlds, none, prob, seed):
    sd = worlds.within_sd()
    ends = rules.rank_by_tests(none, worlds.n, sd, prob=prob, seed=[*seed, 1])
    truth = rules.rank(worlds.truth)
    _score(found, "rank intervals", "pairwise tests", *ends, truth, prob)


def _decide_plainly(found, worlds, answers, costs):
    """Tests, official rules, and cut-offs that are best in hindsight."""
    truth, groups, people = worlds.truth, worlds.n.shape[1], worlds.people()
    none, se = answers["none"].point, worlds.within_sd() / np.sqrt(worlds.n)
    for way in ("none", "ridge"):
        named = rules.rank(answers[way].point) <= costs.top
        label = "none, by means" if way == "none" else way
        _name(found, worlds, label, named, costs)
    price = {"wrong": costs.wrong_grade}
    place = rules.rank(answers["ridge"].point) - 1
    equal = [
        1 - rules.gain_of_grades(place * count // groups, truth, **price)[0]
        for count in GRADES
    ]
    found["grades", "ridge, best number"] = np.stack(equal, -1)
    z = (none - worlds.benchmark) / se
    _call(found, worlds, "z-test at 5%", z < -1.645, costs)
    refused = rules.benjamini_hochberg(ndtr(z), 0.1)
    _call(found, worlds, "Benjamini–Hochberg", refused, costs)
    below, price = truth < worlds.benchmark, {"false": costs.false_call}
    calls = [rules.cost_of_calls(z < cut, below, **price) for cut in Z_CUTS]
    found["below benchmark", "z-test, best cut-off"] = np.stack(calls, -1)
    for way in ("GLM", "ridge"):
        gap = worlds.benchmark - answers[way].point
        calls = [rules.cost_of_calls(gap > edge, below, **price) for edge in MARGINS]
        found["below benchmark", f"{way}, best cut-off"] = np.stack(calls, -1)
    _spread(found, worlds, "none, shrunk alike", rules.shrink_alike(none, se))
    for way in ("complete", "ridge"):
        _spread(found, worlds, way, answers[way].point)
    _spread(found, worlds, "posterior means", answers["Bayes"].point, loss=False)
    _publish(found, worlds, "11-person rule", people >= 11, none, costs)
    _publish(found, worlds, "20% variation", se < 0.2, none, costs)
    price = {"wrong": costs.wrong_figure}
    for way in ("none", "GLM", "ridge", "complete"):
        point = answers[way].point
        paid = [
            rules.cost_of_publishing(people >= m, point, truth, **price) for m in SIZES
        ]
        found["publish", f"{way}, best size"] = np.stack(paid, -1)


def _name(found, worlds, way, named, costs):
    best = rules.rank(worlds.truth) <= costs.top
    found["top ten", way] = 1 - (named & best).sum(-1) / costs.top


def _call(found, worlds, way, called, costs):
    below, price = worlds.truth < worlds.benchmark, costs.false_call
    found["below benchmark", way] = rules.cost_of_calls(called, below, false=price)
    found["false calls", way] = (called & ~below).mean(-1)
    found["missed calls", way] = (~called & below).mean(-1)


def _spread(found, worlds, way, values, *, loss=True):
    if loss:
        found["spread", way] = rules.distance_of_spreads(values, worlds.truth)
    found["sd", way] = values.std(-1, ddof=1) / worlds.truth.std(-1, ddof=1)


def _publish(found, worlds, way, published, point, costs):
    off = np.abs(np.expm1(point - worlds.truth)) > rules.TOLERANCE
    paid = rules.cost_of_publishing(
        published, point, worlds.truth, wrong=costs.wrong_figure
    )
    found["publish", way] = paid
    found["published", way] = published.mean(-1)
    found["off", way] = (published & off).sum(-1) / np.maximum(published.sum(-1), 1)


def share_held_far(worlds, draws, *, spreads=2, prob=0.9):
    """Share of intervals that hold, of all providers and of those far from their line.

    The line is that of the true means on the predictor, in each world.

    Parameters
    ----------
    worlds : partialpool.chapters.decision_worlds.Worlds
    draws : numpy.ndarray
        Shape (D, S, J).
    spreads : float
        Standard deviations around the line beyond which a provider is far from it.
    prob : float

    Returns
    -------
    held, held_far, far : float
        The last is the share of providers that are far.
    """
    low, high = np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2], axis=1)
    held = (low <= worlds.truth) & (worlds.truth <= high)
    x = worlds.x - worlds.x.mean(1, keepdims=True)
    rest = worlds.truth - worlds.truth.mean(1, keepdims=True)
    rest -= x * (x * rest).sum(1, keepdims=True) / (x**2).sum(1, keepdims=True)
    far = np.abs(rest) > spreads * rest.std(1, ddof=2, keepdims=True)
    return held.mean(), held[far].mean(), far.mean()


def tabulate(found, decision, *measures, ways=None):
    """Mean loss of each way with its Monte Carlo error, and measures beside it.

    Parameters
    ----------
    found : pandas.DataFrame
        What :func:`compete` returned.
    decision : str
    *measures : str
        Names of rows that are no losses, shown as shares.
    ways : sequence of str, optional
        Which ways, in which order; the smallest loss first by default.

    Returns
    -------
    pandas.DataFrame
        Of text, a dash where a way has no answer.
    """
    losses = found[found["decision"] == decision].groupby("way")["loss"]
    table = pd.DataFrame({"loss": losses.mean(), "error": losses.sem()})
    table = table.sort_values("loss") if ways is None else table.loc[list(ways)]
    digits = 1 if table["loss"].max() > 10 else 3
    shown = table.map(f"{{:.{digits}f}}".format)
    for measure in measures:
        values = found[found["decision"] == measure].groupby("way")["loss"].mean()
        form = "{:.1f}" if measure.startswith("wide: rank") else "{:.2f}"
        shown[measure] = values.reindex(shown.index).map(form.format)
    return shown.replace("nan", "–").rename_axis(None)


def share_held(found, way="Bayes"):
    """Share of a way's intervals that hold, by decision: a dict."""
    rows = found[(found["way"] == way) & found["decision"].str.startswith("held: ")]
    means = rows.groupby("decision")["loss"].mean()
    return {name.removeprefix("held: "): float(x) for name, x in means.items()}
