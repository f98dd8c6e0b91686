"""How much rows near each other in time are alike, and so by how much they are fewer draws than rows.

Time is cut into blocks. The variance of a share between blocks over what independent rows would have is its design effect
(`clusters`); what blocks inherit from the one before is the factor (1 + r) / (1 - r) of an AR(1) series of block means.
A factor that all entities share moves a whole block, so that the blocks show it. Both are taken at an upper confidence
bound; where nothing tells them from independence they are 1, for the bounds they serve stand far beyond what that misses.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2, norm

DAY = 86_400 * 10**9
LENGTHS = (1, 2, 4, 7, 14, 28, 56, 91, 182)  # days of a block; whole ones, so that the hours of a day cancel
MANY = 16  # blocks that tell what one inherits from the one before
FEWEST = 6  # blocks, or their variance says nothing
ALONE = 1e-3  # the chance that independent rows are taken for dependent ones, in one share at one length
UPPER = 0.95  # confidence of the upper bounds


def lengths(span: float, window: float | None = None) -> list[tuple[float, bool]]:
    """Lengths of blocks in nanoseconds, and whether what a block inherits counts.

    A window of served that is shorter than a sixth of training is a block of its own length as well.
    """
    longest = span / FEWEST
    found: list[tuple[float, bool]] = [
        (days * DAY, days * DAY * MANY <= span) for days in LENGTHS if days * DAY <= longest
    ]
    if not any(inherits for _, inherits in found):
        found = [(length, True) for length, _ in found] or [(longest, True)]
    return found + ([(window, False)] if window is not None and 0 < window <= longest else [])


def dependence(times: np.ndarray, cells: np.ndarray, count: int, upto: bool = False, blocks=None) -> np.ndarray:
    """The design effect of each cell's share over a long time, shape (count,), at least 1 and at most the rows.

    ``times`` in nanoseconds and ``cells`` numbered from 0, shape (rows,); ``upto``: of lying up to each cell. ``blocks`` are
    `lengths`, those of the times' own span where not given.
    """
    found = np.ones(count)
    if len(times) < 2 or times.min() == times.max():
        return found
    span = float(times.max() - times.min())
    for length, inherits in lengths(span) if blocks is None else blocks:
        off, share = _off(((times - times.min()) // max(length, 1.0)).astype(np.int64), cells, count, upto)
        found = np.maximum(found, _upper(off, share, len(times), inherits))
    return np.clip(found, 1.0, len(times))


def surely(effects: np.ndarray, clusters: int) -> np.ndarray:
    """Design effects between so many clusters at their upper bound; 1 where independent rows may well have them."""
    if clusters < 2:
        return np.full(len(effects), np.inf)
    df = clusters - 1
    alone = effects * clusters <= chi2.ppf(1 - ALONE, df)
    return np.where(alone, 1.0, np.maximum(1.0, effects * clusters / chi2.ppf(1 - UPPER, df)))


def _off(block, cells, count, upto):
    """By how many rows each block's count is off what its size makes expected, shape (blocks, count), and each cell's share."""
    block = np.unique(block, return_inverse=True)[1]
    of = np.bincount(block).astype(float)
    held = np.bincount(block * count + cells, minlength=len(of) * count).reshape(len(of), count).astype(float)
    held = held.cumsum(axis=1) if upto else held
    share = held.sum(axis=0) / of.sum()
    return held - of[:, None] * share, share


def _upper(off, share, rows, inherits):
    """An upper bound of the long-run design effect from blocks in the order of time."""
    independent, squares = rows * share * (1 - share), (off**2).sum(axis=0)
    varies = (independent > 1e-9) & (squares > 0)
    effects = np.ones(len(share))
    effects[varies] = surely(squares[varies] / independent[varies], len(off))
    if not inherits or not varies.any():
        return effects
    r = np.zeros(len(share))
    r[varies] = (off[1:, varies] * off[:-1, varies]).sum(axis=0) / squares[varies]
    # r of few blocks is too small by about (1 + 3 r) / blocks (Kendall, 1954)
    r = r + (1 + 3 * r) / len(off) + norm.ppf(UPPER) / np.sqrt(len(off))
    with np.errstate(divide="ignore"):
        factor = np.where(r >= 1, np.inf, (1 + r) / np.maximum(1 - r, 1e-12))
    return np.where(effects > 1, effects * np.maximum(1.0, factor), effects)
