"""The feature log: what it takes, what it never does to a request, and what is left of it whatever happens."""

from __future__ import annotations

import errno
import json
import math
import os
import threading
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skewkit as sk
from skewkit import durable
from skewkit.log import feature_log
from skewkit.records import SkewkitError
from skewkit.scope import coin, coin_of

from .bench import logging_load


def logged(folder, requests, **parameters):
    """Requests as (key, features) through a log that takes all, read again; and the state it ended in."""
    with sk.FeatureLog(folder, **{"share": 1.0, "queue": 10**6, **parameters}) as log:
        for key, features in requests:
            log(features, 0.5, key=key, time=datetime(2024, 1, 1, tzinfo=UTC), join_key=key)
    return sk.read_log(folder), log.state


def in_order(log, column):
    """A column in the order of the sequence."""
    return log.frame.sort_values("log_sequence")[column].tolist()


# -- which requests


@given(st.integers(-(2**63), 2**64 - 1) | st.text(st.characters(codec="utf-8")), st.integers(0, 5))
def test_one_key_is_chosen_as_its_column_would_be(key, seed):
    """The fast path of one key is `coin`, to the last bit, over whole numbers and any text."""
    assert coin_of(key, "log", seed) == coin([key], "log", seed)[0]


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1) | st.lists(st.text("aé日\x00😀 ", min_size=1), min_size=1)
)
def test_a_column_of_keys_gives_what_its_keys_give(keys):
    """Both sides, and a replay, pick the same requests whether they see one or a table."""
    assert [coin_of(k, "log") for k in keys] == coin(keys, "log").tolist()


@pytest.mark.parametrize("key", [True, 1.0, 1.5, np.int64(7), np.str_("a"), None, np.float32(0.1)], ids=repr)
def test_other_keys_too_are_chosen_as_their_column_would_be(key):
    """Whatever a key is."""
    assert coin_of(key, "log") == coin([key], "log")[0]


def test_a_smaller_share_nests_in_a_larger_one(tmp_path):
    """Three logs of the same 3,000 requests: each holds exactly the keys that the hash gives, and those of the smaller."""
    keys = [f"request-é-{i}" for i in range(3_000)]
    held = {}
    for share in (0.01, 0.1, 1.0):
        log, state = logged(tmp_path / str(share), [(k, {"x": 1.0}) for k in keys], share=share)
        held[share] = set(log.frame["request_id"])
        assert held[share] == {k for k, c in zip(keys, coin(keys, "log"), strict=True) if c < share}
        assert state["asked"] == 3_000 and state["taken"] == len(held[share])
    assert held[0.01] < held[0.1] < held[1.0] == set(keys) and 10 <= len(held[0.01]) <= 55


# -- what is in it


def test_a_row_holds_what_was_served(tmp_path):
    """Clean control: features, prediction, times, join key, hash and model, as given."""
    asked = datetime(2024, 3, 31, 1, 30, tzinfo=UTC)
    before = pd.Timestamp.now("UTC")
    with sk.FeatureLog(tmp_path, share=1.0, definitions="d1", model="m/3") as log:
        number = log(
            {"a": 1, "b": "é日", "c": None}, 0.25, key="k1", time=asked, join_key="o1", entities={"account": 7}
        )
        assert log({"a": 2, "b": "x", "c": 0.5}, 0.5, key="k2") == 2 and number == 1
    read = sk.read_log(tmp_path)
    row, later = read.frame.to_dict("records")
    assert {n: row[n] for n in ("request_id", "a", "b", "prediction", "join_key", "account", "log_sequence")} == {
        "request_id": "k1", "a": 1, "b": "é日", "prediction": 0.25, "join_key": "o1", "account": 7, "log_sequence": 1,
    }  # fmt: skip
    assert (row["log_definitions"], row["log_model"], row["time"]) == ("d1", "m/3", asked) and math.isnan(row["c"])
    assert before <= row["log_time"] <= later["log_time"] == later["time"] <= pd.Timestamp.now("UTC")
    assert read.features == ("a", "b", "c") and read.entities == ("account",) and later["c"] == 0.5
    (segment,) = read.files
    told = json.loads(pq.read_schema(segment).metadata[feature_log.META])
    assert (told["first"], told["last"], told["rows"], told["dropped"], told["definitions"]) == (1, 2, 2, 0, "d1")


def test_without_values_no_value_is_written(tmp_path):
    """Key, times, hash, names and entities alone; what was served stands in none of the files' bytes."""
    with sk.FeatureLog(tmp_path, share=1.0, definitions="d1", values=False) as log:
        log({"name": "a-served-text", "x": 1.5}, 0.25, key="k1", join_key="o1", entities={"account": 7})
    read = sk.read_log(tmp_path)
    assert read.frame["log_features"].map(list).tolist() == [["name", "x"]]
    assert read.frame["account"].tolist() == [7] and read.frame["log_definitions"].tolist() == ["d1"]
    assert not {"prediction", "x", "name"} & set(read.frame) and read.features == () and not read.values
    assert not any(b"a-served-text" in p.read_bytes() for p in tmp_path.iterdir())


def test_what_changes_after_the_call_does_not_change_the_log(tmp_path):
    """A service may use its dictionary and lists again."""
    features = {"x": 1.0, "history": [1, 2], "embedding": np.array([0.5, 1.5])}
    with sk.FeatureLog(tmp_path, share=1.0) as log:
        log(features, key="k")
        features["history"].append(3)
        features["embedding"][0] = 9.0
        features["x"] = 2.0
    row = sk.read_log(tmp_path).frame.iloc[0]
    assert (row["x"], list(row["history"]), list(row["embedding"])) == (1.0, [1, 2], [0.5, 1.5])


# -- types


@pytest.mark.parametrize(
    "values",
    [
        [1, 2.5, None, 3],
        [1, "one", 2, "two", 1.5],
        [True, 1, 0.5, "yes", None],
        [2**60 + 1, 0.5, 2**60 + 3],
        [datetime(2024, 1, 1, 5), datetime(2024, 1, 1, 5, tzinfo=UTC)],
        [date(2024, 1, 1), datetime(2024, 1, 1, 5)],
        [[1, 2], [0.5], "none", None],
        [float("nan"), None, math.inf, 1],
        [np.float32(0.1), 0.1, np.int8(3), 7],
        [b"a", "a"],
    ],
    ids=str,
)
def test_a_value_stays_what_it_was_when_types_change(values, tmp_path):
    """Every row is there, and none has become null, text or another number."""
    log, state = logged(tmp_path, [(i, {"x": v}) for i, v in enumerate(values)], rows=1_000)
    assert (state["failed"], state["dropped"], len(log)) == (0, 0, len(values))
    for was, found in zip(values, in_order(log, "x"), strict=True):
        if was is None or (isinstance(was, float) and math.isnan(was)):
            assert pd.isna(found)
        elif isinstance(was, list):
            assert list(found) == was
        else:
            assert found == was and isinstance(found, str) == isinstance(was, str)


VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text("aé1")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("xyz"), VALUES), min_size=1, max_size=40), st.integers(1, 50))
def test_nothing_is_lost_or_turned_whatever_comes(tmp_path_factory, requests, rows):
    """Any mixture of types and of missing features comes back value by value, in whatever segments."""
    log, state = logged(tmp_path_factory.mktemp("log"), list(enumerate(requests)), rows=rows)
    assert (state["failed"], len(log)) == (0, len(requests))
    for feature in {n for r in requests for n in r}:
        for request, found in zip(requests, in_order(log, feature), strict=True):
            was = request.get(feature)
            assert pd.isna(found) if was is None else (found == was and isinstance(found, str) == isinstance(was, str))


def test_types_that_take_turns_make_few_segments(tmp_path):
    """Two hundred requests whose feature is a number and text in turn are two files, not two hundred."""
    log, _ = logged(tmp_path, [(i, {"x": i if i % 2 else str(i)}) for i in range(200)])
    assert len(log.files) == 2 and log.mixed == ("x",)
    assert in_order(log, "x") == [i if i % 2 else str(i) for i in range(200)]


# -- never in the way


class Stubborn:
    """What no file holds, and no copy either."""

    def __deepcopy__(self, memo):
        raise RuntimeError("no copy")

    def __hash__(self):
        raise RuntimeError("no hash")


@pytest.mark.parametrize(
    "given",
    [
        {"features": {"x": object()}},
        {"features": {"x": [Stubborn()]}},
        {"features": {"x": 2**70}},
        {"features": {"x": 1j}},
        {"features": {"x": {}}},
        {"features": {"x": "\ud800"}},
        {"features": {"prediction": 1}},
        {"features": {"log_time": 1}},
        {"features": {3: 1}},
        {"features": None},
        {"features": [1, 2]},
        {"prediction": Stubborn()},
        {"key": None},
        {"key": "\ud800"},
        {"key": [1]},
        {"key": Stubborn()},
        {"time": datetime(2024, 1, 1)},
        {"time": "2024-01-01"},
        {"time": datetime(9999, 1, 1, tzinfo=UTC)},
        {"entities": 3},
    ],
)
def test_what_cannot_be_written_is_counted_and_raises_nothing(given, tmp_path):
    """Among good requests a bad one fails alone, whatever is bad in it, and no text of it stands in the state."""
    good = {"features": {"x": 1.0}, "prediction": 0.5}
    with sk.FeatureLog(tmp_path, share=1.0) as log:
        for i in range(40):
            asked = {**good, "key": i, **(given if i == 17 else {})}
            log(asked.pop("features"), asked.pop("prediction"), **asked)
    state = json.loads((tmp_path / f"{log.writer}.json").read_text())
    assert (state["asked"], state["failed"], state["dropped"]) == (40, 1, 0) and state["trouble"]
    read = sk.read_log(tmp_path)
    assert read.frame["request_id"].tolist() == [i for i in range(40) if i != 17]
    assert read.writers["lost"].tolist() == [0] and "2024" not in state["trouble"]


def test_a_full_queue_drops_and_counts_and_does_not_wait(tmp_path, monkeypatch):
    """While the disk hangs, a queue of ten takes ten more; once it goes on, those are there and the others were counted."""
    hangs, begun = threading.Event(), threading.Event()

    def slow(path, real=durable.synced):
        begun.set()
        assert hangs.wait(60)
        real(path)

    monkeypatch.setattr(durable, "synced", slow)
    log = sk.FeatureLog(tmp_path, share=1.0, queue=10, rows=1)
    assert log({"x": 0}, key=0) == 1
    assert begun.wait(60)
    numbers = [log({"x": i}, key=i) for i in range(1, 51)]  # returns though nothing can be written
    assert numbers == [*range(2, 12), *[None] * 40] and log.durable == 0
    assert log.state["dropped"] == 40
    hangs.set()
    assert log.close()
    read = sk.read_log(tmp_path)
    assert read.frame["x"].tolist() == list(range(11)) and read.writers["dropped"].tolist() == [40]
    assert read.writers["lost"].tolist() == [0]


def test_a_full_disk_is_tried_again_and_loses_nothing_that_fits_the_queue(tmp_path, monkeypatch):
    """The first three attempts fail half way through the file; afterwards every row is there, and no half file is left."""
    attempts = []

    def full(table, path, real=pq.write_table):
        attempts.append(path)
        if len(attempts) <= 3:
            Path(path).write_bytes(b"PAR1 half a file")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(table, path)

    monkeypatch.setattr(pq, "write_table", full)
    monkeypatch.setattr(feature_log, "RETRY", 0.01)
    with sk.FeatureLog(tmp_path, share=1.0, rows=5) as log:
        for i in range(20):
            log({"x": i}, key=i)
        assert log.flush() and "OSError" in log.state["trouble"]
    read = sk.read_log(tmp_path)
    assert sorted(read.frame["x"]) == list(range(20)) and len(attempts) > 3
    assert (log.state["failed"], log.state["dropped"], read.unfinished) == (0, 0, 0)


def test_a_disk_that_stays_full_is_told_by_close(tmp_path, monkeypatch):
    """The rows that could not be written are counted as failed, and nothing is raised."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    log = sk.FeatureLog(tmp_path, share=1.0)
    for i in range(20):
        log({"x": i}, key=i)
    assert not log.close() and log.durable == 0
    assert log.state["failed"] == 20 and not list(tmp_path.glob("*.parquet"))


def test_a_closed_log_counts_what_still_comes(tmp_path):
    """Nothing is raised and nothing is taken; closed once more, the count is in the file too."""
    log = sk.FeatureLog(tmp_path, share=1.0)
    log({"x": 1}, key=1)
    assert log.close() and log({"x": 2}, key=2) is None and log.close()
    assert json.loads((tmp_path / f"{log.writer}.json").read_text())["dropped"] == 1
    assert sk.read_log(tmp_path).frame["x"].tolist() == [1]


def test_many_threads_lose_nothing(tmp_path):
    """Eight at once: every request has a number of its own, and all are there."""
    log = sk.FeatureLog(tmp_path, share=1.0, rows=100)
    numbers = [[] for _ in range(8)]

    def work(t):
        numbers[t] += [log({"x": t}, key=f"{t}-{i}") for i in range(250)]

    threads = [threading.Thread(target=work, args=(t,)) for t in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert log.close()
    assert sorted(n for own in numbers for n in own) == list(range(1, 2_001))
    assert all(own == sorted(own) for own in numbers)
    assert sk.read_log(tmp_path).frame["request_id"].nunique() == 2_000


@pytest.mark.parametrize(
    "given",
    [{"share": 0}, {"share": 1.5}, {"share": True}, {"rows": 0}, {"seconds": -1}, {"queue": "x"},
     {"key": "time"}, {"key": "log_time"}],
    ids=str,
)  # fmt: skip
def test_a_parameter_that_cannot_be_is_refused_at_once(given, tmp_path):
    """When the service starts, not in a request."""
    with pytest.raises(SkewkitError, match="asked"):
        sk.FeatureLog(tmp_path, **given)


# -- on the disk


def test_the_number_is_published_after_the_rows_are_on_the_disk(tmp_path, monkeypatch):
    """In this order: the segment's bytes, its name, the folder; then the same of the number; and only then `durable`."""
    steps = []
    fsync, replace = durable.synced, os.replace

    def synced(path):
        steps.append(("fsync", path.name if path != tmp_path else "folder", log.durable))
        fsync(path)

    def renamed(aside, path):
        steps.append(("rename", path.name, log.durable))
        replace(aside, path)

    log = sk.FeatureLog(tmp_path, share=1.0)
    for module in (durable, feature_log):
        monkeypatch.setattr(module, "synced", synced)
    monkeypatch.setattr(durable.os, "replace", renamed)
    log({"x": 1}, key=1)
    assert log.flush() and log.durable == 1
    rows, state = f"{log.writer}-000000000001.parquet", f"{log.writer}.json"
    assert steps == [
        ("fsync", f".{rows}.aside", 0), ("rename", rows, 0), ("fsync", "folder", 0),
        ("fsync", f".{state}.aside", 0), ("rename", state, 0), ("fsync", "folder", 0),
    ]  # fmt: skip
    log.close()


def test_a_reader_beside_the_writer_sees_whole_files_alone(tmp_path):
    """Read over and over while segments are written: each file is whole, and rows never become fewer."""
    log, seen = sk.FeatureLog(tmp_path, share=1.0, rows=10, seconds=0.01), []
    while len(set(seen)) < 6:
        assert len(seen) < 10_000
        for _ in range(3):
            log({"x": (i := log.state["taken"]), "t": "a" * 50}, key=i)
        published = log.durable
        held = {x for f in tmp_path.glob("*.parquet") for x in pq.read_table(f)["x"].to_pylist()}
        assert set(range(published)) <= held
        seen.append(len(held))
        time.sleep(0.001)
    assert log.close() and seen == sorted(seen) and log.state["dropped"] == 0
    assert sk.read_log(tmp_path).frame["x"].tolist() == list(range(log.state["taken"]))


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_no_row_up_to_the_published_number_is_lost_to_kill_9(tmp_path):
    """Fifty services are killed at random moments: every file can be read, and every row they were told is durable is there."""
    left = []
    for seed in range(50):
        (folder := tmp_path / str(seed)).mkdir()
        left.append(logging_load.killed(folder, seed))
    assert [one for one in left if one["wrong"] or one["published"] < one["seen"]] == []
    assert sum(one["published"] for one in left) > 500 and sum(one["files"] for one in left) > 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_after_a_fork_has_a_log_of_its_own(tmp_path):
    """What waits in the parent is written once, by the parent; the child writes its own rows, under its own name."""
    log = sk.FeatureLog(tmp_path, share=1.0, seconds=600)
    log({"x": 1}, key="parent")
    if not (child := os.fork()):
        try:
            log({"x": 2}, key="child")
            os._exit(0 if log.close() else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    log({"x": 3}, key="parent again")
    assert log.close()
    read = sk.read_log(tmp_path)
    assert sorted(read.frame["request_id"]) == ["child", "parent", "parent again"]
    by = read.frame.groupby("log_writer")["request_id"].agg(set).to_dict()
    assert len(by) == 2 and by[log.writer] == {"parent", "parent again"}
    assert set(read.writers["rows"]) == {1, 2} and read.writers["lost"].tolist() == [0, 0]


# -- read again


def test_what_is_gone_is_told(tmp_path):
    """A segment that was deleted is a gap, by its numbers; a file left over by a killed writer is not read."""
    with sk.FeatureLog(tmp_path, share=1.0) as log:
        for i in range(30):
            log({"x": i}, key=i)
            if i % 10 == 9:
                log.flush()
    (tmp_path / f".{log.writer}-000000000031.parquet.aside").write_bytes(b"PAR1")
    whole = sk.read_log(tmp_path)
    assert whole.writers["lost"].tolist() == [0] and whole.unfinished == 1 and len(whole) == 30
    (tmp_path / f"{log.writer}-000000000011.parquet").unlink()
    (row,) = sk.read_log(tmp_path).writers.to_dict("records")
    assert (row["lost"], row["gaps"], row["rows"], row["durable"]) == (10, "11-20", 20, 30)


def test_a_writer_that_could_write_nothing_is_told_too(tmp_path):
    """Its rows have all failed: alone, the folder is refused with the reason; beside another, it has a line of its own."""
    with sk.FeatureLog(tmp_path, share=1.0) as bad:
        bad({"x": object()}, key=1)
        bad({"x": object()}, key=2)
    with pytest.raises(SkewkitError, match="could write none"):
        sk.read_log(tmp_path)
    with sk.FeatureLog(tmp_path, share=1.0) as good:
        good({"x": 1}, key=3)
    (tmp_path / "other.json").write_text("[1, 2]")
    rows = sk.read_log(tmp_path).writers.set_index("writer")
    assert rows.loc[bad.writer, ["files", "rows", "failed", "durable", "lost"]].tolist() == [0, 0, 2, 2, 0]
    assert rows.loc[good.writer, ["files", "rows", "failed", "lost"]].tolist() == [1, 1, 0, 0] and len(rows) == 2


def test_a_span_of_time_has_its_end_left_out(tmp_path):
    """By the request's own time."""
    begun = datetime(2024, 1, 1, tzinfo=UTC)
    with sk.FeatureLog(tmp_path, share=1.0) as log:
        for i in range(10):
            log({"x": i}, key=i, time=begun + timedelta(hours=i))
    read = sk.read_log(tmp_path, since="2024-01-01T03:00Z", until="2024-01-01T06:00Z")
    assert read.frame["x"].tolist() == [3, 4, 5] and read.writers["rows"].tolist() == [10]


def test_a_folder_without_a_log_is_refused(tmp_path):
    """Empty, of other files, of half files, or of two logs."""
    with pytest.raises(SkewkitError, match="no segment"):
        sk.read_log(tmp_path)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(SkewkitError, match="no segment of a FeatureLog"):
        sk.read_log(tmp_path)
    (tmp_path / "other.parquet").write_bytes(b"PAR1")
    with pytest.raises(SkewkitError, match="cannot be read"):
        sk.read_log(tmp_path)
    (tmp_path / "other.parquet").unlink()
    for key in ("a", "b"):
        with sk.FeatureLog(tmp_path, share=1.0, key=key) as log:
            log({"x": 1}, key=1)
    with pytest.raises(SkewkitError, match="2 kinds"):
        sk.read_log(tmp_path)


# -- labels


@pytest.fixture
def orders(tmp_path):
    """Five requests on consecutive days, of orders o1 to o4, and one without."""
    with sk.FeatureLog(tmp_path, share=1.0) as log:
        for i, order in enumerate(["o1", "o2", "o3", "o4", None]):
            log({"x": i}, key=i, time=datetime(2024, 1, 1 + i, tzinfo=UTC), join_key=order)
    return sk.read_log(tmp_path)


def labels(*rows):
    frame = pd.DataFrame(rows, columns=["join_key", "label", "known"])
    return frame.assign(known=pd.to_datetime(frame["known"], utc=True, format="ISO8601"))


def test_labels_are_joined_by_hand(orders):
    """o1 in time, o2 a second after its seven days, o3 the same twice, o4 not yet; o9 of no request."""
    given = labels(
        ("o1", 1.0, "2024-01-08T00:00:00"),
        ("o2", 1.0, "2024-01-09T00:00:01"),
        ("o3", 0.0, "2024-01-04"),
        ("o3", 0.0, "2024-01-05"),
        ("o9", 1.0, "2024-01-05"),
        (None, 1.0, "2024-01-05"),
    )
    joined = sk.join_labels(orders, given, known="known", now="2024-01-10T00:00Z")
    assert joined.frame["label"].tolist()[0] == 1.0 and joined.frame["label"].tolist()[2] == 0.0
    assert joined.frame["label"].isna().tolist() == [False, True, False, True, True]
    assert joined.frame["known"][2] == pd.Timestamp("2024-01-04", tz="UTC")
    counts = {"labelled": 2, "late": 1, "waiting": 2, "never": 0, "repeated": 1, "unknown": 1, "null_keys": 1}
    assert joined.counts == counts
    later = sk.join_labels(orders, given, known="known", now="2024-02-01T00:00Z")
    assert (later.counts["waiting"], later.counts["never"]) == (0, 2)
    assert len(orders.frame.columns) + 2 == len(joined.frame.columns) and "label" not in orders.frame
    assert joined.log.features == orders.features == ("x",)


def test_labels_join_by_whole_numbers_beside_a_null(tmp_path):
    """Of 1, none and 3, the labels of 3 and 1; whole labels stay what they were, and no late one is left."""
    with sk.FeatureLog(tmp_path, share=1.0) as log:
        for i in (1, None, 3):
            log({"x": 1}, key=str(i), time=datetime(2024, 1, 1, tzinfo=UTC), join_key=i)
    read, given = sk.read_log(tmp_path), pd.DataFrame({"join_key": [3, 1, 4], "label": [30, 10, 40]})
    joined = sk.join_labels(read, given)
    assert joined.frame["label"].fillna(-1).tolist() == [10, -1, 30] and joined.counts["labelled"] == 2
    late = given.assign(known=pd.Timestamp("2024-02-01", tz="UTC"))
    joined = sk.join_labels(read, late, known="known")
    assert joined.frame["label"].isna().all() and (joined.counts["late"], joined.counts["never"]) == (2, 1)
    none = sk.join_labels(sk.read_log(tmp_path, since="2030-01-01T00:00Z"), given)
    assert len(none.frame) == 0 and none.counts["unknown"] == 3


def test_a_key_with_two_labels_is_named(orders):
    """And a join that could find nothing is refused too."""
    with pytest.raises(SkewkitError, match="1 keys came with two different labels: 'o1'"):
        sk.join_labels(orders, labels(("o1", 1.0, "2024-01-02"), ("o1", 0.0, "2024-01-03"), ("o2", 0.0, "2024-01-03")))
    with pytest.raises(SkewkitError, match="text in the log and integer in the labels"):
        sk.join_labels(orders, pd.DataFrame({"join_key": [1], "label": [0.0]}))
    with pytest.raises(SkewkitError, match="a column 'x' already"):
        sk.join_labels(orders, pd.DataFrame({"join_key": ["o1"], "x": [0.0]}), label="x")
    with pytest.raises(SkewkitError, match="'known' is naive time"):
        sk.join_labels(
            orders, labels(("o1", 1.0, "2024-01-02")).assign(known=pd.Timestamp("2024-01-02")), known="known"
        )


# -- log and replay


def served(world, frame, folder, **parameters):
    """A scenario's requests served and logged one by one."""
    roles = world.roles
    beside = [roles.entity, *roles.segments]
    with sk.FeatureLog(folder, key="request_id", **{"share": 1.0, **parameters}) as log:
        for row in frame.to_dict("records"):
            features, entities = ({n: row[n] for n in names} for names in (roles.features, beside))
            key = row[roles.key]
            log(features, row[roles.prediction], key=key, time=row[roles.time], join_key=key, entities=entities)
    assert log.state["failed"] == log.state["dropped"] == 0
    return sk.read_log(folder)


def test_a_clean_log_and_its_replay_are_at_parity(payments, tmp_path):
    """Every feature of every logged payment is what the training code computes again."""
    log = served(payments, payments.tables[1], tmp_path, share=0.5)
    assert 0.4 * len(payments.tables[1]) < len(log) < 0.6 * len(payments.tables[1])
    findings = sk.check(sk.replay_log(log, payments))
    parity = [f for f in findings if f.check == "parity" and f.statistic == "differ"]
    assert {f.feature for f in parity} >= set(payments.roles.features) and {f.value for f in parity} == {0.0}
    assert not [f for f in findings if f.change == "skew" and f.verdict and f.verdict.alarm]


def test_a_planted_skew_is_found_in_the_log_and_named(payments, tmp_path):
    """Amounts in cents for every request: the log differs from its replay there alone, and the cause is the one planted."""
    skew = sk.skews.UnitChange(features=("amount",), unit="units_to_cents")
    skewed = sk.inject(payments.tables[1], skew, sk.Scope(), payments.roles)
    log = served(payments, skewed, tmp_path)
    result = sk.examine(sk.replay_log(log, payments), draws=20)
    loud = {f.feature for f in result.findings if f.check == "parity" and f.statistic == "differ" and f.verdict.alarm}
    assert result.verdict == "breach" and loud == {"amount"}
    assert [(f.skew, f.features) for f in result.diagnosis.fits] == [("unit_change", ("amount",))]


def test_a_function_of_ones_own_replays_a_log(tmp_path):
    """Twice x by hand: at parity, and not where the service served thrice x for the second half."""

    def replay(requests):
        return pd.DataFrame({"request_id": requests["request_id"], "twice": requests["x"] * 2})

    def case(factor):
        folder = tmp_path / str(factor)
        requests = [(i, {"x": i, "twice": i * (2 if i < 500 else factor)}) for i in range(1, 1_001)]
        return sk.replay_log(logged(folder, requests)[0], replay)

    values = {f: [x for x in sk.check(case(f)) if x.statistic == "differ"] for f in (2, 3)}
    assert [[(x.feature, x.value) for x in values[f]] for f in (2, 3)] == [[("twice", 0.0)], [("twice", 0.501)]]


def test_a_log_without_values_is_recomputed_from_the_store(payments, tmp_path):
    """It gives the table that a log with values would have held, and is refused as a side of parity."""
    frame = payments.tables[1].head(500)
    log = served(payments, frame, tmp_path, values=False)
    again = sk.recompute_log(log, payments).set_index("request_id").loc[frame["payment"]]
    features = list(payments.roles.features)
    pd.testing.assert_frame_equal(again[features].reset_index(drop=True), frame[features].reset_index(drop=True))
    assert again["account"].tolist() == frame["account"].tolist()
    with pytest.raises(SkewkitError, match="no values"):
        sk.replay_log(log, payments)


def test_the_hash_in_the_log_is_checked_against_training(tmp_path):
    """The check `lineage` reads the column that the log writes."""
    log, _ = logged(tmp_path, [(i, {"x": float(i)}) for i in range(50)], definitions="d2")
    for agreed, verdict in (("d2", "ok"), ("d1", "breach")):
        case = sk.compare(log.frame[["x"]], log.files, features=["x"], lineage={"log_definitions": agreed})
        (fact,) = (f for f in sk.check(case) if f.check == "lineage" and f.statistic == "differ")
        assert str(fact.verdict) == verdict


# -- is it enough


@pytest.mark.parametrize(
    ("asked", "kept", "verdict"),
    [(100_000, 0.01, "ok"), (3_000, 1.0, "ok"), (60_000, 0.002, "breach"), (200, 0.05, "inconclusive")],
)
def test_one_percent_of_requests_by_hand(asked, kept, verdict, tmp_path):
    """Judged by the number of requests alone: a fifth of what is asked for is a breach, and 200 requests tell nothing."""
    rows = max(1, round(asked * kept))
    log, _ = logged(tmp_path, [(i, {"x": 1}) for i in range(rows)])
    (finding,) = sk.logged_share(log, asked)
    assert finding.value == 1 - rows / asked and finding.low <= finding.value <= finding.high
    assert (str(finding.verdict), finding.check, finding.statistic) == (verdict, "logging", "unlogged")
    assert finding.runbook == (None if verdict == "ok" else "runbooks/logging.md")
    assert (finding.needs is not None) == (verdict == "inconclusive")


def test_what_the_hash_had_chosen_and_is_not_there_is_counted(tmp_path):
    """Of the requests' own keys: 20 chosen ones that were never logged are lost, some rows are of no request, and some no label finds."""
    keys = pd.Series([f"r{i}" for i in range(20_000)])
    chosen = keys[coin(keys, "log") < 0.05]
    clean, _ = logged(tmp_path / "clean", [(k, {"x": 1}) for k in keys], share=0.05)
    assert sk.logged_share(clean, keys).to_frame().set_index("statistic")["value"].to_dict() == {
        "unlogged": 1 - len(chosen) / 20_000, "undelivered": 0.0, "strange": 0.0, "unjoinable": 0.0,
    }  # fmt: skip
    with sk.FeatureLog(tmp_path / "faulty", share=0.05) as log:
        for k in [*keys[~keys.isin(chosen[:20])], *(f"s{i}" for i in range(1_000))]:
            log({"x": 1}, key=k, join_key=None if str(k).endswith("7") else k)
    faulty = sk.read_log(tmp_path / "faulty")
    found = {f.statistic: f for f in sk.logged_share(faulty, keys)}
    strange = int(faulty.frame["request_id"].str.startswith("s").sum())
    assert (found["undelivered"].value, found["undelivered"].n) == (20 / len(chosen), len(chosen))
    assert found["strange"].value == strange / len(faulty) > 0.02
    assert {s: str(f.verdict) for s, f in found.items()} == {
        "unlogged": "ok",
        "undelivered": "breach",
        "strange": "breach",
        "unjoinable": "breach",
    }
    assert found["unjoinable"].value == faulty.frame["request_id"].str.endswith("7").mean() > 0.05


def test_a_count_that_cannot_be_is_refused(tmp_path):
    """Fewer requests than rows, or no count at all."""
    log, _ = logged(tmp_path, [(i, {"x": 1}) for i in range(5)])
    for requests in (4, 0, "all", 1.5):
        with pytest.raises(SkewkitError, match="given"):
            sk.logged_share(log, requests)
