"""Sub-groups: graduates of known truth, every sub-group of them, and the rule of C10.

The rule, written before any figure. One model (one formula, one spread of graduates)
is held against ways that have no such model, or several: separate means, GLMs, ridge,
and a model a subject. REML of the same formula is the same model, and no opponent; it
is on the axis of inference. *Everywhere* means: in every size band of sub-groups
(a course's women or men, three graduates or more), in each sub-group of interest, and
for the courses of the next cohort.

``predicts``
    Everywhere its error is at most 5% above the smallest of any opponent.
``honest``
    Everywhere its 90% intervals for the mean hold 85% to 95% of the truths.
``single``
    In every subject its 90% intervals for one graduate of the next cohort hold 85% to
    95% of them.
``needed``
    No plain way (separate means, or a GLM) has errors at most 5% above its own
    everywhere.
``employment``
    A multilevel model of employment has, in every size band, an error at most 5% above
    the smallest of any opponent, and intervals that hold 85% to 95%.

The claim holds if all five are true. It does not hold if some plain way will do
(``needed`` is false), or if another way predicts better in a size band. Otherwise it
holds with conditions, which are the parts that are false. The figures are those of all
worlds together; Monte Carlo errors stand beside them.
"""

# Errors up to this much above the best count as equal; coverage of 90% intervals.
EQUAL, HELD = 1.05, (0.85, 0.95)
PROB = 0.9

# By size: graduates with pay in the four cohorts that the models see.
BANDS = {"3 to 5": (3, 5), "6 to 10": (6, 10), "11 to 20": (11, 20), "21 on": (21, None)}
# Chosen before any figure. All but the last two are known without the truth; courses
# are exceptional if their true effect is beyond two standard deviations between them.
INTEREST = (
    "exactly three graduates",
    "women in engineering, by region",
    "men in nursing, by provider",
    "medicine, by provider and sex",
    "BTEC entrants in business, by region",
    "exceptional courses",
)
NEXT = ("next cohort, known course", "next cohort, new course")
