"""A feature defined once, evaluated over a batch as of each request's own time.

A definition is a small frozen record; every field of it is a knob. `evaluate` is the one function that reads them,
so that whatever evaluates one request at a time later reads the same records.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from functools import singledispatch
from typing import Any

import numpy as np
import pandas as pd

from ..memory import Memory
from ..records import SkewkitError
from ..scope import coin
from ..timeline import (
    NEVER,
    Timeline,
    after,
    before,
    days_between,
    duration,
    local,
    nanoseconds,
    part,
    refreshed,
    snapped,
)

GLOBAL = "global"
FOREVER = np.iinfo("i8").max  # in nanoseconds
CLOCKS = ("ingestion", "event", "stream")


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What every feature has. The records below say the rest."""


@dataclass(frozen=True, kw_only=True)
class AsOf(Definition):
    """Read from the events of ``table`` that have the request's value in the column ``by``.

    It knows what was known ``lag`` before it is asked, or when a cache of ``ttl`` was last filled, or when a batch that runs
    every ``snapshot`` last ran (counted from 1970 in UTC: "1D" is each midnight); code that leaks knows what comes up to
    ``horizon`` later as well. It misses the events of the last ``edge`` before that: of a window they are missing at its
    end, and its beginning stays where it was, which a ``lag`` would move as well.

    The events with the request's value in ``by`` are its own; with no ``by`` all are. ``clock`` says which events lie in
    a window, and which are known:

    - "ingestion": those that came in it, by the column ``known``;
    - "event": those that happened in it, by the column ``happened``, however late they came: what a batch computes that
      runs when all have come;
    - "stream": those that happened in it and had come when asked, but for those that came more than ``watermark`` after
      they happened: what a streaming counter computes that adds what comes and takes out what expires.

    An event that happens when it is asked is not before it. ``counted`` is how often each event is there: 2 for events
    delivered twice, 1.1 for one in ten of them (by a hash of its row).
    """

    table: str
    by: str
    lag: str = "0s"
    ttl: str = "0s"
    snapshot: str = ""
    edge: str = "0s"
    horizon: str = "0s"
    clock: str = "ingestion"
    watermark: str = ""
    counted: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Column(Definition):
    """A column of the request itself."""

    source: str


@dataclass(frozen=True, kw_only=True)
class Encoded(Definition):
    """A category as its place in an immutable vocabulary; what that does not hold gets ``unknown`` (None: null)."""

    source: str
    vocabulary: tuple[str, ...]
    unknown: int | None = -1


@dataclass(frozen=True, kw_only=True)
class LocalTime(Definition):
    """A part (hour, weekday, ...) of the local time in ``zone``, or in the zone that the column ``zone_in`` names."""

    source: str
    part: str
    zone: str = ""
    zone_in: str = ""


@dataclass(frozen=True, kw_only=True)
class DaysSince(AsOf):
    """Midnights between the newest event and the time in ``source``: in ``zone``, or the zone that the column ``zone_in``
    names, or in UTC."""

    source: str
    zone: str = ""
    zone_in: str = ""


@dataclass(frozen=True, kw_only=True)
class Latest(AsOf):
    """The newest value of an entity."""

    value: str


@dataclass(frozen=True, kw_only=True)
class Rolling(AsOf):
    """The mean, count or sum of an entity's values over a window (or "global": all) that ends when it is asked.

    Of no event the mean is null, and count and sum are what ``empty`` says: "zero" or "null".
    """

    value: str
    how: str = "mean"
    window: str
    empty: str = "zero"


@dataclass(frozen=True, kw_only=True)
class Rate(Definition):
    """One rolling feature over another, drawn towards ``prior`` as if ``weight`` more had been counted with that rate.

    With ``per="rest"`` the one is over what is left of the other without it: odds, where "all" gives a share. Its window
    is the longer of the two; turning it turns that one, or both where they are as long.
    """

    of: Rolling
    over: Rolling
    prior: float = 0.0
    weight: float = 0.0
    per: str = "all"


@dataclass(frozen=True, kw_only=True)
class Filled(Definition):
    """Another feature, its nulls filled with ``fill``: a number, "zero", or "mean" or "median" as fitted on training."""

    of: Definition
    fill: str | float
    mean: float = 0.0
    median: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Normalized(AsOf):
    """Another feature, less the mean and over the deviation that ``value`` had over ``window``.

    The window "global" ends at ``fitted``, once for all, and has no beginning: like a scaler fitted on training, it is
    the same for requests before its end. A deviation of 0 counts as 1, as
    scikit-learn's StandardScaler has it.
    """

    of: Definition
    value: str
    window: str
    fitted: str = ""


def evaluate(
    definitions: Mapping[str, Definition],
    raw: Mapping[str, pd.DataFrame],
    requests: pd.DataFrame,
    asked: str,
    lines: Memory | None = None,
):
    """The features of every request as of its own time.

    ``raw`` maps a table's name to events with a column ``known``, the time since which a row is known; ``asked`` is
    the requests' time column. Gives a frame with one column a definition and the requests' index. Nothing with a later
    ``known`` is read, but by a `Normalized` whose window is global, by the clock of events, and by a horizon: see `AsOf`.
    ``lines`` remembers the sorted events and their running sums for the next call, which must have the same ``raw``.
    """
    when = nanoseconds(requests[asked])
    lines = Memory() if lines is None else lines
    columns = {name: value(d, raw, requests, when, lines) for name, d in definitions.items()}
    return pd.DataFrame(columns, index=requests.index)


@singledispatch
def value(definition, raw, requests, when, lines):
    raise SkewkitError(f"{type(definition).__name__} is no feature definition; see skewkit.features.definitions")


@value.register
def _(d: Column, raw, requests, when, lines):
    return requests[d.source].to_numpy()


@value.register
def _(d: Encoded, raw, requests, when, lines):
    code = pd.Index(d.vocabulary).get_indexer(requests[d.source].astype(object))
    return np.where(code < 0, np.nan, code) if d.unknown is None else np.where(code < 0, d.unknown, code)


@value.register
def _(d: LocalTime, raw, requests, when, lines):
    wall = local(requests[d.source], d.zone or requests[d.zone_in])
    return part(d.part, wall).to_numpy()


@value.register
def _(d: DaysSince, raw, requests, when, lines):
    row = _newest(d, raw, requests, when, lines)
    moments = _times(d, raw, lines, "known" if d.clock == "ingestion" else "happened")
    newest = pd.Series(pd.to_datetime(_at(moments, row, NEVER), utc=True), index=requests.index)
    z = d.zone or (requests[d.zone_in] if d.zone_in else "UTC")
    return days_between(local(requests[d.source], z), local(newest, z)).to_numpy(float)


@value.register
def _(d: Latest, raw, requests, when, lines):
    _needs(d, raw[d.table], "value")
    return _at(raw[d.table][d.value].to_numpy(float), _newest(d, raw, requests, when, lines), np.nan)


@value.register
def _(d: Rolling, raw, requests, when, lines):
    if d.how not in ("mean", "count", "sum"):
        raise SkewkitError(f"how={d.how!r} was asked of a rolling feature; there are mean, count and sum")
    if d.empty not in ("zero", "null"):
        raise SkewkitError(f"empty={d.empty!r} was asked of a rolling feature; there are zero and null")
    window = _window(d, raw, requests, _as_of(d, requests, when), lines)
    made = getattr(window, d.how)
    return made if d.empty == "zero" else np.where(window.count > 0, made, np.nan)


@value.register
def _(d: Rate, raw, requests, when, lines):
    part, whole = (value(r, raw, requests, when, lines) for r in (d.of, d.over))
    if d.per not in ("all", "rest"):
        raise SkewkitError(f"per={d.per!r} was asked of a rate; there are all and rest")
    part, whole = part + d.prior * d.weight, whole + d.weight
    below = whole if d.per == "all" else whole - part
    return np.divide(part, below, out=np.full(len(part), np.nan), where=below > 0)


@value.register
def _(d: Filled, raw, requests, when, lines):
    known = {"zero": 0.0, "mean": d.mean, "median": d.median}
    if isinstance(d.fill, str) and d.fill not in known:
        raise SkewkitError(f"fill={d.fill!r} was asked; it is a number, {', '.join(known)}")
    plain = np.asarray(value(d.of, raw, requests, when, lines), float)
    return np.where(np.isnan(plain), known.get(d.fill, d.fill), plain)


@value.register
def _(d: Normalized, raw, requests, when, lines):
    until = _as_of(d, requests, when)
    plain = value(d.of, raw, requests, until, lines)
    if d.window == GLOBAL:
        if not d.fitted:
            raise SkewkitError(f"window={GLOBAL!r} was asked; it needs fitted=, the time at which training ended")
        until = np.full(len(requests), nanoseconds([d.fitted])[0])
    window = _window(d, raw, requests, until, lines)
    return (plain - window.mean) / np.where(window.deviation == 0, 1.0, window.deviation)


def timeline(d: AsOf, raw, lines, column):
    """The events a definition reads by one of their times, sorted once."""
    events = raw[d.table]
    if d.by:
        _needs(d, events, "by")
    times = _times(d, raw, lines, column)
    return lines.get(("events", d.table, d.by, column), lambda: Timeline(_whose(d, events), times))


def _times(d: AsOf, raw, lines, column):
    """One of the times of the events a definition reads, in nanoseconds, shape (events,)."""
    events = raw[d.table]
    if column not in events:
        raise SkewkitError(f"clock={d.clock!r} needs the column {column!r} of {d.table}; it has {', '.join(events)}")
    return lines.get(("times", d.table, column), lambda: nanoseconds(events[column]))


def _whose(d: AsOf, rows):
    """Whose each event or request is, by the column ``by``; without one, all are one series."""
    return rows[d.by] if d.by else pd.Series(0, index=rows.index)


def _needs(d: AsOf, events, knob):
    """Refuse a knob that names a column which the events have not."""
    if (name := getattr(d, knob)) not in events:
        raise SkewkitError(f"{knob}={name!r} needs a column of {d.table} of that name; it has {', '.join(events)}")


def _as_of(d: AsOf, requests, when):
    """The moment whose knowledge a request is served."""
    if d.by and d.by not in requests:
        raise SkewkitError(f"by={d.by!r} was asked; the requests have {', '.join(requests)}")
    if d.clock not in CLOCKS:
        raise SkewkitError(f"clock={d.clock!r} was asked; there are {', '.join(CLOCKS)}")
    ttl = duration(d.ttl, "ttl")
    seen = when[refreshed(_whose(d, requests), when, ttl)] if ttl else when
    every = duration(d.snapshot, "snapshot") if d.snapshot else 0
    seen = before(snapped(seen, every) if every else seen, duration(d.lag, "lag"))
    # by the clock of events, the one that is asked about happens when it is asked
    return before(after(seen, duration(d.horizon, "horizon")), 0 if d.clock == "ingestion" else 1)


def _newest(d: AsOf, raw, requests, when, lines):
    """The row of the newest event that is known; -1 where there is none. A stream keeps what came last."""
    line = timeline(d, raw, lines, "happened" if d.clock == "event" else "known")
    return line.latest(_whose(d, requests), before(_as_of(d, requests, when), duration(d.edge, "edge")))


def _window(d: Rolling | Normalized, raw, requests, until, lines):
    """What lies in the window that ends at ``until``."""
    who = _whose(d, requests)
    _needs(d, raw[d.table], "value")
    always = np.full(len(until), NEVER)
    length = min(_length(d) + duration(d.horizon, "horizon"), FOREVER)
    # code that leaks sees further, and no less of the past
    begin = always if d.window == GLOBAL else before(until, length)
    end = before(until, duration(d.edge, "edge"))
    if d.clock != "stream":
        column = "known" if d.clock == "ingestion" else "happened"
        return timeline(d, raw, lines, column).between(who, begin, end, _running(d, raw, lines, column))
    latest = min(length, duration(d.watermark, "watermark") if d.watermark else FOREVER)
    arrived, expired = (
        timeline(d, raw, lines, column).between(who, always, upto, _running(d, raw, lines, column, latest))
        for column, upto in (("known", end), ("happened", begin))
    )
    return arrived.without(expired)


def _running(d: Rolling | Normalized, raw, lines, column, latest=None):
    """The sums of a definition's values up to each event, as often as each counts; with ``latest`` (nanoseconds), of those
    alone that came no later than that after they happened."""

    def make():
        values = raw[d.table][d.value].to_numpy(float)
        if latest is not None:
            came, happened = (_times(d, raw, lines, c) for c in ("known", "happened"))
            counts = (came > NEVER) & (happened > NEVER) & (came <= after(happened, latest))
            values = np.where(counts, values, np.nan)
        return timeline(d, raw, lines, column).running(values, _weights(d, len(values)))

    return lines.get(("sums", d.table, d.by, column, d.value, d.counted, latest), make)


def _length(d: Rolling | Normalized) -> int:
    """How long a window is, in nanoseconds."""
    return FOREVER if d.window == GLOBAL else duration(d.window, "window")


def _weights(d: AsOf, events):
    """How often each event is counted."""
    if d.counted == 1:
        return None
    return np.floor(d.counted) + (coin(np.arange(events), "counted") < d.counted % 1)


def _at(values, row, missing):
    """The values at these rows; ``missing`` where the row is -1."""
    return np.append(values, missing)[row]


def knobs_of(definition: Definition) -> frozenset[str]:
    """The names of the fields that can be turned, those of the definition inside it included."""
    names = {f.name for f in fields(definition)}
    return frozenset(names.union(*(knobs_of(d) for d in _inside(definition).values()))) - {"of", "over"}


def turn(definition: Definition, **knobs: Any) -> Definition:
    """The definition with its fields changed: the outermost that has a knob is the one that turns."""
    own = {k: v for k, v in knobs.items() if k in {f.name for f in fields(definition)}}
    rest = {k: v for k, v in knobs.items() if k not in own}
    if rest:
        parts = _inside(definition)
        takes = {name: {k: v for k, v in rest.items() if k in knobs_of(d)} for name, d in parts.items()}
        if isinstance(definition, Rate) and "window" in rest:
            for name in parts:
                if _length(parts[name]) < max(map(_length, parts.values())):
                    del takes[name]["window"]
        if lost := [k for k in rest if not any(k in t for t in takes.values())]:
            names = ", ".join(sorted(knobs_of(definition)))
            raise SkewkitError(f"{', '.join(lost)} was turned on {type(definition).__name__}; its knobs are {names}")
        own |= {name: turn(getattr(definition, name), **t) for name, t in takes.items()}
    return replace(definition, **own)


def _inside(definition: Definition) -> dict[str, Definition]:
    """The definitions that this one is made of, by the fields that hold them."""
    return {n: getattr(definition, n) for n in ("of", "over") if is_dataclass(getattr(definition, n, None))}


def reads(definition: Definition) -> frozenset[str]:
    """The columns of a request that a definition reads."""
    own = {getattr(definition, n, "") for n in ("source", "by", "zone_in")} - {""}
    return frozenset(own.union(*(reads(d) for d in _inside(definition).values())))


def digest(definitions: Mapping[str, Definition]) -> str:
    """A hash of what the features are, in hexadecimal."""
    text = json.dumps({n: [type(d).__name__, asdict(d)] for n, d in definitions.items()}, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
