"""Published tables of graduate earnings (LEO): written, read, measured and filled."""

from partialpool.leo.benchmark import benchmark
from partialpool.leo.fill import Filled, fill
from partialpool.leo.measure import measure, measure_bands
from partialpool.leo.publish import publish
from partialpool.leo.read import read_leo

__all__ = [
    "Filled",
    "benchmark",
    "fill",
    "measure",
    "measure_bands",
    "publish",
    "read_leo",
]
