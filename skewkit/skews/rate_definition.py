"""A rate that serving defines otherwise than training did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..arrays import finite, like, numbers
from ..proposals.clues import LENGTHS
from ..records import NotApplicable, Skew, SkewkitError, needs
from ..timeline import duration

HOWS = ("odds", "complement")
WEIGHTS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 25.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
PRIORS = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)
OF_RATES = ("prior", "weight")  # settings that nothing but a rate has


@dataclass(frozen=True, kw_only=True)
class RateDefinition(Skew):
    """Two code paths define one rate: of what, over what, within which window, drawn towards which prior.

    ``how="odds"``: over the rest instead of over all, x / (1 - x); a rate of 1 has no rest and becomes null.
    ``how="complement"``: of the failures instead of the successes, 1 - x. Or it is a ``setting`` of a pipeline's rate, a
    knob by its name, that has the value ``serving`` there: "window" (a length, 7D), "weight" (a number from 0), "prior"
    (a number) or "value" (a column of the events); no table can do that. Settings that other features have too, the
    window and the value, need features named.

    On a table, a rate is a column of floats from 0 to 1, infinities none; one that holds only 0 and 1 is a flag, and
    acted on only where it is named. Odds are those of a pipeline's knob ``per`` but for the last digits.
    """

    how: str = ""
    setting: str = ""
    serving: Any = None

    family = "events"
    choices = ("how", HOWS)

    def __post_init__(self):
        super().__post_init__()
        if bool(self.how) == bool(self.setting) or (self.serving is None) == bool(self.setting):
            raise SkewkitError(f"rate_definition needs how= ({' or '.join(HOWS)}), or setting= and serving= together")
        if self.how and self.how not in HOWS:
            raise SkewkitError(f"how={self.how!r} was asked of rate_definition; there are {', '.join(HOWS)}")
        if self.setting:
            self._refuse_setting()

    def knobs(self):
        if self.setting:
            return {self.setting: self.serving}
        return {"per": "rest"} if self.how == "odds" else {}

    def acts_on(self, frame, roles):
        return tuple(f for f in roles.features if f in frame and self._can(frame[f]))

    def inject(self, frame, roles, seed=0):
        if self.setting:
            return super().inject(frame, roles, seed)
        names = needs(frame, self.features or self.acts_on(frame, roles), self)
        return pd.DataFrame({f: self._otherwise(frame[f]) for f in names}, index=frame.index)

    @classmethod
    def propose(cls, e):
        for how in HOWS if _is_rate(e.before) and e.numeric else ():
            yield cls(features=(e.feature,), how=how), 2
        if {"prior", "weight"} <= e.knobs:
            for setting, values in (("weight", WEIGHTS), ("prior", PRIORS), ("window", (*LENGTHS, "global"))):
                yield from ((cls(features=(e.feature,), setting=setting, serving=v), 7) for v in values)

    def says(self, alike=True):
        how = {"odds": "is odds, and no share", "complement": "is the share of the others (1 - x)"}
        return how[self.how] if self.how else f"has the {self.setting} {self.serving!r}"

    @classmethod
    def examples(cls):
        yield cls(features=("refused",), how="odds")
        yield cls(features=("refused",), how="complement")
        yield cls(how="odds")

    def _refuse_setting(self):
        asked = f"serving={self.serving!r} was asked of rate_definition for its {self.setting}"
        if self.setting not in (*OF_RATES, "window", "value"):
            raise SkewkitError(f"setting={self.setting!r} was asked; there are {', '.join(OF_RATES)}, window, value")
        if self.setting in OF_RATES and not (finite(self.serving) and (self.setting == "prior" or self.serving >= 0)):
            raise SkewkitError(f"{asked}; it is a finite number, a weight not negative")
        if self.setting not in OF_RATES and not (isinstance(self.serving, str) and self.serving):
            raise SkewkitError(f"{asked}; it is text: a length of time, or a column's name")
        if self.setting == "window" and self.serving != "global" and not duration(self.serving, "window"):
            raise SkewkitError(f"{asked}; a window is longer than 0")
        if self.setting not in OF_RATES and not self.features:
            raise SkewkitError(f"rate_definition was given the setting {self.setting} of no feature; give features=")

    def _can(self, column):
        if self.setting or not _is_rate(column):
            return False
        there = column.dropna().unique()
        return not set(there) <= {0, 1} and not (self.how == "complement" and set(there) == {0.5})

    def _otherwise(self, column):
        if not _is_rate(column):
            raise NotApplicable(f"{self}: {column.name!r} ({column.dtype}) is no column of floats from 0 to 1")
        rate = numbers(column, self)
        if self.how == "complement":
            return like(1 - rate, column)
        return like(np.divide(rate, 1 - rate, out=np.full(len(rate), np.nan), where=rate != 1), column)


def _is_rate(column):
    return column.dtype.kind == "f" and bool(column.dropna().between(0, 1).all())
