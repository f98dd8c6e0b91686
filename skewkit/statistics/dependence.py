"""How much rows near each other in time are alike, and so by how much they are fewer draws than rows.

Time is cut into blocks. The variance of a share between blocks over what independent rows would have is its design effect
(`clusters`); what blocks inherit from the one before is the factor (1 + r) / (1 - r) of an AR(1) series of block means.
A factor that all entities share moves a whole block, so that the blocks show it. Both are taken at an upper confidence
bound; where nothing tells them from independence they are 1, for the bounds they serve stand far beyond what that misses.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import chi2, norm

DAY = 86_400 * 10**9
WEEK = 7 * DAY
LENGTHS = (1, 2, 4, 7, 14, 28, 56, 91, 182)  # days of a block; whole ones, so that the hours of a day cancel
MANY = 16  # blocks that tell what one inherits from the one before
FEWEST = 6  # blocks, or their variance says nothing
STEPS = 12  # parts of its length by which a window slides
MANY_APART = 100  # windows beside each other, beyond which none has to slide
ALONE = 1e-3  # the chance that independent rows are taken for dependent ones, in one share at one length
UPPER = 0.95  # confidence of the upper bounds


class Blocks(NamedTuple):
    """How time is cut: into blocks so many nanoseconds long.

    ``inherits``: what a block has of the one before counts. ``slides``: blocks overlap, a part of their length from each other.
    ``few``: so few that their estimate counts and not its upper bound: shorter blocks have one, which this can only correct.
    """

    length: float
    inherits: bool = False
    slides: bool = False
    few: bool = False


def lengths(span: float, window: float | None = None) -> list[Blocks]:
    """The blocks that say how training of so long a span varies, beside a later window of so many nanoseconds.

    The window is as far off as training's own windows of that length are, and longer blocks say what training as a whole is.
    Beside a window of a week or more, shorter blocks than a week say nothing: a day has one day of the week, a week has all.
    """
    longest = span / FEWEST
    days = [d * DAY for d in LENGTHS if d * DAY <= longest] or [longest]
    days = [d for d in days if window is None or d >= min(window, WEEK)] or days[-1:]
    many = [d * MANY <= span for d in days]
    found = [Blocks(float(d), m or not any(many), few=any(many) and not m) for d, m in zip(days, many, strict=True)]
    if window is None or not 0 < window <= span / 3:
        return found
    return [*found, Blocks(float(window), slides=span <= MANY_APART * window)]


def dependence(times: np.ndarray, cells: np.ndarray, count: int, upto: bool = False, blocks=None) -> np.ndarray:
    """The design effect of each cell's share over a long time, shape (count,), at least 1 and at most the rows.

    ``times`` in nanoseconds and ``cells`` numbered from 0, shape (rows,); ``upto``: of lying up to each cell. ``blocks`` are
    `lengths`, those of the times' own span where not given.
    """
    found = np.ones(count)
    if len(times) < 2 or times.min() == times.max():
        return found
    since, span = times - times.min(), float(times.max() - times.min())
    for one in lengths(span) if blocks is None else blocks:
        off, of, share = _off(since, one, cells, count, upto)
        # of windows that slide, about so many are independent (Welch, Comm. ACM 1987)
        alone = max(2, int(1.5 * span / one.length)) if one.slides else len(of)
        found = np.maximum(found, _upper(off, share, of, alone, one))
    return np.clip(found, 1.0, len(times))


def surely(effects: np.ndarray, clusters: int, few: bool = False) -> np.ndarray:
    """Design effects between so many clusters at their upper bound (``few``: as estimated); 1 where independent rows may well have them."""
    if clusters < 2:
        return np.full(len(effects), np.inf)
    df = clusters - 1
    alone = effects * clusters <= chi2.ppf(1 - ALONE, df)
    return np.where(alone, 1.0, np.maximum(1.0, effects * clusters / (df if few else chi2.ppf(1 - UPPER, df))))


def _off(since, blocks, cells, count, upto):
    """By how many rows each block's count is off what its size makes expected, shape (blocks, count); the sizes, the shares."""
    part = (since // max(blocks.length / (STEPS if blocks.slides else 1), 1.0)).astype(np.int64)
    if not blocks.slides:  # where there are no rows is no block
        part = np.unique(part, return_inverse=True)[1]
    parts = int(part.max()) + 1
    of = np.bincount(part, minlength=parts).astype(float)
    held = np.bincount(part * count + cells, minlength=parts * count).reshape(parts, count).astype(float)
    held = held.cumsum(axis=1) if upto else held
    share = held.sum(axis=0) / of.sum()
    if blocks.slides:
        sums = (np.concatenate([np.zeros((1, *x.shape[1:])), x.cumsum(axis=0)]) for x in (held, of))
        held, of = (x[STEPS:] - x[:-STEPS] for x in sums)
        held, of = held[of > 0], of[of > 0]
    return held - of[:, None] * share, of, share


def _upper(off, share, of, blocks, one):
    """An upper bound of the long-run design effect from blocks in the order of time."""
    independent, squares = of.sum() * share * (1 - share), (off**2).sum(axis=0)
    varies = (independent > 1e-9) & (squares > 0)
    effects = np.ones(len(share))
    effects[varies] = surely(squares[varies] / independent[varies], blocks, one.few)
    if not one.inherits or not varies.any():
        return effects
    r = np.zeros(len(share))
    r[varies] = (off[1:, varies] * off[:-1, varies]).sum(axis=0) / squares[varies]
    # r of few blocks is too small by about (1 + 3 r) / blocks (Kendall, 1954)
    r = r + (1 + 3 * r) / len(off) + norm.ppf(UPPER) / np.sqrt(len(off))
    with np.errstate(divide="ignore"):
        factor = np.where(r >= 1, np.inf, (1 + r) / np.maximum(1 - r, 1e-12))
    return np.where(effects > 1, effects * np.maximum(1.0, factor), effects)
