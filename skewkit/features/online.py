"""The same definitions for one request at a time: a state that is fed events as they come, and answers as of now.

Where `features.evaluate` looks back over whole tables, this is what a service does: counters that add what comes and take
out what expires, plain Python numbers, the standard library's zones. It shares the records and none of the code, so that
one can be held against the other.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, singledispatchmethod
from heapq import heappop, heappush
from typing import Any

import numpy as np
import pandas as pd

from ..records import SkewkitError
from ..scope import coin
from ..timeline import NEVER, duration, nanoseconds
from .definitions import (
    GLOBAL,
    AsOf,
    Column,
    DaysSince,
    Definition,
    Encoded,
    Filled,
    Latest,
    LocalTime,
    Normalized,
    Rate,
    Rolling,
)
from .scalars import clock_part, instant, missing, number, wall_clock

EVER = 1 << 62  # nanoseconds: longer than any window


@dataclass(slots=True)
class Event:
    """One event: when it came and when it happened, in nanoseconds since 1970 in UTC, its place in its table, its columns."""

    known: int
    happened: int
    row: int
    values: Mapping[str, Any]


@dataclass
class Counter:
    """How many, and the sum of their values, of what has come and has not expired.

    The sum carries what rounding took off it (Neumaier, ZAMM 1974), for what is taken out again would else leave it behind.
    """

    count: float = 0.0
    total: float = 0.0
    lost: float = 0.0
    seen: int = 0  # events of the series that were looked at
    inside: list = field(default_factory=list)  # a heap of those inside, by when they leave

    def add(self, value: float, weight: float) -> None:
        term = value * weight
        total = self.total + term
        self.lost += (self.total - total) + term if abs(self.total) >= abs(term) else (term - total) + self.total
        self.count, self.total = self.count + weight, total

    def empty(self) -> None:
        self.count = self.total = self.lost = 0.0

    @property
    def sum(self) -> float:
        return self.total + self.lost

    @property
    def mean(self) -> float:
        return self.sum / self.count if self.count else math.nan

    @property
    def deviation(self) -> float:
        """Of the population, by what is inside: differences of sums of squares would leave nothing but rounding."""
        if not self.count:
            return math.nan
        values = {v for _, _, v, _ in self.inside}
        if len(values) == 1:
            return 0.0
        return math.sqrt(math.fsum(w * (v - self.mean) ** 2 for _, _, v, w in self.inside) / self.count)


class Online:
    """What a service knows: fed with `feed` in the order in which events come, asked with `ask` in the order of time.

    A definition on the clock of events counts those that happened in its window and have come: what has not come yet
    it cannot know, and what an offline batch adds later is its difference from this. A `horizon` gives nothing, for the
    same reason. A cache (`ttl`) holds what it computed when it was filled.
    """

    def __init__(self, definitions: Mapping[str, Definition]):
        self.definitions = dict(definitions)
        self._series: dict[tuple, dict[Any, list[Event]]] = {}
        for d in map(reading, self.definitions.values()):
            self._series |= {(one.table, one.by): defaultdict(list) for one in d}
        self._counters: dict[tuple, Counter] = {}
        self._cached: dict[tuple, tuple[int, Any]] = {}
        self._now = NEVER

    def feed(self, table: str, event: Mapping[str, Any], row: int = 0) -> None:
        """One event of a table, with its columns ``known`` and ``happened``; ``row`` is its place in the offline table.

        One that lacks its time, or whose it is, is none. Raises SkewkitError where events do not come in order.
        """
        known = instant(event.get("known"))
        if known == NEVER:
            return
        if known < self._now:
            raise SkewkitError(
                f"an event of {table} known at {event['known']} came after a later one; feed them in the order they came"
            )
        self._now = known
        one = Event(known, instant(event.get("happened")), row, event)
        for (name, by), series in self._series.items():
            if name == table and (not by or not missing(event.get(by))):
                series[event[by] if by else None].append(one)

    def ask(self, request: Mapping[str, Any], time: Any) -> dict[str, Any]:
        """Every feature of one request as of ``time`` (with its zone, or nanoseconds since 1970 in UTC)."""
        now = instant(time)
        return {name: self._value(d, request, now) for name, d in self.definitions.items()}

    @singledispatchmethod
    def _value(self, d, request, now):
        raise SkewkitError(f"{type(d).__name__} is no feature definition; see skewkit.features.definitions")

    @_value.register
    def _(self, d: Column, request, now):
        return request[d.source]

    @_value.register
    def _(self, d: Encoded, request, now):
        code = _places(d.vocabulary).get(request[d.source], d.unknown)
        return math.nan if code is None else code

    @_value.register
    def _(self, d: LocalTime, request, now):
        wall = wall_clock(instant(request[d.source]), d.zone or request[d.zone_in])
        return clock_part(d.part, wall)

    @_value.register
    def _(self, d: DaysSince, request, now):
        newest = self._newest(d, request, now)
        at = NEVER if newest is None else newest.known if d.clock == "ingestion" else newest.happened
        z = d.zone or (request[d.zone_in] if d.zone_in else "UTC")
        asked, then = (wall_clock(t, z) for t in (instant(request[d.source]), at))
        return math.nan if asked is None or then is None else float((asked.date() - then.date()).days)

    @_value.register
    def _(self, d: Latest, request, now):
        newest = self._newest(d, request, now)
        return math.nan if newest is None else number(newest.values[d.value])

    @_value.register
    def _(self, d: Rolling, request, now):
        count, mean, summed, _ = self._window(d, request, self._as_of(d, request, now), now)
        made = {"count": count, "mean": mean, "sum": summed}[d.how]
        return made if d.empty == "zero" or count else math.nan

    @_value.register
    def _(self, d: Rate, request, now):
        part, whole = (self._value(one, request, now) for one in (d.of, d.over))
        part, whole = part + d.prior * d.weight, whole + d.weight
        below = whole if d.per == "all" else whole - part
        return part / below if below > 0 else math.nan

    @_value.register
    def _(self, d: Filled, request, now):
        plain = number(self._value(d.of, request, now))
        fill = {"zero": 0.0, "mean": d.mean, "median": d.median}.get(d.fill, d.fill)
        return float(fill) if math.isnan(plain) else plain

    @_value.register
    def _(self, d: Normalized, request, now):
        until = self._as_of(d, request, now)
        plain = number(self._value(d.of, request, until))
        if d.window == GLOBAL:  # fitted once: later requests see no more of it
            until = min(until, instant(pd.Timestamp(d.fitted)))
        _, mean, _, deviation = self._window(d, request, until, now)
        return (plain - mean) / (deviation or 1.0)

    def _as_of(self, d: AsOf, request, now):
        """The moment whose knowledge a request is served."""
        if now == NEVER:
            return NEVER
        if ttl := duration(d.ttl, "ttl"):
            filled, _ = self._cached.get((d, self._whose(d, request)), (NEVER, None))
            now = filled if filled > NEVER and now - filled < ttl else now
        if d.snapshot:
            every = duration(d.snapshot, "snapshot")
            now = now // every * every
        return now - duration(d.lag, "lag") + duration(d.horizon, "horizon") - (d.clock != "ingestion")

    def _whose(self, d, request):
        return request[d.by] if d.by else None

    def _events(self, d, request):
        who = self._whose(d, request)
        return [] if d.by and missing(who) else self._series[d.table, d.by].get(who, [])

    def _newest(self, d, request, now):
        """The newest event that is known; None where there is none. A stream keeps what came last."""
        return self._kept(d, request, now, lambda until: self._look(d, request, until))

    def _look(self, d, request, until):
        until -= duration(d.edge, "edge")
        if d.clock == "event":
            came = [e for e in self._events(d, request) if NEVER < e.happened <= until]
            return max(came, key=lambda e: (e.happened, e.row), default=None)
        return next((e for e in reversed(self._events(d, request)) if e.known <= until), None)

    def _window(self, d, request, until, now):
        """Count, mean, sum and deviation of what lies in the window that ends at ``until``."""
        return self._kept(d, request, now, lambda _: self._counted(d, request, until))

    def _kept(self, d, request, now, make):
        """What ``make`` gives as of now; with a cache what it gave when that was filled."""
        if not duration(d.ttl, "ttl"):
            return make(self._as_of(d, request, now))
        mark, who = (d, self._whose(d, request)), self._whose(d, request)
        filled, held = self._cached.get(mark, (NEVER, None))
        if missing(who) and d.by:
            return make(self._as_of(d, request, now))
        if filled == NEVER or now - filled >= duration(d.ttl, "ttl"):
            self._cached[mark] = filled, held = now, make(self._as_of(d, request, now))
        return held

    def _counted(self, d, request, until):
        who, length = self._whose(d, request), _length(d)
        counter = self._counters.setdefault((d, who), Counter())
        end, begin = until - duration(d.edge, "edge"), until - length
        events = self._events(d, request)
        latest = min(length, duration(d.watermark, "watermark") if d.watermark and d.clock == "stream" else EVER)
        while counter.seen < len(events) and events[counter.seen].known <= end:
            one = events[counter.seen]
            counter.seen += 1
            at = one.known if d.clock == "ingestion" else one.happened
            value, weight = number(one.values[d.value]), _weight(d, one.row)
            if at > NEVER and math.isfinite(value) and weight and (d.clock == "ingestion" or one.known - at <= latest):
                counter.add(value, weight)
                heappush(counter.inside, (at, counter.seen, value, weight))
        while counter.inside and counter.inside[0][0] <= begin and length < EVER:
            _, _, value, weight = heappop(counter.inside)
            counter.add(value, -weight)
            if not counter.inside:
                counter.empty()
        return counter.count, counter.mean, counter.sum, counter.deviation if isinstance(d, Normalized) else math.nan


def fold(
    definitions: Mapping[str, Definition], raw: Mapping[str, pd.DataFrame], requests: pd.DataFrame, asked: str
) -> pd.DataFrame:
    """The features of every request as a service would have given them: events fed as they came, each request asked then.

    Takes what `features.evaluate` takes and gives a frame of the same columns and index. With nothing late it is the
    same; an event that came late is missing in what was asked before it came.
    """
    online, answers = Online(definitions), [None] * len(requests)
    for _, _, table, row, what in sorted(_stream(definitions, raw, requests, asked), key=lambda s: s[:2]):
        if table is None:
            answers[row] = online.ask(what, instant(what[asked]))
        else:
            online.feed(table, what, row)
    made = (
        pd.DataFrame.from_records(answers, columns=list(definitions))
        if answers
        else pd.DataFrame(columns=list(definitions))
    )
    return made.set_axis(requests.index)


def _stream(definitions, raw, requests, asked) -> Iterator[tuple]:
    """Events as they came and requests as they were asked; what came at a request's moment came before it.

    Events of whom nobody asks, and that come after all is asked, are left out.
    """
    when = nanoseconds(requests[asked])
    read = [one for d in definitions.values() for one in reading(d)]
    for table in sorted({d.table for d in read}):
        events = raw[table]
        known, wanted = nanoseconds(events["known"]), np.zeros(len(events), bool)
        for by in {d.by for d in read if d.table == table}:
            wanted |= events[by].isin(requests[by].dropna()).to_numpy() if by else True
        rows = np.flatnonzero(wanted & (known <= when.max(initial=NEVER)))
        columns = sorted(
            {"known", "happened", *(getattr(d, n, "") for d in read for n in ("by", "value"))} & set(events)
        )
        for row, event in zip(rows.tolist(), events[columns].iloc[rows].to_dict("records"), strict=True):
            yield int(known[row]), 0, table, row, event
    for row, (at, request) in enumerate(zip(when.tolist(), requests.to_dict("records"), strict=True)):
        yield at, 1, None, row, request


def reading(d: Definition) -> list[AsOf]:
    """The definitions within one that read events."""
    parts = [getattr(d, n) for n in ("of", "over") if isinstance(getattr(d, n, None), Definition)]
    return [*([d] if isinstance(d, AsOf) else []), *(one for p in parts for one in reading(p))]


@cache
def _places(vocabulary):
    return {name: i for i, name in enumerate(vocabulary)}


def _length(d):
    return EVER if d.window == GLOBAL else min(duration(d.window, "window") + duration(d.horizon, "horizon"), EVER)


@cache
def _weight(d, row):
    """How often an event counts."""
    if d.counted == 1:
        return 1.0
    return math.floor(d.counted) + float(coin(np.array([row]), "counted")[0] < d.counted % 1)
