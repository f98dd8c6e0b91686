"""The values that many rows of a column hold, where numbers that are the same within a tolerance are one value."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .distributions import Distribution

FREQUENT = 0.001  # of the rows: a value with at least this share on either side is an atom
MOST = 200  # atoms, the most frequent first
LOOKED = 50_000  # values of a column, at most, that tell its spread
LAST_DIGITS = 1e-12  # relative: two sums in another order, or a value written as text and read again, differ by less


@dataclass(frozen=True)
class Scale:
    """Where the values of a column lie: ``middle``, and how far apart they typically are: ``spread``, 0 or more."""

    middle: float = 0.0
    spread: float = 0.0

    def of(self, values: np.ndarray) -> np.ndarray:
        """What a value is measured against, shape of ``values``: the spread, or how far off the middle it lies, if that is more."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.minimum(np.maximum(self.spread, np.abs(values - self.middle)), np.finfo(float).max)


def scale(values: np.ndarray) -> Scale:
    """The scale of a column, from floats of shape (n,).

    The spread is the median distance from the median, over the values that are not the median: a default that many rows share
    does not move it, nor do a few outliers. Of a column with one value it is the size of that. It is read off LOOKED values.
    """
    some = values[:: max(1, -(-len(values) // LOOKED))]
    some = some[np.isfinite(some)]
    if not len(some):
        return Scale()
    middle = float(np.median(some))
    with np.errstate(over="ignore"):
        apart = np.abs(some - middle)
    apart = apart[apart > 0]
    return Scale(middle, float(np.median(apart)) if len(apart) else abs(middle))


@dataclass(frozen=True)
class Reach:
    """How far apart two numbers of a column may lie and be one value: a `records.Tolerance`, and the column's scale."""

    absolute: float = 0.0
    relative: float = 0.0
    of_spread: float = 0.0
    scale: Scale = Scale()

    def __bool__(self):
        return bool(self.absolute + self.relative + self.of_spread)

    def of(self, values: np.ndarray) -> np.ndarray:
        """How far about each value, shape of ``values``."""
        relative = self.relative + (LAST_DIGITS if self.of_spread else 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            return self.absolute + self.of_spread * self.scale.of(values) + relative * np.abs(values)


EXACTLY = Reach()


def reach(a: Distribution, tolerance, known: Scale | None = None) -> Reach:
    """What a tolerance allows in a column that is spread like ``a``: for measured numbers alone.

    ``known`` is the scale of the column, where ``a`` holds too few of its values to tell.
    """
    if a.kind != "number" or not a.n:
        return EXACTLY
    if known is None and tolerance.of_spread:
        known = scale(a.at(np.arange(0, a.n, max(1, a.n // LOOKED))).astype(float))
    return Reach(tolerance.absolute, tolerance.relative, tolerance.of_spread, known or Scale())


def one_value(a: Distribution, b: Distribution, allowed: Reach) -> tuple[Distribution, Distribution]:
    """Both distributions with the values that lie within reach of an atom moved onto it: in training's, or else theirs.

    Rare values stay: each is too few rows to matter.
    """
    if not allowed or not {a.kind, b.kind} <= {"number", "integer", "boolean"}:
        return a, b
    atoms = np.empty(0)
    for d in (d for d in (a, b) if d.n):
        found = _nearly_often(d, allowed)
        if len(atoms):
            at = np.minimum(np.searchsorted(atoms, found), len(atoms) - 1)
            near = np.minimum(np.abs(found - atoms[at]), np.abs(found - atoms[np.maximum(at - 1, 0)]))
            found = found[near > allowed.of(atoms[at])]
        atoms = np.sort(np.r_[atoms, found])
    if not len(atoms):
        return a, b
    half, about = np.diff(atoms) / 2, allowed.of(atoms)
    low = atoms - np.minimum(about, np.r_[np.inf, half])
    high = atoms + np.minimum(about, np.r_[half, np.inf])
    return _moved(a, atoms, low, high), _moved(b, atoms, low, high)


def _nearly_often(d, allowed):
    """The values near which at least a FREQUENT share of the rows lies, ascending, none within reach of the one before."""
    fewest = max(int(np.ceil(FREQUENT * d.n)), 2)
    step = fewest // 2  # so many rows in a row hold two neighbours of any that stand half as far apart
    some = d.at(np.arange(0, d.n, step)).astype(float)
    some = some[np.isfinite(some)]
    some = np.unique(some[np.flatnonzero(np.diff(some) <= allowed.of(some[1:])) + 1])
    about = allowed.of(some)
    some = some[d.below(some + about) - d.below(some - about, "left") >= fewest]
    if len(some) < 2:
        return some
    group = np.cumsum(np.r_[False, np.diff(some) > allowed.of(some[1:])])
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
