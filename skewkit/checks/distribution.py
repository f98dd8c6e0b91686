"""How far one table's features lie from another's, nulls and unseen categories apart."""

from __future__ import annotations

from .. import distance
from ..records import Case, Finding


def distribution(case: Case, policy):
    """For each feature in both tables: KS (with the bounds chance allows), PSI, JS, null share, and unseen share."""
    level = policy.level(case)
    for change, (before, after) in case.changes.items():
        kinds = before.kinds(), after.kinds()
        for f in case.roles.features:
            if f not in kinds[0] or f not in kinds[1] or "other" in (kinds[0][f], kinds[1][f]):
                continue
            a, b = before.distribution(f), after.distribution(f)
            if (a.kind == "text") == (b.kind == "text"):
                paired = _paired(case, f, level, policy) if change == "skew" else 1.0
                yield from _compare(change, f, a, b, level, policy, paired)


def _paired(case, feature, level, policy):
    """The most that two spreads over the same requests can lie apart: no more than the share of rows that differ."""
    pairs, agreement = case.pairs, case.pairs.agreement(feature, policy.near(feature))
    before, after = pairs.tables
    lone = len(before) + len(after) - 2 * pairs.n
    there = 1 - max(t.distribution(feature).nulls / len(t) for t in pairs.tables)
    most = distance.share_bounds(agreement.differ + lone, agreement.n + lone, level)[1]
    return min(1.0, most / there) if there else 1.0


def _compare(change, feature, a, b, level, policy, paired):
    def finding(statistic, value, unit, n, low=None, high=None):
        high = None if high is None else max(min(high, paired), value)
        return Finding("distribution", change, feature, statistic, value, unit, n, low, high)

    nulls = (a.nulls, a.rows, b.nulls, b.rows)
    moved = abs(b.nulls / b.rows - a.nulls / a.rows)
    yield finding("null_share", moved, "share of rows", b.rows, *distance.share_change_bounds(*nulls, level))
    if not a.n or not b.n:
        return
    apart, radius, fewest = distance.ks(a, b), distance.ks_radius(a.n, b.n, level), min(a.n, b.n)
    yield finding("ks", apart, "share", fewest, max(0.0, apart - radius), min(1.0, apart + radius))
    categorical = a.kind in ("text", "boolean") or (a.kind == "integer" and len(a.values) <= policy.categories)
    p, q = distance.cells(a, b, categorical)
    yield finding("psi", distance.psi(p, q), "nats", fewest)
    yield finding("js", distance.js(p, q), "bits", fewest)
    if categorical:
        k = distance.unseen(a, b)
        low, high = distance.share_bounds(k, b.n, level / 2)
        # what a sample of this size misses by chance: the share of its rows whose value is there once (Good, 1953)
        missed = distance.share_bounds(int((a.counts == 1).sum()), a.n, level / 2)[1]
        yield finding("unseen", k / b.n, "share of rows", b.n, max(0.0, low - missed), high)
