"""Served against replayed, row against row by key. The rows are the same, so drift cannot enter.

So is training, where its own requests were rebuilt from events: then what differs is at fault in training.
"""

from __future__ import annotations

from .. import distance
from ..records import Case, Finding


def parity(case: Case, policy):
    """For each feature on both sides: the share of rows that differ. For the keys: missing, extra, double, null.

    Numbers agree within the policy's tolerance, integers and categories exactly, nulls only with nulls. Last the fleet rule: the
    share of features of which more than ``fleet`` of the rows differ; it is one finding more and excuses none.
    """
    for change, pairs in (("skew", case.pairs), ("training", case.past)):
        if pairs is not None:
            yield from _compare(change, pairs, case, policy)


def _compare(change, pairs, case, policy):
    level = policy.level(case)

    def share(statistic, k, n, feature=None):
        value = k / n if n else 0.0
        bounds = distance.share_bounds(k, n, level)
        return Finding("parity", change, feature, statistic, value, "share of rows", n, *bounds)

    before, after = pairs.tables
    yield share("missing_keys", pairs.missing, len(before))
    yield share("extra_keys", pairs.extra, len(after))
    yield share("duplicate_keys", max(pairs.duplicates), max(len(before), len(after)))
    yield share("null_keys", max(pairs.nulls), max(len(before), len(after)))
    broken = compared = 0
    for f in case.roles.features:
        if f in before.columns and f in after.columns:
            agreement = pairs.agreement(f, policy.near(f))
            yield share("differ", agreement.differ, agreement.n, f)
            compared += 1
            broken += agreement.differ > policy.fleet * agreement.n
    if compared:
        yield Finding("parity", change, None, "fleet", broken / compared, "share of features", compared)
