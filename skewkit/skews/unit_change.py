"""A number served in another unit, on another scale, or with the other sign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..arrays import finite, like, numbers
from ..proposals.clues import FACTORS, affine, price
from ..records import NotApplicable, Skew, SkewkitError

UNITS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "seconds_to_minutes": lambda x: x / 60,
    "minutes_to_seconds": lambda x: x * 60,
    "hours_to_minutes": lambda x: x * 60,
    "miles_to_km": lambda x: x * 1.609344,
    "km_to_miles": lambda x: x / 1.609344,
    "celsius_to_fahrenheit": lambda x: x * 1.8 + 32,
    "fahrenheit_to_celsius": lambda x: (x - 32) / 1.8,
    "monthly_to_annual": lambda x: x * 12,
    "annual_to_monthly": lambda x: x / 12,
    "cents_to_units": lambda x: x / 100,
    "units_to_cents": lambda x: x * 100,
    "percent_to_share": lambda x: x / 100,
    "share_to_percent": lambda x: x * 100,
    "log": lambda x: np.log(np.where(x > 0, x, np.nan)),
    "exp": np.exp,
    "log1p": lambda x: np.log1p(np.where(x > -1, x, np.nan)),
    "sign": np.negative,
}
INVERSE = {"log": "exp", "exp": "log"}


@dataclass(frozen=True, kw_only=True)
class UnitChange(Skew):
    """Serving's value is ``factor`` times training's, plus ``offset``; or it is in the other unit of ``unit``.

    ``unit`` is a change by its name (see UNITS): minutes_to_seconds, fahrenheit_to_celsius, log, sign (the other sign).
    What has no logarithm becomes null. With no features named it acts on floats alone, for whole numbers may be codes.
    Only a sign can be undone to the last bit.
    """

    unit: str = ""
    factor: float = 1.0
    offset: float = 0.0

    family = "number"
    choices = ("unit", ("minutes_to_seconds", "miles_to_km", "fahrenheit_to_celsius", "log1p", "sign"))

    def __post_init__(self):
        super().__post_init__()
        plain = (self.factor, self.offset) == (1, 0)
        if self.unit and self.unit not in UNITS:
            raise SkewkitError(f"unit={self.unit!r} was asked of unit_change; there are {', '.join(UNITS)}")
        if bool(self.unit) != plain:
            raise SkewkitError("unit_change needs unit=, or factor= and offset= that change something, and not both")
        if not finite(self.factor) or not finite(self.offset) or self.factor == 0:
            raise SkewkitError(
                f"factor={self.factor!r} and offset={self.offset!r} were asked; they are finite, the factor not 0"
            )

    def acts_on(self, frame, roles):
        floats = (f for f in roles.features if f in frame and frame[f].dtype.kind == "f")
        return tuple(f for f in floats if self._can(numbers(frame[f], self)))

    def inject(self, frame, roles, seed=0):
        names = self.features or self.acts_on(frame, roles)
        served = {f: like(self._changed(numbers(frame[f], self)), frame[f]) for f in names}
        return pd.DataFrame(served, index=frame.index)

    def undo(self, frame, roles, seed=0):
        if self.unit != "sign" and (self.factor, self.offset) != (-1, 0):
            back = INVERSE.get(self.unit) or "_to_".join(reversed(self.unit.split("_to_")))
            hint = f"unit={back!r}" if back in UNITS else "the inverse change"
            raise NotApplicable(f"{self} loses the last digits; to come near, give {hint} to inject")
        return self.inject(frame, roles, seed)

    @classmethod
    def propose(cls, e):
        if not e.numeric:
            return
        yield from ((cls(features=(e.feature,), unit=u), 5) for u in UNITS)
        found = affine(*e.numbers) if e.paired else ((f, 0.0) for f in FACTORS)
        for factor, offset in found:
            if factor == 1 and _counts_a_few(e.numbers[0], offset):
                continue
            bits = price(e, *(v for v in (factor, offset) if v not in (0, 1)))
            yield cls(features=(e.feature,), factor=factor, offset=offset), bits

    def says(self, alike=True):
        if self.unit:
            was, _, now = self.unit.partition("_to_")
            return (
                f"is in {now}, not in {was}"
                if now
                else {"sign": "has the other sign"}.get(self.unit, f"is its {self.unit}")
            )
        if self.factor == 1:
            return f"is {abs(self.offset):.10g} {'more' if self.offset > 0 else 'less'} than it should be"
        times = f"is {self.factor:.10g} times what it should be"
        return times + (f", {self.offset:+.10g}" if self.offset else "")

    @classmethod
    def examples(cls):
        yield cls(features=("amount",), unit="units_to_cents")
        yield cls(features=("amount", "recent_count"), unit="minutes_to_seconds")
        yield cls(features=("amount_scaled",), unit="log")
        yield cls(features=("amount_scaled", "days_since_last"), unit="sign")
        yield cls(features=("typing",), factor=1.8, offset=32)

    def _changed(self, values):
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return UNITS[self.unit](values) if self.unit else values * self.factor + self.offset

    def _can(self, values):
        return not np.array_equal(values, self._changed(values), equal_nan=True)


def _counts_a_few(values, offset):
    """Whether whole numbers are a few more or less: that is a count of other things, and no other unit."""
    return bool((values % 1 == 0).all()) and offset % 1 == 0 and abs(offset) <= 2 * np.std(values)
