"""Zones, parts of a local time, windows, lags and caches: what was known when. Shared by features and skews."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from zoneinfo import available_timezones

import numpy as np
import pandas as pd

from .records import SkewkitError

PARTS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "hour": lambda t: t.dt.hour,
    "weekday": lambda t: t.dt.day_of_week,
    "is_weekend": lambda t: t.dt.day_of_week // 5,
    "day": lambda t: t.dt.day,
    "dayofyear": lambda t: t.dt.day_of_year,
    "month": lambda t: t.dt.month,
    "date": lambda t: t.dt.normalize(),
}


def zone(name: str) -> str:
    """An IANA zone or a fixed offset such as +05:30, checked."""
    fixed = len(name) == 6 and name[0] in "+-" and name[3] == ":" and (name[1:3] + name[4:]).isdigit()
    if not fixed and name not in available_timezones():
        near = [z for z in sorted(available_timezones()) if name.lower() in z.lower()][:5]
        hint = f"; did you mean {', '.join(near)}" if near and name else ""
        raise SkewkitError(
            f"{name!r} is no time zone; give an IANA name like Europe/Berlin or an offset like +05:30{hint}"
        )
    return name


def local(times: pd.Series, zones: str | pd.Series) -> pd.Series:
    """The wall clock in one zone, or in each row's own, as naive times; null where the zone is."""
    if isinstance(zones, str):
        return times.dt.tz_convert(zone(zones)).dt.tz_localize(None)
    wall = pd.Series(pd.NaT, index=times.index, dtype="datetime64[ns]")
    for name, rows in times.groupby(zones, observed=True):
        wall.loc[rows.index] = rows.dt.tz_convert(zone(name)).dt.tz_localize(None).astype("datetime64[ns]")
    return wall


def part(name: str, wall: pd.Series) -> pd.Series:
    """One part (see PARTS) of a wall clock; null where that is."""
    if name not in PARTS:
        raise SkewkitError(f"{name!r} is no part of a local time; there are {', '.join(PARTS)}")
    return PARTS[name](wall)


def days_between(later: pd.Series, earlier: pd.Series) -> pd.Series:
    """Midnights passed between two wall clocks: what "days since" counts."""
    return (later.dt.normalize() - earlier.dt.normalize()).dt.days


def nanoseconds(times) -> np.ndarray:
    """Times as int64 nanoseconds since 1970 in UTC, shape (n,); a missing time is the smallest int64."""
    return pd.to_datetime(pd.Series(times), utc=True).astype("datetime64[ns, UTC]").astype("int64").to_numpy()


def duration(text: str, name: str) -> int:
    """A length of time such as 6h or 30D in nanoseconds; never negative."""
    try:
        length = pd.Timedelta(text)
    except ValueError as e:
        raise SkewkitError(f"{name}={text!r} is not a length of time; write it like 15min, 6h or 30D") from e
    if not length >= pd.Timedelta(0):
        raise SkewkitError(f"{name}={text!r} must not be negative")
    return length.value


class Timeline:
    """Events of many entities, sorted once, to be asked what was known of an entity at a moment.

    ``entities`` and ``times`` have shape (n,); times are int64 nanoseconds. A null entity has no events.
    """

    def __init__(self, entities, times: np.ndarray):
        entities = pd.Series(entities).astype(object)
        self.entities = pd.Index(entities.dropna().unique())
        code = self.entities.get_indexer(entities)
        known = np.flatnonzero(code >= 0)
        self.order = known[np.lexsort((times[known], code[known]))]
        self.moments = np.unique(times)
        self._step = np.int64(len(self.moments) + 1)
        self._marks = code[self.order] * self._step + self._rank(times[self.order])
        self.times = times[self.order]

    def _rank(self, times):
        return np.searchsorted(self.moments, times, "right").astype("i8")

    def codes(self, entities) -> np.ndarray:
        """Each entity's number; -1 for one without events."""
        return self.entities.get_indexer(pd.Series(entities).astype(object))

    def upto(self, codes: np.ndarray, when: np.ndarray) -> np.ndarray:
        """How many events, in sorted order, lie before an entity's first one after ``when``: event i is in if i < this."""
        return np.searchsorted(self._marks, np.maximum(codes, 0) * self._step + self._rank(when), "right")

    def start(self, codes: np.ndarray) -> np.ndarray:
        """The position of each entity's first event."""
        return np.searchsorted(self._marks, np.maximum(codes, 0) * self._step, "right")

    def latest(self, entities, when: np.ndarray) -> np.ndarray:
        """Row of the newest event of each entity at or before ``when``; -1 where there is none."""
        codes = self.codes(entities)
        at = self.upto(codes, when)
        found = (codes >= 0) & (at > self.start(codes))
        return np.where(found, self.order[np.maximum(at - 1, 0)], -1) if len(self.order) else np.full(len(codes), -1)

    def between(self, entities, after: np.ndarray, until: np.ndarray, values: np.ndarray):
        """Count, sum and sum of squares of the events in (after, until], each of shape (requests,).

        ``values`` are the events' values in their first order, shape (n,); one that is null or infinite is no event.
        """
        codes = self.codes(entities)
        lo, hi = self.upto(codes, after), self.upto(codes, until)
        sorted_ = np.asarray(values, float)[self.order]
        there = np.isfinite(sorted_)
        filled = np.where(there, sorted_, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):  # squares of numbers beyond 1e154 have no float
            sums = [np.r_[0.0, np.cumsum(v)] for v in (there.astype(float), filled, filled**2)]
            return tuple(np.where(codes >= 0, s[hi] - s[lo], 0.0) for s in sums)


def refreshed(entities, times: np.ndarray, ttl: int) -> np.ndarray:
    """For each request, the row of the request that last filled the cache of its entity, shape (n,).

    A cache that is filled on a miss: the first request of an entity computes the value, and every request within
    ``ttl`` nanoseconds of it is served that value; the first one later computes it anew.
    """
    code = pd.factorize(pd.Series(entities).astype(object))[0]
    order = np.lexsort((np.arange(len(times)), times, code))
    filled = np.empty(len(times), "i8")
    code, at = code[order], times[order]
    bounds = np.flatnonzero(np.r_[True, code[1:] != code[:-1], True]) if len(code) else []
    for begin, end in pairwise(bounds):
        if code[begin] < 0:  # no entity, no cache
            filled[order[begin:end]] = order[begin:end]
            continue
        while begin < end:
            until = begin + np.searchsorted(at[begin:end], at[begin] + ttl, "left")
            until = max(until, begin + 1)
            filled[order[begin:until]] = order[begin]
            begin = until
    return filled


def moments_of(count, total, squares):
    """Mean and standard deviation (population) from count, sum and sum of squares; null where the count is 0."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = np.where(count > 0, total / count, np.nan)
        variance = np.maximum(np.where(count > 0, squares / count, np.nan) - mean**2, 0.0)
    return mean, np.sqrt(variance)
