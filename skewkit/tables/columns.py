"""What kind of values a column holds, and how they are spread."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import cached_property
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..statistics.distributions import Distribution
from ..timeline import microseconds

SOME = 1_000  # values that tell whether a column repeats itself
REPEATED = 4  # rows a value, on average, from which distinct values are held alone
TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
KINDS = ("boolean", "integer", "number", "text", "time", "naive time", "other")


class Names(tuple):
    """Columns' names in their order, of which there may be thousands: whether one is among them is told at once."""

    def __contains__(self, name):
        return name in self._known

    @cached_property
    def _known(self):
        return frozenset(self)


def nulls(series: pd.Series) -> np.ndarray:
    """Which rows hold no value, shape (n,), bool: null of any kind, NaN in every type of float included."""
    absent = series.isna().to_numpy(bool)
    if isinstance(series.dtype, pd.ArrowDtype) and series.dtype.kind == "f":  # it tells a NaN from a null
        return np.isnan(series.to_numpy(float, na_value=np.nan))
    return absent


def as_numbers(series: pd.Series) -> np.ndarray:
    """Numbers without nulls as they are, shape (n,): whole ones of up to 64 bits as integers, larger ones and decimals as
    Python's own, all others as floats."""
    if series.dtype.kind in "iu":
        return series.to_numpy("uint64" if series.dtype.kind == "u" else "int64")
    if series.dtype.kind == "b":
        return series.to_numpy("int64")
    if series.dtype.kind == "f":
        return series.to_numpy(float)
    values = series.astype(object).to_numpy()
    for dtype in ("int64", "uint64"):
        with suppress(OverflowError, TypeError, ValueError):
            whole = values.astype(dtype)
            if (whole == values).all():
                return whole
    return values.astype(float) if all(isinstance(v, float) for v in values) else values


def distribution_of(series: pd.Series) -> Distribution:
    """The distribution of one column, exactly."""
    if _float(series):
        ordered = np.sort(series.to_numpy(float, copy=False))
        n = int(np.searchsorted(ordered, np.inf, "right"))  # NaN is last
        return _short("number", ordered[:n], len(ordered) - n)
    kind, values, _ = plain(series)
    absent = len(series) - len(values)
    if kind == "text":
        counts = pd.Series(values, dtype=object).value_counts()
        found, count = counts.index.to_numpy(object), counts.to_numpy()
        order = np.argsort(found)
        return Distribution(kind, found[order], np.cumsum(count[order]), len(values), absent)
    return _short(kind, np.sort(values), absent)


def _short(kind, ordered, nulls):
    """The distinct values alone, where each stands for several rows: less to hold, and less to compare."""
    every = Distribution(kind, ordered, None, len(ordered), nulls)
    some = ordered[:: max(1, len(ordered) // SOME)]
    if len(ordered) and REPEATED * (np.count_nonzero(some[1:] != some[:-1]) + 1) > len(some):
        return every
    return Distribution(kind, every.values, every.upto, every.n, nulls)


def plain(series: pd.Series) -> tuple[str, np.ndarray, np.ndarray]:
    """A column's kind, its values as a Distribution holds them, shape (values,), and which rows have one, shape (n,)."""
    kind, present = kind_of(series), ~nulls(series)
    values = series if present.all() else series[present]
    if kind == "text":
        return kind, values.astype(object).map(str).to_numpy(object), present
    if kind == "other":
        return "text", values.astype(object).map(as_text).to_numpy(object), present
    if "time" in kind:
        return kind, microseconds(values), present
    if kind != "integer":
        return kind, values.to_numpy(float), present
    whole = as_numbers(values)
    return (kind, whole, present) if whole.dtype.kind in "iu" else ("number", whole.astype(float), present)


def as_text(value: Any) -> str:
    """A value that is no number, text or time, as a text that is the same for equal values: lists, bytes, mappings."""
    value = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(as_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(sorted(f'{as_text(k)}: {as_text(v)}' for k, v in value.items()))}}}"
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
        return f"{value:.9g}" if isinstance(value, float) and not value.is_integer() else str(int(value))
    return repr(value)


def digest(series: pd.Series, rows: np.ndarray) -> bytes:
    """A hash of some rows that is the same for columns that hold the same there: a whole number may be a float in one."""
    if _float(series):
        some = series.to_numpy(copy=False)[rows].astype(float)
        kind, present = "number", ~np.isnan(some)
        values = some[present]
    else:
        kind, values, present = plain(series.iloc[rows])
    if kind == "text":
        values = pd.util.hash_array(values)
    elif kind in ("integer", "number", "boolean"):
        values = values.astype(float) + 0.0  # no zero is negative
    return hashlib.sha256(values.tobytes() + present.tobytes()).digest()


def _float(series):
    return isinstance(series.dtype, np.dtype) and series.dtype.kind == "f"


def kind_of(series: pd.Series) -> str:
    """A pandas column's kind, one of KINDS."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return kind_of(pd.Series(dtype.categories))
    if isinstance(dtype, pd.ArrowDtype):
        return arrow_kind(dtype.pyarrow_dtype)
    if dtype.kind == "M":
        return "time" if getattr(dtype, "tz", None) is not None else "naive time"
    known = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "m": "number"}.get(dtype.kind)
    if known or dtype.kind != "O":
        return known or "other"
    inferred = pd.api.types.infer_dtype(series, skipna=True)
    if inferred == "datetime":
        return "time" if all(t.tzinfo is not None for t in series.dropna()) else "naive time"
    if inferred.startswith("mixed") and all(isinstance(v, Number) for v in series.dropna()):
        return "number"
    return {
        "string": "text",
        "empty": "text",
        "boolean": "boolean",
        "integer": "integer",
        "floating": "number",
        "decimal": "number",
        "date": "naive time",
    }.get(inferred, "other")


def arrow_kind(t: pa.DataType) -> str:
    if pa.types.is_dictionary(t):
        t = t.value_type
    tests = (
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_integer, "integer"),
        (lambda t: any(is_(t) for is_ in (pa.types.is_floating, pa.types.is_decimal, pa.types.is_duration)), "number"),
        (lambda t: any(is_(t) for is_ in TEXTS), "text"),
        (lambda t: pa.types.is_timestamp(t) and t.tz is not None, "time"),
        (lambda t: pa.types.is_timestamp(t) or pa.types.is_date(t), "naive time"),
    )
    return next((kind for test, kind in tests if test(t)), "other")


def aged(tables, feature: str) -> bool:
    """Whether a time is compared by how long before its request it lies: two spans of the calendar never hold the same."""
    time = tables[0].roles.time
    kinds = [t.kinds() for t in tables]
    return time is not None and feature != time and all(k.get(time) == k.get(feature) == "time" for k in kinds)
