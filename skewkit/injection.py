"""What serving would have held under a skew. Planting a drill and explaining a fault are this one function."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .records import NotApplicable, Replay, Roles, Scope, Skew, needs


def inject(
    frame: pd.DataFrame,
    skew: Skew,
    scope: Scope = Scope(),
    roles: Roles = Roles(),
    replay: Replay | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """A copy of ``frame`` with ``skew`` on the rows of ``scope``.

    Where ``replay`` has the skew's knob for every feature, the knob is turned; else the table itself is changed.
    ``frame`` is left as it is. Raises NotApplicable where neither can be done, and SkewkitError for a column that is
    not there.
    """
    whole = everywhere(frame, skew, roles, replay, seed)
    hit = scope.rows(frame, roles, seed)
    return _onto(frame, whole[hit], hit)


def undo(
    frame: pd.DataFrame, skew: Skew, scope: Scope = Scope(), roles: Roles = Roles(), seed: int = 0
) -> pd.DataFrame:
    """A copy of a served ``frame`` with ``skew`` taken off the rows of ``scope``; NotApplicable where that loses."""
    hit = scope.rows(frame, roles, seed)
    back = skew.undo(frame[hit], roles, seed)  # the rows out of scope would only blur how a column reads
    return _onto(frame, back, hit)


def everywhere(frame, skew: Skew, roles: Roles, replay: Replay | None = None, seed: int = 0) -> pd.DataFrame:
    """The columns that ``skew`` changes, as they would be on every row."""
    features = turned(skew, roles, replay)
    if features:
        return replay(frame, features, **skew.knobs())
    named = needs(frame, skew.features, skew) or skew.acts_on(frame, roles)
    if not named:
        raise NotApplicable(f"{skew} found no feature that it can act on among {', '.join(roles.features) or 'none'}")
    return skew.inject(frame, roles, seed)


def turned(skew: Skew, roles: Roles, replay: Replay | None) -> tuple[str, ...]:
    """The features whose knob ``replay`` can turn for this skew: all that it names, or none."""
    knobs = set(skew.knobs())
    if replay is None or not knobs:
        return ()
    can = tuple(f for f in skew.features or roles.features if knobs <= replay.knobs(f))
    return can if can and (not skew.features or can == skew.features) else ()


def _onto(frame, served, hit):
    """``served`` in place of the rows that are hit; a column that nobody hits keeps its type."""
    if not hit.any():
        return frame.copy()
    place = np.argsort(np.r_[np.flatnonzero(hit), np.flatnonzero(~hit)])
    both = {
        c: pd.concat([served[c], frame[c][~hit]], ignore_index=True) if not hit.all() else served[c] for c in served
    }
    return frame.assign(**{c: values.take(place).set_axis(frame.index) for c, values in both.items()})
