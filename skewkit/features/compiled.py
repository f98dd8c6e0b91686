"""The same definitions as one Ibis expression, so that an engine computes the training side: DuckDB, Spark, a warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

import pandas as pd

from ..records import SkewkitError
from ..timeline import duration, zone
from .definitions import (
    CLOCKS,
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

LOCAL = {"duckdb": "timezone", "postgres": "timezone", "pyspark": "from_utc_timestamp"}  # an engine's own wall clock
PARTS = {
    "hour": lambda t: t.hour(),
    "weekday": lambda t: t.day_of_week.index(),
    "is_weekend": lambda t: (t.day_of_week.index() >= 5).cast("int64"),
    "day": lambda t: t.day(),
    "dayofyear": lambda t: t.day_of_year(),
    "month": lambda t: t.month(),
    "date": lambda t: t.truncate("D"),
}


def compiled(definitions: Mapping[str, Definition], raw: Mapping[str, Any], requests: Any, asked: str, key: str) -> Any:
    """An Ibis table with ``key`` and one column a definition: what `features.evaluate` gives, computed where the tables lie.

    ``raw`` maps names to Ibis tables of events with their times ``known`` and ``happened``; ``requests`` is one of the same
    engine, unique by ``key``; ``asked`` its column of time. All times are in UTC, and of ``known`` and ``happened`` of one
    event the rows' own order decides nothing: of two newest events at once an engine takes either. A cache (``ttl``) and a
    share of events that count twice depend on the order of rows, and are refused with a SkewkitError. Zones in a column
    are IANA names.
    """
    made = requests.select(key)
    for name, definition in definitions.items():
        column = _value(definition, _Asked(raw, requests, asked, key))
        made = made.left_join(column.select(key, **{name: column["value"]}), key).drop(f"{key}_right")
    return made


class _Asked:
    """What a definition is computed from: tables of one engine."""

    def __init__(self, raw, requests, asked, key):
        self.raw, self.requests, self.asked, self.key = raw, requests, asked, key

    @property
    def engine(self) -> str:
        return self.requests.get_backend().name

    def with_value(self, value) -> Any:
        """The requests' key, and a value computed from their own columns."""
        return self.requests.select(self.key, value=value)

    def wall(self, times, zone_of):
        """A wall clock: by the engine's own function, for Ibis has none for a zone in a column."""
        import ibis
        import ibis.expr.datatypes as dt

        if isinstance(zone_of, str) and zone(zone_of)[0] in "+-":  # which not every engine takes for a zone
            minutes = (int(zone_of[1:3]) * 60 + int(zone_of[4:6])) * (-1 if zone_of[0] == "-" else 1)
            times, zone_of = _moved(times, minutes * 60 * 10**9), "UTC"
        if self.engine not in LOCAL:
            known = ", ".join(LOCAL)
            raise SkewkitError(f"a local time was asked of {self.engine}; compiled features know it of {known}")
        name = ibis.literal(zone(zone_of)) if isinstance(zone_of, str) else zone_of
        moment, wall = dt.Timestamp(timezone="UTC"), dt.Timestamp()
        spark = self.engine == "pyspark"  # which takes a moment as it stands in UTC
        takes = ((dt.Timestamp(timezone="UTC"), dt.string) if spark else (dt.string, moment), wall)

        @ibis.udf.scalar.builtin(name=LOCAL[self.engine], signature=takes)
        def local(one, other): ...

        return local(times, name) if spark else local(name, times)


@singledispatch
def _value(d, a: _Asked):
    raise SkewkitError(f"{type(d).__name__} is no feature definition; see skewkit.features.definitions")


@_value.register
def _(d: Column, a):
    return a.with_value(a.requests[d.source])


@_value.register
def _(d: Encoded, a):
    import ibis

    column = a.requests[d.source]
    none = ibis.null("float64") if d.unknown is None else d.unknown
    if not d.vocabulary:
        return a.with_value(ibis.literal(none) if d.unknown is not None else none)
    codes = ibis.memtable({"word": list(d.vocabulary), "code": list(range(len(d.vocabulary)))})
    found = a.requests.select(a.key, word=column).left_join(codes, "word")
    return found.select(a.key, value=found["code"].fill_null(none) if d.unknown is not None else found["code"])


@_value.register
def _(d: LocalTime, a):
    if d.part not in PARTS:
        raise SkewkitError(f"{d.part!r} is no part of a local time; there are {', '.join(PARTS)}")
    wall = a.wall(_moment(a.requests[d.source]), d.zone or a.requests[d.zone_in])
    return a.with_value(PARTS[d.part](wall))


@_value.register
def _(d: DaysSince, a):
    newest = _newest(d, a)
    both = a.requests.select(a.key, *{d.source, d.zone_in} - {""}).left_join(newest, a.key)
    z = d.zone or (both[d.zone_in] if d.zone_in else "UTC")
    asked, then = (a.wall(_moment(both[c]), z).date() for c in (d.source, "at"))
    return both.select(a.key, value=asked.delta(then, unit="day").cast("float64"))


@_value.register
def _(d: Latest, a):
    both = a.requests.select(a.key).left_join(_newest(d, a), a.key)
    return both.select(a.key, value=both["latest"])


@_value.register
def _(d: Rolling, a):
    import ibis

    window = _window(d, a, _until(d, a))
    value = window[{"mean": "mean", "count": "count", "sum": "total"}[d.how]]
    if d.empty == "null":
        value = ibis.ifelse(window["count"] > 0, value, None)
    return window.select(a.key, value=value)


@_value.register
def _(d: Rate, a):
    part, whole = (_value(r, a).rename({n: "value"}) for r, n in ((d.of, "part"), (d.over, "whole")))
    both = part.join(whole, a.key)
    of, over = both["part"] + d.prior * d.weight, both["whole"] + d.weight
    below = over if d.per == "all" else over - of
    return both.select(
        a.key, value=(of / below.nullif(0)) if d.per == "all" else (below > 0).ifelse(of / below.nullif(0), None)
    )


@_value.register
def _(d: Filled, a):
    plain = _value(d.of, a)
    fill = {"zero": 0.0, "mean": d.mean, "median": d.median}.get(d.fill, d.fill)
    value = plain["value"].cast("float64")
    return plain.select(a.key, value=value.isnan().ifelse(None, value).fill_null(float(fill)))


@_value.register
def _(d: Normalized, a):
    import ibis

    plain = _value(d.of, a).rename(plain="value")
    until = _until(d, a)
    if d.window == GLOBAL:
        until = ibis.literal(pd.Timestamp(d.fitted)).cast("timestamp('UTC')")
    both = plain.join(_window(d, a, until), a.key)
    spread = both["deviation"]
    return both.select(
        a.key, value=(both["plain"] - both["mean"]) / (spread <= 1e-6 * both["mean"].abs()).ifelse(1.0, spread)
    )


def _until(d: AsOf, a):
    """The moment whose knowledge a request is served, and whether what happens at it is known."""
    if duration(d.ttl, "ttl") or d.counted % 1:
        raise SkewkitError(
            f"ttl={d.ttl!r} and counted={d.counted!r} were asked of compiled features; they depend on the order of rows: "
            f"evaluate them in memory"
        )
    if d.clock not in CLOCKS:
        raise SkewkitError(f"clock={d.clock!r} was asked; there are {', '.join(CLOCKS)}")
    seen = _moment(a.requests[a.asked])
    if d.snapshot:
        every = duration(d.snapshot, "snapshot") // 10**9
        seen = _moment((seen.epoch_seconds() // every * every).as_timestamp("s"))
    return _moved(seen, duration(d.horizon, "horizon") - duration(d.lag, "lag"))


def _moment(times):
    """Times to the microsecond in UTC, in whatever units they are kept."""
    return times.cast("timestamp('UTC', 6)")


def _moved(times, nanoseconds):
    """Times later by a length, or earlier."""
    import ibis

    length = ibis.interval(abs(nanoseconds) // 1_000, unit="us")
    return times if not nanoseconds else times + length if nanoseconds > 0 else times - length


def _joined(d: AsOf, a, until):
    """Each request with each event of its own, and the moment ``until``, so far as it has any."""
    events = a.raw[d.table]
    keep = {c: _moment(events[c]) for c in ("known", "happened") if c in events.columns}
    value = getattr(d, "value", "")
    if value:
        keep["held"] = events[value].cast("float64")
    whose = {"whose": events[d.by]} if d.by else {}
    here = a.requests.select(a.key, until=until, **({"who": a.requests[d.by]} if d.by else {}))
    there = events.select(**keep, **whose)
    return here, there, [here["who"] == there["whose"]] if d.by else []


def _known(d: AsOf, until, at):
    """Whether an event at ``at`` is known: by the clock of events, one that happens when it is asked is not before it."""
    return at <= until if d.clock == "ingestion" else at < until


def _newest(d: AsOf, a):
    """Of each request that has one the newest event: its value, and its time."""
    import ibis

    here, there, mine = _joined(d, a, _moved(_until(d, a), -duration(d.edge, "edge")))
    at = there["happened" if d.clock == "event" else "known"]
    both = here.join(there, [*mine, _known(d, here["until"], at)])
    order = both["happened" if d.clock == "event" else "known"]
    ranked = both.mutate(place=ibis.row_number().over(group_by=both[a.key], order_by=order.desc()))
    first = ranked.filter(ranked["place"] == 0)
    held = {"latest": first["held"]} if "held" in first.columns else {}
    return first.select(a.key, at=first["known" if d.clock == "ingestion" else "happened"], **held)


def _window(d: Rolling | Normalized, a, until):
    """Of every request the count, mean, sum and deviation of the events in its window."""
    here, there, mine = _joined(d, a, until)
    there = there.filter(there["held"].notnull() & ~there["held"].isnan() & ~there["held"].isinf())
    end = _moved(here["until"], -duration(d.edge, "edge"))
    rules = [*mine]
    if d.clock == "stream":
        rules.append(_known(d, end, there["known"]))
    else:
        rules.append(_known(d, end, there["known" if d.clock == "ingestion" else "happened"]))
    at = there["known" if d.clock == "ingestion" else "happened"]
    if d.window != GLOBAL:
        length = duration(d.window, "window") + duration(d.horizon, "horizon")
        begin = _moved(here["until"], -length)
        rules.append(at > begin if d.clock == "ingestion" else at >= begin)
        latest = min(length, duration(d.watermark, "watermark") if d.watermark else length)
        if d.clock == "stream":
            rules.append(there["known"] <= _moved(there["happened"], latest))
    elif d.clock == "stream" and d.watermark:
        rules.append(there["known"] <= _moved(there["happened"], duration(d.watermark, "watermark")))
    both = here.join(there, rules)
    made = both.group_by(a.key).aggregate(
        n=both["held"].count(),
        average=both["held"].mean(),
        summed=both["held"].sum(),
        spread=both["held"].std(how="pop"),
    )
    whole = a.requests.select(a.key).left_join(made, a.key)
    times = d.counted
    return whole.select(
        a.key,
        count=(whole["n"].fill_null(0) * times).cast("float64"),
        mean=whole["average"],
        total=(whole["summed"].fill_null(0.0) * times),
        deviation=whole["spread"],
    )
