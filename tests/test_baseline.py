"""A baseline profile: checking against it says what checking against the rows says, and it has none of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skewkit as sk
from skewkit import examples
from skewkit.__main__ import main
from skewkit.checks.side import Side
from skewkit.load.baseline_file import read_baseline, sealed
from skewkit.plan import plan
from skewkit.profiling import baseline
from skewkit.records import Roles, SkewkitError, Tolerance
from skewkit.report.page import page
from skewkit.report.run import begin, document
from skewkit.statistics import distance
from skewkit.statistics.cells import cells, written
from skewkit.statistics.sketch import POINTS, hashed, sketch, unsketch
from skewkit.tables.columns import distribution_of
from skewkit.tables.engines import Local

from .conftest import ROLES

LAW = settings(max_examples=150, deadline=None, derandomize=True)
HERE = ("key", "entity", "time", "label", "prediction", "features")
EXACT = {"null_share", "unseen", "formats", "mean_shift", "deviation_ratio", "too_good", "gap", "missing", "retyped"}
EXACT |= {"constant", "twin", "new", "reordered", "age_p95", "undated", "certified", "differ", "lost"}


def roles(**changed):
    """The example table's roles, as a baseline takes them."""
    return {**{n: ROLES[n] for n in HERE}, **changed}


def sketched(values, dtype=None, salt=""):
    """A column's distribution, and what a baseline's file gives back of it."""
    d = distribution_of(pd.Series(values, dtype=dtype))
    return d, unsketch(json.loads(json.dumps(sketch(d, salt), allow_nan=False)), d.kind, salt)


def by_name(findings):
    return {(f.check, f.change, f.feature, f.statistic): f for f in findings}


def both(training, served, tmp_path, replayed=None, made=None, **asked):
    """The findings against the rows, and against a file made of them, by name."""
    path = tmp_path / "model.baseline.json"
    sk.baseline(training, **{n: v for n, v in asked.items() if n not in ("segments", "cost")}).write(path)
    return [by_name(sk.check(sk.compare(t, served, replayed, **asked))) for t in (training, str(path))]


def agree(rows, profile):
    """Every finding is there, with the same verdict (or of frequent values a quieter one, while the feature's worst is the
    same); values are exact, or within what the gap can do."""
    assert rows.keys() == profile.keys()
    for name, f in rows.items():
        g = profile[name]
        if name[3] not in ("shape", "cells"):
            assert g.verdict == f.verdict, (name, f, g)
        else:  # a value that is frequent in the log alone has at most a gap's share in training, and how much is not known
            assert (g.verdict or 0) <= (f.verdict or 0), (name, f, g)
        assert (g.n, g.effective, g.wobble) == (f.n, f.effective, pytest.approx(f.wobble, abs=1e-12)), name
        if f.statistic in EXACT:
            assert g.value == pytest.approx(f.value, rel=1e-9, abs=1e-12), name
        elif f.statistic == "ks":
            assert g.low - 1e-12 <= f.value <= g.high + 1e-12 and abs(g.value - f.value) <= 0.001, name
    for feature in {n[2] for n in rows}:
        loudest = [max((f.verdict or 0 for n, f in s.items() if n[2] == feature), default=0) for s in (rows, profile)]
        assert loudest[0] == loudest[1], feature


PLANTS = {
    "clean": None,
    "clock": sk.skews.TimeZone(features=("hour", "weekday"), serving="UTC", training=examples.ZONE),
    "unit": sk.skews.UnitChange(features=("amount",), unit="units_to_cents"),
    "nulls": sk.skews.MissingValues(features=("typing", "city"), rate=0.3),
    "written": sk.skews.Precision(features=("income", "recent_amount"), decimals=0),
}


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("rows", [2_000, 30_000])
def test_the_verdicts_are_those_of_the_rows(plant, rows, tmp_path):
    """On a table held whole and on one of which points are held; clean, and with a skew planted in a third."""
    training, served = examples.table(rows), examples.table(8_000, seed=1)
    if PLANTS[plant]:
        served = sk.inject(served, PLANTS[plant], sk.Scope(share=1 / 3), examples.ROLES)
    found = both(training, served, tmp_path, **roles())
    agree(*found)
    alarms = {n[2] for n, f in found[1].items() if f.verdict and f.verdict.alarm and n[0] != "leakage"}
    assert plant in ("clean", "clock") or alarms & set(PLANTS[plant].features)


@pytest.mark.parametrize("world", ["flights", "payments"])
def test_the_verdicts_are_those_of_the_rows_on_both_worlds(world, request, tmp_path):
    """Real flights, whose world drifts, and simulated payments, with a replay; a column of the log turned constant."""
    world = request.getfixturevalue(world)
    training, later = (t.sample(min(len(t), 20_000), random_state=0).sort_index() for t in world.tables)
    numbers = [f for f in world.roles.features if later[f].dtype.kind == "f"]
    served = later.assign(**{numbers[0]: later[numbers[0]].median()})
    asked = {n: getattr(world.roles, n) for n in HERE}
    rows, profile = both(training, served, tmp_path, later, **asked)
    agree(rows, profile)
    assert profile["schema", "skew", numbers[0], "constant"].verdict.alarm


def test_the_rows_may_be_gone(folder):
    """The baseline is made, the training file deleted, and the check runs as before, by hand and as a run."""
    asked = {**roles(), "segments": ROLES["segments"]}
    made = sk.baseline("training.parquet", **roles())
    made.write("model.baseline.json")
    before = sk.check(sk.compare("training.parquet", "served.parquet", "replayed.parquet", **asked))
    hashed_before, rows = made.sha256(), len(made)
    (folder / "training.parquet").unlink()
    case = sk.compare("model.baseline.json", "served.parquet", "replayed.parquet", **asked)
    result = sk.examine(case, replace(sk.read_policy(), by_segment=True))
    agree(by_name(before), by_name(sk.check(case)))
    told = {(n.step, n.reason) for n in result.not_run}
    assert any(s == "impact" and "baseline" in r for s, r in told) and any(s == "by_segment" for s, r in told)
    document_ = document(begin("check"), sk.examine(case))
    training = next(i for i in document_["inputs"] if i["role"] == "training")
    assert training["sha256"] == hashed_before and training["rows"] == rows and training["uri"] == "training.parquet"
    assert training["baseline"] == json.loads((folder / "model.baseline.json").read_text())["sha256"]
    assert "training (a baseline profile of it)" in page(document_)
    told = "\n".join(
        plan("check", [], [["training", "model.baseline.json"], ["served", "served.parquet"]], folder / "runs")
    )
    assert "training: a baseline profile of 2,000 rows, 14 features" in told


def test_features_are_the_baselines_and_a_sample_leaves_it_whole(folder):
    """Nothing but served is given: the features are what the baseline was made of; sample cuts the served alone."""
    given_ = {n: v for n, v in roles(features=["amount", "city"]).items()}
    made = sk.baseline("training.parquet", **given_)
    case = sk.compare(made, "served.parquet", sample=500, **{**given_, "features": []})
    assert case.roles.features == ("amount", "city") and len(case.training) == 2_000
    assert 300 < len(case.served) < 700 and sk.check(case).verdict in ("ok", "inconclusive", "warn")


# -- what a distribution keeps

odd = st.one_of(
    st.floats(allow_nan=False),
    st.sampled_from([0.0, -0.0, 1.0, np.inf, -np.inf, 1e308, -1e308, 5e-324]),
)


@LAW
@given(st.lists(odd, max_size=60), st.integers(1, 90), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_a_sketch_is_exact_at_its_points_and_off_by_the_gap_at_most_between(values, times, nulls, seed):
    """Any floats, each some times over, beside thousands that are continuous: |F - F'| <= gap, and 0 at the points."""
    many = np.random.default_rng(seed).normal(size=5_000)
    d, s = sketched(np.r_[np.repeat(values, times), many, [np.nan] * nulls])
    at = np.unique(np.r_[d.values, s.values, np.nextafter(s.values, -np.inf)])
    off = np.abs(distance.cdf(d, at) - distance.cdf(s, at))
    assert off.max() <= s.gap + 1e-12 and s.gap <= 0.001 and len(s.values) <= 3 * POINTS
    assert (d.below(s.values) == s.upto).all() and (s.n, s.nulls) == (d.n, d.nulls)
    often = d.values[d.counts >= 0.001 * d.n]
    assert np.isin(often, s.values).all()
    assert (s.below(often, "left") == d.below(often, "left")).all() and (
        s.values[s.counts >= 0.001 * d.n] == often
    ).all()


def test_fewer_points_would_be_farther_off():
    """The bound is no idle one: between two points the sketch is off by most of its gap, and a small column by nothing."""
    d, s = sketched(np.random.default_rng(0).lognormal(size=50_000))
    off = np.abs(distance.cdf(d, d.values) - distance.cdf(s, d.values)).max()
    assert 0 < s.gap / 2 < off <= s.gap + 1e-12 < 0.001 and len(s.values) < 1_300
    assert distance.moments(s) == distance.moments(d)
    small, kept = sketched(np.arange(1_000) / 7)
    assert kept.gap == 0 and (kept.values == small.values).all()


COLUMNS = {
    "nulls alone": ([None] * 40, "float64"),
    "text of nulls": ([None] * 40, "object"),
    "one value": ([3.5] * 40, "float64"),
    "infinities": ([np.inf, -np.inf, 1.0] * 20, "float64"),
    "huge": ([2**63 + 1, 2**64 - 1, 0] * 20, "uint64"),
    "whole": ([2**53 + 1, -(2**62), None] * 20, "Int64"),
    "flags": ([True, False, None] * 20, "boolean"),
    "text": (["é", "", "\U0001f600", "a,b\n"] * 12 + ["rare"], "object"),
    "times": (pd.date_range("2024-03-10", periods=40, freq="h", tz="Asia/Kolkata"), None),
    "naive": (pd.date_range("1900-01-01", periods=40, freq="D"), None),
}


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # no area lies between infinities
@pytest.mark.parametrize("name", COLUMNS)
def test_odd_columns_come_back_as_they_were(name, tmp_path):
    """Values to the last bit, rows, nulls and type; and checked against itself nothing alarms."""
    values, dtype = COLUMNS[name]
    d, s = sketched(values, dtype)
    s = s.known(d)
    assert s.values.tolist() == d.values.tolist() and s.upto.tolist() == d.upto.tolist() and s.nulls == d.nulls
    assert s.gap == 0 and (d.kind == "text" or s.values.dtype == d.values.dtype)
    frame = pd.DataFrame({"x": pd.Series(values, dtype=dtype), "y": 1.0})
    rows, profile = both(frame, frame, tmp_path)
    agree(rows, profile)
    assert not any(f.verdict and f.verdict.alarm for f in profile.values())


words = st.lists(st.text(st.characters(codec="utf-8"), max_size=3), min_size=1, max_size=30)


@LAW
@given(words, words, st.integers(1, 12))
def test_hidden_texts_are_told_by_those_served(before, after, times):
    """KS within its gap; unseen and lost rows as exactly as if every text stood in the file."""
    d, s = sketched(before + before[:1] * times, "object", "salt")
    other = distribution_of(pd.Series(after, dtype="object"))
    told = s.known(other)
    assert list(told.values) == sorted(set(told.values)) and told.upto.tolist() == d.upto.tolist()
    assert abs(distance.ks(told, other) - distance.ks(d, other)) <= told.gap + 1e-12
    assert distance.unseen(told, other) == distance.unseen(d, other)
    assert distance.unseen(other, told) == distance.unseen(other, d)


def test_rare_texts_stand_nowhere_in_the_file(tmp_path):
    """A name that nine rows share is a hash, one that ten share is held; and the gap is that of the names not told."""
    frame = pd.DataFrame({"name": ["Ana Lopes"] * 9 + ["Bo Li"] * 10 + ["Cy Orr"]})
    made = sk.baseline(frame)
    made.write(tmp_path / "b.json")
    text = (tmp_path / "b.json").read_text()
    assert "Bo Li" in text and "Ana" not in text and "Orr" not in text
    assert hashed("Ana Lopes", made.sha256()) in text and hashed("Ana Lopes", "other") not in text
    kept, asked = made.distribution("name"), distribution_of(pd.Series(["Al", "Bo Li", "Zed"]))
    assert kept.known(asked).gap == pytest.approx(
        9 / 20
    )  # before or after Al; Cy Orr comes before Zed or after it, 1 row
    assert kept.known(distribution_of(pd.Series(["Ana Lopes", "Bo Li"]))).gap == 0


def test_more_texts_than_are_held_are_said_not_to_be_compared():
    """Nulls are; the rest of the column is not, and the result says so."""
    frame = pd.DataFrame({"id": [f"u{i}" for i in range(10_001)] + [None] * 99, "x": 1.0})
    result = sk.examine(sk.compare(sk.baseline(frame), frame))
    assert {f.statistic for f in result.findings if f.feature == "id" and f.check == "distribution"} == {"null_share"}
    assert any("id: more than 10,000 texts" in n.reason for n in result.not_run)
    fewer = sk.examine(sk.compare(sk.baseline(frame.head(10_000)), frame))
    assert not any("texts" in n.reason for n in fewer.not_run)


def test_rows_of_few_entities_count_as_few(tmp_path):
    """All rows of a user alike: a shift that rows alone would call sure is not, with the rows and without."""
    rng = np.random.default_rng(3)

    def world(users, first, shift):
        user = np.repeat(np.arange(users) + first, 50)
        level = np.repeat(rng.normal(size=users), 50) + shift
        nulls = np.repeat(rng.random(users) < 0.1 + shift / 10, 50)
        city = np.where(np.repeat(rng.random(users), 50) < 0.3, "a", "b")
        return pd.DataFrame({"user": user, "x": np.where(nulls, np.nan, level), "city": city})

    training, served = world(400, 0, 0.0), world(400, 1_000, 0.4)
    rows, profile = both(training, served, tmp_path, entity="user", features=["x", "city"])
    agree(rows, profile)
    alone = by_name(sk.check(sk.compare(sk.baseline(training, features=["x", "city"]), served, features=["x", "city"])))
    name = ("distribution", "total", "x", "ks")
    assert profile[name].effective < 1_000 and alone[name].low > profile[name].low
    for name in ("null_share", "cells"):
        f, g = (side["distribution", "total", "x", name] for side in (rows, profile))
        assert g.low <= f.low + 1e-9 or g.low == pytest.approx(f.low, rel=0.2)


def test_what_is_remembered_of_cells_is_what_the_rows_say():
    """The draws that a frequent value, a format and the nulls count as: those of the rows."""
    table = examples.table(5_000).assign(income=lambda t: t["income"].where(t["account"] % 7 > 0))
    made = baseline(table, **roles())
    local = Local(table, Roles(**{**roles(), "features": tuple(ROLES["features"])}))
    asked = {
        "nulls": ("income", lambda v, p: ~p, "nulls"),
        "mean": ("income", lambda v, p: v == examples.MEAN_INCOME, ""),
        "city": ("city", lambda v, p: v == "Köln", ""),
        "format": ("typing", lambda v, p: written(v, "number")["2 decimals"], "2 decimals"),
    }
    for feature, belongs, called in asked.values():
        known, exact = Side(made, feature, False), Side(local, feature, False)
        known.spread = known.spread.known(exact.spread)
        assert known.fewer_where(belongs, called) == pytest.approx(exact.fewer_where(belongs, called))
    for name, f in made.content["features"].items():  # of every cell of the distribution as it is kept
        kept = made.distribution(name).known(local.distribution(name))
        assert len(f["rows"]["effects"]["cells"]) == len(cells(kept, kept))


def test_twins_of_training_are_not_new_and_others_are(tmp_path):
    """A pair that was equal in training, one that mostly was, and one that never was: as the rows have it."""
    rng = np.random.default_rng(0)
    a, c = rng.normal(size=30_000), rng.random(30_000) < 0.001
    training = pd.DataFrame({"a": a, "b": a, "c": c, "d": np.zeros(30_000, bool), "e": rng.normal(size=30_000)})
    training.loc[0, "d"] = True
    served = training.head(400).assign(e=a[:400], c=training["d"].head(400))
    rows, profile = both(training, served, tmp_path)
    agree(rows, profile)
    twins = {n[2]: f.value for n, f in profile.items() if n[3] == "twin"}
    assert twins == {"a": 0.0, "b": 0.0, "c": 0.0, "d": 0.0, "e": 1.0}


def test_the_days_of_training_are_remembered(tmp_path):
    """What days and weeks wobble by is the rows', and so is what is tolerated."""
    table = examples.table(20_000)
    table["amount"] *= 1 + 0.5 * (table["asked"].dt.day % 2)
    for by in ("day", "week"):
        policy = replace(sk.read_policy(), partitions=by)
        later = examples.table(5_000, seed=2)
        found = [
            by_name(sk.check(sk.compare(t, later, **roles()), policy)) for t in (table, sk.baseline(table, **roles()))
        ]
        agree(*found)
        if by == "day":
            assert found[1]["distribution", "total", "amount", "ks"].wobble > 0.05


def test_times_are_compared_by_their_ages(tmp_path):
    """A feature that is a time, as days before the request; a month later nothing has changed, and staler it has."""
    training = examples.table(5_000)[["asked", "last", "amount"]]
    later = training.assign(asked=training["asked"] + pd.Timedelta("30D"), last=training["last"] + pd.Timedelta("30D"))
    stale = later.assign(last=later["last"] - pd.Timedelta("2D"))
    for served, loud in ((later, False), (stale, True)):
        rows, profile = both(training, served, tmp_path, time="asked")
        agree(rows, profile)
        assert bool(profile["distribution", "total", "last", "ks"].verdict.alarm) == loud


def test_hashes_of_training_are_remembered(tmp_path):
    """The column of the log against the hashes that training's column held; another hash breaches."""
    training = examples.table(500).assign(model="3f2a")
    made = sk.baseline(training, **roles(), lineage=["model"])
    for served, verdict in (("3f2a", "ok"), ("77aa", "breach")):
        case = sk.compare(made, examples.table(500, seed=1).assign(model=served), **roles(), lineage={"model": ""})
        found = by_name(sk.check(case))["lineage", "total", "model", "differ"]
        assert str(found.verdict) == verdict


# -- the file


def test_the_same_training_gives_the_same_file(tmp_path):
    """But for the time at which it was made, which the hash leaves out; other training gives another hash."""
    made = [sk.baseline(t, **roles()) for t in (examples.table(), examples.table(), examples.table(seed=3))]
    first, again, other = ({**m.content, "when": ""} for m in made)
    assert json.dumps(first) == json.dumps(again) and first["sha256"] != other["sha256"]
    made[0].write(tmp_path / "b.json")
    assert read_baseline(tmp_path / "b.json").content == made[0].content
    assert [p.name for p in tmp_path.iterdir()] == ["b.json"]


def test_the_uri_is_kept_as_it_was_written(folder, monkeypatch):
    """What ${NAME} stands for is written nowhere."""
    monkeypatch.setenv("TABLES", str(folder))
    made = sk.baseline("${TABLES}/training.parquet", **roles())
    assert made.uri == "${TABLES}/training.parquet" and str(folder) not in json.dumps(made.content)


def test_a_file_that_was_edited_is_refused(folder):
    """One count, one role or one value changed: the hash does not fit. The day it was made may change."""
    sk.baseline("training.parquet", **roles()).write("b.json")
    good = json.loads((folder / "b.json").read_text())
    assert len(read_baseline("b.json")) == 2_000
    edits = {
        "rows": lambda c: c["made_of"].update(rows=3_000),
        "counts": lambda c: c["features"]["hour"]["spread"]["counts"].__setitem__(0, 1),
        "roles": lambda c: c["roles"].update(entity=None),
        "hash": lambda c: c.update(sha256="0" * 64),
    }
    for edit in edits.values():
        content = json.loads(json.dumps(good))
        edit(content)
        (folder / "b.json").write_text(json.dumps(content))
        with pytest.raises(SkewkitError, match=r"edited or damaged since it was written.*make it anew"):
            read_baseline("b.json")
    (folder / "b.json").write_text(json.dumps({**good, "when": "2030-01-01"}))
    assert read_baseline("b.json").roles.key == "request"


@pytest.mark.parametrize(
    "text, said",
    [
        ("{", "not JSON"),
        ("[]", "no version and sha256"),
        ('{"a": 1}', "no version and sha256"),
        (json.dumps({**sealed({}), "version": 3}), "version 3; this skewkit reads 1 and 2"),
        (json.dumps({**sealed({}), "version": 0}), "version 0; this skewkit reads 1 and 2"),
        (None, "there is no file"),
    ],
)
def test_what_is_no_baseline_is_refused(text, said, folder):
    """Not JSON, another JSON, another version, no file: each is named, with what to do."""
    if text is not None:
        (folder / "b.json").write_text(text)
    with pytest.raises(SkewkitError, match=said):
        sk.compare("b.json", "served.parquet")


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"entity": None}, "entity=None was given.*made with entity='account'"),
        ({"time": None, "entity": "account"}, "time=None was given.*made with time='asked'"),
        ({"features": ["amount", "device"]}, "feature 'device' was asked"),
        ({"label": "refused", "features": ["amount"]}, "label='refused'.*made with 'fraud'"),
        ({"task": "regression"}, "task='regression'"),
        ({"rename": {"amount": "sum"}}, "training is a baseline with a column 'amount'"),
        ({"lineage": {"device": ""}}, "hashes of 'device'"),
    ],
)
def test_roles_that_it_cannot_answer_for_are_refused(changed, said, table):
    """Each error says what it was made with."""
    made = sk.baseline(table, **roles())
    assert sk.compare(made, table, **roles())
    with pytest.raises(SkewkitError, match=said):
        sk.compare(made, table, **roles(**changed))


def test_only_training_may_be_a_baseline_and_its_rows_are_not_there(table):
    """Served by a baseline is refused; whoever asks for rows is told to give the table."""
    made = sk.baseline(table, **roles())
    with pytest.raises(SkewkitError, match="served was given as a baseline profile; only training can be"):
        sk.compare(table, made)
    for asked in (made.frame, lambda: made.column("amount"), lambda: made.distribution("device")):
        with pytest.raises(SkewkitError, match=r"training is a baseline profile.*give the training table"):
            asked()


def test_bad_columns_are_refused_as_compare_refuses_them(table):
    """A column that is not there, a time that is none, a task that is unknown."""
    for asked, said in (
        ({"key": "gone"}, "training has no column 'gone', named as key"),
        ({"time": "amount"}, "'amount' is a number, and a time with its zone is needed"),
        ({"features": ["gone"]}, "no table has 'gone'"),
        ({"lineage": ["gone"]}, "named as lineage"),
        ({"task": "guess"}, "task 'guess' was asked"),
    ):
        with pytest.raises(SkewkitError, match=said):
            sk.baseline(table, **asked)
    assert sk.baseline(table, key="request").roles.key == "request"


def test_the_command_makes_one_and_does_not_write_over_it(folder, capsys):
    """skewkit baseline TRAINING -o FILE; again only with --force; a name that is not known by its ending is refused."""
    given_ = [x for n in ("key", "entity", "time", "label", "prediction") for x in (f"--{n}", ROLES[n])]
    command = ["baseline", "training.parquet", *given_, "--features", ",".join(ROLES["features"]), "-o"]
    assert main([*command, "model.baseline.json"]) == 0 and "14 features of 2,000 rows" in capsys.readouterr().out
    assert main([*command, "model.baseline.json"]) == 2 and "is there already" in capsys.readouterr().err
    assert main([*command, "model.baseline.json", "--force"]) == 0
    assert main([*command, "model.baseline"]) == 2 and "ends in .json" in capsys.readouterr().err
    case = sk.compare("model.baseline.json", "served.parquet", "replayed.parquet", **roles())
    assert by_name(sk.check(case))["parity", "skew", "hour", "differ"].verdict.alarm


def test_explaining_works_without_the_rows(table, tmp_path):
    """The steps of a statistic are shown from the file as from the rows."""
    made = sk.baseline(table, **roles())
    told = [sk.explain(sk.compare(t, table, **roles()), "city", "psi") for t in (table, made)]
    assert str(told[0]) == str(told[1])


def test_a_tolerance_is_not_asked_of_it(table):
    """Nothing pairs the rows of a baseline: pairs are of the replay and the log."""
    case = sk.compare(sk.baseline(table, **roles()), table, table, **roles())
    assert case.pairs.agreement("amount", Tolerance()).differ == 0 and case.training.at_hand.columns == ()


def test_a_log_can_be_drilled_beside_a_baseline(table):
    """A skew in what was served is planted and noticed; one in training needs training's rows, and says so."""
    ground = sk.own(training=sk.baseline(table, **roles()), served=examples.table(seed=1), **roles())
    unit = PLANTS["unit"]
    found = sk.drill(ground, unit, severities=[0, 1])
    assert "parity" in found[-1].noticed and not found[0].noticed
    with pytest.raises(SkewkitError, match="give the training table"):
        sk.drill(ground, {**unit.to_dict(), "scope": {"side": "training"}}, severities=[1])


def test_what_dates_training_is_said_not_to_be_compared(table):
    """as_of beside a baseline: the served ages are measured, training's are not, and the result says so."""
    asked = roles(features=["amount", "city"])
    result = sk.examine(sk.compare(sk.baseline(table, **asked), table, **asked, as_of={"amount": "last"}))
    measured = {f.statistic for f in result.findings if f.check == "freshness"}
    assert "age_p95" in measured and "age_change" not in measured
    assert any(n.step == "freshness" and "baseline" in n.reason for n in result.not_run)
    rows = sk.check(sk.compare(table, table, **asked, as_of={"amount": "last"}))
    assert "age_change" in {f.statistic for f in rows}
