"""Bounds that may be looked at after every request: the chance that they ever miss is at most the level, however often one
looks and whatever makes one stop. Imports nothing else of skewkit.

A mixture of likelihood ratios is a martingale that starts at 1, or falls on average; by Ville's inequality (1939) the
chance that it ever reaches 1 / level is at most the level. A share is refuted while its mixture is that high (Robbins,
Ann. Math. Stat. 1970; confidence sequences: Howard, Ramdas, McAuliffe and Sekhon, Ann. Stat. 2021). The mixture is over a
beta distribution, cut off at the share that is tested: then the lower bound misses nothing while the share of every hour
stays at or below it, even where the hours differ.

A row counts as one draw, independent of the others given what came before.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache

import numpy as np
from scipy.special import betaincc, betaln, xlog1py, xlogy

PRIOR = 0.5  # of the beta distribution on both sides: Jeffreys', good for small shares (Krichevsky and Trofimov, 1981)
STEPS = 40  # halvings, to twelve digits


def evidence(k, n, p) -> np.ndarray:
    """The logarithm of the evidence that the share is above p, from k of n rows (values in [0, 1] that add up to k).

    It reaches log(1 / level) at any time with probability at most ``level`` if the share never is above p: log of the
    integral over x > p of beta(x) x^k (1 - x)^(n - k), beta's weight there set to 1, over p^k (1 - p)^(n - k). Shapes
    broadcast; p in (0, 1), 0 <= k <= n.
    """
    k, n, p = np.broadcast_arrays(*(np.asarray(v, float) for v in (k, n, p)))
    a, b = k + PRIOR, n - k + PRIOR
    with np.errstate(divide="ignore"):
        above = np.log(betaincc(a, b, p)) - np.log1p(-2 / np.pi * np.arcsin(np.sqrt(p)))
    return betaln(a, b) - betaln(PRIOR, PRIOR) + above - xlogy(k, p) - xlog1py(n - k, -p)


def share_bounds(k, n, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds of a share after n rows, of which k; the chance that either ever misses is at most ``level``.

    ``k`` and ``n`` have the shape of the moments looked at; after no row the bounds are 0 and 1. ``k`` may be a sum of values in
    [0, 1]: the bounds are then of their mean, and wide.
    """
    k, n = np.broadcast_arrays(np.asarray(k, float), np.asarray(n, float))
    return _lowest(k, n, level / 2), 1 - _lowest(n - k, n, level / 2)


def _lowest(k, n, level):
    """The least share that is not refuted; remembered, for of most features nothing is ever counted."""
    return _halved(k.tobytes(), n.tobytes(), level).reshape(k.shape).copy()


@lru_cache(maxsize=64)
def _halved(k, n, level):
    """By halving between 0, which is refuted where anything was counted, and the share seen, which is not."""
    k, n = np.frombuffer(k), np.frombuffer(n)
    low, high = np.zeros_like(n), np.where(n > 0, k / np.maximum(n, 1), 0.0)
    some = k > 0
    k, n = k[some], n[some]
    for _ in range(STEPS if some.any() else 0):
        middle = (low[some] + high[some]) / 2
        refuted = evidence(k, n, middle) >= np.log(1 / level)
        low[some], high[some] = np.where(refuted, middle, low[some]), np.where(refuted, high[some], middle)
    return low


def difference_bounds(k, n, j, m, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the later share less the first, from k of n rows and j of m; the chance that they ever miss is at most ``level``.

    Each share has its own bounds at half the level. Of the same requests, give those in which one side alone is counted:
    the difference of the shares is theirs.
    """
    (low, high), (least, most) = share_bounds(k, n, level / 2), share_bounds(j, m, level / 2)
    return least - high, most - low


def kept(low, high) -> tuple[np.ndarray, np.ndarray]:
    """The bounds once what was refuted stays so: each moment's are those of all moments up to it, shape (moments,).

    Where they would cross, for the share was another in other hours, the upper gives way.
    """
    low, high = np.maximum.accumulate(low), np.minimum.accumulate(high)
    return low, np.maximum(low, high)


def quantile_bounds(ordered: np.ndarray, q: float, level: float) -> tuple[float, float]:
    """Bounds of the q-quantile behind a sample in ascending order, shape (n,); the chance that they ever miss, as the sample
    grows, is at most ``level``.

    They are two values of the sample: how many lie at or below the quantile is a count whose share is q or more, and how
    many below it one whose share is q or less (Howard and Ramdas, Bernoulli 2022). Infinite while there are too few.
    """
    n, enough = len(ordered), np.log(2 / level)
    # so few at or below it, or so many below it, that its share would not be q
    first = bisect_left(range(n + 1), True, key=lambda k: evidence(n - k, n, 1 - q) < enough)
    last = bisect_left(range(n + 1), True, key=lambda k: evidence(k, n, q) >= enough) - 1
    return float(ordered[first - 1]) if first else -np.inf, float(ordered[last]) if last < n else np.inf
