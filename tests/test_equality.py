"""One rule says which values are the same: exactly where exactness is meant, relative to the spread of what is measured."""

from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skewkit.records import Tolerance
from skewkit.statistics.atoms import Scale, scale
from skewkit.tables.equality import same, settled
from skewkit.tables.keys import among

MEASURED = Tolerance(of_spread=1e-6)
BIG = 2**60
LAW = settings(max_examples=100, deadline=None, derandomize=True)


def series(values, dtype=None):
    return pd.Series(values, dtype=dtype)


def agree(a, b):
    return same(a, b, MEASURED).tolist()


# the same values, held otherwise
WHOLE = [
    "int64",
    "int32",
    "uint64",
    "float64",
    "Int64",
    "Float64",
    "int64[pyarrow]",
    "double[pyarrow]",
    "object",
    "category",
]


@pytest.mark.parametrize("held", WHOLE)
@pytest.mark.parametrize("other", WHOLE)
def test_whole_numbers_agree_exactly_in_whatever_type(held, other):
    """The same numbers agree in any two types, and one more never does, however large the numbers are beside it."""
    values = [5, 1_700_000_000, 0, 2**31 - 1]
    a, b = series(values, held), series(values, other)
    assert agree(a, b) == [True] * 4
    assert agree(a, series([v + 1 for v in values[:3]] + [7], other)) == [False] * 4


@pytest.mark.parametrize("held", ["int64", "uint64", "Int64", "object"])
def test_beyond_the_digits_of_a_float_whole_numbers_are_still_exact(held):
    """A float is not the whole number that it was rounded from, and equals the one that it is."""
    a = series([BIG + 1, BIG], held)
    assert (
        agree(a, series([float(BIG + 1), float(BIG)]))
        == agree(series([float(BIG + 1), float(BIG)]), a)
        == [False, True]
    )
    assert agree(a, a) == [True, True] and agree(a, a + 1) == [False, False]


def test_numbers_of_any_size_and_decimals_are_compared_as_they_are():
    """Ids of 21 digits, as Python's whole numbers, decimals and floats."""
    ids = [10**20 + 1, 10**20 + 2]
    assert agree(series(ids, object), series([Decimal(i) for i in ids], object)) == [True, True]
    assert agree(series(ids, object), series([i + 1 for i in ids], object)) == [False, False]
    assert agree(series(ids, object), series([float(i) for i in ids])) == [False, False]
    assert agree(series([Decimal("0.10"), 2], object), series([0.1, 2.0])) == [True, True]


@pytest.mark.parametrize("offset", [0.0, 0.25])
@pytest.mark.parametrize("default", [None, 0.0])
def test_a_tolerance_is_relative_to_the_spread_and_not_to_the_size(offset, default):
    """Seconds since 1970 that are a minute old differ, though a minute is nothing beside them; so beside a default."""
    at = 1_700_000_000 + 60.0 * np.arange(1_000) + offset
    if default is not None:
        at[::50] = default
    off = at - 60.0 * (at != 0)
    assert agree(series(at), series(off)) == (at == 0).tolist()


def test_tiny_numbers_are_no_zeros():
    """Values of a billionth that have doubled differ in every row."""
    x = np.linspace(1e-9, 2e-9, 100)
    assert not any(agree(series(x), series(2 * x)))


@LAW
@given(st.lists(st.floats(-1e12, 1e12), min_size=3, max_size=40), st.integers(-8, 8))
def test_last_digits_are_no_difference(values, digits):
    """Numbers agree with themselves a few last digits further on, and with what reads the same to 15 digits."""
    x = series(values, "float64")
    assert all(agree(x, x * (1 + digits * np.finfo(float).eps)))
    assert all(agree(x, series([float(f"{v:.15g}") for v in values])))


@LAW
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.floats(1.5, 1e3))
def test_what_lies_apart_by_more_than_the_tolerance_differs(values, times):
    """Moved by more than the share of the spread, and by more than last digits, every value differs."""
    x = np.array(values)
    step = times * (MEASURED.of_spread * scale(x).of(x) + 1e-12 * np.abs(x).max() + 1e-300)
    moved = x + step
    assert not any(np.array(agree(series(x), series(moved))) & (moved != x))


def test_32_bits_are_a_representation_where_a_column_is_held_in_them():
    """What a column of 32 bits can hold agrees; the same digits lost in 64 bits are beyond a narrow spread's tolerance."""
    pressure = 101_325 + np.random.default_rng(0).normal(0, 0.5, 1_000)
    single = series(pressure.astype("float32"))
    assert all(agree(series(pressure), single))
    assert not all(agree(series(pressure), single.astype("float64")))


def test_the_scale_by_hand():
    """The median distance from the median, of what is not the median; of one value its size; of none nothing.

    What lies farther off the middle than that is measured by how far: the tail of a long one is no narrower than it is.
    """
    assert scale(np.array([1.0, 2.0, 3.0, 4.0, 100.0])) == Scale(3.0, 1.5)
    assert scale(np.array([0.0] * 96 + [2.0, 4.0, 6.0, np.inf])) == Scale(0.0, 4.0)
    assert (
        scale(np.array([7.0, 7.0])) == Scale(7.0, 7.0) and scale(np.array([np.nan])) == scale(np.array([])) == Scale()
    )
    assert Scale(3.0, 1.5).of(np.array([3.0, 4.0, 100.0, -7.0])).tolist() == [1.5, 1.5, 97.0, 10.0]


def test_32_bits_in_a_long_tail_are_no_difference():
    """Amounts of which some are a thousand times the median, through a service that holds 32 bits and logs 64."""
    amount = series(np.random.default_rng(0).lognormal(3, 2, 10_000))
    assert all(agree(amount, amount.astype("float32").astype("float64")))


def test_one_row_is_compared_as_in_its_column():
    """A single row has no spread of its own: the tolerance is settled by the column first."""
    at = series(1_700_000_000.25 + 60 * np.arange(100))
    row = at.iloc[[5]]
    assert same(row, row - 60, MEASURED).tolist() == [True]
    assert same(row, row - 60, settled(MEASURED, at)).tolist() == [False]


NULLS = {
    "float64": np.nan, "object": None, "Int64": pd.NA, "Float64": pd.NA, "double[pyarrow]": pd.NA, "datetime64[us, UTC]": pd.NaT,
    "str": None, "category": None, "boolean": pd.NA,
}  # fmt: skip


@pytest.mark.parametrize("a", NULLS)
@pytest.mark.parametrize("b", NULLS)
def test_a_null_of_any_kind_is_a_null(a, b):
    """It agrees with any null and with no value."""
    one, other = (series([NULLS[t]] * 2, t) for t in (a, b))
    assert agree(one, other) == [True, True]
    assert agree(one, series([0.0, 1.0])) == agree(series([0.0, 1.0]), one) == [False, False]


def test_a_nan_that_arrow_tells_from_a_null_is_a_null():
    """Both are nothing, in either place."""
    x = series(pd.arrays.ArrowExtensionArray(pa.array([np.nan, None, 1.0], from_pandas=False)))
    assert agree(x, series([np.nan, np.nan, 1.0])) == [True] * 3


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("other", ["s", "ms", "us"])
def test_times_are_equal_in_any_unit_and_zone(unit, other):
    """One instant is itself in any unit and zone, and a second later is another."""
    x = series(np.array(["2024-02-29T12:00:01", "1969-12-31T23:59:59"], f"M8[{unit}]")).dt.tz_localize("UTC")
    y = x.astype(f"datetime64[{other}, Asia/Kolkata]")
    assert agree(x, y) == [True, True] and agree(x, y + pd.Timedelta("1s")) == [False, False]


def test_times_are_compared_in_the_coarser_unit():
    """What a log holds in milliseconds is the instant that it cut the nanoseconds off, and no other millisecond's."""
    x = series(pd.to_datetime(["2024-02-29T12:00:00.123456789Z", "1969-12-31T23:59:59.9999Z"]))
    assert agree(x, x.dt.floor("ms").dt.as_unit("ms")) == [True, True]
    assert agree(x, x.dt.floor("ms").dt.as_unit("ns")) == [False, False]
    assert agree(x, x.dt.floor("ms").dt.as_unit("ms") + pd.Timedelta("1ms")) == [False, False]


@pytest.mark.parametrize("far", ["9999-12-31", "2999-12-31", "0001-01-01", "1500-06-01"])
@pytest.mark.parametrize("held", ["M8", "objects", "dates", "arrow"])
def test_times_of_any_year_are_told_apart(far, held):
    """A date that nanoseconds cannot hold equals itself, and no other such date."""
    days = [date.fromisoformat(d) for d in (far, "2262-12-31", "2024-01-01")]
    made = {
        "M8": lambda ds: series(np.array(ds, "M8[us]")),
        "objects": lambda ds: series([datetime(d.year, d.month, d.day) for d in ds], object),
        "dates": lambda ds: series(ds, object),
        "arrow": lambda ds: series(pd.arrays.ArrowExtensionArray(pa.array(ds))),
    }[held]
    x = made(days)
    assert agree(x, x) == [True] * 3
    assert agree(x, made([days[1], days[0], days[2]])) == [False, False, True]


def test_booleans_are_1_and_0():
    """In any type of number."""
    x = series([True, False])
    for dtype in ("int64", "float64", "Int64", "boolean", "object"):
        assert (
            agree(x, series([1, 0]).astype(dtype)) == [True, True]
            and agree(x, series([0, 1]).astype(dtype)) == [False] * 2
        )


def test_things_within_things_are_compared_by_value():
    """Lists, arrays and mappings: equal ones agree but for last digits, and others do not."""
    x = series([[0.3, None], {"a": [1]}, b"a", (1, 2), np.array([1.5])], object)
    y = series([[0.1 + 0.2, None], {"a": [1.0]}, b"a", [1, 2], [1.5]], object)
    assert agree(x, y) == [True] * 5
    assert agree(x, series([[0.3], {"a": [2]}, b"b", [2, 1], [1.6]], object)) == [False] * 5


@pytest.mark.parametrize("held", ["int64", "Int64", "uint64", "object", "int64[pyarrow]"])
@pytest.mark.parametrize("other", ["Int64", "object"])
def test_keys_of_64_bits_are_told_apart_beside_a_null(held, other):
    """One null key does not turn the others into floats, which would be each other's."""
    keys = [2**53 + 2 + 3 * i for i in range(100)]
    theirs = series([None, *keys[1::2]], other)
    assert among(series(keys, held), theirs).tolist() == [False, True] * 50
