"""A drill: planted on purpose, measured, and the same every time."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import skops.io
import yaml
from onnx import TensorProto, helper
from sklearn.ensemble import HistGradientBoostingClassifier

import skewkit as sk
from skewkit import examples
from skewkit.drills.drills import Plant, differing
from skewkit.notebook import Refused, checked, declared, find, given
from skewkit.records import NotApplicable, SkewkitError
from skewkit.scenarios.flights import TRUSTED
from skewkit.skews import SKEWS

from .conftest import ROOT, play

FOUR = (
    {"skew": "time_zone", "serving": "UTC"},
    {"skew": "encoding", "features": ["carrier", "dest"]},
    {"skew": "normalization_window", "features": ["carrier_delay"], "serving": "1D"},
    {"skew": "staleness", "lag": "6h"},
)


@pytest.fixture(scope="module")
def matrix():
    return sk.drill("flights", FOUR, severities=(1.0, 0.0, 0.3), sample=20_000, draws=40)


def test_severity_zero_is_noticed_by_nothing_and_costs_nothing(matrix):
    """On the real model, for every skew, through the whole path."""
    for cell in matrix:
        if cell.severity == 0:
            assert cell.rows == 0 and cell.noticed == ()
            assert all(c.delta == 0 for c in cell.result.impact if c.change == "skew")


def test_parity_notices_each_of_the_four_headline_skews(matrix):
    """At 30 percent of the requests and at all."""
    assert all("parity" in cell.noticed for cell in matrix if cell.severity > 0)


def test_the_four_headline_skews_hurt_and_more_when_there_is_more_of_them(matrix):
    """AUC falls, and falls further at full severity, for every one."""
    frame = matrix.to_frame().pivot(index="skew", columns="severity", values="auc")
    assert (frame[1.0] < frame[0.3]).all() and (frame[0.3] < 0).all()


def test_drift_alarms_without_a_plant_and_is_no_notice(matrix):
    """Autumn is not summer: the distribution check warns on the clean table, and the matrix says so."""
    assert {cell.already for cell in matrix} == {("distribution",)}
    assert matrix[0].severity == 0 and matrix[0].verdict == "warn" and matrix.verdict == "breach"


def test_a_drill_is_the_same_every_time(matrix):
    """Same scenario, skews, severities and seed: the same table, to the last bit."""
    again = sk.drill("flights", FOUR[1:3], severities=(0.3,), sample=20_000, draws=40).to_frame()
    first = matrix.to_frame().set_index(["skew", "severity"], drop=False).loc[[(s, 0.3) for s in again["skew"]]]
    assert len(again) == 2
    pd.testing.assert_frame_equal(again, first.reset_index(drop=True), check_exact=True, check_dtype=False)


def test_another_seed_chooses_other_requests(matrix):
    """The seed decides whose requests are skewed."""
    other = sk.drill("flights", FOUR[0], severities=(0.3,), sample=20_000, draws=5, seed=1)
    assert other[0].rows != matrix[1].rows


def test_a_scope_confines_the_drill(flights):
    """Only one airport's requests, and only in November."""
    scope = sk.Scope(where=("from", "LGA"), since="2013-11-01T00:00:00Z", until="2013-12-01T00:00:00Z")
    (cell,) = sk.drill(flights, FOUR[0], severities=(1.0,), scope=scope, draws=5, sample=20_000)
    changed = cell.result.case.served.frame(["from", "asked", "hour"])
    moved = changed[changed["hour"].to_numpy() != cell.result.case.replayed.column("hour").to_numpy()]
    assert set(moved["from"]) == {"LGA"} and set(moved["asked"].dt.month) == {11} and len(moved) == cell.rows > 0


def test_a_skew_that_cannot_act_is_an_error():
    """Not a quiet row of zeros."""
    with pytest.raises(SkewkitError, match="no feature that it can act on"):
        sk.drill("flights", {"skew": "encoding", "how": "renamed", "category": "no such", "to": "x"}, sample=5_000)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"skew": {"serving": "UTC"}}, "write it like"),
        ({"skew": ["time_zone"]}, "time_zone needs serving"),
        ({"skew": [7]}, "write it like"),
        ({"skew": []}, "one of each"),
        ({"severities": []}, "one of each"),
        ({"severities": ["0.1"]}, "from 0 to 1"),
        ({"severities": [0.1, 2]}, "from 0 to 1"),
        ({"scope": {"share": 0.5}}, "it takes by, where"),
        ({"scope": {"where": "country"}}, "a column and a value"),
        ({"scope": {"since": "2013-10-01"}}, "has no zone"),
        ({"scope": {"where": ["planet", "Mars"]}}, "'planet'"),
        ({"sample": -1}, "number of rows"),
        ({"mitigations": ["rest"]}, "mitigation 'rest'"),
        ({"incident": {"reported": "x", "metrc": "auc"}}, "metrc"),
        ({"incident": {"metric": "auc"}}, "reported is missing"),
        ({"incident": {"reported": "x", "metric": "auc", "figure": -0.1}}, "a list of one number"),
        ({"simulated": {"events": 20_000}}, "flights was given events"),
        ({"skew": [{**FOUR[0], "scope": "training"}]}, "write it like {side: training}"),
        ({"skew": [{**FOUR[0], "scope": {"share": 0.5}}]}, "it takes by, where"),
        ({"skew": [{**FOUR[0], "scope": {"side": "left"}}]}, "'serving' or 'training'"),
        ({"skew": [[{**FOUR[0], "scope": {"side": "training"}}]]}, "planted together have one scope"),
    ],
    ids=str,
)
def test_what_cannot_be_drilled_is_refused(changes, said):
    """Whatever a parameter file may hold: an error that says what there is."""
    with pytest.raises(SkewkitError, match=said):
        sk.drill("flights", **{"skew": FOUR[0], "severities": [0.5], "sample": 3_000, **changes})


# -- in a table of your own


ONLY = {"missing_fill": "no feature that it can act on"}  # the example table has no null: its income has a fill
NUMBERS = ["amount", "recent_amount", "recent_count", "typing", "income"]


@pytest.fixture
def own(tmp_path, table, monkeypatch):
    """A folder with the example table as training and log, three models of it, and how to name them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for folder in ("tables", "models"):
        (tmp_path / folder).mkdir()
    later = examples.table(seed=1).assign(request=lambda t: t["request"] + 1_000_000)
    table.to_parquet("tables/train.parquet", index=False)
    later.to_parquet("tables/log.parquet", index=False)
    (tmp_path / "own_scores.py").write_text(
        "import pandas as pd\n\n\ndef score(rows):\n"
        "    return (pd.to_numeric(rows['amount']).fillna(0) / 200 + pd.to_numeric(rows['typing']) / 99).to_numpy()\n"
    )
    parts = {"key": "request", "entity": "account", "time": "asked", "label": "fraud"}
    return {"training": "tables/train.parquet", "served": "tables/log.parquet", **parts}


def hashes():
    return {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(Path().rglob("*")) if p.is_file()}


def fitted(table, features, path):
    """A model of some features, saved with skops."""
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(table[features], table["fraud"])
    skops.io.dump(model, path)
    return {"model": path, "trusted": list(TRUSTED), "features": features}


def logistic(path):
    """The same task by hand in ONNX: a sigmoid of the amount less 60."""
    weights = np.array([[0.05], [0], [0], [0], [0]], "float32")
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["z"]), helper.make_node("Sigmoid", ["z"], ["p"])]
    shapes = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", w]) for n, w in (("x", 5), ("p", 1))]
    held = [onnx.numpy_helper.from_array(v, n) for n, v in (("w", weights), ("b", np.array([-3], "float32")))]
    graph = helper.make_graph(nodes, "g", shapes[:1], shapes[1:], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return {"model": path, "features": NUMBERS}


@pytest.mark.parametrize("kind", ["skops", "onnx", "dotted"])
def test_a_drill_in_a_table_of_your_own_by_any_model(kind, own, table):
    """A cost at full severity and none at 0, parity notices, and no file is another than before."""
    given = {
        "skops": lambda: fitted(table, NUMBERS, "models/m.skops"),
        "onnx": lambda: logistic("models/m.onnx"),
        "dotted": lambda: {"model": "own_scores.score", "features": NUMBERS},
    }[kind]()
    before = hashes()
    skew = {"skew": "unit_change", "features": ["amount"], "unit": "sign"}
    clean, full = sk.drill(sk.compare(**own, replayed=own["served"], **given), skew, severities=(0, 1), draws=20)
    auc = [next(c for c in cell.result.impact if c.metric == "auc" and c.change == "skew") for cell in (clean, full)]
    assert auc[0].delta == 0 and auc[0].before > 0.7 and auc[1].delta < -0.2  # a model that ranks, and then does not
    assert clean.noticed == () and "parity" in full.noticed and full.rows == 2_000
    assert hashes() == before | {p: h for p, h in hashes().items() if "__pycache__" in p.parts}


@pytest.mark.parametrize("stem", SKEWS)
def test_every_skew_can_be_drilled_in_a_table_of_your_own(stem, own):
    """With no feature named, as the explorer would: every request or some differ, or the error says why none can."""
    field, values = SKEWS[stem].choices
    ground, before = sk.own(**own, model="own_scores.score", features=list(examples.FEATURES)), hashes()
    skew = {"skew": stem, field: values[0]}
    if stem in ONLY:
        with pytest.raises(NotApplicable, match=ONLY[stem]):
            sk.drill(ground, skew, severities=(1,), draws=2)
        skew = next(SKEWS[stem].examples())
    (cell,) = sk.drill(ground, skew, severities=(1,), draws=2, diagnosed=False)
    assert cell.rows > 0 and cell.noticed
    assert {p: h for p, h in hashes().items() if p in before} == before


def test_only_the_log_and_its_key_must_be_given(own):
    """It is then its own training and its own replay; every column but the parts named is a feature."""
    case = sk.own(served=own["served"], key="request")
    assert case.training.uri == case.served.uri == case.replayed.uri == own["served"]
    (cell,) = sk.drill(case, {"skew": "clipping", "features": ["amount"]}, severities=(1,), draws=2)
    assert cell.rows > 0 and cell.noticed == ("parity",)


def test_a_replay_of_your_own_is_the_ground(own):
    """Where the log is not what the training code computes, the drill plants in what that computes."""
    right = pd.read_parquet(own["served"]).assign(amount=1.0)
    right.to_parquet("tables/replayed.parquet", index=False)
    case = sk.own(**own, replayed="tables/replayed.parquet", features=NUMBERS)
    (cell,) = sk.drill(case, {"skew": "unit_change", "features": ["amount"], "factor": 2}, severities=(1,), draws=2)
    assert set(cell.result.case.served.column("amount")) == {2.0}


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"key": "request"}, "give served"),
        ({"served": "tables/log.parquet"}, "give key="),
        ({"served": "tables/log.parquet", "key": ""}, "give key="),
        ({"served": "tables/log.parquet", "key": "request", "tine": "asked"}, "'tine'; it takes training, served"),
        ({"served": "tables/lgo.parquet", "key": "request"}, "lgo"),
        ({"served": "tables/log.parquet", "key": "no_such"}, "no_such"),
        ({"served": "tables/log.parquet", "key": "request", "model": "m.pkl"}, "pickle"),
    ],
    ids=str,
)
def test_tables_that_cannot_be_drilled_in_are_refused(tables, said, own):
    """By the notebook's parameter too: the error says what was asked and what to give."""
    with pytest.raises(SkewkitError, match=said):
        sk.own(**tables)
    with pytest.raises(SkewkitError, match=said):
        play("drill", tables=tables, severities=[1])


def test_a_pickle_among_the_tables_is_refused_before_a_kernel_starts():
    """As one given as model is."""
    with pytest.raises(Refused, match="pickle"):
        checked({"tables": {"model": "m.pkl"}}, declared(find("drill")), "drill")


def test_the_readmes_drill_of_your_own_table_runs(own, table):
    """Its YAML as it stands, through the notebook's parameters; every planted cell is noticed and no clean one."""
    text = (ROOT / "README.md").read_text().split("## Drill your own table")[1]
    asked = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.S)[1])
    fitted(table, asked["tables"]["features"], asked["tables"]["model"])
    asked["tables"]["trusted"] = list(TRUSTED)
    takes = declared(find("drill"))
    before = hashes()
    cells = play("drill", **checked(asked, takes, "drill"))["drill"]
    assert [c.noticed for c in cells if c.severity == 0] == [()] * 3
    assert all("parity" in c.noticed for c in cells if c.severity == 1) and len(cells) == 9
    assert {p: h for p, h in hashes().items() if p in before} == before


def test_a_skew_s_own_scope_goes_over_the_drill_s(flights):
    """One of two acts at one airport alone, both in November alone, and their names say so."""
    scope = {"since": "2013-11-01T00:00:00Z", "until": "2013-12-01T00:00:00Z"}
    skews = [FOUR[0], {**FOUR[0], "scope": {"where": ["from", "LGA"]}}]
    every, one = sk.drill(flights, skews, severities=(1.0,), scope=scope, draws=5, sample=20_000)
    assert [every.name, one.name] == ["time_zone", "time_zone (where from is LGA)"]
    assert every.scope == {**one.scope, "where": None} and one.scope["where"] == ["from", "LGA"]
    for cell, places in ((every, {"EWR", "JFK", "LGA"}), (one, {"LGA"})):
        case = cell.result.case
        moved = case.served.frame()[case.served.column("hour").ne(case.replayed.column("hour")).to_numpy()]
        assert set(moved["from"]) == places and set(moved["asked"].dt.month) == {11}


def test_an_entry_s_scope_is_not_the_skew_s_nor_kept_by_the_reader():
    """The mapping that was asked is left as it is, and an empty scope is no scope of its own."""
    asked = {**FOUR[0], "scope": {"side": "training"}}
    plant = Plant.read(asked, sk.Scope(by="key", since="2013-11-01T00:00:00Z"))
    assert "scope" in asked and plant.scope.side == "training" and plant.scope.since is not None
    assert Plant.read({**FOUR[0], "scope": {}}, sk.Scope()) == Plant.read(FOUR[0], sk.Scope())


def test_plants_of_one_stem_are_told_apart_by_what_differs():
    """By the first parameter that no other has so; by their scope; and written out where neither does."""
    asked = [
        "rollback",
        {"skew": "staleness", "lag": "6h"},
        {"skew": "staleness", "ttl": "1h"},
        {"skew": "precision", "features": ["a"], "decimals": 0},
        {"skew": "precision", "features": ["b"], "to": "int8"},
        {"skew": "leakage", "horizon": "1h"},
        {"skew": "leakage", "horizon": "1h", "scope": {"side": "training"}},
        {"skew": "clipping", "features": ["a"], "low": 0},
        {"skew": "clipping", "features": ["a", "b"], "low": 0},
        [{"skew": "staleness", "lag": "6h"}, "rollback"],
    ]
    plants = [Plant.read(one, sk.Scope()) for one in asked]
    assert [p.named(plants) for p in plants] == [
        "rollback",
        "staleness lag=6h",
        "staleness ttl=1h",
        "precision decimals=0",
        "precision to=int8",
        "leakage",
        "leakage (in training)",
        "clipping features=a",
        "clipping features=a, b",
        "staleness + rollback",
    ]


def test_columns_in_another_order_differ_in_every_row(table):
    """For a reader by position each row is wrong."""
    assert differing(table, table[list(table)[::-1]]) == len(table) and differing(table, table.copy()) == 0


def matrix_of(world):
    path = ROOT / "notebooks" / "params" / "matrix" / f"{world}.yaml"
    return path, yaml.safe_load(path.read_text())


@pytest.mark.parametrize("world", ["flights", "payments"])
def test_the_matrix_holds_every_skew_and_a_word_on_each(world):
    """Valid for the runner, a control at severity 0, no name twice, and a comment above each of them."""
    path, asked = matrix_of(world)
    takes = declared(find("drill"))
    assert checked(given([str(path)], [], takes), takes, "drill") == asked and asked["scenario"] == world
    assert {one["skew"] for one in asked["skew"]} == set(SKEWS) and asked["severities"][0] == 0
    plants = [Plant.read(one, sk.Scope()) for one in asked["skew"]]
    assert len({p.named(plants) for p in plants}) == len(plants)
    lines = path.read_text().splitlines()
    assert all(lines[at - 1].startswith("  # ") for at, line in enumerate(lines) if line.startswith("  - "))


def test_a_small_matrix_is_the_same_every_time():
    """Who notices, when, and what it costs: equal to the last bit, a severity of 0 in none of it."""
    _, asked = matrix_of("flights")
    few = {**asked, "skew": [asked["skew"][at] for at in (0, 3, 7)], "severities": [0, 1], "sample": 2_000, "draws": 20}
    world = few.pop("scenario")
    once, again = (sk.drill(world, **few).blind_spots() for _ in range(2))
    pd.testing.assert_frame_equal(once, again, check_exact=True)
    assert len(once) == 3 * 3 and set(once["severity"]) == {1.0}
    assert once.loc[once["skew"] == "broken_header", "first"].tolist() == ["schema"] * 3


def test_what_a_drill_of_your_own_tables_would_not_heed_is_refused(table):
    """A sample or segments of a scenario do nothing to tables, so that they are an error and no quiet nothing."""
    ground = sk.own(served=table, key="request", features=["amount"])
    with pytest.raises(SkewkitError, match="give them in tables"):
        sk.drill(ground, {"skew": "unit_change", "features": ["amount"], "factor": 2}, sample=500)


def test_who_notices_is_told_in_one_order_whatever_python_hashes_by():
    """Two processes with other hash seeds: what fires, and in which order, is the same to the last character."""
    code = """
import json, skewkit as sk
table = sk.examples.table(2_000)
ground = sk.own(served=table, key="request", time="asked", features=list(sk.examples.FEATURES))
cells = sk.drill(ground, {"skew": "missing_values", "features": ["amount", "city"], "rate": 0.9}, severities=(0, 1), diagnosed=False)
print(json.dumps([c.regimes for c in cells]))
"""
    said = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True
        ).stdout
        for seed in ("0", "1")
    ]
    assert len(set(said)) == 1 and len(json.loads(said[0])[1]["with replay"]["fires"]) == 2


def test_a_loss_decides_a_cell_s_verdict_and_is_noticed_by_no_check():
    """The damage is what a drill measures: with labels it is a finding, at severity 0 there is none, and no check is it."""
    cells = sk.drill("payments", sk.skews.Staleness(lag="24h"), severities=(0, 1.0), sample=4_000, diagnosed=False)
    lost = [[f for f in c.result.findings if f.check == "impact"] for c in cells]
    assert lost[0] == [] and {f.statistic for f in lost[1]} >= {"auc"}
    assert "impact" not in cells[1].noticed and cells[1].verdict == "breach"
