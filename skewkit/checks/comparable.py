"""Whether the logs of a rollout hold what was asked to be compared. Nothing compared is nothing promised.

These are facts of the logs, counted, and no estimates: they have no bounds, and take nothing of the error budget.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..records import Finding
from .ages import ages

CHANGE = "candidate"  # what these findings compare: the candidate with the current model
LABELS = 100  # labelled requests, at least, for a metric to say anything
A_BIN = 20  # requests of the smaller log, on average, in a bin of time: that a bin has none of them is then no chance
PROBABLE = 0.95  # of a log's scores in [0, 1]: they are meant as probabilities
APART = pd.Timedelta("1h")  # two logs' times of one request may differ by that much


def comparable(rollout, failed, labelled: int) -> Iterator[Finding]:
    """What was asked for and is not there, requests that stand twice or are not the same, and values that cannot be.

    ``failed`` are the requests without an answer on each side, and ``labelled`` how many requests the metrics had a label of.
    """
    for column, lost in _lost(rollout, failed, labelled):
        yield _fact(rollout, "uncompared", lost, column, low=0.0)  # of what is not known, nothing is known to be wrong
    yield _fact(rollout, "duplicate_keys", _twice(rollout), None)
    if rollout.paired:
        yield from (_fact(rollout, "mismatched", off, column) for column, off in _mismatched(rollout))
    yield from (_fact(rollout, "impossible", off, column) for column, off in _impossible(rollout, failed))


def _fact(rollout, statistic, value, column, low=None):
    n = rollout.case.pairs.n if rollout.paired else len(rollout.case.served)
    high = None if low is None else value
    return Finding("shadow", CHANGE, column, statistic, float(value), "share of requests", n, low, high)


def _lost(rollout, failed, labelled):
    """A column that was asked for, and the share of requests in which it cannot be compared; the worse of both sides."""
    roles, case = rollout.case.roles, rollout.case
    served = len(case.served)
    if rollout.paired:
        null, other = case.pairs.nulls
        yield roles.key, max(null / len(case.replayed), (other + case.pairs.extra) / served)
    times = rollout.columns(roles.time)
    nowhere = _nulls(times)
    yield roles.time, nowhere if rollout.paired else max(nowhere, _other_times(*times))
    answered = [~f for f in failed]
    if rollout.paired:
        answered = [answered[0] & answered[1]] * 2
    yield roles.prediction, 1 - min(a.mean() for a in answered)
    if rollout.latency:
        took = rollout.columns(rollout.latency)
        yield rollout.latency, _nulls([t[a] for t, a in zip(took, answered, strict=True)])
    if rollout.error and not rollout.error.of_nulls:
        yield rollout.error.column, _nulls(rollout.columns(rollout.error.column))
    if roles.label and labelled < LABELS:
        yield roles.label, 1 - labelled / max(served, labelled)
    for feature in dict.fromkeys((*roles.features, *rollout.apart)):
        yield feature, float(_no_value(rollout, feature))
    for column in roles.segments:
        yield column, _other_parts(rollout, column)
    for feature in case.as_of:
        yield case.as_of[feature], float(_undated(case, feature))
    if case.freshness is not None:
        yield "freshness", float(all(_undated(case, f) for f in roles.features))


def _nulls(sides):
    """The share of nulls on the worse side; of no row, all."""
    return max(float(s.isna().mean()) if len(s) else 1.0 for s in sides)


def _other_times(current, candidate):
    """The share of requests at times when the other log has none: the worse side's, in bins of as many requests each.

    Two shares of the same traffic are draws of the same times, so that next to no bin is without one of both.
    """
    times = [t.dropna().dt.tz_convert("UTC") for t in (current, candidate)]
    n, m = map(len, times)
    if not n or not m:
        return 1.0
    whose = np.repeat([False, True], [n, m])[pd.concat(times, ignore_index=True).argsort(kind="stable")]
    bins = np.array_split(whose, max(1, min(n, m) // A_BIN))
    return max(sum(len(b) for b in bins if b.all()) / m, sum(len(b) for b in bins if not b.any()) / n)


def _no_value(rollout, feature):
    """Whether a feature stands in one log alone, or has no value in either; where training has none too, all agree.

    What is no number, text, boolean or time is compared row against row alone.
    """
    sides = rollout.columns(feature)
    if not rollout.paired and any(
        t.kinds().get(feature) == "other" for t in (rollout.case.replayed, rollout.case.served)
    ):
        return True
    if sides is None or sides[0].notna().any() or sides[1].notna().any():
        return sides is None
    training = rollout.case.training
    known = rollout.trained and feature in training.columns and training.glance(feature).n == 0
    return not known


def _other_parts(rollout, column):
    """The share of requests in values of a segment that the other log does not have; 1 where none is compared."""
    if not any(part.startswith(f"{column}=") for part in rollout.parts):
        return 1.0
    current, candidate = (s.astype(object) for s in rollout.columns(column))
    return 0.0 if rollout.paired else max((~current.isin(candidate)).mean(), (~candidate.isin(current)).mean())


def _undated(case, feature):
    old = ages(case, "served", feature)
    return old is None or not old.notna().any()


def _twice(rollout):
    """The share of rows that share their request with another, on the worse side; a canary's are of one traffic."""
    if rollout.paired:
        sides = (rollout.case.replayed, rollout.case.served)
        return max(d / len(t) for d, t in zip(rollout.case.pairs.duplicates, sides, strict=True))
    keys = pd.concat(rollout.columns(rollout.case.roles.key)).dropna()
    return float(keys.duplicated(keep=False).mean()) if len(keys) else 0.0


def _mismatched(rollout):
    """What a request has of itself, where the two logs say it otherwise: then it is not the same request."""
    roles = rollout.case.roles
    first, later = rollout.columns(roles.time)
    yield roles.time, float(((later - first).abs() > APART).mean())
    for column in (c for c in (roles.entity, roles.label, *roles.segments) if c):
        if (sides := rollout.columns(column)) is not None:
            first, later = (s.astype(object) for s in sides)
            yield column, float((first.notna() & later.notna() & (first != later).fillna(False)).mean())


def _impossible(rollout, failed):
    """A latency below 0 or without end; a score without end, or of scores that are meant as probabilities one that is none."""
    if (took := rollout.columns(rollout.latency)) is not None:
        sides = [t.to_numpy(float, na_value=np.nan) for t in took]
        yield rollout.latency, max(float(((t < 0) | np.isinf(t)).mean()) for t in sides)
    scores = [s.to_numpy(float, na_value=np.nan) for s in rollout.columns(rollout.case.roles.prediction)]
    off = [np.isinf(s) for s in scores]
    within = [(s >= 0) & (s <= 1) for s in scores]
    given = [~f for f in failed]
    meant = rollout.case.task == "binary" and any(
        g.any() and w[g].mean() >= PROBABLE for w, g in zip(within, given, strict=True)
    )
    if meant:
        off = [o | (g & ~w) for o, g, w in zip(off, given, within, strict=True)]
    yield rollout.case.roles.prediction, max(float(o.mean()) for o in off)
