"""A sensor, or an app, that measures otherwise than when the model learnt: gain, offset, noise, saturation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..arrays import finite, like, numbers
from ..proposals.chances import gaussian_bits, noise
from ..proposals.clues import FACTORS, affine, price
from ..records import Skew, SkewkitError, needs
from ..scope import coin

LEAST = 0.003  # of the rows, that a limit must have struck to be seen where none is paired


@dataclass(frozen=True, kw_only=True)
class Measurement(Skew):
    """Serving records ``gain`` (a factor) times training's value, plus ``offset``, plus noise, at most ``saturation``.

    ``noise`` is the standard deviation of a Gaussian with mean 0, not negative, drawn from a hash of the key, for each
    column by itself. All but the gain are in the column's unit; a saturation of None: no limit. Which devices measure
    so is the scope's: where=[device, new]. With no features named it acts on floats alone.
    """

    gain: float = 1.0
    offset: float = 0.0
    noise: float = 0.0
    saturation: float | None = None

    family = "number"
    choices = ("gain", (0.5, 0.9, 1.1, 2.0))

    def __post_init__(self):
        super().__post_init__()
        limit = self.saturation
        asked = (self.gain, self.offset, self.noise)
        if not all(map(finite, asked)) or self.noise < 0 or self.gain == 0:
            raise SkewkitError(
                f"gain={self.gain!r}, offset={self.offset!r} and noise={self.noise!r} were asked of measurement; they "
                f"are finite, the gain not 0 and the noise not negative"
            )
        if limit is not None and not finite(limit):
            raise SkewkitError(f"saturation={limit!r} was asked of measurement; it is a number, or None for no limit")
        if asked == (1, 0, 0) and limit is None:
            raise SkewkitError(
                "measurement needs gain=, offset=, noise= or saturation=; as asked, nothing would differ"
            )

    def acts_on(self, frame, roles):
        floats = (f for f in roles.features if f in frame and frame[f].dtype.kind == "f")
        return tuple(f for f in floats if self._can(numbers(frame[f], self)))

    def inject(self, frame, roles, seed=0):
        names = self.features or self.acts_on(frame, roles)
        return pd.DataFrame({f: self._recorded(frame, f, roles, seed) for f in names}, index=frame.index)

    @classmethod
    def propose(cls, e):
        if not e.numeric or e.kinds[0] != "number":
            return
        x, y = e.numbers
        if not e.paired:
            if e.after.nunique() > 1 and np.mean(y == y.max()) > max(np.mean(x > y.max()) / 2, LEAST):
                yield cls(features=(e.feature,), saturation=float(y.max())), 3 + e.raw
            return
        top = float(y.max()) if len(y) else np.nan
        bound = len(y) > 0 and np.mean(y == top) > 0.01 and len(np.unique(x[y == top])) > 1 and (e.before < top).any()
        limits = [top] if bound else []
        for limit in limits if e.after.nunique() > 1 else ():
            yield cls(features=(e.feature,), saturation=limit), 3 + e.raw
        for gain, offset in affine(x, y)[:2]:
            paid = 3 + price(e, gain) + (price(e, offset) if offset else 0)
            if gain in FACTORS:  # what a unit has is a unit's
                continue
            yield cls(features=(e.feature,), gain=gain, offset=offset), paid
            for limit in (t for t in limits if (gain * x + offset > t + abs(t) * 1e-9).any()):
                yield cls(features=(e.feature,), gain=gain, offset=offset, saturation=limit), paid + e.raw
        if (fit := noise(e)) is not None:
            gain, offset, deviation = fit
            yield cls(features=(e.feature,), gain=gain, offset=offset, noise=deviation), 3 * e.real

    @property
    def random(self):
        return self.noise > 0

    def by_chance(self, e):
        return gaussian_bits(e, self.gain, self.offset, self.noise) if self.noise else None

    def says(self, alike=True):
        parts = [f"times {self.gain:.10g}" if self.gain != 1 else "", f"{self.offset:+.10g}" if self.offset else ""]
        parts += [f"with noise of deviation {self.noise:.3g}" if self.noise else ""]
        parts += [f"never above {self.saturation:.10g}" if self.saturation is not None else ""]
        return f"is measured otherwise: {', '.join(p for p in parts if p)}"

    @classmethod
    def examples(cls):
        yield cls(features=("typing",), gain=1.1)
        yield cls(features=("typing", "recent_count"), noise=0.5)
        yield cls(features=("typing",), saturation=5.0)
        yield cls(features=("typing", "amount"), gain=0.9, offset=0.2, noise=0.1, saturation=60)

    def _can(self, values):
        there = values[~np.isnan(values)]
        return bool(len(there)) and (self.noise > 0 or not np.array_equal(there, self._shown(there)))

    def _recorded(self, frame, name, roles, seed):
        values, noise = numbers(frame[name], self), 0.0
        if self.noise:
            needs(frame, (roles.key,), f"{self} draws noise by the key and")
            noise = self.noise * gaussian(coin(frame[roles.key], f"measurement|{name}", seed))
        return like(self._shown(values, noise), frame[name])

    def _shown(self, values, noise=0.0):
        with np.errstate(over="ignore", under="ignore"):
            shown = self.gain * values + self.offset + noise
        return shown if self.saturation is None else np.minimum(shown, self.saturation)


def gaussian(uniform: np.ndarray) -> np.ndarray:
    """Standard normal numbers from numbers in [0, 1)."""
    from scipy.special import ndtri

    return ndtri(np.clip(uniform, 2.0**-54, 1 - 2.0**-53))
