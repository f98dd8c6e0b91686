"""Where tables come from: the same rows from each place, and an error that names the file, the column and what to do."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skewkit as sk
from skewkit.load.locations import open_table
from skewkit.plan import plan
from skewkit.records import SkewkitError
from skewkit.report.run import inputs

from .conftest import ROLES

FILES = {"training": "training.parquet", "served": "served.parquet", "replayed": "replayed.parquet"}


def findings(**tables):
    return sk.check(sk.compare(**{**FILES, **tables}, **ROLES)).to_frame()


def refused(source, *said):
    """The text of the error that opening, counting or reading a source gives."""
    with pytest.raises(SkewkitError) as e:
        table = open_table("served", source)
        table.frame()
        len(table)
    assert e.value.__cause__ is None and all(s in str(e.value) for s in said), str(e.value)
    return str(e.value)


def bytes_of(folder):
    return {p: p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


@pytest.fixture
def store(folder):
    """An object store in memory, with the served table in two parts."""
    import fsspec

    memory = fsspec.filesystem("memory")
    served = pd.read_parquet("served.parquet")
    for i, part in enumerate(np.array_split(np.arange(len(served)), 2)):
        with memory.open(f"/bucket/log/day{i}.parquet", "wb") as f:
            served.iloc[part].to_parquet(f, index=False)
    yield memory
    memory.rm("/bucket", recursive=True)


# -- Arrow


def test_arrow_in_memory_says_what_the_file_says(folder):
    """A table, a dataset, a stream, a polars frame and a pandas frame: the same findings, to the last digit."""
    import polars

    wanted = findings()
    served = pq.read_table("served.parquet")
    stream = pa.RecordBatchReader.from_batches(served.schema, served.to_batches(max_chunksize=300))
    for source in (served, ds.dataset(served), ds.dataset("served.parquet"), stream, polars.from_arrow(served)):
        pd.testing.assert_frame_equal(findings(served=source), wanted)


def test_arrow_files_say_what_parquet_says(folder):
    """Feather, Arrow files of polars and CSV in gzip: the same findings, to the last digit."""
    import polars

    wanted, frame = findings(), pd.read_parquet("served.parquet")
    feather.write_feather(frame, "served.feather")
    polars.read_parquet("served.parquet").write_ipc("served.arrow")
    shutil.copy("served.arrow", "served.ipc")
    frame.to_csv("served.csv.gz", index=False)
    for source in ("served.feather", "served.arrow", "served.ipc", "served.csv.gz"):
        pd.testing.assert_frame_equal(findings(served=source), wanted)


def test_text_of_polars_is_text(tmp_path):
    """Its views and categories have the kind and the values that they have in pandas."""
    import polars

    frame = polars.DataFrame({"s": ["a", None, "b"], "c": polars.Series(["x", "y", "x"], dtype=polars.Categorical)})
    frame.write_ipc(tmp_path / "t.arrow")
    for source in (frame, tmp_path / "t.arrow"):
        table = open_table("t", source)
        assert table.kinds() == {"s": "text", "c": "text"}
        assert table.distribution("s").nulls == 1 and table.column("c").tolist() == ["x", "y", "x"]


def test_a_stream_that_was_read_and_a_lazy_frame_are_refused(folder):
    """The first has no rows left, the second none yet; one that has rows is read."""
    import polars

    table = pa.table({"x": [1, 2]})
    stream = pa.RecordBatchReader.from_batches(table.schema, table.to_batches())
    assert len(open_table("served", stream)) == 2
    refused(stream, "read before")
    refused(polars.scan_parquet("served.parquet"), "collect it")
    refused(polars.Series([1]), "cannot read as a table")


def test_a_column_that_is_there_twice_is_refused_wherever_it_is(tmp_path):
    """In memory, in Parquet and in CSV."""
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    pq.write_table(twice, tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("x,x\n1,2\n")
    for source in (twice, tmp_path / "t.parquet"):
        refused(source, "x is there twice")
    refused(tmp_path / "t.csv", "t.csv")


def test_nothing_else_is_a_table():
    """Numbers, nothing and mappings are refused with what a table may be."""
    for source in (None, 3, [], {}, [1], b"x", object()):
        refused(source, "give a frame, a path")


# -- object stores


def test_an_object_store_says_what_the_files_say(store):
    """A glob, a folder, a list and a file in a bucket: the same findings and the same hash as here."""
    wanted = findings()
    assert (
        open_table("t", "training.parquet").sha256()
        == hashlib.sha256(Path("training.parquet").read_bytes()).hexdigest()
    )
    here = hashlib.sha256(b"".join(store.cat(f"/bucket/log/day{i}.parquet") for i in (0, 1))).hexdigest()
    parts = ["memory://bucket/log/day0.parquet", "memory://bucket/log/day1.parquet"]
    for source in ("memory://bucket/log/*.parquet", "memory://bucket/log", "memory://bucket", parts):
        pd.testing.assert_frame_equal(findings(served=source), wanted)
        table = open_table("served", source)
        assert table.sha256() == here and len(table.files) == 2 and "memory://bucket" in table.uri


def test_a_plan_tells_the_size_of_files_in_a_store(store, folder):
    """The bytes that lie there, in MB."""
    size = sum(store.info(f"/bucket/log/day{i}.parquet")["size"] for i in (0, 1)) / 1e6
    (line,) = (t for t in plan("check", [], [("served", "memory://bucket/log")], folder) if t.startswith("served"))
    assert "2 files" in line and f"{size:,.1f} MB" in line and size > 0.05


def test_a_bucket_s_name_in_braces_is_never_shown(store, monkeypatch):
    """Neither in the case nor in an error of one of its files."""
    monkeypatch.setenv("WHERE", "memory://bucket/log")
    assert open_table("served", "${WHERE}/*.parquet").uri == "${WHERE}/*.parquet"
    store.pipe("/bucket/log/day2.parquet", b"PAR1 not really")
    for source in ("${WHERE}/*.parquet", "${WHERE}"):
        assert "bucket" not in refused(source, "${WHERE}/day2.parquet")
    monkeypatch.setenv("WHERE", "memory://bucket/log/*.parquet")
    assert "bucket" not in refused("${WHERE}", "file 3 of ${WHERE}")


def test_what_an_object_store_cannot_give_is_an_error_with_the_remedy(store, folder, monkeypatch):
    """No such file, no such protocol, no package for it, no fsspec, files of two places."""
    refused("memory://bucket/nothing/*.parquet", "no file at memory://bucket/nothing")
    refused("foo://bucket/x.parquet", "cannot open foo://bucket", "s3")
    refused(["memory://bucket/log", "served.parquet"], "different places")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    refused("s3://bucket/x.parquet", "needs the package", "s3fs")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    refused("memory://bucket/log", "pip install 'skewkit[cloud]'")


# -- Delta


@pytest.fixture
def delta(folder):
    """Three versions of the served table: its first 1,000 rows, all of them, and those without one country."""
    from deltalake import DeltaTable, write_deltalake

    served = pd.read_parquet("served.parquet")
    for part in (served.iloc[:1_000], served.iloc[1_000:]):
        write_deltalake("lake/log", part, mode="append", partition_by=["country"])
    DeltaTable("lake/log").delete(f"country = '{served['country'].mode()[0]}'")
    for version, day in enumerate(("2024-06-01", "2024-06-02", "2024-06-03")):
        edited(version, lambda line, day=day: stamped(line, pd.Timestamp(day, tz="UTC").value // 10**6))
    return served


def stamped(line, written):
    if "commitInfo" in line:
        line["commitInfo"]["timestamp"] = written


def edited(version, edit, table="lake/log"):
    """One commit of a Delta table, each of its lines edited."""
    path = Path(table) / "_delta_log" / f"{version:020d}.json"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        edit(line)
    path.write_text("\n".join(json.dumps(line) for line in lines if line))


def test_a_delta_table_says_what_the_files_say(delta):
    """At the version that holds all rows, whatever the order of its files; the result names the version and hashes the files."""
    pd.testing.assert_frame_equal(findings(served="delta:lake/log@1"), findings())
    case = sk.compare(**{**FILES, "served": "delta:lake/log@1"}, **ROLES)
    read = next(i for i in inputs(case) if i["role"] == "served")
    digest = hashlib.sha256(b"".join(Path("lake/log", f).read_bytes() for f in sorted(case.served.files)))
    assert read["uri"] == "delta:lake/log@1" and read["rows"] == 2_000 and read["sha256"] == digest.hexdigest()


def test_a_version_of_a_delta_table_is_by_number_by_time_or_the_newest(delta):
    """Asked as of a time, it is the version that was the newest then; the uri says which, so that it can be read again."""
    without = len(delta) - (delta["country"] == delta["country"].mode()[0]).sum()
    rows = {0: 1_000, 1: 2_000, 2: without}
    asked = {"": 2, "@0": 0, "@1": 1, "@2024-06-01T00:00:00Z": 0, "@2024-06-01T23:59:59.999Z": 0}
    asked |= {"@2024-06-02T02:00:00+02:00": 1, "@2024-06-02T01:59:59+02:00": 0, "@2030-01-01T00:00:00Z": 2}
    for text, version in asked.items():
        table = open_table("served", f"delta:lake/log{text}")
        assert (table.uri, len(table)) == (f"delta:lake/log@{version}", rows[version]), text


def test_what_delta_cannot_give_is_an_error_with_what_there_is(delta, monkeypatch):
    """No table, no such version, a time before the first, one without its zone, words, and a folder read as plain files."""
    refused("delta:lake", "is no Delta table")
    refused("delta:nowhere@1", "is no Delta table")
    refused("delta:lake/log@7", "versions 0 to 2")
    refused("delta:lake/log@2024-05-31T23:59:59Z", "2024-06-01T00:00:00+00:00")
    refused("delta:lake/log@2024-06-02T00:00:00", "a time with its zone")
    refused("delta:lake/log@newest", "neither a version nor a time")
    refused(["delta:lake/log", "served.parquet"], "by itself")
    for source in ("lake/log", "lake/log/*/*.parquet"):
        refused(source, "is in a Delta table", "delta:PATH")
    edited(1, lambda line: line.pop("commitInfo", None))
    for when in ("2024-06-01", "2024-06-02"):  # by deltalake's own history the first commit would be version 1
        refused(f"delta:lake/log@{when}T00:00:00Z", "when version 1 was written")
    assert open_table("t", "delta:lake/log@2024-06-03T00:00:00Z").uri == "delta:lake/log@2"
    assert not Path("nowhere").exists()
    monkeypatch.setenv("DAY", "2023-11-05")
    assert "2023" not in refused("delta:lake/log@${DAY}", "at ${DAY}", "a time with its zone")
    monkeypatch.setitem(sys.modules, "deltalake", None)
    refused("delta:lake/log", "pip install 'skewkit[delta]'")


def test_a_delta_table_in_braces_is_never_shown(delta, folder, monkeypatch):
    """The version is, and what ${NAME} stands for is not."""
    monkeypatch.setenv("LAKE", str(folder / "lake"))
    assert open_table("served", "delta:${LAKE}/log").uri == "delta:${LAKE}/log@2"
    for source in ("delta:${LAKE}", "delta:${LAKE}/log@9"):
        assert str(folder) not in refused(source, "${LAKE}")


def test_a_version_whose_files_are_gone_is_an_error(delta):
    """After a vacuum the log still names them; the newest version is still read."""
    from deltalake import DeltaTable

    DeltaTable("lake/log").vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert len(open_table("served", "delta:lake/log"))
    refused("delta:lake/log@1", "files that are gone", "vacuum")


def test_a_delta_table_whose_log_was_cleaned_up_has_the_versions_since(delta):
    """From its checkpoint on they are read by number; when the checkpoint was written is not known any more."""
    from deltalake import DeltaTable

    DeltaTable("lake/log", version=1).create_checkpoint()
    for version in (0, 1):
        os.remove(f"lake/log/_delta_log/{version:020d}.json")
    assert len(open_table("t", "delta:lake/log@1")) == 2_000 > len(open_table("t", "delta:lake/log@2"))
    refused("delta:lake/log@0", "versions 1 to 2")
    assert open_table("t", "delta:lake/log@2024-06-04T00:00:00Z").uri == "delta:lake/log@2"
    refused("delta:lake/log@2024-06-02T00:00:00Z", "when version 1 was written")


@pytest.mark.parametrize("feature", ["mapped", "mapped and listed", "deletion vectors", "unheard of"])
def test_delta_s_rows_are_right_or_refused(folder, feature):
    """Renamed columns (which would read as nulls) and rows deleted by a vector (which would be there) are refused; without, it reads."""
    from deltalake import write_deltalake

    write_deltalake("lake/log", pa.table({"x": [1, 2]}))
    assert open_table("t", "delta:lake/log").column("x").tolist() == [1, 2]
    lists = {"mapped and listed": "columnMapping", "deletion vectors": "deletionVectors", "unheard of": "martian"}
    listed = lists.get(feature)
    protocol = {"minReaderVersion": 3 if listed else 2, "minWriterVersion": 7 if listed else 5}
    protocol |= {"readerFeatures": [listed], "writerFeatures": [listed]} if listed else {}
    named = {"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "x"}

    def edit(line):
        if "protocol" in line:
            line["protocol"] = protocol
        if "metaData" in line and "mapped" in feature:
            line["metaData"]["configuration"] = {
                "delta.columnMapping.mode": "name",
                "delta.columnMapping.maxColumnId": "1",
            }
            fields = [{"name": "y", "type": "long", "nullable": True, "metadata": named}]
            line["metaData"]["schemaString"] = json.dumps({"type": "struct", "fields": fields})

    edited(0, edit)
    refused("delta:lake/log", "cannot be read")


# -- DVC


@pytest.fixture
def repository(folder, monkeypatch):
    """A repository of git and DVC: the served table as of tag v1, another since, and a third not yet added."""
    pytest.importorskip("dvc", reason="dvc is an extra for an environment of its own: pip install 'skewkit[dvc]'")
    from dvc.repo import Repo

    def git(*words):
        who = ["-c", "user.name=n", "-c", "user.email=n@localhost"]
        subprocess.run(["git", *who, *words], check=True, capture_output=True)

    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    git("init", ".")
    repo = Repo.init(".")
    Path("data/log").mkdir(parents=True)
    for i, rows in enumerate((slice(0, 1_000), slice(1_000, None))):
        pd.read_parquet("served.parquet").iloc[rows].to_parquet(f"data/log/{i}.parquet", index=False)
    for n, tag in ((5, "v1"), (6, "release/2")):
        pd.DataFrame({"x": range(n)}).to_parquet("data/x.parquet", index=False)
        for target in ("data/x.parquet", "data/log"):
            repo.add(target)
        git("add", "-A", "data", ".dvc")
        git("commit", "-m", tag)
        git("tag", tag)
    pd.DataFrame({"x": range(7)}).to_parquet("data/x.parquet", index=False)
    repo.close()
    return git


def test_dvc_gives_the_files_of_a_revision_and_leaves_none_behind(repository, folder):
    """By tag, whatever lies there now; without a revision, what lies there; from any folder of the repository."""
    here = lambda: {p: b for p, b in bytes_of(folder).items() if "tmp" not in p.relative_to(folder).parts}  # noqa: E731
    before = here()
    commit = subprocess.run(["git", "rev-parse", "v1^{commit}"], capture_output=True, text=True).stdout.strip()
    pd.testing.assert_frame_equal(findings(served="dvc:data/log@v1"), findings())
    rows = {"@v1": 5, "@release/2": 6, "": 7, f"@{commit}": 5}
    for rev, n in rows.items():
        assert len(open_table("t", f"dvc:data/x.parquet{rev}")) == n
    assert open_table("t", "dvc:data/x.parquet@v1").uri == f"dvc:data/x.parquet@{commit}"
    assert open_table("t", "dvc:data/x.parquet").sha256() == open_table("t", "data/x.parquet").sha256()
    os.chdir("data")
    assert len(open_table("t", "dvc:x.parquet@v1")) == 5
    os.remove("x.parquet")
    assert len(open_table("t", "dvc:x.parquet")) == 6  # what its .dvc file names
    (folder / "data" / "x.parquet").write_bytes(before[folder / "data" / "x.parquet"])
    repository("tag", "-f", "v1", "HEAD")
    assert len(open_table("t", "dvc:x.parquet@v1")) == 6  # a tag that moved
    repository("tag", "-f", "v1", commit)
    assert {p: b for p, b in here().items() if ".git" not in p.parts} == {
        p: b for p, b in before.items() if ".git" not in p.parts
    }


def test_what_dvc_cannot_give_is_an_error_with_the_remedy(repository, folder, monkeypatch):
    """No such revision or file, a path outside, a cache without the bytes, no repository, no DVC."""
    refused("dvc:data/x.parquet@v9", "a tag, branch or commit")
    refused("dvc:data/y.parquet@v1", "no file at dvc:data/y.parquet@v1")
    refused("dvc:../x.parquet", "outside")
    shutil.rmtree(".dvc/cache")
    refused("dvc:data/x.parquet@v1", "fetch them")
    monkeypatch.chdir("/")
    refused("dvc:data/x.parquet", "run in a git repository")
    monkeypatch.setitem(sys.modules, "dvc.api", None)
    refused("dvc:data/x.parquet", "pip install 'skewkit[dvc]'")


def test_without_dvc_the_error_names_the_extra(monkeypatch):
    """Whether it is installed or not."""
    monkeypatch.setitem(sys.modules, "dvc.api", None)
    refused("dvc:data/x.parquet@v1", "pip install 'skewkit[dvc]'")


# -- files that do not fit together, or are broken


def two(first, second, suffix="parquet"):
    """Two files of one folder."""
    for name, table in (("a", first), ("b", second)):
        if suffix == "csv":
            Path(f"{name}.csv").write_text(table)
        else:
            pq.write_table(table, f"{name}.parquet")
    return f"[ab].{suffix}"


FITS = {
    "integers of two widths": (pa.int32(), [1], pa.int64(), [2**40], [1, 2**40]),
    "integers and numbers": (pa.int64(), [1], pa.float64(), [2.5], [1.0, 2.5]),
    "nothing and text": (pa.null(), [None], pa.string(), ["a"], [None, "a"]),
    "text and nothing": (pa.string(), ["a"], pa.null(), [None], ["a", None]),
    "categories and text": (pa.dictionary(pa.int8(), pa.string()), ["b"], pa.string(), ["a"], ["b", "a"]),
    "text of two widths": (pa.string(), ["a"], pa.large_string(), ["b"], ["a", "b"]),
    "times of two units": (pa.timestamp("ms", "UTC"), [1], pa.timestamp("us", "UTC"), [2_000], "times"),
    "times of two zones": (pa.timestamp("ms", "UTC"), [1], pa.timestamp("ms", "Asia/Tokyo"), [2], "times"),
}


@pytest.mark.parametrize("what", FITS)
@pytest.mark.parametrize("swapped", [False, True])
def test_types_that_hold_the_same_values_are_one(what, swapped, tmp_path, monkeypatch):
    """In either order of the files, no value changes."""
    monkeypatch.chdir(tmp_path)
    a, x, b, y, wanted = FITS[what]
    tables = [pa.table({"x": pa.array(v, t)}) for t, v in ((a, x), (b, y))]
    found = open_table("t", two(*tables[:: -1 if swapped else 1])).column("x")
    if wanted == "times":
        wanted = [pd.Timestamp(1, unit="ms", tz="UTC"), pd.Timestamp(2, unit="ms", tz="UTC")]
    assert [None if pd.isna(v) else v for v in found] == wanted[:: -1 if swapped else 1]


APART = {
    "text and integers": (pa.string(), ["a"], pa.int64(), [1], ("string", "int64")),
    "booleans and integers": (pa.bool_(), [True], pa.int64(), [1], ("bool", "int64")),
    "times and naive times": (pa.timestamp("us", "UTC"), [1], pa.timestamp("us"), [1], ("tz=UTC", "timestamp[us]")),
    "text and bytes": (pa.string(), ["a"], pa.binary(), [b"a"], ("string", "binary")),
}


@pytest.mark.parametrize("what", APART)
def test_types_that_do_not_fit_are_named_with_file_and_column(what, tmp_path, monkeypatch):
    """Both files, both types, the column, and what to do."""
    monkeypatch.chdir(tmp_path)
    a, x, b, y, types = APART[what]
    said = refused(two(pa.table({"x": pa.array(x, a)}), pa.table({"x": pa.array(y, b)})), "column 'x'", *types)
    assert "a.parquet" in said and "b.parquet" in said and "one type" in said


def test_a_column_that_some_files_lack_is_named(tmp_path, monkeypatch):
    """Which file has it and which does not, whichever comes first; the same columns in another order are fine."""
    monkeypatch.chdir(tmp_path)
    full, less = pa.table({"x": [1], "y": [2]}), pa.table({"x": [3]})
    refused(two(full, less), "column 'y' is in a.parquet and not in b.parquet")
    refused(two(less, full), "column 'y' is in b.parquet and not in a.parquet")
    assert open_table("t", two(full, full.select(["y", "x"]))).frame().to_numpy().tolist() == [[1, 2], [1, 2]]


def test_a_number_too_large_for_the_other_files_type_is_named(tmp_path, monkeypatch):
    """A whole number that a float cannot hold is an error, and not another number."""
    monkeypatch.chdir(tmp_path)
    refused(two(pa.table({"x": [2**53 + 1]}), pa.table({"x": [0.5]})), "a.parquet", "x holds values beyond")


def test_csv_files_that_disagree_are_named(tmp_path, monkeypatch):
    """By their first rows when opened, by row when read; and no value is shown. Whole and broken numbers are one type."""
    monkeypatch.chdir(tmp_path)
    assert open_table("t", two("x\n1\n", "x\n2.5\n", "csv")).column("x").tolist() == [1.0, 2.5]
    refused(two("x\n1\n", "x\nmaria\n", "csv"), "int64 in a.csv", "string in b.csv")
    many = "x,y\n" + "1,2\n" * 400_000
    said = refused(two("x,y\n1,2\n", many + "1,maria\n", "csv"), "b.csv", "'y'", "row 400001 below the header")
    assert "maria" not in said
    said = refused(two("x,y\n1,2\n", many + "1,maria,3\n", "csv"), "b.csv", "row 400002", "3 values", "header 2")
    assert "maria" not in said
    assert "maria" not in refused(two("x,y\n1,2\n", "x,y\n1,maria,3\n", "csv"), "b.csv", "row 2", "3 values")


def test_an_empty_and_a_truncated_file_are_named(folder):
    """Among whole ones, of each kind; a header alone is no rows."""
    whole = Path("served.parquet").read_bytes()
    feather.write_feather(pd.read_parquet("served.parquet"), "whole.arrow")
    for kind, data in (("parquet", whole), ("arrow", Path("whole.arrow").read_bytes()), ("csv", b"x\n1\n")):
        Path(kind).mkdir()
        Path(kind, f"a.{kind}").write_bytes(data)
        Path(kind, f"b.{kind}").write_bytes(b"")
        refused(f"{kind}/*.{kind}", f"{kind}/b.{kind}", "is empty")
        Path(kind, f"b.{kind}").write_bytes(data[: len(data) // 2])
        if kind != "csv":
            refused(f"{kind}/*.{kind}", f"{kind}/b.{kind}", "whole file")
    damaged = bytearray(whole)
    damaged[4 : len(whole) // 2] = bytes(len(whole) // 2 - 4)
    Path("parquet/b.parquet").write_bytes(damaged)
    refused("parquet/*.parquet", "cannot read column", "parquet/b.parquet", "whole file")
    Path("none.csv").write_text("x,y\n")
    assert len(open_table("t", "none.csv")) == 0


def test_a_file_that_may_not_be_read_is_named(monkeypatch):
    """As a user without the right to; the administrator of a test machine steps down for it."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        path = Path(place) / "secret.parquet"
        pq.write_table(pa.table({"x": [1]}), path)
        os.chmod(path, 0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            refused(str(path), "secret.parquet", "may not read it")
        finally:
            os.seteuid(user)


def test_a_file_is_found_by_its_name_though_it_looks_like_a_glob(tmp_path):
    """Brackets in the name of a file that is there are its name."""
    pq.write_table(pa.table({"x": [1]}), tmp_path / "a[1].parquet")
    assert len(open_table("t", tmp_path / "a[1].parquet")) == 1


PINNED = settings(max_examples=150, deadline=None, derandomize=True)


@st.composite
def broken(draw):
    """A suffix, and bytes that perhaps are no whole file of it: random, or a good file cut off or with bytes changed."""
    suffix = draw(st.sampled_from(["parquet", "csv", "csv.gz", "arrow", "feather"]))
    if not draw(st.integers(0, 3)):
        return suffix, draw(st.binary(max_size=60) | st.text(alphabet='ab,"\n\r\x00é1.', max_size=40).map(str.encode))
    table = pa.table({"x": [1, None, 3], "s": ["a", "b", None], "t": pa.array([1, 2, 3], pa.timestamp("us", "UTC"))})
    made = bytearray(GOOD.setdefault(suffix, written(table, suffix)))
    for _ in range(draw(st.integers(0, 3))):
        made[draw(st.integers(0, len(made) - 1))] = draw(st.integers(0, 255))
    return suffix, bytes(made[: draw(st.integers(0, len(made)))] if draw(st.booleans()) else made)


GOOD: dict = {}


def written(table, suffix):
    sink = pa.BufferOutputStream()
    if suffix == "parquet":
        pq.write_table(table, sink)
    elif "csv" in suffix:
        data = table.to_pandas().to_csv(index=False).encode()
        return gzip.compress(data, mtime=0) if suffix == "csv.gz" else data
    else:
        feather.write_feather(table, sink)
    return sink.getvalue().to_pybytes()


@PINNED
@given(broken(), st.booleans())
def test_whatever_is_in_a_file_it_is_a_table_or_a_clear_error(file, beside):
    """Alone or beside a good one: rows, or a SkewkitError that names the file; and no byte has changed."""
    suffix, data = file
    with tempfile.TemporaryDirectory() as place:
        Path(place, f"b.{suffix}").write_bytes(data)
        if beside:
            Path(place, f"a.{suffix}").write_bytes(GOOD.get(suffix) or data)
        before = bytes_of(place)
        try:
            table = open_table("served", f"{place}/*.{suffix}")
            assert len(table.frame()) == len(table) or not table.columns
            table.sha256()
            with contextlib.suppress(SkewkitError):
                sk.check(sk.compare(table, f"{place}/*.{suffix}"))
        except SkewkitError as e:
            assert place in str(e) and len(str(e)) > 20
        assert bytes_of(place) == before


def test_decimals_beside_floats_are_refused(tmp_path):
    """A decimal of many digits would lose some as a float: the files are refused, with the column and both types."""
    from decimal import Decimal

    exact = pa.array([Decimal("0.1"), Decimal("1234567890123456.1234")], pa.decimal128(20, 4))
    for held in (pa.float32(), pa.float64()):
        pq.write_table(pa.table({"x": exact}), tmp_path / "a.parquet")
        pq.write_table(pa.table({"x": pa.array([0.1, 1.0], held)}), tmp_path / "b.parquet")
        with pytest.raises(SkewkitError, match=r"column 'x' is decimal128\(20, 4\) in .* and (float|double) in"):
            open_table("t", str(tmp_path / "*.parquet"))


def test_an_object_s_path_with_a_hash_is_no_database(tmp_path):
    """s3://bucket/run#1/log.parquet is a file in a store."""
    from skewkit.load.databases import is_database

    assert not any(
        is_database(f"{store}://bucket/run#1/log.parquet") for store in ("s3", "gs", "abfs", "memory", "file")
    )
    assert is_database("postgres://host/db#features")
