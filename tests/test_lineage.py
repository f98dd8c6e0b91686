"""Hashes of what was deployed: those that were logged against training's, and how one is made."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression

import skewkit as sk
from skewkit import examples
from skewkit.checks import lineage
from skewkit.features.definitions import digest
from skewkit.features.definitions_file import rebuild, take_snapshot
from skewkit.load.models import scorer, write_model
from skewkit.origin import made_from, stamped
from skewkit.records import SkewkitError

from .conftest import ROLES

HASHES = {"model_hash": "a1", "definitions_hash": ""}


@pytest.fixture(scope="module")
def hashed():
    """Training with the hash of its definitions, and a log with that and the model's."""
    frame = examples.table(3_000)
    return frame.assign(definitions_hash="d1"), frame.assign(definitions_hash="d1", model_hash="a1")


def found(training, served, **lineage):
    case = sk.compare(training, served, **{**ROLES, "lineage": lineage})
    return {(f.feature, f.statistic): f for f in sk.check(case) if f.check == "lineage"}


def test_a_log_of_what_was_trained_is_ok(hashed):
    """Clean control: every hash is training's, given by hand or read from training's own column."""
    facts = found(*hashed, **HASHES)
    assert {k: (f.value, str(f.verdict)) for k, f in facts.items()} == {
        (c, s): (0.0, "ok") for c in HASHES for s in ("differ", "unlogged")
    }
    assert all(f.change == "total" and f.detail is None and f.n == 3_000 for f in facts.values())


def test_one_other_hash_is_a_breach_and_the_detail_says_when(hashed):
    """Ten rows by another model, row 20 by a third: 11 of 3,000, the more frequent first, with the times seen.

    A hash that hardly any row has may be anything, and is masked.
    """
    training, served = hashed
    served = served.assign(model_hash=["b2" if 10 <= i < 20 else "c3" if i == 20 else "a1" for i in range(3_000)])
    finding = found(training, served, **HASHES)["model_hash", "differ"]
    times = [t.isoformat() for t in served["asked"]]
    assert finding.value == 11 / 3_000 and str(finding.verdict) == "breach"
    assert finding.runbook == "runbooks/lineage.md"
    assert list(finding.detail) == [
        {"value": "b2", "rows": 10, "first": times[10], "last": times[19]},
        {"value": "a9", "rows": 1, "first": times[20], "last": times[20]},
    ]


def test_rows_without_a_hash_are_counted_apart(hashed):
    """A null or an empty text is no hash, and no other one either."""
    training, served = hashed
    served = served.assign(
        model_hash=served["model_hash"].mask(np.arange(3_000) < 300).mask(np.arange(3_000) > 2_699, "")
    )
    facts = found(training, served, **HASHES)
    none = facts["model_hash", "unlogged"]
    assert none.value == 600 / 3_000
    assert none.low < none.value < none.high and str(none.verdict) == "breach"
    assert facts["model_hash", "differ"].value == 0 and facts["model_hash", "differ"].n == 2_400
    case = sk.compare(training, served, **{**ROLES, "lineage": {"model_hash": "a1"}})
    (grown,) = (f.grown for f in lineage(case, sk.read_policy()) if f.grown)
    assert grown(1.0)[0] < grown(10.0)[0] < 0.2 < grown(10.0)[1] < grown(1.0)[1]


def test_a_version_that_a_null_turned_into_a_float_is_still_that_version(hashed):
    """3 beside a null reads 3.0 in pandas."""
    training, served = hashed
    served = served.assign(build=np.where(np.arange(3_000) == 0, np.nan, 3.0))
    values = [found(training, served, build=given)["build", "differ"].value for given in (3, "3", [2, 3], "4")]
    assert values == [0.0, 0.0, 0.0, 1.0]


def test_a_training_without_a_hash_is_not_run(hashed):
    """A column of nulls agrees with nothing, and says so rather than alarm."""
    training, served = hashed
    case = sk.compare(
        training.assign(definitions_hash=None), served, **{**ROLES, "lineage": {"definitions_hash": None}}
    )
    result = sk.examine(case)
    assert not [f for f in result.findings if f.check == "lineage"]
    assert [n.reason for n in result.not_run if n.step == "lineage"] == [
        "training's column 'definitions_hash' holds no hash"
    ]


def test_without_lineage_the_check_is_silent_and_says_what_to_give(hashed):
    """No finding, and one line of what was not run."""
    result = sk.examine(sk.compare(*hashed, **ROLES))
    assert "lineage" not in result.findings.by_check()
    assert [n.give for n in result.not_run if n.step == "lineage"] == ["lineage, and sk.fingerprint"]


@pytest.mark.parametrize(
    ("lineage", "said"),
    [
        ({"build": "1"}, "served has no column 'build'"),
        ({"model_hash": ""}, "training has no column 'model_hash'.*give its value at training"),
        ({"amount": "1"}, "'amount' is a feature"),
        (["model_hash"], "it holds names and values"),
    ],
)
def test_a_column_that_is_nowhere_is_refused(hashed, lineage, said):
    """With what there is, and what to give."""
    with pytest.raises(SkewkitError, match=said):
        sk.compare(*hashed, **{**ROLES, "lineage": lineage})


def test_a_hash_is_no_feature(hashed):
    """Where features are not named, the hashes are left out of them."""
    training, served = hashed
    case = sk.compare(training, served, key="request", lineage=HASHES)
    assert "definitions_hash" not in case.roles.features and "amount" in case.roles.features


# -- fingerprints


def test_a_fingerprint_is_of_what_is_in_it(tmp_path):
    """The same bytes, the same hash; another byte, order, type or digit, another."""
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("a = 1\n")
    two.write_text("a = 1\n")
    assert sk.fingerprint(one) == sk.fingerprint(two) and len(sk.fingerprint(one)) == 64
    assert sk.fingerprint({"a": 1, "b": [2]}) == sk.fingerprint({"b": [2], "a": 1})
    others = ["1", 1, 1.0, True, None, [1], ["1"], {"1": 1}, one, "a = 1\n", [[1]], [], {}, np.nextafter(1.0, 2)]
    assert len({sk.fingerprint(o) for o in others}) == len(others)
    assert sk.fingerprint("ab", "c") != sk.fingerprint("a", "bc") != sk.fingerprint("abc")
    before = sk.fingerprint(one)
    one.write_text("a = 2\n")
    assert sk.fingerprint(one) != before


def test_a_fingerprint_is_the_same_on_every_machine():
    """By hand: the sha256 of the JSON that the docstring's rule gives."""
    import hashlib

    text = '[["str", "v1"], ["dict", [["a", ["int", 1]], ["b", ["float", "0x1.0000000000000p-1"]]]]]'
    assert sk.fingerprint("v1", {"b": 0.5, "a": 1}) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "thing", [object(), {1: 2}, {1, 2}, np.arange(2), pd.Timestamp("2024"), print, b"x"], ids=lambda t: type(t).__name__
)
def test_what_is_not_plain_has_no_fingerprint(thing):
    """An object's text may hold its address."""
    with pytest.raises(SkewkitError, match=r"fingerprint of a .* was asked"):
        sk.fingerprint(thing)


def test_a_file_or_package_that_is_not_there_is_refused(tmp_path):
    """By its name; and a folder is no file."""
    for path in (tmp_path / "gone", tmp_path):
        with pytest.raises(SkewkitError, match="no such file"):
            sk.fingerprint(path)
    with pytest.raises(SkewkitError, match="no-such-package"):
        sk.versions("numpy", "no-such-package")
    assert sk.versions("numpy") == {"numpy": version("numpy")}


def test_the_page_tells_of_hashes_ages_and_leaks(hashed, tmp_path, monkeypatch):
    """Each change has its words on the page; and with a replay at hand the page asks for none."""
    from skewkit.report.run import begin

    training, served = (t.assign(at=t["asked"] + pd.Timedelta("1h")) for t in hashed)
    monkeypatch.chdir(tmp_path)
    served = served.assign(model_hash="b2")
    said = []
    for replayed in (None, served):
        case = sk.compare(training, served, replayed, **{**ROLES, "lineage": HASHES, "as_of": {"income": "at"}})
        run = begin("check")
        run.finish(sk.examine(case, draws=20))
        said.append((tmp_path / "runs" / "latest" / "report.html").read_text())
    for page in said:
        assert "is newer than it may be in 100.00% of rows" in page and "model_hash" in page
    assert ["only a replay can tell" in page for page in said] == [True, False]


# -- what a table or a model was made from, borne inside it

OF, OTHER = "d1" * 32, "e2" * 32


def copied(frame, how, path):
    """A stamped training table after a way that tables take."""
    if how == "pandas":
        frame.to_parquet(path, index=False)
        pd.read_parquet(path)[frame.columns].query("amount >= 0").to_parquet(path, index=False)
    elif how == "pyarrow":
        frame.to_parquet(path, index=False)
        pq.write_table(pq.read_table(path).slice(0, 2_000), path)
    return frame if how == "frame" else str(path)


@pytest.mark.parametrize("how", ["frame", "pandas", "pyarrow"])
def test_training_bears_its_hash_wherever_it_is_copied(how, hashed, tmp_path):
    """Read and written again by pandas and pyarrow: a log of the same hash is ok, of another a breach, and no column is a feature."""
    training, served = (t.drop(columns="definitions_hash") for t in hashed)
    table = copied(stamped(training, definitions=OF), how, tmp_path / "training.parquet")
    for logged, verdict in ((OF, "ok"), (OTHER, "breach")):
        facts = found(table, served.assign(log_definitions=logged), log_definitions="")
        assert str(facts["log_definitions", "differ"].verdict) == verdict
    plain = copied(training, how, tmp_path / "plain.parquet")
    with pytest.raises(SkewkitError, match="training has no column 'log_definitions'"):
        found(plain, served.assign(log_definitions=OF), log_definitions="")


def test_training_of_files_with_two_hashes_agrees_with_both(hashed, tmp_path):
    """What a month and the next were made by; a third hash is another."""
    training, served = hashed
    for name, of in (("a", OF), ("b", OTHER)):
        stamped(training[["amount"]], definitions=of).to_parquet(tmp_path / f"{name}.parquet")
    case = {"features": ["amount"], "lineage": {"definitions": ""}}
    for logged, share in (([OF, OTHER], 0.0), (["f3", OTHER], 0.5)):
        log = served[["amount"]].assign(definitions=logged * 1_500)
        (fact,) = (
            f
            for f in sk.check(sk.compare(str(tmp_path), log, **case))
            if (f.check, f.statistic) == ("lineage", "differ")
        )
        assert fact.value == share


def onnx_model(path, **hashes):
    """One that gives back its input, with the hashes in its metadata."""
    import onnx
    from onnx import TensorProto, helper

    sides = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 1]) for n in ("amount", "p")]
    graph = helper.make_graph([helper.make_node("Identity", ["amount"], ["p"])], "g", *([one] for one in sides))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(made, hashes)
    onnx.save(made, path)


def skops_model(path, **hashes):
    rows = pd.DataFrame({"amount": [1.0, 2.0, 3.0, 4.0]})
    write_model(LogisticRegression().fit(rows, [0, 1, 0, 1]), path, **hashes)


@pytest.mark.parametrize("write", [onnx_model, skops_model])
def test_a_model_that_was_made_from_another_table_is_told(write, hashed, tmp_path):
    """Clean control first: the same hash; another is a breach, whatever was served; one without a hash says nothing."""
    training, served = (t[["request", "amount"]] for t in hashed)
    training = stamped(training, definitions=OF)
    path = tmp_path / ("m.onnx" if write is onnx_model else "m.skops")
    said = {}
    for name, hashes in (("same", {"definitions": OF}), ("other", {"definitions": OTHER}), ("none", {})):
        write(path, **hashes)
        case = sk.compare(training, served, key="request", features=["amount"], model=str(path))
        said[name] = [(f.feature, f.value, str(f.verdict)) for f in sk.check(case) if f.statistic == "model_differs"]
    assert said == {"same": [("definitions", 0.0, "ok")], "other": [("definitions", 1.0, "breach")], "none": []}


def test_what_was_served_is_held_against_the_model_where_training_bears_nothing(hashed, tmp_path):
    """A CSV table has no metadata: the model's own hash agrees, or does not."""
    training, served = (t[["request", "amount"]] for t in hashed)
    stamped(training, definitions=OTHER).to_csv(tmp_path / "training.csv", index=False)
    skops_model(tmp_path / "m.skops", definitions=OF)
    given = {
        "key": "request",
        "features": ["amount"],
        "model": str(tmp_path / "m.skops"),
        "lineage": {"definitions": ""},
    }
    for logged, value in ((OF, 0.0), (OTHER, 1.0)):
        case = sk.compare(str(tmp_path / "training.csv"), served.assign(definitions=logged), **given)
        assert [f.value for f in sk.check(case) if (f.check, f.statistic) == ("lineage", "differ")] == [value]


def test_a_baseline_keeps_what_its_training_bore(hashed, tmp_path):
    """Its rows are gone; the hash is still compared, with what was served and with the model."""
    training, served = (t[["request", "amount"]] for t in hashed)
    known = sk.baseline(stamped(training, definitions=OF), key="request", features=["amount"], lineage=["definitions"])
    known.write(tmp_path / "model.baseline.json")
    skops_model(tmp_path / "m.skops", definitions=OTHER)
    given = {"key": "request", "model": str(tmp_path / "m.skops"), "lineage": {"log_definitions": ""}}
    for logged, value in ((OF, 0.0), (OTHER, 1.0)):
        log = served.assign(log_definitions=logged)
        facts = {
            f.statistic: f.value
            for f in sk.check(sk.compare(str(tmp_path / "model.baseline.json"), log, **given))
            if f.check == "lineage"
        }
        assert (facts["differ"], facts["model_differs"]) == (value, 1.0)


def test_a_world_s_training_and_model_and_its_rebuilt_table_bear_its_hash(payments, tmp_path):
    """The one that `digest` gives of its definitions; a snapshot of others gives theirs."""
    assert payments.tables[0].attrs == {"made_from": {"definitions": payments.sha256}}
    assert scorer(str(payments.model_file), "binary", payments.trusted).made_from == {"definitions": payments.sha256}
    some = {n: payments.definitions[n] for n in ("hour", "weekday")}
    take_snapshot(tmp_path / "s", some, payments.raw, payments.requests.head(50), payments.roles.time)
    assert rebuild(tmp_path / "s").attrs == {"made_from": {"definitions": digest(some)}} != payments.tables[0].attrs


def test_whatever_else_a_file_bears_is_no_hash(hashed, tmp_path):
    """Attrs of a team's own, and metadata that is no JSON, are left alone."""
    training, served = hashed
    own = training[["amount"]].copy()
    own.attrs = {"made_from": "by hand", "owner": ["Ana"]}
    own.to_parquet(tmp_path / "own.parquet")
    table = pq.read_table(tmp_path / "own.parquet").replace_schema_metadata({"PANDAS_ATTRS": "{"})
    pq.write_table(table, tmp_path / "broken.parquet")
    for name in ("own", "broken"):
        case = sk.compare(str(tmp_path / f"{name}.parquet"), served, features=["amount"])
        assert made_from(case.training) == {}
    assert stamped(own.assign(x=1), definitions=OF).attrs["owner"] == ["Ana"]
