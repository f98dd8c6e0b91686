"""A distribution made small: about a thousand of its points, each with the exact rows at or below it; rare text as hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import ceil
from typing import Any

import numpy as np

from . import distance
from .distributions import Distribution, held

POINTS = 1_000  # a column of no more distinct values is held whole
FREQUENT = 0.001  # of the rows: a value with at least this share is held as it is, and fewer rows lie between points
DENSER = 1.2  # times as many rows beyond a point as beyond the next, at both ends
MOST = 10_000  # texts that are held
MANY = 10  # rows that share a text, for it to be nobody's own and held in clear


@dataclass(frozen=True, eq=False)
class Sketch(Distribution):
    """A distribution as a baseline holds it: `gap` is the largest share of rows strictly between two neighbouring points.

    ``looked`` is among how many values its frequent ones were picked; ``moments`` are mean and deviation, exactly. Of
    text, ``hidden`` are the places of the values that only their hashes tell of, shape (hidden,), ``hashes`` these, and
    ``salt`` what they were made with.
    """

    looked: int = 0
    moments: tuple[float, float] | None = None
    hidden: np.ndarray = field(default_factory=lambda: np.arange(0))
    hashes: tuple[str, ...] = ()
    salt: str = ""

    @property
    def error(self) -> float:
        """None: each of its values has the exact rows at or below it."""
        return 0.0

    def counted(self) -> Sketch:
        """Itself: it is small, and has no rows to be read again."""
        return self

    def known(self, other: Distribution) -> Distribution:
        """With the hidden texts that ``other`` holds too by their names; the rest keep place and rows, under made-up names.

        Where ``other`` has texts among those that keep hidden, which come first is not known: that is its gap.
        """
        if not len(self.hidden) or other.kind != "text":
            return self
        names = {hashed(text, self.salt): text for text in other.values}
        theirs = set(other.values)
        values, there = self.ordered.copy(), np.ones(len(self.ordered), bool)
        values[self.hidden] = [names.get(h) for h in self.hashes]
        there[self.hidden] = [h in names for h in self.hashes]
        known, new = values[there], other.values[~held(other.values, values[there])]
        rows = np.bincount(there.cumsum()[~there], self.counts[~there], len(known) + 1)  # hidden before each known text
        for i in np.flatnonzero(~there):
            values[i] = values[i - 1] + "\0" if i else ""  # the least text that comes after, and that none of theirs is
            while values[i] in theirs:
                values[i] += "\0"
        gap = float(rows[np.searchsorted(known, new)].max(initial=0.0)) / self.n
        return replace(self, ordered=values, hidden=self.hidden[:0], hashes=(), gap=gap)


def hashed(text: str, salt: str) -> str:
    """A text's hash, 16 hex digits, another for each salt."""
    return hashlib.sha256(salt.encode() + text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def sketch(d: Distribution, salt: str) -> dict[str, Any]:
    """A distribution in plain JSON types, small; of a text with more than MOST values, how many rows it has alone."""
    made: dict[str, Any] = {"n": d.n, "nulls": d.nulls, "looked": len(d.ordered)}
    if d.kind == "text":
        if len(d.values) > MOST:
            return made
        rare = d.counts < MANY
        clear = [None if r else v for v, r in zip(d.values.tolist(), rare, strict=True)]
        hashes = [hashed(v, salt) for v in d.values[rare]]
        return {**made, "values": clear, "counts": _runs(d.counts), "hashes": hashes}
    if distance.finite(d).n:
        with np.errstate(over="ignore", invalid="ignore"):
            made["moments"] = [_written(x) for x in distance.moments(d)]
    values, upto = _points(d)
    counts = _runs(np.diff(upto, prepend=0))
    gap = _between(d, values, upto) / max(d.n, 1)
    return {
        **made,
        "type": str(values.dtype),
        "values": [_written(v) for v in values.tolist()],
        "counts": counts,
        "gap": gap,
    }


def unsketch(made: Mapping[str, Any], kind: str, salt: str) -> Sketch:
    """The distribution that `sketch` wrote."""
    values, runs = made.get("values", ()), made.get("counts", ())
    if kind == "text":
        ordered = np.array([*values, None], object)[:-1]
    else:
        ordered = np.array([float(v) if isinstance(v, str) else v for v in values], made["type"])
    hidden = np.flatnonzero([v is None for v in values])
    hashes = tuple(made.get("hashes", ()))
    runs = [r if isinstance(r, list) else [r, 1] for r in runs]
    upto = np.repeat([r[0] for r in runs], [r[1] for r in runs]).astype(np.int64).cumsum()
    moments = tuple(map(float, made["moments"])) if "moments" in made else None
    known = made["n"], made["nulls"], made.get("gap", 0.0), made["looked"], moments
    return Sketch(kind, ordered, upto, *known, hidden, hashes, salt)


def _points(d):
    """The values that are held and the rows up to each: all, where they are few; else no FREQUENT share lies up to one.

    So each frequent value is a point, and so is one just before it; and none looks frequent that is not.
    """
    values, upto = d.values, d.upto
    step = ceil(FREQUENT * d.n) - 1  # the most rows that are fewer than a frequent value's
    if len(values) <= POINTS or step <= 1:
        return values, upto
    at = [-1]
    while at[-1] < len(values) - 1:
        passed = upto[at[-1]] if at[-1] >= 0 else 0
        at.append(max(at[-1] + 1, int(np.searchsorted(upto, passed + step, "right")) - 1))
    ends = np.unique(DENSER ** np.arange(int(np.log(step) / np.log(DENSER)))).astype(
        int
    )  # at the tails, which may be heavy
    tails = np.searchsorted(upto, np.r_[ends - 1, d.n - 1 - ends], "right")
    at = np.unique(np.r_[at[1:], tails])
    if values.dtype.kind != "f":
        return values[at], upto[at]
    often = d.counts[at] > step
    return np.array(
        [values[i] if o else _short(values, i, p) for i, o, p in zip(at, often, np.r_[0, at], strict=False)]
    ), upto[at]


def _short(values, i, before):
    """The shortest decimal from one value on, below the next, and no farther on than the point before lies back."""
    low, high = values[i], values[min(i + 1, len(values) - 1)]
    with np.errstate(over="ignore", invalid="ignore"):
        high = min(high, low + (low - values[before]))
        if not np.isfinite([low, high, low + high]).all() or low >= high:
            return low
        tried = (float(f"{(low + high) / 2:.{digits}g}") for digits in range(1, 17))
    return next((x for x in tried if low <= x < high), low)


def _between(d, values, upto):
    """The most rows strictly between two neighbouring points, or beyond an end."""
    return int((d.below(values, "left") - np.concatenate(([0], upto))[: len(values)]).max()) if len(values) else 0


def _written(value):
    """A value as JSON holds it: whole numbers without a point, and an infinity as text."""
    if isinstance(value, float):
        if not np.isfinite(value):
            return str(value)
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    return value


def _runs(counts):
    """The counts, one that stands more than once in a row beside how often: most points have as many rows as the next."""
    runs = ((count, len(list(run))) for count, run in groupby(counts.tolist()))
    return [count if times == 1 else [count, times] for count, times in runs]
