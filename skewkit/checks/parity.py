"""Served against replayed, row against row by key. The rows are the same, so drift cannot enter.

So is training, where its own requests were rebuilt from events: then what differs is at fault in training. Bounds count
rows, and not entities: what they say is about requests like these.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from ..bounds import share_bounds
from ..evidence import shown
from ..records import Case, Finding, NotRun

WORST = 5  # rows in a finding's detail


def parity(case: Case, policy):
    """For each feature on both sides: the share of rows that differ. For the keys: missing, extra, double, null.

    Numbers agree within the policy's tolerance, integers and categories exactly, nulls only with nulls. Then the fleet rule:
    the share of features of which more than ``fleet`` of the rows differ for sure; it is one finding more and excuses none. Last, of
    skew, the share of rows that differ in any feature, with the bound that certifies parity, at confidence 1 - alpha.
    """
    for change, pairs in (("skew", case.pairs), ("training", case.past)):
        if pairs is not None:
            yield from _compare(change, pairs, case, policy)


def absent(case: Case):
    if case.pairs is None:
        yield NotRun("parity", "no replay", "replayed, or replay")


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
    broken = compared = 0
    anywhere = np.zeros(pairs.n, bool)
    for f in case.roles.features:
        if f in before.columns and f in after.columns:
            agreement = pairs.agreement(f, policy.near(f))
            rows = agreement.rows
            anywhere |= rows
            yield share(
                "differ", agreement.differ, agreement.n, f, _worst(pairs, f, rows, case) if rows.any() else None
            )
            compared += 1
            broken += share_bounds(agreement.differ, agreement.n, level)[0] > policy.fleet
    if compared:
        yield Finding("parity", change, None, "fleet", broken / compared, "share of features", compared)
    if compared and change == "skew":
        yield _certified(int(anywhere.sum()), pairs.n, level, policy.alpha)


def _bounds(k, n, level, times):
    return share_bounds(times * k, times * n, level)


def _certified(k, n, level, alpha):
    """A breach must keep the promise to raise no false alarm; a certificate may be wrong with chance alpha, by itself."""

    def bounds(times):
        return _bounds(k, n, level, times)[0], _bounds(k, n, 2 * alpha, times)[1]

    return Finding("parity", "skew", None, "certified", k / n, "share of rows", n, *bounds(1), grown=bounds)


def _worst(pairs, feature, rows, case):
    """Numbers: the rows farthest apart. Else: which value became which, the most frequent first."""
    if case.evidence == "counts":
        return None
    before, after = (side[rows] for side in pairs.columns(feature))
    if all(side.dtype.kind == "f" for side in (before, after)):
        apart = (after.astype(float) - before.astype(float)).abs().fillna(np.inf)
        worst = apart.sort_values(ascending=False, kind="stable").index[:WORST]
        return tuple(_row(pairs, before[i], after[i], i, case) for i in worst)
    both = pd.DataFrame({"replayed": before.astype(object), "served": after.astype(object)}).map(_plain)
    counted = both.value_counts(dropna=False, sort=False).sort_values(ascending=False, kind="stable").head(WORST)
    return tuple(
        {"replayed": shown(a, case.evidence, n), "served": shown(b, case.evidence, n), "rows": int(n)}
        for (a, b), n in counted.items()
    )


def _row(pairs, before, after, i, case):
    found = {"replayed": shown(before, case.evidence), "served": shown(after, case.evidence)}
    if case.evidence == "rows":
        found["key"] = shown(pairs.at(case.roles.key, i), "rows")
    if case.roles.time in pairs.tables[1].columns:
        found["time"] = str(pairs.at(case.roles.time, i))
    return found


def _plain(value):
    return None if value is None or value != value else str(value)
