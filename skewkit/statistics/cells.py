"""The cells in which two tables' values of one column are counted: every frequent value, and bins between.

The bins' edges come from the first table alone, and the first and last are open: an outlier of the other cannot stretch them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np

from ..evidence import said
from .atoms import EXACTLY, FREQUENT, LAST_DIGITS, MOST, Reach
from .distributions import Distribution

BINS = 20  # of the values that are no atoms, equally many of the first table's rows in each
DECIMALS = 7
SAMPLED = 20_000  # rows whose format is read


@dataclass(frozen=True, eq=False)
class Cells:
    """First the bins, each up to and with its edge and the last beyond, then the atoms; text has one bin, of all others."""

    edges: np.ndarray  # ascending, shape (bins - 1,)
    atoms: np.ndarray  # ascending, shape (atoms,)
    kind: str = "number"  # of the column
    allowed: Reach = EXACTLY  # numbers this near to an atom are the atom

    def __len__(self):
        return len(self.edges) + 1 + len(self.atoms)

    @cached_property
    def bins(self) -> int:
        return len(self.edges) + 1

    def index(self, values: np.ndarray) -> np.ndarray:
        """The number of each value's cell, shape (n,)."""
        found = np.searchsorted(self.edges, values) if len(self.edges) else np.zeros(len(values), int)
        if not len(self.atoms):
            return found
        at = np.minimum(np.searchsorted(self.atoms, values), len(self.atoms) - 1)
        for beside in (np.maximum(at - 1, 0), at):
            found = np.where(self._is(self.atoms[beside], values), self.bins + beside, found)
        return found

    def _is(self, atoms, values):
        if not self.allowed:
            return atoms == values
        with np.errstate(invalid="ignore", over="ignore"):
            near = np.abs(values - atoms) <= self.allowed.of(atoms)
        return (atoms == values) | near & np.isfinite(atoms)

    def counts(self, d: Distribution) -> np.ndarray:
        """The rows of each cell, shape (cells,)."""
        binned = np.diff(np.concatenate(([0], d.below(self.edges), [d.n]))).astype(float)
        if not len(self.atoms):
            return binned
        often = _held(d, self.atoms)
        binned -= np.bincount(np.searchsorted(self.edges, self.atoms), often, self.bins)
        return np.concatenate((binned, often))

    def labels(self, evidence: str, rows: np.ndarray) -> list[str]:
        """How each cell may be called where so many rows hold it, shape (cells,): its value, or from where to where it reaches."""
        edges = [said(e, self.kind, "rows") if "time" in self.kind else f"{e:.6g}" for e in self.edges]
        if not edges:
            binned = ["all others" if len(self.atoms) else "all"]
        else:
            between = [f"above {a}, up to {b}" for a, b in pairwise(edges)]
            binned = [f"up to {edges[0]}", *between, f"above {edges[-1]}"]
        held = zip(self.atoms, rows[self.bins :], strict=True)
        return binned + [said(value, self.kind, evidence, int(n)) for value, n in held]


def cells(
    a: Distribution, b: Distribution, categories: int = 0, pooled: bool = False, allowed: Reach = EXACTLY
) -> Cells:
    """The cells for a column of two tables, the first being the reference; ``allowed`` is `Cells`'s.

    Every value of a table is an atom where there are at most ``categories`` of them, whole numbers or booleans. A value is
    frequent by its share on either side; ``pooled``, by its share of both together, which says nothing of their difference:
    where all cells are judged at once, those that chance made frequent on one side must not be picked.
    """
    few = a.kind in ("integer", "boolean") and len(a.values) <= categories and not a.gap
    atoms = _atoms(a, b, 0.0 if few else FREQUENT, pooled)
    if a.kind == "text":
        return Cells(np.array([], object), atoms, a.kind)
    held = _held(a, atoms).astype(int)
    left = a.n - int(held.sum())
    bins = min(BINS, int(np.ceil(BINS * left / max(a.n, 1))))
    ranks = np.arange(1, bins) * left // max(bins, 1) - 1  # among the rows whose value is no atom
    first = a.below(atoms, "left") - held.cumsum() + held  # such rows before each atom
    passed = np.concatenate(([0], held.cumsum()))[np.searchsorted(first, ranks, "right")]
    edges = a.at(ranks + passed) if left else a.ordered[:0]
    return Cells(np.unique(edges), atoms, a.kind, allowed)


def uncertain(shared: Cells, d: Distribution) -> np.ndarray:
    """By how much the share of each cell may be off in a sketch, shape (cells,); 0 where all values are there.

    A cell between two of the sketch's own values is off by its error at both, any other by its gap. A value is known to be
    frequent where the sketch tells the rows up to it and below it apart. Of text, rows are counted by value.
    """
    if not d.gap or d.kind == "text":
        return np.zeros(len(shared))
    edge = np.concatenate(([0], np.where(np.isin(shared.edges, d.ordered), d.error, d.gap), [0]))
    told = np.isin(shared.atoms, d.ordered) & (_held(d, shared.atoms) >= FREQUENT * d.n) & (d.error == 0)
    atom = np.where(told, 0.0, d.gap + d.error)
    inside = np.bincount(np.searchsorted(shared.edges, shared.atoms), atom, shared.bins)
    return np.concatenate((edge[:-1] + edge[1:] + inside, atom))


def _atoms(a, b, least, pooled):
    """The frequent values of either, or of both together, ascending: the most frequent of them, if they are too many."""
    rows = (a.n + b.n,) * 2 if pooled else (a.n, b.n)
    fewest = [max(least * n, 2) for n in rows]
    # of both together, one side holds half at least
    often = [_often(d, few / (2 if pooled else 1)) for d, few in zip((a, b), fewest, strict=True)]
    values = np.union1d(*often)  # whole numbers of one side may be fractions on the other
    held = [_held(d, values) for d in (a, b)]
    share = sum(held) / rows[0] if pooled else np.maximum(held[0] / max(a.n, 1), held[1] / max(b.n, 1))
    if pooled:
        values, share = (x[sum(held) >= fewest[0]] for x in (values, share))
    return np.sort(values[np.argsort(-share, kind="stable")[:MOST]])


def _often(d, fewest):
    """The values that at least so many rows hold, ascending."""
    if d.ends is None and fewest > 2:
        # so many rows in a row hold two neighbours of any that stand half as far apart
        some = d.ordered[:: int(np.ceil(fewest)) // 2]
        near = np.unique(some[1:][some[1:] == some[:-1]])
        return near[_held(d, near) >= fewest]
    return d.values[d.counts >= fewest]


def _held(d, values):
    """How many rows hold each of some values, shape (values,)."""
    return (d.below(values) - d.below(values, "left")).astype(float)


def formats(d: Distribution, allowed: Reach = EXACTLY, seed: int = 0) -> tuple[dict[str, int], int]:
    """How values are written: of how many rows each is true, and of how many it was read (a seeded sample, at most SAMPLED).

    Numbers by how many decimals they have, but for what is ``allowed``; text by digits, case, blanks, commas and letters beyond
    ASCII.
    """
    # of a sketch, as many as it has values: they are a sample themselves
    rows = _sample(d.n, seed) if not d.gap else np.linspace(0, d.n - 1, min(d.n, len(d.ordered))).astype(int)
    at, times = (rows, 1) if d.ends is None else np.unique(np.searchsorted(d.ends, rows, "right"), return_counts=True)
    values = d.ordered[at]
    times = np.broadcast_to(times, len(values))
    return {name: int(times[which].sum()) for name, which in written(values, d.kind, allowed).items()}, len(rows)


@lru_cache(maxsize=8)
def _sample(n, seed):
    """The rows whose format is read, ascending; a column has as many rows as the next, but for its nulls."""
    return np.arange(n) if n <= SAMPLED else np.sort(np.random.default_rng(seed).choice(n, SAMPLED, replace=False))


def written(values: np.ndarray, kind: str, allowed: Reach = EXACTLY) -> dict[str, np.ndarray]:
    """Of each format, which values are written so: of numbers, but for what is allowed, or text, shape (n,)."""
    return _letters(values) if kind == "text" else _decimals(values.astype(float), allowed)


def _decimals(values, allowed):
    finite = np.isfinite(values)
    seen = {f"{places} decimals": np.zeros(len(values), bool) for places in range(DECIMALS)}
    with np.errstate(over="ignore", invalid="ignore"):
        # whoever has few decimals has no more of them a place further on: most values need not be asked at each
        some = np.flatnonzero(finite & ~_beside(values, DECIMALS - 1, allowed, most=1.0))
        for places in range(DECIMALS):
            beside = _beside(values[some], places, allowed)
            seen[f"{places} decimals"][some[~beside]] = True
            some = some[beside]
        few = np.logical_or.reduce(list(seen.values()))
        seen[f"{DECIMALS} decimals or more"] = finite & ~few
    return {**seen, "infinite": ~finite}


def _beside(values, places, allowed, most=0.02):
    """Which values have more decimals than so many, by more than is allowed and than their last digits, ``most`` at most."""
    scaled = values * 10.0**places
    least = np.minimum(LAST_DIGITS * np.abs(scaled), most) + (allowed.of(values) * 10.0**places if allowed else 0.0)
    return np.abs(np.rint(scaled) - scaled) > least


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
