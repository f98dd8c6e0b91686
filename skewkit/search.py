"""One feature's causes: every skew proposes, what each would have served is scored, and the shortest description wins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from .bits import Rival
from .clues import Evidence, agree, between, called, constant
from .records import Skew
from .skews import SKEWS
from .specimens import Specimens

MARGIN = 20.0  # bits by which a cause must be shorter than "changed, unexplained", beside one for each hypothesis
APART = 10.0  # bits by which a cause with other predictions must be longer
COVERS = 0.9  # of the rows that differ, that the named causes together must explain
FIRST = 12  # proposals of each feature whose scope is looked for
DEEPEST = 3  # causes in one feature
FEW = 100  # rows that differ, and as many that do not, in which two skews in turn are looked for
IN_TURN = ("unit_change", "measurement", "precision", "clipping", "missing_fill", "text_format", "schema_change")
CONSTANT = ("broken_header", "rollback", "schema_change")
ENOUGH = ("time_zone",)  # skews of which one that gives every row of a first look needs no other beside it
ROUNDS = 6  # of looking between lengths of time


@dataclass(frozen=True, eq=False)
class Named:
    """What is said of one feature: causes in turn, each with the ``rivals`` that predict the same; or facts, and no cause."""

    feature: str
    evidence: Evidence = field(repr=False)
    causes: tuple[Rival, ...]
    rivals: tuple[tuple[Rival, ...], ...]
    saved: tuple[float, ...]
    explained: float
    doubt: str = ""


def name(feature: str, sample: Specimens, among: int) -> Named:
    """The causes of what differs in a feature of the ``among`` that differ: named only by a margin, and together.

    First single ones, for all rows or each for a part of them; where these leave too much, two in turn as well.
    """
    e = sample.evidence(feature)
    alone = _named(e, sample, among, in_turn=False)
    return alone if alone.causes else _named(e, sample, among, in_turn=True)


def _named(e, sample, among, in_turn) -> Named:
    feature = e.feature
    pending, causes, rivals, saved = e.differ.copy(), [], [], []
    total, doubt = int(e.differ.sum()), ""
    while pending.any() and len(causes) < DEEPEST:
        found = _found(e, sample, pending, in_turn)
        nothing = sample.ground.nothing(e, pending)
        margin = MARGIN + np.log2(among * max(found.tried, 1))
        if not found.rivals or found.rivals[0].bits > nothing - margin:
            break
        best, *others = found.rivals
        if causes and (best.rows.sum() < (1 - COVERS) * total or _family(best) & set().union(*map(_family, causes))):
            break
        same = [r for r in others if r.bits < best.bits + APART and not _kin(r, best) and _alike(r, best, e)]
        other = [r for r in others if r.bits < best.bits + APART and not _kin(r, best) and not _alike(r, best, e)]
        if other:
            doubt = f"{_stems(best)} or {_stems(other[0])}"
            break
        causes.append(best)
        rivals.append(tuple(same))
        saved.append(float(nothing - best.bits))
        pending = pending & ~best.rows
        if pending.sum() <= (1 - COVERS) * total / 2 and pending.sum() < 10:
            break
    explained = 1 - pending.sum() / total if total else 1.0
    if not causes or explained < COVERS:
        return Named(feature, e, (), tuple(rivals), (), float(explained), doubt or _partly(causes))
    return Named(feature, e, tuple(causes), tuple(rivals), tuple(saved), float(explained))


def _stems(rival):
    return " then ".join(s.stem for s in rival.skews)


def _family(rival):
    """The skews of an explanation; cutting off counts as one: to explain a part by one bound and a part by another is no cause."""
    return {"clipping" if s.stem in ("measurement", "precision") else s.stem for s in rival.skews}


def _partly(causes):
    return f"{_stems(causes[0])}, which reproduces a part" if causes else ""


def _alike(a: Rival, b: Rival, e: Evidence) -> bool:
    """Whether two explanations predict the same rows."""
    if a.predicted is None or b.predicted is None or a.where != b.where or (a.share < 1) != (b.share < 1):
        return False
    return bool((a.rows == b.rows).all() and agree(a.predicted, b.predicted)[a.acts | b.acts].all())


def _kin(a: Rival, b: Rival) -> bool:
    """Whether two explanations are the same skews with other numbers, or for others: then the cause is not in doubt."""
    return tuple(s.stem for s in a.skews) == tuple(s.stem for s in b.skews)


@dataclass(frozen=True)
class Found:
    rivals: list[Rival]
    tried: int


def _found(e, sample, pending, in_turn) -> Found:
    """The explanations of the rows that are pending, shortest first."""
    here = e if pending.sum() == e.differ.sum() else replace(e, differ=pending)
    proposals = list(proposed(here))
    rivals = _scored(e, sample, pending, proposals)
    rivals += _refined(e, sample, pending, rivals)
    tried = len(proposals)
    nothing = sample.ground.nothing(e, pending)
    if in_turn and _left(rivals, pending) > 1 - COVERS:
        twice = list(_in_turn(here, sample, pending))
        tried += len(twice) * 4
        rivals += [r for r in (sample.ground.scored(e, *t, pending) for t in twice) if r]
    rivals = [r for r in rivals if r.bits < nothing]
    return Found(sorted(rivals, key=lambda r: r.bits), tried)


def _left(rivals, pending):
    """The share of the pending rows that the best explanation leaves."""
    if not rivals:
        return 1.0
    return 1 - min(rivals, key=lambda r: r.bits).rows.sum() / pending.sum()


def proposed(e: Evidence, stems: tuple[str, ...] = ()) -> Iterator[tuple[Skew, float]]:
    """What every skew (or those named) proposes, each once, with the bits that its parameters take."""
    if constant(e.after)[0]:  # one value everywhere has lost all that could tell more of it
        stems = CONSTANT
        if constant(e.before)[0]:  # and of one that became another, anything may be true
            return
    for kind in [SKEWS[s] for s in stems or SKEWS if s in SKEWS]:
        seen = set()
        with np.errstate(all="ignore"):  # of values as large as can be
            found = list(kind.propose(e))
        for skew, price in found:
            if str(skew) not in seen:
                seen.add(str(skew))
                yield skew, float(price)


def _scored(e, sample, pending, proposals):
    """The scope and the bits of those proposals that reproduce most of a few rows."""
    some = pending[sample.few]
    after = e.after.iloc[sample.few]
    rated, rivals, told = [], [], set()
    for order, (skew, price) in enumerate(proposals):
        if skew.stem in told:
            continue
        if (bits := skew.by_chance(e)) is not None:
            rivals.append(sample.ground.by_chance(e, skew, price, bits, pending))
            continue
        made = sample.glimpsed(e.feature, skew)
        right = 0 if made is None else int((agree(made, after) & some).sum())
        if right == some.sum() and skew.stem in ENOUGH:
            told.add(skew.stem)
        if right >= 3:
            rated.append((-right, price, order, skew))
    for _, price, _, skew in sorted(rated, key=lambda r: r[:3])[:FIRST]:
        predicted = sample.predicted(e.feature, skew)
        if predicted is not None and (one := sample.ground.scored(e, (skew,), price, predicted, pending)) is not None:
            rivals.append(one)
    return rivals


def _refined(e, sample, pending, rivals):
    """The best skew with a length of time, with lengths between those that were tried, as long as that is better."""
    timed = [r for r in rivals if _length(r.skews[0])]
    if not timed:
        return []
    best = min(timed, key=lambda r: r.bits)
    if best.bits > min(r.bits for r in rivals if r.predicted is not None) or best.rows.sum() >= 0.999 * pending.sum():
        return []
    stem, (field_, _) = best.skews[0].stem, _length(best.skews[0])
    tried = {_length(r.skews[0])[1]: r for r in timed if r.skews[0].stem == stem and _length(r.skews[0])[0] == field_}
    ladder = [getattr(s, field_) for s, _ in proposed(e) if s.stem == stem and _length(s) and _length(s)[0] == field_]
    known, found = sorted({pd.Timedelta(v).value: v for v in [*ladder, *tried]}.items()), []
    for _ in range(ROUNDS):
        at = next(i for i, (_, v) in enumerate(known) if pd.Timedelta(v) == pd.Timedelta(_length(best.skews[0])[1]))
        low = known[at - 1][1] if at else "0s"
        high = known[at + 1][1] if at + 1 < len(known) else known[at][1]
        mine = known[at][1]
        news = [*between(low, mine, 8), *between(mine, high, 8)]
        more = _scored(e, sample, pending, [(replace(best.skews[0], **{field_: called(v)}), 12.0) for v in news])
        known = sorted({pd.Timedelta(v).value: v for v in [*(v for _, v in known), *map(called, news)]}.items())
        found += more
        better = min(more, key=lambda r: r.bits, default=best)
        if better.bits >= best.bits:
            if pd.Timedelta(high) - pd.Timedelta(low) <= pd.Timedelta("2min"):
                break
            continue
        best = better
        if best.rows.sum() >= 0.999 * pending.sum():
            break
    return found


def _length(skew):
    """The parameter of a skew that is a length of time, with its value; None where it has none."""
    return next(((n, getattr(skew, n)) for n in skew.lengths if getattr(skew, n, "") not in ("", "global")), None)


def _in_turn(e, sample, pending):
    """Two skews of a row's own value, one after the other: the second is proposed on what the first has made of a few rows."""
    rows, calm = np.flatnonzero(pending)[:FEW], np.flatnonzero(~e.differ)[:FEW]
    some = np.sort(np.r_[rows, calm])
    parts = {"after": e.after.iloc[some], "frame": e.frame.iloc[some], "differ": pending[some]}
    rated = []
    for first, price in proposed(e, IN_TURN):
        made = sample.predicted(e.feature, first)
        if made is None or made.dtype.kind != e.before.dtype.kind or agree(made.iloc[rows], e.before.iloc[rows]).all():
            continue
        middle = replace(e, before=made.iloc[some], memo={}, **parts)
        table = middle.frame.assign(**{e.feature: middle.before})
        for second, more in proposed(middle, IN_TURN):
            last = None if second.stem == first.stem else sample.changed(table, e.feature, second)
            right = 0 if last is None else int((agree(last, middle.after) & middle.differ).sum())
            if right > 0.5 * len(rows):
                rated.append((-right, price + more, len(rated), first, second, made))
    for _, price, _, first, second, made in sorted(rated, key=lambda r: r[:3])[:FIRST]:
        predicted = sample.predicted(e.feature, second, made)
        if predicted is not None:
            yield (first, second), price + 5.0, predicted
