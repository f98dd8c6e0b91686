"""Columns of every kind: how each is made, what another value of it is, and in what other ways the same values are held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pandas as pd

Change = Callable[[pd.Series], pd.Series]


@dataclass(frozen=True)
class Kind:
    """``make`` gives a column of n rows from a generator; ``other`` other values in every row; ``held`` the same values otherwise."""

    make: Callable[[np.random.Generator, int], pd.Series]
    other: Change
    held: dict[str, Change] = field(default_factory=dict)
    roles: tuple[str, ...] = ()  # what it can be beside a feature


def as_type(*dtypes: str) -> dict[str, Change]:
    """The same values in other types; whole numbers beside a null in pandas' own."""
    nullable = {"int32": "Int32", "int64": "Int64", "uint64": "UInt64"}
    return {t: lambda x, t=t: x.astype(nullable.get(t, t) if x.isna().any() else t) for t in dtypes}


def last_digits(x: pd.Series) -> pd.Series:
    return x * (1 + 1e-15 * np.random.default_rng(1).standard_normal(len(x)))


def fifteen_digits(x: pd.Series) -> pd.Series:
    return x.map(lambda v: float(f"{v:.15g}") if v == v else v)


def instants(rng, n):
    return pd.Series(1_700_000_000 + rng.integers(0, 90 * 86_400, n))


def times(rng, n):
    return pd.to_datetime(instants(rng, n), unit="s", utc=True)


def far(rng, n):
    years = rng.choice([1, 1500, 2024, 2999, 9998], n)
    return pd.Series(np.array([f"{y:04d}-12-31" for y in years], "M8[us]"))


def a_second_more(x):
    return x + pd.Timedelta("1s")


def unlike(values):
    return lambda x: x.map(lambda v: values(v) if isinstance(v, (list, dict, bytes)) else v)


FLOATS = {"last digits": last_digits, "15 digits": fifteen_digits, **as_type("Float64", "double[pyarrow]", "object")}
UNITS = {u: lambda x, u=u: x.dt.as_unit(u) for u in ("s", "ms", "us")}

KINDS = {
    "whole number": Kind(
        lambda rng, n: pd.Series(rng.integers(-1_000, 1_000, n)), lambda x: x + 1,
        as_type("int32", "float64", "Int64", "Float64", "int64[pyarrow]", "object"), ("entity", "segments"),
    ),
    "whole number beyond 53 bits": Kind(
        lambda rng, n: pd.Series(2**60 + rng.integers(0, 10**6, n)), lambda x: x + 1, as_type("Int64", "uint64", "int64[pyarrow]", "object"), ("entity",)
    ),
    "whole number beyond 64 bits": Kind(
        lambda rng, n: pd.Series([10**20 + int(v) for v in rng.integers(0, 10**6, n)], dtype=object), lambda x: x.map(lambda v: v + 1 if v is not None else v),
        {"decimal": lambda x: x.map(lambda v: Decimal(v) if v is not None else v)},
    ),
    "seconds since 1970": Kind(instants, lambda x: x - 900, as_type("float64", "Int64", "object")),
    "fractions of seconds since 1970": Kind(lambda rng, n: instants(rng, n) + 0.25, lambda x: x - 900, FLOATS),
    "measured number": Kind(lambda rng, n: pd.Series(rng.normal(3, 2, n)), lambda x: x + 1e-3, FLOATS | as_type("float32"), ("prediction",)),
    "probability": Kind(lambda rng, n: pd.Series(rng.beta(2, 5, n)), lambda x: 1 - x + 1e-4, FLOATS, ("prediction",)),
    "money": Kind(
        lambda rng, n: pd.Series(np.round(rng.exponential(30, n), 2)), lambda x: x + 0.01,
        FLOATS | {"decimal": lambda x: x.map(lambda v: Decimal(f"{v:.2f}") if v == v else None)},
    ),
    "rate of ten": Kind(lambda rng, n: pd.Series(rng.integers(0, 11, n) / 10), lambda x: x + 0.1, FLOATS | {"1 - (1 - x)": lambda x: 1 - (1 - x)}),
    "billionths": Kind(lambda rng, n: pd.Series(rng.random(n) * 1e-9 + 1e-12), lambda x: 2 * x, FLOATS),
    "boolean": Kind(
        lambda rng, n: pd.Series(rng.random(n) < 0.3), lambda x: ~x.astype("boolean") if x.isna().any() else ~x,
        as_type("int64", "float64", "boolean", "Int64", "object"), ("label",),
    ),
    "text": Kind(
        lambda rng, n: pd.Series(rng.choice(["a", "b", "Ü", "", "7"], n)), lambda x: x + "x", as_type("category", "string", "object", "string[pyarrow]"), ("entity", "segments")
    ),
    "categories": Kind(lambda rng, n: pd.Series(rng.choice(["x", "y", "z"], n)).astype("category"), lambda x: x.cat.rename_categories({"x": "w"}).astype("str").replace({"y": "x", "z": "y"}).astype("category"), as_type("str", "object")),
    "time": Kind(times, a_second_more, UNITS | {"another zone": lambda x: x.dt.tz_convert("Asia/Kolkata")}, ("time",)),
    "time without zone": Kind(lambda rng, n: times(rng, n).dt.tz_localize(None), a_second_more, UNITS),
    "date": Kind(lambda rng, n: times(rng, n).dt.tz_localize(None).dt.normalize(), lambda x: x + pd.Timedelta("1D"), {"date": lambda x: x.dt.date}),
    "date of any year": Kind(far, lambda x: x + np.timedelta64(1, "D").astype("m8[us]"), {"s": lambda x: x.astype("datetime64[s]")}),
    "length of time": Kind(lambda rng, n: pd.Series(pd.to_timedelta(rng.integers(0, 10**5, n), unit="s")), a_second_more, {"ms": lambda x: x.dt.as_unit("ms")}),
    "list": Kind(lambda rng, n: pd.Series([[int(v), 0.3] for v in rng.integers(0, 9, n)]), unlike(lambda v: [*v, 1]), {"tuple": unlike(tuple), "array": unlike(np.array)}),
    "bytes": Kind(lambda rng, n: pd.Series([bytes([v]) for v in rng.integers(0, 9, n)]), unlike(lambda v: v + b"x")),
    "mapping": Kind(lambda rng, n: pd.Series([{"a": int(v), "b": None} for v in rng.integers(0, 9, n)]), unlike(lambda v: v | {"a": -1}), {"order": unlike(lambda v: dict(reversed(v.items())))}),
}  # fmt: skip


def with_nulls(x: pd.Series, share: float, seed: int = 0) -> pd.Series:
    """The column with a share of its values gone, the same rows each time."""
    gone = np.random.default_rng([seed, 7]).random(len(x)) < share
    if not gone.any():
        return x
    if x.dtype.kind in "iub":
        return x.astype("boolean" if x.dtype.kind == "b" else "Int64").mask(gone)
    return x.mask(gone) if x.dtype != object else x.where(~gone, None)
