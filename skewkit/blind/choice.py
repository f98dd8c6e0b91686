"""What a blind drill plants: the facilitator's own list, or drawn from a seed by difficulty. Or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..drills.drills import Plant, planted_case
from ..records import Case, SkewkitError
from ..scope import Scope
from ..skews import SKEWS, make
from ..tables.equality import same

HEADLINE = ("time_zone", "encoding", "normalization_window", "staleness", "unit_change", "missing_fill")
IN_TRAINING = ("leakage",)  # in the training table, before any hour has come: nothing to wait for
TRIES = 60  # draws before it is said that nothing fits


@dataclass(frozen=True)
class Level:
    """How hard it is: which skews, what share of the requests, how many at once, in how many features at most."""

    stems: tuple[str, ...]
    shares: tuple[float, ...]
    together: int = 1
    features: int = 0  # 0: every feature that the skew can act on
    least: int = 50  # rows of the drill that differ, or there is nothing to be found


DIFFICULTIES = {
    "easy": Level(HEADLINE, (1.0,), least=500),
    "medium": Level(tuple(s for s in SKEWS if s not in IN_TRAINING), (0.25, 0.5, 1.0), features=2, least=200),
    "hard": Level(tuple(s for s in SKEWS if s not in IN_TRAINING), (0.05, 0.1, 0.25), together=2, features=1),
}


def stream(seed: Any, purpose: str) -> np.random.Generator:
    """Draws of a seed for one purpose: what is drawn for another tells nothing of it."""
    return np.random.default_rng(list(hashlib.sha256(f"{seed}|{purpose}".encode()).digest()))


def chosen(skew: Any, scope: Scope, onset: pd.Timestamp) -> Plant:
    """The facilitator's own skews, planted together, from ``onset`` on where their scope does not say since when."""
    plant = Plant.read(list(skew) if isinstance(skew, (list, tuple)) else skew, scope)
    if plant.scope.side != "serving":
        raise SkewkitError(
            "a blind drill plants in what is served, hour by hour; plant in training with `skewkit run drill`"
        )
    since = None if any(s.whole for s in plant.skews) else plant.scope.since or onset
    return replace(plant, scope=replace(plant.scope, since=since))


def drawn(level: Level, seed: Any, case: Case, world: Any, onsets: Iterable[pd.Timestamp]) -> Plant:
    """A plant of this difficulty that changes enough of the case's requests, from one of the ``onsets`` on."""
    draw, onsets = stream(seed, "plant"), list(onsets)
    frame = case.replayed.frame()
    for _ in range(TRIES):
        share, onset = float(draw.choice(level.shares)), onsets[draw.integers(len(onsets))]
        many = int(draw.integers(1, level.together + 1))
        stems = draw.choice(level.stems, size=many, replace=False)
        skews = tuple(_narrowed(_one(str(stem), draw), level, case, frame, world, draw) for stem in stems)
        whole = any(s is not None and s.whole for s in skews)
        if None in skews or (many > 1 and (whole or _touching(skews))):
            continue
        plant = Plant(skews, Scope(share=1.0 if whole else share, since=None if whole else onset))
        if (found := differing(case, plant, world, seed)) is not None and found.any(axis=1).sum() >= level.least:
            return plant
    raise SkewkitError(
        f"no skew of {', '.join(level.stems)} changes {level.least} of the drill's requests; name one with --skew"
    )


def _one(stem, draw):
    parameter, values = SKEWS[stem].choices
    return make(stem, **{parameter: values[draw.integers(len(values))]})


def _narrowed(skew, level, case, frame, world, draw):
    """The skew in few of the features that it changes; None where it changes none."""
    whole = differing(case, Plant((skew,), Scope()), world, 0)
    able = [] if whole is None else [f for f in whole if whole[f].any()]
    if not able:
        return None
    if not level.features or len(able) <= level.features:
        return skew if not level.features else _named(skew, able, case)
    return _named(skew, [able[i] for i in sorted(draw.choice(len(able), level.features, replace=False))], case)


def _named(skew, features, case):
    """The skew for these features alone, where it takes them; a skew of a whole table moves columns by its own choice."""
    return (
        skew if skew.whole or not set(features) <= set(case.roles.features) else replace(skew, features=tuple(features))
    )


def _touching(skews):
    """Whether two of them change a feature that the other changes too: what was planted could not be told apart."""
    named = [set(s.features) for s in skews]
    return any(not s for s in named) or bool(set.intersection(*named))


def differing(case: Case, plant: Plant, world: Any, seed: int) -> pd.DataFrame | None:
    """Which rows of which features the plant changes, bool; None where it cannot be planted here."""
    try:
        served = planted_case(case, case.replayed.frame(), plant.skews, plant.scope, world, seed)
    except SkewkitError:
        return None
    return changed(case, served)


def changed(case: Case, served: Case) -> pd.DataFrame:
    """Row by row, which features of a planted case are not as they were: all rows of a column that is gone."""
    before, after = case.replayed.frame(), served.served.frame()
    return pd.DataFrame(
        {
            f: ~same(before[f], after[f]) if f in after else np.ones(len(before), bool)
            for f in case.roles.features
            if f in before
        }
    )
