"""Two samples of a feature that share no rows: counted in the same cells, and how unlike they are."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.special import xlogy
from scipy.stats import chi2

from ..tables.columns import kind_of
from .clues import NUMBERS, floats

ATOM = 1e-3  # of the mass, from which a value has a cell of its own
FEWEST = 10  # rows, from which it has
ATOMS = 200
BINS = 20  # of the quantiles of what has none
REPEATED = 0.2  # of the rows, that hold a value which others hold too, for values to be looked for one by one
PLACES = 6  # decimals that are told apart
SURE = 0.05  # the chance that any of training's own partitions seems farther off than it is
HALVES = 6  # splits of training's entities


class Cells:
    """The cells of a feature: nulls, frequent values and bins of the rest; and beside them, how values are written."""

    def __init__(self, x: pd.Series, y: pd.Series):
        kinds = {kind_of(x), kind_of(y)}
        self.numeric = kinds <= set(NUMBERS)
        self.valued = self.numeric or bool(
            kinds & set(NUMBERS)
        )  # numbers that have become text are compared as numbers
        pooled = np.concatenate([self._keys(s) for s in (x, y)])
        there = pooled[~_null(pooled)]
        values, counts = np.unique(there, return_counts=True)
        often = np.flatnonzero(counts >= max(FEWEST, ATOM * len(pooled)))
        self.atoms = np.sort(values[often[np.argsort(-counts[often], kind="stable")][:ATOMS]])
        rest = there[~np.isin(there, self.atoms)]
        finite = rest[np.isfinite(rest)] if self.valued else rest[:0]
        ranks = np.linspace(0, 1, min(BINS, len(finite) // FEWEST) + 1)[1:-1] if len(finite) else []
        self.edges = np.unique(np.quantile(finite, ranks)) if len(ranks) else np.empty(0)
        self.styles = np.unique(np.concatenate([self._styled(s) for s in (x, y)]))
        self.sizes = (1 + len(self.atoms) + len(self.edges) + 1, len(self.styles) + 1)

    def codes(self, s: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """Of each row its cell by value (0: null) and by format, both of shape (n,)."""
        keys, found = self._keys(s), np.zeros(len(s), "i8")
        there = ~_null(keys)
        some = keys[there]
        at = np.searchsorted(self.atoms, some)
        held = np.append(self.atoms, self.atoms[:1]) if len(self.atoms) else some[:1]
        atom = held[np.minimum(at, len(self.atoms))] == some if len(self.atoms) else np.zeros(len(some), bool)
        binned = np.searchsorted(self.edges, some, "right") if self.valued else 0
        found[there] = np.where(atom, 1 + at, 1 + len(self.atoms) + binned)
        styles = self._styled(s)
        at = np.minimum(np.searchsorted(self.styles, styles), len(self.styles) - 1)
        return found, np.where(self.styles[at] == styles, at, len(self.styles))

    def counts(self, codes, chosen=slice(None), weights=None) -> tuple[np.ndarray, np.ndarray]:
        """Rows by cell, of some rows by their codes: by value and by format."""
        weights = None if weights is None else weights[chosen]
        return tuple(np.bincount(c[chosen], weights, size) for c, size in zip(codes, self.sizes, strict=True))

    def covered(self, made: pd.Series, served: pd.Series) -> float:
        """The share of served values that are among those made, beside what is to be expected of two samples of one distribution.

        About 1 where they are; that of a sample of no more rows than have values of their own is unknown: NaN (Good, 1953).
        """
        made, served = (k[~_null(k)] for k in map(self._keys, (made, served)))
        values, counts = np.unique(made, return_counts=True)
        expected = 1 - np.count_nonzero(counts == 1) / max(len(made), 1)
        return float(np.isin(served, values).mean() / expected) if expected > REPEATED and len(served) else float("nan")

    def _keys(self, s):
        """What stands for each value: numbers to nine digits, all else as text."""
        if self.valued:
            v = floats(s) if self.numeric else np.array([_parsed(v) for v in s.astype(object)], float)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                grain = 10.0 ** np.clip(8 - np.floor(np.log10(np.abs(v))), -300, 300)
                return np.where(np.isfinite(v) & (v != 0), np.round(v * grain) / grain, v + 0.0)
        return np.array([_as_text(v) for v in s.astype(object)], dtype=str)

    def _styled(self, s):
        """A number for how each value is written: its decimals and what holds it; of text, what letters it has."""
        if not self.numeric:
            codes, values = pd.factorize(pd.Series([_as_text(v) for v in s.astype(object)], dtype=object))
            return np.array([_written(v) for v in values], "i8")[codes] if len(s) else np.empty(0, "i8")
        v = floats(s)
        v = np.where(np.isfinite(v), v, 0.0)
        style = np.full(len(v), 10)
        with np.errstate(over="ignore"):
            style[np.abs(v - v.astype("f4")) <= 0] = 9
            style[np.abs(v - v.astype("f2")) <= 0] = 8
            style[(style <= 9) & (v.astype("f4").view("u4") & 0xFFFF == 0)] -= 2
            for d in range(PLACES, -1, -1):
                style[np.abs(np.round(v, d) - v) <= 1e-10 * np.maximum(np.abs(v), 1e-3)] = d
        return np.where(~np.isfinite(floats(s)), -1, style)


def _as_text(v):
    if isinstance(v, str):
        return v
    return "\0" if pd.isna(v) else f"\1{float(v):.9g}" if isinstance(v, (int, float, np.number)) else f"\1{v}"


def _parsed(v):
    """A number as it is, or written as text with a point or a comma; other text is infinite."""
    try:
        return float(v.replace(",", ".") if isinstance(v, str) else np.nan if pd.isna(v) else v)
    except (TypeError, ValueError):
        return np.inf


def _null(keys):
    return keys == "\0" if keys.dtype.kind == "U" else np.isnan(keys)


def _written(v):
    """How a text is written, as bits of one number."""
    if v == "\0":
        return -1
    marks = (
        v.startswith("\1"),
        any(c.isupper() for c in v),
        any(c.islower() for c in v),
        not v.isascii(),
        "," in v,
        v != v.strip(),
        any(c.isdigit() for c in v),
        not unicodedata.is_normalized("NFC", v),
    )
    return sum(2**i for i, m in enumerate(marks) if m)


def unlike(a, b) -> float:
    """Half the likelihood ratio statistic of two samples counted in the same cells, in nats: 0 where they are alike."""
    return float(sum(_half(p, q) for p, q in zip(a, b, strict=True)))


def _half(p, q):
    n, m = p.sum(), q.sum()
    if not n or not m:
        return 0.0
    both = (p + q) / (n + m)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = [np.where(c > 0, c / (k * both), 1.0) for c, k in ((p, n), (q, m))]
    return float(np.sum(xlogy(p, ratio[0])) + np.sum(xlogy(q, ratio[1])))


def freedom(a, b) -> int:
    """How many shares are free: the cells that hold something, less one of each kind."""
    return max(1, sum(int(np.count_nonzero(p + q)) - 1 for p, q in zip(a, b, strict=True)))


def limit(df: int, level: float) -> float:
    """What `unlike` of two samples of one distribution exceeds with the chance ``level``."""
    return float(chi2.isf(level, df) / 2)


def dispersion(cells: Cells, codes, groups: np.ndarray | None, who: np.ndarray | None) -> float:
    """By how many times training's own days, or halves of its entities, lie farther apart than rows drawn one by one: 1 or more.

    What chance alone may do to the farthest of them is taken off.
    """
    pairs = []
    if groups is not None:
        days = [g for g in np.unique(groups) if np.count_nonzero(groups == g) >= 5 * FEWEST]
        days = days[:: max(1, len(days) // 40)]
        parts = [cells.counts(codes, groups == g) for g in days]
        pairs += list(pairwise(parts))
        half = len(parts) // 2
        pairs += list(zip(parts[:half], parts[half : 2 * half], strict=True))
    for k in range(HALVES if who is not None else 0):
        side = np.random.default_rng(k).random(who.max() + 1)[who] < 0.5
        pairs.append((cells.counts(codes, side), cells.counts(codes, ~side)))
    found = [unlike(a, b) / limit(freedom(a, b), SURE / len(pairs)) for a, b in pairs]
    return max(1.0, *found) if found else 1.0


def tilted(cells: Cells, codes, x: pd.Series, after) -> tuple[np.ndarray, ...]:
    """Training's own rows, with more of the large values or the middle ones as best fits ``after``: what a drift can do.

    The weights are exp(a u + b u^2) of each value's rank u, fitted by Newton's steps; nulls get the share they have.
    """
    keys = cells._keys(x) if cells.valued else pd.factorize(pd.Series(cells._keys(x)), sort=True)[0].astype(float)
    rank = pd.Series(keys).rank(pct=True).fillna(0.5).to_numpy()
    value, size = codes[0], cells.sizes[0]
    n = np.bincount(value, None, size).astype(float)
    with np.errstate(invalid="ignore"):
        u = np.where(n > 0, np.bincount(value, rank, size) / n, 0.5)
    basis, live = np.stack([u, u**2], 1), (np.arange(size) > 0) & (n > 0)
    target, steps = np.where(live, after[0], 0.0), np.zeros(2)
    for _ in range(25):
        p = np.where(live, n * np.exp(np.clip(basis @ steps, -30, 30)), 0.0)
        p /= max(p.sum(), 1e-300)
        mean = p @ basis
        slope = target @ basis - target.sum() * mean
        curve = target.sum() * ((basis * p[:, None]).T @ basis - np.outer(mean, mean)) + 1e-6 * np.eye(2)
        steps = steps + np.clip(np.linalg.solve(curve, slope), -2, 2)
    weights = np.exp(np.clip(np.stack([rank, rank**2], 1) @ steps, -30, 30))
    there = value > 0
    share = after[0][0] / max(after[0].sum(), 1)
    weights[there] *= (1 - share) * len(x) / max(weights[there].sum(), 1e-300)
    weights[~there] = share * len(x) / max((~there).sum(), 1)
    return cells.counts(codes, slice(None), weights)
