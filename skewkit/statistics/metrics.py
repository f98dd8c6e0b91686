"""Metrics of a model's scores, each with bootstrap replicates. Imports nothing else of skewkit.

A replicate resamples whole clusters (entities, days, or rows) with replacement. That only reweights the rows, so the
scores are sorted once; sums over rows are kept a cluster and reweighted by one product.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

BINS = 10  # of the calibration error
TINY = 1e-15  # probabilities are kept this far from 0 and 1 in the log loss, as scikit-learn once did

NAMES = {
    "auc": "AUC",
    "average_precision": "average precision",
    "precision": "precision",
    "recall": "recall",
    "log_loss": "log loss",
    "brier": "Brier score",
    "calibration_error": "calibration error",
    "money_per_request": "cost per request",
    "moved": "predictions that moved",
    "flips": "decisions that flipped",
    "mae": "mean absolute error",
    "bias": "bias",
    "quantile_loss": "quantile loss",
    "accuracy": "accuracy",
    "precision_macro": "precision (macro)",
    "recall_macro": "recall (macro)",
    "auc_macro": "AUC (macro)",
}
# what a drill's table shows, where it was measured: of each line the first; with an @ at whatever share it was measured
HEADLINE = (("auc",), ("precision@",), ("mae",), ("accuracy@", "accuracy"), ("moved",))
# what a model loses: by how much one of the first fell, or one of the second rose, as a share of what it was
FALLS = ("auc", "average_precision", "accuracy", "precision", "recall", "auc_macro", "precision_macro", "recall_macro")
RISES = ("log_loss", "brier", "calibration_error", "money_per_request", "mae", "quantile_loss")
HALF = 0.5  # the decision on a probability, where nobody gave another threshold
FIXED = "-fixed"  # of the metrics of a share, at the threshold that it reached before: a score that rises flags more

Estimate = tuple[float, np.ndarray]  # the value, and one value a replicate, shape (draws,)


def at(share: float) -> str:
    """How a metric of the riskiest share of requests is called, behind its name: @10%."""
    return f"@{100 * share:g}%"


def stem(metric: str) -> str:
    """A metric's or statistic's name without its rule of decisions."""
    return metric.partition("@")[0]


def named(metric: str) -> str:
    """A metric in words, with its rule of decisions: precision@10%."""
    name, rule = NAMES.get(stem(metric), stem(metric)), metric[len(stem(metric)) :]
    return name + rule.replace(FIXED, ", threshold as before")


def headline(metrics: Iterable[str]) -> list[str]:
    """Those of the metrics that a drill's table shows, in its order."""
    metrics = list(metrics)
    found = ([m for w in either for m in metrics if _is(m, w)] for either in HEADLINE)
    return [some[0] for some in found if some]


def _is(metric, wanted):
    return metric == wanted or (wanted.endswith("@") and re.fullmatch(re.escape(wanted) + r"[\d.e+-]+%", metric))


def thresholds(scores: np.ndarray, given: float | None, top: float) -> tuple[tuple[str, float], ...]:
    """From which score on a decision is yes, by each rule, behind whose name its metrics are called.

    The one that was given, or 0.5 of probabilities, has no name; of any score, what its riskiest share reaches has.
    """
    plain = given if given is not None else HALF if ((scores >= 0) & (scores <= 1)).all() else None
    share = (at(top), float(np.quantile(scores, 1 - top)))
    return (share,) if plain is None else (("", float(plain)), share)


@dataclass(frozen=True)
class Scored:
    """Rows that a model scored.

    ``scores`` has shape (n,), or (n, classes) for multiclass; ``labels`` shape (n,), class numbers for multiclass, or
    None; ``clusters`` shape (n,), the number of each row's cluster; ``price`` shape (n,), what a false negative costs.
    """

    scores: np.ndarray
    labels: np.ndarray | None
    clusters: np.ndarray
    price: np.ndarray | None = None

    def __len__(self):
        return len(self.clusters)

    def where(self, rows: np.ndarray) -> Scored:
        scores, labels, price = (None if v is None else v[rows] for v in (self.scores, self.labels, self.price))
        return Scored(scores, labels, np.unique(self.clusters[rows], return_inverse=True)[1], price)

    def draws(self, number: int, seed: int) -> np.ndarray:
        """How often each replicate draws each cluster, shape (number, clusters)."""
        clusters = int(self.clusters.max()) + 1
        return np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), number).astype(float)


@dataclass(frozen=True)
class Reading:
    """How scores are read: decisions at `thresholds`, the riskiest ``top`` share, what counts as moved, and prices."""

    thresholds: tuple[tuple[str, float], ...]
    top: float
    moved: float
    floor: float
    quantile: float
    false_positive: float = 0.0


class Measured:
    """The metrics of one side, in the light of ``base``: the same rows as they were before."""

    def __init__(self, side: Scored, base: Scored, weights: np.ndarray, reading: Reading):
        self.side, self.base, self.weights, self.reading = side, base, weights, reading

    def metrics(self, task: str) -> dict[str, Estimate]:
        """Every metric of the task that these rows allow, by name."""
        if task == "multiclass":
            return {**(self._classes() if self.side.labels is not None else {}), **self._apart_classes()}
        if task == "regression":
            return {**(self._errors() if self.side.labels is not None else {}), "moved": self.mean(self._moved())}
        found = (
            {}
            if self.side.labels is None
            else self._ranked() | self._decisions() | self._probabilities() | self._money()
        )
        found["moved"] = self.mean(self._moved())
        for rule, threshold in self.reading.thresholds:
            found[f"flips{rule}"] = self.mean((self.side.scores >= threshold) != (self.base.scores >= threshold))
        return found

    def mean(self, rows: np.ndarray) -> Estimate:
        """The mean of a number a row."""
        return self.ratio(rows, np.ones(len(rows)))

    def ratio(self, above: np.ndarray, below: np.ndarray) -> Estimate:
        """One sum over rows by another."""
        a, b = self._drawn(above), self._drawn(below)
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(np.sum(above) / np.sum(below)), a / b

    def _drawn(self, rows):
        """A sum over rows in each replicate, shape (draws,)."""
        return self.weights @ np.bincount(self.side.clusters, rows, minlength=self.weights.shape[1])

    def _moved(self):
        was = self.base.scores
        return np.abs(self.side.scores - was) > self.reading.moved * np.maximum(np.abs(was), self.reading.floor)

    def _ranked(self):
        sort = Sort(self.side.scores, self.side.labels)
        value = sort.metrics(np.ones(len(self.side)), self.reading.top)
        clusters = self.side.clusters[sort.order]
        with ThreadPoolExecutor() as pool:  # each replicate is its own: as many threads as there are change no bit
            drawn = np.array(list(pool.map(lambda w: sort.ranked(w[clusters], self.reading.top), self.weights)))
        names = (*RANKED, f"precision{at(self.reading.top)}", f"recall{at(self.reading.top)}")
        return {name: (float(value[i]), drawn[:, i]) for i, name in enumerate(names)}

    def _decisions(self):
        """At thresholds that stay: a score that rises for everybody decides yes more often."""
        found, so = {}, self.side.labels > 0
        for rule, threshold in self.reading.thresholds:
            said, fixed = self.side.scores >= threshold, rule and rule + FIXED
            found[f"accuracy{rule}"] = self.mean(said == so)
            found[f"precision{fixed}"] = self.ratio(said & so, said)
            found[f"recall{fixed}"] = self.ratio(said & so, so)
        return found

    def _probabilities(self):
        y, p = self.side.labels, self.side.scores
        if ((p < 0) | (p > 1)).any():  # a score that is no probability can still rank
            return {}
        q = np.clip(p, TINY, 1 - TINY)
        return {
            "log_loss": self.mean(-(y * np.log(q) + (1 - y) * np.log(1 - q))),
            "brier": self.mean((p - y) ** 2),
            "calibration_error": self._calibration(),
        }

    def _calibration(self):
        """Expected calibration error over the deciles of this side's scores (Naeini et al., AAAI 2015)."""
        y, p = self.side.labels, self.side.scores
        bins = np.searchsorted(np.unique(np.quantile(p, np.arange(1, BINS) / BINS)), p, "right")
        apart = [np.where(bins == b, y - p, 0.0) for b in range(bins.max() + 1)]
        value = sum(abs(a.sum()) for a in apart) / len(p)
        return float(value), sum(np.abs(self._drawn(a)) for a in apart) / self._drawn(np.ones(len(p)))

    def _money(self):
        if self.side.price is None:
            return {}
        found, so = {}, self.side.labels > 0
        for rule, threshold in self.reading.thresholds:
            said = self.side.scores >= threshold
            wrong = np.where(said & ~so, self.reading.false_positive, 0.0) + np.where(so & ~said, self.side.price, 0.0)
            found[f"money_per_request{rule}"] = self.mean(wrong)
        return found

    def _errors(self):
        off = self.side.labels - self.side.scores
        q = self.reading.quantile
        return {
            "mae": self.mean(np.abs(off)),
            "bias": self.mean(-off),
            "quantile_loss": self.mean(np.maximum(q * off, (q - 1) * off)),
        }

    def _classes(self):
        y, p = self.side.labels, self.side.scores
        said = p.argmax(1)
        numbers = [k for k in range(p.shape[1]) if (y == k).any()]
        precision = [self._precision(said == k, y == k) for k in numbers]
        recall = [self.ratio((said == k) & (y == k), y == k) for k in numbers]
        found = {
            "accuracy": self.mean(said == y),
            "precision_macro": _macro(precision),
            "recall_macro": _macro(recall),
        }
        if not set(np.unique(p)) <= {0.0, 1.0}:  # predicted classes alone cannot rank
            ranked = [
                Measured(_against(self.side, k), self.base, self.weights, self.reading)._ranked()["auc"]
                for k in numbers
            ]
            found["auc_macro"] = _macro(ranked)
            found["log_loss"] = self.mean(-np.log(np.clip(p[np.arange(len(p)), y.astype(int)], TINY, 1)))
        return found

    def _precision(self, said, so):
        """Of one class; 0 where it was there and nobody said so, as in scikit-learn."""
        value, drawn = self.ratio(said & so, said)
        silent = np.isnan(drawn) & (self._drawn(so) > 0)
        return float(np.nan_to_num(value)), np.where(silent, 0.0, drawn)

    def _apart_classes(self):
        apart = np.abs(self.side.scores - self.base.scores).sum(1) / 2
        flips = self.side.scores.argmax(1) != self.base.scores.argmax(1)
        return {"moved": self.mean(apart > self.reading.moved), "flips": self.mean(flips)}


RANKED = ("auc", "average_precision")  # and, by their share, precision and recall among the riskiest


class Sort:
    """One sort of the scores, highest first, ties together: weighted ranking metrics are then cumulative sums."""

    def __init__(self, scores: np.ndarray, labels: np.ndarray):
        self.order = np.argsort(-scores, kind="stable")
        ranked = scores[self.order]
        self.starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        self.positive = labels[self.order] > 0

    def metrics(self, weights: np.ndarray, top: float) -> np.ndarray:
        """RANKED, precision and recall among the riskiest, shape (4,), for rows' weights of shape (n,); null where one class has no weight.

        Equal to scikit-learn's roc_auc_score and average_precision_score with sample weights.
        """
        return self.ranked(weights[self.order], top)

    def ranked(self, w: np.ndarray, top: float) -> np.ndarray:
        """The same for weights of the rows in the order of the sort."""
        every = np.add.reduceat(w, self.starts)
        yes = np.add.reduceat(w * self.positive, self.starts)
        true, all_ = np.cumsum(yes), np.cumsum(every)
        positives, negatives = true[-1], all_[-1] - true[-1]
        if not positives or not negatives:
            return np.full(4, np.nan)
        no = every - yes
        above = np.cumsum(no) - no / 2  # negatives ranked higher; a tie counts half
        auc = 1 - (yes * above).sum() / (positives * negatives)
        average = (yes * true / np.where(all_ > 0, all_, 1)).sum() / positives
        taken = top * all_[-1]
        hits = np.interp(taken, np.r_[0, all_], np.r_[0, true])  # a tie across the cut counts in proportion
        return np.array([auc, average, hits / taken, hits / positives])


def _against(side, k):
    """One class against the rest."""
    return Scored(side.scores[:, k], (side.labels == k).astype(float), side.clusters)


def _macro(estimates):
    """The plain mean over the classes that occur; a replicate that drew nothing of a class goes without it."""
    values, drawn = zip(*estimates, strict=True)
    there = ~np.isnan(drawn)
    with np.errstate(invalid="ignore"):
        return float(np.mean(values)), np.where(there, drawn, 0.0).sum(0) / there.sum(0)


def interval(drawn: np.ndarray) -> tuple[float | None, float | None]:
    """The middle 95 percent of the replicates, or none where too few have a value."""
    if np.isfinite(drawn).mean() < 0.5:
        return None, None
    return tuple(float(v) for v in np.nanquantile(drawn, (0.025, 0.975)))
