"""What a skew may look at when it proposes itself: one feature of some requests, as it should have been and as it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..records import Roles
from ..tables.columns import kind_of
from ..tables.equality import EXACT, same

NUMBERS = ("integer", "number", "boolean")
NEAR = 1e-9  # relative: how near two computed numbers are that count as the same
SOME = 64  # values, at most, of a column whose values are counted one by one
SLICES = 50  # values of a column, at most, for it to be one of slices
PURE = 0.75  # of the rows with a code, at least, that became one other
PAIRS = 300  # of rows that an affine change is looked for in
FACTORS = tuple(  # of units of length, weight, volume, time, money and data, either way
    v for f in (2, 4, 7, 10, 12, 24, 52, 60, 100, 365, 1000, 1024, 3600, 86_400, 1e6, 2.54, 0.3048, 0.45359237, 1.609344, 28.349523125, 3.785411784, 4.184)
    for v in (float(f), 1 / f)
)  # fmt: skip
LENGTHS: tuple[str, ...] = (  # of windows, lags and caches, as people call them
    *("1min", "2min", "5min", "10min", "15min", "20min", "30min", "45min"),
    *("1h", "90min", "2h", "3h", "4h", "5h", "6h", "8h", "9h", "10h", "12h", "15h", "18h"),
    *("1D", "36h", "2D", "3D", "4D", "5D", "7D", "10D", "14D", "21D", "28D", "30D", "45D", "60D", "90D", "180D", "365D"),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Evidence:
    """One feature of n requests: ``before`` as the code that is right has it, ``after`` as the other has it.

    Paired, both have shape (n,) and stand row against row beside ``frame``, the table that is right, with every column
    at hand; ``differ`` says which rows are not the same. Unpaired, the two are samples of other rows, and ``differ`` is
    None. ``knobs`` are those that a replay can turn for the feature. ``memo`` is shared by the features of a case.
    """

    feature: str
    before: pd.Series
    after: pd.Series
    frame: pd.DataFrame
    roles: Roles
    differ: np.ndarray | None = None
    knobs: frozenset[str] = frozenset()
    memo: dict = field(default_factory=dict, repr=False)
    side: str = "serving"  # whose ``after`` is
    whole: pd.DataFrame | None = None  # the table that ``frame`` is some rows of, where the rest is at hand
    beside: pd.DataFrame | None = None  # unpaired, the table that ``after`` is a column of

    @property
    def paired(self) -> bool:
        return self.differ is not None

    @cached_property
    def x(self) -> pd.Series:
        """What should have been, where it is not: the rows that differ; unpaired, all."""
        return self.before[self.differ] if self.paired else self.before

    @cached_property
    def y(self) -> pd.Series:
        """What was instead."""
        return self.after[self.differ] if self.paired else self.after

    @cached_property
    def kinds(self) -> tuple[str, str]:
        return kind_of(self.before), kind_of(self.after)

    @property
    def numeric(self) -> bool:
        """Whether both sides hold numbers."""
        return set(self.kinds) <= set(NUMBERS)

    @cached_property
    def numbers(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows that differ, as floats, where both sides have a finite number: two arrays of shape (rows,)."""
        if not self.numeric:
            return np.empty(0), np.empty(0)
        x, y = floats(self.x), floats(self.y)
        if not self.paired:
            return x[np.isfinite(x)], y[np.isfinite(y)]
        there = np.isfinite(x) & np.isfinite(y)
        return x[there], y[there]

    @cached_property
    def values(self) -> int:
        """How many values were served where something differs."""
        return int(self.y.nunique()) + bool(self.y.isna().any())

    @cached_property
    def raw(self) -> float:
        """Bits to write down one served value as such, where it is known only that it is not the right one.

        Of few values those that are there more often take fewer bits, so that mere shuffling explains itself; so do, of
        whole numbers, the differences that are there more often, so that counting a few more or less does.
        """
        plain = float(np.log2(1 + self.values))
        if not self.paired or not 2 < self.values <= SOME:
            return plain
        codes, names = pd.factorize(self.y.astype(object), use_na_sentinel=False)
        counts = np.bincount(codes) / len(codes)
        was = pd.Index(names).get_indexer(self.x.astype(object))
        rest = 1 - np.where(was >= 0, counts[was], 0.0)
        found = [plain, float(np.mean(np.log2(np.maximum(rest, counts[codes]) / counts[codes])))]
        x, y = self.numbers
        if len(x) == len(self.x) and (x % 1 == 0).all() and (y % 1 == 0).all():
            steps = np.unique(y - x, return_counts=True)[1] / len(x)
            found.append(float(-(steps * np.log2(steps)).sum()))
        return max(1.0, min(found))

    @property
    def real(self) -> float:
        """Bits to write down a number that was fitted: half a logarithm of the rows, as BIC has it (Schwarz 1978)."""
        return 6 + np.log2(max(len(self.before), 2)) / 2

    def mapping(self) -> dict[Any, Any]:
        """What each value became most often where it changed; None: null. Empty where values are too many to be codes."""
        if self.x.nunique() > max(3, len(self.x) / 3):
            return {}
        if ("mapping", self.feature, id(self.after)) not in self.memo:
            self.memo["mapping", self.feature, id(self.after)] = codes(self.x, self.y)
        return self.memo["mapping", self.feature, id(self.after)]


def codes(x: pd.Series, y: pd.Series) -> dict[Any, Any]:
    """What each value of x became most often, and in nearly all of its rows; None: null."""
    there = x.notna().to_numpy(bool)
    x, y = x[there].astype(object), y[there].astype(object)
    was, values = pd.factorize(x)
    now, others = pd.factorize(y, use_na_sentinel=False)
    if not len(values):
        return {}
    pair, counts = np.unique(was * len(others) + now, return_counts=True)
    order = np.lexsort((pair, -counts))
    first = np.unique(pair[order] // len(others), return_index=True)[1]
    found, rows = {}, np.bincount(was)
    for at in order[np.sort(first)]:
        if counts[at] < PURE * rows[pair[at] // len(others)]:  # it became many things: this is no code
            continue
        new = others[pair[at] % len(others)]
        found[scalar(values[pair[at] // len(others)])] = None if pd.isna(new) else scalar(new)
    return found


def scalar(value: Any) -> Any:
    """A value of a column as plain Python."""
    return value.item() if hasattr(value, "item") else value


def floats(column: pd.Series) -> np.ndarray:
    """A column of numbers as floats, null as NaN, shape (n,)."""
    return column.to_numpy(float, na_value=np.nan)


def agree(a: pd.Series, b: pd.Series) -> np.ndarray:
    """Which rows hold the same, shape (n,): numbers to nine digits, whole ones exactly, nulls only with nulls."""
    if a.dtype.kind in "iuf" and b.dtype.kind in "iuf" and "f" in a.dtype.kind + b.dtype.kind:
        x, y = floats(a), floats(b)
        with np.errstate(invalid="ignore", over="ignore"):
            equal = x == y
            near = ~equal & np.isfinite(x) & np.isfinite(y) & (np.abs(x - y) <= NEAR * np.abs(y) + 1e-12)
            if near.any():
                near &= (np.rint(x) != x) | (np.rint(y) != y) | (np.abs(y) >= EXACT)
            return equal | near | (np.isnan(x) & np.isnan(y))
    return same(a, b)


def hashable(column: pd.Series) -> pd.Series:
    """A column of which values that cannot be counted, such as lists, are written as text."""
    if column.dtype != object or pd.api.types.infer_dtype(column, skipna=True) == "string":
        return column
    return column.map(lambda v: v if pd.api.types.is_hashable(v) else str(v))


def commonest(values: np.ndarray, near: float = NEAR) -> tuple[float, float]:
    """The value that is there most often, up to rounding, and its share; (nan, 0) of none."""
    values = np.sort(values[np.isfinite(values)])
    if not len(values):
        return np.nan, 0.0
    group = np.cumsum(np.r_[True, np.diff(values) > near * np.abs(values[1:]) + 1e-300])
    counts = np.bincount(group)
    most = int(np.argmax(counts))
    inside = values[group == most]
    return float(inside[len(inside) // 2]), counts[most] / len(values)


def snapped(value: float, near: float = NEAR) -> float:
    """The number of fewest digits, or the reciprocal of one of few, that is as near as rounding."""
    if value == 0 or not np.isfinite(value):
        return value
    for digits in range(1, 13):
        for number in (value, 1 / value) if digits <= 4 else (value,):
            short = float(f"{number:.{digits}g}")
            short = short if number == value else 1 / short
            if abs(short - value) <= near * abs(value):
                return short
    return value


def digits(value: float) -> int:
    """How many digits it takes to write a number, or its reciprocal: at least 1."""
    return min(
        len(f"{v:.15g}".replace(".", "").replace("-", "").strip("0")) or 1 for v in (value, 1 / value if value else 1.0)
    )


def price(e: Evidence, *values: float) -> float:
    """Bits to write down numbers: by their digits, or as fitted reals where they have many."""
    return sum(min(e.real, 2 + 3.4 * digits(v)) for v in values)


def affine(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
    """Factors and offsets with y = factor x + offset in many of the rows, the ones that most rows share first.

    A ratio and a difference that are there most often, and the commonest slope between pairs of rows (a vote, as in
    RANSAC: Fischler and Bolles, CACM 1981, but over all of a fixed set of pairs, so that it is deterministic).
    """
    found: dict[tuple[float, float], float] = {}
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio, share = commonest(y / x)
        found[snapped(ratio), 0.0] = share
        offset, share = commonest(y - x, 1e-7)
        found[1.0, snapped(offset, 1e-7)] = share
        grid = decimals(y[:2_000], 6)
        if grid is not None and len(x) > 2:  # rounded afterwards: a line through them, as exact as rounding lets it be
            for slope, offset in _lines(x, y, 10.0**-grid):
                found[slope, offset] = 0.03
        if len(x) > 2:
            rng = np.random.default_rng(len(x))
            i, j = rng.integers(0, len(x), (2, PAIRS))
            slope, _ = commonest(((y[i] - y[j]) / (x[i] - x[j]))[x[i] != x[j]], 1e-7)
            for near in (1e-7, 1e-11):  # as people call it, and where that is too coarse as exact as it is
                short = snapped(slope, near)
                offset, share = commonest(y - short * x, near)
                line = short, snapped(offset, near)
                found[line] = max(share, found.get(line, 0.0))
    real = {k: v for k, v in found.items() if np.isfinite(k).all() and k[0] != 0 and k != (1.0, 0.0) and v > 0.02}
    return sorted(real, key=lambda k: (-round(found[k], 2), k[1] != 0))


def _lines(x, y, grain):
    """Straight lines through numbers that were rounded to a grain: through 0, and with an offset."""
    scale = np.sqrt(np.sum(x**2))
    if scale > 0:
        slope = float(np.sum(x * y) / scale**2)
        yield snapped(slope, grain / 2 / scale / abs(slope)) if slope else 1.0, 0.0
    spread = np.std(x) * np.sqrt(len(x))
    if spread > NEAR * scale:
        slope = float(np.mean((x - x.mean()) * (y - y.mean())) / np.var(x))
        slope = snapped(slope, 2 * grain / spread / abs(slope)) if slope else 1.0
        offset = float(np.mean(y - slope * x))
        unsure = 2 * grain / np.sqrt(len(x))
        yield slope, 0.0 if abs(offset) < unsure else snapped(offset, unsure / abs(offset))


def decimals(values: np.ndarray, most: int = 9, part: float = 1.0) -> int | None:
    """With how many decimals a part of finite numbers (0 to 1) is written, at most; None where it is more than ``most``."""
    for d in range(most + 1):
        if np.sum(np.abs(np.round(values, d) - values) <= NEAR * np.maximum(np.abs(values), 1e-3)) >= part * len(
            values
        ):
            return d
    return None


def constant(column: pd.Series) -> tuple[bool, Any]:
    """Whether a column holds one value in every row, and which (None: null)."""
    if column.isna().all():
        return len(column) > 0, None
    alone = column.notna().all() and column.nunique() == 1
    return bool(alone), scalar(column.iloc[0]) if alone else None


def between(low: str, high: str, most: int = 14) -> list[str]:
    """Lengths of time between two, both left out: about ``most`` at even distances, in the largest units that give them."""
    begin, end = pd.Timedelta(low).value, pd.Timedelta(high).value
    for name, seconds in (("D", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        step = seconds * 10**9
        inside = range(begin // step + 1, -(-end // step))
        if len(inside) >= min(4, most) or (name == "s" and inside):
            thin = max(1, -(-len(inside) // most))
            return [f"{k}{name}" for k in inside[thin // 2 :: thin]]
    return []


def called(length: str) -> str:
    """A length of time in the largest unit that it is a whole number of: 1D, 6h, 90min."""
    seconds = pd.Timedelta(length).total_seconds()
    for name, unit in (("D", 86_400), ("h", 3600), ("min", 60)):
        if seconds % unit == 0 and seconds:
            return f"{seconds / unit:g}{name}"
    return f"{seconds:.0f}s"
