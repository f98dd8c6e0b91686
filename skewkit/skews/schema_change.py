"""A table of another shape: columns missing, renamed, retyped, reordered, swapped or new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from ..proposals.clues import agree
from ..proposals.lookalikes import ALIKE, kinds_of_features, nearest, perhaps
from ..records import NotApplicable, Skew, SkewkitError, needs
from ..scope import with_columns

HOWS = ("missing", "renamed", "retyped", "swapped", "reordered", "extra", "misread")
NAMED = 5  # columns that a sentence names
LOOKS = 500  # rows that tell whether a feature holds another's values


@dataclass(frozen=True, kw_only=True)
class SchemaChange(Skew):
    """The columns of a whole table change, not its rows: severities are 0 and 1.

    ``how="missing"``: the features are gone. ``how="renamed"``: they go by the names ``to``, one each ("_v2" behind the
    old name when not given). ``how="retyped"``: numbers become text, as Python writes them; nulls stay.
    ``how="reordered"``: the features (all when none are named) stand in the reverse order in each other's places, as a
    reader by position would not notice. ``how="swapped"``: two features of one type, exactly two, have exchanged their
    values; this can be undone. ``how="misread"``: each feature holds the values of the column in ``to``, which must be
    there. ``how="extra"``: a copy of each feature is added under the name ``to`` ("_v2").
    With none named it acts on the first that it can: the first two when swapped.
    """

    how: str = "missing"
    to: tuple[str, ...] = ()

    whole: ClassVar[bool] = True
    family = "code"
    choices = ("how", HOWS[:4])  # the others change nothing for what reads by name

    def __post_init__(self):
        super().__post_init__()
        if self.how not in HOWS:
            raise SkewkitError(f"how={self.how!r} was asked of schema_change; there are {', '.join(HOWS)}")
        if not all(isinstance(n, str) and n for n in self.to) or len(set(self.to)) < len(self.to):
            raise SkewkitError(f"to={self.to!r} was asked of schema_change; it is a list of new names, no two the same")
        if self.how == "misread" and not self.to:
            raise SkewkitError("schema_change how='misread' needs to=, the column that each feature is read from")
        if self.to and (
            self.how not in ("renamed", "extra", "misread") or len(self.to) != len(self.features or self.to[:1])
        ):
            raise SkewkitError(
                f"schema_change how={self.how!r} was given {len(self.to)} names in to= for {len(self.features)} features; "
                f"to= goes with renamed, extra and misread, one name for each feature"
            )
        fewest = {"swapped": 2, "reordered": 2}.get(self.how, 1)
        most = 2 if self.how == "swapped" else len(self.features)
        if self.features and not fewest <= len(set(self.features)) == len(self.features) <= most:
            raise SkewkitError(
                f"schema_change how={self.how!r} was given {', '.join(map(str, self.features))}; "
                f"name {'exactly two' if self.how == 'swapped' else 'two or more'} features, each once"
            )

    def acts_on(self, frame, roles):
        there = [f for f in roles.features if f in frame]
        if self.how == "reordered":
            return tuple(there) if len(there) > 1 else ()
        if self.how == "swapped":
            pairs = ((a, b) for i, a in enumerate(there) for b in there[i + 1 :] if _exchange(frame[a], frame[b]))
            return next(pairs, ())
        return tuple([f for f in there if self.how != "retyped" or frame[f].dtype.kind in "iuf"][:1])

    def inject(self, frame, roles, seed=0):
        names = needs(frame, self.features or self.acts_on(frame, roles), self)
        new = dict(zip(names, self.to or [f"{f}_v2" for f in names], strict=True))
        if taken := [n for n in new.values() if n in frame and self.how in ("renamed", "extra")]:
            raise NotApplicable(f"{self}: the table has a column {', '.join(taken)} already; give other names in to=")
        if self.how == "misread":
            needs(frame, self.to, self)
            return with_columns(frame, {f: frame[g] for f, g in new.items()})
        if self.how == "missing":
            return frame.drop(columns=list(names))
        if self.how == "renamed":
            return frame.rename(columns=new)
        if self.how == "extra":
            return with_columns(frame, {n: frame[f] for f, n in new.items()})
        if self.how == "reordered":
            back = dict(zip([c for c in frame if c in names], [c for c in frame if c in names][::-1], strict=True))
            return frame[[back.get(c, c) for c in frame]]
        return with_columns(frame, (self._text(frame, names) if self.how == "retyped" else self._swapped(frame, names)))

    def undo(self, frame, roles, seed=0):
        if self.how != "swapped" or not self.features:
            raise NotApplicable(f"{self}: only a swap of named columns can be undone; give how='swapped' and features=")
        return self._swapped(frame, needs(frame, self.features, self))

    @classmethod
    def propose(cls, e):
        """Another feature's values; the diagnosis sees whether that one has these."""
        if e.before.dtype.kind in "iuf" and e.kinds[1] in ("text", "other"):
            yield cls(features=(e.feature,), how="retyped"), 2
        if not e.paired:
            there, kinds = set(e.frame), e.frame.dtypes
            others = [f for f in e.roles.features if f != e.feature and f in there]
            for f in nearest(e, [f for f in others if kinds[f] == e.before.dtype]):
                yield cls(features=(e.feature,), how="misread", to=(f,)), np.log2(1 + len(others))
            return
        some = e.differ.nonzero()[0][:LOOKS]
        kinds = kinds_of_features(e)
        y, others = e.after.iloc[some], len(kinds) - (e.feature in kinds)
        for f in (f for f, kind in kinds.items() if f != e.feature and kind == e.after.dtype.kind):
            if perhaps(e, f, some, y) and agree(e.frame[f].iloc[some], y).mean() > ALIKE:
                yield cls(features=(e.feature,), how="misread", to=(f,)), np.log2(1 + others)

    def says(self, alike=True):
        if self.how == "misread" and len(self.to) > 1:
            read = [f"{f} is read from {g}" for f, g in zip(self.features, self.to, strict=True)]
            more = f" and {len(read) - NAMED} more" if len(read) > NAMED else ""
            return f"has changed places: {', '.join(read[:NAMED])}{more}"
        if self.how in ("renamed", "misread"):
            return f"is {'called' if self.how == 'renamed' else 'read from'} {', '.join(self.to)}"
        said = {
            "missing": "is missing",
            "retyped": "is text",
            "swapped": "has changed places",
            "extra": "is there twice",
        }
        return said.get(self.how, "stands in another order")

    @classmethod
    def examples(cls):
        yield cls(features=("amount", "recent_amount"), how="swapped")
        yield from (cls(features=("typing", "income"), how=how) for how in HOWS[:6] if how != "swapped")
        yield cls(features=("recent_amount",), how="misread", to=("amount",))
        yield from (cls(how=how, to=("other",)) for how in ("renamed", "extra"))

    def _text(self, frame, names):
        if odd := [f for f in names if frame[f].dtype.kind not in "iuf"]:
            raise NotApplicable(f"{self}: {', '.join(odd)} holds no numbers; only numbers become text")
        return {f: frame[f].astype(object).map(str, na_action="ignore") for f in names}

    def _swapped(self, frame, names):
        a, b = names
        if frame[a].dtype != frame[b].dtype:
            raise NotApplicable(f"{self}: {a!r} is {frame[a].dtype} and {b!r} {frame[b].dtype}; name two of one type")
        return {a: frame[b], b: frame[a]}


def _exchange(a: pd.Series, b: pd.Series) -> bool:
    """Whether anything is other once two columns have changed places."""
    return a.dtype == b.dtype and a.dtype.kind in "iufM" and not np.array_equal(a.to_numpy(), b.to_numpy())
