"""How a number came about: its formula, and what of it each cell, value or row contributes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..evidence import said
from ..policy import Policy
from ..policy_file import read_policy
from ..records import Case, SkewkitError
from ..statistics import bounds, distance
from ..statistics.atoms import one_value, reach
from ..statistics.cells import cells, formats
from ..statistics.metrics import FALLS, NAMES, RISES
from ..tables.columns import aged

FORMULAS = {
    "schema.missing": "1 if the later table has no such column",
    "schema.retyped": "1 if the column's kind changed (whole and other numbers are one kind)",
    "schema.recoded": "1 if a label that both tables have stands under another code",
    "schema.constant": "1 if the column holds one value, or only nulls, and did not before, beyond what so few rows may by chance",
    "schema.twin": "1 if the column holds, row for row, what another feature holds, and did not before",
    "schema.new": "features that only the later table has, counted",
    "schema.reordered": "1 if the features stand in another order",
    "schema.absent": "1 if a column that the contract requires is not there",
    "schema.wrong_type": "rows of another kind than the contract's / rows",
    "schema.outside": "rows out of the contract's range / rows",
    "schema.unknown": "rows whose value the contract does not list / rows",
    "schema.duplicated": "rows whose value stands twice, where the contract wants it unique / rows",
    "schema.too_many_nulls": "the share of nulls, less what the contract allows",
    "schema.disordered": "1 if the columns stand in another order than the contract's",
    "schema.unreviewed": "1 if nobody has reviewed the contract as it stands",
    "lineage.differ": "rows logged with another hash than training's / rows",
    "lineage.model_differs": "1 if the model bears another hash than training does",
    "lineage.unlogged": "rows logged without a hash / rows",
    "freshness.age_p95": "the age that 95% of rows do not exceed; age: the request's time less its newest datum's",
    "freshness.age_p99": "the age that 99% of rows do not exceed; age: the request's time less its newest datum's",
    "freshness.undated": "values without a time of their own / values",
    "freshness.unlogged": "requests that the freshness table does not have / requests",
    "freshness.miss_rate": "fetches that missed the cache / fetches",
    "freshness.fetch_p95": "the time that 95% of fetches do not exceed",
    "freshness.fetch_p99": "the time that 99% of fetches do not exceed",
    "freshness.moves_with_error": "Spearman's correlation over hours or days: the age that 95% do not exceed, and the model's error",
    "freshness.misses_move_with_error": "Spearman's correlation over hours or days: the miss rate, and the model's error",
    "freshness.age_change": "sup |F - G| of the ages, in training and as served",
    "leakage.newer": "rows whose newest datum is newer than it may be / rows",
    "leakage.too_good": "the AUC of the feature alone against the label, or 1 less it (regression: Spearman's |correlation|)",
    "leakage.gap": "the feature's own AUC in training less its AUC later (regression: of |correlation|)",
    "distribution.null_share": "|q - p|, the shares of nulls",
    "distribution.ks": "sup |F - G| of the shares at or below each value",
    "distribution.shape": "sqrt(4 sum (sqrt q - sqrt p)^2) over the cells' shares: how much a cell's share changed on average",
    "distribution.cells": "the largest |q - p| / (p + 0.01) over the cells' shares",
    "distribution.formats": "the largest |q - p| / (p + 0.01) over the shares of rows written so",
    "distribution.unseen": "the share of rows whose category the first table never has",
    "distribution.lost": "the share of the first table's rows whose category the later table never has",
    "distribution.psi": "sum (q - p) ln(q / p) over the cells' shares, half a row more in each",
    "distribution.js": "half the Kullback-Leibler divergences of p and q from their mean, in bits, over the cells' shares",
    "distribution.kl": "sum q ln(q / p) over the cells' shares, half a row more in each",
    "distribution.tv": "half of sum |q - p| over the cells' shares",
    "distribution.wasserstein": "the area between F and G, finite values alone",
    "distribution.mean_shift": "(later mean - first mean) / first standard deviation, finite values alone",
    "distribution.deviation_ratio": "later standard deviation / first one, finite values alone",
    "parity.age": "days from the beginning of the parity run to the gate",
    "parity.inputs_short": "the policy's profiles, less the inputs that both paths were sent; 0 where they are enough",
    "parity.other_candidate": "1 if the parity run was not of the candidate",
    "parity.differ": "rows that differ / rows compared, by key",
    "parity.differ_alone": "rows whose predictions differ / rows in which no feature differs, by key",
    "parity.one_path": "1 if one of the two paths alone returns the column",
    "parity.missing_keys": "keys that the later table does not have / rows of the first",
    "parity.extra_keys": "keys that the first table does not have / rows of the later",
    "parity.duplicate_keys": "rows that share their key with another / rows",
    "parity.null_keys": "rows without a key / rows",
    "parity.fleet": "features of which more than the policy's fleet share of rows differ / features compared",
    "parity.certified": "rows that differ in any feature / rows compared; the upper bound is at confidence 1 - alpha",
    "logging.unlogged": "requests that are not in the log / requests",
    "logging.undelivered": "requests that their hash had chosen and that are not in the log / requests that it chose",
    "logging.unjoinable": "rows logged without a join key / rows",
    "logging.strange": "rows of the log whose key is none of the requests' / rows of the log",
    "shadow.uncompared": "requests in which a column that was asked for is not there to compare / requests; of the worse log",
    "shadow.duplicate_keys": "rows that share their key with another / rows; of the worse log, or of both a canary's",
    "shadow.mismatched": "requests whose time (by over an hour), entity, label or segment is another in the two logs / requests of both",
    "shadow.impossible": "requests with a latency below 0 or infinite, or a probability out of [0, 1] / requests; of the worse log",
    "shadow.moved": "requests whose predictions lie apart by more than scores.moved of the current's (at least scores.floor) / requests both answered",
    "shadow.flips": "requests on which the decisions differ / requests both answered; a decision: the score is at or above scores.threshold (0.5 where null); flips@10%: above what the riskiest 10% of the current's reach",
    "shadow.decided": "|the candidate's share of decisions for yes less the current's|",
    "shadow.mean_change": "|mean of the candidate's predictions less the current's| / the current's mean",
    "shadow.calibration": "the candidate's expected calibration error over deciles less the current's; bounds by the bootstrap's spread",
    "shadow.ks": "sup |F - G| of the predictions",
    "shadow.spearman": "Spearman's rank correlation of the predictions",
    "shadow.errors": "the candidate's share of requests that failed less the current's",
    "shadow.unanswered": "requests of the current model that the candidate's log does not have / requests",
    "shadow.latency_p50": "the candidate's median time / the current's - 1",
    "shadow.latency_p95": "the time that 95% of the candidate's requests do not exceed / the current's - 1",
    "shadow.latency_p99": "the time that 99% of the candidate's requests do not exceed / the current's - 1",
    "shadow.latency_nulls": "|the candidate's share of answers without a latency less the current's|",
    "shadow.differ": "requests in which the two received different values / requests of both",
    "shadow.null_share": "|the candidate's share of nulls less the current's|",
    "shadow.default_share": "|the candidate's share of the value that stands for none less the current's|",
    "shadow.canary_share": "by how much the candidate's share of the traffic is outside 1% to 5%",
    "shadow.sample_ratio": "|the candidate's share of the traffic less the one that was meant|; beside it the chi square",
    "shadow.moves_with_age": "Spearman's correlation over hours: the age that 95% do not exceed, and the share of predictions apart",
    **{f"impact.{m}": f"{NAMES[m]} before less {NAMES[m]} after, on the same requests" for m in FALLS},
    **{f"impact.{m}": f"({NAMES[m]} after less before) / before, on the same requests" for m in RISES},
    "rollback.irreversible": "models that need a version that is not computed or not kept today / models to be gone back to today",
    "rollback.days_without": "days of the window on which a model could not be gone back to",
    "blind.unnamed": "1 where the last claim's causes are not those that were planted, else 0",
    "blind.false_alarms": "detections and claims before the first hour that held what was planted, or with nothing planted",
    "blind.undetected": "1 where nobody detected or claimed anything from that hour on, else 0",
    "blind.unfound": "planted features that the last claim has not / planted features",
    "blind.unverified": "1 where nobody marked an hour after the mitigation as verified, else 0",
    "rollback.dual_run": "old versions missing on a day of their dual run / old versions that a breaking change retires",
}
PARTS = ("psi", "kl", "js", "tv", "shape", "cells", "formats", "ks")  # statistics that cells or values make up


def explain(
    case: Case, feature: str, statistic: str, change: str | None = None, policy: Policy | None = None
) -> pd.DataFrame:
    """What each cell contributes to a statistic of `distribution`, the most first: its shares on both sides and its part.

    The parts of psi, kl, tv and js add up to the number; those of shape add up to its square; of cells and formats the
    number is the largest. For ks the rows are the values about the largest gap, and the part is the gap there. ``change`` is
    total, skew or drift; when not given, the one that says most: skew, else total. ``policy`` is the one that judged (the
    default one when not given). ``frame.attrs["formula"]`` says how the
    number is made.

    Raises SkewkitError for a feature, change or statistic that is not there.
    """
    change = change or ("skew" if "skew" in case.changes else "total")
    if change not in case.changes:
        raise SkewkitError(f"change {change!r} was asked; this case has {', '.join(case.changes)}")
    if statistic not in PARTS:
        raise SkewkitError(f"statistic {statistic!r} was asked to be explained; there are {', '.join(PARTS)}")
    tables = case.changes[change]
    if any(feature not in t.columns for t in tables):
        raise SkewkitError(f"feature {feature!r} was asked; both tables have {', '.join(_both(tables))}")
    policy = policy or read_policy()
    allowed, a, b = _spreads(case, tables, feature, policy.near(feature))
    if not a.n or not b.n:
        raise SkewkitError(f"{feature!r} has no value on one side; only its null share can be compared")
    kind = tables[0].kinds()[feature]
    if statistic == "formats" and kind not in ("text", "number"):
        raise SkewkitError(f"{feature!r} is {kind}; formats are read of text and of numbers that are not whole")
    frame = (
        _gaps(a, b, case.evidence)
        if statistic == "ks"
        else _parts(a, b, statistic, case.evidence, policy.categories, allowed)
    )
    frame.attrs["formula"] = FORMULAS[f"distribution.{statistic}"]
    return frame.sort_values("part", ascending=False, key=np.abs, kind="stable", ignore_index=True)


def _both(tables):
    return [c for c in tables[0].columns if c in tables[1].columns]


def _spreads(case, tables, feature, tolerance):
    """What is allowed between equal numbers, and both distributions, as `checks.distribution` compares them: a time by how long before the request it lies."""
    kinds = [t.kinds() for t in tables]
    two = {k[feature] for k in kinds}
    if len(two) > 1 and two & {"other", "text"}:
        raise SkewkitError(f"{feature!r} is {' and '.join(sorted(two))}; only columns of one kind are compared")
    before, after = (t.distribution(feature, aged(tables, feature)) for t in tables)
    before = before.known(after)
    allowed = reach(before, tolerance)
    return allowed, *one_value(before, after, allowed)


def _parts(a, b, statistic, evidence, categories, allowed):
    if statistic == "formats":
        (k, n), (j, m) = formats(a, allowed), formats(b, allowed)
        names, k, j = list(k), np.array([*k.values()], float), np.array([*j.values()], float)
    else:
        shared = cells(a, b, categories, pooled=statistic == "shape", allowed=allowed)
        k, j, n, m = shared.counts(a), shared.counts(b), a.n, b.n
        names = shared.labels(evidence, np.maximum(k, j))
    if statistic == "shape" and (few := bounds.small(k, n, j, m)).any():
        names = [*(name for name, alone in zip(names, ~few, strict=True) if alone), f"{few.sum()} small cells together"]
        k, j = (np.r_[c[~few], c[few].sum()] for c in (k, j))
    p, q = k / n, j / m
    if statistic == "shape":
        part = 4 * (np.sqrt(q) - np.sqrt(p)) ** 2
    else:
        part = bounds.relative(p, q) if statistic in ("cells", "formats") else distance.parts(statistic, k, j)
    return pd.DataFrame({"cell": names, "before": p, "after": q, "part": part})


def _gaps(a, b, evidence):
    at, gap = distance.gaps(a, b)
    worst = int(np.abs(gap).argmax())
    near = slice(max(0, worst - 5), worst + 6)
    before, after = (distance.cdf(d, at[near]) for d in (a, b))
    return pd.DataFrame(
        {
            "cell": [f"up to {said(v, a.kind, evidence)}" for v in at[near]],
            "before": before,
            "after": after,
            "part": after - before,
        }
    )
