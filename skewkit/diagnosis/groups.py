"""Features that share a cause: what one feature's cause explains in another, and which are one finding."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ..progress import step, told
from ..proposals.clues import Evidence, agree
from ..records import Roles, Skew
from .bits import Rival
from .search import APART, COVERS, Named, name
from .specimens import Specimens

BUCKETS = 20  # of the span of time: two onsets within one of them are one
TRIED = 8  # causes of other features, that one of very many is held against
MANY = 50  # causes, beyond which only what has the same parameters is one finding
SAVED = 20  # bits by which another feature's cause must be shorter than "changed, unexplained"
ALIKE = 0.04  # by which the shares of one cause in two features may differ


def named(sample: Specimens, among: int, most: int) -> tuple[list[Named], tuple[str, ...]]:
    """The causes of each of the sample's features, of ``among`` that differ, and the features that were left.

    No more than ``most`` have a search of their own, the first ones first. Where there are more, a cause that another
    feature has is tried before, so that one cause of thousands of features is soon said of all.
    """
    features = told(sample.features, len(sample.features), "features that differ")
    found: list[Named] = []
    if len(sample.features) <= most:
        for f in features:
            with step(of=f):
                found.append(name(f, sample, among))
        return siblings(found, sample), ()
    known: dict[tuple, Named] = {}
    waiting = []
    for f in features:
        one = None
        with step(of=f):
            one = _as_known(f, known, sample)
            if one is None and most > 0:
                most -= 1
                one = name(f, sample, among)
        if one is None:
            waiting.append(f)
            continue
        found.append(one)
        if len(one.causes) == 1:
            known.setdefault(_kinship(one.causes[0]), one)
    again = [(f, _as_known(f, known, sample)) for f in waiting] if known else [(f, None) for f in waiting]
    found = siblings(found, sample) + [one for _, one in again if one is not None]
    return found, tuple(f for f, one in again if one is None)


def _kinship(cause):
    return tuple((s.stem, s.kin) for s in cause.skews)


def _as_known(feature, known, sample):
    """A feature as a cause that another has would have it, where that holds on a few rows and then on all; else None."""
    if not known:
        return None
    e = sample.evidence(feature)
    few, after = e.differ[sample.few], e.after.iloc[sample.few]
    unnamed = Named(feature, e, (), (), (), 0.0)
    for other in list(known.values())[:TRIED]:
        skews = _of(other.causes[0], feature)
        if len(skews) == 1:
            made = sample.glimpsed(feature, skews[0])
            if made is None or (agree(made, after) & few).sum() < COVERS * few.sum():
                continue
        if (one := _by_another(unnamed, other, sample)) is not None:
            return one
    return None


def siblings(found: list[Named], sample: Specimens) -> list[Named]:
    """What is not named by itself, by a cause that another feature has: its parameters are paid for already."""
    others = sorted((o for o in found if len(o.causes) == 1), key=lambda o: -o.saved[0])
    by_another = (next(filter(None, (_by_another(one, o, sample) for o in others)), one) for one in found)
    return [one if one.causes else other for one, other in zip(found, by_another, strict=True)]


def _by_another(one, other, sample):
    """What is not named, by the cause of another feature; None where that does not explain it."""
    rival = None if one.causes else _under(other.causes[0], one, sample)
    e, pending = one.evidence, one.evidence.differ
    if rival is None or rival.rows.sum() < COVERS * pending.sum():
        return None
    saved = sample.ground.nothing(e, pending) - rival.bits
    parts = {"causes": (rival,), "rivals": ((),), "saved": (saved,), "doubt": ""}
    return replace(one, **parts, explained=rival.rows.sum() / pending.sum()) if saved > SAVED else None


def _of(leader: Rival, feature: str) -> tuple[Skew, ...]:
    """The skews of another feature's cause, as they would be this one's."""
    return tuple(replace(s.for_others(), features=(feature,)) for s in leader.skews)


def _under(leader: Rival, one: Named, sample: Specimens) -> Rival | None:
    """Another feature's cause, parameters and all, as an explanation of this one."""
    if leader.predicted is None:
        return None
    e, predicted, skews = one.evidence, None, _of(leader, one.feature)
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
            if one.feature not in group.members and (mine := _joins(group, one, cause, sample, len(causes) > MANY)):
                group.members[one.feature] = mine
                group.evidence[one.feature] = one.evidence
                group.saved += saved
                break
        else:
            groups.append(Group({one.feature: cause}, {one.feature: one.evidence}, same, saved))
    return groups


def _joins(group, one, cause, sample, strictly):
    """The explanation by which a feature joins a group; None where it does not. ``strictly``: by the same parameters alone."""
    leader = group.leader
    if [s.stem for s in leader.skews] != [s.stem for s in cause.skews] or (leader.predicted is None) != (
        cause.predicted is None
    ):
        return None
    if [s.kin for s in leader.skews] != [s.kin for s in cause.skews]:
        if strictly:
            return None
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
