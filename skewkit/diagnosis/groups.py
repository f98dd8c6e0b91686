"""Features that share a cause: what one feature's cause explains in another, and which are one finding."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ..proposals.clues import Evidence
from ..records import Roles, Skew
from .bits import Rival
from .search import APART, COVERS, Named
from .specimens import Specimens

BUCKETS = 20  # of the span of time: two onsets within one of them are one
ALIKE = 0.04  # by which the shares of one cause in two features may differ


def siblings(found: list[Named], sample: Specimens) -> list[Named]:
    """What is not named by itself, by a cause that another feature has: its parameters are paid for already."""
    told = []
    for one in found:
        if not one.causes:
            for other in sorted((o for o in found if len(o.causes) == 1), key=lambda o: -o.saved[0]):
                rival = _under(other.causes[0], one, sample)
                e, pending = one.evidence, one.evidence.differ
                if rival is not None and rival.rows.sum() >= COVERS * pending.sum():
                    saved = sample.ground.nothing(e, pending) - rival.bits
                    if saved > 20:
                        one = replace(
                            one,
                            causes=(rival,),
                            rivals=((),),
                            saved=(saved,),
                            explained=rival.rows.sum() / pending.sum(),
                            doubt="",
                        )
                        break
        told.append(one)
    return told


def _under(leader: Rival, one: Named, sample: Specimens) -> Rival | None:
    """Another feature's cause, parameters and all, as an explanation of this one."""
    if leader.predicted is None:
        return None
    e, predicted = one.evidence, None
    skews = tuple(replace(s.for_others(), features=(one.feature,)) for s in leader.skews)
    for skew in skews:
        predicted = sample.predicted(one.feature, skew, predicted)
        if predicted is None:
            return None
    return sample.ground.scored(e, skews, 3.0, predicted, e.differ)


@dataclass
class Group:
    """Features that share a cause: each with its own explanation, and the evidence for it."""

    members: dict[str, Rival] = field(default_factory=dict)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    rivals: tuple[Rival, ...] = ()
    saved: float = 0.0

    @property
    def leader(self) -> Rival:
        return next(iter(self.members.values()))


def groups(found: list[Named], sample: Specimens) -> list[Group]:
    """One group a cause: the features whose own is the same skew, or that it explains about as well, for the same rows."""
    causes = [
        (saved, one, cause, same)
        for one in found
        for saved, cause, same in zip(one.saved, one.causes, one.rivals, strict=True)
    ]
    groups: list[Group] = []
    for saved, one, cause, same in sorted(causes, key=lambda c: -c[0]):
        for group in groups:
            if one.feature not in group.members and (mine := _joins(group, one, cause, sample)):
                group.members[one.feature] = mine
                group.evidence[one.feature] = one.evidence
                group.saved += saved
                break
        else:
            groups.append(Group({one.feature: cause}, {one.feature: one.evidence}, same, saved))
    return groups


def _joins(group, one, cause, sample):
    """The explanation by which a feature joins a group; None where it does not."""
    leader = group.leader
    if [s.stem for s in leader.skews] != [s.stem for s in cause.skews] or (leader.predicted is None) != (
        cause.predicted is None
    ):
        return None
    if [s.kin for s in leader.skews] != [s.kin for s in cause.skews]:
        theirs = _under(leader, one, sample)
        if theirs is None or theirs.bits > cause.bits + APART or theirs.rows.sum() < 0.98 * cause.rows.sum():
            return None
        cause = theirs
    return cause if _same_rows(leader, cause, sample) else None


def _same_rows(a, b, sample):
    """Whether two explanations are for the same requests, as far as both change something."""
    if a.predicted is None:
        return True
    both = a.acts & b.acts
    if both.any() and (a.rows[both] == b.rows[both]).mean() >= 1 - ALIKE:
        return True
    times = sample.ground.stamps
    if a.where != b.where:
        return False
    for one, other in ((a.since, b.since), (a.until, b.until)):
        span = None if times is None else (times.max() - times.min()) / BUCKETS
        if (one is None) != (other is None) or (one is not None and abs(one - other) > span):
            return False
    return abs(a.share - b.share) <= ALIKE and (a.share < 1) == (b.share < 1)


def in_other_order(first: Skew, second: Skew) -> Skew | None:
    """Of a change of unit and bounds in turn, the bounds as they would be in the other order, which predicts the same."""
    bounds, change = (first, second) if first.stem == "clipping" else (second, first)
    if bounds.stem != "clipping" or bounds.wide or change.stem not in ("unit_change", "measurement"):
        return None
    f = change.features[0]
    made = change.inject(pd.DataFrame({f: [0.0, 1.0, 2.0]}), Roles())[f].to_numpy()
    offset, factor = made[0], made[1] - made[0]
    if not np.isclose(made[2] - made[1], factor) or not factor:
        return None
    there = (lambda b: factor * b + offset) if bounds is first else (lambda b: (b - offset) / factor)
    low, high = (None if b is None else float(there(b)) for b in (bounds.low, bounds.high))
    return replace(bounds, **dict(zip(("low", "high"), (high, low) if factor < 0 else (low, high), strict=True)))
