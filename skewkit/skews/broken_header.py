"""A column that a broken header has turned into a constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..proposals.clues import constant as held
from ..records import Skew, SkewkitError, needs
from ..scope import with_columns

HOWS = ("null", "zero", "name")


@dataclass(frozen=True, kw_only=True)
class BrokenHeader(Skew):
    """A file's header names a column wrongly, so that the reader does not find it and puts a constant in its place.

    It is of a whole file: severities are 0 and 1. ``how="null"``: every value is null. ``how="zero"``: every value is 0.
    ``how="name"``: every value is the column's own name, as text: the header was read as data. With none named, it acts
    on the first feature that is not that constant already.
    """

    how: str = "null"

    whole: ClassVar[bool] = True
    family = "missing"
    choices = ("how", HOWS)

    def __post_init__(self):
        super().__post_init__()
        if self.how not in HOWS:
            raise SkewkitError(f"how={self.how!r} was asked of broken_header; there are {', '.join(HOWS)}")

    def acts_on(self, frame, roles):
        return tuple([f for f in roles.features if f in frame and not is_all(frame[f], self._value(f))][:1])

    def inject(self, frame, roles, seed=0):
        names = needs(frame, self.features or self.acts_on(frame, roles), self)
        return with_columns(frame, {f: constant(frame[f], self._value(f)) for f in names})

    @classmethod
    def propose(cls, e):
        is_constant, value = held(e.after)
        for how in HOWS if is_constant else ():
            skew = cls(features=(e.feature,), how=how)
            if (value is None) == (how == "null") and (value is None or value == skew._value(e.feature)):
                yield skew, 2

    def says(self, alike=True):
        return {"null": "is null everywhere", "zero": "is 0 everywhere"}.get(self.how, "holds its own name everywhere")

    @classmethod
    def examples(cls):
        yield cls(features=("country", "amount"))
        yield cls(features=("recent_count", "amount"), how="zero")
        yield cls(features=("merchant",), how="name")
        yield cls()

    def _value(self, feature):
        return {"null": None, "zero": 0, "name": str(feature)}[self.how]


def constant(column: pd.Series, value: Any) -> pd.Series:
    """The value (None: null) in every row, in the column's own type where that holds it."""
    if value is None:
        return column.iloc[:0].reindex(column.index)
    if column.dtype.kind == "f" and not isinstance(value, str):
        return pd.Series(float(value), column.index, dtype=column.dtype, name=column.name)
    return pd.Series([value] * len(column), column.index, dtype=object, name=column.name).infer_objects()


def is_all(column: pd.Series, value: Any) -> bool:
    """Whether every row holds the value (None: null) already."""
    if value is None:
        return bool(column.isna().all())
    there, plain = column.dropna(), (str, int, float, np.number)
    return len(there) == len(column) > 0 and all(
        isinstance(v, plain) and type(v) is not bool and v == value for v in there
    )
