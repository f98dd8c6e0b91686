"""Counters that count some events twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..proposals.chances import binomial, missed
from ..records import NotApplicable, Skew, SkewkitError, needs
from .late_events import are_counts, chance, thinned


@dataclass(frozen=True, kw_only=True)
class DoubleCount(Skew):
    """Serving counts a share ``twice``, in (0, 1], of the events two times: delivered at least once, never deduplicated.

    A pipeline with the knob ``counted`` recomputes the feature. On a table, counts and sums become twice what they were
    where ``twice`` is 1; that is exact, and can be undone where the features are named. Below 1 it is approximate: a
    count (whole numbers from 0) grows by a binomial draw by the request's key, one draw for all features; other numbers
    grow by the factor 1 + ``twice``. A mean does not grow when its events are doubled, so name the counts and sums.
    """

    twice: float = 1.0

    family = "events"
    choices = ("twice", (0.05, 0.2, 0.5, 1.0))

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.twice <= 1:
            raise SkewkitError(
                f"twice={self.twice!r} was asked of double_count; it is a share of the events, above 0 and at most 1"
            )

    def knobs(self):
        return {"counted": 1 + self.twice}

    def acts_on(self, frame, roles):
        return tuple(f for f in roles.features if f in frame and _grows(frame[f], self.twice))

    def inject(self, frame, roles, seed=0):
        names = needs(frame, self.features or self.acts_on(frame, roles), self)
        if self.twice == 1:
            return pd.DataFrame({f: self._doubled(frame[f]) for f in names}, index=frame.index)
        draw = chance(frame, roles, "double_count", seed, self)
        return pd.DataFrame({f: self._grown(frame[f], draw) for f in names}, index=frame.index)

    def undo(self, frame, roles, seed=0):
        if self.twice < 1 or not self.features:
            raise NotApplicable(f"{self} can be undone where twice is 1 and features are named; give features=")
        return pd.DataFrame({f: self._halved(frame[f]) for f in needs(frame, self.features, self)}, index=frame.index)

    @classmethod
    def propose(cls, e):
        if not e.numeric:
            return
        counts = _grows(e.before, 1.0) and (e.paired or are_counts(e.before))
        if "counted" in e.knobs or counts:
            yield cls(features=(e.feature,)), 2
        if "counted" in e.knobs and (share := missed(e, gained=True)) is not None:
            yield cls(features=(e.feature,), twice=share), e.real

    @property
    def random(self):
        return self.twice < 1

    def by_chance(self, e):
        return None if self.twice == 1 else binomial(e, self.twice, gained=True)

    def says(self, alike=True):
        return "counts every event twice" if self.twice == 1 else f"counts {100 * self.twice:.3g}% of the events twice"

    @classmethod
    def examples(cls):
        yield cls(features=("recent_count", "recent_amount"))
        yield cls(features=("recent_count",), twice=0.3)
        yield cls(features=("recent_amount",), twice=0.1)
        yield cls()

    def _doubled(self, column):
        if not _number(column) or not _has_room(column):
            raise NotApplicable(f"{self}: {column.name!r} is {column.dtype}, or too large to be doubled in it")
        return column * 2

    def _grown(self, column, draw):
        if are_counts(column) and _has_room(column):
            return column + thinned(column, self.twice, draw, self)
        if column.dtype.kind != "f" or not _has_room(column):
            raise NotApplicable(f"{self}: {column.name!r} is {column.dtype}; a part of it is no whole number")
        return column * (1 + self.twice)

    def _halved(self, column):
        if not _number(column) or (column.dtype.kind in "iu" and (column % 2 != 0).any()):
            raise NotApplicable(f"{self}: {column.name!r} holds what is no double; halving it would lose digits")
        return column // 2 if column.dtype.kind in "iu" else column / 2


def _number(column):
    return column.dtype.kind in "iuf"


def _has_room(column):
    """Whether the column's type holds its values twice."""
    there = column.dropna().to_numpy()
    finite = there[np.isfinite(there)]
    if not len(finite):
        return True
    if finite.dtype.kind == "f":
        return bool(np.abs(finite).max() <= np.finfo(finite.dtype).max / 2)
    return -(most := np.iinfo(finite.dtype).max // 2) <= int(finite.min()) and int(finite.max()) <= most


def _grows(column, twice):
    """Numbers from 0 that are neither all 0 nor one value or two: counts and sums, as far as a table can tell."""
    if not _number(column) or not _has_room(column) or column.nunique() <= 2:
        return False
    return not (column < 0).any() and (twice == 1 or column.dtype.kind == "f" or are_counts(column))
