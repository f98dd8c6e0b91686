"""What training knew too early: clean controls, hand values, scikit-learn's AUC, and plants that are seen or are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.metrics import roc_auc_score

import skewkit as sk
from skewkit import examples
from skewkit.checks.leakage import absent
from skewkit.drills.drills import Ground, planted_case
from skewkit.drills.noticing import regimes
from skewkit.statistics import bounds

from .conftest import ROLES

N = 4_000


def world(n=N, seed=0, share=0.5, **told):
    """Labels and features; ``told`` are features as functions of (rng, label)."""
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < share).astype(int)
    times = pd.Timestamp("2024-03-01T00:00Z") + pd.to_timedelta(np.arange(n), "min")
    frame = pd.DataFrame({"k": np.arange(n), "t": times, "y": label, "noise": rng.normal(size=n)})
    return frame.assign(**{f: make(rng, label) for f, make in told.items()})


def shifted(by):
    """A normal feature whose mean is ``by`` higher for ones: its AUC is Phi(by / sqrt 2)."""
    return lambda rng, y: rng.normal(size=len(y)) + by * y


def case(training, served, replayed=None, features=None, **given):
    features = features or [c for c in training if c not in ("k", "t", "y") and not c.endswith("_at")]
    roles = {"key": "k", "time": "t", "label": "y", "features": features}
    return sk.compare(training, served, replayed, **{**roles, **given})


def found(*tables, policy=None, **given):
    return {
        (f.feature, f.statistic, f.change): f for f in sk.check(case(*tables, **given), policy) if f.check == "leakage"
    }


# -- one feature and the label


def test_honest_features_are_ok():
    """Clean control: noise, a weak feature, and one of AUC 0.95, which is strong and no leak; and as good later."""
    strong = scipy.stats.norm.ppf(0.95) * np.sqrt(2)
    sides = [world(20_000, seed, strong=shifted(strong), weak=shifted(0.3)) for seed in (1, 2)]
    facts = found(*sides)
    assert facts["strong", "too_good", "training"].value == pytest.approx(0.95, abs=0.01)
    assert len(facts) == 6 and {str(f.verdict) for f in facts.values()} == {"ok"}


@pytest.mark.parametrize(
    "leak",
    [
        lambda rng, y: y + rng.normal(size=len(y)) / 100,
        lambda rng, y: -y,
        lambda rng, y: np.where(y == 1, "refunded", "kept"),
        lambda rng, y: np.where(y == 1, rng.choice(["a", "b", "c"], len(y)), rng.choice(["d", "e"], len(y))),
        lambda rng, y: np.where(y == 1, 3, rng.choice([1, 7], len(y))),
        lambda rng, y: y == 1,
        lambda rng, y: np.where(y == 1, np.nan, rng.normal(size=len(y))),
        lambda rng, y: np.where(y == 1, rng.normal(size=len(y)), np.nan),
        lambda rng, y: pd.to_datetime(np.where(y == 1, "2024-05-01", "2024-03-01"), utc=True),
    ],
    ids=["number", "opposite", "text", "categories", "codes", "truth", "null of ones", "null of zeros", "time"],
)
def test_a_feature_that_is_the_label_is_a_breach(leak):
    """A perfect feature of any kind breaches at 4,000 rows, and is not what is wrong with the noise beside it."""
    facts = found(world(leak=leak), world(seed=1, leak=lambda rng, y: rng.permutation(leak(rng, y))))
    finding = facts["leak", "too_good", "training"]
    assert finding.value > 0.999 and str(finding.verdict) == "breach" and finding.low > 0.98
    assert finding.runbook == "runbooks/leakage.md" and finding.unit == "AUC" and finding.n == N
    assert str(facts["noise", "too_good", "training"].verdict) == "ok"
    assert str(facts["leak", "gap", "total"].verdict) == "breach" and facts["leak", "gap", "total"].value > 0.45


def test_the_auc_is_scikit_learn_s():
    """Ties, nulls below or above all, and a feature that ranks the other way round."""
    training = world(
        ties=lambda r, y: np.round(r.normal(size=len(y)) + y, 1),
        back=lambda r, y: r.normal(size=len(y)) - y,
        holes=lambda r, y: np.where(r.random(len(y)) < 0.1 + 0.3 * y, np.nan, r.normal(size=len(y)) + y),
    )
    facts, y = found(training, training.sample(frac=1, random_state=0)), training["y"]
    score = {f: facts[f, "too_good", "training"].value for f in ("ties", "back", "holes")}
    assert score["ties"] == pytest.approx(roc_auc_score(y, training["ties"]), abs=1e-12)
    assert score["back"] == pytest.approx(roc_auc_score(y, -training["back"]), abs=1e-12)
    filled = [roc_auc_score(y, training["holes"].fillna(at)) for at in (-1e9, 1e9)]
    assert score["holes"] == pytest.approx(max(*filled, *(1 - f for f in filled)), abs=1e-12)
    assert score["holes"] > 0.5


def test_a_rare_category_cannot_tell_its_own_label():
    """Names that are there once, or thrice, are no leak; seen in sample they would rank their labels nearly without fault."""
    training = world(
        once=lambda rng, y: [f"n{i}" for i in range(len(y))],
        thrice=lambda rng, y: rng.permutation([f"n{i // 3}" for i in range(len(y))]),
        same=lambda rng, y: ["a"] * len(y),
    )
    in_sample = roc_auc_score(training["y"], training["y"].groupby(training["thrice"]).transform("mean"))
    facts = found(training, training)
    assert in_sample > 0.75
    assert all(facts[f, "too_good", "training"].value < 0.54 for f in ("once", "thrice", "same"))


def test_a_request_that_is_there_twice_cannot_tell_itself_the_label():
    """Two rows of each key, each key its own category: both fall into one fold."""
    once = world(2_000, name=lambda rng, y: [f"n{i}" for i in range(len(y))])
    twice = pd.concat([once, once], ignore_index=True)
    assert found(twice, once)["name", "too_good", "training"].value < 0.54
    apart = twice.assign(k=np.arange(len(twice)))  # the control: under other keys it does
    assert found(apart, once)["name", "too_good", "training"].value > 0.7


def test_the_score_s_bounds_by_hand():
    """A perfect AUC with 2,000 of the rarer class: (level / 2) ** (1 / 2,000); and an inner value by its equation."""
    facts = found(world(share=0.5, leak=lambda rng, y: y * 1.0), world())
    ones = int(world()["y"].sum())
    level = 0.01 / (365 * (12 * 2 + 8))
    finding = facts["leak", "too_good", "training"]
    assert finding.low == pytest.approx((level / 2) ** (1 / min(ones, N - ones))) and finding.high == 1.0
    low, high = bounds.mean_bounds(0.7, 100, 0.05)
    for p in (low, high):
        assert 0.7 * np.log(0.7 / p) + 0.3 * np.log(0.3 / (1 - p)) == pytest.approx(np.log(40) / 100)
    assert low < 0.7 < high and bounds.mean_bounds(0.0, 100, 0.05)[0] == 0.0
    assert bounds.mean_bounds(1 - 1e-12, 1, 1e-9)[1] == 1.0


def test_the_score_s_bounds_hold_as_often_as_they_say():
    """Of 500 samples with 60 of the rarer class, at most one in ten misses the true AUC, 0.76."""
    true = float(scipy.stats.norm.cdf(1 / np.sqrt(2)))
    missed = 0
    for seed in range(500):
        frame = world(300, seed, share=0.2, x=shifted(1.0))
        rarer = int(min(frame["y"].sum(), 300 - frame["y"].sum()))
        low, high = bounds.mean_bounds(roc_auc_score(frame["y"], frame["x"]), rarer, 0.1)
        missed += not low <= true <= high
    assert missed <= 50


def test_a_regression_s_score_is_spearman_s():
    """The size of the rank correlation, whichever its sign; a copy of the label is a breach."""
    training = world(x=shifted(1.0))
    training = training.assign(y=np.random.default_rng(7).normal(size=N) - training["x"], copy=0.0)
    training["copy"] = np.exp(training["y"])
    facts = found(training, training, features=["x", "copy", "noise"], task="regression")
    rho = scipy.stats.spearmanr(training["x"], training["y"]).statistic
    assert facts["x", "too_good", "training"].value == pytest.approx(-rho) and rho < -0.5
    assert {f: str(facts[f, "too_good", "training"].verdict) for f in ("x", "copy", "noise")} == {
        "x": "ok", "copy": "breach", "noise": "ok"
    }  # fmt: skip


def test_few_rows_of_the_rarer_class_are_inconclusive():
    """Ten ones of 4,000 cannot tell a strong feature from the label; the finding says how many rows would."""
    facts = found(world(share=0.002, x=lambda rng, y: rng.normal(size=len(y)) / 4 + y), world())
    finding = facts["x", "too_good", "training"]
    assert str(finding.verdict) == "inconclusive" and finding.needs > N


LABELS = {
    "no labels": (lambda t: t.drop(columns="y"), "no label"),
    "labels to come": (lambda t: t.assign(y=np.nan), "always the same"),
    "one class": (lambda t: t.assign(y=0), "always the same"),
    "text": (lambda t: t.assign(y="yes"), "not 0 and 1"),
    "other numbers": (lambda t: t.assign(y=t["y"] + 1), "not 0 and 1"),
}


@pytest.mark.parametrize("what", LABELS)
def test_without_a_label_to_tell_nothing_is_made_up(what):
    """No score, no gap, and the reason why."""
    change, said = LABELS[what]
    tables = case(change(world()), world(seed=1), features=["noise"])
    assert not [f for f in sk.check(tables) if f.check == "leakage"]
    assert any(said in n.reason for n in absent(tables))


def test_several_classes_are_left_out_and_said_so():
    """A score of one feature against many classes is not made."""
    training = world().assign(y=lambda t: t["k"] % 3)
    tables = case(training, training, task="multiclass")
    assert not [f for f in sk.check(tables) if f.check == "leakage"]
    assert any("two classes" in n.reason for n in absent(tables))


def test_labels_that_wait_are_left_out():
    """Half of training's labels have not come: the score is that of the other half."""
    training = world(x=shifted(1.0))
    waiting = training.assign(y=training["y"].astype(float).mask(training["k"] % 2 == 0))
    finding = found(waiting, world(x=shifted(1.0)))["x", "too_good", "training"]
    half = training[training["k"] % 2 == 1]
    assert finding.n == N / 2 and finding.value == pytest.approx(roc_auc_score(half["y"], half["x"]))


# -- training against later


def test_the_gap_is_what_is_lost_later():
    """By hand: the difference of two AUCs, between bounds of both; a total without a replay, drift with one."""
    training, later = world(20_000, 1, x=shifted(2.0)), world(20_000, 2, x=shifted(0.2))
    aucs = [roc_auc_score(t["y"], t["x"]) for t in (training, later)]
    alone = found(training, later)["x", "gap", "total"]
    assert alone.value == pytest.approx(aucs[0] - aucs[1]) and alone.low < alone.value < alone.high
    assert str(alone.verdict) == "breach" and alone.detail[0]["training"] == pytest.approx(aucs[0])
    drift = found(training, training, later)["x", "gap", "drift"]
    assert drift.value == pytest.approx(aucs[0] - aucs[1]) and str(drift.verdict) == "warn"
    assert ("x", "gap", "total") not in found(training, later.drop(columns="y"))


def test_a_smaller_gap_warns_and_does_not_breach():
    """Above the tolerated 0.10 and within the material 0.20, without a replay: it may be the world."""
    training, later = world(60_000, 1, x=shifted(1.2)), world(60_000, 2, x=shifted(0.6))
    finding = found(training, later)["x", "gap", "total"]
    assert finding.low > 0.10 and finding.high < 0.20 and str(finding.verdict) == "warn"


# -- values newer than their request


def dated(seconds, **given):
    frame = world(x=shifted(0.5), **given)
    return frame.assign(x_at=frame["t"] - pd.to_timedelta(seconds, "s"))


def test_values_as_of_before_the_request_are_ok():
    """Clean control: a minute old, or of the very moment of the request, on all three sides."""
    for seconds in (60, 0):
        frame = dated(seconds)
        facts = found(frame, frame, frame, as_of={"x": "x_at"})
        newer = {k[2]: (f.value, str(f.verdict)) for k, f in facts.items() if k[1] == "newer"}
        assert newer == dict.fromkeys(("training", "skew", "served"), (0.0, "ok"))


def test_one_value_of_the_future_is_a_breach_and_is_shown():
    """Three rows of 4,000, up to a day ahead, the worst first."""
    training = dated(np.select([np.arange(N) == 5, np.arange(N) == 9, np.arange(N) == 2], [-10, -86_400, -0.5], 60))
    finding = found(training, dated(60), as_of={"x": "x_at"}, evidence="rows")["x", "newer", "training"]
    assert (finding.value, finding.n, str(finding.verdict)) == (3 / N, N, "breach")
    assert list(finding.detail) == [
        {"k": k, "t": training["t"][k].isoformat(), "newer_by": by} for k, by in ((9, 86_400.0), (5, 10.0), (2, 0.5))
    ]
    assert (finding.low, finding.high) == pytest.approx(bounds.share_bounds(3, N, 0.01 / (365 * (12 * 2 * 3 + 8))))


def test_a_declared_delay_is_kept_in_training_and_not_asked_of_serving(tmp_path):
    """Data that arrives an hour late cannot be half an hour old in training; served, only what is newer than now is odd."""
    path = tmp_path / "policy.yaml"
    path.write_text("features: {x: {delta: 3600}}")
    frame = dated(1_800)
    facts = found(frame, frame, frame, as_of={"x": "x_at"}, policy=sk.read_policy(str(path)))
    assert {k[2]: f.value for k, f in facts.items() if k[1] == "newer"} == {"training": 1.0, "skew": 1.0, "served": 0.0}
    assert facts["x", "newer", "training"].detail[0]["newer_by"] == 1_800.0


def test_a_clock_that_is_behind_is_told_of_the_served():
    """Ages below zero as served, from the column or from the freshness table."""
    facts = found(dated(60), dated(-60), as_of={"x": "x_at"})
    assert {k[2]: f.value for k, f in facts.items() if k[1] == "newer"} == {"training": 0.0, "served": 1.0}
    served = dated(60)
    table = pd.DataFrame({"k": served["k"], "feature": "x", "value_time": served["t"] + pd.Timedelta("1s")})
    assert found(served, served, features=["x"], freshness=table)["x", "newer", "served"].value == 1.0


def test_nulls_and_a_replay_without_times_are_no_leak():
    """What has no time is not counted; a replay without the request's time takes that of the served, by key."""
    frame = dated(60)
    frame["x_at"] = frame["x_at"].mask(frame["k"] < 1_000)
    replayed = frame.drop(columns="t").sample(frac=1, random_state=0)
    facts = found(frame, frame, replayed, as_of={"x": "x_at"})
    newer = {k[2]: (f.value, f.n) for k, f in facts.items() if k[1] == "newer"}
    assert newer == dict.fromkeys(("training", "skew", "served"), (0.0, 3_000))


def test_training_without_times_is_not_run():
    """Nothing to compare as_of with: said, and no finding of training."""
    frame = dated(60)
    tables = case(frame.drop(columns="t"), frame, features=["x"], as_of={"x": "x_at"})
    assert {f.change for f in sk.check(tables) if f.statistic == "newer"} == {"served"}
    assert any("training has no column 't'" in n.reason for n in absent(tables))
    assert any("as_of" in n.give for n in absent(case(frame, frame, features=["x"])))


# -- the worlds


def test_clean_worlds_do_not_alarm(payments, flights):
    """With a replay and without: no feature of either world is called a leak."""
    for there, rows in ((payments, 0), (flights, 20_000)):
        for tables in regimes(Ground(there, sk.read_policy(), sample=rows).clean).values():
            assert sk.check(tables).by_check()["leakage"].alarm == 0


def test_a_planted_leak_is_seen_as_far_as_it_tells(payments):
    """A join a day ahead in training, planted in the world: the counts tell fraud better than they do later.

    It is honest work to say how far: they never tell it so well that they must be a leak, and the small world has too few
    frauds to be sure of the gap. `newer` is the statistic that is, where the times are given.
    """
    ground = Ground(payments, sk.read_policy())
    scope = sk.Scope(share=1.0, side="training")
    leak = planted_case(ground.clean, ground.unskewed, sk.skews.Leakage(horizon="1D"), scope, payments)
    clean, planted = (
        {(f.feature, f.statistic): f for f in sk.check(regimes(c)["training and served"])} for c in (ground.clean, leak)
    )
    for f in ("count_1h", "count_24h"):
        assert planted[f, "too_good"].value > clean[f, "too_good"].value + 0.05
        assert planted[f, "gap"].value > clean[f, "gap"].value + 0.05
    assert planted["count_24h", "too_good"].verdict.alarm == 0
    frame = leak.training.frame().assign(as_of=lambda t: t[leak.roles.time] + pd.Timedelta("1D"))
    roles = {n: getattr(leak.roles, n) for n in ("key", "time", "label")}
    told = sk.compare(frame, leak.served.frame(), **roles, features=["count_24h"], as_of={"count_24h": "as_of"})
    newer = next(f for f in sk.check(told) if f.statistic == "newer" and f.change == "training")
    assert newer.value == 1.0 and str(newer.verdict) == "breach"


def test_a_drill_ranks_its_training_once(monkeypatch):
    """The scores of a table are kept with it: a second check reads no column of training for them."""
    from skewkit.checks import leakage as check

    frame = examples.table(500)
    tables, policy = sk.compare(frame, frame, **ROLES), sk.read_policy()
    first = [(f.feature, f.value) for f in check(tables, policy)]
    monkeypatch.setattr(type(tables.training), "column", lambda *_: pytest.fail("a column was read again"))
    assert [(f.feature, f.value) for f in check(tables, policy)] == first and first
