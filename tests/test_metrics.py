"""Metrics against scikit-learn, hand counts, and rows resampled for real."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from skewkit.statistics.metrics import Measured, Reading, Scored, Sort, headline, interval, named, thresholds

LAW = settings(max_examples=50, deadline=None, derandomize=True)
READING = Reading(thresholds=(("", 0.5),), top=0.1, moved=0.1, floor=0.01, quantile=0.8, false_positive=2.0)
ROWS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1), st.integers(0, 3)), min_size=2, max_size=40)


def measured(scores, labels, task="binary", clusters=None, weights=None, base=None, price=None):
    """The metrics of one side, each with its replicates; every row is its own cluster unless told."""
    clusters = np.arange(len(scores)) if clusters is None else clusters
    side = Scored(scores, labels, clusters, price)
    weights = side.draws(20, 0) if weights is None else weights
    return Measured(side, side if base is None else Scored(base, labels, clusters, price), weights, READING).metrics(
        task
    )


def values(*args, **kwargs):
    """The metrics' values alone."""
    return {name: value for name, (value, _) in measured(*args, **kwargs).items()}


def binary(n=200, seed=0):
    """Scores with ties, and labels that follow them."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.uniform(0.02, 0.98, n), 1 if seed % 2 else 3)
    return scores, (rng.random(n) < scores).astype(float)


def classes(n=300, seed=0):
    """Probabilities of three classes, and labels that follow them."""
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet([2, 1, 1], n)
    return scores, np.array([rng.choice(3, p=p) for p in scores])


@LAW
@given(ROWS)
def test_ranking_equals_sklearn_under_weights(rows):
    """AUC and average precision equal scikit-learn's for any whole weights, with ties and weights of 0."""
    scores, labels, weights = np.array(rows, float).T
    assume(0 < (weights * labels).sum() < weights.sum())
    auc, average, *_ = Sort(scores, labels).metrics(weights, 0.1)
    assert auc == pytest.approx(sk.roc_auc_score(labels, scores, sample_weight=weights), abs=1e-12)
    assert average == pytest.approx(sk.average_precision_score(labels, scores, sample_weight=weights), abs=1e-12)


def test_ranking_one_class_is_null():
    """Where a class has no weight, no ranking metric has a value."""
    assert np.isnan(Sort(np.array([0.1, 0.2, 0.3]), np.array([0, 1, 1])).metrics(np.array([0, 2, 1]), 0.1)).all()


def test_riskiest_tenth_by_hand():
    """Of 20 rows the riskiest 2 hold one of the 4 positives: precision 1/2, recall 1/4."""
    labels = np.zeros(20)
    labels[[0, 10, 11, 18]] = 1
    found = values(np.arange(20) / 20, labels)
    assert (found["precision@10%"], found["recall@10%"]) == pytest.approx((1 / 2, 1 / 4))


def test_riskiest_tenth_shares_a_tie():
    """One row and a third of three tied rows, of which two are positive, are the top 2 of 20."""
    scores, labels = np.zeros(20), np.zeros(20)
    scores[[0, 1, 2, 3]] = [0.9, 0.8, 0.8, 0.8]
    labels[[0, 1, 2, 9]] = 1
    found = values(scores, labels)
    assert (found["precision@10%"], found["recall@10%"]) == pytest.approx(((1 + 2 / 3) / 2, (1 + 2 / 3) / 4))


@pytest.mark.parametrize("seed", range(4))
def test_probabilities_equal_sklearn(seed):
    """Log loss and Brier score equal scikit-learn's."""
    scores, labels = binary(seed=seed)
    found = values(scores, labels)
    assert found["log_loss"] == pytest.approx(sk.log_loss(labels, scores), abs=1e-12)
    assert found["brier"] == pytest.approx(sk.brier_score_loss(labels, scores), abs=1e-12)


def test_certain_and_wrong_costs_a_finite_log_loss():
    """A probability of exactly 0 for what happened costs much and not everything."""
    assert 10 < values(np.array([0.0, 0.5]), np.array([1.0, 0.0]))["log_loss"] < 50


def test_scores_that_are_no_probabilities_only_rank():
    """A margin has an AUC and no log loss, Brier score or calibration error."""
    found = values(np.array([-3.0, 2.0, 5.0]), np.array([0.0, 0.0, 1.0]))
    assert found["auc"] == 1 and not {"log_loss", "brier", "calibration_error"} & found.keys()


def test_calibration_error_by_hand():
    """Five rows said 0.1 and one came true, five said 0.9 and four did: (|1 - 0.5| + |4 - 4.5|) / 10."""
    scores, labels = np.repeat([0.1, 0.9], 5), np.array([1, 0, 0, 0, 0, 1, 1, 1, 1, 0.0])
    assert values(scores, labels)["calibration_error"] == pytest.approx(0.1)


def test_calibration_error_does_not_cancel_across_bins():
    """Scores too high in one bin and too low in another are off in both."""
    assert values(np.repeat([0.4, 0.6], 50), np.repeat([0.0, 1.0], 50))["calibration_error"] == pytest.approx(0.4)


def test_decisions_and_money_by_hand():
    """A false alarm costs 2 and a miss its row's price; a score at the threshold is an alarm."""
    scores, price = np.array([0.9, 0.8, 0.5, 0.4, 0.1]), np.array([10.0, 15, 20, 30, 40])
    found = values(scores, np.array([1.0, 1, 0, 1, 0]), price=price, base=np.array([0.9, 0.8, 0.4, 0.6, 0.1]))
    assert found["money_per_request"] == pytest.approx((2 + 30) / 5)
    assert (found["flips"], found["moved"]) == (2 / 5, 2 / 5)


@pytest.mark.parametrize("seed", range(3))
def test_regression_equals_sklearn(seed):
    """Mean absolute error and quantile loss equal scikit-learn's, and bias is said less so."""
    rng = np.random.default_rng(seed)
    labels, scores = rng.normal(size=(2, 100))
    found = values(scores, labels, "regression")
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(labels, scores), abs=1e-12)
    assert found["quantile_loss"] == pytest.approx(sk.mean_pinball_loss(labels, scores, alpha=0.8), abs=1e-12)
    assert found["bias"] == pytest.approx((scores - labels).mean(), abs=1e-12)


def test_decisions_of_probabilities_are_at_half_or_as_given_and_others_are_named():
    """Of what is no probability there is no decision without a threshold; what its riskiest share reaches is called so."""
    scores = np.arange(1, 101) / 101
    assert dict(thresholds(scores, None, 0.1)) == {"": 0.5, "@10%": np.quantile(scores, 0.9)}
    assert dict(thresholds(scores, 0.3, 0.05)) == {"": 0.3, "@5%": np.quantile(scores, 0.95)}
    assert dict(thresholds(scores * 7 - 3, None, 0.1)) == {"@10%": np.quantile(scores * 7 - 3, 0.9)}
    assert dict(thresholds(scores * 7 - 3, 1.0, 0.1))[""] == 1.0


def test_a_headline_is_each_metric_by_whatever_share_it_was_measured():
    """The rule in its name, and neither an end of an interval nor what keeps the threshold of before."""
    some = [
        "moved",
        "accuracy",
        "accuracy@5%",
        "accuracy@5%_low",
        "precision",
        "precision@5%-fixed",
        "precision@5%",
        "auc",
    ]
    assert headline(some) == ["auc", "precision@5%", "accuracy@5%", "moved"]
    assert headline(["accuracy", "recall_macro", "moved"]) == ["accuracy", "moved"]
    assert [named(m) for m in some[4:7]] == ["precision", "precision@5%, threshold as before", "precision@5%"]


def test_moved_is_relative_with_a_floor():
    """A score moved if it is off by over a tenth of what it was, or of the floor where it was smaller."""
    was, now = np.array([1.0, 1.0, 0.0, 0.0]), np.array([1.09, 1.11, 0.0009, 0.0011])
    assert values(now, None, "regression", base=was) == {"moved": 0.5}


@pytest.mark.parametrize("seed", range(3))
def test_multiclass_equals_sklearn(seed):
    """Accuracy, macro precision, recall and AUC, and log loss equal scikit-learn's."""
    scores, labels = classes(seed=seed)
    found, said = values(scores, labels, "multiclass"), scores.argmax(1)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, said))
    assert found["precision_macro"] == pytest.approx(sk.precision_score(labels, said, average="macro"), abs=1e-12)
    assert found["recall_macro"] == pytest.approx(sk.recall_score(labels, said, average="macro"), abs=1e-12)
    assert found["auc_macro"] == pytest.approx(sk.roc_auc_score(labels, scores, multi_class="ovr"), abs=1e-12)
    assert found["log_loss"] == pytest.approx(sk.log_loss(labels, scores), abs=1e-12)


def test_a_class_nobody_predicted_has_precision_zero():
    """The macro precision counts a class that is never predicted as 0, as scikit-learn does."""
    scores, labels = np.eye(3)[[0, 0, 1, 1]], np.array([0, 0, 1, 2])
    found = values(scores, labels, "multiclass")
    assert found["precision_macro"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert "auc_macro" not in found  # predicted classes alone cannot rank


def test_a_class_without_a_label_is_no_class():
    """The macro metrics are means over the classes that some row has."""
    scores, labels = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.5, 0.4, 0.1]]), np.array([0, 1, 1])
    found = values(scores, labels, "multiclass")
    assert found["recall_macro"] == pytest.approx((1 + 1 / 2) / 2)
    assert found["precision_macro"] == pytest.approx((1 / 2 + 1) / 2)
    assert found["auc_macro"] == 1


def test_multiclass_apart_by_hand():
    """Half the sum of absolute changes counts as movement, and another likeliest class as a flip."""
    was, now = np.array([[0.8, 0.2], [0.55, 0.45]]), np.array([[0.75, 0.25], [0.4, 0.6]])
    assert values(now, None, "multiclass", base=was) == {"moved": 0.5, "flips": 0.5}


@pytest.mark.parametrize("seed", range(4))
def test_a_replicate_is_the_metric_of_resampled_rows(seed):
    """Reweighting clusters gives what computing anew on the rows drawn gives."""
    scores, labels = binary(150, seed)
    clusters, price = np.random.default_rng(seed).integers(0, 25, 150), np.arange(150.0)
    clusters = np.unique(clusters, return_inverse=True)[1]
    weights = Scored(scores, labels, clusters).draws(10, seed)
    drawn = measured(scores, labels, clusters=clusters, weights=weights, price=price, base=scores[::-1])
    for i, w in enumerate(weights):
        rows = np.repeat(np.arange(150), w[clusters].astype(int))
        y, p = labels[rows], scores[rows]
        again = values(p, y, price=price[rows], base=scores[::-1][rows])
        for name in again.keys() - {"calibration_error"}:  # its bins stay those of the full side
            assert drawn[name][1][i] == pytest.approx(again[name], abs=1e-12), name
        assert drawn["auc"][1][i] == pytest.approx(sk.roc_auc_score(y, p), abs=1e-12)
        assert drawn["brier"][1][i] == pytest.approx(sk.brier_score_loss(y, p), abs=1e-12)


def test_a_replicate_of_calibration_keeps_the_bins():
    """A replicate of the calibration error reweights the rows within the bins of the full side."""
    scores, labels = np.repeat([0.1, 0.9], 5), np.array([1, 0, 0, 0, 0, 1, 1, 1, 1, 0.0])
    weights = np.array([[2.0, 0, 2, 2, 0, 1, 1, 1, 1, 0]])
    _, drawn = measured(scores, labels, weights=weights)["calibration_error"]
    assert drawn == pytest.approx([(abs(2 - 0.6) + abs(4 - 3.6)) / 10])


@pytest.mark.parametrize("seed", range(2))
def test_a_multiclass_replicate_is_the_metric_of_resampled_rows(seed):
    """Macro metrics of a replicate equal those of the rows drawn, where every class was drawn."""
    scores, labels = classes(120, seed)
    weights = Scored(scores, labels, np.arange(120)).draws(10, seed)
    drawn = measured(scores, labels, "multiclass", weights=weights)
    for i, w in enumerate(weights):
        rows = np.repeat(np.arange(120), w.astype(int))
        for name, value in values(scores[rows], labels[rows], "multiclass").items():
            assert drawn[name][1][i] == pytest.approx(value, abs=1e-12), name


def test_a_perfect_model_is_perfect_in_every_replicate():
    """A class that a replicate does not draw says nothing about recall or AUC."""
    labels = np.array([0] * 20 + [1] * 20 + [2])
    scores = np.eye(3)[labels] * 0.7 + 0.1
    found = measured(scores, labels, "multiclass")
    assert found["recall_macro"][1].min() == 1
    assert found["auc_macro"][1].min() == 1


def test_a_replicate_of_one_class_has_no_macro_auc():
    """Where only one class was drawn, nothing can be ranked: the macro AUC is null, as the AUC of two classes is."""
    scores, labels = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.1, 0.9]]), np.array([0, 0, 1, 1])
    weights = np.array([[1.0, 1, 1, 1], [2, 2, 0, 0]])
    _, drawn = measured(scores, labels, "multiclass", weights=weights)["auc_macro"]
    np.testing.assert_array_equal(drawn, [1, np.nan])


def test_draws_are_clusters_with_replacement():
    """Every replicate draws as many clusters as there are, the same for the same seed, and not each once."""
    side = Scored(np.zeros(90), None, np.repeat(np.arange(30), 3))
    weights = side.draws(200, 4)
    assert weights.shape == (200, 30) and (weights.sum(1) == 30).all()
    assert (weights == side.draws(200, 4)).all() and (weights != side.draws(200, 5)).any()
    assert (weights == 0).mean() == pytest.approx((1 - 1 / 30) ** 30, abs=0.02)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_identical_sides_differ_by_exactly_nothing(task):
    """Under common draws a side less itself is 0 in every replicate, and less another side it is not."""
    scores, labels = classes() if task == "multiclass" else binary(300)
    other = np.roll(scores, 1, axis=0)
    weights = Scored(scores, labels, np.arange(300)).draws(50, 0)
    was, again, now = (measured(s, labels, task, weights=weights, base=scores) for s in (scores, scores.copy(), other))
    for name in was:
        assert interval(again[name][1] - was[name][1]) == (0.0, 0.0)
        if name != "bias":
            assert interval(now[name][1] - was[name][1]) != (0.0, 0.0)


def test_clusters_of_identical_rows_widen_intervals():
    """Fifty copies of 20 rows know as little as 20 rows: the interval is about sqrt(50) times as wide."""
    rng = np.random.default_rng(3)
    labels, scores = np.repeat(rng.normal(size=20), 50), np.zeros(1000)
    widths = []
    for clusters in (np.repeat(np.arange(20), 50), np.arange(1000)):
        weights = Scored(scores, labels, clusters).draws(400, 0)
        low, high = interval(measured(scores, labels, "regression", clusters=clusters, weights=weights)["bias"][1])
        widths.append(high - low)
    assert widths[0] == pytest.approx(np.sqrt(50) * widths[1], rel=0.25)


def test_where_keeps_rows_together():
    """A part of the rows keeps scores, labels and prices row by row, and numbers its clusters from 0."""
    side = Scored(np.arange(4.0), np.arange(4), np.array([0, 5, 5, 7]), np.arange(4) * 10.0)
    part = side.where(np.array([False, True, True, True]))
    assert part.scores.tolist() == part.labels.tolist() == [1, 2, 3]
    assert part.price.tolist() == [10, 20, 30] and part.clusters.tolist() == [0, 0, 1]


def test_interval_is_the_middle_95_percent():
    """The interval runs from the 2.5th to the 97.5th percentile, past nulls, and is none where most are null."""
    drawn = np.arange(1001.0)
    assert interval(drawn) == pytest.approx((25, 975))
    assert interval(np.r_[drawn, [np.nan] * 10]) == pytest.approx((25, 975))
    assert interval(np.array([1.0, 1.0, np.nan, np.nan])) == (1, 1)
    assert interval(np.array([1.0, 1.0, np.nan, np.nan, np.nan])) == (None, None)
