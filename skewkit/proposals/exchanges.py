"""Whether served values are other rows' values: rows that have changed places, entities that got those of others, or old ones."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from ..timeline import nanoseconds
from .clues import Evidence, floats

ENOUGH = 20  # rows that differ
LOOKS = 1_000  # of them
MANY = 20  # rows that hold one value: it tells nobody's row
OFTEN = 0.2  # of the rows: less is a coincidence of values that are there often


def exchanged(e: Evidence) -> bool:
    """Whether the values served where rows differ are those that should have been there, in another order."""
    x, y = e.x.dropna(), e.y.dropna()
    if len(e.x) < ENOUGH or len(x) != len(y) or x.nunique() < ENOUGH or x.dtype.kind != y.dtype.kind:
        return False
    was, now = (Counter(side.tolist()) for side in (x, y))
    return sum((was & now).values()) >= 0.99 * len(x)


def earlier(e: Evidence) -> bool:
    """Whether what was served is often what the same entity had at an earlier request."""
    if (tables := _sides(e)) is None:
        return False
    off, past = tables
    both = off.merge(past.drop_duplicates(), left_on=["value", "mine"], right_on=["value", "who"])
    return bool(both.loc[both["at"] < both["when"], "row"].nunique() >= OFTEN * len(off))


def entities_for(e: Evidence) -> tuple[tuple[Any, Any], ...]:
    """For each entity of which rows differ, the one that most of their served values are of; () where most are nobody's."""
    if (tables := _sides(e)) is None:
        return ()
    off, past = tables
    rare = past[np.bincount(past["value"])[past["value"]] <= MANY]
    both = off.merge(rare, on="value")
    both = both[(both["at"] <= both["when"]) & (both["mine"] != both["who"])]
    if both["row"].nunique() < len(off) / 2:
        return ()
    votes = both.drop_duplicates(["row", "who"]).groupby(["mine", "who"], sort=False).size().reset_index(name="votes")
    best = votes.sort_values("votes", ascending=False, kind="stable").drop_duplicates("mine")
    return tuple(zip(best["mine"].tolist(), best["who"].tolist(), strict=True))


def _sides(e):
    """Some rows that differ, with the number of the value each was served, and all rows that there are, with theirs."""
    r = e.roles
    if e.whole is None or r.time not in e.whole or r.entity not in e.whole or len(e.x) < ENOUGH:
        return None
    rows = e.frame.loc[e.differ, [r.entity, r.time]].iloc[:LOOKS]
    served, had = (floats(s) if e.numeric else s.astype(object) for s in (e.y.iloc[:LOOKS], e.whole[e.feature]))
    codes = pd.factorize(np.concatenate([np.asarray(served), np.asarray(had)]))[0]
    off = {"value": codes[: len(rows)], "mine": rows[r.entity].to_numpy(), "when": nanoseconds(rows[r.time])}
    if ("past", r.entity) not in e.memo:
        e.memo["past", r.entity] = e.whole[r.entity].to_numpy(), nanoseconds(e.whole[r.time])
    who, at = e.memo["past", r.entity]
    past = pd.DataFrame({"value": codes[len(rows) :], "who": who, "at": at})
    off = pd.DataFrame({"row": np.arange(len(rows)), **off})
    return off[off["value"] >= 0], past[past["value"] >= 0]
