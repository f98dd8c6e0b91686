"""What chance alone can do to a share, to a change of shares, and to a KS distance. Imports nothing else of skewkit.

Bounds hold for any number of rows and any distribution, ties included, but where they say that they are an approximation;
a row counts as one draw. Where rows belong
together, give the number they count as (`clusters`); it need not be whole.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, erf, exp, inf, log, log1p, pi, sqrt

import numpy as np
from scipy.stats import beta, binom, norm

FEW = 0.01  # of the rows: below this share, a change is measured against this much and not against the share itself
ENOUGH = 25  # rows expected in a cell, for the square root of their count to be normal
REFINED = 3  # cells whose bounds are sought exactly: those farthest off


def share_bounds(k: float, n: float, level: float) -> tuple[float, float]:
    """Clopper-Pearson bounds of a share from k of n rows; each side is missed with at most ``level`` / 2."""
    low = float(beta.ppf(level / 2, k, n - k + 1)) if k > 0 else 0.0
    high = float(beta.ppf(1 - level / 2, k + 1, n - k)) if k < n else 1.0
    return low, high


@lru_cache(maxsize=4096)
def ks_radius(n: float, m: float, level: float) -> float:
    """What chance can add to or take from a KS distance between samples of n and m rows, at ``level``.

    sup |F_n - G_m| is within X + Y of sup |F - G|, with X = sup |F_n - F| and Y = sup |G_m - G|. Each lies above x with
    probability at most 2 exp(-2 n x^2) (Dvoretzky-Kiefer-Wolfowitz with Massart's constant, Ann. Probab. 1990), and they
    are independent: the radius is where the chance of X + Y, were both as large as that allows, has fallen to the level.
    """
    low, high = 0.0, sqrt(log(4 / level) / 2) * (n**-0.5 + m**-0.5)  # each at half the level is enough
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _beyond(middle, n, m) > level else (low, middle)
    return high


def _beyond(x, n, m):
    """P(X + Y > x) at most: the convolution of both tails, in closed form."""
    first, last = sqrt(log(2) / (2 * n)), x - sqrt(log(2) / (2 * m))  # below these the tails are worth 1
    if last <= first:
        return 1.0
    c, mean = 2 * (n + m), m * x / (n + m)
    u, v = sqrt(c) * (first - mean), sqrt(c) * (last - mean)
    area = (exp(-u * u) - exp(-v * v)) / (2 * c) + mean * sqrt(pi / c) / 2 * (erf(v) - erf(u))
    return 2 * exp(-2 * n * last**2) + 16 * n * exp(-2 * n * m / (n + m) * x * x) * area


@lru_cache(maxsize=4096)
def surprise(level: float) -> float:
    """How large n kl(p^, p) + m kl(q^, q) can be by chance, at ``level``, with p^ below p and q^ above q.

    Each part is at least x with probability at most exp(-x) (Chernoff; also for means of draws in [0, 1], Hoeffding 1963);
    so their sum is at most as large as a Gamma(2): (1 + t) exp(-t) = level.
    """
    low, high = 0.0, 2 * log(1 / level) + 4
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if log1p(middle) - middle > log(level) else (low, middle)
    return high


def change_bounds(k: float, n: float, j: float, m: float, level: float) -> tuple[float, float]:
    """Bounds of |q - p| for shares p from k of n rows and q from j of m, at ``level``."""
    t, p, q = surprise(level / 2), k / n, j / m
    up = _least(p, n, q, m, t, lambda d: (d, 1.0))
    down = _least(q, m, p, n, t, lambda d: (d, 1.0))
    # of shares near 1 the rest says more: both come from the same surprise, so that the narrower holds
    most = min(_change_high(p, n, q, m, t), _change_high(1 - p, n, 1 - q, m, t))
    return max(up, down), min(1.0, max(most, abs(q - p)))


def _change_high(p, n, q, m, t):
    """The largest |q - p| that is no surprise, or a little more."""
    return max(q - p + sqrt(2 * t * (p / n + _most(q, m, t) / m)), p - q + sqrt(2 * t * (q / m + _most(p, n, t) / n)))


def relative(p, q):
    """How much a share changed, measured against what it was and a hundredth of the rows more: |q - p| / (p + 0.01).

    So that a share of a thousandth, of which chance makes much, counts for little. Shape of p and q, from 0.
    """
    return np.abs(q - p) / (p + FEW)


def alone(cell: int) -> tuple[float, float]:
    """The rows of a cell count as any others, on either side."""
    return 1.0, 1.0


def root_slack(p, off) -> float:
    """By how much `shape` may be off where shares p are off by at most ``off``, shape (cells,): |sqrt(p + e) - sqrt(p)|."""
    return 2 * float(np.minimum(off, off**2 / np.maximum(p, 1e-300)).sum()) ** 0.5


def cell_bounds(k, n, j, m, levels, counts_as=alone, off=(0.0, 0.0)) -> tuple[float, float]:
    """Bounds of the largest `relative` change over cells, from k of n rows and j of m in each: shapes (cells,).

    ``levels`` share out the error level over the cells, shape (cells,). ``counts_as`` gives for a cell that is far off by
    how much its rows on either side are fewer draws than others, for they may be of few entities. ``off`` is by how much the
    shares of either side may be off for other reasons than chance, as a sketch's are, each of shape (cells,).
    """
    t = np.array([surprise(x / 2) for x in levels.tolist()])
    p, q = k / n, j / m
    high = max(float(max(_relative_high(a, n, b, m, t).max(), relative(a, b).max())) for a, b in _farthest(p, q, *off))
    p, q = _nearest(p, q, *off)
    farthest = np.argsort(-_roughly(p, n, q, m, t), kind="stable")[:REFINED]
    low = 0.0
    for cell in farthest[_apart(p, n, q, m)[farthest] > t[farthest]]:
        fewer, later = counts_as(int(cell))
        low = max(low, _relative_low(p[cell], n / fewer, q[cell], m / later, t[cell], low))
    return float(low), high


def _nearest(p, q, off, later):
    """Shares as near to each other as they may be, when each may be off by so much; all of shape (cells,)."""
    apart = np.sign(q - p)
    p, q = p + apart * off, q - apart * later
    meet = np.sign(q - p) != apart
    return np.where(meet, (p + q) / 2, p), np.where(meet, (p + q) / 2, q)


def _farthest(p, q, off, later):
    """Shares as far from each other as they may be: with the second above, and with it below."""
    for side in (1, -1) if np.any(off) or np.any(later) else (0,):
        yield np.clip(p - side * off, 0, 1), np.clip(q + side * later, 0, 1)


def shape(
    k: np.ndarray, n: float, j: np.ndarray, m: float, level: float, off: float = 0.0
) -> tuple[float, float, float]:
    """How much the share of a cell changed on average, and its bounds: from k of n rows and j of m in each cell.

    sqrt(4 sum (sqrt q - sqrt p)^2), about the root mean square of (q - p) / p; 2 sqrt 2 times the Hellinger distance. Of
    counts that are not small, square roots are normal with variance 1/4, so that its square times nm / (n + m) is a chi
    square of cells - 1 degrees that is off centre by as much as the truth lies apart. The bounds are Birge's (2001, lemma
    8.1), which are wider than exact ones; cells too small for it count together. ``off`` is by how much the value may be off
    for other reasons than chance (see `root_slack`).
    """
    k, j = _merged(k, n, j, m)
    x, many, degrees = log(2 / level), n * m / (n + m), len(k) - 1
    square = 4 * float(((np.sqrt(j / m) - np.sqrt(k / n)) ** 2).sum())
    value = sqrt(square)
    least, most = 2 * many * max(0.0, value - off) ** 2, 2 * many * (value + off) ** 2
    lower = sqrt(max(0.0, least - degrees)) - 2 * sqrt(x)
    upper = sqrt(max(0.0, most - degrees + 4 * x)) + 2 * sqrt(x)
    low = max(0.0, lower**2 - degrees) / 2 / many if lower > 0 else 0.0
    high = max(0.0, upper**2 - degrees) / 2 / many
    return value, min(value, sqrt(low)), max(value, sqrt(high))


def _merged(k, n, j, m):
    """The cells, those of which fewer than ENOUGH rows are expected on a side put together."""
    few = small(k, n, j, m)
    if not few.any():
        return k, j
    return np.r_[k[~few], k[few].sum()], np.r_[j[~few], j[few].sum()]


def small(k, n, j, m) -> np.ndarray:
    """Which cells are too small for their square roots, and count together in `shape`; shape of k."""
    expected = (k + j) / (n + m) * min(n, m)
    few = expected < ENOUGH
    if few.any() and expected[few].sum() < ENOUGH and not few.all():  # still too small: with the least of the others
        few[np.flatnonzero(~few)[np.argmin(expected[~few])]] = True
    return few


def relative_wobble(shares: np.ndarray, rows: np.ndarray, level: float) -> float:
    """About the largest `relative` change from one row of shares to the next that chance does not explain, from 0.

    ``shares`` has shape (parts, cells), ``rows`` (parts,): of each part.
    """
    p, q, n, m = shares[:-1], shares[1:], rows[:-1, None], rows[1:, None]
    return float(max(0.0, _roughly(p, n, q, m, surprise(level / 2)).max()))


def _apart(p, n, q, m):
    """The surprise at both shares if there were no change, in nats, shape of p."""
    both = (n * p + m * q) / (n + m)
    return n * _kl(p, both) + m * _kl(q, both)


def _kl(x, y):
    """kl(x, y) of two coins in nats, elementwise."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(x > 0, x * np.log(x / y), 0) + np.where(x < 1, (1 - x) * np.log((1 - x) / (1 - y)), 0)


def _roughly(p, n, q, m, t):
    """About the least relative change that is no surprise, to order the cells by: the smaller root of the normal form."""
    up = _root(p + FEW, q + FEW, 2 * t * p / n, 2 * t * q / m, -1) - 1
    down = 1 - _root(p + FEW, q + FEW, 2 * t * p / n, 2 * t * q / m, 1)
    return np.where(q > p, up, down)


def _root(x, y, u, v, side):
    """a with (a x - y)^2 = a^2 u + v, the larger root or the smaller, elementwise; what has none is infinite."""
    square = x * x - u
    inside = (x * y) ** 2 - square * (y * y - v)
    with np.errstate(invalid="ignore", divide="ignore"):
        root = (x * y + side * np.sqrt(np.maximum(inside, 0))) / square
    return np.where(square > 0, root, side * inf)


def _relative_low(p, n, q, m, t, above=0.0):
    """The least relative change of a cell that is no surprise; 0 where that is not ``above`` what is known of another."""
    if q > p:
        return _least(p, n, q, m, t, lambda r: (r * FEW, 1 + r), above=above)
    # p - q >= r (p + FEW) is p >= (q + r FEW) / (1 - r)
    return _least(q, m, p, n, t, lambda r: (r * FEW / (1 - r), 1 / (1 - r)), p / (p + FEW) if p else 0.0, above)


def _relative_high(p, n, q, m, t):
    """The largest relative change that is no surprise, shape (cells,); a little more than need be.

    kl(x, y) >= (x - y)^2 / (2 max(x, y)) makes of the surprise an ellipse about (p, q), of which the farthest line is taken.
    """
    q_most, p_most = _most(q, m, t), _most(p, n, t)
    up = _root(p + FEW, q + FEW, 2 * t * p / n, 2 * t * q_most / m, 1) - 1
    up = np.minimum(up, q_most / FEW)  # p cannot be below 0
    down = 1 - _root(p + FEW, q + FEW, 2 * t * p_most / n, 2 * t * q / m, -1)
    return np.maximum(up, np.clip(down, 0, 1))


def _most(q, m, t):
    """The largest share that is no surprise beside q of m rows, or a little more."""
    s = t / m
    return np.minimum(1.0, q + s + np.sqrt(s * s + 2 * s * q))


def _least(p, n, q, m, t, line, most=None, above=0.0):
    """The least change c at which the shares on the line q = a + b p, with (a, b) = line(c), are no surprise; q is above p.

    0 where it is not ``above`` that: the surprise falls with c, so that one look tells.
    """
    low, high = 0.0, (q - p) / FEW if most is None else most * (1 - 1e-12)
    if q <= p or above >= high > 0 or _surprise_on(p, n, q, m, *line(above)) <= t:
        return 0.0
    while high - low > 1e-9 * max(1.0, high):
        middle = (low + high) / 2
        low, high = (middle, high) if _surprise_on(p, n, q, m, *line(middle)) > t else (low, middle)
    return low


def _surprise_on(p, n, q, m, a, b):
    """The least of n kl(p, x) + m kl(q, a + b x) over x, with x from p on and a + b x up to q: 0 where the line is above q."""
    low, high = p, min((q - a) / b, 1.0)
    if high <= low:
        return 0.0
    for _ in range(48):  # it is convex: where its slope is 0
        x = (low + high) / 2
        y = a + b * x
        slope = n * (x - p) / (x * (1 - x)) - m * b * (q - y) / (y * (1 - y)) if 0 < x < 1 and 0 < y < 1 else inf
        low, high = (x, high) if slope < 0 else (low, x)
    x = (low + high) / 2
    return n * _coin(p, x) + m * _coin(q, a + b * x)


def _coin(x, y):
    if not 0 < y < 1:
        return 0.0 if x == y else inf
    return (x * log(x / y) if x > 0 else 0.0) + ((1 - x) * log((1 - x) / (1 - y)) if x < 1 else 0.0)


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
