"""One pass over two sorted columns: how far apart they lie. Imports nothing else of skewkit.

With `skewkit[fast]` the pass is compiled by numba; without, numpy does it in blocks. Both add up in the same order, and so
give the same bits.
"""

from __future__ import annotations

from functools import cache

import numpy as np

BLOCK = 1 << 13  # values of a side that numpy takes at once: they stay in the processor's cache
MANY = 10_000  # rows of both, below which loading a compiler takes longer than it saves


def sweep(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """The largest |F - G|, where it first is, and the area under it, of two samples in ascending order, shapes (n,), (m,).

    Neither may be empty or hold NaN; the area is NaN or infinite where an infinity is among them. Ties are taken together,
    so that the distance is scipy.stats.ks_2samp's, and the area scipy.stats.wasserstein_distance's.
    """
    if a.dtype != b.dtype:  # whole numbers of one side may be fractions on the other
        both = np.result_type(a, b)
        a, b = a.astype(both), b.astype(both)
    n, m = len(a), len(b)
    compiled = _compiled() if n + m >= MANY else None
    with np.errstate(invalid="ignore", over="ignore"):
        most, where, area = (compiled or _blocks)(a, b)
    return int(most) / (n * m), where, float(area) / (n * m)


def _blocks(a, b):
    """In integers, i of the first and j of the second lying at or below a value: |i m - j n|, the largest, and its area."""
    n, m = len(a), len(b)
    i = j = most = gap = 0
    last = where = min(a[0], b[0])
    area = 0.0
    while i < n or j < m:
        # all values up to the lower of both blocks' ends, with all that equal it: no tie is parted
        ends = [side[min(at + BLOCK, len(side)) - 1] for side, at in ((a, i), (b, j)) if at < len(side)]
        upto = min(ends)
        i2, j2 = (at + int(np.searchsorted(s[at:], upto, "right")) for s, at in ((a, i), (b, j)))
        values = np.concatenate((a[i:i2], b[j:j2]))
        order = np.argsort(values, kind="stable")
        values = values[order]
        gaps = np.cumsum(order < i2 - i, dtype=np.int64)
        gaps *= n + m
        gaps -= np.arange(n, n * len(gaps) + 1, n)
        gaps += i * m - j * n
        np.abs(gaps, out=gaps)
        floats = values.astype(float, copy=False)
        steps = np.empty(len(floats))
        steps[0] = area + (floats[0] - float(last)) * gap
        np.subtract(floats[1:], floats[:-1], out=steps[1:])
        steps[1:] *= gaps[:-1]
        area = np.add.accumulate(steps, out=steps)[-1]  # one after the other, as the compiled pass does
        tied = values[1:] == values[:-1]
        if tied.any():
            gaps[:-1][tied] = -1
        top = int(gaps.argmax())
        if gaps[top] > most:
            most, where = int(gaps[top]), values[top]
        gap, last, i, j = gaps[-1], values[-1], i2, j2
    return most, where, area


def _pass(a, b):
    """As `_blocks`, one value at a time: to be compiled."""
    n, m = len(a), len(b)
    i = j = most = gap = 0
    last = where = min(a[0], b[0])
    area = 0.0
    while i < n and j < m:
        x, y = a[i], b[j]
        value = min(x, y)
        if value != last:
            area += (float(value) - float(last)) * gap
            if gap > most:
                most, where = gap, last
            last = value
        i += x <= y
        j += y <= x
        gap = abs(i * m - j * n)
    while i < n or j < m:
        value = a[i] if i < n else b[j]
        if value != last:
            area += (float(value) - float(last)) * gap
            if gap > most:
                most, where = gap, last
            last = value
        i, j = (i + 1, j) if i < n else (i, j + 1)
        gap = abs(i * m - j * n)
    return most, where, area


@cache
def _compiled():
    """The pass compiled; None where numba is not installed."""
    try:
        from numba import njit
    except ImportError:
        return None
    try:
        return njit(nogil=True, cache=True)(_pass)
    except RuntimeError:  # no folder to keep it in
        return njit(nogil=True)(_pass)
