"""Training and served alone: which cause makes of training's values the ones that were served, if it left a mark that no drift leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from ..evidence import said
from ..policy import Policy
from ..progress import step, told
from ..proposals.clues import Evidence, hashable
from ..proposals.marginals import Cells, dispersion, freedom, limit, unlike
from ..records import Case, NotRun
from ..results.causes import Diagnosis, Fit
from ..scope import Scope, coin
from ..skews import SKEWS
from . import facts
from .reshaped import together
from .search import proposed
from .unpaired_search import LOOKS, Marginals, Sample, values
from .veil import veiled

ROWS = 20_000  # of each side, at most
FIRST = 10  # proposals whose scope is looked for
MARGIN = 14.0  # nats by which a cause must be shorter than "nothing changed", beside one for each hypothesis
STRANGE = 3.0  # and than "a new distribution"
APART = 10.0  # nats by which a drift, or a cause with other predictions, must be longer
COVERED = 0.5  # of the values that are to be expected, that must be there
LEVEL = 1e-4  # the chance that what is left of a true cause seems too much
FREQUENT = 0.01  # of the rows: a change of share that is said
NOVEL = ("encoding", "text_format", "broken_header", "rollback", "schema_change")  # that a drift of shares cannot mimic
SMOOTH = "a smooth change that cannot be told from drift; pair the tables to decide"
UNNAMED = "no cause is told from drift by these two tables; pair them to decide"
GIVE = "replayed, the served requests recomputed by the training code"


def diagnose(case: Case, policy: Policy, seed: int = 0, known: tuple[str, ...] = ()) -> Diagnosis:
    """The causes that training and served tell alone, of all features but the ``known``; a feature that merely moved has a fit without one."""
    sample = _sample(case, policy, seed)
    fits = list(_columns(case, sample))
    renamed = {f for fit in fits for f in fit.features}
    there = [f for f in case.roles.features if f not in renamed and f not in known]
    moved, most = _moved([f for f in there if f in sample.before and f in sample.after], sample), int(policy.causes)
    if len(moved) > most:
        moved = sorted(moved, key=lambda m: -m.nothing)
    found = []
    for m in told(moved[:most], min(most, len(moved)), "features that differ"):
        with step(of=m.e.feature):
            found.append(_told(m, sample))
    fits += together(list(_grouped(_reciprocal(found))))
    missing = NotRun(
        "diagnose",
        "served has no replay, so that a fault cannot be told from a changed world row by row",
        "replayed, or replay",
    )
    fits = sorted(fits, key=lambda f: (f.kind is None, -(f.bits or 0), f.features))
    return Diagnosis(fits, (), (missing, *facts.unsearched([m.e.feature for m in moved[most:]], most)))


def _sample(case, policy, seed):
    sides = []
    for table in (case.training, case.served):
        kinds = table.kinds()
        frame = table.frame(table.columns)
        key = frame[case.roles.key] if case.roles.key in frame else pd.Series(np.arange(len(frame)))
        chosen = (
            np.argsort(coin(key, "diagnose", seed), kind="stable")[:ROWS]
            if len(frame) > ROWS
            else np.arange(len(frame))
        )
        frame = frame.iloc[np.sort(chosen)].reset_index(drop=True)
        sides.append(
            frame[[c for c in frame if kinds[c] not in ("time", "naive time") or c not in case.roles.features]]
        )
    return Sample(case, *sides, policy.level(case))


def _columns(case, sample) -> Iterator[Fit]:
    """Features that served has not: renamed where one new column alone holds their like."""
    schema, here, there = SKEWS["schema_change"], case.training.columns, case.served.columns
    new = [c for c in there if c not in here and c in sample.after]
    lost = [f for f in case.roles.features if f in here and f not in there]
    like = {
        f: [c for c in new if f in sample.before and _alike(sample.before[f], sample.after[c], sample)] for f in lost
    }
    for f in lost:
        twin = like[f][0] if len(like[f]) == 1 and sum(like[f][0] in v for v in like.values()) == 1 else None
        named = {"how": "missing"} if twin is None else {"how": "renamed", "to": (twin,)}
        yield _schema(f, sample, schema(features=(f,), **named))
    taken = {c for v in like.values() for c in v}
    for c in new:
        twins = [
            f
            for f in case.roles.features
            if f in sample.before and f in there and _alike(sample.before[f], sample.after[c], sample)
        ]
        if c not in taken and len(twins) == 1 and c.startswith(twins[0]):
            yield _schema(twins[0], sample, schema(features=(twins[0],), how="extra", to=(c,)))


def _schema(f, sample, skew):
    return Fit(
        {f: skew}, Scope(), len(sample.after), len(sample.after), 1.0, None, float(len(sample.after)), change="total"
    )


def _alike(a, b, sample):
    """Whether two columns are spread alike as far as chance tells."""
    if a.nunique() < 2:
        return False
    cells = Cells(a, b)
    one, other = (cells.counts(cells.codes(s)) for s in (a, b))
    return unlike(one, other) < limit(freedom(one, other), LEVEL) * dispersion(
        cells, cells.codes(a), sample.days, sample.who
    )


def _moved(features: list[str], sample: Sample) -> list[Marginals]:
    """The features that are spread otherwise, each with its two samples."""
    moved = []
    for f in features:
        with step(of=f):
            before, after = (hashable(t[f]) for t in (sample.before, sample.after))
            e = Evidence(f, before, after, sample.before, sample.case.roles, memo=sample.memo, beside=sample.after)
            m = Marginals(e, sample)
            if m.differs:
                moved.append(m)
    return moved


def _told(m: Marginals, sample: Sample) -> tuple:
    """The feature with its cause and the causes that predict the same; without one where none can be told from drift."""
    e, feature = m.e, m.e.feature
    proposals = list(proposed(e))
    made = [(s, p, v) for s, p in proposals if (v := values(s, e)) is not None]
    some = np.linspace(0, len(e.before) - 1, min(LOOKS, len(e.before))).astype(int)
    made = sorted(made, key=lambda one: m.rough(one[2].iloc[some]))[:FIRST]
    guesses = sorted((g for one in made for g in m.guesses(*one)), key=lambda g: g.cost)
    best = guesses[0] if guesses else None
    if best is None or not _sure(best, guesses, m, len(proposals), len(sample.case.roles.features)):
        return feature, None, (), m
    near = [g for g in _near(best, guesses) if m.same(g, best) or g.skew.stem == best.skew.stem == "precision"]
    return feature, best, tuple({str(g.skew): g for g in reversed(near)}.values()), m


def _sure(best, guesses, m, tried, features):
    """Whether the best explanation is named: nothing else is as short, no drift does it, and what it leaves may be chance."""
    whole = best.off / m.wobble + best.paid
    if whole > m.nothing - MARGIN - np.log(features * max(tried, 1)) or whole > m.strange - STRANGE:
        return False
    if best.off > limit(best.df, LEVEL) * m.wobble or m.covered(best) < COVERED:
        return False
    lost = best.skew.stem == "missing_values"
    if lost and m.was[0][0] > 0.001 * m.was[0].sum():  # where values are missing anyway, more of them may be
        return False
    if best.skew.stem == "encoding" and "unknown" in best.skew.how and m.left < whole + APART:
        return False
    novel = best.skew.stem in NOVEL and getattr(best.skew, "how", "") != "misread"  # columns of one kind are alike
    if not novel and not lost and m.drift < whole + APART:
        return False
    return all(m.same(g, best) or m.covered(g) < COVERED for g in _near(best, guesses))


def _near(best, guesses):
    """Other explanations that are about as short."""
    return [g for g in guesses if g.cost < best.cost + APART and str(g.skew) != str(best.skew)]


def _reciprocal(found):
    """Of columns that are spread alike a feature is read from the one that is read from it."""
    reads = {}
    for f, best, rivals, _ in found:
        if best is not None and best.skew.stem == "schema_change" and best.skew.how == "misread":
            reads[f] = {g.skew.to[0]: g for g in (best, *rivals) if g.skew.stem == "schema_change" and g.skew.to}
    for f, best, rivals, m in found:
        back = [c for c in reads.get(f, ()) if f in reads.get(c, ())]
        chosen = reads[f][back[0]] if len(back) == 1 else None if f in reads else best
        # read from a column that is not read from it: columns of one kind drift to be alike
        yield f, chosen, tuple(g for g in (best, *rivals) if g is not chosen) if chosen else (), m


def _grouped(found) -> Iterator[Fit]:
    """Features with one cause, for the same rows, are one fit."""
    groups: dict[tuple, list] = {}
    for one in found:
        f, best = one[:2]
        kin = (
            (f,)
            if best is None
            else (best.skew.stem, best.skew.kin, best.where, round(best.share, 1), str(best.since)[:13])
        )
        groups.setdefault(kin, []).append(one)
    for members in groups.values():
        yield _fit(members)


def seen(m) -> list[str]:
    """What is other than in training, as facts: the type, the nulls, and the value whose share rose most."""
    e, show = m.e, m.sample.case.evidence
    said_ = []
    kinds = [m.sample.case.kinds[side].get(e.feature) for side in ("training", "served")]
    if kinds[0] != kinds[1] and None not in kinds:
        said_.append(f"its type was {kinds[0]} and is {kinds[1]}")
    nulls = [float(s.isna().mean()) for s in (e.before, e.after)]
    if abs(nulls[1] - nulls[0]) > FREQUENT:
        said_.append(f"nulls were {nulls[0]:.1%} of the rows and are {nulls[1]:.1%}")
    shares = [s.value_counts(normalize=True) * (1 - null) for s, null in zip((e.before, e.after), nulls, strict=True)]
    rose = (shares[1] - shares[0].reindex(shares[1].index, fill_value=0.0)).sort_values(ascending=False)
    if len(rose) and rose.iloc[0] > FREQUENT:
        value, share = rose.index[0], shares[1][rose.index[0]]
        was = float(shares[0].get(value, 0.0))
        named = said(value, "number" if e.numeric else "text", show, int(share * len(e.after)))
        said_.append(
            f"{named} is {'new, in' if not was else f'in {was:.1%} of the rows of training, and now in'} {share:.1%}"
        )
    if e.numeric and len(e.numbers[0]) and len(e.numbers[1]):
        was, now = e.numbers
        beyond = float(((now < was.min()) | (now > was.max())).mean())
        if beyond > FREQUENT:
            said_.append(f"{beyond:.1%} of the values lie outside training's range")
    return said_


def _fit(members):
    f, best, rivals, m = members[0]
    n = len(m.e.after)
    drawn = facts.picture(m.sample.case, m.e)
    if best is None:
        return Fit(
            {f: None},
            Scope(),
            n,
            n,
            0.0,
            facts=("; ".join([*found, UNNAMED]) if (found := seen(m)) else SMOOTH,),
            give=GIVE,
            picture=drawn,
            change="total",
        )
    show, sides = m.sample.case.evidence, (m.e.before, m.e.after)
    causes = {f: replace(b.skew, features=(f,)).drawn(b.share)[0] for f, b, _, _ in members}
    share = best.skew.drawn(best.share)[1]
    explained = float(np.clip(np.mean([1 - (b.off / m.wobble + b.paid) / m.nothing for _, b, _, m in members]), 0, 1))
    bits = sum(m.nothing - b.off / m.wobble - b.paid for _, b, _, m in members) / np.log(2)
    others = tuple(
        {"skew": r.skew.stem, "parameters": veiled(r.skew, show, sides).to_dict()}
        for r in rivals
        if r.skew.stem != best.skew.stem or r.skew.stem == "precision"
    )
    told = {f: veiled(s, show, sides) for f, s in causes.items()}
    scope = Scope(share, "key", best.where, best.since)
    return Fit(causes, scope, n, n, explained, None, float(bits), others[:3], picture=drawn, change="total", told=told)
