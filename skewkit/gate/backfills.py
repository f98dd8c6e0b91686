"""What a rollback costs when an old feature is no longer computed, and that a backfill by its old definition mends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ..costs import DRAWS
from ..features.definitions import Definition, evaluate
from ..load.case import compare
from ..pipeline import impact
from ..records import SkewkitError
from ..results.results import Impact
from ..scenarios import Scenario
from ..skews.rollback import Rollback


@dataclass(frozen=True)
class Backfilled:
    """The served requests after a backfill, and what rolling back without it would have done.

    Of ``n`` requests the old model scores ``apart`` otherwise than it did; 0 where the backfill is right. ``impact`` is that of
    the default in place of ``features``. ``frame`` has a row a request, with the recomputed features and the scores from them.
    """

    features: tuple[str, ...]
    n: int
    apart: int
    impact: Impact
    frame: pd.DataFrame = field(repr=False)

    @property
    def exact(self) -> bool:
        return self.apart == 0


def backfill(
    world: Scenario, old: Mapping[str, Definition], default: Any = None, seed: int = 0, draws: int = DRAWS
) -> Backfilled:
    """Recompute retired features by their ``old`` definitions for the served requests, and score them by the old model.

    The world's own model is the old one; ``old`` maps features of it to the definition of the version that it needs. Each
    request is answered as of its own time. Rolled back without a backfill, each would get ``default`` for them instead.
    Raises SkewkitError for a feature that the model does not read.
    """
    r, served = world.roles, world.tables[1]
    if not old or (unknown := [f for f in old if f not in r.features]):
        named = ", ".join(map(repr, unknown)) if old else "nothing"
        raise SkewkitError(f"a backfill of {named} was asked; the model of {world.name} reads {', '.join(r.features)}")
    rolled = Rollback(features=tuple(old), default=default).inject(served, r, seed)
    rolled = rolled.assign(**{r.prediction: world.score(rolled)})
    again = evaluate(old, world.raw, world.source(served), r.time)
    frame = rolled.assign(**again.to_dict("series"))
    frame = frame.assign(**{r.prediction: world.score(frame)})
    names = ("key", "entity", "time", "label", "prediction", "segments", "features")
    roles = {n: getattr(r, n) for n in names}
    case = compare(world.tables[0], rolled, served, model=world.score, task=world.task, **roles)
    apart = int((frame[r.prediction].to_numpy() != served[r.prediction].to_numpy()).sum())
    return Backfilled(tuple(old), len(served), apart, impact(case, seed=seed, draws=draws), frame)
