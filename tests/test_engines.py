"""What a table answers from memory and from a file, and which rows of two tables agree."""

import hashlib
from collections import Counter
from datetime import date

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from skewkit.load.locations import open_table
from skewkit.records import Roles, SkewkitError, Tolerance
from skewkit.tables.columns import KINDS, distribution_of, kind_of
from skewkit.tables.engines import Local
from skewkit.tables.equality import same
from skewkit.tables.pairs import Pairs

LAW = settings(max_examples=50, deadline=None, derandomize=True)
ROLES, DAYS = Roles(key="key", features=("x",)), ["2024-03-01T12:00", None, "2024-02-01T00:00", "2024-03-01T12:00"]
FIRST, DAY = date(2024, 3, 1), 86_400 * 10**6
US = [pd.Timestamp(t).value // 1000 for t in ("2024-02-01T00:00", "2024-03-01T12:00")]
# a column, its kind, and what its distribution holds: values, counts and nulls
COLUMNS = {
    "number": ([2.5, np.nan, -np.inf, 2.5], "float64", "number", [-np.inf, 2.5], [1, 2], 1),
    "integer": ([3, 1, 2**53 + 1, 3], "int64", "integer", [1, 3, 2**53 + 1], [1, 2, 1], 0),
    "nullable_integer": ([3, None, 2**53 + 1, 3], "Int64", "integer", [3, 2**53 + 1], [2, 1], 1),
    "unsigned": ([1, 2**63 + 1, 1, 5], "uint64", "integer", [1, 5, 2**63 + 1], [2, 1, 1], 0),
    "boolean": ([True, False, True, True], "bool", "boolean", [0, 1], [1, 3], 0),
    "nullable_boolean": ([True, None, False, True], "boolean", "boolean", [0, 1], [1, 2], 1),
    "text": (["b", None, "a", "b"], "str", "text", ["a", "b"], [1, 2], 1),
    "object_text": (["b", None, "é", "b"], "object", "text", ["b", "é"], [2, 1], 1),
    "categorical": (["b", None, "a", "b"], "category", "text", ["a", "b"], [1, 2], 1),
    "time": (pd.to_datetime(DAYS).tz_localize("Asia/Kolkata"), None, "time", [t - 19_800 * 10**6 for t in US], [1, 2], 1),
    "naive_time": (pd.to_datetime(DAYS), None, "naive time", US, [1, 2], 1),
    "date": ([FIRST, None, date(1969, 12, 31), FIRST], "object", "naive time", [-DAY, 19_783 * DAY], [1, 2], 1),
    "nothing": ([None] * 4, "object", "text", [], [], 4),
    "nothing_numeric": ([np.nan] * 4, "float64", "number", [], [], 4),
}  # fmt: skip


def everything(names=tuple(COLUMNS)):
    """One frame of the columns above."""
    return pd.DataFrame({n: pd.Series(COLUMNS[n][0], dtype=COLUMNS[n][1]) for n in names})


def stored(frame, folder, **options):
    """The same table read from a Parquet file."""
    frame.to_parquet(folder / "table.parquet", index=False)
    return Local(ds.dataset(folder / "table.parquet"), **options)


def tables(before, after):
    """Two tables with the given keys."""
    return Local(pd.DataFrame({"key": before}), ROLES, "before"), Local(pd.DataFrame({"key": after}), ROLES, "after")


def agree(a, b, tolerance=0.0, dtype=None):
    """Which rows of two lists agree."""
    return same(pd.Series(a, dtype=dtype), pd.Series(b, dtype=dtype), Tolerance(tolerance, tolerance)).tolist()


def test_numbers_of_which_some_became_text_agree_where_they_are_still_numbers():
    """Value by value: the same number agrees, its text never does, and null only with null."""
    numbers = pd.Series([1.5, 2.5, 3.5, np.nan, np.nan])
    some = pd.Series([1.5, "2,5", 3.0, None, "x"], dtype=object)
    assert kind_of(some) == "other"
    assert same(numbers, some).tolist() == same(some, numbers).tolist() == [True, False, False, True, False]


@pytest.mark.parametrize("where", ["frame", "parquet"])
@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_the_same_from_memory_and_file(name, where, tmp_path):
    """A column has one kind, one distribution and one name, whether it lies in a frame or in a Parquet file."""
    _, _, kind, values, counts, nulls = COLUMNS[name]
    table = Local(everything([name])) if where == "frame" else stored(everything([name]), tmp_path)
    found = table.distribution(name)
    assert (table.columns, table.kinds(), len(table)) == ((name,), {name: kind}, 4) and kind in KINDS
    assert (found.kind, found.values.tolist(), found.counts.tolist()) == (kind, values, counts)
    assert (found.n, found.nulls, found.rows) == (4 - nulls, nulls, 4)


@LAW
@given(st.lists(st.none() | st.floats() | st.integers(-3, 3).map(float)))
def test_a_distribution_counts_every_row(values):
    """A distribution has each value once, ascending, with the rows up to it, and the nulls apart."""
    found = distribution_of(pd.Series(values, dtype="float64"))
    counted = Counter(v for v in values if v is not None and v == v)
    assert found.values.tolist() == sorted(counted)
    assert found.upto.tolist() == np.cumsum([counted[v] for v in sorted(counted)]).tolist()
    assert (found.n, found.rows) == (counted.total(), len(values))


def test_a_distribution_of_one_row():
    """A table of one row has one value with one row below it."""
    found = distribution_of(pd.Series(["only"]))
    assert (found.values.tolist(), found.upto.tolist(), found.n, found.nulls) == (["only"], [1], 1, 0)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1, "a"], ["'a'", "1"]),
        ([[1.0], [2, "b"], [1]], ["[1]", "[1]", "[2, 'b']"]),
        ([{"b": 1, "a": None}, {"a": None, "b": 1}], ["{'a': None, 'b': 1}"] * 2),
        ([b"\x00", b"\xff"], ["b'\\x00'", "b'\\xff'"]),
    ],
)
def test_what_has_no_order_is_compared_as_text(values, texts):
    """Mixed and nested values are of a kind of their own; equal ones are written alike, whatever the order of their names."""
    column = pd.Series(values)
    assert kind_of(column) == "other" and distribution_of(column).every.tolist() == texts


def test_a_length_of_time_is_a_number_of_seconds(tmp_path):
    """In a frame and in a file, a null among them."""
    frame = pd.DataFrame({"x": pd.to_timedelta(["1h", None, "1500ms"])})
    for table in (Local(frame), stored(frame, tmp_path)):
        assert table.kinds() == {"x": "number"} and table.distribution("x").values.tolist() == [1.5, 3600.0]


def test_names_and_zone_are_the_tables_own(tmp_path):
    """A column answers to the name it is given here, and a declared zone makes a naive time a time."""
    frame = pd.DataFrame({"t": pd.to_datetime(["2024-07-01 12:00"]), "x": [1]})
    options = {"roles": Roles(time="asked"), "names": {"asked": "t"}, "zone": "Europe/Berlin"}
    for table in (Local(frame, **options), stored(frame, tmp_path, **options)):
        assert (table.columns, table.kinds()) == (("asked", "x"), {"asked": "time", "x": "integer"})
        assert table.frame()["asked"].tolist() == [pd.Timestamp("2024-07-01T10:00Z")]
        with pytest.raises(SkewkitError, match="'t' was asked of table; it has asked, x"):
            table.column("t")


def test_a_time_in_the_gap_is_refused():
    """A naive time that its zone skips cannot be placed, and the error says which column."""
    table = Local(pd.DataFrame({"t": pd.to_datetime(["2024-03-31 02:30"])}), Roles(time="t"), zone="Europe/Berlin")
    with pytest.raises(SkewkitError, match="'t' does not exist, or exists twice, in Europe/Berlin"):
        table.column("t")


def test_keep_are_the_rows_that_count(tmp_path):
    """Rows left out are in no length, column, frame or distribution."""
    frame = pd.DataFrame({"x": [5, 6, 7, 8]}, index=[9, 9, 1, 1])
    keep = np.array([True, False, True, False])
    for table in (Local(frame, keep=keep), stored(frame, tmp_path, keep=keep)):
        assert (len(table), table.column("x").tolist(), table.distribution("x").values.tolist()) == (2, [5, 7], [5, 7])
        assert table.frame().index.tolist() == [0, 1]


def test_dates_for_never_are_compared_and_not_refused(tmp_path):
    """9999-12-31 stands for never in many tables: from memory and from Parquet it is one value, beyond all others."""
    days = pd.to_datetime(pd.Series(["2024-01-01", "9999-12-31", None, "9999-12-31"]).astype("datetime64[us]"))
    for table in (Local(pd.DataFrame({"t": days})), stored(pd.DataFrame({"t": days}), tmp_path)):
        found = table.distribution("t")
        assert found.counts.tolist() == [1, 2] and found.nulls == 1


def test_timestamps_in_a_column_of_objects_are_times():
    """With their zone or without, as a Parquet file would have them."""
    for zone, kind in (("UTC", "time"), (None, "naive time")):
        column = pd.Series([pd.Timestamp("2024-01-01", tz=zone), None], dtype=object)
        assert Local(pd.DataFrame({"t": column})).kinds() == {"t": kind}
        assert distribution_of(column).n == 1


def test_a_hash_is_of_the_values(tmp_path):
    """A table's hash changes with a value, a name or a byte of its file, and with nothing else."""
    frame = pd.DataFrame({"x": [1, 2]})
    hashes = [Local(f).sha256() for f in (frame, frame.copy(), frame + 1, frame.rename(columns={"x": "y"}))]
    assert hashes[0] == hashes[1] and len(set(hashes)) == 3
    for name, how in (("a", "snappy"), ("b", "gzip"), ("c", "snappy")):
        frame.to_parquet(tmp_path / f"{name}.parquet", compression=how)
    a, b, c = (open_table("t", tmp_path / f"{name}.parquet").sha256() for name in "abc")
    assert a == c == hashlib.sha256((tmp_path / "a.parquet").read_bytes()).hexdigest() != b


def test_pairs_by_hand():
    """Shuffled rows meet by key; missing, extra, duplicate and null keys are counted and do not meet."""
    pairs = Pairs(*tables([1, 2, 2, 3, None, 4, 5], [5, 4, 4, 4, 9, None, None, 1, 2]))
    assert (pairs.before.tolist(), pairs.after.tolist()) == ([0, 6], [7, 0])
    assert (pairs.n, pairs.missing, pairs.extra) == (2, 1, 1)
    assert (pairs.duplicates, pairs.nulls) == ((2, 3), (1, 2))


KEYS = st.lists(st.sampled_from("abcdefgh") | st.none(), min_size=1, max_size=15)


@LAW
@given(KEYS, KEYS)
def test_pairs_are_a_plain_loops(before, after):
    """Pairs are the keys that each side has exactly once, and the counts are those of a loop over the rows."""
    expected = [(i, after.index(k)) for i, k in enumerate(before) if k and before.count(k) == after.count(k) == 1]
    assume(expected)
    pairs = Pairs(*tables(pd.Series(before, dtype=object), pd.Series(after, dtype=object)))
    assert list(zip(pairs.before.tolist(), pairs.after.tolist(), strict=True)) == expected
    assert pairs.missing == sum(k is not None and k not in after for k in before)
    assert pairs.extra == sum(k is not None and k not in before for k in after)
    assert pairs.duplicates == tuple(sum(k is not None and side.count(k) > 1 for k in side) for side in (before, after))
    assert pairs.nulls == (before.count(None), after.count(None))


@LAW
@given(st.permutations(range(12)), st.sets(st.integers(0, 11)))
def test_agreement_counts_changed_rows_in_any_order(order, changed):
    """However the second table is shuffled, exactly the rows that were changed differ."""
    frame = pd.DataFrame({"key": [f"k{i}" for i in range(12)], "x": np.arange(12.0)})
    after = frame.assign(x=frame["x"] + [float(i in changed) for i in range(12)]).iloc[list(order)]
    found = Pairs(Local(frame, ROLES), Local(after, ROLES)).agreement("x", Tolerance(1e-9, 1e-9))
    assert (found.n, found.differ) == (12, len(changed))


def test_frames_of_pairs_stand_row_against_row():
    """Both frames have the same keys in the same rows, all of them or a sample, and only columns that they have."""
    frame = pd.DataFrame({"key": np.arange(3000), "x": np.arange(3000.0)})
    after = frame.sample(frac=1, random_state=0).assign(y=1)
    pairs = Pairs(Local(frame, ROLES), Local(after, ROLES))
    for n, rows in ((None, 3000), (300, pytest.approx(300, abs=60))):
        a, b = pairs.frames(("key", "x", "y"), n)
        assert (len(a), list(a), list(b)) == (rows, ["key", "x"], ["key", "x", "y"])
        pd.testing.assert_frame_equal(a, b[["key", "x"]])


def test_keys_of_two_types_or_of_other_requests_are_refused():
    """Text keys against numbers, and tables without a key in common, are errors that show the keys."""
    with pytest.raises(SkewkitError, match="'key' is integer in before and text in after"):
        Pairs(*tables([1, 2], ["1", "2"]))
    with pytest.raises(SkewkitError, match="reads '9', '9' there and '9', '9' here"):
        Pairs(*tables([1, 2], [3, 4]))
    assert Pairs(*tables([1, 2], [2.0, np.nan])).n == 1  # a null made them floats


def test_nulls_agree_only_with_nulls():
    """A null agrees with a null and with nothing else, 0 and empty text included."""
    for values, dtype in (
        ([0.0, None, 0.0, None], "float64"),
        (["", None, "", None], "str"),
        (["", None, "", None], "category"),
    ):
        other = [values[0], None, None, values[0]]
        assert agree(values, other, dtype=dtype) == [True, True, False, False]
    assert agree([True, None, None], [True, None, False], dtype="boolean") == [True, True, False]
    times = pd.to_datetime(["2024-01-01", None, None], utc=True)
    assert agree(times, times[[0, 1, 0]]) == [True, True, False]


def test_nulls_agree_only_with_nulls_in_pandas_string_type():
    """The text type "string" compares as any other text."""
    assert agree(["a", None, None], ["a", None, "a"], dtype="string") == [True, True, False]


@LAW
@given(st.floats(-1e6, 1e6), st.sampled_from([0.0, 1e-9, 1e-6, 0.25]), st.sampled_from([-1, 1]))
def test_the_tolerance_is_absolute_plus_relative(x, tolerance, sign):
    """Numbers agree just within tolerance (1 + |x|) and differ just beyond it."""
    edge = tolerance * (1 + abs(x))
    near, far = x + sign * edge * 0.999, x + sign * (edge * 1.001 + 1e-9 * (1 + abs(x)))
    assert agree([x, x], [near, far], tolerance) == [True, False]


def test_the_edge_of_the_tolerance_is_inside():
    """A difference of exactly the tolerance agrees."""
    assert agree([1.0, 1.0, 3, 3], [1.5, 1.5000001, 2, 1.9999999], 0.25) == [True, False, True, False]


def test_large_integers_are_told_apart():
    """Integers beyond 2**53 differ by their last digit, and agree only with themselves."""
    big = [2**53, 2**62, -(2**60)]
    assert agree(big, [v + 1 for v in big]) == [False] * 3
    assert agree(big, big) == [True] * 3
    assert agree(big, [v + 1 for v in big], dtype="Int64") == [False] * 3


def test_integers_agree_exactly_beside_a_null():
    """A null in another row neither blurs integers beyond 2**53 nor lends integers a tolerance."""
    assert agree([2**53, None], [2**53 + 1, None], dtype="Int64") == [False, True]
    assert agree([5, None], [6, None], 0.25, dtype="Int64") == [False, True]


@pytest.mark.parametrize(("x", "y", "dtype"), [(2**62, -(2**62), "int64"), (64, -64, "int8")])
def test_opposite_integers_differ(x, y, dtype):
    """Integers whose difference does not fit their type differ."""
    assert agree([x], [y], dtype=dtype) == [False]


@pytest.mark.parametrize("dtype", ["int64", "uint8", "Int64", "category"])
def test_integers_agree_exactly(dtype):
    """A tolerance is for numbers with a fraction: integers agree with themselves alone."""
    assert agree([5, 5, 5], [4, 5, 6], 0.25, dtype=dtype) == [False, True, False]
    assert agree([5, 5, 5], [4, 5, 6], 0.25, dtype="float64") == [True, True, True]


def test_infinities_agree_with_themselves():
    """An infinity agrees with its like, and without a tolerance with nothing else."""
    assert agree([np.inf, -np.inf], [np.inf, -np.inf], 1e-6) == [True, True]
    assert agree([np.inf, np.inf, 1.0], [-np.inf, 1.0, np.inf]) == [False, False, False]


def test_infinities_disagree_with_all_else_under_a_tolerance():
    """No tolerance makes an infinity agree with a number or with its opposite."""
    assert agree([np.inf, np.inf, 1.0], [-np.inf, 1.0, np.inf], 1e-6) == [False, False, False]


def test_text_is_never_a_number():
    """Text agrees with the same text in any type, and with no number, boolean or time that reads like it."""
    text = pd.Series(["1", "True", "2024-01-01"])
    assert same(text, text.astype("category")).all() and same(text, text.astype(object)).all()
    for other in ([1, 1, 1], [True, True, True], pd.to_datetime(["2024-01-01"] * 3)):
        assert not same(text, pd.Series(other)).any()
    assert agree(["a", "b"], ["a", "B"]) == [True, False]


def test_numbers_agree_across_types():
    """Booleans, integers, floats and whole categories agree by value; times by moment, whatever their zone."""
    one = pd.Series([1, 0])
    for dtype in ("bool", "float32", "Int64", "category", "boolean"):
        assert same(one, one.astype(dtype)).all() and not same(1 - one, one.astype(dtype)).any()
    times = pd.Series(pd.to_datetime(["2024-01-01T12:00Z"]))
    assert same(times, times.dt.tz_convert("Asia/Tokyo")).all()
    assert not same(times, times.dt.tz_localize(None)).any()


def test_lists_agree_where_every_number_of_theirs_does():
    """A column of embeddings, as Parquet holds them: no truth value of an array is asked."""
    one = pd.Series([np.array([1.0, 2.0]), np.array([1.0, 2.0]), None])
    other = pd.Series([np.array([1.0, 2.0]), np.array([1.0, 2.5]), None])
    assert same(one, other).tolist() == [True, False, True]
