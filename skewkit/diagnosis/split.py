"""Skew or drift: how much of a change lies before the replay, and how much after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..proposals.clues import floats
from ..records import Case, Cost, SkewkitError
from ..statistics.distance import ks

SURE = 1.96  # standard errors of a 95 percent interval


def split(case: Case, features: Iterable[str], costs: Iterable[Cost] = ()) -> Iterator[dict[str, Any]]:
    """The change of features, predictions and metrics as drift (training to replayed) and skew (replayed to served).

    A row each: ``of``, ``statistic``, and for drift, skew and total the value with the ``low`` and ``high`` of a 95 percent
    interval. Means and metrics add up; KS distances do not. The intervals of KS are Dvoretzky, Kiefer and Wolfowitz's with
    Massart's constant; those of means are normal, of skew over the differences of the pairs. With no replay there is
    nothing to part.
    """
    if case.replayed is None or case.pairs is None:
        return
    for f in features:
        if all(t.kinds().get(f, "other") != "other" for t in case.tables.values()):
            yield from _spread(case, f)
    yield from _scores(case.at_hand)
    yield from _metrics(tuple(costs))


def _row(of, statistic, **parts):
    return {
        "of": of,
        "statistic": statistic,
        **{f"{n}{k}": float(v) for n, p in parts.items() for k, v in zip(("", "_low", "_high"), p, strict=True)},
    }


def _spread(case, feature):
    tables = case.training, case.replayed, case.served
    try:
        sides = [t.distribution(feature) for t in tables]
    except SkewkitError:
        return
    found = {}
    for name, a, b in (("drift", 0, 1), ("skew", 1, 2), ("total", 0, 2)):
        if not (sides[a].n and sides[b].n) or sides[a].kind != sides[b].kind:
            return
        distance = ks(sides[a], sides[b])
        unsure = np.sqrt(np.log(4 / 0.05) / 2) * (sides[a].n ** -0.5 + sides[b].n ** -0.5)
        found[name] = distance, max(0.0, distance - unsure), min(1.0, distance + unsure)
    yield _row(feature, "ks", **found)


def _scores(case):
    name = case.roles.prediction
    if name is None or any(name not in t.columns for t in case.tables.values()) or case.task == "multiclass":
        return
    if any(t.kinds()[name] not in ("integer", "number", "boolean") for t in case.tables.values()):
        return
    if case.pairs is None:  # of tables in an engine, no pair was at hand
        return
    try:
        training = floats(case.training.column(name))
    except SkewkitError:  # a baseline holds no scores row by row
        return
    replayed, served = (floats(s) for s in case.pairs.columns(name))
    training, both = training[~np.isnan(training)], ~(np.isnan(replayed) | np.isnan(served))
    if not len(training) or not both.any():
        return
    replayed, served = replayed[both], served[both]
    error = {
        "drift": np.hypot(_error(training), _error(replayed)),
        "skew": _error(served - replayed),
        "total": np.hypot(_error(training), _error(served)),
    }
    value = {
        "drift": replayed.mean() - training.mean(),
        "skew": served.mean() - replayed.mean(),
        "total": served.mean() - training.mean(),
    }
    yield _row(name, "mean", **{n: (v, v - SURE * error[n], v + SURE * error[n]) for n, v in value.items()})


def _error(values):
    return np.std(values) / np.sqrt(len(values))


def _metrics(costs):
    """Metrics that were measured offline as well: before the model was served, on the replay, and as served."""
    offline = {c.metric: c for c in costs if c.change == "offline" and c.low is not None}
    for c in costs:
        then = offline.get(c.metric)
        if (
            c.change != "skew"
            or c.segment is not None
            or then is None
            or c.low is None
            or c.before is None
            or c.after is None
        ):
            continue
        half, wide = (then.high - then.low) / 2, (c.high - c.low) / 2
        drift, total = c.before - then.before, c.after - then.before
        yield _row(
            c.metric,
            "metric",
            drift=(drift, drift - half * np.sqrt(2), drift + half * np.sqrt(2)),
            skew=(c.delta, c.low, c.high),
            total=(total, total - np.hypot(half * np.sqrt(2), wide), total + np.hypot(half * np.sqrt(2), wide)),
        )
