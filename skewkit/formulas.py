"""How a number came about: its formula, and what of it each cell, value or row contributes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from . import distance
from .cells import cells, formats
from .evidence import shown
from .policy_file import read_policy
from .records import Case, SkewkitError

FORMULAS = {
    "schema.missing": "1 if the later table has no such column",
    "schema.retyped": "1 if the column's kind changed (whole and other numbers are one kind)",
    "schema.constant": "1 if the column holds one value, or only nulls, and did not before",
    "schema.twin": "1 if the column holds, row for row, what another feature holds, and did not before",
    "schema.new": "features that only the later table has, counted",
    "schema.reordered": "1 if the features stand in another order",
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
    "parity.differ": "rows that differ / rows compared, by key",
    "parity.missing_keys": "keys that the later table does not have / rows of the first",
    "parity.extra_keys": "keys that the first table does not have / rows of the later",
    "parity.duplicate_keys": "rows that share their key with another / rows",
    "parity.null_keys": "rows without a key / rows",
    "parity.fleet": "features of which more than the policy's fleet share of rows differ / features compared",
    "parity.certified": "rows that differ in any feature / rows compared; the upper bound is at confidence 1 - alpha",
}
CELLS = {  # what a cell adds to the number, from the shares p and q, and the counts' own for those that smooth
    "psi": lambda p, q, x, y: (y - x) * np.log(y / x),
    "kl": lambda p, q, x, y: y * np.log(y / x),
    "tv": lambda p, q, x, y: np.abs(q - p) / 2,
    "js": lambda p, q, x, y: (_bits(p, (p + q) / 2) + _bits(q, (p + q) / 2)) / 2,
    "shape": lambda p, q, x, y: 4 * (np.sqrt(q) - np.sqrt(p)) ** 2,
    "cells": lambda p, q, x, y: np.abs(q - p) / (p + 0.01),
}


def explain(case: Case, feature: str, statistic: str, change: str | None = None) -> pd.DataFrame:
    """What each cell contributes to a statistic of `distribution`, the most first: its shares on both sides and its part.

    The parts of psi, kl, tv and js add up to the number; those of shape add up to its square; of cells and formats the
    number is the largest. For ks the rows are the values about the largest gap, and the part is the gap there. ``change`` is
    total, skew or drift; when not given, the one that says most: skew, else total. ``frame.attrs["formula"]`` says how the
    number is made.

    Raises SkewkitError for a feature, change or statistic that is not there.
    """
    change = change or ("skew" if "skew" in case.changes else "total")
    if change not in case.changes:
        raise SkewkitError(f"change {change!r} was asked; this case has {', '.join(case.changes)}")
    known = [*CELLS, "formats", "ks"]
    if statistic not in known:
        raise SkewkitError(f"statistic {statistic!r} was asked to be explained; there are {', '.join(known)}")
    tables = case.changes[change]
    if any(feature not in t.columns for t in tables):
        raise SkewkitError(f"feature {feature!r} was asked; both tables have {', '.join(_both(tables))}")
    a, b = (t.distribution(feature) for t in tables)
    if not a.n or not b.n:
        raise SkewkitError(f"{feature!r} has no value on one side; only its null share can be compared")
    frame = _gaps(a, b) if statistic == "ks" else _parts(a, b, statistic, case.evidence)
    frame.attrs["formula"] = FORMULAS[f"distribution.{statistic}"]
    return frame.sort_values("part", ascending=False, key=np.abs, kind="stable", ignore_index=True)


def _both(tables):
    return [c for c in tables[0].columns if c in tables[1].columns]


def _parts(a, b, statistic, evidence):
    if statistic == "formats":
        (k, n), (j, m) = formats(a), formats(b)
        names, k, j = list(k), np.array([*k.values()], float), np.array([*j.values()], float)
    else:
        shared = cells(a, b, read_policy().categories)
        k, j, n, m = shared.counts(a), shared.counts(b), a.n, b.n
        names = [
            shared.label(i) if i < shared.bins else shown(shared.atoms[i - shared.bins], evidence, int(max(k[i], j[i])))
            for i in range(len(shared))
        ]
    x, y = ((c + 0.5) / (c.sum() + 0.5 * len(c)) for c in (k, j))
    part = CELLS["cells" if statistic == "formats" else statistic](k / n, j / m, x, y)
    return pd.DataFrame({"cell": names, "before": k / n, "after": j / m, "part": part})


def _gaps(a, b):
    at, gap = distance.gaps(a, b)
    worst = int(np.abs(gap).argmax())
    near = slice(max(0, worst - 5), worst + 6)
    before, after = (distance.cdf(d, at[near]) for d in (a, b))
    return pd.DataFrame(
        {"cell": [f"up to {v}" for v in at[near]], "before": before, "after": after, "part": after - before}
    )


def _bits(x, m):
    return np.where(x > 0, x * np.log2(np.where(x > 0, x, 1) / np.where(m > 0, m, 1)), 0)
