"""A contract: inferred from training, kept as YAML, reviewed, tested, and checked against what was served."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

import skewkit as sk
from skewkit import examples
from skewkit.__main__ import main
from skewkit.contracts.column_rules import ColumnRule
from skewkit.contracts.contract import Contract, infer, read_contract, review_contract, to_pandera, write_contract
from skewkit.records import SkewkitError
from skewkit.tables.engines import Local
from skewkit.testing import assert_contract, broken

from .conftest import ROOT, play


def kept(contract, frame):
    """(rule, column) -> share of rows, for the rules that a frame breaks."""
    return {(o.rule, o.column): o.share for o in contract.test(Local(frame)) if o.beyond(0.01)[0] > 0}


@pytest.fixture(scope="module")
def agreed():
    """The contract of the example table."""
    return infer(examples.table(), examples.FEATURES, "request")


# -- laws over any table

HOSTILE = [
    "\x85",
    "\u2028a",
    "\ufeff",
    "\r",
    "\n\n",
    "a: b",
    "no",
    "1e3",
    "null",
    " x ",
    "#",
    "\U0001f600",
    "\xa0",
    "\ufffe",
]
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=6) | st.sampled_from(HOSTILE)
TIMES = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))
COLUMNS = {
    "float": (st.floats(allow_nan=True, allow_infinity=True), lambda v: np.array(v, float)),
    "single": (st.floats(width=32), lambda v: np.array(v, "float32")),
    "whole": (st.integers(-(2**63), 2**63 - 1), lambda v: np.array(v, "int64")),
    "unsigned": (st.integers(0, 2**64 - 1), lambda v: np.array(v, "uint64")),
    "nullable": (st.none() | st.integers(-(2**63), 2**63 - 1), lambda v: pd.array(v, "Int64")),
    "arrow": (st.none() | st.integers(-9, 9), lambda v: pd.array(v, "int64[pyarrow]")),
    "arrow_float": (st.none() | st.floats(), lambda v: pd.array(v, "float64[pyarrow]")),
    "text": (st.none() | TEXTS, lambda v: np.array(v, object)),
    "string": (st.none() | TEXTS, lambda v: pd.array(v, "string")),
    "category": (st.none() | st.sampled_from(["", "no", "1", "Zürich", "~"]), pd.Categorical),
    "codes": (st.integers(0, 3), pd.Categorical),
    "yes": (st.none() | st.booleans(), lambda v: pd.array(v, "boolean")),
    "time": (st.none() | TIMES, lambda v: pd.to_datetime(pd.Series(v, dtype="datetime64[us]")).dt.tz_localize("UTC")),
    "zone": (st.none() | TIMES, lambda v: pd.Series(v, dtype="datetime64[us]").dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")),
    "naive": (st.none() | TIMES, lambda v: pd.Series(v, dtype="datetime64[us]")),
    "empty": (st.none(), lambda v: np.array(v, object)),
    "nothing": (st.none(), lambda v: np.full(len(v), np.nan)),
    "lists": (st.lists(st.integers(), max_size=2), lambda v: pd.Series(v, dtype=object)),
}  # fmt: skip


@st.composite
def tables(draw):
    rows = draw(st.integers(1, 8))
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=6, unique=True))
    columns = {n: COLUMNS[n][1](draw(st.lists(COLUMNS[n][0], min_size=rows, max_size=rows))) for n in names}
    return pd.DataFrame(columns), draw(st.sampled_from([None, *names]))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=tables(), order=st.booleans())
def test_training_keeps_its_own_contract_and_yaml_gives_it_back(made, order, tmp_path_factory):
    """Of any table: nothing is broken, and the file holds the same contract with the same hash."""
    frame, key = made
    contract = infer(frame, (), key)
    contract = Contract(contract.columns, order)
    assert kept(contract, frame) == {} and set(contract.columns) == set(frame)
    path = tmp_path_factory.mktemp("c") / "contract.yaml"
    write_contract(contract, path)
    again = read_contract(path)
    assert again == contract and again.sha256 == contract.sha256 and not again.reviewed
    to_pandera(contract).validate(frame, lazy=True)


def test_files_keep_the_contract_of_the_frame_that_they_hold(tmp_path, table):
    """Parquet holds each type; CSV holds all of these but the categories, which are text there."""
    frame = table.assign(
        country=table["country"].astype("category"), merchant=table["merchant"].astype("Int64").mask(table["hour"] == 3)
    )
    contract = infer(frame, ["merchant", "country", "amount", "city", "hour", "asked"], "request")
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert broken(tmp_path / "t.parquet", contract) == [] and broken(str(tmp_path / "t.csv"), contract) == []
    frame.assign(amount=-1.0).to_csv(tmp_path / "t.csv", index=False)
    (found,) = broken(tmp_path / "t.csv", contract)
    assert found == "amount: outside in 2,000 of 2,000 rows: -1.0 (2,000)"


def test_what_is_inferred_by_hand():
    """A range without its infinite end, a vocabulary, nulls rounded up to a thousandth, no range of a key or a time."""
    n = 300
    frame = pd.DataFrame(
        {
            "id": range(n),
            "x": np.r_[-np.inf, np.nan, np.linspace(1, 2, n - 2)],
            "few": ["a", "b", None] * 100,
            "many": [str(i) for i in range(n)],
            "when": pd.date_range("2024-01-01", periods=n, tz="UTC"),
            "none": None,
        }
    )
    c = infer(frame, key="id").columns
    assert c["id"] == ColumnRule("integer", unique=True)
    assert c["x"] == ColumnRule("number", nulls=0.004, range=(None, 2.0))
    assert c["few"] == ColumnRule("text", nulls=0.334, values=("a", "b"))
    assert c["many"] == ColumnRule("text") and c["when"] == ColumnRule("time") and c["none"] == ColumnRule(nulls=1.0)
    assert not infer(frame.assign(id=1), key="id").columns["id"].unique


def test_any_text_comes_back_from_the_file(tmp_path):
    """Line breaks of all kinds, words that YAML takes for others, marks and emoji: as values and as names."""
    frame = pd.DataFrame({t: HOSTILE for t in HOSTILE})
    write_contract(infer(frame), tmp_path / "c.yaml")
    assert read_contract(tmp_path / "c.yaml") == infer(frame) and broken(frame, tmp_path / "c.yaml") == []


# -- each rule broken alone

TENTH = examples.table()["request"] % 10 == 0
BREAK = {
    ("outside", "amount"): lambda t: t.assign(amount=t["amount"].mask(TENTH, 1e6)),
    ("outside", "hour"): lambda t: t.assign(hour=t["hour"].mask(TENTH, 24)),
    ("unknown", "country"): lambda t: t.assign(country=t["country"].mask(TENTH, "FR")),
    ("too_many_nulls", "typing"): lambda t: t.assign(typing=t["typing"].mask(TENTH)),
    ("wrong_type", "recent_count"): lambda t: t.assign(recent_count=t["recent_count"].mask(TENTH, 2.5)),
    ("duplicated", "request"): lambda t: t.assign(request=t["request"].mask(TENTH, 1_000)),
}


@pytest.mark.parametrize("which", BREAK, ids=str)
def test_each_rule_broken_alone_is_found_alone_with_its_share(which, agreed):
    """A tenth of the rows broken in one way: that rule of that column, a tenth, and nothing else."""
    assert kept(agreed, examples.table()) == {}
    assert kept(agreed, BREAK[which](examples.table())) == {which: 0.1}


def test_columns_absent_retyped_and_in_another_order(agreed):
    """Facts of the whole column: in every row, and once for each column."""
    t = examples.table()
    ordered = Contract(agreed.columns, order=True)
    assert kept(agreed, t.drop(columns=["amount", "city"])) == {("absent", "amount"): 1, ("absent", "city"): 1}
    assert kept(agreed, t.assign(hour=t["hour"].astype(str))) == {("wrong_type", "hour"): 1}
    assert kept(agreed, t.assign(date=t["date"].dt.tz_localize("UTC"))) == {("wrong_type", "date"): 1}
    assert kept(agreed, t[t.columns[::-1]]) == {} and kept(ordered, t) == {}
    assert kept(ordered, t[t.columns[::-1]]) == {("disordered", None): 1}
    optional = {**agreed.columns, "amount": ColumnRule("number", required=False, range=(0.0, 1.0))}
    assert kept(Contract(optional, order=True), t.drop(columns="amount")) == {}


def test_an_integer_column_with_nulls_stays_what_was_agreed(agreed):
    """pandas turns integers into floats at the first null: the nulls are told, and no other type."""
    t = examples.table()
    assert kept(agreed, t.assign(hour=t["hour"].mask(TENTH).astype(float))) == {("too_many_nulls", "hour"): 0.1}
    assert kept(agreed, t.assign(hour=np.nan)) == kept(agreed, t.assign(hour=None)) == {("too_many_nulls", "hour"): 1}
    infinite = kept(agreed, t.assign(hour=t["hour"].astype(float).mask(TENTH, np.inf)))
    assert infinite == {("wrong_type", "hour"): 0.1, ("outside", "hour"): 0.1}


def test_the_counts_are_those_of_pandas_by_hand(agreed):
    """Range and vocabulary counted without pandera, on another sample, with the worst values first."""
    t = examples.table(5_000, seed=9)
    t.loc[t["hour"] == 5, "city"] = "Bern"
    t.loc[t["hour"] == 6, "city"] = "Genf"
    t.loc[7, "amount"] = -1e5
    found = {(o.rule, o.column): o for o in agreed.test(Local(t))}
    low, high = agreed.columns["amount"].range
    out = t["amount"][~t["amount"].between(low, high)]
    assert found["outside", "amount"].rows == len(out) > 0
    far = np.maximum(low - out, out - high).sort_values(ascending=False)
    assert len(set(far[:5])) == 5 < len(far)
    assert [w["value"] for w in found["outside", "amount"].worst] == out[far.index].head(5).tolist()
    new = t["city"][~t["city"].isin(agreed.columns["city"].values)].value_counts()
    assert found["unknown", "city"].rows == new.sum() > 0
    assert found["unknown", "city"].worst == tuple({"value": v, "rows": int(n)} for v, n in new.items())


def test_a_range_of_times_and_a_vocabulary_of_codes_that_a_person_wrote(tmp_path):
    """Times are compared in any zone; codes that became floats are still those codes."""
    (tmp_path / "c.yaml").write_text(
        "columns:\n  t: {kind: time, range: ['2024-01-01T00:00:00Z', null]}\n  c: {kind: integer, nulls: 1, values: [1, 2]}"
    )
    contract = read_contract(tmp_path / "c.yaml")
    times = pd.to_datetime(["2024-01-01T01:00+02:00", "2024-01-01T02:00+02:00", "2025-01-01T00:00Z"], utc=True)
    frame = pd.DataFrame({"t": times.tz_convert("Europe/Berlin"), "c": [1.0, np.nan, 3.0]})
    assert kept(contract, frame) == {("outside", "t"): 1 / 3, ("unknown", "c"): 1 / 3}


def test_pandera_alone_says_the_same_of_a_whole_frame(agreed):
    """The schema given to pandera as it is: the same rules of the same columns fail."""
    import pandera.pandas as pa

    t = examples.table()
    schema = to_pandera(agreed)
    assert schema.validate(t, lazy=True) is not None
    for bad in (*(b(t) for b in BREAK.values()), t.drop(columns="city"), t.assign(hour="x", city=None)):
        with pytest.raises(pa.errors.SchemaErrors) as e:
            schema.validate(bad, lazy=True)
        rows = e.value.failure_cases.itertuples()
        failed = {("absent", f.failure_case) if f.check == "column_in_dataframe" else (f.check, f.column) for f in rows}
        assert failed == set(kept(agreed, bad))


def test_pandera_turned_off_by_the_environment_still_tests(agreed, monkeypatch):
    """A switch meant for production must not turn every table into a good one."""
    from pandera.config import ValidationDepth, config_context

    bad = BREAK["unknown", "country"](examples.table())
    with config_context(validation_enabled=False, validation_depth=ValidationDepth.SCHEMA_ONLY):
        assert kept(agreed, bad) == {("unknown", "country"): 0.1}


# -- the file

WRONG = [
    ("columns: {a: {kind: numbr}}", "numbr.*one of boolean"),
    ("columns: {a: {sort: number}}", "sort; there are kind"),
    ("colums: {}", "colums; there are version"),
    ("columns: {}", "no columns"),
    ("version: 1", "holds None"),
    ("- a", "holds \\['a'\\]"),
    ("a: [", "not YAML"),
    ("columns: {a: {kind: text}, a: {kind: number}}", "twice"),
    ("columns: {no: {kind: text}}", "quotes"),
    ("columns: {a: {kind: text, required: 1}}", "true or false"),
    ("columns: {a: {kind: text, nulls: 1%}}", "share from 0 to 1"),
    ("columns: {a: {kind: text, nulls: 2}}", "share from 0 to 1"),
    ("columns: {a: {kind: text, range: [a, b]}}", "of a column of kind"),
    ("columns: {a: {range: [0, 1]}}", "of a column of kind"),
    ("columns: {a: {kind: number, range: [2, 1]}}", "in this order"),
    ("columns: {a: {kind: number, range: [null, null]}}", "one may be null"),
    ("columns: {a: {kind: number, range: 3}}", "lowest, highest"),
    ("columns: {a: {kind: number, range: [0, .inf]}}", "a number"),
    ("columns: {a: {kind: integer, range: [0, 1.5]}}", "whole number"),
    ("columns: {a: {kind: time, range: ['2024-01-01', null]}}", "with its zone"),
    ("columns: {a: {kind: naive time, range: ['2024-01-01T00:00Z', null]}}", "without a zone"),
    ("columns: {a: {kind: text, values: [1]}}", "quotes"),
    ("columns: {a: {kind: text, values: []}}", "at least one"),
    ("columns: {a: {kind: text, values: a}}", "at least one"),
    ("columns: {a: {kind: time, values: [a]}}", "of a column of kind"),
    ("columns: {a: {kind: text}}\nversion: 0", "from 1"),
    ("columns: {a: {kind: text}}\norder: 1", "true or false"),
    ("columns: {a: {kind: text}}\nreview: {by: me}", "by, day, sha256"),
]


@pytest.mark.parametrize(("text", "says"), WRONG, ids=[t for t, _ in WRONG])
def test_a_contract_that_would_do_nothing_is_refused(tmp_path, text, says):
    """A misspelt rule must not be kept by every table; the error says what there is."""
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(SkewkitError, match=says):
        read_contract(tmp_path / "c.yaml")


def test_an_edited_file_is_unreviewed_and_a_review_keeps_its_comments(tmp_path, agreed):
    """Reviewed, edited, reviewed again: the version counts what was reviewed, and what people wrote stays."""
    path = tmp_path / "c.yaml"
    write_contract(agreed, path)
    first = review_contract(path, "Ana")
    assert (first.version, first.review.by, first.reviewed) == (1, "Ana", True)
    assert first.review.day == f"{datetime.now(UTC):%Y-%m-%d}"
    assert review_contract(path, "Ben").version == 1
    text = path.read_text().replace("    range: [0, 23]", "    range: [0, 24]   # leap hour: asked by Eve")
    path.write_text(text)
    edited = read_contract(path)
    assert not edited.reviewed and edited.columns["hour"].range == (0, 24) and edited.review.by == "Ben"
    again = review_contract(path, "Eve: who else?")
    assert again == read_contract(path) and (again.version, again.reviewed) == (2, True)
    assert "leap hour: asked by Eve" in path.read_text() and path.read_text().startswith(
        "# What a feature table must be"
    )
    path.write_text("{version: 2, columns: {a: {kind: text}}, review: null}")
    assert review_contract(path, "Ana") == read_contract(path)
    assert [p.name for p in tmp_path.iterdir()] == ["c.yaml"]


def test_the_hash_is_of_what_is_promised_and_of_nothing_else(agreed):
    """Who reviewed it, and when, does not matter; any rule does, and the order of the columns."""
    reviewed = Contract(agreed.columns, version=7)
    looser = Contract({**agreed.columns, "hour": ColumnRule("integer")})
    other = Contract(dict(reversed(agreed.columns.items())))
    hashes = [c.sha256 for c in (agreed, reviewed, looser, other, Contract(agreed.columns, order=True))]
    assert hashes[0] == hashes[1] and len(set(hashes)) == 4


# -- the check


def served(contract, training, table, replayed=None):
    """The findings against the contract, by statistic and feature, of those that are not ok."""
    case = sk.compare(training, table, replayed, key="request", features=examples.FEATURES, contract=contract)
    rules = {"absent", "wrong_type", "outside", "unknown", "duplicated", "too_many_nulls", "disordered", "unreviewed"}
    found = [f for f in sk.check(case) if f.check == "schema" and f.statistic in rules]
    return {(f.statistic, f.feature): f for f in found if f.verdict}, found


@pytest.fixture
def signed(tmp_path, agreed):
    write_contract(agreed, tmp_path / "contract.yaml")
    review_contract(tmp_path / "contract.yaml", "Ana")
    return tmp_path / "contract.yaml"


def test_what_was_served_as_agreed_is_ok_and_what_was_not_breaches(signed):
    """The clean table first; then each rule broken alone is one breach, with its share, rows and worst values."""
    t = examples.table()
    off, asked = served(signed, t, t)
    assert off == {} and len(asked) > 3 * len(examples.FEATURES) and {f.change for f in asked} == {"served"}
    for which, spoil in BREAK.items():
        off, _ = served(signed, t, spoil(t))
        f = off.pop(which)
        assert off == {} and str(f.verdict) == "breach" and f.value == pytest.approx(0.1) and f.n == 2_000
        assert (f.low, f.high) == (0.1, 0.1) if which[0] != "too_many_nulls" else f.low > 0
        assert f.runbook == "runbooks/schema.md" and (f.detail is not None) == (which[0] != "too_many_nulls")
    f = served(signed, t, BREAK["unknown", "country"](t))[0]["unknown", "country"]
    assert f.detail == ({"value": "FR", "rows": 200},)


def test_what_the_replay_breaks_as_much_is_drift_and_only_then(signed):
    """Both sides break the promise: the world, a warning. The replay keeps it, or breaks it less: this service."""
    t = examples.table()
    bad = BREAK["outside", "amount"](t)
    less = t.assign(amount=bad["amount"].where(t["request"] % 20 == 0, t["amount"]))
    for replayed, change, verdict in ((bad, "drift", "warn"), (t, "served", "breach"), (less, "served", "breach")):
        f = served(signed, t, bad, replayed)[0]["outside", "amount"]
        assert (f.change, str(f.verdict)) == (change, verdict)


def test_the_share_of_nulls_has_the_bounds_of_its_sample(agreed):
    """Clopper-Pearson by scipy, less the agreed share; a few more nulls than agreed are chance, many are not."""
    t, rng = examples.table(), np.random.default_rng(0)
    contract = Contract({**agreed.columns, "typing": ColumnRule("number", nulls=0.1)})
    case = sk.compare(t, t.assign(typing=t["typing"].mask(rng.random(2_000) < 0.3)), features=examples.FEATURES, contract=contract)  # fmt: skip
    policy = sk.read_policy()
    (f,) = [f for f in sk.check(case, policy) if (f.statistic, f.feature) == ("too_many_nulls", "typing")]
    k = int(case.served.column("typing").isna().sum())
    low, high = binomtest(k, 2_000).proportion_ci(1 - policy.level(case), "exact")
    assert f.value == pytest.approx(k / 2_000 - 0.1) and str(f.verdict) == "breach"
    assert (f.low, f.high) == pytest.approx((low - 0.1, high - 0.1))
    for share, verdicts in ((0.105, {"ok", "inconclusive"}), (0.0, {"ok"})):
        off = served(contract, t, t.assign(typing=t["typing"].mask(np.arange(2_000) < 2_000 * share)))[1]
        assert {str(f.verdict) for f in off if f.statistic == "too_many_nulls" and f.feature == "typing"} <= verdicts


def test_an_unreviewed_contract_warns_and_breaches_where_the_policy_says_so(tmp_path, agreed):
    """The promise as it stands is nobody's: a warning; a team that wants more writes material: 0."""
    t = examples.table()
    off, _ = served(agreed, t, t)
    assert {k: str(f.verdict) for k, f in off.items()} == {("unreviewed", None): "warn"}
    (tmp_path / "p.yaml").write_text("limits: {schema.unreviewed: {material: 0}}")
    case = sk.compare(t, t, features=examples.FEATURES, contract=agreed)
    strict = sk.check(case, sk.read_policy(str(tmp_path / "p.yaml")))
    assert [str(f.verdict) for f in strict if f.statistic == "unreviewed"] == ["breach"]


def test_without_a_contract_the_result_says_what_to_give(table):
    """Nothing is found, and the step that did not run is named."""
    result = sk.examine(sk.compare(table, table, features=examples.FEATURES))
    assert [n.give for n in result.not_run if n.step == "contract"] != []
    assert "unreviewed" not in {f.statistic for f in result.findings}
    with pytest.raises(SkewkitError, match=r"no file at nowhere\.yaml"):
        sk.compare(table, table, contract="nowhere.yaml")
    with pytest.raises(SkewkitError, match="contract=3 was given; it takes a path"):
        sk.compare(table, table, contract=3)


def test_a_declared_zone_is_not_another_type(tmp_path):
    """A naive time is what was agreed, also where the case says which zone it was written in."""
    t = examples.table().assign(asked=lambda t: t["asked"].dt.tz_localize(None))
    contract = infer(t, ["amount", "asked"], "request")
    case = sk.compare(t, t, time="asked", time_zone="UTC", key="request", features=["amount"], contract=contract)
    assert [f.value for f in sk.check(case) if (f.statistic, f.feature) == ("wrong_type", "asked")] == [0.0]
    assert infer(case.served, ["amount", "asked"]) == contract


def test_the_check_notebook_takes_a_contract_and_the_result_names_its_hash(folder, agreed, monkeypatch):
    """From a path with a name of the environment in it, which is never written out."""
    write_contract(agreed, folder / "contract.yaml")
    signed = review_contract(folder / "contract.yaml", "Ana")
    monkeypatch.setenv("AGREED", str(folder))
    names = play(
        "check", training="training.parquet", served="served.parquet", key="request",
        features=list(examples.FEATURES), contract="${AGREED}/contract.yaml",
    )  # fmt: skip
    (made,) = [json.loads(p.read_text()) for p in (folder / "runs").glob("2*/result.json")]
    assert {"role": "contract", "uri": "${AGREED}/contract.yaml", "rows": None, "columns": 15, "sha256": signed.sha256} in made["inputs"]  # fmt: skip
    off = {(f["statistic"], f["feature"]) for f in made["findings"] if f["change"] == "served" and f["value"]}
    assert off == set(kept(agreed, pd.read_parquet("served.parquet"))) and names["result"].verdict == "breach"


# -- for a team's own tests, and by command


def test_two_lines_of_pytest_fail_with_the_rule_s_name(tmp_path, signed):
    """In a process of its own: the clean table passes, the spoilt one names each rule and its values, nothing warns."""
    t = examples.table()
    t.to_parquet(tmp_path / "good.parquet")
    BREAK["unknown", "country"](t).drop(columns="city").to_parquet(tmp_path / "bad.parquet")
    (tmp_path / "test_features.py").write_text(
        "from skewkit.testing import assert_contract\n\n"
        "def test_good(): assert_contract('good.parquet', 'contract.yaml')\n"
        "def test_bad(): assert_contract('bad.parquet', 'contract.yaml')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", "test_features.py"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 1 and "1 failed, 1 passed" in ran.stdout, ran.stdout[-3_000:]
    assert "country: unknown in 200 of 2,000 rows: 'FR' (200)" in ran.stdout and "city: absent" in ran.stdout


def test_assert_contract_lists_every_broken_rule_without_a_warning(agreed, table):
    """A frame and a contract by hand; a table without rows would keep any promise and is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_contract(table, agreed)
        with pytest.raises(AssertionError, match=r"2 broken rules(.|\n)*amount: outside(.|\n)*typing: too_many_nulls"):
            assert_contract(table.assign(amount=-1.0, typing=np.nan), agreed)
    with pytest.raises(SkewkitError, match="no rows"):
        assert_contract(table.head(0), agreed)


def test_the_commands_and_their_exit_codes(tmp_path, table, monkeypatch, capsys):
    """Infer, review, test: 0 for a kept promise, 4 for a broken one, 2 for what cannot be read or is there already."""
    monkeypatch.chdir(tmp_path)
    table.to_csv("training.csv", index=False)
    BREAK["outside", "amount"](table).to_csv("bad.csv", index=False)
    infer_it = [
        "contract",
        "infer",
        "training.csv",
        "-o",
        "c.yaml",
        "--key",
        "request",
        "--features",
        "amount, country",
    ]
    assert main(infer_it) == 0 and set(read_contract("c.yaml").columns) == {"request", "amount", "country"}
    assert (
        main(["contract", "test", "training.csv", "c.yaml"]) == 0 and "nobody has reviewed" in capsys.readouterr().out
    )
    assert main(["contract", "review", "c.yaml", "--by", "Ana"]) == 0 and read_contract("c.yaml").reviewed
    assert main(["contract", "test", "training.csv", "c.yaml"]) == 0
    assert "nobody" not in (out := capsys.readouterr().out) and "keeps every promise of c.yaml, version 1" in out
    assert main(["contract", "test", "bad.csv", "c.yaml"]) == 4
    assert capsys.readouterr().out == "amount: outside in 200 of 2,000 rows: 1000000.0 (200)\n"
    refused = {
        "there already": infer_it,
        "'nope'": ["contract", "infer", "training.csv", "-o", "d.yaml", "--key", "nope"],
        "no file at none.csv": ["contract", "test", "none.csv", "c.yaml"],
        "no file at none.yaml": ["contract", "test", "bad.csv", "none.yaml"],
        "--by is empty": ["contract", "review", "c.yaml", "--by", " "],
        "name a folder": ["contract", "infer", "training.csv", "-o", "no/folder.yaml"],
    }
    for says, asked in refused.items():
        assert main(asked) == 2 and says in capsys.readouterr().err
