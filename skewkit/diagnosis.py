"""The cause by name: what differs is given to every skew, the shortest description wins, and features that share one are one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from . import own_clock, reshaped, unpaired
from .bits import Rival
from .causes import Diagnosis, Fit
from .clues import Evidence, agree
from .facts import picture, rows, seen
from .policy import Policy
from .policy_file import read_policy
from .records import Case, Finding, NotRun
from .scope import Scope
from .search import APART, COVERS, Named, name
from .specimens import Specimens, specimens
from .verification import Measured, measured, price, scoped, within

FEWEST = 3  # rows that differ, for a cause to be looked for
BUCKETS = 20  # of the span of time: two onsets within one of them are one
ALIKE = 0.04  # by which the shares of one cause in two features may differ


def diagnose(case: Case, policy: Policy | None = None, seed: int = 0) -> Diagnosis:
    """The causes of what differs in a case, best first; no fit where nothing differs.

    With a replay, served is explained row against row from replayed; with events as well, each feature's own
    definition is turned knob by knob, and the side that is off it is the one at fault. With training and served alone,
    only causes that leave a mark which no drift leaves are named. What is missing, and what it would settle, is said.
    """
    case, policy = case.at_hand, policy or read_policy()
    if case.pairs is None:
        return _alone(case, policy, seed)
    shape = list(reshaped.columns(case))
    off = tuple(f for f in _off(case, policy) if not any(f in fit.features for fit in shape))
    fits = list(shape)
    if off:
        sample = specimens(case, off, policy, seed)
        wrong = tuple(f for f in off if _training_at_fault(sample, f))
        for side, features in (("serving", tuple(f for f in off if f not in wrong)), ("training", wrong)):
            if features:
                there = replace(sample, features=features, side=side, memo={})
                found = _siblings([name(f, there, len(off)) for f in features], there)
                fits += _fits(there, found, policy, seed)
    fits = sorted(reshaped.together(fits), key=lambda f: (f.kind is None, -(f.bits or 0), f.features))
    return Diagnosis(fits, (), tuple(_missing(case, fits)))


def _alone(case, policy, seed):
    """Training and served alone; what a served row's own times give again is explained row against row."""
    rows = own_clock.rebuilt(case)
    clocks = () if rows is None else diagnose(rows, policy, seed).fits
    known = () if rows is None else rows.roles.features
    found = unpaired.diagnose(case, policy, seed, known)
    fits = [*(replace(f, change="total") for f in clocks), *found.fits]
    return replace(found, fits=sorted(fits, key=lambda f: (f.kind is None, -(f.bits or 0), f.features)))


def _off(case, policy) -> Iterator[str]:
    """The features of which more rows differ than may."""
    for f in case.roles.features:
        if all(f in t.columns for t in case.pairs.tables):
            differ = case.pairs.agreement(f, policy.near(f)).differ
            limit = policy.limit(Finding("parity", "skew", f, "differ", 0.0, "", 1)) or {}
            if differ >= FEWEST and differ > limit.get("tolerated", 0) * case.pairs.n:
                yield f


def _training_at_fault(sample: Specimens, feature: str) -> bool:
    """Whether the events give what was served, and not what the training code made of them."""
    replay = sample.case.replay
    if replay is None or not replay.knobs(feature):
        return False
    e = sample.evidence(feature)
    made = sample.made(feature)
    if made is None:
        return False
    right = [agree(made, side)[e.differ].mean() for side in (e.before, e.after)]
    return right[1] >= COVERS and right[0] < 0.5


def _siblings(found: list[Named], sample: Specimens) -> list[Named]:
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
    for skew in leader.skews:
        predicted = sample.predicted(one.feature, skew, predicted)
        if predicted is None:
            return None
    skews = tuple(replace(s, features=(one.feature,)) for s in leader.skews)
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


def _groups(found: list[Named], sample: Specimens) -> list[Group]:
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


def _fits(sample: Specimens, found: list[Named], policy: Policy, seed: int) -> Iterator[Fit]:
    """The groups measured on all rows, and what could not be named."""
    groups = _groups([one for one in found if one.causes], sample)
    on_all = {(id(g), f): measured(sample, f, r) for g in groups for f, r in g.members.items()}
    for group in groups:
        yield from _fit(group, groups, on_all, sample, policy, seed)
    for one in found:
        if not one.causes:
            e = one.evidence
            total = int(sample.case.pairs.agreement(one.feature, policy.near(one.feature)).differ)
            doubt = (f"perhaps {one.doubt}",) if one.doubt else ()
            yield Fit(
                *({one.feature: None}, Scope(side=sample.side), total, sample.case.pairs.n, 0.0),
                facts=(*seen(e, sample.ground), *doubt),
                detail=rows(sample.case, e, e.differ, worst=True),
                picture=picture(sample.case, e),
            )


def _fit(group, groups, on_all, sample, policy, seed):
    """One group as a fit; of skews one after the other as one each."""
    case, total, left, struck, held = sample.case, 0, 0, {}, []
    scope = None
    for f, rival in group.members.items():
        mine: Measured = on_all[id(group), f]
        scope = scoped(rival, mine, sample.side) if scope is None else scope
        inside = within(mine, scope.since, scope.until)
        others = [on_all[id(g), f] for g in groups if g is not group and f in g.members]
        elsewhere = np.zeros(len(mine.rows), bool)
        for other in others:
            elsewhere |= np.isin(mine.rows, other.rows[other.hit])
        differ = mine.differ & ~elsewhere
        hit = mine.hit & inside
        struck[f] = mine.rows[hit]
        held.append((np.isin(mine.rows, sample.held) & differ, hit))
        total += int(differ.sum())
        left += int((differ & ~hit).sum())
    any_row = len(
        np.unique(np.concatenate([on_all[id(group), f].rows[on_all[id(group), f].hit] for f in group.members]))
    )
    kept = sum(int(h.sum()) for h, _ in held)
    verified = sum(int((h & hit).sum()) for h, hit in held) / kept if kept else None
    e = next(iter(group.evidence.values()))
    steps = list(zip(*(r.skews for r in group.members.values()), strict=True))
    before: dict = {}
    for step in steps:
        drawn = [s.drawn(scope.share) for s in step]
        named = {f: s for f, (s, _) in zip(group.members, drawn, strict=True)}
        final = replace(scope, share=drawn[0][1])
        yield Fit(
            *(named, final, any_row, case.pairs.n, 1 - left / total if total else 1.0, verified, group.saved),
            rivals=tuple({"skew": r.skews[0].stem, "parameters": r.skews[0].to_dict()} for r in _others(group, step)),
            before=before,
            cost=price(case, policy, sample, struck, seed),
            detail=rows(case, e, group.leader.rows),
            picture=picture(case, e),
        )
        before = named


def _others(group, step):
    """Other skews that predict the same, each once."""
    seen_ = {step[0].stem}
    for rival in group.rivals:
        stem = rival.skews[0].stem
        if len(rival.skews) == 1 and stem not in seen_:
            seen_.add(stem)
            yield rival


def _missing(case, fits):
    """What was not given, and what it would settle."""
    unnamed = [f for fit in fits if fit.kind is None for f in fit.features]
    if case.replay is None and unnamed:
        names = ", ".join(unnamed[:5])
        why = (
            f"{names}: a stale value, another window, late events and training that saw the future look alike from here"
        )
        yield NotRun("diagnose", why, "events, the raw tables behind the features, to tell them apart")
