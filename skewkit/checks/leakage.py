"""What training knew too early: values newer than the request, and features that tell the label too well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from ..records import Case, Finding, NotRun, Table
from ..statistics import bounds
from .ages import ages, instants, rows

CHANGE = {"training": "training", "replayed": "skew", "served": "served"}  # who is at fault where a value is too new
FOLDS = 5
PRIOR = 10  # rows' worth of the overall mean that each category is given
SCORES = "scores of single features"


@dataclass(frozen=True)
class Score:
    """How well one feature alone ranks the label: an AUC from 0.5, or for regression the size of Spearman's correlation.

    ``n`` are rows with a label; ``rarer`` those of the rarer class.
    """

    value: float
    n: int
    rarer: int | None = None

    def bounds(self, level: float, times: float = 1.0) -> tuple[float, float]:
        """What chance allows; for an AUC with any spread of scores, for a correlation about."""
        if self.rarer is None:
            low, high = bounds.rank_bounds(self.value, self.n * times, level)
            return max(0.0, low), high
        low, high = bounds.mean_bounds(self.value, self.rarer * times, level)
        return max(0.5, low), high


def leakage(case: Case, policy):
    """For each feature: the share of values newer than they may be, how well it alone tells the label in training, and
    by how much less it does so later.
    """
    level = policy.level(case)
    for name in case.tables:
        for f in case.roles.features:
            delay = policy.features.get(f, {}).get("delta", 0) if name != "served" else 0
            yield from _newer(case, name, f, delay, level)
    known = scores(case, case.training, policy.categories)
    for f, score in known.items():
        yield Finding(
            *("leakage", "training", f, "too_good", score.value, _unit(score), score.n, *score.bounds(level)),
            grown=lambda times, score=score: score.bounds(level, times),
        )
    if known:
        change = "total" if case.replayed is None else "drift"
        then = case.served if case.replayed is None else case.replayed
        for f, later in scores(case, then, policy.categories).items():
            if f in known:
                yield _gap(change, f, known[f], later, level)


def absent(case: Case) -> Iterator[NotRun]:
    """What could not be looked for, and what to give."""
    if not case.as_of and case.past is None:
        why = "nothing says of when training's values are, so that joins which know the future go unseen"
        yield NotRun("leakage", why, "as_of: for each feature the column with the time of its newest datum")
    elif case.as_of and case.roles.time not in case.training.columns:
        yield NotRun(
            "leakage", f"training has no column {case.roles.time!r} to compare as_of with", "that column, in training"
        )
    if case.task == "multiclass":
        yield NotRun("leakage", "single features are scored against a label of two classes, or a number", "")
    elif SCORES in case.training.memo:
        return
    elif case.roles.label not in case.training.columns:
        yield NotRun("leakage", "training has no label for single features to tell", "label, in training")
    elif _labels(case, case.training) is None:
        yield NotRun("leakage", f"training's {case.roles.label!r} is not 0 and 1 or a number, or always the same", "")


def _newer(case, name, feature, delay, level):
    aged = ages(case, name, feature)
    there = None if aged is None else aged.dropna()
    if there is None or not len(there):
        return
    wrong = delay - there[there < delay]
    k, n = len(wrong), len(there)
    worst = wrong.sort_values(ascending=False, kind="stable")
    yield Finding(
        *("leakage", CHANGE[name], feature, "newer", k / n, "share of rows", n, *bounds.share_bounds(k, n, level)),
        detail=rows(case, name, worst, "newer_by") or None,
        grown=lambda times: bounds.share_bounds(k * times, n * times, level),
    )


def _gap(change, feature, score, later, level):
    def between(times):
        (low, high), (later_low, later_high) = score.bounds(level / 2, times), later.bounds(level / 2, times)
        return low - later_high, high - later_low

    return Finding(
        *("leakage", change, feature, "gap", score.value - later.value, _unit(score), min(score.n, later.n)),
        *between(1.0),
        detail=({"training": score.value, "later": later.value},),
        grown=between,
    )


def _unit(score):
    return "AUC" if score.rarer is not None else "rank correlation"


def scores(case: Case, table: Table, categories: int) -> dict[str, Score]:
    """Each feature's score in a table, remembered with it: a drill asks for the same training again and again."""
    if SCORES in table.memo:  # a baseline's, made before there was this policy
        return table.memo[SCORES]
    if (SCORES, categories) not in table.memo:
        table.memo[SCORES, categories] = dict(_scored(case, table, categories))
    return table.memo[SCORES, categories]


def _scored(case, table, categories):
    label = _labels(case, table)
    if label is None:
        return
    known = ~np.isnan(label)
    label, kinds, key = label[known], table.kinds(), case.roles.key
    # a request that is there twice falls into one fold, so that it cannot tell itself the label
    named = table.column(key)[known] if kinds.get(key, "other") != "other" else pd.Series(np.flatnonzero(known))
    fold = (pd.util.hash_pandas_object(named, index=False).to_numpy() % FOLDS).astype(int)
    for f in case.roles.features:
        if kinds.get(f, "other") != "other":
            told = _told(table.column(f)[known], kinds[f], label, fold, categories)
            yield f, max((_score(t, label, case.task, two_sided) for t, two_sided in told), key=lambda s: s.value)


def _labels(case, table):
    """The label as numbers, NaN where it has not come, shape (rows,); None where there is nothing to tell."""
    if case.task == "multiclass" or case.roles.label not in table.columns:
        return None
    try:
        label = table.column(case.roles.label).to_numpy(float, na_value=np.nan)
    except (TypeError, ValueError):  # text
        return None
    there = np.unique(label[~np.isnan(label)])
    if len(there) < 2 or (case.task == "binary" and there.tolist() != [0.0, 1.0]):
        return None
    return label


def _told(values, kind, label, fold, categories):
    """What a feature says of the label, to rank rows by, shape (rows,); and whether it may as well say the opposite.

    Numbers rank as they are, with nulls below or above all. Categories, and whole numbers of few values, rank by the mean
    label of their other folds' rows.
    """
    few = kind in ("text", "boolean") or (kind == "integer" and values.nunique() <= categories)
    if few:
        code = pd.factorize(values.astype(object), use_na_sentinel=False)[0]
        cell, shape = code * FOLDS + fold, (code.max() + 1, FOLDS)
        count = np.bincount(cell, minlength=shape[0] * FOLDS).reshape(shape)
        total = np.bincount(cell, label, shape[0] * FOLDS).reshape(shape)
        others = [c.sum(axis=1, keepdims=True) - c for c in (count, total)]
        mean = (others[1] + PRIOR * label.mean()) / (others[0] + PRIOR)
        return [(mean[code, fold], False)]
    if "time" in kind:
        numbers = instants(values).astype("int64").to_numpy().astype(float)
        numbers[values.isna()] = np.nan
    else:
        numbers = values.to_numpy(float, na_value=np.nan)
    null = np.isnan(numbers)
    return [(np.where(null, at, numbers), True) for at in ((-np.inf, np.inf) if null.any() else (0.0,))]


def _score(told, label, task, two_sided):
    ranks = rankdata(told)
    if task == "binary":
        ones = int(label.sum())
        zeros = len(label) - ones
        auc = (ranks[label == 1].sum() - ones * (ones + 1) / 2) / (ones * zeros)
        return Score(float(max(auc, 1 - auc if two_sided else 0.5)), len(label), min(ones, zeros))
    if ranks.min() == ranks.max():
        return Score(0.0, len(label))
    rho = float(np.corrcoef(ranks, rankdata(label))[0, 1])
    return Score(min(1.0, abs(rho) if two_sided else max(0.0, rho)), len(label))
