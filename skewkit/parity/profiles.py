"""Synthetic requests, drawn from a contract of what may come in, with the edges that bite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from ..contracts.contract import Contract
from ..records import SkewkitError
from ..timeline import zone

EDGES = 0.1  # of the rows, for each column, that hold one of its edges
NEVER_SEEN = "never seen before"
SPELT = (
    "Zürich",
    "Zu\u0308rich",
    "İstanbul",
    "ﬁsh",
    "\U0001f6d2",
    "'; --",
    "a\tb",
    "",
)  # texts that code stumbles over
WHOLE = (0, 2**31 - 1, 2**31, 2**53, 2**53 + 1)
REAL = (0.0, -0.0, 0.1 + 0.2, 1e-300, 2.0**53, 1e15 + 0.3)


def profiles(
    contract: Contract,
    n: int = 10_000,
    seed: int = 0,
    key: str | None = None,
    known: Mapping[str, Sequence[Any]] | None = None,
    times: tuple[Any, Any] = ("2024-01-01", "2025-01-01"),
    zones: Sequence[str] = ("UTC", "Europe/Berlin", "America/New_York"),
) -> pd.DataFrame:
    """``n`` requests that keep a contract, each column drawn by itself; the same for the same seed.

    Numbers are uniform in their range and texts from their vocabulary, or from the values ``known`` of a column that has
    none (entities, say); times lie between ``times`` (UTC), to the microsecond. Of every column a tenth of the rows
    holds an edge: the ends of its range, negative zero, 2**53, what is never seen, texts in unicode, nulls where the
    contract allows them, and of times midnight, the change of clocks in ``zones``, the leap day and the year's end, and
    the microsecond before each. Edges that the contract forbids are left out. The ``key`` counts from 0.

    Raises SkewkitError for a column that a contract says too little of: give its values in ``known``.
    """
    if not isinstance(n, int) or n < 1:
        raise SkewkitError(f"n={n!r} profiles were asked; give a whole number from 1")
    first, last = (pd.Timestamp(t) for t in times)
    first, last = (t.tz_localize("UTC") if t.tz is None else t.tz_convert("UTC") for t in (first, last))
    if not first < last:
        raise SkewkitError(f"times={times!r} were asked of profiles; the first must come before the last")
    made = {}
    for place, (name, rule) in enumerate(contract.columns.items()):
        rng = np.random.default_rng([seed, place])
        if name == key:
            made[name] = pd.Series(range(n))
            continue
        plain, edges = _ways(name, rule, n, rng, (known or {}).get(name), (first, last), tuple(map(zone, zones)))
        column = pd.Series(plain)
        if rule.nulls > 0:
            edges = [*edges, None]
        if edges:
            rows = rng.permutation(n)[: max(min(n, len(edges)), round(EDGES * n))]
            values = [edges[i % len(edges)] for i in range(len(rows))]
            column = _placed(column, rows, values)
        made[name] = column
    return pd.DataFrame(made)


def _placed(column, rows, values):
    """The column with these values in these rows, whole numbers whole unless one is null."""
    whole = column.dtype.kind in "iu" and not any(v is None for v in values)
    if column.dtype.kind in "iuf" and not whole:
        column = column.astype(float)
    elif column.dtype.kind not in "iufM":
        column = column.astype(object)
    column = column.copy()
    column.iloc[rows] = pd.Series(values, index=column.index[rows], dtype=column.dtype)
    return column


def _ways(name, rule, n, rng, known, times, zones):
    """Plain values of a column, and its edges."""
    if rule.kind == "time" and known is None:
        span = int((times[1] - times[0]) / pd.Timedelta("1us"))
        drawn = times[0] + pd.to_timedelta(rng.integers(0, span, n), "us")
        return drawn.as_unit("us"), _moments(times, zones)
    values = rule.values if rule.values is not None else known
    if values is not None:
        if not len(values):
            raise SkewkitError(f"known[{name!r}] holds no value; give some of the column's")
        values = np.array(list(values), dtype=object)
        plain = pd.Series(values[rng.integers(0, len(values), n)]).infer_objects()
        free = rule.values is None
        text = all(isinstance(v, str) for v in values)
        return plain, ([NEVER_SEEN, *SPELT] if text and free else [])
    if rule.kind == "boolean":
        return rng.integers(0, 2, n).astype(bool), []
    if rule.kind in ("integer", "number") and rule.range is not None:
        low, high = rule.range
        may = [v for v in (low, high, *(WHOLE if rule.kind == "integer" else REAL)) if v is not None]
        may = [v for v in may if (low is None or low <= v) and (high is None or v <= high)]
        low = low if low is not None else min(-1e6, (high or 0) - 1e6)  # where an end is open
        high = high if high is not None else max(1e6, low + 1e6)
        if rule.kind == "integer":
            return rng.integers(int(low), int(high) + 1, n), [int(v) for v in may]
        return rng.uniform(low, high, n), [float(v) for v in may]
    if rule.kind == "text":
        return np.array([NEVER_SEEN] * n, dtype=object), list(SPELT)
    raise SkewkitError(
        f"profiles were asked of {name!r}, of which the contract says {rule.kind or 'nothing'} without a range or values; "
        f"give known={{{name!r}: [values]}}"
    )


def _moments(times, zones):
    """Midnights, changes of clocks, the leap day and the ends of years within a span, and the microsecond before each."""
    days = pd.date_range(times[0].normalize(), times[1], freq="D")
    found = [t for t in days if (t.month, t.day) in ((1, 1), (2, 29), (3, 1))] + list(days[:2])
    for name in (z for z in zones if z[0] not in "+-"):
        there = ZoneInfo(name)
        hours = pd.date_range(times[0].floor("h"), times[1], freq="h")
        offsets = np.array([t.astimezone(there).utcoffset() for t in hours.to_pydatetime()])
        found += list(hours[1:][offsets[1:] != offsets[:-1]])
        found += [
            pd.Timestamp(d.date()).tz_localize(name, nonexistent="shift_forward", ambiguous=True).tz_convert("UTC")
            for d in days[1:3]
        ]
    moments = sorted({t - d for t in found for d in (pd.Timedelta(0), pd.Timedelta("1us"))})
    return [t for t in moments if times[0] <= t <= times[1]]
