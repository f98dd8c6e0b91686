"""How far training's own days or weeks lie apart: what a feature does with no fault at all."""

from __future__ import annotations

import numpy as np

from ..records import Finding, Table
from ..statistics import bounds, distance
from ..statistics.cells import cells
from ..tables.columns import aged

FEWEST = 6  # partitions, or nothing is learnt from them
SURE = 0.05  # the chance that any of a feature's partitions seems farther from the next than it is


def wobble(table: Table, finding: Finding, by: str) -> float | None:
    """How far one partition of the table lies from the next at most, in the statistic of a finding; None: not to be learnt.

    A lower bound, so that small partitions do not blind the check: what chance alone may do is taken off. ``by`` is day or
    week. The cells are those of the whole table.
    """
    about = ("wobble", finding.feature, by)
    if about not in table.memo:
        table.memo[about] = _learnt(table, finding.feature, by)
    return table.memo[about].get(finding.statistic)


def _learnt(table, feature, by):
    kinds = table.kinds()
    if feature not in kinds or "other" in (kinds[feature], kinds.get(table.roles.time)):
        return {}
    age = aged([table], feature)
    parts = [d for d in table.partitions(feature, by, age) if d.rows]
    if len(parts) < FEWEST:
        return {}
    level = SURE / (len(parts) - 1)
    n, rows = (np.array([getattr(d, what) for d in parts], float) for what in ("n", "rows"))
    nulls = 1 - n / rows
    learnt = {"null_share": _share_change(nulls, rows, level).max()}
    if (n > 0).all():
        whole = table.distribution(feature, age)
        shared = cells(whole, whole)
        held = np.array([shared.counts(d) / d.n for d in parts])
        learnt["cells"] = bounds.relative_wobble(held, n, level / len(shared))
        pairs = zip(held[:-1], n[:-1], held[1:], n[1:], strict=True)
        learnt["shape"] = max(bounds.shape(p * a, a, q * b, b, level)[1] for p, a, q, b in pairs)
        at = whole.at(np.arange(1, 100) * whole.n // 100)
        upto = np.array([distance.cdf(d, at) for d in parts])
        gap = np.abs(np.diff(upto, axis=0)).max(axis=1)
        learnt["ks"] = (gap - np.sqrt(np.log(2 / level) / 2 * (1 / n[1:] + 1 / n[:-1]))).max()
    return {statistic: max(0.0, float(value)) for statistic, value in learnt.items()}


def _share_change(shares, rows, level):
    """The least change from each share to the next that chance explains not, shape (parts - 1,)."""
    p, q, n, m = shares[:-1], shares[1:], rows[:-1], rows[1:]
    spread = np.sqrt(2 * np.log(2 / level) * (p * (1 - p) / n + q * (1 - q) / m))
    return np.maximum(0.0, np.abs(q - p) - spread)
