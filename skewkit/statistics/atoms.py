"""The values that many rows of a column hold, where numbers that are the same within a tolerance are one value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .distributions import Distribution

FREQUENT = 0.001  # of the rows: a value with at least this share on either side is an atom
MOST = 200  # atoms, the most frequent first
LOOKED = 50_000  # values of a column, at most, that tell its spread
LAST_DIGITS = 1e-12  # relative: two sums in another order, or a value written as text and read again, differ by less


def spread(values: np.ndarray) -> float:
    """How far the values of a column typically lie apart, from floats of shape (n,): 0 or more.

    It is the median distance from the median, over the values that are not the median: a default that many rows share does
    not move it, nor do a few outliers. Of a column with one value it is the size of that. It is read off LOOKED values.
    """
    some = values[:: max(1, -(-len(values) // LOOKED))]
    some = some[np.isfinite(some)]
    if not len(some):
        return 0.0
    middle = float(np.median(some))
    with np.errstate(over="ignore"):
        apart = np.abs(some - middle)
    apart = apart[apart > 0]
    return float(np.median(apart)) if len(apart) else abs(middle)


def reach(a: Distribution, tolerance) -> tuple[float, float]:
    """How far apart two numbers of a column may lie and be one value: in its unit, and relative to their size.

    ``tolerance`` is a `records.Tolerance`; the spread is that of ``a``.
    """
    if not tolerance.of_spread or a.kind != "number" or not a.n:
        return tolerance.absolute, tolerance.relative
    known = spread(a.at(np.arange(0, a.n, max(1, a.n // LOOKED))).astype(float))
    return tolerance.absolute + tolerance.of_spread * known, tolerance.relative


def one_value(
    a: Distribution, b: Distribution, allowed: float, relative: float = 0.0
) -> tuple[Distribution, Distribution]:
    """Both distributions with the values that lie within a tolerance of an atom moved onto it: in training's, or else theirs.

    ``allowed`` is in the column's unit, ``relative`` to a value's size. Rare values stay: each is too few rows to matter.
    """
    if (
        not allowed + relative
        or "number" not in (a.kind, b.kind)
        or not {a.kind, b.kind} <= {"number", "integer", "boolean"}
    ):
        return a, b
    atoms, reach = np.empty(0), np.empty(0)
    for d in (d for d in (a, b) if d.n):
        found = _nearly_often(d, allowed, relative)
        if len(atoms):
            at = np.minimum(np.searchsorted(atoms, found), len(atoms) - 1)
            near = np.minimum(np.abs(found - atoms[at]), np.abs(found - atoms[np.maximum(at - 1, 0)]))
            found = found[near > reach[at]]
        atoms = np.sort(np.r_[atoms, found])
        reach = allowed + (LAST_DIGITS + relative) * np.abs(atoms)
    if not len(atoms):
        return a, b
    half = np.diff(atoms) / 2
    low = atoms - np.minimum(reach, np.r_[np.inf, half])
    high = atoms + np.minimum(reach, np.r_[half, np.inf])
    return _moved(a, atoms, low, high), _moved(b, atoms, low, high)


def _nearly_often(d, allowed, relative):
    """The values near which at least a FREQUENT share of the rows lies, ascending, none within reach of the one before."""
    fewest = max(int(np.ceil(FREQUENT * d.n)), 2)
    step = fewest // 2  # so many rows in a row hold two neighbours of any that stand half as far apart
    some = d.at(np.arange(0, d.n, step)).astype(float)
    some = some[np.isfinite(some)]
    reach = allowed + (LAST_DIGITS + relative) * np.abs(some)
    some = np.unique(some[np.flatnonzero(np.diff(some) <= reach[1:]) + 1])
    reach = allowed + (LAST_DIGITS + relative) * np.abs(some)
    some = some[d.below(some + reach) - d.below(some - reach, "left") >= fewest]
    if len(some) < 2:
        return some
    group = np.cumsum(np.r_[False, np.diff(some) > allowed + (LAST_DIGITS + relative) * np.abs(some[1:])])
    own = d.below(some) - d.below(some, "left")
    first = np.lexsort((some, -own, group))  # the value that most rows hold stands for those around it
    return some[np.sort(first[np.unique(group[first], return_index=True)[1]])]


def _moved(d, atoms, low, high):
    """A distribution with the values from low to high of each atom made the atom; itself where none has to move."""
    ordered = d.ordered
    first, last = np.searchsorted(ordered, low), np.searchsorted(ordered, high, "right")
    exact = np.searchsorted(ordered, atoms, "right") - np.searchsorted(ordered, atoms)
    wrong = np.flatnonzero(last - first > exact)
    if not len(wrong):
        return d
    ordered = ordered.astype(float)
    for i in wrong:
        ordered[first[i] : last[i]] = atoms[i]
    if d.ends is None:
        return replace(d, ordered=ordered)
    final = np.r_[ordered[1:] != ordered[:-1], True]
    return replace(d, ordered=ordered[final], ends=d.ends[final])
