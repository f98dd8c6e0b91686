"""Distances between two distributions.

A distribution is a `distributions.Distribution`: sorted values, how many rows lie at or below each, and the nulls. Or it is row
counts in cells that both sides share (`cells`).
"""

from __future__ import annotations

import numpy as np

from .distributions import held
from .merge import BLOCK, sweep

EXPANDED = 4  # times as many rows as the other holds: distinct values of more are not written out as rows


def cdf(d, at: np.ndarray, side: str = "right") -> np.ndarray:
    """The share of rows with a value at or below (side="left": below) each of ``at``, shape (len(at),)."""
    return d.below(at, side) / max(d.n, 1)


def gaps(a, b) -> tuple[np.ndarray, np.ndarray]:
    """Every value of either, ascending, and the difference F - G of the shares at or below it; two of shape (k,)."""
    at = np.union1d(a.values, b.values)
    return at, cdf(a, at) - cdf(b, at)


def apart(a, b) -> tuple[float, float, float]:
    """The largest |F - G|, where it first is, and the area under |F - G|, which only numbers and times have (else NaN).

    Exact for any two distributions, ties included; for sketches within the sum of their gaps.
    """
    held = max((d.n for d in (a, b) if d.ends is None), default=0)
    if held and max(a.n, b.n) <= EXPANDED * held:
        return sweep(a.every, b.every)
    at, gap = gaps(a, b)
    gap = np.abs(gap)
    if at.dtype == object:
        return float(gap.max()), at[gap.argmax()], float("nan")
    with np.errstate(invalid="ignore", over="ignore"):  # infinities
        area = float(np.cumsum(np.diff(at.astype(float)) * gap[:-1])[-1:].sum())
    return float(gap.max()), at[gap.argmax()], area


def ks(a, b) -> float:
    """Kolmogorov-Smirnov distance sup |F - G|, in [0, 1]; over categories, in their alphabetical order.

    Equals scipy.stats.ks_2samp's statistic.
    """
    return apart(a, b)[0]


def wasserstein(a, b) -> float:
    """The area between F and G over finite values, in the column's unit; scipy.stats.wasserstein_distance."""
    return apart(finite(a), finite(b))[2]


def moments(d) -> tuple[float, float]:
    """Mean and standard deviation (divided by n) of the finite values."""
    if d.moments is not None:
        return d.moments
    d = finite(d)
    values = d.ordered.astype(float, copy=False)
    if d.ends is None:
        mean = float(values.mean())
        # in blocks, which stay in the processor's cache
        with np.errstate(over="ignore", invalid="ignore"):
            squares = sum(float(np.square(values[i : i + BLOCK] - mean).sum()) for i in range(0, d.n, BLOCK))
        return mean, (squares / d.n) ** 0.5
    mean = float(np.average(values, weights=d.counts))
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=d.counts)))


def finite(d):
    """The distribution without its infinities, which are cells of their own where there are many."""
    if not d.n or d.ordered.dtype.kind != "f" or np.isfinite(d.ordered[[0, -1]]).all():
        return d
    keep = np.isfinite(d.values)
    counts = d.counts[keep]
    return type(d)(d.kind, d.values[keep], counts.cumsum(), int(counts.sum()), d.nulls, d.gap)


def parts(statistic: str, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """What each cell adds to psi, kl, js or tv, from row counts in the same cells; shape (cells,)."""
    x, y = (_smooth(p), _smooth(q)) if statistic in ("psi", "kl") else (p / p.sum(), q / q.sum())
    if statistic == "psi":
        return (y - x) * np.log(y / x)
    if statistic == "kl":
        return y * np.log(y / x)
    if statistic == "tv":
        return np.abs(y - x) / 2
    m = (x + y) / 2
    return (_bits(x, m) + _bits(y, m)) / 2


def _smooth(counts):
    """Shares, with half a row more in every cell (Jeffreys), so that an empty one is rare and not infinitely surprising."""
    return (counts + 0.5) / (counts.sum() + 0.5 * len(counts))


def _bits(x, m):
    return np.where(x > 0, x * np.log2(np.where(x > 0, x, 1) / np.where(m > 0, m, 1)), 0)


def psi(p: np.ndarray, q: np.ndarray) -> float:
    """Population stability index sum (q - p) ln(q / p) in nats, from counts in the same cells."""
    return float(parts("psi", p, q).sum())


def kl(p: np.ndarray, q: np.ndarray) -> float:
    """Kullback-Leibler divergence sum q ln(q / p) in nats, of the second from the first, from counts in the same cells."""
    return float(max(0.0, parts("kl", p, q).sum()))


def js(p: np.ndarray, q: np.ndarray) -> float:
    """Jensen-Shannon divergence in bits, in [0, 1], from counts in the same cells (Lin, IEEE Trans. Inf. Theory 1991).

    The square of scipy.spatial.distance.jensenshannon with base 2.
    """
    return float(min(1.0, max(0.0, parts("js", p, q).sum())))


def tv(p: np.ndarray, q: np.ndarray) -> float:
    """Total variation, half of sum |q - p| over the cells' shares, in [0, 1]."""
    return float(parts("tv", p, q).sum())


def unseen(a, b) -> int:
    """How many rows of ``b`` hold a value that ``a`` never has."""
    return int(b.counts[~held(b.values, a.values)].sum())
