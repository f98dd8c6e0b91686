"""A candidate beside the current model: a clean control first, then each thing that may go wrong, and the example end to end."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare, spearmanr

import skewkit as sk
from skewkit import examples
from skewkit.__main__ import main
from skewkit.notebook import DECISIONS, code_of
from skewkit.records import SkewkitError, Verdict
from skewkit.report.page import page, summary
from skewkit.report.run import begin, document
from skewkit.rollouts import examples as rollout_examples

from .conftest import ROOT, play

N = 12_000
LOG = {"key": "request", "time": "asked", "label": "fraud", "prediction": "score"}
FEATURES = ["hour", "amount", "income", "merchant"]
SHADOW = {**LOG, "latency": "ms", "error": "failed", "features": FEATURES, "segments": ["country"]}
HALF = pd.Timestamp("2024-03-03T12:00Z")  # a day and a half after the first request


@pytest.fixture(scope="module")
def log():
    """Two days of a current model's answers, one every 14 seconds."""
    table, rng = examples.table(N, seed=1), np.random.default_rng(0)
    table["asked"] = pd.Timestamp("2024-03-02T00:00Z") + pd.to_timedelta(np.arange(N) * 14, "s")
    table["ms"], table["failed"] = rng.lognormal(2.5, 0.4, N).round(3), rng.random(N) < 0.001
    return table


@pytest.fixture(scope="module")
def control(log):
    """The same model beside itself: what it takes and whether it fails is drawn anew."""
    rng = np.random.default_rng(1)
    return log.assign(ms=rng.lognormal(2.5, 0.4, N).round(3), failed=rng.random(N) < 0.001)


def decided(current, candidate, policy=None, **changes):
    return sk.decide(sk.rollout(current, candidate, **{**SHADOW, **changes}), policy, draws=20)


def of(decision, statistic, feature=None, segment=None):
    (found,) = (
        f
        for f in decision.findings
        if (f.statistic, f.feature, f.segment) == (statistic, feature, segment) and f.check == "shadow"
    )
    return found


def test_identical_models_are_promoted(log):
    """Nothing lies apart; every share of difference is 0, every rank the same, and the sentence says to promote."""
    same = decided(log, log)
    assert same.decision == "promote" and same.verdict == "ok" and same.since is None
    assert same.sentence.startswith("Promote: in 12,000 requests")
    assert all(
        f.value == 0 for f in same.findings if f.check == "shadow" and f.statistic not in ("spearman", "uncompared")
    )
    lost = of(same, "uncompared", "score")  # failed on both sides, these were not compared
    assert lost.value == pytest.approx(log["failed"].mean()) and lost.verdict == Verdict.ok
    assert of(same, "spearman").value == pytest.approx(1) and not any(c.delta for c in same.impact)


def test_the_same_model_deployed_twice_is_promoted(log, control):
    """Other times and other failures of the same kind are no difference."""
    assert decided(log, control).decision == "promote"


WORSE = {
    "slow": (lambda t: {"ms": t["ms"] * 2}, "latency_p50", "roll back"),
    "a little slow": (lambda t: {"ms": t["ms"] * 1.25}, "latency_p50", "hold"),
    "a slow tail": (lambda t: {"ms": t["ms"].where(t.index % 10 > 0, t["ms"] * 6)}, "latency_p95", "roll back"),
    "failing": (lambda t: {"failed": t["failed"] | (t.index % 25 == 0)}, "errors", "roll back"),
    "failing now and then": (lambda t: {"failed": t["failed"] | (t.index % 120 == 0)}, "errors", "hold"),
    "without an answer": (lambda t: {"score": t["score"].where(t.index % 25 > 0)}, "errors", "roll back"),
    "nulls": (lambda t: {"income": t["income"].where(t.index % 8 > 0)}, "null_share", "roll back"),
    "defaults": (lambda t: {"income": t["income"].where(t.index % 6 > 0, 0.0)}, "default_share", "roll back"),
    "cut decimals": (lambda t: {"amount": np.floor(t["amount"])}, "differ", "roll back"),
    "other scores": (lambda t: {"score": np.clip(t["score"] * (1 + 0.3 * (t.index % 3 - 1)), 0, 1)}, "moved", "hold"),
    "too sure": (lambda t: {"score": (t["score"] * 2).clip(0, 1)}, "mean_change", "roll back"),
}


@pytest.mark.parametrize("what", WORSE)
def test_each_thing_that_is_worse_is_held_or_rolled_back(what, log, control):
    """By its own statistic; the rest is as it was."""
    change, statistic, decision = WORSE[what]
    found = decided(log, control.assign(**change(control)), defaults={"income": 0.0})
    assert found.decision == decision, found.sentence
    loud = {
        f.statistic for f in found.findings if f.verdict and f.verdict.alarm == {"hold": 1, "roll back": 2}[decision]
    }
    assert statistic in loud
    assert DECISIONS[found.decision] == {"hold": 3, "roll back": 4}[decision] and found.sentence.startswith(
        decision.capitalize()
    )


def test_a_better_candidate_is_promoted(log, control):
    """Half as long, and never failing: less of what is bad is no alarm."""
    assert decided(log, control.assign(ms=control["ms"] / 2, failed=False)).decision == "promote"


def test_shares_are_counted_as_by_hand(log, control):
    """Against plain pandas and scipy: moved with the floor, flips at the policy's share, errors, and the ranking."""
    rng = np.random.default_rng(5)
    candidate = control.assign(score=np.clip(log["score"] + rng.normal(0, 0.004, N), 0, 1))
    found = decided(log, candidate)
    both = ~log["failed"] & ~candidate["failed"]
    a, b = log["score"][both], candidate["score"][both]
    assert of(found, "moved").value == pytest.approx(((b - a).abs() > 0.05 * np.maximum(a, 0.01)).mean())
    threshold = np.quantile(a, 0.9)
    assert of(found, "flips@10%").value == pytest.approx(((a >= threshold) != (b >= threshold)).mean())
    assert of(found, "flips").value == pytest.approx(((a >= 0.5) != (b >= 0.5)).mean())
    assert of(found, "errors").value == pytest.approx(candidate["failed"].mean() - log["failed"].mean())
    assert of(found, "spearman").value == pytest.approx(spearmanr(a, b).statistic)
    assert of(found, "mean_change").value == pytest.approx(abs(b.mean() - a.mean()) / a.mean())
    inside = of(found, "moved", segment="country=DE")
    de = both & (log["country"] == "DE")
    far = (candidate["score"] - log["score"]).abs() > 0.05 * log["score"].clip(lower=0.01)
    assert inside.value == pytest.approx(far[de].mean()) and inside.low > of(found, "moved").low - 0.2
    calibration = found.impact.get("calibration_error", "candidate")
    assert of(found, "calibration").value == calibration.delta and calibration.n == N


def test_the_first_hour_in_which_rolling_back_was_certain_is_named(log, control):
    """A bug that begins at noon of the second day is certain an hour or two later, and not before; nor is it forgotten once mended."""
    bad = control["asked"].between(HALF, HALF + pd.Timedelta("4h"))
    found = decided(log, control.assign(failed=control["failed"] | (bad & (control.index % 2 == 0))))
    since = pd.Timestamp(found.since.replace(" UTC", "Z"))
    assert found.decision == "roll back" and HALF < since <= HALF + pd.Timedelta("4h")
    (errors,) = (one for one in found.hours if (one["statistic"], one["segment"]) == ("errors", None))
    before = np.array([pd.Timestamp(at) < since for at in errors["at"]])
    assert max(np.array(errors["low"])[before]) <= errors["material"] < np.array(errors["low"])[~before][0]
    early = decided(*(t[t["asked"] < HALF] for t in (log, control)))
    assert early.decision != "roll back"


def test_the_hour_of_a_slow_answer_is_found_without_looking_at_each(log, control):
    """By halving: certain at that hour, and not at the one before."""
    slow = control.assign(ms=control["ms"].where(control["asked"] < HALF - pd.Timedelta("30h"), control["ms"] * 4))
    since = pd.Timestamp(decided(log, slow).since.replace(" UTC", "Z"))
    certain = [
        decided(*(t[t["asked"] < until] for t in (log, slow))).decision == "roll back"
        for until in (since, since - pd.Timedelta("1h"))
    ]
    assert certain == [True, False]


def test_identical_streams_looked_at_every_hour_do_not_alarm():
    """100 pairs of streams with the same errors and other draws: at no hour is any alarm louder than ok."""
    rng, alarms = np.random.default_rng(9), 0
    for _ in range(100):
        n = 1_500
        frame = pd.DataFrame(
            {"request": np.arange(n), "asked": pd.Timestamp("2024-01-01T00Z") + pd.to_timedelta(np.arange(n), "min")}
        )
        sides = [frame.assign(score=0.5, failed=rng.random(n) < 0.05) for _ in range(2)]
        rolled = sk.rollout(*sides, key="request", time="asked", prediction="score", error="failed", features=[])
        from skewkit.checks.shadow import shadow

        errors = next(w for w in shadow(rolled, sk.read_policy()) if w.finding.statistic == "errors")
        alarms += bool((errors.low > 0.001).any())
    assert alarms <= 1


def test_too_few_requests_are_held(log, control):
    """Two hundred requests say nothing of errors: hold, though nothing is wrong."""
    found = decided(log.head(200), control.head(200))
    assert found.verdict == "inconclusive" and found.decision == "hold" and "too little is known" in found.sentence


def test_what_is_accepted_does_not_hold(log, control, tmp_path):
    """A retrained model's divergence, until a day, with a reason and an owner."""
    candidate = control.assign(score=np.clip(log["score"] * (1 + 0.07 * (log.index % 3 - 1)), 0, 1))
    assert decided(log, candidate).decision == "hold"
    (tmp_path / "p.yaml").write_text(
        "accepted:\n"
        + "".join(
            f"  - {{check: shadow, statistic: {s}, until: 2999-01-01, reason: retrained, owner: Ana}}\n"
            for s in ("moved", "flips")
        )
    )
    assert decided(log, candidate, sk.read_policy(str(tmp_path / "p.yaml"))).decision == "promote"


def test_requests_that_were_never_answered_are_counted(log, control):
    """One in fifty is not in the candidate's log."""
    found = of(decided(log, control[control.index % 50 > 0]), "unanswered")
    assert found.value == pytest.approx(0.02) and found.verdict == Verdict.breach


def test_one_table_of_both_is_two(log, control):
    """The columns with the suffix are the candidate's; what has none is of both."""
    wide = log.assign(**{f"{c}_new": control[c] for c in ("score", "ms", "failed", "amount")})
    one, two = decided(wide, None, suffix="_new"), decided(log, control)
    assert [(f.statistic, f.feature, f.value) for f in one.findings] == [
        (f.statistic, f.feature, f.value) for f in two.findings
    ]


def test_features_are_compared_with_the_candidates_own_training(log, control):
    """Amounts in cents reach both models: drift, shown, which holds nothing; reaching the candidate alone it is rolled back."""
    training = examples.table(N, seed=7)
    clean = decided(log, control, training=training)
    assert clean.decision == "promote" and any(f.check == "distribution" for f in clean.findings)
    alike = decided(*(t.assign(amount=t["amount"] * 100) for t in (log, control)), training=training)
    assert alike.decision == "promote" and "1 feature drifted" in alike.sentence
    alone = decided(log, control.assign(amount=control["amount"] * 100), training=training)
    loud = {(f.check, f.feature) for f in alone.findings if f.verdict == Verdict.breach}
    assert alone.decision == "roll back" and ("distribution", "amount") in loud


def test_old_features_stand_beside_the_hours_that_diverge(log, control):
    """For six hours one feature is ten hours old and the predictions are apart: they move together, and those hours are shown."""
    late = control["asked"].between(HALF, HALF + pd.Timedelta("6h"), inclusive="left")
    dated = {
        "amount_at": control["asked"] - pd.to_timedelta(np.where(late, 10.0, 0.1 + (control.index % 7) / 100), "h")
    }
    candidate = control.assign(**dated, score=control["score"].where(~late, control["score"] * 1.2))
    found = of(decided(log, candidate, as_of={"amount": "amount_at"}), "moves_with_age", "amount")
    fetched = candidate[["request"]].assign(feature="amount", value_time=candidate["amount_at"])
    logged = of(decided(log, candidate.drop(columns="amount_at"), freshness=fetched), "moves_with_age", "amount")
    assert logged == found  # from a long table as from a column beside
    *worst, rest = found.detail
    assert found.value > 0.4 and all(
        pd.Timestamp(h["since"]) >= HALF and h["age_p95"] == pytest.approx(36_000) for h in worst
    )
    assert rest["since"] == "all other hours" and rest["age_p95"] < 1_000 and rest["moved"] < 0.1


# -- a canary


def parted(log, control, share=0.05):
    from skewkit.scope import coin

    chosen = coin(log["request"], "canary") < share
    return log[~chosen], control[chosen]


def test_a_canary_of_the_same_model_is_promoted_once_it_has_seen_enough(log, control):
    """With few requests it is held for want of data, never for an alarm; the share is as meant."""
    found = decided(*parted(log, control), mode="canary", share=0.05)
    assert found.decision == "hold" and found.verdict == "inconclusive"
    assert of(found, "sample_ratio").verdict == of(found, "canary_share").verdict == Verdict.ok
    assert {n.step for n in found.not_run} >= {"moved", "training"}


def test_a_canary_that_fails_or_decides_otherwise_is_rolled_back(log, control):
    """One in five requests fails; or twice the scores, that decide yes far more often."""
    current, canary = parted(log, control)
    failing = decided(current, canary.assign(failed=canary["request"] % 5 == 0), mode="canary", share=0.05)
    assert failing.decision == "roll back" and failing.since
    sure = decided(current, canary.assign(score=(canary["score"] * 4).clip(0, 1)), mode="canary", share=0.05)
    assert of(sure, "decided").verdict == Verdict.breach and of(sure, "ks").verdict == Verdict.breach


def test_the_hour_of_a_canary_s_feature_is_found(log, control):
    """From noon of the second day its amounts are in cents: certain in some later hour, without a row of the hours before."""
    current, canary = parted(log, control)
    late = canary["asked"] >= HALF
    found = decided(
        current, canary.assign(amount=canary["amount"].where(~late, canary["amount"] * 100)), mode="canary", share=0.05
    )
    assert any(
        f.check == "distribution" and f.feature == "amount" and f.verdict == Verdict.breach for f in found.findings
    )
    assert found.decision == "roll back" and pd.Timestamp(found.since.replace(" UTC", "Z")) > HALF


def test_a_sample_ratio_mismatch_is_held_with_its_chi_square(log, control):
    """Eight percent where five were meant, and so more than a canary takes: both are findings; scipy has the chi square."""
    current, canary = parted(log, control, 0.08)
    found = decided(current, canary, mode="canary", share=0.05)
    n, k = len(current) + len(canary), len(canary)
    (told,) = of(found, "sample_ratio").detail
    assert (
        told["chi_square"] == pytest.approx(chisquare([n - k, k], [0.95 * n, 0.05 * n]).statistic) and told["p"] < 1e-9
    )
    assert of(found, "sample_ratio").verdict == of(found, "canary_share").verdict == Verdict.warn
    assert found.decision != "promote"


def test_a_canary_by_account_counts_accounts(log, control):
    """Where no account is on both sides, it is they who were assigned."""
    from skewkit.scope import coin

    chosen = coin(log["account"], "canary") < 0.05
    found = decided(log[~chosen], control[chosen], mode="canary", share=0.05, entity="account")
    assert of(found, "sample_ratio").n == log["account"].nunique()


# -- refused


REFUSED = {
    "an unknown mode": ({"mode": "mirror"}, "shadow, canary"),
    "no key": ({"key": None}, "needs key"),
    "a share of two": ({"share": 2.0}, "share of the traffic"),
    "many classes": ({"task": "multiclass"}, "binary or regression"),
    "a column that is not there": ({"latency": "seconds"}, "no column 'seconds'"),
    "text as a time": ({"latency": "country"}, "a number is needed"),
    "a default of no feature": ({"defaults": {"city": ""}}, "defaults names 'city'"),
    "both a candidate and a suffix": ({"suffix": "_new"}, "both candidate and suffix"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_compared_is_refused(what, log, control):
    """With what was asked, what there is and what to do."""
    changes, said = REFUSED[what]
    with pytest.raises(SkewkitError, match=said):
        sk.rollout(log, control, **{**SHADOW, **changes})


def test_logs_that_do_not_meet_are_refused_in_their_own_names(log, control):
    """Keys of other requests, no row, no time: said of the current's and the candidate's log."""
    for candidate, said in (
        (control.assign(request=control["request"] + 10**6), "no key of the candidate's log is in the current's log"),
        (control.head(0), "the candidate's log.* no rows"),
        (control.assign(asked=control["asked"].dt.tz_localize(None)), "the candidate's log.*time_zone="),
    ):
        with pytest.raises(SkewkitError, match=said):
            sk.rollout(log, candidate, **SHADOW)
    with pytest.raises(SkewkitError, match="no request has a time"):
        sk.rollout(*(t.assign(asked=t["asked"].where(t["asked"].isna())) for t in (log, control)), **SHADOW)


def test_a_regression_has_no_decisions(log, control):
    """Numbers beyond 1: what is apart is counted, what has no bounds is said."""
    found = decided(*(t.assign(score=t["score"] * 1_000) for t in (log, control)), task="regression", label=None)
    assert found.decision == "promote" and of(found, "moved").value == 0
    assert "mean_change" in {n.step for n in found.not_run} and "flips" not in {f.statistic for f in found.findings}


def test_no_candidate_is_refused(log):
    """Neither a second table nor a suffix that any column has."""
    for suffix in ("", "_new"):
        with pytest.raises(SkewkitError, match="neither a candidate nor a suffix"):
            sk.rollout(log, suffix=suffix, **SHADOW)


# -- the result, the page, and the exit code


def test_the_exit_code_is_the_decisions(log, control):
    """Too little data exits 5 of a check and 3 of a candidate; what has no decision is as before."""
    assert [code_of({"verdict": "ok", "decision": {"said": said}}) for said in ("promote", "hold", "roll back")] == [
        0,
        3,
        4,
    ]
    assert [code_of({"verdict": v}) for v in ("ok", "warn", "breach", "inconclusive")] == [0, 3, 4, 5]
    assert code_of({"verdict": "inconclusive", "decision": None}) == 5


def test_the_page_says_what_to_do_first(log, control, tmp_path, monkeypatch):
    """In the title, the heading and the first sentence; with the hours drawn, a text and a table beside; inputs by their names."""
    monkeypatch.chdir(tmp_path)
    found = decided(log, control.assign(amount=np.floor(control["amount"])))
    made = document(begin("shadow"), found)
    text = page(made)
    assert "<title>roll back: skewkit shadow</title>" in text and summary(made) == found.sentence
    assert (
        text.index("Roll back</h1>")
        < text.index("Take the candidate out of the traffic now")
        < text.index("Hour by hour")
    )
    assert "hour by hour. differ of amount" in text and "What was known up to some of the hours" in text
    assert '<a href="#runbooks/shadow.md">' in text and "of the current model and of the candidate" in text
    assert {i["role"] for i in made["inputs"]} == {"current", "candidate"}
    again = document(begin("shadow"), decided(log, control.assign(amount=np.floor(control["amount"]))))
    own = ("run_id", "started", "seconds", "last")
    assert [json.dumps({k: v for k, v in d.items() if k not in own}) for d in (made, again)].count(
        json.dumps({k: v for k, v in made.items() if k not in own})
    ) == 2


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The example of the documented command, smaller, where its parameters look for it."""
    folder = tmp_path_factory.mktemp("example")
    rollout_examples.write(folder / "data" / "shadow", events=100_000, days=14)
    return folder


def params(name):
    import yaml

    return yaml.safe_load((ROOT / "notebooks" / "params" / f"{name}.yaml").read_text())


@pytest.mark.parametrize(("name", "changes", "said"), [
    ("shadow", {}, "promote"),
    ("shadow", {"candidate": "data/shadow/retrained.parquet"}, "hold"),
    ("shadow", {"candidate": "data/shadow/slow.parquet"}, "roll back"),
    ("shadow_rounding", {}, "roll back"),
    ("canary_rounding", {}, "roll back"),
])  # fmt: skip
def test_the_examples_are_decided_as_their_files_say(name, changes, said, example, monkeypatch):
    """In the notebook's own cells: a rewrite in 32 bits promotes, a retrained model is held, the rounding bug is rolled back."""
    monkeypatch.chdir(example)
    assert play("shadow", **{**params(name), **changes})["decision"].decision == said


def test_the_runner_exits_by_the_decision(example, monkeypatch, capsys):
    """Through papermill: the rounding bug exits 4, and the last line before the report says what to do."""
    monkeypatch.chdir(example)
    assert main(["run", "shadow", "-f", str(ROOT / "notebooks" / "params" / "shadow_rounding.yaml")]) == 4
    assert capsys.readouterr().out.startswith("Roll back: ")
    assert main(["status"]) == 0 and "Roll back" in capsys.readouterr().out


def test_the_example_is_the_same_every_time(tmp_path):
    """Byte for byte, by its seed."""
    one, two = (rollout_examples.write(tmp_path / n, events=20_000, days=3) for n in ("a", "b"))
    assert [p.name for p in one] == [p.name for p in two] and len(one) == 9
    assert all(p.read_bytes() == q.read_bytes() for p, q in zip(one, two, strict=True))


def test_the_page_says_that_requests_are_counted_and_how_far_accounts_can_narrow_the_bounds(log, control):
    """Of pairs of requests of one account twice on average, so up to the square root of 2; without an entity, or alone, once."""
    twice = [t.assign(account=np.arange(N) // 2) for t in (log, control)]
    once = [t.assign(account=np.arange(N)) for t in (log, control)]
    said = decided(*twice, entity="account").promise["sentence"]
    assert "Each request counts as one draw. A request's account has 2.0 of them on average" in said
    assert said.endswith("too narrow, up to 1.4 times.")
    assert decided(*once, entity="account").promise["sentence"].endswith("Each request counts as one draw.")
    assert decided(log, control).promise["sentence"].endswith("Each request counts as one draw.")
