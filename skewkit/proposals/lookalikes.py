"""Which of very many columns may hold what another should: told quickly, for nearly none does."""

from __future__ import annotations

import numpy as np

from .clues import NEAR, floats

ALIKE = 0.1  # of the rows that differ, that another feature must hold
NEAREST = 50  # columns that one may have been read from, where no row stands beside another


def kinds_of_features(e):
    """Each feature that the frame has and the kind of its values, remembered for the evidence of other features."""
    if "kinds of features" not in e.memo:
        kinds, there = e.frame.dtypes, set(e.frame)
        e.memo["kinds of features"] = {f: kinds[f].kind for f in e.roles.features if f in there}
    return e.memo["kinds of features"]


def nearest(e, others):
    """Of very many columns of numbers those whose quantiles are nearest to what was served; of a few, all."""
    if len(others) <= NEAREST or e.before.dtype.kind not in "iuf" or e.after.dtype.kind not in "iuf":
        return others[:NEAREST]
    mine = _quantiles(e.after)
    for f in others:
        if ("quantiles", f) not in e.memo:
            e.memo["quantiles", f] = _quantiles(e.frame[f])
    apart = [np.abs(e.memo["quantiles", f] - mine).sum() for f in others]
    return [others[i] for i in np.argsort(np.nan_to_num(apart, nan=np.inf), kind="stable")[:NEAREST]]


def _quantiles(column):
    values = floats(column)
    values = values[np.isfinite(values)]
    return np.quantile(values, np.linspace(0.05, 0.95, 10)) if len(values) else np.full(10, np.nan)


def perhaps(e, f, some, y):
    """Whether another feature may agree with one, told at once for numbers: of thousands nearly none does."""
    if y.dtype.kind not in "iuf":
        return True
    if ("floats", f) not in e.memo:
        e.memo["floats", f] = floats(e.frame[f])
    mine, theirs = e.memo["floats", f][some], floats(y)
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(mine - theirs) <= 2 * NEAR * np.abs(theirs) + 2e-12
    return (near | (mine == theirs) | (np.isnan(mine) & np.isnan(theirs))).mean() > ALIKE
