"""A feature that is no longer computed, and a default in its place."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar

from ..proposals.clues import constant as held
from ..records import Skew, SkewkitError, needs
from ..scope import with_columns
from .broken_header import constant, is_all

LARGEST = 2**63 - 1
MOST = 0.5  # of the rows that differ, at least, that hold a default
BOUNDS = [s * 2**b - (s > 0) for b in (7, 15, 31) for s in (1, -1)]


@dataclass(frozen=True, kw_only=True)
class Rollback(Skew):
    """Serving was rolled back to a release that does not compute the features; each request gets ``default`` for them.

    It is of a whole release: severities are 0 and 1. ``default`` is null (the default), a number or a text. Name the
    features that came with the release; with none named, it is the newest: the last one that is not that already.
    """

    default: Any = None

    whole: ClassVar[bool] = True
    family = "missing"
    choices = ("default", (0, -1, 1))

    def __post_init__(self):
        super().__post_init__()
        value = self.default
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (value is None or isinstance(value, str) or number):
            raise SkewkitError(f"rollback was given default={value!r}; it takes null, a number or text")
        if number and not (abs(value) <= LARGEST and isfinite(value)):
            raise SkewkitError(f"rollback was given default={value!r}; give a number up to {LARGEST} on either side")

    def acts_on(self, frame, roles):
        return tuple([f for f in roles.features if f in frame and not is_all(frame[f], self.default)][-1:])

    def inject(self, frame, roles, seed=0):
        names = needs(frame, self.features or self.acts_on(frame, roles), self)
        return with_columns(frame, {f: constant(frame[f], self.default) for f in names})

    @classmethod
    def propose(cls, e):
        is_constant, value = held(e.after)
        if not is_constant and e.paired and (default := _default(e)) is not None:
            yield cls(features=(e.feature,), default=default), e.raw
        if is_constant and type(value) in (type(None), int, float, str) and value != e.feature:
            yield cls(features=(e.feature,), default=value), 2 if value in (None, 0, -1) else e.real

    def says(self, alike=True):
        return f"is {'null' if self.default is None else repr(self.default)}, a default: it was not computed"

    @classmethod
    def examples(cls):
        yield cls(features=("recent_amount", "recent_count"))
        yield cls(features=("recent_amount", "recent_count"), default=0)
        yield cls(features=("city",), default="unknown")
        yield cls(default=-1)


def _default(e) -> Any:
    """The one value that many others became in the rows that differ; None where there is none, or a count became 0."""
    counts = e.y.astype(object).value_counts(dropna=True)
    if not len(counts) or counts.iloc[0] < MOST * len(e.y) or e.x.nunique() < 3:
        return None
    value = counts.index[0]
    value = value.item() if hasattr(value, "item") else value
    whole = e.numeric and (e.numbers[0] % 1 == 0).all()
    if value in BOUNDS or (
        whole and value == 0
    ):  # what is too large for a type, and a count of nothing, are no defaults
        return None
    return value if type(value) in (int, float, str) else None
