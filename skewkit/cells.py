"""The cells in which two tables' values of one column are counted: every frequent value, and bins between.

The bins' edges come from the first table alone, and the first and last are open: an outlier of the other cannot stretch them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .records import Distribution

BINS = 20  # of the values that are no atoms, equally many of the first table's rows in each
FREQUENT = 0.001  # of the rows: a value with at least this share on either side is an atom
MOST = 200  # atoms, the most frequent first
DECIMALS = 7
SAMPLED = 20_000  # rows whose format is read


@dataclass(frozen=True, eq=False)
class Cells:
    """First the bins, each up to and with its edge and the last beyond, then the atoms; text has one bin, of all others."""

    edges: np.ndarray  # ascending, shape (bins - 1,)
    atoms: np.ndarray  # ascending, shape (atoms,)

    def __len__(self):
        return len(self.edges) + 1 + len(self.atoms)

    @cached_property
    def bins(self) -> int:
        return len(self.edges) + 1

    def index(self, values: np.ndarray) -> np.ndarray:
        """The number of each value's cell, shape (n,)."""
        found = np.searchsorted(self.edges, values) if len(self.edges) else np.zeros(len(values), int)
        if len(self.atoms):
            at = np.minimum(np.searchsorted(self.atoms, values), len(self.atoms) - 1)
            found = np.where(self.atoms[at] == values, self.bins + at, found)
        return found

    def counts(self, d: Distribution) -> np.ndarray:
        """The rows of each cell, shape (cells,)."""
        often = _held(d, self.atoms)
        through = np.r_[0, d.upto][np.searchsorted(d.values, self.edges, "right")]
        binned = np.diff(np.r_[0, through, d.n]).astype(float)
        if len(self.atoms):
            binned -= np.bincount(np.searchsorted(self.edges, self.atoms), often, self.bins)
        return np.r_[binned, often]

    def label(self, cell: int) -> str:
        """How a cell is called: its value, or from where to where it reaches."""
        if cell >= self.bins:
            return str(self.atoms[cell - self.bins])
        if not len(self.edges):
            return "all others" if len(self.atoms) else "all"
        if cell == 0:
            return f"up to {self.edges[0]:.6g}"
        if cell == len(self.edges):
            return f"above {self.edges[-1]:.6g}"
        return f"above {self.edges[cell - 1]:.6g}, up to {self.edges[cell]:.6g}"


def cells(a: Distribution, b: Distribution, categories: int = 0, pooled: bool = False) -> Cells:
    """The cells for a column of two tables, the first being the reference.

    Every value of a table is an atom where there are at most ``categories`` of them, whole numbers or booleans. A value is
    frequent by its share on either side; ``pooled``, by its share of both together, which says nothing of their difference:
    where all cells are judged at once, those that chance made frequent on one side must not be picked.
    """
    few = a.kind in ("integer", "boolean") and len(a.values) <= categories
    atoms = _atoms(a, b, 0.0 if few else FREQUENT, pooled)
    if a.kind == "text":
        return Cells(np.array([], object), atoms)
    rest = ~np.isin(a.values, atoms)
    values, upto = a.values[rest], a.counts[rest].cumsum()
    left = int(upto[-1]) if len(upto) else 0
    bins = min(BINS, int(np.ceil(BINS * left / max(a.n, 1))))
    ranks = np.arange(1, bins) * left // max(bins, 1)
    edges = values[np.searchsorted(upto, ranks)] if left else values[:0]
    return Cells(np.unique(edges), atoms)


def _atoms(a, b, least, pooled):
    """The frequent values of either, or of both together, ascending: the most frequent of them, if they are too many."""
    rows = (a.n + b.n,) * 2 if pooled else (a.n, b.n)
    fewest = [max(least * n, 2) for n in rows]
    # of both together, one side holds half at least
    often = [d.values[d.counts >= few / (2 if pooled else 1)] for d, few in zip((a, b), fewest, strict=True)]
    values = np.union1d(*often)  # whole numbers of one side may be fractions on the other
    held = [_held(d, values) for d in (a, b)]
    share = sum(held) / rows[0] if pooled else np.maximum(held[0] / max(a.n, 1), held[1] / max(b.n, 1))
    if pooled:
        values, share = (x[sum(held) >= fewest[0]] for x in (values, share))
    return np.sort(values[np.argsort(-share, kind="stable")[:MOST]])


def _held(d, values):
    """How many rows hold each of some values, shape (values,)."""
    upto = np.r_[0, d.upto]
    first, last = (np.searchsorted(d.values, values, side) for side in ("left", "right"))
    return (upto[last] - upto[first]).astype(float)


def formats(d: Distribution, seed: int = 0) -> tuple[dict[str, int], int]:
    """How values are written: of how many rows each is true, and of how many it was read (a seeded sample, at most SAMPLED).

    Numbers by how many decimals they have and whether 32 bits hold them; text by digits, case, blanks, commas and letters
    beyond ASCII.
    """
    rows = np.arange(d.n)
    if d.n > SAMPLED:
        rows = np.sort(np.random.default_rng(seed).choice(d.n, SAMPLED, replace=False))
    at, times = np.unique(np.searchsorted(d.upto, rows, "right"), return_counts=True)
    values = d.values[at]
    return {name: int(times[which].sum()) for name, which in written(values, d.kind).items()}, len(rows)


def written(values: np.ndarray, kind: str) -> dict[str, np.ndarray]:
    """Of each format, which values are written so: of numbers or text, shape (n,)."""
    return _letters(values) if kind == "text" else _decimals(values.astype(float))


def _decimals(values):
    finite = np.isfinite(values)
    seen, left = {}, finite.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for places in range(DECIMALS):
            scaled = values * 10.0**places
            exact = left & (np.abs(scaled - np.rint(scaled)) <= np.minimum(1e-15 * np.abs(scaled), 1e-3))
            seen[f"{places} decimals"] = exact
            left &= ~exact
        seen[f"{DECIMALS} decimals or more"] = left
        short = finite & (values.astype(np.float32).astype(float) == values)
    return {**seen, "held by 32 bits": short, "infinite": ~finite}


def _letters(values):
    text = [str(v) for v in values]
    tests = {
        "empty": lambda t: not t.strip(),
        "digits only": str.isdecimal,
        "upper case": str.isupper,
        "lower case": str.islower,
        "beyond ASCII": lambda t: not t.isascii(),
        "with a comma": lambda t: "," in t,
        "with a blank around": lambda t: t != t.strip(),
    }
    return {name: np.array([bool(test(t)) for t in text], bool) for name, test in tests.items()}
