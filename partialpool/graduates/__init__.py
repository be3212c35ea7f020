"""Synthetic graduates: calibrated on published earnings, with the truth known."""

from partialpool.graduates.careers import simulate_careers
from partialpool.graduates.published import (
    compare_with_published,
    load_published_earnings,
)
from partialpool.graduates.simulate import simulate_graduates, write_graduates
from partialpool.graduates.truth import GraduateTruth

__all__ = [
    "GraduateTruth",
    "compare_with_published",
    "load_published_earnings",
    "simulate_careers",
    "simulate_graduates",
    "write_graduates",
]
