"""The cause by name: what differs is given to every skew, the shortest description wins, and features that share one are one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from ..policy import Policy
from ..policy_file import read_policy
from ..progress import failures, step
from ..proposals.clues import NEAR, agree
from ..records import Case, Finding, NotRun, SkewkitError, Tolerance
from ..results.causes import Diagnosis, Fit
from ..scope import Scope
from . import beside, leaky_training, own_clock, reshaped, unpaired
from .facts import picture, rows, seen, unsearched
from .groups import groups, in_other_order, named
from .inference import infer
from .leaky_training import with_past
from .search import COVERS, FEWEST, Named
from .specimens import Specimens, specimens
from .veil import slice_of, veiled
from .verification import Measured, measured, price, scoped, within

SLIGHT = Tolerance(absolute=1e-12, relative=NEAR)  # nearer than this, numbers are the same
AHEAD = ("30min", "2h", "6h", "1D", "3D", "10D")  # horizons, of which one near the true one gives some rows


def diagnose(case: Case, policy: Policy | None = None, seed: int = 0) -> Diagnosis:
    """The causes of what differs in a case, best first; no fit where nothing differs.

    With a replay, served is explained row against row from replayed; with events as well, each feature's own
    definition is turned knob by knob, and the side that is off it is the one at fault. With training and served alone,
    only causes that leave a mark which no drift leaves are named. What is missing, and what it would settle, is said.
    """
    if not isinstance(case, Case):
        raise SkewkitError(
            f"diagnose was given a {type(case).__name__}; it takes a case: sk.compare(training, served, replayed)"
        )
    causes = Diagnosis()
    with failures() as failed, step("diagnose"):
        causes = _diagnosed(with_past(case).at_hand, policy or read_policy(), seed)
    return replace(causes, missing=(*causes.missing, *failed))


def _diagnosed(case, policy, seed):
    if case.pairs is None:
        return _alone(case, policy, seed)
    shape = list(reshaped.columns(case))
    settled = {f for fit in shape for f in fit.features}
    off = tuple(f for f in _off(case, policy) if f not in settled)
    settled |= set(off)
    slight = tuple(f for f in _slight(case) if f not in settled)
    left: list[str] = []
    fits = [*shape, *beside.columns(case, policy), *leaky_training.fits(case)]
    if slight:
        there = specimens(case, slight, policy, seed)
        found, _ = named(there, len(slight), int(policy.causes))
        digits = [one for one in found if one.causes and one.causes[0].skews[0].stem == "precision"]
        fits += _fits(there, digits, policy, seed)
    if off:
        sample = _with_events(specimens(case, off, policy, seed))
        wrong = tuple(f for f in off if _training_at_fault(sample, f))
        for side, features in (("serving", tuple(f for f in off if f not in wrong)), ("training", wrong)):
            if features:
                there = replace(sample, features=features, side=side, memo={})
                found, unread = named(there, len(off), int(policy.causes))
                fits += _fits(there, found, policy, seed)
                left += unread
    fits = sorted(reshaped.together(fits), key=lambda f: (f.kind is None, -(f.bits or 0), f.features))
    return Diagnosis(fits, (), (*_missing(case, fits), *unsearched(left, int(policy.causes))))


def _alone(case, policy, seed):
    """Training and served alone; what a served row's own times give again is explained row against row."""
    rows = own_clock.rebuilt(case)
    clocks = () if rows is None else _diagnosed(rows.at_hand, policy, seed).fits
    known = () if rows is None else rows.roles.features
    found = unpaired.diagnose(case, policy, seed, known)
    fits = [*(replace(f, change="total") for f in clocks), *found.fits]
    return replace(found, fits=sorted(fits, key=lambda f: (f.kind is None, -(f.bits or 0), f.features)))


def _off(case, policy) -> list[str]:
    """The features of which more rows differ than may, those of which most differ first where not all can be searched."""
    found = list(_beyond(case, policy))
    worst = sorted(found, key=lambda f: -case.pairs.agreement(f, policy.near(f)).differ)
    return found if len(found) <= policy.causes else worst


def _beyond(case, policy):
    here, there = case.pairs.tables
    kinds = here.kinds()
    for f in case.roles.features:
        if kinds.get(f, "other") != "other" and f in there.columns:  # what was served may be of any kind
            differ = case.pairs.agreement(f, policy.near(f)).differ
            limit = policy.limit(Finding("parity", "skew", f, "differ", 0.0, "", 1)) or {}
            if differ >= FEWEST and differ > limit.get("tolerated", 0) * case.pairs.n:
                yield f


def _slight(case) -> Iterator[str]:
    """The numbers of which rows differ, by less than may be: held with fewer digits, perhaps."""
    kinds = [t.kinds() for t in case.pairs.tables]
    for f in case.roles.features:
        if all(k.get(f) == "number" for k in kinds) and case.pairs.agreement(f, SLIGHT).differ >= FEWEST:
            yield f


def _with_events(sample: Specimens) -> Specimens:
    """The same with a replay inferred from the events, where they are given and no replay is."""
    case = sample.case
    if case.replay is not None or not case.events or case.roles.time not in sample.frame:
        return sample
    served = pd.DataFrame({f: sample.evidence(f).after for f in sample.features})
    found = infer(case.events, sample.frame, sample.features, case.roles.time, served)
    unsure = {f for f in found.at_fault if f not in found.horizons and not _leaks(found, sample, f)}
    found = replace(found, definitions={f: d for f, d in found.definitions.items() if f not in unsure})
    return replace(sample, case=replace(case, replay=found), memo={})


def _leaks(replay, sample: Specimens, feature: str) -> bool:
    """Whether some horizon gives part of what the training code made: else that what was served follows from the events is chance."""
    e = sample.evidence(feature)
    if "horizon" not in replay.knobs(feature):
        return False
    made = (replay(sample.frame, (feature,), horizon=h)[feature] for h in AHEAD)
    return any(agree(m.reset_index(drop=True), e.before)[e.differ].mean() > 0.1 for m in made)


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


def _fits(sample: Specimens, found: list[Named], policy: Policy, seed: int) -> list[Fit]:
    """The groups measured on all rows, and what could not be named."""
    every = groups([one for one in found if one.causes], sample)
    for group in every:
        group.members = {f: _completed(sample, f, r) for f, r in group.members.items()}
    on_all = {(id(g), f): measured(sample, f, r) for g in every for f, r in g.members.items()}
    fits: list[Fit] = []
    for group in every:
        with step(of=next(iter(group.members))):
            fits += _fit(group, every, on_all, sample, policy, seed)
    for one in (one for one in found if not one.causes):
        with step(of=one.feature):
            fits.append(_unnamed(one, sample, policy))
    return fits


def _unnamed(one, sample, policy):
    """What can be seen of a feature that no cause reproduces."""
    e = one.evidence
    total = int(sample.case.pairs.agreement(one.feature, policy.near(one.feature)).differ)
    return Fit(
        *({one.feature: None}, Scope(side=sample.side), total, sample.case.pairs.n, 0.0),
        facts=(*seen(e, sample.ground, sample.case.evidence), *([f"perhaps {one.doubt}"] if one.doubt else ())),
        detail=rows(sample.case, e, e.differ, worst=True),
        picture=picture(sample.case, e),
    )


def _completed(sample, feature, rival):
    """An explanation with what the rows that were held out can add to it: rare codes, say."""
    if len(rival.skews) > 1:
        return rival
    before, after = sample.sides(feature)
    off = ~agree(before, after)
    return replace(rival, skews=(rival.skews[0].completed(before[off], after[off]),))


def _fit(group, every, on_all, sample, policy, seed):
    """One group as a fit; of skews one after the other as one each."""
    case, struck, held, scope = sample.case, {}, [], None
    mismatching = np.zeros(case.pairs.n, bool)
    total = left = 0
    for f, rival in group.members.items():
        mine: Measured = on_all[id(group), f]
        others = [on_all[id(g), f] for g in every if g is not group and f in g.members]
        elsewhere = np.isin(mine.rows, np.concatenate([o.rows[o.hit] for o in others] or [np.empty(0, int)]))
        scope = scoped(rival, mine, sample.side, _weights(sample, mine), elsewhere) if scope is None else scope
        differ, hit = mine.differ & ~(elsewhere & ~mine.hit), mine.hit & within(mine, scope.since, scope.until)
        struck[f] = mine.rows[hit]
        held.append((np.isin(mine.rows, sample.held) & differ, hit))
        mismatching[mine.rows[differ]] = True
        total, left = total + int(differ.sum()), left + int((differ & ~hit).sum())
    many = round(float((_weights(sample, mine) * mismatching).sum()))
    kept = sum(int(h.sum()) for h, _ in held)
    verified = sum(int((h & hit).sum()) for h, hit in held) / kept if kept else None
    e = next(iter(group.evidence.values()))
    steps = list(zip(*(r.skews for r in group.members.values()), strict=True))
    cost, before = price(case, policy, sample, struck, seed), {}

    def shown(skew, feature):
        return veiled(skew, case.evidence, sample.sides(feature))

    for skews, following in zip(steps, [*steps[1:], None], strict=True):
        drawn = [s.drawn(scope.share) for s in skews]
        named = {f: s for f, (s, _) in zip(group.members, drawn, strict=True)}
        yield Fit(
            *(named, replace(scope, share=drawn[0][1]), many, case.pairs.n),
            *(1 - left / total if total else 1.0, verified, group.saved),
            rivals=tuple(
                {"skew": r.stem, "parameters": shown(r, e.feature).to_dict()} for r in _others(group, steps, skews)
            ),
            before=before,
            then=following[0].stem if following else "",
            slice=slice_of(scope.where, case.evidence, scope.where and sample.column(scope.where[0])),
            told={f: shown(s, f) for f, s in named.items()},
            cost=cost,
            detail=rows(case, e, group.leader.rows),
            picture=picture(case, e),
        )
        before = named


def _weights(sample, found):
    """How many pairs each pair stands for: one, where all were measured."""
    return np.ones(sample.case.pairs.n) if len(found.rows) == sample.case.pairs.n else sample.weights


def _others(group, steps, step):
    """Other skews that predict the same, each once."""
    known = {step[0].stem}
    if len(steps) == 2 and (bounds := in_other_order(*(s[0] for s in steps))) is not None and bounds.stem in known:
        yield bounds
    for rival in group.rivals:
        stem = rival.skews[0].stem
        if len(rival.skews) == 1 and stem not in known:
            known.add(stem)
            yield rival.skews[0]
    if (window := reshaped.sibling(step[0])) is not None and window.stem not in known:
        yield window


def _missing(case, fits):
    """What was not given, and what it would settle."""
    here, there = case.pairs.tables
    if lost := [f for f in case.roles.features if f in there.columns and f not in here.columns]:
        why = f"{', '.join(lost[:5])}: served, and not in the replay, so that nothing says what should have been"
        yield NotRun("diagnose", why, "replayed with these columns")
    numbers = case.pairs.tables[0].kinds()
    unnamed = [f for fit in fits if fit.kind is None for f in fit.features if f in case.roles.features]
    unnamed = [f for f in unnamed if numbers.get(f) in ("integer", "number")]
    if case.replay is None and unnamed:
        names = ", ".join(unnamed[:5])
        why = (
            f"{names}: a stale value, another window, late events and training that saw the future look alike from here"
        )
        yield NotRun("diagnose", why, "events, the raw tables behind the features, to tell them apart")
