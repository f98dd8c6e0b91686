"""A fault of ours never takes a run with it: each step fails by itself, is said to, and leaves a verdict that is not ok."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit import notebook, pipeline, progress, threads
from skewkit.checks import ABSENT, CHECKS
from skewkit.diagnosis import diagnosis, groups
from skewkit.pipeline import check, diagnose, examine, impact
from skewkit.records import Verdict
from skewkit.report import page, run
from skewkit.report.run import Run, validate
from skewkit.results import causes, plots

ERRORS = (KeyError("secret-7"), ValueError("could not convert 'secret-7'"), MemoryError())
LABELS = {"label": "y", "prediction": "score"}


@pytest.fixture(autouse=True)
def faults_are_reported(monkeypatch):
    monkeypatch.delenv(progress.RAISE)


def frames(factor=1.0):
    g = np.random.default_rng(0)
    n = 5_000
    r = pd.DataFrame({"id": np.arange(n), "a": g.normal(size=n), "b": g.integers(0, 5, n)})
    r["score"] = 1 / (1 + np.exp(-r["a"]))
    r["y"] = (g.random(n) < r["score"]).astype(int)
    return r, r.assign(a=r["a"] * factor)


def case(factor=1.0):
    r, s = frames(factor)
    return sk.compare(r, s, r, key="id", **LABELS)


def examined(c, policy=None, **more):
    return examine(c, policy, draws=10, **more)


def failing(error):
    def fail(*_, **__):
        raise error

    return fail


def finished(tmp_path, outcome):
    """The run as it lies on disk, valid, with its page."""
    made = Run("check", {}, tmp_path / "r" / "one", tmp_path / "r" / ".one")
    result = json.loads((made.finish(outcome) / "result.json").read_text())
    validate(result)
    text = (made.folder / "report.html").read_text()
    assert text.startswith("<!doctype html>") and result["verdict"] in text
    return result, text


def is_unfinished(result, step):
    lines = [n for n in result["not_run"] if n["step"] == step]
    assert lines and all(n["reason"] and n["give"] for n in lines)
    assert Verdict[result["verdict"]] >= Verdict.inconclusive
    assert "secret-7" not in json.dumps(lines)
    return lines


def test_nothing_fails_here(tmp_path):
    """Beside what follows: the same case is ok where nothing fails, so that each test below fails if it does nothing."""
    assert finished(tmp_path, examined(case()))[0]["verdict"] == "ok"


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("one", CHECKS, ids=lambda one: one.__name__)
def test_a_check_that_fails_leaves_the_others(one, error, monkeypatch, tmp_path):
    broken = failing(error)
    broken.__name__ = one.__name__
    replaced = tuple(broken if c is one else c for c in CHECKS)
    result, _ = finished(tmp_path, examined(case(), checks=replaced))
    is_unfinished(result, one.__name__)
    others = {f.check for f in check(case(), checks=tuple(c for c in CHECKS if c is not one))}
    assert {f["check"] for f in result["findings"]} == others
    alone = check(case(), checks=replaced)
    assert alone.verdict == "inconclusive" and [n.step for n in alone.not_run] == [one.__name__]
    assert alone.by_check()[one.__name__] == Verdict.inconclusive


def test_a_check_of_one_feature_leaves_the_other_features(monkeypatch, tmp_path):
    home = sys.modules["skewkit.checks.distribution"]
    kept = home._measured

    def fails_on_a(c, policy, feature):
        return kept(c, policy, feature) if feature != "a" else failing(ValueError("'secret-7'"))()

    monkeypatch.setattr(home, "_measured", fails_on_a)
    for fewest in (threads.FEWEST, 0):  # in one thread, and in as many as there are
        monkeypatch.setattr(threads, "FEWEST", fewest)
        monkeypatch.setenv("SKEWKIT_THREADS", "2")
        found = check(case())
        lines = is_unfinished({"verdict": found.verdict, "not_run": [vars(n) for n in found.not_run]}, "distribution")
        assert lines[0]["reason"].startswith("a: ValueError")
        assert {f.feature for f in found if f.check == "distribution"} == {"b"}


@pytest.mark.parametrize(
    "place,name,step",
    [
        (pipeline, "cost", "impact"),
        (pipeline, "split", "split"),
        (pipeline, "_priced", "diagnose"),
        (pipeline, "_led", "diagnose"),
        (pipeline.segments, "within", "segments"),
        (diagnosis, "_diagnosed", "diagnose"),
        (diagnosis, "specimens", "diagnose"),
        (diagnosis, "measured", "diagnose"),
        (diagnosis, "price", "diagnose"),
        (diagnosis, "picture", "diagnose"),
        (groups, "name", "diagnose"),
        (run, "last_like", "history"),
        (run, "page", "page"),
        (page, "summary", "page"),
        (plots, "findings", "plot"),
        (plots, "impact", "plot"),
        (plots, "cause", "plot"),
        (plots.Picture, "png", "plot"),
        (causes.Fit, "_what", "diagnose"),
    ],
)
def test_each_step_fails_by_itself(place, name, step, monkeypatch, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("by_segment: true\nlimits: {parity.differ.skew: {tolerated: 0, material: 1}}\n")
    monkeypatch.setattr(place, name, failing(ZeroDivisionError("'secret-7'")))
    result, _ = finished(tmp_path, examined(case(2.0), sk.read_policy(str(policy))))
    is_unfinished(result, step)
    assert {f["check"] for f in result["findings"]} >= {"parity", "distribution", "schema"}


@pytest.mark.parametrize("one", ABSENT, ids=lambda one: one.__module__)
def test_what_was_not_given_fails_by_itself(one, monkeypatch):
    monkeypatch.setattr(pipeline, "ABSENT", tuple(failing(KeyError(1)) if a is one else a for a in ABSENT))
    assert examined(case()).verdict == "inconclusive"


def test_a_judgement_that_fails_leaves_the_finding(monkeypatch, tmp_path):
    kept = type(sk.read_policy()).judge

    def judge(policy, finding):
        return failing(ZeroDivisionError())() if finding.statistic == "ks" else kept(policy, finding)

    monkeypatch.setattr(type(sk.read_policy()), "judge", judge)
    result, _ = finished(tmp_path, examined(case()))
    is_unfinished(result, "distribution")
    assert {f["verdict"] for f in result["findings"] if f["statistic"] == "ks"} == {None}


def test_each_verb_by_itself_says_what_failed(monkeypatch):
    monkeypatch.setattr(pipeline, "cost", failing(KeyError("x")))
    monkeypatch.setattr(diagnosis, "_diagnosed", failing(KeyError("x")))
    assert [n.step for n in impact(case()).absent] == ["impact"]
    assert [n.step for n in diagnose(case(2.0)).missing] == ["diagnose"]


def test_what_somebody_can_act_on_is_raised():
    r, _ = frames()
    odd = r.assign(y="never")
    with pytest.raises(sk.SkewkitError, match="write it as a number"):
        impact(sk.compare(odd, odd, odd, key="id", **LABELS))
    result = examined(sk.compare(odd, odd, odd, key="id", **LABELS))
    assert "impact" in {n.step for n in result.not_run} and result.verdict != "ok"


def test_a_display_says_what_failed(monkeypatch):
    result = examined(case(2.0))
    for one in (plots.findings, plots.impact, plots.cause, plots.drill):
        monkeypatch.setattr(plots, one.__name__, failing(ValueError("no")))
    for one in (result, result.findings, result.impact, result.diagnosis):
        assert "could not be shown" in one.plot()._repr_html_()
    monkeypatch.setattr(causes.Fit, "_what", failing(ValueError("no")))
    monkeypatch.setattr(pd.DataFrame, "to_html", failing(ValueError("no")))
    for one in (result, result.findings, result.impact, result.diagnosis):
        assert "could not be shown" in one._repr_html_()


def test_a_cell_of_a_drill_is_not_ok_where_a_step_failed(monkeypatch, tmp_path):
    monkeypatch.setattr(pipeline, "split", failing(ZeroDivisionError()))
    r, _ = frames()
    skew = sk.skews.UnitChange(features=("a",), factor=1.0000001)
    drill = sk.drill(sk.compare(r, r, r, key="id"), skew, severities=[0.01])
    assert all(Verdict[c.verdict] >= Verdict.inconclusive for c in drill)
    is_unfinished(finished(tmp_path, drill)[0], "split")


def test_a_fault_is_raised_where_it_is_asked_for(monkeypatch):
    """As in all other tests: else a fault in a skew would be one more line in a result."""
    monkeypatch.setenv(progress.RAISE, "1")
    monkeypatch.setattr(pipeline, "cost", failing(KeyError("x")))
    with pytest.raises(KeyError):
        examined(case())


def test_a_run_with_a_step_that_failed_ends_with_5(tmp_path, monkeypatch, capsys):
    """Not with 1: the result is whole, and says what was not run."""
    (tmp_path / "faulty.py").write_text(
        "from skewkit import pipeline\n"
        "def broken(*_, **__):\n    return 1 / 0\n"
        "pipeline.split = broken\n"
        "def score(rows):\n    return rows['a'].rank(pct=True)\n"
    )
    frames()[0].to_parquet(tmp_path / "r.parquet")
    monkeypatch.chdir(tmp_path)
    asked = [(name, "r.parquet") for name in ("training", "served", "replayed")]
    asked += [("key", "id"), ("label", "y"), ("features", "a,b"), ("model", "faulty.score")]
    assert notebook.run("check", [], asked, tmp_path / "runs") == 5
    result = json.loads((tmp_path / "runs/latest/result.json").read_text())
    assert "ZeroDivisionError" in is_unfinished(result, "split")[0]["reason"]
    assert capsys.readouterr().out.startswith("inconclusive: A step failed")
