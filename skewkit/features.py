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

from .records import SkewkitError
from .timeline import NEVER, Timeline, before, days_between, duration, local, nanoseconds, part, refreshed

GLOBAL = "global"


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What every feature has. The records below say the rest."""


@dataclass(frozen=True, kw_only=True)
class AsOf(Definition):
    """Read from events: with those known ``lag`` before it is asked, or when a cache of ``ttl`` was last filled."""

    table: str
    by: str
    lag: str = "0s"
    ttl: str = "0s"


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
    """Midnights, in ``zone``, between the newest event of an entity and the time in ``source``."""

    source: str
    zone: str = "UTC"


@dataclass(frozen=True, kw_only=True)
class Latest(AsOf):
    """The newest value of an entity."""

    value: str


@dataclass(frozen=True, kw_only=True)
class Rolling(AsOf):
    """The mean, count or sum of an entity's values over a window (or "global": all) that ends when it is asked."""

    value: str
    how: str = "mean"
    window: str


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
    definitions: Mapping[str, Definition], raw: Mapping[str, pd.DataFrame], requests: pd.DataFrame, asked: str
):
    """The features of every request as of its own time.

    ``raw`` maps a table's name to events with a column ``known``, the time since which a row is known; ``asked`` is
    the requests' time column. Gives a frame with one column a definition and the requests' index. Nothing with a later
    ``known`` is read, but by a `Normalized` whose window is global.
    """
    when = nanoseconds(requests[asked])
    lines: dict = {}
    columns = {name: value(d, raw, requests, when, lines) for name, d in definitions.items()}
    return pd.DataFrame(columns, index=requests.index)


@singledispatch
def value(definition, raw, requests, when, lines):
    raise SkewkitError(f"{type(definition).__name__} is no feature definition; see skewkit.features")


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
    events, timeline = _timeline(d, raw, lines)
    row = timeline.latest(requests[d.by], _as_of(d, requests, when))
    newest = pd.Series(pd.to_datetime(_at(nanoseconds(events["known"]), row, NEVER), utc=True), index=requests.index)
    return days_between(local(requests[d.source], d.zone), local(newest, d.zone)).to_numpy(float)


@value.register
def _(d: Latest, raw, requests, when, lines):
    events, timeline = _timeline(d, raw, lines)
    row = timeline.latest(requests[d.by], _as_of(d, requests, when))
    return _at(events[d.value].to_numpy(float), row, np.nan)


@value.register
def _(d: Rolling, raw, requests, when, lines):
    events, timeline = _timeline(d, raw, lines)
    until = _as_of(d, requests, when)
    count, total, mean, _ = timeline.between(requests[d.by], _begin(d, until), until, events[d.value].to_numpy())
    if d.how not in ("mean", "count", "sum"):
        raise SkewkitError(f"how={d.how!r} was asked of a rolling feature; there are mean, count and sum")
    return {"mean": mean, "count": count, "sum": total}[d.how]


@value.register
def _(d: Normalized, raw, requests, when, lines):
    events, timeline = _timeline(d, raw, lines)
    until = _as_of(d, requests, when)
    plain = value(d.of, raw, requests, until, lines)
    if d.window == GLOBAL:
        until = np.full(len(requests), nanoseconds([d.fitted])[0])
    *_, mean, deviation = timeline.between(requests[d.by], _begin(d, until), until, events[d.value].to_numpy())
    return (plain - mean) / np.where(deviation == 0, 1.0, deviation)


def _timeline(d: AsOf, raw, lines):
    """The events a definition reads, and their timeline, sorted once a batch."""
    events = raw[d.table]
    if (d.table, d.by) not in lines:
        lines[d.table, d.by] = Timeline(events[d.by], nanoseconds(events["known"]))
    return events, lines[d.table, d.by]


def _as_of(d: AsOf, requests, when):
    """The moment whose knowledge a request is served."""
    ttl = duration(d.ttl, "ttl")
    seen = when[refreshed(requests[d.by], when, ttl)] if ttl else when
    return before(seen, duration(d.lag, "lag"))


def _at(values, row, missing):
    """The values at these rows; ``missing`` where the row is -1."""
    return np.append(values, missing)[row]


def _begin(d: Rolling | Normalized, until):
    """Where a window begins; one that is global has all there is before its end."""
    return np.full(len(until), NEVER) if d.window == GLOBAL else before(until, duration(d.window, "window"))


def knobs_of(definition: Definition) -> frozenset[str]:
    """The names of the fields that can be turned, those of the definition inside it included."""
    names = {f.name for f in fields(definition)}
    inner = getattr(definition, "of", None)
    return frozenset(names | (knobs_of(inner) if inner is not None else set())) - {"of"}


def turn(definition: Definition, **knobs: Any) -> Definition:
    """The definition with its fields changed: the outermost that has a knob is the one that turns."""
    own = {k: v for k, v in knobs.items() if k in {f.name for f in fields(definition)}}
    rest = {k: v for k, v in knobs.items() if k not in own}
    if rest:
        if not is_dataclass(inner := getattr(definition, "of", None)):
            names = ", ".join(sorted(knobs_of(definition)))
            raise SkewkitError(f"{', '.join(rest)} was turned on {type(definition).__name__}; its knobs are {names}")
        own["of"] = turn(inner, **rest)
    return replace(definition, **own)


def digest(definitions: Mapping[str, Definition]) -> str:
    """A hash of what the features are, in hexadecimal."""
    text = json.dumps({n: [type(d).__name__, asdict(d)] for n, d in definitions.items()}, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
