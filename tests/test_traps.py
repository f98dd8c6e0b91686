"""Traps of statistics that other tools fall into: each shown by what falls into it, beside what skewkit says."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import chi2_contingency, chisquare

import skewkit as sk
from skewkit.records import as_rows
from skewkit.statistics import distance

from .conftest import ROOT


def check(training, served, *replayed, policy=None, **given):
    features = given.pop("features", [c for c in training if c not in ("k", "t")])
    return sk.check(sk.compare(training, served, *replayed, features=features, **given), policy)


def of(findings, feature, statistic, change="total"):
    return next(f for f in findings if (f.feature, f.statistic, f.change) == (feature, statistic, change))


def numbers(rows=5_000, seed=0, mean=0.0):
    return pd.DataFrame({"x": np.random.default_rng(seed).normal(mean, size=rows)})


def plain_psi(a, b, edges, floor=0.0):
    """PSI as it is often written: bins by their edges, an empty one floored."""
    p, q = (np.maximum(np.histogram(x, edges)[0] / len(x), floor) for x in (a, b))
    keep = (p > 0) & (q > 0)
    p, q = p[keep], q[keep]
    return float(((q - p) * np.log(q / p)).sum())


def test_an_outlier_does_not_flatten_psi():
    """One value of 1e4: bins of equal width over the pooled range hold all the rest in one, ours say what they said."""
    training, served = numbers(), numbers(seed=1, mean=1.0)
    served_too = pd.concat([served, pd.DataFrame({"x": [1e4]})], ignore_index=True)
    pooled = [
        plain_psi(training["x"], s["x"], np.linspace(*np.percentile(np.r_[training["x"], s["x"]], [0, 100]), 11))
        for s in (served, served_too)
    ]
    assert pooled[0] > 0.5 and pooled[1] < 0.01
    ours = [of(check(training, s), "x", "psi").value for s in (served, served_too)]
    assert ours[0] > 0.5 and ours[1] == pytest.approx(ours[0], rel=0.01)
    assert str(of(check(training, served_too), "x", "ks").verdict) == "breach"


def test_an_empty_bin_does_not_explode():
    """A tenth of the rows in a category that is gone: floored at the smallest float it is 70 nats, with half a row more about 0.8."""
    training = pd.DataFrame({"c": np.repeat(["a", "b", "c"], [4_500, 4_500, 1_000])})
    served = pd.DataFrame({"c": np.repeat(["a", "b"], [5_000, 5_000])})
    p, q = np.array([0.45, 0.45, 0.1]), np.array([0.5, 0.5, np.finfo(float).tiny])
    assert ((q - p) * np.log(q / p)).sum() > 70
    found = of(check(training, served), "c", "psi").value
    # four cells: a, b, c and all others, each with half a row more
    x, y = (np.array(c) + 0.5 for c in ([0, 4_500, 4_500, 1_000], [0, 5_000, 5_000, 0]))
    x, y = x / x.sum(), y / y.sum()
    assert found == pytest.approx(((y - x) * np.log(y / x)).sum()) and 0.5 < found < 1.2


@pytest.mark.parametrize("categories", [20, 100])
def test_clean_categories_never_alarm_where_a_one_sample_chi_square_mostly_does(categories):
    """Two hundred splits of one world: reference counts taken as exact alarm in most, a two-sample test in few, ours in none."""
    names = np.array([f"c{i:03d}" for i in range(categories)])
    one = two = ours = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        sides = [names[rng.integers(0, categories, 1_000)] for _ in range(2)]
        p, q = (np.array([(s == n).sum() for n in names]) for s in sides)
        one += chisquare(q, np.maximum(p, 0.5) * q.sum() / np.maximum(p, 0.5).sum()).pvalue < 0.05
        two += chi2_contingency(np.array([p, q])).pvalue < 0.05
        found = check(*(pd.DataFrame({"c": s}) for s in sides))
        ours += any(f.verdict and f.verdict.alarm for f in found)
    assert one > 100 and two < 25 and ours == 0


def test_nulls_are_not_dropped_before_comparing():
    """Every twentieth value lost: what remains is spread as before, and dropping the nulls would hide it."""
    training = numbers(20_000)
    served = training.assign(x=training["x"].mask(np.arange(20_000) % 20 == 0))
    found = check(training, served)
    assert (
        distance.ks(*(sk.compare(t, t, features=["x"]).training.distribution("x") for t in (training, served))) < 0.02
    )
    assert of(found, "x", "null_share").value == pytest.approx(0.05) and of(found, "x", "null_share").verdict.alarm
    assert not of(found, "x", "ks").verdict.alarm


def test_rounding_before_comparing_finds_noise_and_parity_does_not():
    """Noise of 1e-7: rounded to six places rows on either side of an edge differ; within a tolerance none does."""
    replayed = numbers(20_000).assign(k=range(20_000))
    served = replayed.assign(x=replayed["x"] + np.random.default_rng(1).normal(0, 1e-7, 20_000))
    rounded = (replayed["x"].round(6) != served["x"].round(6)).mean()
    found = check(replayed, served, replayed, key="k")
    assert rounded > 0.01 and of(found, "x", "differ", "skew").value == 0 and found.verdict == "ok"


def test_a_season_is_no_skew():
    """Both pipelines agree on a moved world: a drift warning and no breach, where training against served alone would breach."""
    training, replayed = numbers(20_000), numbers(20_000, seed=1, mean=0.7).assign(k=range(20_000))
    training = training.assign(k=range(20_000))
    found = check(training, replayed, replayed, key="k")
    assert found.verdict == "warn" and {f.change for f in found if f.verdict} == {"drift"}
    assert check(training, replayed).verdict == "breach"


def test_marginals_are_blind_to_a_permutation():
    """Values handed to other rows: no unpaired statistic moves, every row differs."""
    replayed = numbers(5_000).assign(k=range(5_000))
    served = replayed.assign(x=np.roll(replayed["x"], 1))
    found = check(replayed, served, replayed, key="k")
    assert of(found, "x", "differ", "skew").value == 1.0
    assert {of(found, "x", s, "skew").value for s in ("ks", "null_share", "cells", "psi", "wasserstein")} == {0.0}


def test_a_small_difference_is_not_significant_because_there_are_many_rows():
    """A hundredth of a deviation on 400,000 rows: a p-value of nothing, and well within what is tolerated."""
    from scipy.stats import ks_2samp

    training, served = numbers(400_000), numbers(400_000, seed=1, mean=0.015)
    assert ks_2samp(training["x"], served["x"], method="asymp").pvalue < 0.001
    assert str(of(check(training, served), "x", "ks").verdict) == "ok"


def test_the_same_inputs_give_the_same_verdict_in_any_order_of_rows_and_columns():
    """Byte for byte; and shuffled, the same values for the same features."""
    rng = np.random.default_rng(0)
    training, replayed = (
        pd.DataFrame({"k": np.arange(3_000), "x": rng.normal(m, size=3_000), "c": rng.choice(list("abc"), 3_000)})
        for m in (0, 0.2)
    )
    served = replayed.assign(x=replayed["x"].where(replayed["k"] % 10 > 0, 0.0))
    texts = [json.dumps(as_rows(check(training, served, replayed, key="k")), default=str) for _ in range(2)]
    assert texts[0] == texts[1]
    mixed = [t.sample(frac=1, random_state=1)[["c", "x", "k"]] for t in (training, served, replayed)]
    found = check(*mixed, key="k", features=["x", "c"])
    wanted = check(training, served, replayed, key="k", features=["x", "c"])
    about, was = ({(f.check, f.feature, f.statistic, f.change): f for f in side} for side in (found, wanted))
    assert {k: f.verdict for k, f in about.items()} == {k: f.verdict for k, f in was.items()}
    for k, f in about.items():
        assert (f.value, f.low or 0, f.high or 0) == pytest.approx((was[k].value, was[k].low or 0, was[k].high or 0))


# -- knobs that do nothing


@pytest.fixture(scope="module")
def world():
    """A case in which everything is a little off, with scores, labels, days and segments; by_segment is a knob of its own."""
    rng, n = np.random.default_rng(0), 6_000
    t = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(n) * 600, "s")
    day = np.arange(n) * 600 // 86_400
    training = pd.DataFrame(
        {"k": range(n), "t": t, "x": rng.normal(0.8 * (day % 2), size=n), "n": rng.integers(0, 20, n)}
    )
    training["s"] = rng.choice(["a", "b"], n)
    replayed = training.assign(k=training["k"] + n, x=rng.normal(0.9, size=n), n=rng.integers(0, 20, n))
    replayed["label"] = (rng.random(n) < 0.2 + 0.2 * (replayed["x"] > 1)).astype(int)
    served = replayed.assign(
        x=replayed["x"] + 1e-3 * (replayed["k"] % 7 == 0), n=(replayed["n"] + (replayed["k"] % 6 == 0))
    )
    model = lambda f: 1 / (1 + np.exp(-f["x"] - 0.1 * f["n"]))  # noqa: E731
    given = {"key": "k", "time": "t", "label": "label", "segments": ["s"], "features": ["x", "n"], "model": model}
    return sk.compare(training, served, replayed, **given)


KNOBS = {
    "alpha": 0.2,
    "looks": 1,
    "tolerance": 0.01,
    "categories": 3,
    "fleet": 0.9,
    "certify": 0.01,
    "partitions": None,
    "by_segment": True,
    "scores": {"top": 0.3},
    "scores.threshold": {"threshold": 0.7},
    "scores.moved": {"moved": 0.0001},
    "scores.floor": {"floor": 0.9},
}


@pytest.mark.parametrize("knob", KNOBS)
def test_no_knob_of_the_policy_does_nothing(world, knob, tmp_path):
    """Each number or switch turned by itself changes a value, a bound, a threshold, a verdict or a cost."""
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump({knob.split(".")[0]: KNOBS[knob]}))
    told = []
    for policy in (sk.read_policy(today=date(2026, 1, 1)), sk.read_policy(str(path), date(2026, 1, 1))):
        told.append([*as_rows(sk.check(world, policy)), *as_rows(sk.impact(world, policy, draws=20))])
    assert told[0] != told[1]


def test_no_limit_of_the_policy_does_nothing():
    """Each limit that is a number, raised by itself, turns an alarm of its own statistic off; and its two numbers differ in use."""
    from skewkit.policy import Policy
    from skewkit.records import Finding

    policy: Policy = sk.read_policy()
    judged = {name: limit for name, limit in policy.limits.items() if limit}
    assert len(judged) > 20
    for name, limit in judged.items():
        check_, statistic = name.split(".")[:2]
        low = limit["tolerated"] + 1e-6
        finding = Finding(check_, "skew", "x", statistic, low, "", 100, low, low)
        higher = sk.read_policy()
        higher.limits[name] = {"tolerated": low, "material": max(low, limit["material"])}
        assert policy.judge(finding).verdict.alarm and not higher.judge(finding).verdict
        unsure = Finding(check_, "skew", "x", statistic, 0.0, "", 100, 0.0, limit["material"] + 1e-6)
        higher.limits[name] = {**limit, "material": limit["material"] + 1e-5}
        assert str(policy.judge(unsure).verdict) == "inconclusive" and not higher.judge(unsure).verdict


def test_every_knob_is_turned_above():
    """A knob added to policy.yaml must be turned here, or be known as no number; the quantile is of regression alone.

    ``profiles`` is of the gate: tests/test_gate.py turns it; ``causes`` of the diagnosis: tests/test_many_features.py does.
    """
    raw = yaml.safe_load((ROOT / "skewkit" / "policy.yaml").read_text())
    known = {k.split(".")[0] for k in KNOBS} | {"version", "features", "accepted", "limits", "profiles", "causes"}
    assert set(raw) == known
    assert set(raw["scores"]) == {"top", "quantile"} | {k.split(".")[1] for k in KNOBS if "." in k}


def test_the_quantile_is_the_loss_s(world):
    """The one knob that regression alone has."""
    from dataclasses import replace

    case = replace(world, task="regression")
    policy = sk.read_policy()
    other = replace(policy, scores=replace(policy.scores, quantile=0.5))
    losses = [as_rows(sk.impact(case, p, draws=20)) for p in (policy, other)]
    assert losses[0] != losses[1]
