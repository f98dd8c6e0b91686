"""Zones, parts of a local time, windows, lags and caches: what was known when. Shared by features and skews."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import cache
from zoneinfo import available_timezones

import numpy as np
import pandas as pd

from .records import NotApplicable, Roles, SkewkitError

PARTS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "hour": lambda t: t.dt.hour,
    "weekday": lambda t: t.dt.day_of_week,
    "is_weekend": lambda t: t.dt.day_of_week // 5,
    "day": lambda t: t.dt.day,
    "dayofyear": lambda t: t.dt.day_of_year,
    "month": lambda t: t.dt.month,
    "date": lambda t: t.dt.normalize(),
}


@cache
def zones() -> frozenset[str]:
    """The names of the IANA zones; to find them walks through folders."""
    return frozenset(available_timezones())


def zone(name: str) -> str:
    """An IANA zone or a fixed offset such as +05:30, checked."""
    if not re.fullmatch(r"[+-]([01]\d|2[0-3]):[0-5]\d", name) and name not in zones():
        near = [z for z in sorted(zones()) if name.lower() in z.lower()][:5]
        hint = f"; did you mean {', '.join(near)}" if near and name else ""
        raise SkewkitError(
            f"{name!r} is no time zone; give an IANA name like Europe/Berlin or an offset like +05:30{hint}"
        )
    return name


def local(times: pd.Series, zones: str | pd.Series) -> pd.Series:
    """The wall clock in one zone, or in each row's own, as naive times; null where the zone is."""
    if isinstance(zones, str):
        return times.dt.tz_convert(zone(zones)).dt.tz_localize(None)
    wall = np.full(len(times), np.datetime64("NaT", "ns"))
    for name, rows in pd.Series(np.arange(len(times))).groupby(zones.to_numpy(), observed=True):
        wall[rows] = times.iloc[rows].dt.tz_convert(zone(name)).dt.tz_localize(None)
    return pd.Series(wall, index=times.index)


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
    try:
        stamps = pd.to_datetime(pd.Series(times), utc=True)
    except (pd.errors.OutOfBoundsDatetime, OverflowError) as e:
        raise SkewkitError(
            f"a time lies beyond what can be compared ({e}); give it as null, or within 1678 to 2261"
        ) from e
    if stamps.dt.unit != "ns":  # a time beyond nanoseconds' reach, such as 9999-12-31 for never, counts as their last
        first, last = (t.tz_localize("UTC").as_unit(stamps.dt.unit) for t in BOUNDS)
        if not (stamps.min() >= first and stamps.max() <= last):
            stamps = stamps.clip(first, last)
    return stamps.astype("datetime64[ns, UTC]").astype("int64").to_numpy()


OF_A_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # of a second, by the unit of a column of times


def since_1970(times) -> tuple[np.ndarray, np.ndarray]:
    """Times without nulls as whole seconds since 1970 in UTC and the nanoseconds beyond, each shape (n,): of any year."""
    return _since(_stamps(times))


def same_instant(a, b) -> np.ndarray:
    """Which times without nulls are equal, shape (n,), in the coarser of the units in which the two columns hold them."""
    one, other = _stamps(a), _stamps(b)
    unit = 10**9 // min(OF_A_SECOND[one.dt.unit], OF_A_SECOND[other.dt.unit])
    (seconds, rest), (theirs, other_rest) = _since(one), _since(other)
    return (seconds == theirs) & (rest // unit == other_rest // unit)


def _since(stamps):
    parts = OF_A_SECOND[stamps.dt.unit]
    seconds, rest = np.divmod(stamps.astype("int64").to_numpy(), parts)
    return seconds, rest * (10**9 // parts)


def microseconds(times) -> np.ndarray:
    """Times without nulls as int64 microseconds since 1970 in UTC, shape (n,): of any year."""
    seconds, rest = since_1970(times)
    return seconds * 10**6 + rest // 1000


def _stamps(times):
    """Times in UTC, in the unit in which they are held."""
    times = pd.Series(times)
    try:
        return pd.to_datetime(times, utc=True)
    except (pd.errors.OutOfBoundsDatetime, OverflowError):  # pandas 2 reads Python's own in nanoseconds alone
        held = [t if hasattr(t, "tzinfo") else datetime.combine(t, time()) for t in times]
        naive = [(t.astimezone(UTC) if t.tzinfo else t).replace(tzinfo=None) for t in held]
        return pd.Series(np.array(naive, "M8[us]")).dt.tz_localize("UTC")


def duration(text: str, name: str) -> int:
    """A length of time such as 6h or 30D in nanoseconds; never negative."""
    try:
        length = pd.Timedelta(text)
    except ValueError as e:
        raise SkewkitError(f"{name}={text!r} is not a length of time; write it like 15min, 6h or 30D") from e
    if not length >= pd.Timedelta(0):
        raise SkewkitError(f"{name}={text!r} must not be negative")
    return length.value


BOUNDS = (pd.Timestamp("1677-09-22"), pd.Timestamp("2262-04-11"))  # of nanoseconds, to the day
NEVER = np.iinfo("i8").min  # what a missing time is as an integer


def before(times: np.ndarray, length: int) -> np.ndarray:
    """The moments ``length`` nanoseconds before; before a missing time, and before the first there is, NEVER."""
    return np.where(times < NEVER + length, NEVER, times - length)


def after(times: np.ndarray, length: int) -> np.ndarray:
    """The moments ``length`` nanoseconds later; after a missing time NEVER, and after the last there is, the last."""
    last = np.iinfo("i8").max
    return np.where(times == NEVER, NEVER, np.where(times > last - length, last, times + length))


def history(frame: pd.DataFrame, roles: Roles, entity: str, asker) -> tuple[pd.Series, np.ndarray]:
    """Whose each row of a table is, by the column ``entity`` (the table's own when ""), and when it was asked.

    Raises NotApplicable where the table has no such columns: it has no history to look into.
    """
    entity = entity or roles.entity
    if entity not in frame or roles.time not in frame:
        raise NotApplicable(
            f"{asker} needs the table's time and entity columns to look into its history "
            f"(time={roles.time!r}, entity={entity!r}); the table has {', '.join(frame)}"
        )
    return frame[entity], nanoseconds(frame[roles.time])


class Timeline:
    """Events of many entities, sorted once, to be asked what was known of an entity at a moment.

    ``entities`` and ``times`` have shape (n,); times are int64 nanoseconds. An event without entity or time is none.
    """

    def __init__(self, entities, times: np.ndarray):
        code, found = pd.factorize(pd.Series(entities))
        self.entities = pd.Index(np.asarray(found, object))
        known = np.flatnonzero((code >= 0) & (times > NEVER))
        self.order = known[np.lexsort((times[known], code[known]))]
        self.moments = _distinct(times)
        self._step = np.int64(len(self.moments) + 1)
        self._who = code[self.order]
        self._marks = self._who * self._step + self._rank(times[self.order])
        self.times = times[self.order]
        self._starts = np.searchsorted(self._who, np.arange(len(self.entities) + 1))

    @property
    def nbytes(self) -> int:
        """About how much memory it takes; the index of the entities looks them up by a table as large again."""
        return (
            sum(a.nbytes for a in (self.order, self.moments, self._who, self._marks, self.times))
            + 2 * self.entities.nbytes
        )

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
        return self._starts[np.maximum(codes, 0)]

    def latest(self, entities, when: np.ndarray) -> np.ndarray:
        """Row of the newest event of each entity at or before ``when``; -1 where there is none."""
        codes = self.codes(entities)
        at = self.upto(codes, when)
        found = (codes >= 0) & (at > self.start(codes))
        return np.where(found, np.append(-1, self.order)[at], -1)

    def window(self, entities, after: np.ndarray, until: np.ndarray, values: np.ndarray, weights=None) -> Window:
        """The events of each entity in (after, until], their values and weights as `running` takes them."""
        return self.between(entities, after, until, self.running(values, weights))

    def running(self, values: np.ndarray, weights=None) -> Running:
        """The sums up to each event, of which any window is a difference: made once for many windows.

        ``values`` are the events' values in their first order, shape (n,); one that is null or infinite is no event.
        ``weights`` says how often each counts (once when not given).
        Sums run within an entity, and about its first value, so that neither another entity's values nor a large mean
        takes digits away, and nothing known later has a say.
        """
        value = np.asarray(values, float)[self.order]
        there = np.isfinite(value)
        weight = 1.0 if weights is None else np.asarray(weights, float)[self.order]
        first = np.flatnonzero(there)
        first = first[np.r_[True, np.diff(self._who[first]) > 0]] if len(first) else first
        centre = np.zeros(len(self.entities) + 1)
        centre[self._who[first]] = value[first]
        off = np.where(there, value - centre[self._who], 0.0)
        with np.errstate(over="ignore", invalid="ignore"):  # squares beyond 1e154 have no float
            summed = pd.DataFrame({"count": there * weight, "moved": off * weight, "squares": off**2 * weight})
            sums = summed.groupby(self._who, sort=False).cumsum()
        return Running(centre, *(np.r_[0.0, sums[c]] for c in sums))

    def between(self, entities, after: np.ndarray, until: np.ndarray, running: Running) -> Window:
        """The events of each entity in (after, until], cut out of the sums up to each event."""
        codes = self.codes(entities)
        first, lo, hi = self.start(codes), self.upto(codes, after), self.upto(codes, until)

        def within(sums, lo):
            """The sum over events lo to hi of one entity, from sums that begin anew with each entity."""
            return np.where((codes >= 0) & (hi > lo), sums[hi] - np.where(lo > first, sums[lo], 0.0), 0.0)

        with np.errstate(invalid="ignore"):
            sums = [within(s, lo) for s in (running.count, running.moved, running.squares)]
            summed = within(running.squares, first)
        return Window(running.centre[np.maximum(codes, 0)], *sums, summed)


def _distinct(times: np.ndarray) -> np.ndarray:
    """Each time once, in order: by a sort, which for whole numbers is faster than NumPy's own way."""
    ordered = np.sort(times)
    return ordered[np.r_[True, ordered[1:] != ordered[:-1]]] if len(ordered) else ordered


@dataclass(frozen=True)
class Running:
    """Sums over the events of an entity, sorted by entity and time, before each event: how many, of the values less the
    entity's ``centre``, and of the squares of that; each of shape (events + 1,). ``centre`` has one more than entities."""

    centre: np.ndarray
    count: np.ndarray
    moved: np.ndarray
    squares: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.centre.nbytes + self.count.nbytes + self.moved.nbytes + self.squares.nbytes


@dataclass(frozen=True)
class Window:
    """What lies in each request's window: ``count``, and sums of the values less ``centre``; each of shape (requests,).

    ``summed`` is the sum of squares that these were cut out of: what is small beside it is rounding.
    """

    centre: np.ndarray
    count: np.ndarray
    moved: np.ndarray
    squares: np.ndarray
    summed: np.ndarray

    def without(self, other: Window) -> Window:
        """The same less what another holds of it. Both are about their own first value: the other moves to this one's."""
        shift = other.centre - self.centre
        moved = other.moved + other.count * shift
        squares = other.squares + 2 * shift * other.moved + other.count * shift**2
        return Window(self.centre, self.count - other.count, self.moved - moved, self.squares - squares, self.summed)

    @property
    def mean(self) -> np.ndarray:
        """Null where there is no event."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.count > 0, self.centre + self.moved / self.count, np.nan)

    @property
    def sum(self) -> np.ndarray:
        return np.where(self.count > 0, self.count * self.mean, 0.0)

    @property
    def deviation(self) -> np.ndarray:
        """Of the population; null where there is no event."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            spread = self.squares / self.count - (self.moved / self.count) ** 2
            rounding = (1e-12 * self.squares + 1e-13 * self.summed) / self.count
            spread = np.where(spread > rounding, spread, 0.0)
            return np.where(self.count > 0, np.sqrt(spread), np.nan)


def refreshed(entities, times: np.ndarray, ttl: int) -> np.ndarray:
    """For each request, the row of the request that last filled the cache of its entity, shape (n,).

    A cache that is filled on a miss: the first request of an entity computes the value, and every request within
    ``ttl`` nanoseconds of it is served that value; the first one later computes it anew.
    """
    code = pd.factorize(pd.Series(entities).astype(object))[0]
    order = np.lexsort((np.arange(len(times)), times, code))
    code, at = code[order], times[order]
    moments = _distinct(at)
    step = np.int64(len(moments) + 1)
    marks = code * step + np.searchsorted(moments, at)
    after = np.searchsorted(marks, code * step + np.searchsorted(moments, at + ttl))  # the first that is asked too late
    after = np.maximum(after, np.arange(1, len(at) + 1))
    after[code < 0] = np.flatnonzero(code < 0) + 1  # no entity, no cache
    fills, row = np.zeros(len(at), bool), 0
    following = after.tolist()
    while row < len(at):
        fills[row] = True
        row = following[row]
    filled = np.empty(len(at), "i8")
    filled[order] = order[np.flatnonzero(fills)[np.cumsum(fills) - 1]]
    return filled


def snapped(times: np.ndarray, length: int) -> np.ndarray:
    """The last whole multiple of ``length`` nanoseconds since 1970 in UTC at or before each time; of a missing one NEVER."""
    return np.where(times < NEVER + length, NEVER, times // length * length)
