"""Impact: the same requests, before and after."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    precision_score,
    recall_score,
    roc_auc_score,
)

import skewkit as sk
from skewkit.records import SkewkitError, as_rows
from skewkit.report.mlflow_log import numbers_of


def world(rows=6_000, seed=0, days=40):
    """A score that ranks a label, one feature, rows spread over days and three regions."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    return pd.DataFrame(
        {
            "k": np.arange(rows),
            "t": pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(rng.integers(0, days * 86_400, rows), "s"),
            "region": rng.choice(["north", "south"], rows),
            "x": x,
            "y": (rng.random(rows) < 1 / (1 + np.exp(-x))).astype(float),
        }
    )


def logistic(features):
    return 1 / (1 + np.exp(-features["x"].to_numpy()))


ROLES = {"key": "k", "time": "t", "label": "y", "features": ["x"], "segments": ["region"]}


@pytest.fixture(scope="module")
def replayed():
    return world()


@pytest.fixture(scope="module")
def served(replayed):
    """Half the rows lost their feature's sign."""
    return replayed.assign(x=np.where(replayed["k"] % 2, -replayed["x"], replayed["x"]))


def test_metrics_are_those_of_the_same_rows(replayed, served):
    """Before and after equal scikit-learn's on the two sides, and delta is their difference."""
    found = sk.impact(sk.compare(replayed, served, replayed, model=logistic, **ROLES))
    for metric, of in {"auc": roc_auc_score, "average_precision": average_precision_score}.items():
        cost = found.get(metric)
        assert cost.before == pytest.approx(of(replayed["y"], logistic(replayed)))
        assert cost.after == pytest.approx(of(served["y"], logistic(served)))
        assert cost.delta == pytest.approx(cost.after - cost.before) and cost.low < cost.delta < cost.high < 0


@pytest.mark.parametrize("given", [None, 0.3])
def test_decisions_are_those_of_scikit_learn_at_the_threshold(replayed, served, given, tmp_path):
    """At 0.5, or where the policy says: accuracy, precision and recall of a model of probabilities, on both sides."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"scores: {{threshold: {'null' if given is None else given}}}")
    case = sk.compare(replayed, served, replayed, model=logistic, **ROLES)
    found = sk.impact(case, sk.read_policy(str(policy)))
    for metric, of in {"accuracy": accuracy_score, "precision": precision_score, "recall": recall_score}.items():
        cost = found.get(metric)
        for value, table in ((cost.before, replayed), (cost.after, served)):
            assert value == pytest.approx(of(table["y"], logistic(table) >= (given or 0.5)))
    changed = (logistic(replayed) >= (given or 0.5)) != (logistic(served) >= (given or 0.5))
    assert found.get("flips").after == pytest.approx(changed.mean())


def test_the_riskiest_share_is_in_the_name(replayed, served, tmp_path):
    """Of margins there is no other rule; its threshold is where the riskiest tenth before began, or each side's own begins."""
    margins = [t.assign(m=t["x"] * 4) for t in (replayed, served)]
    roles = {**ROLES, "prediction": "m"}
    found = sk.impact(sk.compare(margins[0], margins[1], margins[0], **roles))
    names = {c.metric for c in found if c.change == "skew"}
    assert not names & {"accuracy", "precision", "recall", "flips"}
    begin = np.quantile(margins[0]["m"], 0.9)
    (tn, fp), (fn, tp) = confusion_matrix(margins[1]["y"], margins[1]["m"] >= begin)
    assert found.get("accuracy@10%").after == pytest.approx((tp + tn) / len(replayed))
    assert found.get("precision@10%-fixed").after == pytest.approx(tp / (tp + fp))
    assert found.get("recall@10%-fixed").after == pytest.approx(tp / (tp + fn))
    own = margins[1].nlargest(600, "m")
    assert found.get("precision@10%").after == pytest.approx(own["y"].mean())
    assert found.get("recall@10%").after == pytest.approx(own["y"].sum() / served["y"].sum())
    (tmp_path / "p.yaml").write_text("scores: {top: 0.05}")
    some = sk.impact(sk.compare(margins[0], margins[1], margins[0], **roles), sk.read_policy(str(tmp_path / "p.yaml")))
    assert {"precision@5%", "accuracy@5%", "flips@5%"} <= {c.metric for c in some}


def test_a_model_that_says_yes_to_nobody_has_no_precision(replayed):
    """No decision is right or wrong there: null, and every other metric beside it."""
    low = replayed.assign(p=logistic(replayed) / 3)
    found = sk.impact(sk.compare(low, low, low, prediction="p", **ROLES))
    assert found.get("precision").before is found.get("precision").delta is None
    assert found.get("recall").before == 0 and found.get("accuracy").delta == 0


def test_identical_tables_cost_exactly_nothing(replayed):
    """Clean control: every change and every interval is zero, not nearly."""
    found = sk.impact(sk.compare(replayed, replayed, replayed, model=logistic, **ROLES))
    skew = [c for c in found if c.change == "skew"]
    assert skew and all(c.delta == c.low == c.high == 0 for c in skew)


def test_rows_in_another_order_cost_the_same(replayed, served):
    """Pairs are made by key: shuffling the log changes no figure."""
    straight = sk.impact(sk.compare(replayed, served, replayed, model=logistic, **ROLES))
    shuffled = sk.impact(sk.compare(replayed, served.sample(frac=1, random_state=1), replayed, model=logistic, **ROLES))
    assert [c.delta for c in straight] == pytest.approx([c.delta for c in shuffled])


def test_logged_predictions_do_as_well_as_a_model(replayed, served):
    """With the scores logged on both sides, no model is needed, and the figures are the same."""
    logged = [t.assign(p=logistic(t)) for t in (replayed, served)]
    by_log = sk.impact(sk.compare(replayed, logged[1], logged[0], prediction="p", **ROLES))
    by_model = sk.impact(sk.compare(replayed, served, replayed, model=logistic, **ROLES))
    assert by_log.get("auc") == by_model.get("auc")


def test_segments_are_measured_on_their_own_rows(replayed, served):
    """Each region's figure is that of its rows alone."""
    found = sk.impact(sk.compare(replayed, served, replayed, model=logistic, **ROLES))
    north = served[served["region"] == "north"]
    assert found.get("auc", segment="region=north").after == pytest.approx(roc_auc_score(north["y"], logistic(north)))
    assert found.get("auc", segment="region=north").n == len(north)


def test_without_labels_predictions_still_move(replayed, served):
    """Moved and flipped predictions are known at once; the score waits for labels and says so."""
    case = sk.compare(replayed, served.drop(columns="y"), replayed.drop(columns="y"), model=logistic, **ROLES)
    found = sk.impact(case)
    assert {c.metric for c in found if c.change == "skew"} == {"moved", "flips", "flips@10%"}
    assert [a.reason for a in found.absent] == ["the score waits for labels"]
    assert found.get("moved").after == pytest.approx(0.5, abs=0.03)


def test_rows_whose_label_has_not_come_count_for_no_score(replayed, served):
    """Null labels are left out on both sides alike."""
    late = [t.assign(y=t["y"].where(t["k"] >= 1_000)) for t in (replayed, served)]
    found = sk.impact(sk.compare(late[0], late[1], late[0], model=logistic, **ROLES))
    rest = served[served["k"] >= 1_000]
    assert found.get("auc").n == len(rest) and found.get("auc").after == pytest.approx(
        roc_auc_score(rest["y"], logistic(rest))
    )


def test_without_a_way_to_score_it_says_what_to_give(replayed, served):
    """No model and no logged scores: no figure is made up."""
    found = sk.impact(sk.compare(replayed, served, replayed, **ROLES))
    assert list(found) == [] and "prediction" in found.absent[0].give and "model" in found.absent[0].give


def test_moved_and_flips_by_hand():
    """Of four predictions one moved by 4 percent, one by 6, one across the threshold; tiny ones count from the floor."""
    before = pd.DataFrame({"k": range(4), "p": [0.50, 0.50, 0.0001, 0.89]})
    after = before.assign(p=[0.52, 0.53, 0.0002, 0.95])
    found = sk.impact(sk.compare(before, after, before, key="k", prediction="p", features=["p"]), draws=5)
    assert found.get("moved").after == 0.5  # 0.53, and 0.95 against 0.89 (6.7 percent)


def test_money_by_hand(replayed, tmp_path):
    """A false positive costs 2, a false negative its amount: the mean over requests at the threshold 0.5."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("scores: {threshold: 0.5}")
    before = replayed.assign(amount=10.0, p=logistic(replayed))
    after = before.assign(p=1 - before["p"])
    cost = {"false_positive": 2, "false_negative": 1, "amount": "amount"}
    case = sk.compare(before, after, before, prediction="p", cost=cost, **ROLES)
    found = sk.impact(case, sk.read_policy(str(policy))).get("money_per_request")
    said = after["p"] >= 0.5
    by_hand = (2 * (said & (after["y"] == 0)) + 10 * (~said & (after["y"] == 1))).mean()
    assert found.after == pytest.approx(by_hand) and found.delta > 0


def test_regression_has_errors_bias_and_quantile_loss(replayed):
    """Served ten too high: the bias is ten, the mean absolute error follows."""
    truth = replayed.assign(y=replayed["x"] * 3)
    logged = truth.assign(p=truth["y"])
    served = logged.assign(p=logged["p"] + 10)
    found = sk.impact(sk.compare(truth, served, logged, prediction="p", task="regression", **ROLES))
    assert found.get("bias").delta == pytest.approx(10) and found.get("mae").delta == pytest.approx(10)
    assert found.get("quantile_loss").after == pytest.approx(1.0)  # too high costs (1 - 0.9) a unit


def test_multiclass_has_the_macro_forms(replayed):
    """Predicted classes alone give accuracy and macro precision and recall; probabilities add AUC and log loss."""
    truth = replayed.assign(y=np.array(["a", "b", "c"])[replayed["k"] % 3])
    right = truth.assign(p=truth["y"])
    wrong = right.assign(p=np.where(right["k"] % 2, "a", right["p"]))
    roles = {**ROLES, "task": "multiclass"}
    found = sk.impact(sk.compare(truth, wrong, right, prediction="p", **roles))
    assert found.get("accuracy").before == 1.0
    assert found.get("accuracy").after == pytest.approx((wrong["p"] == truth["y"]).mean())
    assert found.get("recall_macro").after == pytest.approx(np.mean([1.0, 0.5, 0.5]), abs=0.01)
    assert found.get("auc_macro") is None

    def scores(features):
        p = np.clip(np.abs(features["x"].to_numpy()) / 4, 0.01, 0.9)
        return pd.DataFrame({"a": p, "b": (1 - p) / 2, "c": (1 - p) / 2})

    ranked = sk.impact(sk.compare(truth, truth.assign(x=-0.5), truth, model=scores, **roles))
    assert ranked.get("auc_macro").after == pytest.approx(0.5) and ranked.get("log_loss").after > 0


def test_the_offline_score_does_not_move(replayed, served):
    """Measured on training's own labels and predictions: the same whatever was served."""
    training = replayed.assign(p=logistic(replayed))
    levels = []
    for log in (replayed, served):
        case = sk.compare(training, log.assign(p=logistic(log)), training, prediction="p", **ROLES)
        levels.append(sk.impact(case).get("auc", change="offline"))
    assert levels[0] == levels[1] and levels[0].after is None
    assert levels[0].before == pytest.approx(roc_auc_score(training["y"], training["p"]))


def test_intervals_resample_entities_where_they_are_given(replayed):
    """Twenty accounts that fail together leave far more doubt than six thousand independent rows."""
    rows = replayed.assign(who=replayed["k"] % 20)
    served = rows.assign(x=np.where(rows["who"] < 5, -rows["x"], rows["x"]))
    wide, narrow = (
        sk.impact(sk.compare(rows, served, rows, model=logistic, entity=e, **{**ROLES, "time": None})).get("auc")
        for e in ("who", None)
    )
    assert wide.delta == narrow.delta and (wide.high - wide.low) > 3 * (narrow.high - narrow.low)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """Over sixty worlds, the interval of the change misses the change in a very large world a few times."""

    def skewed(frame):
        return frame.assign(x=np.where(frame["k"] % 4 == 0, -frame["x"], frame["x"]))

    large = world(400_000, seed=99)
    truth = roc_auc_score(large["y"], logistic(skewed(large))) - roc_auc_score(large["y"], logistic(large))
    missed = 0
    for seed in range(60):
        frame = world(1_500, seed=seed)
        cost = sk.impact(
            sk.compare(frame, skewed(frame), frame, model=logistic, key="k", label="y", features=["x"])
        ).get("auc")
        missed += not cost.low <= truth <= cost.high
    assert missed <= 9  # 3 expected; 10 or more has a chance below 1 in 1,000


def test_a_label_that_is_no_label_is_refused(replayed):
    """Text and other numbers than 0 and 1 are errors that name the column and the remedy."""
    for labels, said in ((replayed["region"], "number"), (replayed["k"], "task")):
        bad = replayed.assign(y=labels)
        with pytest.raises(SkewkitError, match=said):
            sk.impact(sk.compare(bad, bad, bad, model=logistic, **ROLES))


def test_a_model_of_the_wrong_length_is_refused_and_cannot_spoil_the_table(replayed):
    """One score a row; and what a model does to its input stays with it."""

    def spoils(features):
        features["x"] = 0.0
        return np.zeros(len(features))

    case = sk.compare(replayed, replayed, replayed, model=spoils, **ROLES)
    sk.impact(case)
    assert case.served.column("x").std() > 0.5
    with pytest.raises(SkewkitError, match="one a row"):
        sk.impact(sk.compare(replayed, replayed, replayed, model=lambda f: np.zeros(3), **ROLES))


@pytest.mark.parametrize("column", [lambda x: x.astype(str) + " kg", lambda x: x.where(x > 0)])
def test_a_model_that_fails_does_not_hide_what_the_checks_found(replayed, column):
    """The served column became text, or lost values: the fault is found, and the impact says why it was not measured."""

    def strict(features):
        return 1 / (1 + np.exp(-features["x"].to_numpy(float)))

    served = replayed.assign(x=column(replayed["x"]))
    result = sk.examine(sk.compare(replayed, served, replayed, model=strict, **ROLES))
    assert result.verdict == "breach" and list(result.impact) == []
    assert any(n.step == "impact" and "the model" in n.reason for n in result.not_run)


def test_scores_that_stop_being_probabilities_can_still_rank(replayed):
    """Served as percent: no log loss on that side, so none is compared; the ranking is what it was."""
    logged = replayed.assign(p=logistic(replayed))
    found = sk.impact(sk.compare(logged, logged.assign(p=logged["p"] * 100), logged, prediction="p", **ROLES))
    assert found.get("log_loss") is None and found.get("auc").delta == 0 and found.get("moved").after == 1


def test_a_change_of_nothing_needs_no_number_of_requests():
    """Two draws may both lie on one side of a change of exactly 0: no number of requests shows it, and none is told."""
    told = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        before = pd.DataFrame({"k": range(8), "y": rng.integers(0, 2, 8).astype(float), "p": rng.random(8).round(1)})
        after = before.assign(p=rng.permutation(before["p"]))
        case = sk.compare(before, after, before, key="k", label="y", prediction="p", features=["p"])
        sure = [c for c in sk.impact(case, draws=2) if c.change == "skew" and c.low is not None and c.low * c.high > 0]
        assert all((c.needs is None) == (c.delta == 0) for c in sure)
        told |= {c.delta == 0 for c in sure}
    assert told == {True, False}


# -- a loss has a verdict


def judged(replayed, served, policy=None, **roles):
    """The verdict of a run, and its findings of impact by metric."""
    result = sk.examine(sk.compare(replayed, served, replayed, **{**ROLES, "segments": [], **roles}), policy, draws=100)
    return result.verdict, {f.statistic: f for f in result.findings if f.check == "impact"}


@pytest.fixture(scope="module")
def logged(replayed):
    return replayed.assign(p=logistic(replayed))


def test_equal_features_and_other_predictions_are_a_breach(logged):
    """A score turned round, and one that belongs to other rows: the fall is the metric's, and its page is there."""
    for other in (1 - logged["p"], np.random.default_rng(0).permutation(logged["p"])):
        verdict, found = judged(logged, logged.assign(p=other), prediction="p")
        fell = roc_auc_score(logged["y"], logged["p"]) - roc_auc_score(logged["y"], other)
        assert verdict == "breach" and str(found["auc"].verdict) == "breach"
        assert found["auc"].value == pytest.approx(fell) and found["auc"].low > found["auc"].threshold
        assert found["auc"].runbook == "runbooks/impact.md" and found["auc"].change == "skew"


def test_a_loss_is_logged_once_as_the_change_that_it_is(logged):
    """As MLflow is given it: the fall of the AUC is below 0, finding or not, and the finding is counted."""
    turned = logged.assign(p=1 - logged["p"])
    case = sk.compare(logged, turned, logged, prediction="p", **ROLES)
    result = sk.examine(case, draws=20)
    told = numbers_of({"findings": as_rows(result.findings), "impact": as_rows(result.impact)})
    assert told["impact.auc"] == result.impact.get("auc").delta < 0 and told["findings.breach"] >= 2


def test_what_is_within_the_limit_or_beyond_it_the_other_way_is_no_finding(logged):
    """The same scores, ranks that hold, and a model that does better as served."""
    for served in (logged, logged.assign(p=logged["p"] * 0.999)):
        assert judged(logged, served, prediction="p")[1] == {}
    assert judged(logged.assign(p=1 - logged["p"]), logged, prediction="p")[1] == {}


def test_drift_and_the_offline_score_make_no_finding(logged):
    """The world turned round between training and serving: both sides of the replay score alike."""
    training, world_ = logged, logged.assign(y=1 - logged["y"])
    result = sk.examine(sk.compare(training, world_, world_, prediction="p", **ROLES), draws=100)
    assert result.impact.get("auc", "offline") and not any(f.check == "impact" for f in result.findings)


def test_the_policy_says_how_much_may_be_lost(logged, tmp_path):
    """Null, or more than is lost: no finding; accepted until a day: shown, and decides nothing."""
    turned = logged.assign(p=1 - logged["p"])

    def found(text):
        (tmp_path / "p.yaml").write_text(text)
        return judged(logged, turned, sk.read_policy(str(tmp_path / "p.yaml")), prediction="p")[1]

    assert found("limits: {impact.auc: null, impact.accuracy: null}") == {}
    assert found("limits: {impact.auc: {tolerated: 1, material: 1}}").keys() == {"accuracy"}
    by = "until: 2999-01-01, reason: r, owner: Ana"
    some = found(f"accepted: [{{check: impact, statistic: auc, {by}}}, {{check: impact, statistic: accuracy, {by}}}]")
    assert some["auc"].accepted and some["accuracy"].accepted
    assert "precision" in found("limits: {impact.precision: {tolerated: 0.01, material: 0.05}}")


def test_an_error_rises_as_a_share_of_what_it_was(replayed):
    """Of a regression: half as much again is 0.5, whatever the unit."""
    rng = np.random.default_rng(1)
    off = rng.normal(size=len(replayed))
    for unit in (1, 1_000):
        truth = replayed.assign(y=replayed["x"] * unit)
        before = truth.assign(p=truth["y"] + off * unit)
        after = truth.assign(p=truth["y"] + 1.5 * off * unit)
        verdict, found = judged(before, after, prediction="p", task="regression")
        assert verdict == "breach" and found["mae"].value == pytest.approx(0.5)


def test_a_model_of_classes_loses_accuracy(replayed):
    """Predicted classes alone have no AUC."""
    truth = replayed.assign(y=np.array(["a", "b", "c"])[replayed["k"] % 3])
    right = truth.assign(p=truth["y"])
    wrong = right.assign(p=np.where(right["k"] % 2, "a", right["p"]))
    assert judged(right, wrong, prediction="p", task="multiclass")[1].keys() == {"accuracy"}


def test_scores_that_are_no_probabilities_are_judged_by_the_rule_that_there_is(replayed):
    """Margins have accuracy at the riskiest share alone, and its name says so."""
    margins = replayed.assign(p=replayed["x"] * 4)
    turned = margins.assign(p=-margins["p"])
    assert judged(margins, turned, prediction="p")[1].keys() == {"auc", "accuracy@10%"}
