"""Which part of which time a column is, read in which zone: found from its values."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pandas as pd

from ..timeline import days_between, local, part

COMMON = (
    "UTC",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Europe/London",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Sydney",
)
RANGES = {
    "hour": (0, 23),
    "weekday": (0, 6),
    "is_weekend": (0, 1),
    "day": (1, 31),
    "dayofyear": (1, 366),
    "month": (1, 12),
}
LOOKS = 2_000  # rows that tell a reading
MOMENTS = 24  # of the span, at which zones are told apart


def different(times: pd.Series) -> tuple[str, ...]:
    """Zones that differ from each other somewhere in the span of these times, each under its commonest name.

    The common ones come first, then the others by name, then fixed offsets that are no zone's, by the quarter of an hour.
    """
    there = times.dropna()
    if not len(there):
        return COMMON
    return _different(int(there.min().timestamp()) // 86_400, int(there.max().timestamp()) // 86_400 + 1)


@lru_cache(maxsize=16)
def _different(first, last):
    moments = pd.to_datetime(np.linspace(first, last, MOMENTS) * 86_400, unit="s", utc=True).to_pydatetime()
    cities = sorted(
        z for z in available_timezones() if "/" in z and not z.startswith(("Etc/", "posix", "right", "SystemV"))
    )
    seen, found = set(), []
    for name in (*COMMON, *cities):
        if (mark := tuple(m.astimezone(ZoneInfo(name)).utcoffset() for m in moments)) not in seen:
            seen.add(mark)
            found.append(name)
    for quarter in sorted(range(-48, 57), key=lambda q: (q % 4 != 0, q % 2 != 0, abs(q))):
        if (pd.Timedelta(15 * quarter, "min").to_pytimedelta(),) * MOMENTS not in seen:
            found.append(f"{'-' if quarter < 0 else '+'}{abs(quarter) // 4:02d}:{abs(quarter) % 4 * 15:02d}")
    return tuple(found)


def sources(frame: pd.DataFrame, first: str | None = None) -> list[str]:
    """The columns of time with a zone, the named one before the others."""
    aware = [c for c, kind in frame.dtypes.items() if getattr(kind, "tz", None) is not None]
    return sorted(aware, key=lambda c: c != first)


def read(frame: pd.DataFrame, reading: tuple, z: str) -> pd.Series:
    """The values of a reading (part, time column, event column) in a zone, or in that of each row where ``z`` is a column."""
    name, source, event = reading
    zones = frame.get(z, z)
    wall = local(frame[source], zones)
    return days_between(wall, local(frame[event], zones)) if name == "days_since" else part(name, wall)


def readings(frame: pd.DataFrame, column: pd.Series, source: str) -> list[tuple]:
    """What a column might be: its parts of the time in ``source``, those its name says first, and days since other times.

    Parts that its values cannot be are left out.
    """
    if column.dtype.kind not in "iufM":
        return []
    if column.dtype.kind == "M":
        return [("date", source, None)]
    values = column.dropna().to_numpy(float)
    if not len(values) or not np.isfinite(values).all() or (values % 1 != 0).any():
        return []
    low, high = values.min(), values.max()
    able = [p for p, (least, most) in RANGES.items() if least <= low and high <= most]
    named = sorted(able, key=lambda p: (p not in str(column.name), -len(p)))
    return [(p, source, None) for p in named] + [("days_since", source, c) for c in sources(frame) if c != source]


def matches(frame: pd.DataFrame, reading: tuple, z: str, column: pd.Series) -> float:
    """The share of the rows with a value that a reading in a zone gives."""
    there = column.notna().to_numpy(bool)
    mine = read(frame, reading, z)
    if not there.any() or (mine.dtype.kind == "M") != (column.dtype.kind == "M"):
        return 0.0
    return float(np.mean(mine[there].to_numpy() == column[there].to_numpy()))
