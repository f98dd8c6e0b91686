"""Distances between two distributions, and what chance allows. Imports nothing else of skewkit.

A distribution is a `records.Distribution`: sorted values, how many rows lie at or below each, and the nulls.
"""

from __future__ import annotations

from math import log, sqrt

import numpy as np
from scipy.stats import beta

BINS = 10


def cdf(d, at: np.ndarray, side: str = "right") -> np.ndarray:
    """The share of rows with a value at or below (side="left": below) each of ``at``, shape (len(at),)."""
    return np.r_[0, d.upto][np.searchsorted(d.values, at, side)] / max(d.n, 1)


def ks(a, b) -> float:
    """Kolmogorov-Smirnov distance sup |F - G|, in [0, 1]; over categories, in their alphabetical order.

    Exact for any two distributions, with ties; equals scipy.stats.ks_2samp's statistic.
    """
    at = np.union1d(a.values, b.values)
    return float(np.abs(cdf(a, at) - cdf(b, at)).max())


def cells(a, b, categorical: bool) -> tuple[np.ndarray, np.ndarray]:
    """Row counts of both in the same cells, shape (cells,): each category, or the bins of ``a``'s own quantiles.

    The bins' edges come from the reference ``a`` alone, and the first and last are open: an outlier of ``b`` cannot
    stretch them.
    """
    if categorical:
        every = np.union1d(a.values, b.values)
        return _at(a, every), _at(b, every)
    ranks = np.maximum(np.arange(1, BINS) * a.n // BINS - 1, 0)
    edges = np.unique(a.values[np.searchsorted(a.upto, ranks, "right")])
    atoms = edges[(cdf(a, edges) - cdf(a, edges, "left")) * BINS >= 1]
    return tuple(_between(d, edges, atoms) for d in (a, b))


def _between(d, edges, atoms):
    """Counts up to and with each edge; below an atom, a value that fills a bin alone, there is one cell more."""
    upto = np.sort(np.r_[cdf(d, edges), cdf(d, atoms, "left")])
    return np.diff(np.r_[0, np.round(upto * d.n), d.n])


def _at(d, every):
    counts = np.zeros(len(every))
    counts[np.searchsorted(every, d.values)] = d.counts
    return counts


def psi(p: np.ndarray, q: np.ndarray) -> float:
    """Population stability index sum (q - p) ln(q / p) in nats, from counts in the same cells.

    Every cell counts half a row more (Jeffreys), so that an empty one is rare and not infinitely surprising.
    """
    p, q = ((c + 0.5) / (c.sum() + 0.5 * len(c)) for c in (p, q))
    return float(((q - p) * np.log(q / p)).sum())


def js(p: np.ndarray, q: np.ndarray) -> float:
    """Jensen-Shannon divergence in bits, in [0, 1], from counts in the same cells (Lin, IEEE Trans. Inf. Theory 1991).

    The square of scipy.spatial.distance.jensenshannon with base 2.
    """
    p, q = p / p.sum(), q / q.sum()
    m = (p + q) / 2
    half = (np.where(x > 0, x * np.log2(np.where(x > 0, x, 1) / np.where(m > 0, m, 1)), 0).sum() / 2 for x in (p, q))
    return float(min(1.0, max(0.0, sum(half))))


def unseen(a, b) -> int:
    """How many rows of ``b`` hold a value that ``a`` never has."""
    return int(b.counts[~np.isin(b.values, a.values)].sum())


def ks_radius(n: int, m: int, level: float) -> float:
    """What chance alone can add to or take from a KS distance between samples of n and m rows, at ``level``.

    sup |F_n - G_m| is within sup |F_n - F| + sup |G_m - G| of sup |F - G|; the Dvoretzky-Kiefer-Wolfowitz inequality
    with Massart's constant (Ann. Probab. 1990) on each, at half the level. Holds for any distributions and any n.
    """
    return sqrt(log(4 / level) / 2) * (n**-0.5 + m**-0.5)


def share_bounds(k: int, n: int, level: float) -> tuple[float, float]:
    """Clopper-Pearson bounds of a share from k of n rows; each side is missed with at most ``level`` / 2."""
    low = float(beta.ppf(level / 2, k, n - k + 1)) if k > 0 else 0.0
    high = float(beta.ppf(1 - level / 2, k + 1, n - k)) if k < n else 1.0
    return low, high


def share_change_bounds(k: int, n: int, j: int, m: int, level: float) -> tuple[float, float]:
    """Bounds of |q - p| for shares p from k of n rows and q from j of m, from both shares' own at half the level."""
    (p_low, p_high), (q_low, q_high) = share_bounds(k, n, level / 2), share_bounds(j, m, level / 2)
    return max(0.0, q_low - p_high, p_low - q_high), max(q_high - p_low, p_high - q_low)
