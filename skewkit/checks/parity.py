"""Served against replayed, row against row by key. The rows are the same, so drift cannot enter.

So is training, where its own requests were rebuilt from events: then what differs is at fault in training. Bounds count
rows, and not entities: what they say is about requests like these.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from ..evidence import shown
from ..records import Case, Finding, NotRun
from ..statistics.bounds import share_bounds

WORST = 5  # rows in a finding's detail


def parity(case: Case, policy):
    """For each feature on both sides: the share of rows that differ. For the keys: missing, extra, double, null.

    So for every other column with a part: the prediction, the request's own time, entity, segments, and labels that have come.
    Of the prediction once more among the rows in which no feature differs: there it is the model or the service.
    Numbers agree within the policy's tolerance, whole numbers and categories exactly, nulls only with nulls. Then the fleet rule:
    the share of features of which more than ``fleet`` of the rows differ for sure; it is one finding more and excuses none. Last, of
    skew, the share of rows that differ in any feature, with the bound that certifies parity, at confidence 1 - alpha.
    """
    for change, pairs in (("skew", case.pairs), ("training", case.past)):
        if pairs is not None:
            yield from _compare(change, pairs, case, policy)


def absent(case: Case):
    if case.pairs is None:
        yield NotRun("parity", "no replay", "replayed, or replay")
        return
    for here, there in (case.pairs.tables, case.pairs.tables[::-1]):
        if alone := [c for c in case.roles.compared if c in here.columns and c not in there.columns]:
            why = f"{', '.join(alone)}: only {here.name} has it, so that it was not compared"
            yield NotRun("parity", why, f"{there.name} with {', '.join(alone)}")


def _compare(change, pairs, case, policy):
    level = policy.level(case)

    def share(statistic, k, n, feature=None, detail=None):
        value = k / n if n else 0.0
        bounds = partial(_bounds, k, n, level)
        return Finding(
            "parity", change, feature, statistic, value, "share of rows", n, *bounds(1), detail=detail, grown=bounds
        )

    before, after = pairs.tables
    yield share("missing_keys", pairs.missing, len(before))
    yield share("extra_keys", pairs.extra, len(after))
    yield share("duplicate_keys", max(pairs.duplicates), max(len(before), len(after)))
    yield share("null_keys", max(pairs.nulls), max(len(before), len(after)))
    near = {f: policy.near(f) for f in case.roles.features if f in before.columns and f in after.columns}
    broken = 0
    beside = {c: policy.near(c) for c in case.roles.compared if c in before.columns and c in after.columns}
    for f, tolerance in (near | (beside if change == "skew" else {})).items():
        arrived = f == case.roles.label  # a label that one table waits for is not another label
        agreement = pairs.agreement(f, tolerance, arrived)
        if not agreement.n:
            continue
        worst = _worst(pairs, f, tolerance, case, arrived) if agreement.differ else None
        yield share("differ", agreement.differ, agreement.n, f, worst)
        broken += f in near and share_bounds(agreement.differ, agreement.n, level)[0] > policy.fleet
    if not near:
        return
    if change == "skew" and (score := case.roles.prediction) in beside:
        k, n = pairs.alone(score, beside[score], near)
        if n:
            yield share("differ_alone", k, n, score)
    yield Finding("parity", change, None, "fleet", broken / len(near), "share of features", len(near))
    if change == "skew":
        yield _certified(pairs.compare(near), pairs.n, level, policy.alpha)


def _bounds(k, n, level, times):
    return share_bounds(times * k, times * n, level)


def _certified(k, n, level, alpha):
    """A breach must keep the promise to raise no false alarm; a certificate may be wrong with chance alpha, by itself."""

    def bounds(times):
        return _bounds(k, n, level, times)[0], _bounds(k, n, 2 * alpha, times)[1]

    return Finding("parity", "skew", None, "certified", k / n, "share of rows", n, *bounds(1), grown=bounds)


def _worst(pairs, feature, tolerance, case, arrived):
    """Numbers: the rows farthest apart. Else: which value became which, the most frequent first."""
    if case.evidence == "counts":
        return None
    key = [case.roles.key] if case.evidence == "rows" else []
    time = [case.roles.time] if case.roles.time in pairs.tables[1].columns else []
    off = pairs.mismatches(feature, tolerance, [c for c in (*key, *time) if c != feature], arrived)
    before, after = off["replayed"], off["served"]
    if all(side.dtype.kind == "f" for side in (before, after)):
        with np.errstate(over="ignore", invalid="ignore"):
            apart = (after.astype(float) - before.astype(float)).abs().fillna(np.inf)
        farthest = off.loc[apart.nlargest(WORST).index]
        return tuple(_row(row, key, time, case) for row in farthest.to_dict("records"))
    (was, values), (now, others) = (
        pd.factorize(s.astype(object).map(_plain), use_na_sentinel=False) for s in (before, after)
    )
    both, counts = np.unique(was * len(others) + now, return_counts=True)
    often = np.argsort(-counts, kind="stable")[:WORST]
    return tuple(
        {
            "replayed": shown(values[i // len(others)], case.evidence, n),
            "served": shown(others[i % len(others)], case.evidence, n),
            "rows": n,
        }
        for i, n in zip(both[often].tolist(), counts[often].tolist(), strict=True)
    )


def _row(row, key, time, case):
    found = {side: shown(row[side], case.evidence) for side in ("replayed", "served")}
    if key:
        found["key"] = shown(row.get(key[0]), "rows")
    if time:
        found["time"] = str(row.get(time[0]))
    return found


def _plain(value):
    return None if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)
