"""A category that serving encodes in another way than training did."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2
from typing import Any

import numpy as np
import pandas as pd

from ..proposals.clues import codes
from ..proposals.single_values import NAMED, counting, recoded
from ..records import NotApplicable, Skew, SkewkitError

_NONE = object()
HOWS = ("permuted", "unknown_to_default", "unknown_dropped", "renamed")


@dataclass(frozen=True, kw_only=True)
class Encoding(Skew):
    """What happened to the codes, or names, of a category.

    ``how="permuted"``: each value becomes the one that ``mapping`` gives (pairs); without a mapping, a permutation of
    the column's own values is drawn with the seed, none left in its place where that is possible.
    ``how="unknown_to_default"``: what training called ``unknown`` is served as ``default``.
    ``how="unknown_dropped"``: it is served as null. With ``known``, the values serving knows, unknown is all others.
    ``how="renamed"``: ``category`` is served as ``to``.
    """

    how: str = "permuted"
    mapping: tuple = ()
    unknown: Any = -1
    default: Any = 0
    known: tuple = ()
    category: Any = None
    to: Any = None

    family = "code"
    choices = ("how", HOWS[:3])

    def __post_init__(self):
        super().__post_init__()
        if self.how not in HOWS:
            raise SkewkitError(f"how={self.how!r} was asked of encoding; there are {', '.join(HOWS)}")
        if self.how == "renamed" and (self.category is None or self.to is None):
            raise SkewkitError("encoding how='renamed' needs category= (its name in training) and to= (in serving)")

    def knobs(self):
        if self.known or self.unknown != -1:
            return {}
        return {"unknown_to_default": {"unknown": self.default}, "unknown_dropped": {"unknown": None}}.get(self.how, {})

    def acts_on(self, frame, roles):
        return tuple(f for f in roles.features if f in frame and self._can(frame[f]))

    def inject(self, frame, roles, seed=0):
        names = self.features or self.acts_on(frame, roles)
        if odd := [f for f in names if not _has_categories(frame[f])]:
            raise NotApplicable(
                f"{self}: {', '.join(odd)} holds times, lists or the like; only text and numbers can be categories"
            )
        return pd.DataFrame({f: self._served(frame[f], seed) for f in names}, index=frame.index)

    def undo(self, frame, roles, seed=0):
        there, back = [k for k, _ in self.mapping], [v for _, v in self.mapping]
        if self.how != "permuted" or not back or len(set(back)) < len(back) or set(there) != set(back):
            raise NotApplicable(f"{self} loses what it replaced; only a mapping that is one to one can be undone")
        inverse = Encoding(features=self.features, mapping=tuple(zip(back, there, strict=True)))
        return inverse.inject(frame, roles, seed)

    @classmethod
    def propose(cls, e):
        """The values that changed, and what each became: one to another, many to one default, or a mapping."""
        sides = e.before, e.after
        if e.before.dtype.kind == "f" or e.after.nunique(dropna=False) < 2 or not all(map(_has_categories, sides)):
            return
        if not e.paired:
            yield from ((cls(features=(e.feature,), **how), bits) for how, bits in recoded(e))
            return
        changed = {was: now for was, now in e.mapping().items() if was != now}
        kept = tuple(v for v in e.before.dropna().unique().tolist() if v not in changed)
        became, choices = set(changed.values()), log2(1 + e.before.nunique())
        for now in sorted(became, key=str) if kept and len(changed) > len(became) else ():
            how = {"how": "unknown_dropped"} if now is None else {"how": "unknown_to_default", "default": now}
            rare = tuple(v for v in e.before.dropna().unique().tolist() if changed.get(v, _NONE) != now)
            if set(rare) - {now}:  # where nothing is known but the default, it is a default for all
                yield cls(features=(e.feature,), known=rare, **how), e.raw + len(changed) + choices
        for was, now in list(changed.items())[:3]:
            if isinstance(was, str) and now not in (None, *kept):
                yield cls(features=(e.feature,), how="renamed", category=was, to=now), e.raw + choices
                continue
            how = {"how": "unknown_dropped"} if now is None else {"how": "unknown_to_default", "default": now}
            yield cls(features=(e.feature,), unknown=was, **how), e.raw + choices
        told = tuple((was, now) for was, now in changed.items() if now is not None)
        if len(told) > 1 and not counting(told):
            known = set(e.before.dropna().unique().tolist())
            new = sum(isinstance(now, str) and now not in known for _, now in told)
            yield cls(features=(e.feature,), mapping=told), len(told) * (e.raw + 1) + choices + NAMED * new

    def completed(self, before, after):
        if self.how != "permuted" or not self.mapping:
            return self
        told = {k for pair in self.mapping for k in pair[:1]}
        changed = ~before.isin(told).to_numpy(bool) & before.notna().to_numpy(bool) & after.notna().to_numpy(bool)
        more = codes(before[changed], after[changed]).items()
        return replace(self, mapping=(*self.mapping, *((a, b) for a, b in more if b not in (a, None))))

    @property
    def wide(self):
        return self.how == "permuted" and not self.mapping

    @property
    def kin(self):
        return (self.how,)

    def says(self, alike=True):
        if self.how == "permuted":
            many = f" ({len(self.mapping)} changed)" if alike and self.mapping else ""
            return f"has codes of another vocabulary{many}"
        was = f"what is none of {len(self.known)} known values" if self.known else repr(self.unknown)
        if self.how == "renamed":
            return f"has {self.to!r} for {self.category!r}"
        became = "null" if self.how == "unknown_dropped" else repr(self.default)
        return f"has {became} for {was}" if alike else "has another value for what is not known"

    @classmethod
    def examples(cls):
        yield cls(features=("merchant", "country"))
        yield cls(features=("merchant",), mapping=((0, 1), (1, 2), (2, 0)))
        yield cls(features=("merchant",), how="unknown_to_default")
        yield cls(features=("merchant",), how="unknown_dropped")
        yield cls(features=("country",), how="unknown_to_default", known=("US", "DE"), default="US")
        yield cls(features=("country",), how="renamed", category="DE", to="Germany")

    def _can(self, column):
        """Text, or whole numbers few enough to be codes, of which there are some to change."""
        if column.dtype.kind in "Mmf" or not _has_categories(column):
            return False
        if column.dtype.kind in "iu" and column.nunique() > max(2, len(column) ** 0.5):
            return False
        return bool(column.nunique() > 1 if self.how == "permuted" else self._chosen(column).any())

    def _chosen(self, column):
        if self.how == "renamed":
            return column == self.category
        return ~column.isin(self.known) & column.notna() if self.known else column == self.unknown

    def _served(self, column, seed):
        if self.how == "permuted":
            pairs = dict(self.mapping) or drawn(column, seed)
            return _in_type(column.map(lambda v: pairs.get(v, v), na_action="ignore"), column.dtype)
        new = {"unknown_dropped": None, "renamed": self.to}.get(self.how, self.default)
        chosen = self._chosen(column).fillna(False).astype(bool)
        return column.mask(chosen) if new is None else _in_type(column.astype(object).mask(chosen, new), column.dtype)


def _in_type(new: pd.Series, dtype) -> pd.Series:
    """New values in the column's own type, where that holds them all."""
    if isinstance(dtype, pd.CategoricalDtype) and not new.dropna().isin(dtype.categories).all():
        return new.astype(object)
    try:
        kept = new.astype(dtype)
    except (TypeError, ValueError, OverflowError):
        return new.infer_objects()
    there = new.notna()
    held = kept.isna().equals(~there) and (kept[there].astype(object) == new[there].astype(object)).all()
    return kept if held else new.infer_objects()


def _has_categories(column: pd.Series) -> bool:
    """Text and numbers: no times, and no lists."""
    return column.dtype.kind not in "Mm" and (
        column.dtype != object or bool(column.map(pd.api.types.is_hashable).all())
    )


def drawn(column: pd.Series, seed: int) -> dict:
    """Each value of the column to the next in a seeded shuffle of them: a cycle, so none stays in its place."""
    values = np.array(sorted(column.dropna().unique(), key=str), dtype=object)
    shuffled = np.random.default_rng(seed).permutation(values)
    return dict(zip(shuffled, np.roll(shuffled, 1), strict=True))
