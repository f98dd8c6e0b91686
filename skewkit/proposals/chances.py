"""Skews of chance: counts that lose or gain events, and readings with noise. How they are fitted, and how well they fit.

What chance did cannot be reproduced row by row, so that these are believed only where the whole spread of what was served
is the one that chance would have made: a shorter window, or a stale value, makes another.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..timeline import nanoseconds
from .clues import SLICES, Evidence, decimals, floats, snapped

ENOUGH = 60  # rows that differ
EVERY = 0.99  # of the rows, at least, that differ where readings have noise
STRANGE = 0.003  # a spread as odd as this, or odder, is not called chance


def missed(e: Evidence, gained: bool = False) -> float | None:
    """The share of events that counts lost (or, ``gained``, have twice), each by its own chance; None where that does not fit.

    Only rows that differ are looked at, so that it does not matter which rows are hit: what is lost there is binomial,
    given that it is not 0.
    """
    counts = _counts(e, gained)
    if counts is None:
        return None
    n, k = counts
    share = _truncated(n, k)
    if not 0.003 < share < 0.98:
        return None
    expected, spread = _moments(n, share)
    z = (k - expected) / np.sqrt(spread)
    total = np.sqrt(len(z))
    halves = n > np.median(n)
    apart = (
        abs(z[halves].mean() - z[~halves].mean()) / np.sqrt(1 / max(halves.sum(), 1) + 1 / max((~halves).sum(), 1))
        if halves.any()
        else 0
    )
    kurtosis = max(float(np.mean(z**4)) - 1, 1.0)  # of z squared, whose mean is 1 where the spread is the binomial's
    wide = abs(float(np.mean(z**2)) - 1) * total / np.sqrt(kurtosis)
    return float(f"{share:.3g}") if max(apart, wide) < 3.9 else None  # two-sided 1e-4 of a normal


def _counts(e, gained):
    if not e.numeric or not e.paired:
        return None
    x, y = floats(e.x), floats(e.y)
    k = y - x if gained else x - y
    whole = np.isfinite(x).all() and np.isfinite(y).all() and (x % 1 == 0).all() and (y % 1 == 0).all()
    if len(x) < ENOUGH or not whole or (k <= 0).any() or (k > x).any() or np.median(x) < 2 or len(np.unique(x)) < 3:
        return None
    return x, k


def _truncated(n, k):
    """The chance that makes a binomial of n, given that it is not 0, as large as k on average."""
    from scipy.optimize import brentq

    def off(p):
        return float(np.sum(_moments(n, p)[0] - k))

    low, high = 1e-6, 1 - 1e-6
    return brentq(off, low, high) if off(low) < 0 < off(high) else 0.0


def _moments(n, p):
    """Mean and variance of a binomial that is not 0."""
    some = 1 - (1 - p) ** n
    mean = n * p / some
    square = (n * p * (1 - p) + (n * p) ** 2) / some
    return mean, np.maximum(square - mean**2, 1e-12)


def binomial(e: Evidence, share: float, gained: bool = False) -> np.ndarray:
    """Bits to write down each served count that differs, given how many were there, shape (rows that differ,)."""
    from scipy.stats import binom

    n = floats(e.x)
    k = (floats(e.y) - n) if gained else (n - floats(e.y))
    log = binom.logpmf(k, n, share) - np.log1p(-((1 - share) ** n) + 1e-15)
    return np.minimum(-log / np.log(2), 60)


def noise(e: Evidence) -> tuple[float, float, float] | None:
    """(gain, offset, deviation) of readings with Gaussian noise that is the same everywhere; None where they are not that."""
    from scipy.stats import kstest, spearmanr

    x, y = e.numbers
    with np.errstate(over="ignore"):
        measurable = np.isfinite(np.var(x) + np.var(y)) if len(x) else False
    if len(x) < ENOUGH or len(x) < len(e.x) or len(np.unique(x)) < 10 or (y % 1 == 0).all():
        return None
    if not _all_of_some(e):  # noise strikes every reading; what is stale or late is right where nothing happened since
        return None
    if not measurable or np.isin(y, floats(e.before)).mean() > 0.5:  # other rows' values are no noise
        return None
    gain = float(np.mean((x - x.mean()) * (y - y.mean())) / np.var(x))
    offset = float(np.mean(y) - gain * np.mean(x))
    error = np.std(y - gain * x - offset)
    if not error or not np.isfinite(error):
        return None
    unsure = 4 * error / (np.std(x) * np.sqrt(len(x)))
    gain = 1.0 if abs(gain - 1) < unsure else snapped(float(gain), unsure / abs(gain))
    offset = float(np.mean(y - gain * x))
    unsure = 4 * error / np.sqrt(len(x))
    offset = 0.0 if abs(offset) < unsure else snapped(offset, unsure / abs(offset))
    left = y - gain * x - offset
    error = float(np.std(left))
    if not np.ptp(np.abs(left)) > 0.1 * error:
        return None
    grain = 10.0 ** -(decimals(y[:500]) or 15)
    if grain > error / 3 or error > np.std(y) / 2:  # too coarse to see the noise's form, or nothing but noise
        return None
    rows = np.random.default_rng(0).permutation(len(left))[:2_000]
    when = nanoseconds(e.frame[e.roles.time])[e.differ] if e.roles.time in e.frame else np.arange(len(left))
    turn = left[np.argsort(when, kind="stable")]  # what is stale or windowed is alike in requests soon after each other
    oddities = [
        spearmanr(turn[1:], turn[:-1]).pvalue,
        kstest(left[rows] / error, "norm").pvalue,
        spearmanr(left[rows], x[rows]).pvalue,
        spearmanr(np.abs(left[rows]), x[rows]).pvalue,
    ]
    return (gain, offset, float(f"{error:.3g}")) if min(oddities) > STRANGE else None


def _all_of_some(e):
    """Whether every row differs, or every row with certain values of a column and no other: all readings of a device."""
    if e.differ.mean() >= EVERY:
        return True
    for column in (c for c, kind in e.frame.dtypes.items() if c != e.feature and kind.kind not in "fMm"):
        codes, values = pd.factorize(e.frame[column].astype(object), use_na_sentinel=False)
        if 1 < len(values) <= SLICES:
            rows, off = np.bincount(codes), np.bincount(codes, e.differ)
            if ((off >= EVERY * rows) | (off <= (1 - EVERY) * rows)).all():
                return True
    return False


def gaussian_bits(e: Evidence, gain: float, offset: float, deviation: float) -> np.ndarray:
    """Bits to write down each served reading, beside those of writing it anywhere in its range, shape (rows that differ,)."""
    x, y = floats(e.x), floats(e.y)
    spread = np.nanmax(y) - np.nanmin(y)
    z = (y - gain * x - offset) / deviation
    saved = np.log2(spread / deviation) - np.log2(np.sqrt(2 * np.pi)) - z**2 / 2 / np.log(2)
    return np.maximum(e.raw - saved, 1.0)  # no value for nothing: what is exact takes less
