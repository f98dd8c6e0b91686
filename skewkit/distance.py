"""Distances between two distributions, and what chance allows. Imports nothing else of skewkit.

A distribution is a `records.Distribution`: sorted values, how many rows lie at or below each, and the nulls.
"""

from __future__ import annotations

from math import ceil, inf, log, sqrt

import numpy as np
from scipy.stats import beta, binom, norm

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


def quantile(ordered: np.ndarray, q: float) -> float:
    """The q-quantile of a sample in ascending order, shape (n,): its smallest value with at least q of them at or below."""
    return float(ordered[max(0, ceil(round(q * len(ordered), 9)) - 1)])


def quantile_bounds(ordered: np.ndarray, q: float, level: float, times: float = 1.0) -> tuple[float, float]:
    """Bounds of the q-quantile behind a sample, of any distribution; each side is missed with at most ``level`` / 2.

    They are two values of the sample, for how many lie below the quantile is binomial (David and Nagaraja, Order
    Statistics, 2003, 7.1); infinite where the sample is too small to hold one. ``times``: with so many times the rows.
    """
    n = int(len(ordered) * times)
    low, high = binom.ppf(level / 2, n, q), binom.isf(level / 2, n, q) + 1
    at = [ceil(r / times) - 1 for r in (low, high)]
    return (
        float(ordered[at[0]]) if low >= 1 else -inf,
        float(ordered[min(at[1], len(ordered) - 1)]) if high <= n else inf,
    )


def mean_bounds(value: float, n: float, level: float) -> tuple[float, float]:
    """Bounds of the mean behind n values in [0, 1] of any spread; each side is missed with at most ``level`` / 2.

    Hoeffding's inequality in its sharp form, by relative entropy, which hardly strays near 0 and 1 (J. Am. Stat. Assoc.
    1963, theorem 1). By his section 5 it holds for an AUC as well, n being the rows of the rarer class.
    """
    most = log(2 / level) / n

    def apart(p):
        if not 0 < p < 1:
            return inf
        own = value * log(value / p) if value else 0.0
        return own + ((1 - value) * log((1 - value) / (1 - p)) if value < 1 else 0.0)

    def edge(inside, outside):
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if apart(middle) <= most else (inside, middle)
        return outside

    return edge(value, 0.0) if value > 0 else 0.0, edge(value, 1.0) if value < 1 else 1.0


def rank_bounds(rho: float, n: float, level: float) -> tuple[float, float]:
    """Bounds of Spearman's rank correlation over n pairs, by Fisher's z with the variance 1.06 / (n - 3) (Fieller,
    Hartley and Pearson, Biometrika 1957); an approximation. All of [-1, 1] for fewer than four pairs.
    """
    if n <= 3:
        return -1.0, 1.0
    most = 1 - 3 / (n * (n * n - 1))  # half a step from 1: a perfect order of few pairs is no certainty
    radius = norm.isf(level / 2) * sqrt(1.06 / (n - 3))
    return tuple(float(np.tanh(np.arctanh(min(most, max(-most, rho))) + side * radius)) for side in (-1, 1))


def share_bounds(k: int, n: int, level: float) -> tuple[float, float]:
    """Clopper-Pearson bounds of a share from k of n rows; each side is missed with at most ``level`` / 2."""
    low = float(beta.ppf(level / 2, k, n - k + 1)) if k > 0 else 0.0
    high = float(beta.ppf(1 - level / 2, k + 1, n - k)) if k < n else 1.0
    return low, high


def share_change_bounds(k: int, n: int, j: int, m: int, level: float) -> tuple[float, float]:
    """Bounds of |q - p| for shares p from k of n rows and q from j of m, from both shares' own at half the level."""
    (p_low, p_high), (q_low, q_high) = share_bounds(k, n, level / 2), share_bounds(j, m, level / 2)
    return max(0.0, q_low - p_high, p_low - q_high), max(q_high - p_low, p_high - q_low)
