"""Training that knew the future beside a recomputation that did not: its own requests, made once more from the events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ..proposals.clues import agree
from ..records import Case
from ..results.causes import Fit
from ..scope import Scope, coin
from ..skews.leakage import Leakage
from ..tables.engines import Local
from ..tables.pairs import Pairs
from .inference import infer, looks_ahead

LEARNED = 4_000  # recomputed requests, at most, that tell how each feature follows from the events
LOOKED = 20_000  # training's requests, at most, that are made once more
ROW = "row of training"  # what pairs its requests with themselves


def with_past(case: Case) -> Case:
    """The case with training's leaky features beside what the events give (``past``); as it is where there are none.

    How each feature follows from the events is learned from the recomputed table: where that leaks too, the pairs of served
    and recomputed tell, and not this.
    """
    if case.past is not None or not case.events or case.pairs is None or not isinstance(case.training, Local):
        return case
    about = "past", id(case.replayed)
    if about not in case.training.memo:
        case.training.memo[about] = _past(case)
    return replace(case, past=case.training.memo[about][0])


def fits(case: Case) -> list[Fit]:
    """One fit for each horizon by which training's features look ahead, where `with_past` found it."""
    past, horizons = case.training.memo.get(("past", id(case.replayed)), (None, {}))
    found = []
    for horizon in dict.fromkeys(horizons.values()):
        skews = {f: Leakage(features=(f,), horizon=horizon) for f, h in horizons.items() if h == horizon}
        off = np.any([~agree(*past.columns(f)) for f in skews], axis=0)
        found.append(Fit(skews, Scope(side="training"), int(off.sum()), past.n, 1.0, change="training"))
    return found


def _past(case):
    roles, time = case.roles, case.roles.time
    here, there = case.replayed.at_hand, case.training
    features = [f for f in roles.features if f in here.columns and f in there.columns]
    if time not in here.columns or time not in there.columns or not features:
        return None, {}
    learned, rows = _some(here, LEARNED), _some(there, LOOKED)
    replay = infer(case.events, learned, features, time)
    sure = {f: d for f, d in replay.definitions.items() if replay.share[f] == 1.0}
    found = looks_ahead(replace(replay, definitions=sure), rows)
    if not found:
        return None, {}
    named = rows[[*found]].assign(**{ROW: np.arange(len(rows)), time: rows[time]})
    right = named.assign(**{f: pd.Series(made, rows.index) for f, (_, made) in found.items()})
    sides = (Local(t, replace(roles, key=ROW), n) for t, n in ((right, "training from events"), (named, "training")))
    return Pairs(*sides), {f: horizon for f, (horizon, _) in found.items()}


def _some(table, most):
    """At most so many rows of a table, the same each time."""
    return table.where(coin(np.arange(len(table)), "past") < most / max(len(table), 1)).frame().reset_index(drop=True)
