"""CSV as people have it: the same table in any dialect, types by all values, and what is not certain refused by name."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import os
import string
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skewkit as sk
from skewkit.load.csv_dialect import Dialect, dialects
from skewkit.load.locations import open_table
from skewkit.records import SkewkitError
from skewkit.tables.equality import same

PINNED = settings(max_examples=150, deadline=None, derandomize=True)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(data, name="t.csv", **dialect):
    """A table of a CSV file that holds the text or the bytes."""
    Path(name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return open_table("t", name, Dialect(**dialect))


def held(data, **dialect):
    """Each column's values, null as None."""
    found = table(data, **dialect).frame().astype(object)
    return {c: [None if pd.isna(v) else v for v in found[c]] for c in found}


def refused(data, *said, **dialect):
    """Opening is refused, and the error says so and shows no more than one line."""
    with pytest.raises(SkewkitError) as e:
        table(data, **dialect)
    assert all(s in str(e.value) for s in said), str(e.value)


TEXTS = st.text(string.ascii_letters + "éß \"'#\n", min_size=1, max_size=8).map(lambda t: f"w{t}w")  # no number or word
COLUMNS = {
    "integer": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "number": (pa.float64(), st.floats(-1e15, 1e15, allow_nan=False).map(lambda x: x + 0.5 if x == int(x) else x)),
    "boolean": (pa.bool_(), st.booleans()),
    "text": (pa.string(), TEXTS),
    "long id": (pa.string(), st.integers(10**20, 10**22).map(str)),
    "padded id": (pa.string(), st.integers(0, 99_999).map("0{:05d}".format)),
    "naive time": (pa.timestamp("us"), st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31))),
    "time": (
        pa.timestamp("us", "UTC"),
        st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2999, 12, 31)).map(lambda t: t.replace(tzinfo=dt.UTC)),
    ),
}


@st.composite
def tables(draw):
    """A table of all kinds, with nulls, each column with a value at least."""
    rows = draw(st.integers(1, 12))
    made = {}
    for name, (kind, values) in COLUMNS.items():
        column = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        made[name] = pa.array([draw(values), *column], kind)
    return pa.table(made)


def spelled(value, decimal):
    """A value as people write it; a null is an empty field."""
    if value is None:
        return None
    if isinstance(value, float):
        return f"{value!r}".replace(".", decimal)
    if isinstance(value, dt.datetime):
        return value.isoformat(" ")
    return str(value)


def written(made, separator, decimal, newline, encoding):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n")
    writer.writerow(made.schema.names)
    for row in made.to_pylist():
        writer.writerow([spelled(v, decimal) for v in row.values()])
    return out.getvalue().replace("\r\n", newline).encode(encoding)


@PINNED
@given(
    tables(),
    st.sampled_from(",;\t|"),
    st.sampled_from(".,"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"]),
    st.booleans(),
)
def test_a_table_in_any_dialect_is_the_table(made, separator, decimal, newline, encoding, packed):
    """As CSV and as Parquet: the same kinds, values and nulls; only an encoding without a mark of its own is said."""
    data = written(made, separator, decimal, newline, encoding)
    name = "t.csv.gz" if packed else "t.csv"
    pq.write_table(made, "t.parquet")
    said = {"encoding": encoding} if encoding in ("latin-1", "cp1252") else {}
    read, wanted = (table(gzip.compress(data) if packed else data, name, **said), open_table("t", "t.parquet"))
    assert read.kinds() == wanted.kinds()
    for column in made.schema.names:
        assert same(read.column(column), wanted.column(column)).all(), column
    assert read.told["csv"]["separator"] == separator


@PINNED
@given(st.permutations(["", "1", "2.5", "7", "12345678"]), st.integers(0, 200_000))
def test_a_type_does_not_depend_on_where_a_value_stands(values, before):
    """One broken number makes a column of numbers, wherever it stands; so do empty fields at the start."""
    found = table("id,x\n" + "1,3\n" * before * (before % 7 == 0) + "".join(f"1,{v}\n" for v in values))
    assert found.kinds() == {"id": "integer", "x": "number"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    {
        "decimal comma": ("a;b\n1,5;x\n-2,25;y\n", {"a": [1.5, -2.25], "b": ["x", "y"]}),
        "and thousands": ("a;b\n1.234,5;2.000\n2,25;13\n", {"a": [1234.5, 2.25], "b": [2000, 13]}),
        "thousands": ('a,b\n"1,234,567",x\n"2,000",y\n', {"a": [1_234_567, 2000], "b": ["x", "y"]}),
        "thousands beside points": ('a,b\n"1,234",2.5\n"2,000",1\n', {"a": [1234, 2000], "b": [2.5, 1.0]}),
        "three decimals": ("a,b\n1.234,x\n2.500,y\n", {"a": [1.234, 2.5], "b": ["x", "y"]}),
        "a comment on top": ("# made by hand\n\na,b\n1,2\n", {"a": [1], "b": [2]}),
        "a spreadsheet's line": ("sep=;\na;b\n1;2\n", {"a": [1], "b": [2]}),
        "blank lines": ("a,b\n1,2\n\n3,4\n\n", {"a": [1, 3], "b": [2, 4]}),
        "a header in the middle": ("a,b\n1,2\na,b\n3,4\n", {"a": [1, 3], "b": [2, 4]}),
        "a quoted newline": ('a,b\n"x\ny",2\n', {"a": ["x\ny"], "b": [2]}),
        "a quoted nothing": ('a,b\n,1\n"",2\nx,\n', {"a": [None, "", "x"], "b": [1, 2, None]}),
        "an index": (",a,b\n0,5,2\n1,6,2\n", {"a": [5, 6], "b": [2, 2]}),
        "a separator at the end": ("a,b,\n1,2,\n3,4,\n", {"a": [1, 3], "b": [2, 4]}),
        "words for null": ("a,b,c\nNA,None,2024-01-01\n1,true,nan\n", {"a": [None, 1], "b": [None, True]}),
        "a country": ("a,b\nNA,1\nDE,2\n", {"a": ["NA", "DE"], "b": [1, 2]}),
        "days before months": (
            "a,b\n22/05/1994,1\n1/6/1994,2\n",
            {"a": [dt.datetime(1994, 5, 22), dt.datetime(1994, 6, 1)]},
        ),
        "months before days": ("a,b\n05/22/1994 10:30,1\n", {"a": [dt.datetime(1994, 5, 22, 10, 30)]}),
        "which of them is not told": ("a,b\n05/06/1994,1\n", {"a": ["05/06/1994"]}),
        "years first": ("a,b\n2024/05/22,1\n", {"a": [dt.datetime(2024, 5, 22)]}),
        "telephones": ("a,b\n+491,1\n+492,2\n", {"a": ["+491", "+492"]}),
        "no day": ("a,b\n0000-00-00,1\n2024-02-01,2\n", {"a": ["0000-00-00", "2024-02-01"]}),
        "beyond 63 bits": ("a,b\n9223372036854775808,1\n1,2\n", {"a": [2**63, 1]}),
    }.values(),
    ids=str,
)
def test_csv_as_people_have_it(text, wanted):
    """Each is read where only one reading is possible."""
    found = held(text)
    assert {c: found[c] for c in wanted} == wanted


@pytest.mark.parametrize(
    ("data", "said"),
    {
        "two separators": ("a,b;c\n1,2;3\n", ["comma and semicolon", "separator"]),
        "an encoding": ("a,b\n1,é\n".encode("latin-1"), ["not a UTF-8 file", "cp1252", "latin-1"]),
        "utf-16 without a mark": ("a,b\n1,2\n".encode("utf-16-le"), ["UTF-16", "encoding"]),
        "a header or a comment": ("#a,b\n1,2\n", ["'#a,b'", "comment"]),
        "a title": ("Report of May\na,b\n1,2\n3,4\n", ["line 1", "skip: 1"]),
        "a total": ("a,b,c\n1,1,x\n2,3,y\nTotal,4,\n", ["'a'", "row 3", "footer: 1"]),
        "a short total": ("a,b,c\n1,1,x\n2,3,y\nTotal,4\n", ["row 4", "2 values", "footer: 1"]),
        "a total of texts": ("a,b,c\nx,1,x\ny,3,y\nTotal,4,\n", ["last row", "'a'", "footer: 1"]),
        "another header": ("a,b\n1,1\n2,3\nc,d\n4,5\n", ["row 3 below the header"]),
        "a name twice": ("a,b,a\n1,2,3\n", ["column a is there twice"]),
        "no name": ("a,,b\n1,2,3\n", ["column 2 has no name"]),
        "no two names": ("a,,\n1,2,3\n", ["2 columns have no name"]),
        "a total beside decimal commas": ("a;b\n1,5;2\n2,5;2\nTotal;4\n", ["'a'", "footer: 1"]),
        "a total that sums": ("a,b\nx,1\ny,2.5\nTotal,3.5\n", ["last row", "footer: 1"]),
        "both marks": ("a;b\n1.5;2\n2,5;3\n", ["'a'", "point", "comma"]),
        "an open quote": ('a,b\n1,"abc\n2,3\n', ["quote", "never closed"]),
        "either mark": ('a,b\n"1,234",x\n"2,000",y\n', ["'a'", "two ways", "thousands", "decimal"]),
        "an odd row": ("a,b\n" + "".join(f"{i},{i}\n" for i in range(300)) + "5,maria\n6,7\n", ["'b'", "row 301"]),
    }.values(),
    ids=str,
)
def test_what_is_not_certain_is_refused(data, said):
    """By the separator, encoding, line, row or column, with what to give; and no value is shown."""
    refused(data, *said)


@pytest.mark.parametrize(
    ("data", "dialect", "wanted"),
    [
        ("a,b;c\n1,2;3\n", {"separator": ";"}, {"a,b": [1.2], "c": [3]}),
        ("a,b\n1,é\n".encode("latin-1"), {"encoding": "latin-1"}, {"a": [1], "b": ["é"]}),
        ("a,b\n1,2\n".encode("utf-16-le"), {"encoding": "utf-16-le"}, {"a": [1], "b": [2]}),
        ("Report of May\na,b\n1,2\n3,4\n", {"skip": 1}, {"a": [1, 3], "b": [2, 4]}),
        ("a,b,c\n1,1,x\n2,3,y\nTotal,4\n", {"footer": 1}, {"a": [1, 2], "b": [1, 3], "c": ["x", "y"]}),
        ("a,b,c\n1,1,x\n2,3,y\nTotal,4,\n", {"footer": 1}, {"a": [1, 2], "b": [1, 3], "c": ["x", "y"]}),
        ('a,b\n"1,234",x\n', {"thousands": ","}, {"a": [1234]}),
        ('a,b\n"1,234",x\n', {"decimal": ","}, {"a": [1.234]}),
        ("a,b\n1,2\n% half\n3,4\n", {"comment": "%"}, {"a": [1, 3], "b": [2, 4]}),
        (
            "a,b\n05/06/1994,-\n",
            {"time_format": "%m/%d/%Y", "null": ("-",)},
            {"a": [dt.datetime(1994, 5, 6)], "b": [None]},
        ),
        ("a,b\n5 May 1994,1\n", {"time_format": "%d %B %Y"}, {"a": [dt.datetime(1994, 5, 5)]}),
        ("a,b,c\nx,1,x\ntotal,2,\n", {"text": ("a",)}, {"a": ["x", "total"], "c": ["x", None]}),
        ("a,b\n501,1\n", {"text": ("a",)}, {"a": ["501"], "b": [1]}),
    ],
)
def test_a_dialect_can_be_said(data, dialect, wanted):
    """Each of its fields."""
    found = held(data, **dialect)
    assert {c: found[c] for c in wanted} == wanted
    assert dialect.items() <= {
        k: tuple(v) if isinstance(v, list) else v for k, v in table(data, **dialect).told["csv"].items()
    }.items() or ("encoding" in dialect)


@pytest.mark.parametrize(
    "given",
    [3, "x", ["a"], {"sep": ";"}, {"separator": 3}, {"separator": ";;"}, {"separator": "a"}, {"skip": "x"}, {"skip": -1},
     {"encoding": "klingon"}, {"encoding": "base64"}, {"decimal": ",", "separator": ","}, {"null": 3}, {"text": [1]},
     {"training": 3}, {"training": {}, "separator": ";"}, {"training": {"nope": 1}}],
)  # fmt: skip
def test_a_dialect_that_is_none_is_refused(given):
    """By what was asked and what it takes."""
    with pytest.raises(SkewkitError, match="csv"):
        dialects(given, ("training", "served"))


def tables_of(**files):
    for name, text in files.items():
        Path(f"{name}.csv").write_text(text)
    return {name: f"{name}.csv" for name in files}


def parity(case):
    """The shares of paired rows that differ, of all features."""
    return {f.value for f in sk.check(case) if f.check == "parity" and f.feature}


def test_the_tables_of_a_case_are_read_alike():
    """A column is of one type in all of them, where only what happens to stand in a file would make two."""
    files = tables_of(
        training="id,x,zip,e,code,d\n1,1,00501,5,A1,01/02/2024\n2,2,10115,6,77,02/03/2024\n",
        served="id,x,zip,e,code,d\n3,2.5,10115,,77,01/02/2024\n4,1,20095,,78,04/05/2024\n",
        replayed="id,x,zip,e,code,d\n3,2,10115,,77,22/02/2024\n4,1,20095,,78,04/05/2024\n",
    )
    case = sk.compare(**files, key="id")
    kinds = [t.kinds() for t in case.tables.values()]
    assert kinds[0] == kinds[1] == kinds[2] == {
        "id": "integer", "x": "number", "zip": "text", "e": "integer", "code": "text", "d": "text"
    }  # fmt: skip
    pd.DataFrame({"id": ["1", "2"], "x": [1.0, 2.0], "zip": ["00501", "10115"]}).to_parquet("training.parquet")
    case = sk.compare("training.parquet", "served.csv", features=["x", "zip"])
    assert case.served.kinds()["zip"] == case.served.kinds()["id"] == "text"
    assert case.served.column("id").tolist() == ["3", "4"]


def test_each_table_has_a_dialect_of_its_own_and_the_result_says_it():
    """The same rows with semicolons and with commas are the same; the inputs of a result say how each was read."""
    rows = pd.DataFrame({"id": range(200), "x": np.arange(200) + 0.5, "s": ["a", "b"] * 100})
    rows.to_csv("a.csv", index=False)
    rows.to_csv("b.csv", index=False, sep=";", decimal=",", encoding="latin-1")
    case = sk.compare("a.csv", "b.csv", "a.csv", key="id", csv={"served": {"encoding": "latin-1"}})
    assert case.pairs.n == 200 and parity(case) == {0.0}
    from skewkit.report.run import inputs

    said = {i["role"]: i["csv"] for i in inputs(case)}
    assert said["served"] == {"separator": ";", "encoding": "iso8859-1", "decimal": ","}
    assert said["training"] == {"separator": ",", "encoding": "utf-8"}


def test_a_null_among_long_ids_leaves_them_whole():
    """As nullable integers, and not as floats."""
    found = table(f"id,x\n{2**53 + 1},1\n,2\n{2**53 + 3},3\n").column("id")
    assert found.dropna().tolist() == [2**53 + 1, 2**53 + 3] and "int" in str(found.dtype).lower()


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("how", ["rename", "write", "remove"])
def test_a_file_that_changes_is_refused(suffix, how):
    """Whether it was replaced, written to or removed after it was opened, by its name; CSV is read once, and is as it was."""
    write = {"parquet": pd.DataFrame.to_parquet, "csv": pd.DataFrame.to_csv}[suffix]
    first, other = pd.DataFrame({"x": [1.5, 2.5], "y": [3, 4]}), pd.DataFrame({"x": [5.5, 6.5], "y": [7, 8]})
    write(first, f"t.{suffix}", index=False)
    opened, again = (open_table("served", f"t.{suffix}") for _ in range(2))
    before = again.sha256()
    assert opened.column("x").tolist() == [1.5, 2.5]
    if how == "remove":
        os.remove(f"t.{suffix}")
    elif how == "rename":
        write(other, "new", index=False)
        os.replace("new", f"t.{suffix}")
    else:
        write(other, f"t.{suffix}", index=False)
    assert again.sha256() == before
    if suffix == "csv":
        assert opened.column("y").tolist() == [3, 4] and opened.sha256() == before
        return
    for ask in (lambda: opened.column("y"), opened.sha256, lambda: len(opened)):
        with pytest.raises(SkewkitError, match=r"t\.parquet changed while it was read; give a copy"):
            ask()


def test_a_file_of_a_store_that_changes_is_refused():
    """As fsspec tells it."""
    fsspec = pytest.importorskip("fsspec")
    store, where = fsspec.filesystem("memory"), "memory://skewkit-changes/t.parquet"
    for rows in ([1, 2], [3, 4, 5]):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"x": rows}), sink)
        store.pipe("/skewkit-changes/t.parquet", sink.getvalue().to_pybytes())
        if len(rows) == 2:
            opened = open_table("served", where)
            assert opened.column("x").tolist() == rows
    with pytest.raises(SkewkitError, match="changed while it was read"):
        opened.column("x")


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_glob_that_gains_a_file_is_the_table_it_was(suffix):
    """The rows, the columns and the hash are of the files that were there when it was opened."""
    write = {"parquet": pd.DataFrame.to_parquet, "csv": pd.DataFrame.to_csv}[suffix]
    write(pd.DataFrame({"x": [1, 2]}), f"a.{suffix}", index=False)
    opened, alone = open_table("served", f"*.{suffix}"), open_table("served", f"a.{suffix}").sha256()
    write(pd.DataFrame({"x": [3]}), f"b.{suffix}", index=False)
    assert opened.column("x").tolist() == [1, 2] and len(opened) == 2 and opened.sha256() == alone


TIMES = pd.to_datetime(["1994-05-22 10:30:00", "1994-06-01 00:00:00"]).tz_localize("UTC")


@pytest.mark.parametrize("place", ["frame", "csv", "parquet"])
@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["1994-05-22T10:30:00Z", "1994-06-01T00:00:00Z"], {}),
        (["1994-05-22 12:30:00+02:00", "1994-06-01T00:00:00+00:00"], {}),
        (["22/05/1994 10:30", "01/06/1994 00:00"], {"time_zone": "UTC"}),
        (["22 May 1994 10.30", "01 Jun 1994 00.00"], {"time_zone": "UTC", "time_format": "%d %b %Y %H.%M"}),
        ([769602600, 770428800], {"time_format": "s"}),
        ([769602600000, 770428800000], {"time_format": "ms"}),
        ([769602600.0, 770428800.0], {"time_format": "s"}),
    ],
)
def test_the_requests_time_is_read_from_texts_and_numbers(values, told, place):
    """In frames and files alike, the same moments; since and until then cut by them."""
    rows = pd.DataFrame({"id": [1, 2], "at": values, "x": [1.5, 2.5]})
    rows.to_csv("t.csv", index=False)
    rows.to_parquet("t.parquet", index=False)
    served = rows if place == "frame" else f"t.{place}"
    case = sk.compare(served, served, key="id", time="at", since="1994-05-25T00:00:00Z", **told)
    assert list(case.training.column("at")) == list(TIMES) and case.training.kinds()["at"] == "time"
    assert list(case.served.column("at")) == [TIMES[1]]


@pytest.mark.parametrize(
    ("values", "told", "said"),
    [
        (["05/06/1994", "01/02/1994"], {"time_zone": "UTC"}, ["time_format=", "%d/%m/%Y or %m/%d/%Y"]),
        (["22/05/1994", "01/06/1994"], {}, ["naive time", "time_zone="]),
        (["maria", "anna"], {"time_zone": "UTC"}, ["is a text", "time_format="]),
        ([1.5, 2.5], {"time_zone": "UTC"}, ["is a number", "time_format=", "ms"]),
        ([769602600, 770428800], {}, ["is a integer", "time_format=", "ms"]),
        (["22/05/1994", "01/06/1994"], {"time_format": "%Y-%m-%d"}, ["time_format='%Y-%m-%d' does not fit"]),
    ],
)
def test_the_hint_names_what_is_missing(values, told, said):
    """And nothing that was given."""
    rows = pd.DataFrame({"id": [1, 2], "at": values, "x": [1.5, 2.5]})
    rows.to_csv("t.csv", index=False)
    for served in (rows, *(["t.csv"] if "time_format" not in told else [])):  # a file's own format is certain
        with pytest.raises(SkewkitError) as e:
            sk.compare(served, served, key="id", time="at", **told)
        assert all(s in str(e.value) for s in said) and not any(f"give {n}=" in str(e.value) for n in told), str(
            e.value
        )


FRAME = pd.DataFrame({"id": [1, 2, 3], "x": [1.0, 2.0, 3.0], "at": pd.to_datetime([1, 2, 3], unit="D", utc=True)})
WRONG = st.sampled_from(
    [None, True, 0, -1, 3, 2.5, float("nan"), 10**30, "", "x", "id", "a\x00b", "x" * 5000, "://", "s3://", "duckdb://#", b"x",
     [], [1], ["x"], [None], [["x"]], (), ("id",), {}, {"a": 1}, {1: 2}, {"x": "at"}, {"x": None}, {None: []}, {"table": 3},
     {"e": {"table": FRAME, "happened": 3}}, {"e": {"table": FRAME, "happened": "at", "entity": 3}}, {"e": 3}, {"x": FRAME},
     {"false_positive": [1]}, {"false_positive": "1"}, {"amount": 3}, {"amount": "x"}, {"separator": 1}, {1}, range(3),
     object(), object, len, lambda d: d, dt.datetime(2024, 1, 1), dt.date(2024, 1, 1), pd.Timestamp("1970-01-02", tz="UTC"), pd.NaT,
     np.datetime64("2024"), np.arange(3), np.array("x"), np.float64(1), pd.Series([1]), pd.Index(["x"]), pd.DataFrame(), FRAME,
     FRAME.set_axis([1, 2, 3], axis=1), FRAME.set_axis([1, "1", None], axis=1), FRAME.set_axis([("a", 1), "x", None], axis=1),
     pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])), pd.DataFrame({"x": [[1], {2}, None]}),
     {"id": [1, 2, 3], "x": [1, 2, 3]}, Path("none.csv"), Path("."), pa.table({"id": [1], "x": [1]}), Ellipsis, NotImplemented, 1j]
)  # fmt: skip
PARAMETERS = [
    "training", "served", "replayed", "replay", "key", "entity", "time", "label", "prediction", "segments", "features", "model",
    "trusted", "task", "cost", "contract", "since", "until", "sample", "rename", "time_zone", "evidence", "as_of", "freshness",
    "lineage", "events", "drill", "csv", "time_format",
]  # fmt: skip


def test_the_fuzzed_parameters_are_all_there_are():
    """So that a new one is fuzzed too."""
    from inspect import signature

    assert list(signature(sk.compare).parameters) == PARAMETERS


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(PARAMETERS), WRONG, min_size=1, max_size=2), st.booleans())
def test_whatever_compare_is_given_it_works_or_is_refused(wrong, timed):
    """No other exception than SkewkitError escapes, whichever type a parameter has; alone, or two at once."""
    told = {"training": FRAME, "served": FRAME, "replayed": FRAME, "key": "id", **({"time": "at"} if timed else {})}
    try:
        case = sk.compare(**told | wrong)
    except SkewkitError as e:
        assert len(str(e)) > 20
        return
    assert len(case.training) and case.roles.features


def generator():
    yield from ("x",)


def test_lists_of_columns_may_be_any_listing():
    """A generator, an array, an index, a set and a dictionary's keys."""
    for features in (generator(), np.array(["x"]), pd.Index(["x"]), {"x"}, {"x": 1}.keys(), ("x",)):
        assert sk.compare(FRAME, FRAME, features=features).roles.features == ("x",)


def test_names_that_are_no_text_are_read_as_text():
    """Numbers, a tuple and None, where no two become one; the frame is left as it was."""
    frame = FRAME.set_axis([0, ("a", 1), None], axis=1)
    case = sk.compare(frame, frame, frame, key=0)
    assert case.roles.key == "0" and case.roles.features == ("('a', 1)", "None")
    assert list(frame.columns) == [0, ("a", 1), None] and parity(case) == {0.0}
    with pytest.raises(SkewkitError, match="columns 1 and '1' are the same as text"):
        sk.compare(FRAME.set_axis([1, "1", "x"], axis=1), FRAME)
    with pytest.raises(SkewkitError, match="2 levels"):
        sk.compare(pd.concat([FRAME, FRAME], axis=1, keys=["a", "b"]), FRAME)
