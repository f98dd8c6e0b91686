"""One feature's causes: every skew proposes, what each would have served is scored, and the shortest description wins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ..proposals.clues import Evidence, agree, between, called, constant
from ..records import Skew
from ..scope import with_columns
from ..skews import SKEWS
from .bits import Rival
from .specimens import Specimens

MARGIN = 20.0  # bits by which a cause must be shorter than "changed, unexplained", beside one for each hypothesis
APART = 10.0  # bits by which a cause with other predictions must be longer
COVERS = 0.9  # of the rows that differ, that the named causes together must explain
LONG = 45.0  # bits of a cause that leaves nothing, for which a shorter one is looked for in two skews in turn
SEEN = 20  # rows that differ, of those looked at first, that are enough
KEPT = 0.98  # of a cause's rows, that a narrower scope must hold
FEWEST = 3  # rows that differ, for a cause to be looked for
FIRST = 16  # proposals of each feature whose scope is looked for
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
    bits: float = 0.0

    @property
    def left(self) -> int:
        """How many of the rows that differ no cause gives."""
        return round((1 - self.explained) * int(self.evidence.differ.sum()))


def name(feature: str, sample: Specimens, among: int) -> Named:
    """The causes of what differs in a feature of the ``among`` that differ: named only by a margin, and together.

    First single ones, for all rows or each for a part of them; where these leave rows, two in turn as well, if shorter.
    """
    e = sample.evidence(feature)
    alone = _named(e, sample, among, in_turn=False)
    if alone.causes and alone.left < FEWEST and alone.causes[0].bits < LONG:
        return alone
    turned = _named(e, sample, among, in_turn=True)
    return min(alone, turned, key=lambda n: (not n.causes, n.bits))


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
        best = _another(found.rivals, causes, e)
        if best is None:
            break
        others = [r for r in found.rivals if r is not best]
        same = [r for r in others if r.bits < best.bits + APART and not _kin(r, best) and _alike(r, best, e)]
        other = [r for r in others if r.bits < best.bits + APART and not _kin(r, best) and not _alike(r, best, e)]
        if other:
            doubt = f"{_stems(best)} or {_stems(other[0])}"
            break
        causes.append(best)
        rivals.append(tuple(same))
        saved.append(float(nothing - best.bits))
        pending = pending & ~best.rows
        if pending.sum() < FEWEST:
            break
    explained = 1 - pending.sum() / total if total else 1.0
    if not causes or explained < COVERS:
        return Named(feature, e, (), tuple(rivals), (), float(explained), doubt or _partly(causes))
    bits = causes[0].bits
    if len(causes) > 1:
        causes = list(_parted(causes, e, sample))
        bits = sum(c.bits for c in causes) + sample.ground.nothing(e, pending)
    return Named(feature, e, tuple(causes), tuple(rivals), tuple(saved), float(explained), "", bits)


def _another(rivals, causes, e):
    """The shortest, of other skews than the causes that are known; or what predicts the same by other skews. Else None."""
    alike = (r for r in rivals if r is rivals[0] or (r.bits < rivals[0].bits + APART and _alike(r, rivals[0], e)))
    return next((r for r in alike if not any(_doubles(r, c) and not _elsewhere(r, c) for c in causes)), None)


def _doubles(a, b):
    """Whether two causes of one feature are no two: of one family, or one of them for some of the rows that it could be on."""
    return bool(_family(a) & _family(b)) or a.share < 1 or b.share < 1


def _elsewhere(a, b):
    """Whether two causes are for other values of a slice."""
    if a.where is None or b.where is None or a.where[0] != b.where[0]:
        return False
    return not set(np.atleast_1d(a.where[1]).tolist()) & set(np.atleast_1d(b.where[1]).tolist())


def _parted(causes, e, sample):
    """Causes of one feature, each for whom and since when it is so where the others' rows are none of its own."""
    for cause in causes:
        if cause.predicted is not None:
            others = np.logical_or.reduce([c.rows for c in causes if c is not cause]) & ~cause.rows
            mine = sample.ground.scored(e, cause.skews, cause.price, cause.predicted, cause.rows, others)
            if mine is not None and mine.rows.sum() >= KEPT * cause.rows.sum():
                cause = mine
        yield cause


def _stems(rival):
    return " then ".join(s.stem for s in rival.skews)


def _family(rival):
    """The skews of an explanation; cutting off counts as one: to explain a part by one bound and a part by another is no cause."""
    cut = {s for s in rival.skews if s.stem == "measurement" or (s.stem == "precision" and s.to.startswith("int"))}
    return {"clipping" if s in cut else s.stem for s in rival.skews}


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
    if in_turn:
        twice = list(_in_turn(here, sample, pending))
        tried += len(twice) * 4
        rivals += [r for r in (sample.ground.scored(e, *t, pending) for t in twice) if r]
    rivals = [r for r in rivals if r.bits < nothing]
    return Found(sorted(rivals, key=lambda r: r.bits), tried)


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
    enough = some.sum() >= min(SEEN, pending.sum())
    after = e.after.iloc[sample.few]
    rated, rivals, told = [], [], set()
    for order, (skew, price) in enumerate(proposals):
        if skew.stem in told:
            continue
        if (bits := skew.by_chance(e)) is not None:
            rivals.append(sample.ground.by_chance(e, skew, price, bits, pending))
            continue
        if enough:
            made = sample.glimpsed(e.feature, skew)
            right = 0 if made is None else int((agree(made, after) & some).sum())
        else:
            made = sample.predicted(e.feature, skew)
            right = 0 if made is None else int((agree(made, e.after) & pending).sum())
        if enough and right == some.sum() and skew.stem in ENOUGH:
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
    # another feature's values, whatever came before them, are no second step: so no feature is offered
    parts = {"after": e.after.iloc[some], "frame": e.frame.iloc[some], "differ": pending[some]}
    parts["roles"] = replace(e.roles, features=())
    rated = []
    for first, price in proposed(e, IN_TURN):
        made = sample.predicted(e.feature, first)
        if made is None or made.dtype.kind != e.before.dtype.kind or agree(made.iloc[rows], e.before.iloc[rows]).all():
            continue
        middle = replace(e, before=made.iloc[some], memo={}, **parts)
        table = with_columns(middle.frame, {e.feature: middle.before})
        for second, more in proposed(middle, (*IN_TURN, "encoding")):
            last = None if second.stem == first.stem else sample.changed(table, e.feature, second)
            right = 0 if last is None else int((agree(last, middle.after) & middle.differ).sum())
            if right > 0.5 * len(rows) and not _idle(last, middle, second, sample, some):
                rated.append((-right, price + more, len(rated), first, second, made))
    for _, price, _, first, second, made in sorted(rated, key=lambda r: r[:3])[:FIRST]:
        predicted = sample.predicted(e.feature, second, made)
        if predicted is not None:
            yield _ordered(first, second, e, made), price + 5.0, predicted


def _ordered(first, second, e, made):
    """Two skews in the order in which people would say them: codes were mixed up, and then written otherwise."""
    told = dict(zip(made.astype(object), e.before.astype(object), strict=True))
    mapping = getattr(second, "mapping", ())
    if second.stem != "encoding" or not mapping or not all(v in told for pair in mapping for v in pair):
        return first, second
    return replace(second, mapping=tuple((told[was], told[now]) for was, now in mapping)), first


def _idle(last, middle, second, sample, some):
    """Whether one of two skews in turn does nothing: the second alone gives the same, or the first does."""
    alone = sample.changed(sample.frame.iloc[some], middle.feature, second)
    return agree(last, middle.before).all() or (alone is not None and agree(last, alone).all())
