"""Poolings: the three ways to pool one table side by side, and all their opponents."""

from partialpool.poolings.compare import Comparison, compare
from partialpool.poolings.contest import contest, contest_many, score
from partialpool.poolings.one_way import OneWay, one_way

__all__ = [
    "Comparison",
    "OneWay",
    "compare",
    "contest",
    "contest_many",
    "one_way",
    "score",
]
