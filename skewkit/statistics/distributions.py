"""How the values of one column are spread. Imports nothing else of skewkit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class Distribution:
    """One column's values in ascending order, without nulls: each row's, or each distinct value with the rows up to it.

    ``ordered`` holds every row's value, shape (n,); where ``ends`` is given, the distinct values, shape (k,), and ``ends``
    how many rows lie at or below each, shape (k,). ``n`` is the rows with a value and ``nulls`` the rows without; ``kind``
    is the column's kind (see `columns.KINDS`). A sketch knows some values only: the share of rows at or below any value is
    then off by at most ``gap``, in [0, 1].
    """

    kind: str
    ordered: np.ndarray
    ends: np.ndarray | None
    n: int
    nulls: int
    gap: float = 0.0
    moments = None  # mean and deviation of the finite values, which a sketch knows exactly

    @property
    def rows(self) -> int:
        return self.n + self.nulls

    @cached_property
    def _distinct(self):
        if self.ends is not None:
            return self.ordered, self.ends
        last = np.flatnonzero(np.r_[self.ordered[1:] != self.ordered[:-1], True][: self.n])
        return self.ordered[last], last + 1

    @property
    def values(self) -> np.ndarray:
        """The distinct values, shape (k,)."""
        return self._distinct[0]

    @property
    def upto(self) -> np.ndarray:
        """How many rows lie at or below each distinct value, shape (k,)."""
        return self._distinct[1]

    @property
    def counts(self) -> np.ndarray:
        """How many rows hold each distinct value, shape (k,)."""
        return np.diff(self.upto, prepend=0)

    @property
    def every(self) -> np.ndarray:
        """Each row's value, shape (n,)."""
        return self.ordered if self.ends is None else np.repeat(self.ordered, self.counts)

    def below(self, at: np.ndarray, side: str = "right") -> np.ndarray:
        """How many rows have a value at or below (side="left": below) each of ``at``, shape (len(at),)."""
        found = np.searchsorted(self.ordered, at, side)
        return found if self.ends is None else np.concatenate(([0], self.ends))[found]

    def at(self, ranks: np.ndarray) -> np.ndarray:
        """The values at some ranks, from 0 to n - 1, as if every row's were in order; shape of ``ranks``."""
        return self.ordered[ranks if self.ends is None else np.searchsorted(self.ends, ranks, "right")]

    @property
    def looked(self) -> int:
        """Among how many values the frequent ones are picked."""
        return len(self.ordered)

    @property
    def error(self) -> float:
        """By how much the share of rows at or below its own values may be off, at most ``gap``."""
        return self.gap

    def known(self, other: Distribution) -> Distribution:
        """As far as it can be known beside another; a baseline's may hold texts whose names only the other tells."""
        return self

    def counted(self) -> Distribution:
        """How many rows it has, without their values."""
        return replace(self, ordered=self.ordered[:0].copy(), ends=None)  # a slice would hold on to them

    @property
    def constant(self) -> bool:
        """Whether all rows with a value hold the same."""
        return self.n == 0 or bool(self.ordered[0] == self.ordered[-1])


def held(values: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Which of some distinct values are among others, shape of ``values``, bool; numpy compares each text with each."""
    if object not in (values.dtype, by.dtype):
        return np.isin(values, by)
    return pd.Index(values, dtype=object).isin(pd.Index(by, dtype=object))


@dataclass(frozen=True)
class Glance:
    """What is remembered of a column: rows with a value and without, whether all hold the same, and a hash of some rows.

    A column of nulls alone is constant, and one of a single value and nulls is not.
    """

    n: int
    nulls: int
    constant: bool
    some: bytes
