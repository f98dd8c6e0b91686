"""Rows joined to the wrong key."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..proposals.exchanges import entities_for, exchanged
from ..records import NotApplicable, Skew, SkewkitError, needs
from ..scope import coin
from ..timeline import Timeline, history

HOWS = ("shuffled", "neighbour")


@dataclass(frozen=True, kw_only=True)
class Misjoin(Skew):
    """Serving joins a request to the features of another.

    ``how="shuffled"``: each entity gets the features of another, always the same; all entities lie on one cycle, drawn
    with the seed. A row takes what the other's newest request at or before its time had, and keeps its own where there is
    none. ``entity`` is the column that was joined by (the entity of the table when not given); a table without one counts
    each request as its own, so that the requests themselves change places, whatever their times.
    ``how="neighbour"``: off by one; each row takes the features of the row before it in the order of the key, and the
    first its own. Such a table lookup by position has no time, and no entity.
    ``others`` says it, as pairs of an entity and the one whose features it gets; who is not there keeps its own.
    With ``by``, a column of the requests that a pipeline joins by in place of the right one, its knob ``by`` is turned;
    no table can do that. Name the features that were joined: what is read from the request itself stays right.
    """

    how: str = "shuffled"
    entity: str = ""
    by: str = ""
    others: tuple = ()

    family = "events"
    choices = ("how", HOWS)

    def __post_init__(self):
        super().__post_init__()
        if self.how not in HOWS:
            raise SkewkitError(f"how={self.how!r} was asked of misjoin; there are {', '.join(HOWS)}")
        if self.others and (self.by or self.how == "neighbour"):
            raise SkewkitError("misjoin was given others=, which goes with how='shuffled' alone and without by=")
        if self.entity and (self.by or self.how == "neighbour"):
            raise SkewkitError("misjoin was given entity=, which goes with how='shuffled' alone and without by=")

    def knobs(self):
        return {"by": self.by} if self.by else {}

    def acts_on(self, frame, roles):
        fixed = {self.entity or roles.entity}
        return tuple(f for f in roles.features if f in frame and f not in fixed)

    def inject(self, frame, roles, seed=0):
        if self.by:
            return super().inject(frame, roles, seed)
        names = needs(frame, self.features or self.acts_on(frame, roles), self)
        if roles.key not in frame:
            raise NotApplicable(f"{self} needs the requests' key ({roles.key!r}); the table has {', '.join(frame)}")
        source = self._previous(frame[roles.key]) if self.how == "neighbour" else self._others(frame, roles, seed)
        return pd.DataFrame({f: frame[f].array.take(source) for f in names}, index=frame.index)

    @property
    def wide(self):
        return True

    @property
    def kin(self):
        return self.how, self.entity, self.by

    @classmethod
    def propose(cls, e):
        """Joined by another column, off by one, or with the values of other entities."""
        if not e.paired:
            return
        if "by" in e.knobs:
            kinds = e.frame.dtypes.items()
            keys = [c for c, kind in kinds if c not in (e.feature, e.roles.key) and kind.kind in "OiuTUS"]
            yield from ((cls(features=(e.feature,), by=str(c)), 3 + np.log2(1 + len(keys))) for c in keys)
        if e.values > 10 and e.roles.key in e.frame:
            yield cls(features=(e.feature,), how="neighbour"), 2
            if e.roles.entity not in e.frame and exchanged(e):
                yield cls(features=(e.feature,)), 2
            if e.roles.entity in e.frame and (others := entities_for(e)):
                yield (
                    cls(features=(e.feature,), others=others),
                    2 + len(others) * np.log2(e.whole[e.roles.entity].nunique()),
                )

    def by_chance(self, e):
        """Of rows that have changed places, which of them each value was: their orders, spread over the rows."""
        if self.others or self.by or self.how == "neighbour" or e.roles.entity in e.frame:
            return None
        return np.full(len(e.y), float(np.log2(np.arange(1, len(e.y) + 1)).mean()))

    def says(self, alike=True):
        if self.by:
            return f"is joined by {self.by}"
        if self.how == "neighbour":
            return "is off by one: the row before's"
        return "is another's: joined to the wrong rows"

    @classmethod
    def examples(cls):
        yield cls(features=("recent_amount", "recent_count"))
        yield cls(features=("recent_amount",), entity="merchant")
        yield cls(features=("recent_amount",), others=((0, 1), (1, 2), (2, 0)))
        yield cls(features=("income", "city"), how="neighbour")
        yield cls()

    def _previous(self, keys):
        try:
            order = keys.reset_index(drop=True).sort_values(kind="stable").index.to_numpy()
        except TypeError as e:
            raise NotApplicable(f"{self}: the keys in {keys.name!r} have no order ({e})") from e
        source = np.empty(len(keys), int)
        source[order] = np.r_[order[:1], order[:-1]]
        return source

    def _others(self, frame, roles, seed):
        """The row whose values each row is served."""
        entity, rows = self.entity or roles.entity, np.arange(len(frame))
        draw = coin(frame[roles.key], "misjoin", seed)
        if not entity:
            return _next_of(draw, rows)
        who, times = history(frame, roles, entity, self)
        who = who.astype(object)
        there = pd.Series(who.dropna().unique(), dtype=object)
        if len(there) < 2:
            raise NotApplicable(f"{self}: {entity!r} holds {len(there)} entities; two at least can be confused")
        other = who.map(dict(self.others)) if self.others else who.map(self._drawn(there, seed))
        order = np.argsort(draw, kind="stable")  # of two requests at once, the same is the newer in any order of rows
        line = Timeline(who.iloc[order], times[order])
        found = line.latest(other, times)
        return np.where(found >= 0, np.append(order, -1)[found], rows)

    @staticmethod
    def _drawn(there, seed):
        """For each entity another, all on one cycle."""
        return pd.Series(there.take(_next_of(coin(there, "misjoin", seed), np.arange(len(there)))).to_numpy(), there)


def _next_of(draw, rows):
    """Each row to the next in the order of the draw: one cycle."""
    order = np.argsort(draw, kind="stable")
    source = rows.copy()
    source[order] = np.roll(order, 1)
    return source
