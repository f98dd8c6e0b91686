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
                yield from _compare(change, f, a, b, level, policy)


def _compare(change, feature, a, b, level, policy):
    def finding(statistic, value, unit, n, low=None, high=None):
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
        yield finding("unseen", k / b.n, "share of rows", b.n, *distance.share_bounds(k, b.n, level))
