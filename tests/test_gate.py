"""One verdict of four parts: each alone decides it, what is not given is said, and nothing at all is refused. And the backfill."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
import yaml

import skewkit as sk
from skewkit.__main__ import main
from skewkit.features.definitions import digest, turn
from skewkit.gate import examples as gate_examples
from skewkit.gate.backfills import backfill
from skewkit.gate.gate import NEEDS, gate
from skewkit.origin import made_from
from skewkit.report.page import page
from skewkit.report.run import begin, document

from .conftest import ROOT, play

# -- after a backfill the old model scores as it did

OLD = ("country", "pace")


def test_after_a_backfill_the_old_model_scores_as_it_did(payments):
    """To the bit, for every request, from defaults that had moved most of the scores; and the features are those it had."""
    done = backfill(payments, {f: payments.definitions[f] for f in OLD})
    served = payments.tables[1]
    assert done.exact and done.apart == 0 and done.n == len(served)
    assert np.array_equal(done.frame["score"], served["score"])
    for f in OLD:
        assert np.array_equal(done.frame[f].to_numpy(float), served[f].to_numpy(float), equal_nan=True)


def test_rolled_back_anyway_the_model_loses(payments):
    """AUC falls by more than chance allows where two features are defaults; with the metric before as the model has it."""
    done = backfill(payments, {f: payments.definitions[f] for f in OLD})
    lost = done.impact.get("auc")
    assert lost.delta < -0.03 and lost.high < 0
    wrong = payments.tables[1].assign(**dict.fromkeys(OLD, np.nan))
    from sklearn.metrics import roc_auc_score

    known = wrong["fraud"].notna()
    after = roc_auc_score(wrong.loc[known, "fraud"], payments.score(wrong)[known.to_numpy()])
    assert lost.after == pytest.approx(after, abs=1e-12)


def test_a_backfill_by_another_definition_is_not_exact(payments):
    """The control: another prior weight, other scores."""
    done = backfill(payments, {"pace": turn(payments.definitions["pace"], weight=5.0)})
    assert not done.exact and done.apart > 100


@pytest.mark.parametrize("names", [(), ("speed",)])
def test_a_backfill_of_what_the_model_does_not_read_is_refused(payments, names):
    """With what it reads."""
    with pytest.raises(sk.SkewkitError, match=r"reads amount, "):
        backfill(payments, dict.fromkeys(names))


# -- the gate, part by part

GATE = ROOT / "notebooks" / "params" / "gate"
MODELS = {"models": str(GATE / "models.yaml"), "today": "2026-09-30"}
WELL = {**MODELS, "registry": str(GATE / "registry.yaml")}
GAP = {**MODELS, "registry": str(GATE / "registry_gap.yaml")}


@pytest.fixture(scope="module")
def made(tmp_path_factory, payments):
    """The files of the example, of the small payments."""
    folder = tmp_path_factory.mktemp("gate")
    gate_examples.write(folder, payments)
    return folder


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """The folders of two logs of 3,000 requests, of which one lost some that were chosen, and the table of the requests."""
    folder = tmp_path_factory.mktemp("logs")
    asked = pd.DataFrame({"request_id": [f"r{i}" for i in range(3_000)]})
    asked.to_parquet(folder / "requests.parquet")
    for name, lost in (("well", 0), ("lossy", 300)):
        with sk.FeatureLog(folder / name, share=0.5) as log:
            for key in asked["request_id"][lost:]:
                log({"x": 1.0}, 0.5, key=key, join_key=key)
    return folder


@pytest.fixture
def candidate(made, logs, payments):
    """What the gate takes of the candidate's table, and of the log of what it serves."""
    features = list(payments.roles.features)
    given = {"served": str(made / "served.parquet"), "key": "payment", "time": "asked", "features": features}
    return {
        **given,
        "contract": str(made / "contract.yaml"),
        "lineage": {"definitions": payments.sha256},
        "log": str(logs / "well"),
        "requests": str(logs / "requests.parquet"),
    }


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    """By which 50 inputs of both paths are enough."""
    path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    path.write_text("profiles: 50")
    return sk.read_policy(str(path))


def parity_run(folder, payments, candidate="", days=0, **knobs):
    """A result of the notebook parity on the small payments, as a run leaves it, so many days ago."""
    from skewkit.parity.two_paths import of_world, round_trip

    found = round_trip(**of_world(payments, 200, False, knobs, 0)).result
    folder.mkdir()
    run = begin("parity", scenario="payments", candidate=candidate)
    run.started -= timedelta(days=days)
    (folder / "result.json").write_text(json.dumps(document(run, found)))
    return str(folder)


def not_run(result):
    return {n.step for n in result.not_run} & set(NEEDS)


def test_all_parts_of_a_good_candidate_pass(candidate, payments, tmp_path, policy):
    """The control: ok, with findings of each part, and none that was not run."""
    found = gate(**candidate, **WELL, parity=parity_run(tmp_path / "run", payments), policy=policy)
    assert found.verdict == "ok" and not_run(found) == set()
    assert {"schema", "lineage", "parity", "rollback", "logging"} <= set(found.findings.by_check())
    read = {"served", "contract", "parity", "models", "registry", "log", "requests"}
    assert {i["role"] for i in found.read} == read


def broken(part, candidate, payments, made, tmp_path):
    """The good candidate with one part's fault."""
    given = {**candidate, **WELL}
    served = pd.read_parquet(candidate["served"])
    if part == "contract":
        given["served"] = served.assign(hour=served["hour"] + 24)
    elif part == "lineage":
        given["served"] = str(made / "served_other.parquet")
    elif part == "rollback":
        given |= GAP
    elif part == "logging":
        given["log"] = given["log"].replace("well", "lossy")
    knobs = {"zone": "UTC"} if part == "parity" else {}
    return {**given, "parity": parity_run(tmp_path / "run", payments, **knobs)}


@pytest.mark.parametrize(("part", "check"), [(p, {"contract": "schema"}.get(p, p)) for p in NEEDS])
def test_each_part_alone_decides(part, check, candidate, payments, made, tmp_path, policy):
    """One fault at a time: a breach, by the findings of that part and of no other."""
    found = gate(**broken(part, candidate, payments, made, tmp_path), policy=policy)
    assert found.verdict == "breach"
    assert {c for c, verdict in found.findings.by_check().items() if str(verdict) == "breach"} == {check}


ALONE = {
    "contract": ("served", "key", "time", "features", "contract"),
    "lineage": ("served", "key", "time", "features", "lineage"),
    "logging": ("log", "requests"),
}


@pytest.mark.parametrize("part", NEEDS)
def test_a_part_alone_is_judged_and_the_others_are_said(part, candidate, payments, tmp_path, policy):
    """ok by its own findings; the others stand under not_run with what to give."""
    if part in ALONE:
        given = {n: candidate[n] for n in ALONE[part]}
    else:
        given = WELL if part == "rollback" else {"parity": parity_run(tmp_path / "run", payments)}
    found = gate(**given, policy=policy)
    assert found.verdict == "ok" and not_run(found) == set(NEEDS) - {part} and all(n.give for n in found.not_run)
    text = page(document(begin("gate", **{k: str(v) for k, v in given.items()}), found))
    assert "It may go forward" in text and "what it takes was not given" in text


def test_both_paths_of_a_world_are_run_where_no_result_is_given(policy):
    """A scenario and 50 profiles: ok by a policy to which they are enough, and a warning by the default one."""
    found = gate(scenario="payments", profiles=50, policy=policy)
    assert found.verdict == "ok" and {f.check for f in found.findings} >= {"parity"}
    assert not_run(found) == set(NEEDS) - {"parity"}
    few = gate(scenario="payments", profiles=50)
    assert few.verdict == "warn" and [f.value for f in few.findings.of("warn")] == [9_950.0]


@pytest.mark.parametrize(
    ("days", "other", "verdict", "by"),
    [(0, False, "ok", ()), (6.9, False, "ok", ()), (7.1, False, "warn", ("age",)), (31, False, "breach", ("age",)),
     (0, True, "breach", ("other_candidate",))],
)  # fmt: skip
def test_a_parity_run_that_is_old_or_of_another_model_does_not_do(days, other, verdict, by, payments, tmp_path, policy):
    """Clean control first: of today and this candidate; a week warns, a month and another model are breaches."""
    run = parity_run(tmp_path / "run", payments, "fraud@7" if other else "fraud@8", days)
    found = gate(parity=run, candidate="fraud@8", policy=policy)
    assert found.verdict == verdict
    assert tuple(f.statistic for f in found.findings.of(verdict)) == by or verdict == "ok"
    unnamed = gate(parity=run, policy=policy)
    assert "other_candidate" not in {f.statistic for f in unnamed.findings}


def test_a_parity_run_that_does_not_say_of_which_model_is_not_the_candidate_s(payments, tmp_path, policy):
    """A candidate is asked for, and the run names none."""
    found = gate(parity=parity_run(tmp_path / "run", payments), candidate="fraud@8", policy=policy)
    assert [f.statistic for f in found.findings.of("breach")] == ["other_candidate"]


def test_a_log_whose_key_the_requests_do_not_have_is_refused(candidate, tmp_path):
    """With what they have."""
    pd.DataFrame({"id": [1]}).to_parquet(tmp_path / "requests.parquet")
    with pytest.raises(sk.SkewkitError, match=r"no column 'request_id'.*it has id"):
        gate(log=candidate["log"], requests=str(tmp_path / "requests.parquet"))


REFUSED = {
    "nothing": ({}, "none of its parts"),
    "models alone": ({"models": WELL["models"]}, "models was given without registry"),
    "registry alone": ({"registry": WELL["registry"]}, "registry was given without models"),
    "a contract without a table": ({"contract": "contract.yaml"}, "contract was given without served"),
    "lineage without a table": ({"lineage": {"h": "1"}}, "lineage was given without served"),
    "a log alone": ({"log": "log"}, "log was given without requests"),
    "a model without lineage": ({**WELL, "model_file": "m.skops"}, "model_file was given without lineage"),
    "half beside a whole": ({**WELL, "contract": "contract.yaml"}, "contract was given without served"),
    "a table alone": ({**WELL, "served": "x.parquet"}, "neither contract nor lineage"),
    "two parities": ({"parity": "x", "scenario": "payments"}, "both parity and scenario"),
    "no result": ({"parity": "gone.json"}, "No such file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_given_by_half_is_refused(name):
    """Nothing passes for want of an input that was meant."""
    given, says = REFUSED[name]
    with pytest.raises(sk.SkewkitError, match=says):
        gate(**given)


def test_a_lineage_that_would_be_held_against_itself_is_refused(candidate):
    """Its value is to be training's own, and there is no training."""
    with pytest.raises(sk.SkewkitError, match="no training"):
        gate(**{**candidate, "lineage": {"definitions": ""}})


def test_a_result_that_is_no_parity_is_refused(tmp_path):
    """Of another notebook, of nothing judged, or no result."""
    path = tmp_path / "result.json"
    for notebook, says in (("check", "is a result of check"), ("parity", "judged nothing")):
        path.write_text(json.dumps(document(begin(notebook), gate(**WELL))))
        with pytest.raises(sk.SkewkitError, match=says):
            gate(parity=str(path))
    path.write_text("{}")
    with pytest.raises(sk.SkewkitError, match="no result of skewkit"):
        gate(parity=str(path))


def test_what_is_accepted_lets_it_forward(tmp_path):
    """The policy accepts the gap and the dual run until a day: the days that are over still warn."""
    accepted = [
        {"check": "rollback", "statistic": s, "until": "2999-01-01", "reason": "a backfill runs", "owner": "Ana"}
        for s in ("irreversible", "dual_run")
    ]
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump({"accepted": accepted}))
    found = gate(**GAP, policy=sk.read_policy(str(tmp_path / "policy.yaml")))
    assert found.verdict == "warn" and gate(**GAP).verdict == "breach"


# -- the notebook and its two examples


def test_the_notebook_says_what_the_gate_says(tmp_path, monkeypatch):
    """In this process: the gaps are shown, and the result is a breach with the models and the registry as its inputs."""
    monkeypatch.chdir(tmp_path)
    names = play("gate", **GAP)
    assert names["result"].verdict == "breach"
    result = json.loads((tmp_path / "runs" / "latest" / "result.json").read_text())
    assert [i["role"] for i in result["inputs"]] == ["models", "registry"] and result["notebook"] == "gate"
    assert [f["value"] for f in result["findings"]] == [pytest.approx(2 / 3), 28.0, 1.0]
    assert all(i["sha256"] for i in result["inputs"])


def test_both_examples_give_their_exit_codes(tmp_path, monkeypatch, capsys):
    """gate.yaml passes with four parts, gate_gap.yaml is a breach; nothing given is refused, and has failed."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "notebooks" / "params", tmp_path / "notebooks" / "params")
    gate_examples.write(tmp_path / "data" / "gate")
    (tmp_path / "policy.yaml").write_text("profiles: 50")
    few = ["-p", "profiles", "50", "-p", "policy", "policy.yaml"]
    assert main(["run", "gate", "-f", "notebooks/params/gate.yaml", *few]) == 0
    latest = json.loads((tmp_path / "runs" / "latest" / "result.json").read_text())
    assert {n["step"] for n in latest["not_run"]} & set(NEEDS) == {"logging"}
    assert {"training", "served", "model", "contract", "models", "registry"} == {i["role"] for i in latest["inputs"]}
    assert main(["run", "gate", "-f", "notebooks/params/gate_gap.yaml"]) == 4
    assert "breach: 67% of the models cannot be rolled back to today. 100% of" in capsys.readouterr().out
    assert main(["run", "gate"]) == 1 and "none of its parts" in capsys.readouterr().out
    text = (tmp_path / "runs" / "latest" / "report.html").read_text()
    assert "It may not go forward as it is." in text and "compute pace@1 by its own definition" in text


def test_the_example_s_hash_is_that_of_its_definitions(made, payments):
    """Training and model bear it, each row served has it; a definition that is turned has another, which a tenth of the other table has."""
    served, other = (pd.read_parquet(made / f"{n}.parquet") for n in ("served", "served_other"))
    turned = {**payments.definitions, "pace": replace(payments.definitions["pace"], weight=9.0)}
    assert set(served["definitions"]) == {payments.sha256} == {digest(payments.definitions)} != {digest(turned)}
    assert (other["definitions"] != served["definitions"]).mean() == pytest.approx(0.1, abs=0.001)
    case = sk.compare(str(made / "training.parquet"), served, features=["amount"], key="payment")
    assert made_from(case.training) == {"definitions": {payments.sha256}}


def test_a_model_of_other_definitions_does_not_go_forward(candidate, made, payments):
    """Training bears the hash and no column of it is needed: its own model passes, one of another definition is a breach."""
    given = {n: candidate[n] for n in ("served", "key", "time", "features")}
    given |= {
        "training": str(made / "training.parquet"),
        "lineage": {"definitions": ""},
        "trusted": list(payments.trusted),
    }
    verdicts = {}
    for name in ("model", "model_other"):
        found = gate(**given, model_file=str(made / f"{name}.skops"))
        verdicts[name] = found.verdict, [f.statistic for f in found.findings.of("breach")]
    assert verdicts == {"model": ("ok", []), "model_other": ("breach", ["model_differs"])}
