"""One value at a time, without pandas' columns: moments, wall clocks and their parts, what is missing."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo

import pandas as pd

from ..records import SkewkitError
from ..timeline import NEVER, zone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(value) -> int:
    """A moment in nanoseconds since 1970 in UTC; of none NEVER."""
    if isinstance(value, int):
        return value
    return NEVER if missing(value) else pd.Timestamp(value).as_unit("ns").value


def missing(value) -> bool:
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def number(value) -> float:
    return math.nan if missing(value) else float(value)


@cache
def _clock(name):
    zone(name)
    if name[0] in "+-":
        east = timedelta(hours=int(name[1:3]), minutes=int(name[4:6]))
        return timezone(east if name[0] == "+" else -east)
    return ZoneInfo(name)


def wall_clock(moment: int, name) -> datetime | None:
    """A wall clock; None where the moment or the zone is missing."""
    if moment == NEVER or missing(name):
        return None
    return (EPOCH + timedelta(microseconds=moment // 1_000)).astimezone(_clock(name))


def clock_part(name, wall):
    """One part of a wall clock, as `timeline.part` calls them."""
    if wall is None:
        return pd.NaT if name == "date" else math.nan
    day = wall.date()
    parts = {
        "hour": wall.hour,
        "weekday": wall.weekday(),
        "is_weekend": wall.weekday() // 5,
        "day": day.day,
        "dayofyear": day.timetuple().tm_yday,
        "month": day.month,
        "date": pd.Timestamp(day),
    }
    if name not in parts:
        raise SkewkitError(f"{name!r} is no part of a local time; there are {', '.join(parts)}")
    return parts[name]
