"""A number served with fewer digits, or in a type that holds less."""

from __future__ import annotations

import decimal
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..arrays import like, numbers
from ..proposals.clues import decimals
from ..records import Skew, SkewkitError

FLOATS = ("float32", "float16", "bfloat16")
INTEGERS = {"int8": 8, "int16": 16, "int32": 32}
OVERFLOWS = ("wrap", "saturate")
ROUNDINGS = {
    "half_even": decimal.ROUND_HALF_EVEN,
    "half_up": decimal.ROUND_HALF_UP,
    "truncate": decimal.ROUND_DOWN,
    "floor": decimal.ROUND_FLOOR,
    "ceiling": decimal.ROUND_CEILING,
}
EXACT = decimal.Context(prec=400)  # digits enough for any float at 15 decimals

USUAL = 0.6  # of the rows that differ, which may have been rounded where the others were changed otherwise


@dataclass(frozen=True, kw_only=True)
class Precision(Skew):
    """Serving holds a number in the type ``to``, or with ``decimals`` (0 to 15) after the point; the column's type stays.

    ``to``: float32, float16 and bfloat16 round to the nearest, and what is too large becomes infinite; int8, int16 and
    int32 drop the fraction, and what is too large wraps around, or stops at the bound with ``overflow="saturate"``.
    An infinity that wraps has no value left and becomes null; a null stays null.
    ``rounding`` of decimals: "half_even", "half_up" (away from zero), "truncate" (towards zero), "floor", "ceiling". A
    number is rounded as it is written, by its shortest decimal text: 2.675 to 2.68 half up, though as a binary
    fraction it lies below. With no features named it acts on floats alone.
    """

    to: str = ""
    overflow: str = "wrap"
    decimals: int | None = None
    rounding: str = "half_even"

    family = "number"
    choices = ("to", ("float16", "bfloat16", "int8", "int16"))

    def __post_init__(self):
        super().__post_init__()
        types = (*FLOATS, *INTEGERS)
        if self.to and self.to not in types:
            raise SkewkitError(f"to={self.to!r} was asked of precision; there are {', '.join(types)}")
        if bool(self.to) == (self.decimals is not None):
            raise SkewkitError(f"precision needs one of to= ({', '.join(types)}) and decimals= (0 to 15)")
        if self.decimals is not None and (type(self.decimals) is not int or not 0 <= self.decimals <= 15):
            raise SkewkitError(f"decimals={self.decimals!r} was asked of precision; it is a whole number from 0 to 15")
        for name, known in (("overflow", OVERFLOWS), ("rounding", ROUNDINGS)):
            if getattr(self, name) not in known:
                asked = f"{name}={getattr(self, name)!r} was asked of precision"
                raise SkewkitError(f"{asked}; there are {', '.join(known)}")

    def acts_on(self, frame, roles):
        floats = (f for f in roles.features if f in frame and frame[f].dtype.kind == "f")
        return tuple(f for f in floats if self._can(numbers(frame[f], self)))

    def inject(self, frame, roles, seed=0):
        names = self.features or self.acts_on(frame, roles)
        served = {f: like(self._held(numbers(frame[f], self)), frame[f]) for f in names}
        return pd.DataFrame(served, index=frame.index)

    @classmethod
    def propose(cls, e):
        x, y = e.numbers
        if not len(x) or not len(y) or e.after.nunique() < 2 or e.before.dtype.kind not in "iuf":
            return
        yield from ((cls(features=(e.feature,), to=to), 5) for to in FLOATS)
        beyond = [to for to, width in INTEGERS.items() if np.abs(x).max() >= 2.0 ** (width - 1)]
        for to in beyond:  # what no value is too large for only drops the fraction: no decimals, truncated
            yield from ((cls(features=(e.feature,), to=to, overflow=o), 5) for o in OVERFLOWS)
        if not e.paired:  # of a part of the rows, whatever the others hold
            finest = decimals(x[:2_000], 4)
            for d in range(5 if finest is None else finest):
                yield from (
                    (cls(features=(e.feature,), decimals=d, rounding=r), 5 + i) for i, r in enumerate(ROUNDINGS)
                )
            return
        places, usual = decimals(y[:2_000]), decimals(y[:2_000], part=USUAL)
        ways = set() if places is None else {places, min(places + 1, 15)}
        for d in sorted(ways if usual is None else {*ways, usual}):  # where a part has another cause, of the others
            yield from ((cls(features=(e.feature,), decimals=d, rounding=r), 6) for r in ROUNDINGS)

    def says(self, alike=True):
        if self.decimals is not None:
            return f"is rounded to {self.decimals} decimals ({self.rounding.replace('_', ' ')})"
        return f"is held as {self.to}" + (f", which {self.overflow}s" if self.to in INTEGERS else "")

    @classmethod
    def examples(cls):
        yield cls(features=("amount",), to="float16")
        yield cls(features=("amount", "recent_amount"), to="bfloat16")
        yield cls(features=("income",), to="int8")
        yield cls(features=("income", "amount"), to="int8", overflow="saturate")
        yield cls(features=("typing",), decimals=1, rounding="half_up")
        yield cls(features=("amount",), decimals=0, rounding="truncate")

    def _can(self, values):
        return not np.array_equal(values, self._held(values), equal_nan=True)

    def _held(self, values):
        if self.decimals is not None:
            return _rounded(values, self.decimals, ROUNDINGS[self.rounding])
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            if self.to in INTEGERS:
                return _integer(values, 2.0 ** INTEGERS[self.to], self.overflow)
            return _bfloat16(values) if self.to == "bfloat16" else values.astype(self.to).astype(float)


def _integer(values, span, overflow):
    """Whole numbers in [-span / 2, span / 2)."""
    whole = np.trunc(values)
    if overflow == "saturate":
        return np.clip(whole, -span / 2, span / 2 - 1)
    around = np.mod(whole, span)
    return np.where(around >= span / 2, around - span, around)


def _bfloat16(values):
    """The upper half of a float32, rounded to the nearest, to even on a tie."""
    single = values.astype("f4")
    bits = single.view("u4")
    nearest = (bits + (np.uint32(0x7FFF) + (bits >> 16 & 1))) & np.uint32(0xFFFF0000)
    return np.where(np.isfinite(single), nearest.view("f4"), single).astype(float)


def _rounded(values, decimals, rounding):
    """Each distinct finite value as decimal arithmetic rounds its shortest text."""
    step = decimal.Decimal(1).scaleb(-decimals)
    found, at = np.unique(values, return_inverse=True)
    there = np.isfinite(found)
    texts = map(repr, found[there].tolist())
    found[there] = [float(decimal.Decimal(t).quantize(step, rounding, EXACT)) for t in texts]
    return found[at]
