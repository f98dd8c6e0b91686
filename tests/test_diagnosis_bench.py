"""The benchmark of diagnosis: its files say what was done, the same each time, and its scorer counts right."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skewkit.skews import make as skew_of
from tests.bench.diagnosis import cases, datadiff, make, outside, planting, same, score, worlds
from tests.bench.diagnosis.run import _one, canonical, given, some

HERE = Path(make.__file__).parent


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A twentieth of the benchmark's cases."""
    folder = tmp_path_factory.mktemp("bench") / "out"
    make.make(folder, 0.05)
    return folder


def truths(out):
    return {n: json.loads((out / "truth" / f"{n}.json").read_text("utf-8")) for n in cases.names(out)}


def test_the_other_codes_files_import_nothing_of_the_package():
    """The corruptions, their worlds, the files' form and the scorer do not know skewkit."""
    for name in ("outside", "worlds", "cases", "same", "score", "planting", "mixtures", "controls", "limits"):
        tree = ast.parse((HERE / f"{name}.py").read_text("utf-8"))
        froms = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
        plain = [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
        assert not [m for m in froms + plain if "skewkit" in m], name


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    """Two makes of the same part of the other code's cases are one, file by file."""
    made = worlds.made()
    for folder in ("a", "b"):
        for c in planting.outside_cases(made, 6):
            cases.write_case(tmp_path / folder, c.name, c.base, c.rows, c.tables, c.regimes, c.truth)
        cases.write_base(tmp_path / folder, worlds.wards().base)
    assert make.digest(tmp_path / "a") == make.digest(tmp_path / "b")
    (tmp_path / "b" / "truth" / "outside-000.json").write_text("{}")
    assert make.digest(tmp_path / "a") != make.digest(tmp_path / "b")


def test_what_is_served_differs_as_the_truth_says(out):
    """Rows counted anew from the files, within the scope, and at least a few; one cause after another only in its sum."""
    for name, truth in truths(out).items():
        if not truth["causes"] or truth.get("mixed") in ("rows", "sequence"):
            continue
        case = cases.load(out, name)
        for cause in truth["causes"]:
            before, after = case["replayed"], case["served"]
            if cause["side"] == "training":
                before, after = after, before
            counted = planting.per_feature(before, after, cause["per_feature_rows"])
            assert counted == cause["per_feature_rows"], name
            assert cause["rows"] >= planting.FEWEST, name
            _within(case, cause, before, after, name)


def _within(case, cause, before, after, name):
    """Nothing outside the slice and the span differs."""
    there = [f for f in cause["features"] if f in before and f in after]
    changed = (
        np.any([cases.differs(before[f], after[f]) for f in there], axis=0) if there else np.zeros(len(before), bool)
    )
    if cause["where"]:
        assert (before.loc[changed, cause["where"][0]] == cause["where"][1]).all(), name
    if cause["since"]:
        assert (before.loc[changed, case["roles"]["time"]] >= pd.Timestamp(cause["since"])).all(), name
    if cause["until"]:
        assert (before.loc[changed, case["roles"]["time"]] < pd.Timestamp(cause["until"])).all(), name


def test_the_truths_parameters_applied_by_hand_give_what_was_served(out):
    """Of the causes that act on a value by itself, on every row that differs."""
    tried = set()
    for name, truth in truths(out).items():
        if truth["kind"] not in ("skew", "twin"):
            continue
        case, cause = cases.load(out, name), truth["causes"][0]
        for f in set(cause["features"]) & set(case["replayed"]) & set(case["served"]):
            before, after = case["replayed"][f], case["served"][f]
            applied = by_hand(cause["cause"], cause["parameters"], before)
            if applied is not None:
                rows = cases.differs(before, after)
                numbers = after.dtype.kind in "iuf" and applied.dtype.kind in "iuf"
                like = (
                    np.isclose(applied, after, rtol=1e-9, equal_nan=True) if numbers else ~cases.differs(applied, after)
                )
                assert like[rows].all(), (name, f)
                tried.add(cause["cause"])
    assert tried == {
        "unit_change",
        "measurement",
        "clipping",
        "missing_fill",
        "encoding",
        "text_format",
        "precision",
        "rollback",
        "broken_header",
    }


def by_hand(cause, p, x):
    """What the canonical parameters make of a column; None where that takes more than its values."""
    if cause == "unit_change":
        return np.log1p(x) if p.get("function") == "log1p" else x * p["factor"] + p["offset"]
    if cause == "measurement" and not p["noise"]:
        return (x * p["gain"] + p["offset"]).clip(upper=p["saturation"])
    if cause == "clipping" and p["how"] == "clip":
        return x.clip(p["low"], p["high"])
    if cause == "missing_fill" and p["serving"] != "forward":
        return x.mask(x.isna() if p["training"] is None else np.isclose(x, p["training"]), p["serving"])
    if cause == "encoding":
        known = {str(a): b for a, b in p["mapping"]}
        return x.astype(object).map(lambda v: known.get(str(v), v)).astype(object).infer_objects()
    if cause == "precision" and p.get("to") != "bfloat16":
        return outside.held(x, **p)
    if cause == "text_format" and p["how"] in outside.WRITTEN:
        return x.map(outside.WRITTEN[p["how"]])
    if cause in ("broken_header", "rollback") and not isinstance(p["value"], str):
        return pd.Series(np.nan if p["value"] is None else float(p["value"]), x.index)
    return None


def test_nothing_else_differs(out):
    """A column that no cause names is served as it is replayed; a clean table wholly, but for the last digits."""
    for name, truth in truths(out).items():
        case = cases.load(out, name)
        named = {f for c in truth["causes"] for f in c["per_feature_rows"]}
        for f in set(case["replayed"]) & set(case["served"]) - named:
            a, b = case["replayed"][f], case["served"][f]
            unlike = cases.differs(a, b)
            if truth["kind"] == "clean" and truth["stratum"]["noise"] and a.dtype.kind == "f":
                unlike = ~np.isclose(a, b, rtol=1e-12, atol=0, equal_nan=True)
            assert not unlike.any(), (name, f)


def test_a_drifting_world_moves_and_a_clean_one_does_not(out):
    """By a count of means that lie apart by more than chance: of the drifting columns many, of the clean ones few."""

    def apart(kind):
        far = []
        for name, truth in truths(out).items():
            if truth["kind"] == kind and truth["stratum"]["base"][:4] in ("wide", "movi"):
                case = cases.load(out, name)
                for f in case["roles"]["features"]:
                    a, b = case["training"][f].dropna(), case["served"][f].dropna()
                    if a.dtype.kind in "if":
                        far.append(abs(a.mean() - b.mean()) > 4 * np.sqrt(a.var() / len(a) + b.var() / len(b)))
        return np.mean(far)

    assert apart("clean") < 0.01
    assert apart("drift") > 0.4


def test_a_window_counted_by_hand():
    """Two of three events lie in the window; one of them was known; read an hour earlier, one lies in it."""
    t = pd.Timestamp("2025-03-05T12:00Z")
    events = pd.DataFrame({"who": 1, "happened": t - pd.to_timedelta(["30min", "5h", "9D"]), "v": [1.0, 2.0, 4.0]})
    events["known"] = events["happened"] + pd.Timedelta("2h")
    asked = pd.DataFrame({"who": [1, 2], "asked": [t, t]})
    count, total = (worlds.Feature("e", "who", how, "v", "7D") for how in ("count", "sum"))
    assert worlds.compute(count, asked, events).tolist() == [2, 0]
    assert worlds.compute(total, asked, events).tolist() == [3, 0]
    assert worlds.compute(total, asked, events, clock="stream").tolist() == [2, 0]
    assert worlds.compute(total, asked, events, lag="1h").tolist() == [2, 0]
    assert worlds.compute(total, asked, events, edge="6h").tolist() == [0, 0]
    assert worlds.compute(total, asked, events, length="10D").tolist() == [7, 0]


def test_a_tool_is_given_what_its_regime_has(out):
    """Unpaired there is no replay, paired there are no events, and nowhere the truth."""
    case = cases.load(out, "outside-000")
    assert set(given(case, "unpaired")) == {"training", "served", "roles", "regimes"}
    assert set(given(case, "events")) - set(given(case, "paired")) == {"events", "spec"}
    assert "causes" not in case and len(some(cases.names(out), 20)) >= 12


TRUTH = {
    "kind": "skew",
    "outside": True,
    "identifiable": {"unpaired": False, "paired": True, "events": True},
    "causes": [
        {
            "cause": "staleness",
            "features": ["a", "b"],
            "parameters": {"lag": "6h"},
            "where": ["host", "h1"],
            "since": None,
            "until": None,
            "share": 1.0,
            "rows": 50,
            "ranges": {"lag": [21_000, 22_000]},
        }
    ],
}
FIT = {"cause": "staleness", "parameters": {"lag": "6h"}, "features": ["a", "b"], "where": ["host", "h1"], "rivals": []}


def judged(*fits, truth=TRUTH, unknown=()):
    return score.judge(truth, {"fits": list(fits), "unknown": list(unknown), "seconds": 1}, "paired", None)


def test_an_answer_that_is_right_is_right():
    """All of it, and also with a lag that predicts the same rows, or in a class of two."""
    other = {"cause": "late_events", "parameters": {}}
    for fit in (
        FIT,
        FIT | {"parameters": {"lag": 21_500}},
        FIT | {"rivals": [other]},
        FIT | {**other, "rivals": [FIT]},
    ):
        row = judged(fit)
        assert (row["cause"], row["parameters"], row["features"], row["slice"], row["right named"]) == (1, 1, 1, 1, 1)


def test_an_answer_that_is_wrong_is_wrong():
    """Each part by itself, a class of three, and silence."""
    assert judged(FIT | {"cause": "leakage"})["cause"] == 0 == judged(FIT | {"cause": "leakage"})["right named"]
    assert judged(FIT | {"parameters": {"lag": "7h"}})["parameters"] == 0
    assert judged(FIT | {"parameters": {"lag": "6h", "ttl": "1D"}})["parameters"] == 0
    assert judged(FIT | {"features": ["a"]})["features"] == 0
    assert judged(FIT | {"where": ["host", "h2"]})["slice"] == 0
    three = judged(FIT | {"rivals": [{"cause": "late_events"}, {"cause": "leakage"}]})
    assert (three["cause"], three["named"], three["alarm"]) == (0, 0, True)
    assert judged()["alarm"] is False
    assert judged(unknown=["a"])["alarm"] is True and judged(unknown=["a"])["cause"] == 0


def test_what_cannot_be_known_is_answered_by_unknown_or_a_class():
    """One cause named is wrong even where it is the true one."""
    hard = TRUTH | {"kind": "unknowable"}
    assert judged(truth=hard, unknown=["a"])["right"]
    assert judged(FIT | {"cause": "unknown"}, truth=hard)["right"]
    assert judged(FIT | {"rivals": [{"cause": "late_events"}]}, truth=hard)["right"]
    assert not judged(FIT, truth=hard)["right"]
    assert not judged(FIT | {"cause": "leakage", "rivals": [{"cause": "late_events"}]}, truth=hard)["right"]


def test_parameters_are_compared_by_what_they_do(out):
    """Zones by their offsets at the case's times, mappings on the values that occur."""
    name = next(n for n, t in truths(out).items() if t["kind"] == "skew" and t["causes"][0]["cause"] == "time_zone")
    look = same.Look(out, name)
    assert same._same_clock("Asia/Kathmandu", "+05:45", {"hour": "hour"}, look)
    assert not same._same_clock("Asia/Kathmandu", "+05:30", {"hour": "hour"}, look)
    assert same._same_mapping([[1, 2], [3, None]], [[1, 2.0], [3, None], [9, 9]])
    assert not same._same_mapping([[1, 2], [3, None]], [[1, 2]])
    cause = TRUTH["causes"][0] | {"cause": "precision", "parameters": {"decimals": 0, "rounding": "truncate"}}
    cause["alternatives"] = [{"to": "int32", "overflow": "wrap"}]
    assert same.same(cause, {"to": "int32"}, None, FIT)
    assert not same.same(cause, {"to": "int16"}, None, FIT)


def test_a_swap_is_the_same_from_either_side():
    """Both columns named as features, or one as the feature and one as the other; another pair is not."""
    swap = {"cause": "schema_change", "features": ["a", "b"], "parameters": {"how": "swapped", "with": "b"}}
    assert same.same(swap, {"how": "swapped"}, None, {"features": ["b", "a"]})
    assert same.same(swap, {"how": "swapped", "with": "a"}, None, {"features": ["b"]})
    assert not same.same(swap, {"how": "swapped", "with": "c"}, None, {"features": ["b"]})


def test_skewkits_parameters_under_the_benchmarks_names():
    """A unit is its factor and offset, a window a window, a header's constant its value."""
    case = {"training": pd.DataFrame({"a": [0, 1, 1, 2]})}
    fahrenheit = canonical(skew_of("unit_change", unit="celsius_to_fahrenheit"), "a", case)
    assert fahrenheit == pytest.approx({"factor": 1.8, "offset": 32})
    assert canonical(skew_of("unit_change", unit="log1p"), "a", case) == {"function": "log1p"}
    assert canonical(skew_of("normalization_window", serving="7D"), "a", case)["window"] == "7D"
    assert canonical(skew_of("broken_header", how="name"), "a", case) == {"value": "a"}
    assert canonical(skew_of("encoding", mapping=((1, 2),), features=("a",)), "a", case) == {"mapping": [[1, 2]]}


def test_every_way_of_rounding_that_gives_the_same_is_known():
    """Without ties half even and half up are one; with one they are not."""
    x = pd.Series([1.2, 3.7, 5.1])
    hit = np.ones(3, bool)
    ways = outside.alike(x, x.round(), hit)
    assert {w["rounding"] for w in ways if "decimals" in w} == {"half_even", "half_up"}
    assert len(outside.alike(pd.Series([2.5, 3.7, 5.1]), pd.Series([2.0, 4.0, 5.0]), hit)) == 1


def test_a_report_of_right_answers_and_of_none(out, tmp_path):
    """The truth handed in as answers scores all; silence scores nothing, and no control is named."""
    for name, truth in truths(out).items():
        regimes = json.loads((out / "cases" / f"{name}.json").read_text())["regimes"]
        fits = [{**c, "rivals": []} for c in truth["causes"]] if truth["kind"] in ("skew", "mixture", "twin") else []
        for folder, said in (("right", fits), ("silent", [])):
            (tmp_path / folder).mkdir(exist_ok=True)
            for r in regimes:
                (tmp_path / folder / f"{name}.{r}.json").write_text(
                    json.dumps({"fits": said, "unknown": [], "seconds": 0})
                )
    right, silent = (pd.DataFrame(score.judged(out, tmp_path / f)) for f in ("right", "silent"))
    about = right["kind"].isin(["skew", "mixture", "twin"])
    for column in ("cause", "parameters", "features", "slice", "onset"):
        assert (right.loc[about, column].dropna() == 1).all()
        assert (silent.loc[about, column].dropna() == 0).all()
    assert not silent["alarm"].any()
    text = score.report(out, tmp_path / "right")
    assert text.index("Corrupted by other code") < text.index("## All") < text.index("## Confusion")


def test_data_diffs_rule():
    """Exactly the change, its column and its parameters; an identity is right when nothing is said."""
    recode = {"change": "recode", "columns": ["c"], "mapping": [["a", "new1"], ["b", "new0"]]}
    fit = {"cause": "encoding", "features": ["c"], "parameters": {"mapping": recode["mapping"]}}
    assert datadiff.exact(recode, {"fits": [fit], "unknown": []})
    assert not datadiff.exact(recode, {"fits": [fit | {"parameters": {"mapping": recode["mapping"][:1]}}]})
    assert not datadiff.exact(recode, {"fits": [fit], "unknown": ["d"]})
    scale = {"change": "rescale", "columns": ["x"], "factor": 7.0}
    assert datadiff.exact(scale, {"fits": [{"cause": "unit_change", "features": ["x"], "parameters": {"factor": 8.0}}]})
    assert not datadiff.exact(
        scale, {"fits": [{"cause": "unit_change", "features": ["x"], "parameters": {"factor": 9.0}}]}
    )
    assert datadiff.exact({"change": "identity", "columns": []}, {"fits": [], "unknown": []})
    assert not datadiff.exact({"change": "identity", "columns": []}, {"fits": [], "unknown": ["x"]})


def test_some_forty_cases_are_answered_as_well_as_the_whole_bench_is(tmp_path):
    """Some forty cases in every regime: no control named, next to nothing named wrong, and most of what can be known named."""
    out = tmp_path / "out"
    make.make(out, 0.04)
    rows = score_of(out, tmp_path)
    named, right = (sum(r[k] for r in rows if r["kind"] != "unknowable") for k in ("named", "right named"))
    assert sum(r["columns named"] for r in rows if r["kind"] in ("clean", "drift")) == 0
    assert right >= 0.95 * named > 20
    for regime, least in (("paired", 0.85), ("events", 0.8)):
        known = [
            r["parameters"] == 1 for r in rows if r["kind"] == "skew" and r["regime"] == regime and r["identifiable"]
        ]
        assert len(known) >= 10 and np.mean(known) >= least


def score_of(out, answers):
    """What the scorer makes of skewkit's answers, in this process."""
    for name in cases.names(out):
        for regime in json.loads((out / "cases" / f"{name}.json").read_text("utf-8"))["regimes"]:
            assert not _one(out, answers, name, regime)
    return score.judged(out, answers)
