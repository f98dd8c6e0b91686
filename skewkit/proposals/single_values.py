"""Which single values came, went or grew between two samples that share no rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import lgamma, log, log2
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from ..tables.columns import kind_of
from .clues import Evidence, scalar
from .marginals import unlike

GONE = 0.02  # of what it had been, that a value which is gone may have left
PLAIN = 0.005  # of the rows, from which a value that came, or went, is looked at
TIED = 4.0  # standard errors between two shares that are told apart
MATCHED = 12  # values at most, that are matched with new ones
NAMED = 8.0  # bits to write down a name that training has not
EACH = 2.0  # bits of each name beyond its place in a matching: a rule that gives them all is shorter
COARSE = 5  # cells of another column, by which they are matched
SURE = 10.0  # nats by which a match must be likelier than one with two values exchanged
MOST = 50  # rows a value, on average, that a permutation is read from


def shares(e: Evidence) -> pd.DataFrame:
    """Every value with its share of the rows ``before`` and ``after``; nulls have none."""
    mark = "shares", e.feature, id(e.after)
    if mark not in e.memo:
        both = [s.dropna().astype(object).value_counts() / max(len(s), 1) for s in (e.before, e.after)]
        e.memo[mark] = pd.concat(both, axis=1, keys=["before", "after"]).fillna(0.0).astype(float)
    return e.memo[mark]


def gone(e: Evidence) -> list[Any]:
    """Values that had a share and have none, the commonest first."""
    s = shares(e)
    s = s[(s.before >= PLAIN) & (s.after <= GONE * s.before)].sort_values("before", ascending=False, kind="stable")
    return [scalar(v) for v in s.index]


def new(e: Evidence) -> list[Any]:
    """Values that had no share and have one, the commonest first."""
    s = shares(e)
    s = s[(s.after >= PLAIN) & (s.before <= GONE * s.after)].sort_values("after", ascending=False, kind="stable")
    return [scalar(v) for v in s.index]


def grown(e: Evidence, most: int = 2) -> list[Any]:
    """Values whose share grew by what is to be looked at, those that grew most first."""
    s = shares(e)
    by = (s.after - s.before).sort_values(ascending=False, kind="stable")
    return [scalar(v) for v in by[by >= PLAIN].index[:most]]


def shrunk(e: Evidence, most: int = 2) -> list[Any]:
    """Values whose share fell by what is to be looked at, those that fell most first."""
    s = shares(e)
    by = (s.before - s.after).sort_values(ascending=False, kind="stable")
    return [scalar(v) for v in by[by >= PLAIN].index[:most]]


def ranked(e: Evidence) -> tuple[tuple[Any, Any], ...]:
    """The values by their share on one side against those of the other: what a permutation made of which.

    Empty where two of them are as frequent as each other up to chance, or the values are not the same ones.
    """
    s = shares(e)
    n = min(len(e.before), len(e.after))
    if not 5 <= len(s) <= n / MOST or (s.min(axis=1) == 0).any():
        return ()
    orders = [s[c].sort_values(ascending=False, kind="stable") for c in s]
    for o in orders:
        p = o.to_numpy()
        if (p[:-1] - p[1:] < TIED * np.sqrt((p[:-1] + p[1:]) / n)).any():
            return ()
    return tuple((scalar(a), scalar(b)) for a, b in zip(*(o.index for o in orders), strict=True) if a != b)


def recoded(e: Evidence) -> Iterator[tuple[dict[str, Any], float]]:
    """How categories may have been encoded, as parameters of `encoding` and the bits these take: a value that is gone, and
    what has its share now; or all of them, by how frequent they are."""
    lost, found, choices = gone(e)[:3], new(e), log2(1 + e.before.nunique())
    for was in lost:
        if isinstance(was, str) and len(found) == 1:
            yield {"how": "renamed", "category": was, "to": found[0]}, choices
        if e.after.isna().mean() > e.before.isna().mean():
            yield {"how": "unknown_dropped", "unknown": was}, choices
        for now in (v for v in grown(e) if v not in found):
            yield {"how": "unknown_to_default", "unknown": was, "default": now}, 2 * choices
    if mapping := ranked(e) if not lost else matched(e):
        yield {"mapping": mapping}, lgamma(1 + len(mapping)) / log(2) + EACH * bool(lost) * len(mapping)


def matched(e: Evidence) -> tuple[tuple[Any, Any], ...]:
    """Which values became which where all are new: by how many rows they have, and how another column is spread in these.

    Of all ways to match them (Kuhn 1955) the likeliest; by the column that tells them apart best, as columns that go
    together must not count twice. Empty where exchanging two of them is nearly as likely.
    """
    was, now = (s.dropna().astype(object).value_counts().index.tolist() for s in (e.before, e.after))
    if e.beside is None or not 2 <= len(was) == len(now) <= MATCHED or set(was) & set(now):
        return ()
    plain, best, clearest = _together(e, was, now, None), (), SURE
    for other in (c for c in e.roles.features if c != e.feature and c in e.frame and c in e.beside):
        if kind_of(e.frame[other]) != kind_of(e.beside[other]) or kind_of(e.frame[other]) in ("time", "naive time"):
            continue
        nats = plain + _together(e, was, now, other)
        left, right = linear_sum_assignment(nats)
        exchanged = [
            nats[i, b] + nats[j, a] - nats[i, a] - nats[j, b]
            for (i, a), (j, b) in combinations(zip(left, right, strict=True), 2)
        ]
        if min(exchanged) - log(len(e.roles.features)) > clearest:
            clearest, best = min(exchanged), tuple((was[i], now[j]) for i, j in zip(left, right, strict=True))
    return tuple((scalar(a), scalar(b)) for a, b in best)


def _together(e, was, now, other):
    """How unlike the rows of each value before and of each after are, in nats, shape (values, values): in number, or in another column."""
    if other is None:
        codes = [np.ones(len(s), "i8") for s in (e.before, e.after)]
        spare = [len(s) for s in (e.before, e.after)]
    else:
        codes, spare = _coarse(e.frame[other], e.beside[other]), (0, 0)
    parts = []
    for column, names, c, n in zip((e.before, e.after), (was, now), codes, spare, strict=True):
        counts = [np.bincount(c[column.eq(v).fillna(False).to_numpy(bool)], minlength=COARSE + 1) for v in names]
        parts.append([(np.append(k, max(n - k.sum(), 0)),) for k in counts])
    return np.array([[unlike(a, b) for b in parts[1]] for a in parts[0]])


def _coarse(x, y):
    """Two columns of one kind in the same few cells: quantiles of numbers, and the commonest of all else."""
    both = pd.concat([x, y], ignore_index=True)
    if both.dtype.kind in "iuf" and both.nunique() > COARSE:
        codes = pd.qcut(both, COARSE, labels=False, duplicates="drop").fillna(COARSE).to_numpy("i8")
    else:
        common = both.astype(object).value_counts().index[:COARSE]
        codes = common.get_indexer(both.astype(object))
        codes = np.where(codes < 0, COARSE, codes)
    return codes[: len(x)], codes[len(x) :]


def counting(pairs) -> bool:
    """Whether numbers became others in their order, or all by as much: counted or measured otherwise, and no other codes."""
    if not all(type(v) in (int, float) for pair in pairs for v in pair):
        return False
    after = [now for _, now in sorted(pairs)]
    steps = {now - was for was, now in pairs}
    return len(steps) == 1 or (len(pairs) > 4 and after == sorted(after))
