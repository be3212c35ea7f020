"""The population to draw graduates from: published where that can be, else assumed."""

import numpy as np
import pandas as pd
import scipy

from partialpool.graduates.calibration import calibrate
from partialpool.graduates.published import YEARS, load_published_earnings
from partialpool.graduates.truth import GraduateTruth

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
NOT_ENGLISH = ["Wales", "Scotland"]  # graduates live there; the providers are English

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
MEASURED = pd.DataFrame(
    {
        "Agriculture, food and related studies": (0.15, 57),
        "Biosciences": (0.15, 115),
        "Economics": (0.20, 80),
        "Medicine and dentistry": (0.07, 39),
        "Nursing and midwifery": (0.055, 75),
    },
    index=["between_sd", "providers"],
).T
# Published provider medians in these two hardly correlate with those in any other.
UNCORRELATED = ["Medicine and dentistry", "Nursing and midwifery"]

# Scale of the effects, five years being 1. Computed for 1 and 3 years from the
# provider medians of the first three subjects above; assumed for 10.
WIDENING = {1: 0.85, 3: 0.90, 5: 1.0, 10: 1.2}

# All assumed from here on; the notes of simulate_graduates say what each does.
EFFECT_CORRELATION = 0.5
SELECTIVITY_SD = 0.6
SUBJECT_ATTAINMENT_SD = 0.5
SELECTIVITY_CORRELATION = 0.5
HOME_REGION_SHARE = 0.4
MAX_COMPOSITION_RATIO = 0.6
FULL_REACH_SD = 0.30
EMPLOYMENT_SD = 0.25
COHORT_SD = 0.01
PERMANENT_SHARE = 0.5
AUTOCORRELATION = 0.85
TAIL = 2.5


def draw_truth(n_providers, n_cohorts, rng):
    """Draw a truth: providers, who studies there, and what each of them earns."""
    published = load_published_earnings()
    subjects = _describe_subjects(published, n_providers)
    providers, size, provider_effect = _draw_providers(n_providers, rng)
    courses = _draw_courses(subjects, providers, size, rng)
    region_shares = _region_shares(providers)
    attainment_shares = _attainment_shares(courses, providers, published)
    regions = region_shares.reindex(courses["provider"]).to_numpy()
    full_composition = regions @ REGIONS["effect"]
    full_composition += attainment_shares.to_numpy() @ ATTAINMENT["effect"]
    subjects["reach"] = _reach(subjects, courses, full_composition)
    reach = subjects["reach"].reindex(courses["subject"]).to_numpy()
    courses["composition"] = full_composition * reach
    courses["effect"] = _draw_effects(subjects, courses, provider_effect, rng)
    cohorts = pd.RangeIndex(1, n_cohorts + 1, name="cohort").astype("int8")
    cohorts = pd.Series(rng.normal(0, COHORT_SD, n_cohorts), cohorts)
    courses = courses.set_index(["provider", "subject"])
    attainment_shares.index = courses.index
    providers["share"] = courses["share"].groupby("provider").sum()
    years = pd.Index(YEARS, name="yag", dtype="int8")
    gap = np.abs(np.subtract.outer(YEARS, YEARS))
    persistence = PERMANENT_SHARE + (1 - PERMANENT_SHARE) * AUTOCORRELATION**gap
    known = ["share", "female", "providers", "between_sd", "published", "reach"]
    truth = GraduateTruth(
        subjects=subjects[known],
        earnings=_earnings_parameters(published, subjects["female"]),
        providers=providers[["region", "share", "selectivity", "employment"]],
        provider_subject=courses[["share", "effect", "composition"]],
        regions=REGIONS["effect"].rename_axis("region"),
        attainment=ATTAINMENT["effect"].rename_axis("prior_attainment"),
        cohorts=cohorts.rename("effect"),
        widening=pd.Series(WIDENING, index=years),
        region_shares=region_shares,
        attainment_shares=attainment_shares,
        persistence=pd.DataFrame(persistence, index=years, columns=years),
        tail=TAIL,
    )
    calibrate(truth, published)
    return truth


def _describe_subjects(published, n_providers):
    count = published.pivot_table("graduates", "subject", "sex")
    share = count["all"] / count["all"].sum()
    female = count["female"] / (count["female"] + count["male"])
    subjects = pd.DataFrame({"share": share, "female": female})
    upper = np.log(published["upper_quartile"] / published["median"])
    lower = np.log(published["median"] / published["lower_quartile"])
    five = published.eval("yag == 5 and sex == 'all'")
    # Of a normal distribution with this interquartile range, or this half of it.
    sd = ((upper + lower) / 1.349)[five].set_axis(published["subject"][five])
    half_sd = np.minimum(upper, lower) / 0.6745 / published["yag"].map(WIDENING)
    # The variance of the effects is part of that of pay, in each year, for each sex
    # and on both sides of the median: the narrowest half is its upper bound.
    subjects["narrowest_sd"] = half_sd.groupby(published["subject"]).min()
    subjects["between_sd"] = _between_sds(sd, subjects["narrowest_sd"])
    subjects["published"] = subjects.index.isin(MEASURED.index)
    subjects["providers"] = _count_providers(count["all"], n_providers)
    return subjects


def _between_sds(sd, narrowest_sd):
    known = MEASURED["between_sd"]
    line = np.polyfit(sd[known.index], known, 1)
    most = np.minimum(known.max(), narrowest_sd / 2)
    assumed = np.polyval(line, sd).clip(known.min(), most)
    return known.reindex(sd.index).fillna(assumed)


def _count_providers(graduates, n_providers):
    # The square root meets three of the five published counts closely.
    anchor, known = "Biosciences", MEASURED["providers"]
    rule = known[anchor] * np.sqrt(graduates / graduates[anchor])
    count = known.reindex(rule.index).fillna(rule.clip(upper=140))
    return (count * n_providers / 150).round().clip(3, n_providers).astype(int)


def _draw_providers(n_providers, rng):
    width = max(3, len(str(n_providers)))
    names = [f"Provider {i:0{width}}" for i in range(1, n_providers + 1)]
    homes = REGIONS.drop(NOT_ENGLISH)["share"]
    # Regions in turn, so that their providers are as many as their share says.
    quantile = (np.arange(n_providers) + 0.5) / n_providers
    home = np.searchsorted((homes / homes.sum()).cumsum().to_numpy(), quantile)
    size, selectivity, own, employment = rng.normal(size=(4, n_providers))
    own = np.sqrt(1 - SELECTIVITY_CORRELATION**2) * own
    effect = SELECTIVITY_CORRELATION * selectivity + own
    region = pd.Categorical.from_codes(rng.permutation(home), REGIONS.index)
    providers = pd.DataFrame(
        {
            "region": region,
            "selectivity": SELECTIVITY_SD * selectivity,
            "employment": EMPLOYMENT_SD * employment,
        },
        index=pd.Index(names, name="provider"),
    )
    return providers, size, effect


def _draw_courses(subjects, providers, size, rng):
    """Draw which provider offers which subject, and to how many graduates."""
    # Large providers offer more subjects; the order of an exponential race draws
    # without replacement, in proportion to its weights.
    race = rng.exponential(size=(len(subjects), len(providers))) / np.exp(size)
    offered = race.argsort(axis=1).argsort(axis=1) < subjects[["providers"]].to_numpy()
    for provider in np.flatnonzero(~offered.any(axis=0)):
        offered[rng.integers(len(subjects)), provider] = True
    subjects["providers"] = offered.sum(axis=1)
    # The courses of a subject have nearly exponential sizes, as published.
    rank = 0.6 * size + 0.8 * rng.normal(size=offered.shape)
    weight = -np.log(scipy.special.ndtr(-rank)) * offered
    weight *= subjects[["share"]].to_numpy() / weight.sum(axis=1, keepdims=True)
    subject, provider = np.nonzero(offered)
    return pd.DataFrame(
        {
            "provider": providers.index[provider],
            "subject": subjects.index[subject],
            "share": weight[subject, provider],
            "provider_code": provider,
        }
    )


def _region_shares(providers):
    home = providers["region"].to_numpy()[:, None] == REGIONS.index.to_numpy()
    anywhere = (REGIONS["share"] / REGIONS["share"].sum()).to_numpy()
    return pd.DataFrame(
        HOME_REGION_SHARE * home + (1 - HOME_REGION_SHARE) * anywhere,
        index=providers.index,
        columns=REGIONS.index.rename("region"),
    )


def _attainment_shares(courses, providers, published):
    # Assumed: subjects that pay more at ten years recruit higher attainment.
    at_ten = published.query("yag == 10 and sex == 'all'").set_index("subject")
    pay = np.log(at_ten["median"])
    centre = np.average(pay, weights=at_ten["graduates"])
    shift = SUBJECT_ATTAINMENT_SD * (pay - centre) / pay.std()
    latent_mean = shift.reindex(courses["subject"]).to_numpy()
    selectivity = providers["selectivity"].to_numpy()[courses["provider_code"]]
    latent_sd = np.sqrt(1 + SUBJECT_ATTAINMENT_SD**2 + SELECTIVITY_SD**2)
    cuts = scipy.special.ndtri(ATTAINMENT["share"].cumsum().to_numpy()[:-1])
    below = scipy.special.ndtr(latent_sd * cuts - (latent_mean + selectivity)[:, None])
    below = np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))
    bands = ATTAINMENT.index.rename("prior_attainment")
    return pd.DataFrame(np.diff(below, axis=1), columns=bands)


def _reach(subjects, courses, composition):
    # Where pay varies little, as on a national pay scale, region and attainment do
    # not count in full; nor may they be all of the between-provider variance.
    sd = pd.Series(composition).groupby(courses["subject"].to_numpy()).std()
    most = MAX_COMPOSITION_RATIO * subjects["between_sd"] / sd
    reach = subjects["narrowest_sd"] / FULL_REACH_SD
    return np.minimum(reach, most).clip(upper=1)


def _draw_effects(subjects, courses, provider_effect, rng):
    uncorrelated = courses["subject"].isin(UNCORRELATED)
    correlation = np.where(uncorrelated, 0, EFFECT_CORRELATION)
    own = rng.normal(size=len(courses))
    shared = provider_effect[courses["provider_code"]]
    z = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
    composition = courses["composition"].to_numpy()
    effect = np.empty(len(courses))
    for subject, rows in courses.groupby("subject").indices.items():
        centred = z[rows] - z[rows].mean()
        cov = np.cov(centred, composition[rows])
        variance = subjects.loc[subject, "between_sd"] ** 2
        # Effect and composition together have the between-provider sd exactly.
        roots = np.roots([cov[0, 0], 2 * cov[0, 1], cov[1, 1] - variance])
        effect[rows] = roots.max() * centred
    return effect


def _earnings_parameters(published, female):
    """Starting values for the calibration, and the share of the employed with pay."""
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
