"""A column of features to explain, and which of many guesses at its values stand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

STANDS, OFTEN = 0.9, 0.7  # shares of the rows a guess must be right in, and of those that are not the commonest value
FEW = 8  # rows that say anything
ROUGH = 1e-6  # how near a sum must be that is computed by differences over all events


@dataclass(frozen=True)
class Target:
    """A column of features to explain: its values as floats, shape (rows,), and how near to them counts as the same."""

    name: str
    values: np.ndarray
    relative: float = 1e-9

    @cached_property
    def off(self) -> np.ndarray:
        """Which rows hold a value, and not the commonest: what a constant would not explain."""
        there = ~np.isnan(self.values)
        values, counts = np.unique(self.values[there], return_counts=True)
        return there & (self.values != values[counts.argmax()]) if len(values) else there

    @cached_property
    def whole(self) -> bool:
        """Whether it could count something: whole numbers from 0."""
        there = self.values[~np.isnan(self.values)]
        return bool(((there >= 0) & (there % 1 == 0)).all())

    @property
    def says_something(self) -> bool:
        """Three values or more, and enough rows that are not the commonest."""
        return bool(self.off.sum() >= FEW and len(np.unique(self.values[self.off])) >= 2)

    def near(self, made: np.ndarray, relative: float = 0.0, values=None) -> np.ndarray:
        """Where what was made is the same, null being the same as null; shape of ``made``."""
        values = self.values if values is None else values
        relative = max(relative, self.relative)
        with np.errstate(invalid="ignore"):
            bound = relative * np.maximum(np.abs(made), np.abs(values)) + 1e-3 * relative * self.size
            return (np.abs(made - values) <= bound) | (np.isnan(made) & np.isnan(values))

    @cached_property
    def size(self) -> float:
        """How large its values are: a difference of large numbers is no nearer to 0 than they are exact."""
        return float(np.median(np.abs(self.values[self.off]))) if self.off.any() else 0.0

    def standing(self, made: np.ndarray, relative: float = ROUGH, rows=slice(None)) -> np.ndarray:
        """Which of many guesses, shape (guesses, rows), are right wherever they know something, a few rows aside.

        A guess of 0 where there is a null says nothing: some count nothing as 0, and some as null.
        """
        values, off = self.values[rows], self.off[rows]
        known = ~np.isnan(made) & ~(np.isnan(values) & (made == 0))
        good = self.near(made, relative, values) & known
        n, often = known.sum(1), (known & off).sum(1)
        right = (good.sum(1) >= STANDS * n) & ((good & off).sum(1) >= OFTEN * often)
        return np.flatnonzero(right & (n >= FEW) & (often >= FEW / 2))

    def of(self, rows: np.ndarray) -> Target:
        return Target(self.name, self.values[rows], self.relative)
