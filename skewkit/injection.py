"""What serving would have held under a skew. Planting a drill and explaining a fault are this one function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from .records import NotApplicable, Replay, Roles, Skew, SkewkitError, needs
from .scope import Scope, with_columns

Skews = Skew | Sequence[Skew]


def inject(
    frame: pd.DataFrame,
    skew: Skews,
    scope: Scope = Scope(),
    roles: Roles = Roles(),
    replay: Replay | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """A copy of ``frame`` with ``skew``, or several planted together, on the rows of ``scope``.

    Where ``replay`` has a skew's knob for every feature, the knob is turned; where a skew names a column of the requests
    as they came in, that column is changed and what reads it is recomputed; else the table itself is changed, one skew
    after the other. ``frame`` is left as it is. Raises NotApplicable where nothing of this can be done, and
    SkewkitError for a column that is not there.
    """
    allowed(skew, scope.share)
    hit = scope.rows(frame, roles, seed)
    return onto(frame, everywhere(frame, skew, roles, replay, seed)[hit], hit)


def undo(
    frame: pd.DataFrame, skew: Skews, scope: Scope = Scope(), roles: Roles = Roles(), seed: int = 0
) -> pd.DataFrame:
    """A copy of a served ``frame`` with ``skew`` taken off the rows of ``scope``; NotApplicable where that loses."""
    hit = scope.rows(frame, roles, seed)
    for one in reversed(together(skew)):  # the rows out of scope would only blur how a column reads
        frame = onto(frame, with_columns(frame[hit], one.undo(frame[hit], roles, seed)), hit)
    return frame


def together(skew: Skews) -> tuple[Skew, ...]:
    """One skew or several, as several."""
    return (skew,) if isinstance(skew, Skew) else tuple(skew)


def allowed(skew: Skews, share: float) -> None:
    """Refuse a part of the requests to a skew that changes a whole table."""
    for one in together(skew):
        if one.whole and 0 < share < 1:
            raise SkewkitError(f"{one} changes a whole table: its severities are 0 and 1, and {share:g} was asked")


def everywhere(
    frame: pd.DataFrame, skew: Skews, roles: Roles, replay: Replay | None = None, seed: int = 0
) -> pd.DataFrame:
    """The table as it would be with ``skew`` on every row: the pipeline's part first, then the table's, in their order."""
    here: list[Skew] = []
    knobs: dict[str, dict] = {}
    source = None
    for one in together(skew):
        if features := turned(one, roles, replay):
            knobs |= {f: {**knobs.get(f, {}), **one.knobs()} for f in features}
        elif _at_the_source(one, frame, roles, replay):
            source = replay.source(frame) if source is None else source
            source = with_columns(source, one.inject(source, replace(roles, features=one.features), seed))
            knobs |= {f: knobs.get(f, {}) for f in replay.reading(one.features)}
        else:
            here.append(one)
    served = with_columns(frame, _recomputed(frame, knobs, source, replay))
    for one in here:
        if not (needs(served, one.features, one) or one.acts_on(served, roles)):
            among = ", ".join(roles.features) or "none"
            raise NotApplicable(f"{one} found no feature that it can act on among {among}")
        changed = one.inject(served, roles, seed)
        served = changed if one.whole else with_columns(served, changed)
    return served


def turned(skew: Skew, roles: Roles, replay: Replay | None) -> tuple[str, ...]:
    """The features whose knob ``replay`` can turn for this skew: all that it names, or none."""
    knobs = set(skew.knobs())
    if replay is None or not knobs:
        return ()
    can = tuple(f for f in skew.features or roles.features if knobs <= replay.knobs(f))
    return can if can and (not skew.features or can == skew.features) else ()


def _at_the_source(skew, frame, roles, replay) -> bool:
    """Whether a skew names columns of the requests as they came in, and no feature; of what is merely logged the source is meant."""
    if replay is None or not skew.features or any(f in (roles.features or frame) for f in skew.features):
        return False
    return set(skew.features) <= set(replay.sources)


def _recomputed(frame, knobs, source, replay):
    """The features with their knobs turned, those that turn alike together."""
    columns = {}
    for turning in {str(k): k for k in knobs.values()}.values():
        features = tuple(f for f, k in knobs.items() if k == turning)
        columns |= replay(frame, features, source=source, **turning).to_dict("series")
    return columns


def onto(frame: pd.DataFrame, served: pd.DataFrame, hit: np.ndarray) -> pd.DataFrame:
    """``frame`` with the rows that are hit as ``served`` has them; a column that nobody hits keeps its type.

    A row is null in a column that only the others have.
    """
    if not hit.any():
        return frame.copy()
    if hit.all():
        return served.copy()
    place = np.argsort(np.r_[np.flatnonzero(hit), np.flatnonzero(~hit)])
    both = pd.concat([served, frame[~hit]]).take(place)
    return both[[*frame, *(c for c in served if c not in frame)]].set_axis(frame.index)
