"""Training and served alone: which cause makes of training's values the ones that were served, if it left a mark that no drift leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from . import facts
from .causes import Diagnosis, Fit
from .clues import Evidence, decimals, floats
from .marginals import Cells, dispersion, freedom, limit, tilted, unlike
from .moves import gone
from .policy import Policy
from .records import Case, NotRun, Skew, SkewkitError
from .reshaped import together
from .scope import Scope, coin
from .search import proposed
from .skews import SKEWS
from .timeline import NEVER, nanoseconds

ROWS = 20_000  # of each side, at most
LOOKS = 2_000  # of them, on which proposals are compared first
SEGMENTS = 3  # values of a segment that are tried
FIRST = 10  # proposals whose scope is looked for
MARGIN = 14.0  # nats by which a cause must be shorter than "nothing changed", beside one for each hypothesis
STRANGE = 3.0  # and than "a new distribution"
APART = 10.0  # nats by which a drift, or a cause with other predictions, must be longer
COVERED = 0.5  # of the values that are to be expected, that must be there
LEVEL = 1e-4  # the chance that what is left of a true cause seems too much
SHARES = (0.05, 0.1, 0.2, 0.25, 0.5)
SHARED = ("unit_change", "precision", "text_format", "missing_values", "missing_fill", "rate_definition")
NOVEL = ("encoding", "text_format", "broken_header", "rollback", "schema_change")  # that a drift of shares cannot mimic
SMALL = 1.4  # a factor that the world may grow or shrink by
SMOOTH = "a smooth change that cannot be told from drift; pair the tables to decide"
GIVE = "replayed, the served requests recomputed by the training code"


@dataclass(frozen=True, eq=False)
class Guess:
    """One explanation of a feature: a skew, for whom, and what it costs in nats; ``off`` is what it leaves, ``df`` may be by chance."""

    skew: Skew
    cost: float
    off: float
    df: int
    paid: float
    made: tuple = field(repr=False)
    inside: np.ndarray | None = field(default=None, repr=False)
    where: tuple | None = None
    since: Any = None
    share: float = 1.0


@dataclass(eq=False)
class Sample:
    """Some rows of training and of served, which are other requests."""

    case: Case
    before: pd.DataFrame
    after: pd.DataFrame
    level: float
    memo: dict = field(default_factory=dict)

    @cached_property
    def order(self) -> np.ndarray | None:
        """Served rows in the order of time; None without times."""
        time = self.case.roles.time
        at = nanoseconds(self.after[time]) if time in self.after else np.zeros(1)
        return np.argsort(at, kind="stable") if len(at) > 1 and at.min() > NEVER and at.min() < at.max() else None

    @cached_property
    def days(self) -> np.ndarray | None:
        time = self.case.roles.time
        return nanoseconds(self.before[time]) // (86_400 * 10**9) if time in self.before else None

    @cached_property
    def who(self) -> np.ndarray | None:
        entity = self.case.roles.entity
        return (
            pd.factorize(self.before[entity].astype(object), use_na_sentinel=False)[0]
            if entity in self.before
            else None
        )


def diagnose(case: Case, policy: Policy, seed: int = 0, known: tuple[str, ...] = ()) -> Diagnosis:
    """The causes that training and served tell alone, of all features but the ``known``; a feature that merely moved has a fit without one."""
    sample = _sample(case, policy, seed)
    fits = list(_columns(case, sample))
    renamed = {f for fit in fits for f in fit.features}
    there = [f for f in case.roles.features if f not in renamed and f not in known]
    found = [one for f in there if f in sample.before and f in sample.after for one in _told(f, sample)]
    fits += together(list(_grouped(_reciprocal(found))))
    missing = NotRun(
        "diagnose",
        "served has no replay, so that a fault cannot be told from a changed world row by row",
        "replayed, or replay",
    )
    return Diagnosis(sorted(fits, key=lambda f: (f.kind is None, -(f.bits or 0), f.features)), (), (missing,))


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


class Marginals:
    """One feature's two samples in cells, and how explanations are scored on them."""

    def __init__(self, e: Evidence, sample: Sample):
        self.e, self.sample = e, sample
        self.cells = Cells(e.before, e.after)
        self.x, self.y = (self.cells.codes(s) for s in (e.before, e.after))
        self.was, self.now = self.cells.counts(self.x), self.cells.counts(self.y)
        self.df = freedom(self.was, self.now)
        self.n = min(len(e.before), len(e.after))
        self.apart = unlike(self.was, self.now)

    @cached_property
    def wobble(self) -> float:
        return dispersion(self.cells, self.x, self.sample.days, self.sample.who)

    @property
    def differs(self) -> bool:
        """Whether served is other than training by more than chance and training's own wobble allow."""
        least = limit(self.df, self.sample.level)
        return self.apart > least and self.apart > least * self.wobble

    @property
    def nothing(self) -> float:
        return self.apart / self.wobble

    @property
    def strange(self) -> float:
        """Nats of "a new distribution": a free share for every cell."""
        return self.df / 2 * np.log(self.n)

    @cached_property
    def drift(self) -> float:
        """Nats of the best change of the world: other shares of the same values, or a smaller step or stretch of all of them."""
        best = unlike(tilted(self.cells, self.x, self.e.before, self.now), self.now)
        if self.e.numeric:
            best = min([best, *(unlike(self.cells.counts(self.cells.codes(s)), self.now) for s in self._moved())])
        return best / self.wobble + np.log(self.n)

    @cached_property
    def left(self) -> float:
        """Nats of values that are gone, and as many nulls as there are, with all other shares as they were beside each other."""
        lost = gone(self.e)
        kept = ~self.e.before.isin(lost).to_numpy(bool)
        there, nulls = self.x[0] > 0, self.now[0][0] / max(self.now[0].sum(), 1)
        weights = np.where(there, kept, 0.0) * (1 - nulls) / max((kept & there).mean(), 1e-9)
        weights[~there] = nulls / max((~there).mean(), 1e-9)
        off = unlike(self.cells.counts(self.x, slice(None), weights), self.now)
        return off / self.wobble + (len(lost) + 1) / 2 * np.log(self.n)

    def _moved(self):
        """Training's values a little larger, or stretched, and written with as many decimals."""
        x, y = self.e.numbers
        if len(np.unique(x)) < 3 or not len(y):
            return
        places = decimals(x[:LOOKS], 6)
        was, now = (np.quantile(v, (0.25, 0.5, 0.75)) for v in (x, y))
        spread = np.std(x)
        stretch = (now[2] - now[0]) / (was[2] - was[0]) if was[2] > was[0] else 1.0
        ratio = y.mean() / x.mean() if x.mean() else 1.0
        for factor in (1.0, stretch, ratio):
            factor = float(np.clip(factor, 1 / SMALL, SMALL)) if np.isfinite(factor) and factor > 0 else 1.0
            for offset in (0.0, float(np.clip(now[1] - factor * was[1], -spread, spread))):
                made = factor * floats(self.e.before) + offset
                yield pd.Series(made if places is None else np.round(made, places))

    def rough(self, made: pd.Series) -> float:
        """How far a skew's values lie from what was served, on some rows, at the best share."""
        counts = self.cells.counts(self.cells.codes(made))
        was, now = (tuple(c / max(c.sum(), 1) * LOOKS for c in s) for s in (self.was, self.now))
        made = tuple(c / max(c.sum(), 1) * LOOKS for c in counts)
        return min(unlike(_mixed(was, made, s), now) for s in (0.1, 0.5, 1.0))

    def guesses(self, skew: Skew, price: float, made: pd.Series) -> Iterator[Guess]:
        """A skew for all, for some share, since some time, or in one segment."""
        codes = self.cells.codes(made)
        counts, price = self.cells.counts(codes), price * np.log(2)

        def guess(off, df, paid, mixed, **scope):
            return Guess(skew, off / self.wobble + price + paid, off, df, price + paid, mixed, **scope)

        yield guess(unlike(counts, self.now), freedom(counts, self.now), 0.0, counts)
        share, off = self._share(counts)
        mixed = _mixed(self.was, counts, share)
        if skew.stem in SHARED:
            yield guess(off, freedom(mixed, self.now), np.log(self.n) / 2 + 2, mixed, share=share)
        ratios = [self._ratio(*one) for one in zip(counts, self.was, self.y, strict=True)]
        some = sum(np.log(1 - share + share * np.exp(r)).sum() for r in ratios)  # of a share, whichever rows it strikes
        for inside, here, paid, scope in self._parts(sum(ratios)):
            whom = self.cells.counts(self.y, inside), self.cells.counts(self.y, ~inside)
            rest = self.was if here is None else self.cells.counts(self.x, ~here)
            there = counts if here is None else self.cells.counts(codes, here)
            left = unlike(there, whom[0]) + unlike(rest, whom[1])
            df = freedom(there, whom[0]) + freedom(rest, whom[1])
            gained = sum(r[inside].sum() for r in ratios) - some
            one = guess(off - gained, df, paid, mixed, inside=inside, **scope)
            yield replace(one, off=left)

    def same(self, a: Guess, b: Guess) -> bool:
        """Whether two explanations predict the same, as far as these rows could tell; which values are lost, they must tell."""
        if {a.skew.stem, b.skew.stem} == {"missing_values"} and a.skew.how != b.skew.how:
            return False
        return unlike(a.made, b.made) < limit(freedom(a.made, b.made), 0.01)

    def covered(self, guess: Guess) -> float:
        """How many of the served values are ones that the skew makes, or leaves, beside what is to be expected."""
        made = _values(guess.skew, self.e)
        if not self.e.numeric:
            return float("nan")
        if guess.share < 1:
            made = pd.concat([made, self.e.before])
        return self.cells.covered(made, self.e.after if guess.inside is None else self.e.after[guess.inside])

    def _share(self, made):
        """The share of the rows that is likeliest, and how far off it is."""
        best = min(SHARES, key=lambda s: unlike(_mixed(self.was, made, s), self.now))
        finer = np.clip(best * np.linspace(0.5, 1.9, 29), 0.01, 0.99)
        offs = [unlike(_mixed(self.was, made, s), self.now) for s in finer]
        return float(finer[int(np.argmin(offs))]), min(offs)

    @staticmethod
    def _ratio(made, was, codes):
        """Of each served row, the log of how much likelier its cell is with the skew."""
        rates = [(c + 0.5) / (c.sum() + 0.5 * len(c)) for c in (made, was)]
        return np.log(rates[0] / rates[1])[codes]

    def _parts(self, gain):
        """Rows of served, rows of training to compare with (None: all), the price in nats, and the scope."""
        order, sample = self.sample.order, self.sample
        if order is not None:
            suffix = np.cumsum(gain[order][::-1])[::-1]
            first = int(np.argmax(suffix))
            if 0.02 * len(gain) < first < 0.98 * len(gain):
                inside = np.zeros(len(gain), bool)
                inside[order[first:]] = True
                when = sample.after[sample.case.roles.time].iloc[order[first]]
                yield inside, None, np.log(self.n), {"since": when}
        for column in sample.case.roles.segments:
            if column in sample.after and column in sample.before and column != self.e.feature:
                held, known = (s[column].astype(object).to_numpy() for s in (sample.after, sample.before))
                gains = pd.Series(gain).groupby(held).sum()
                for value in gains[gains > 0].sort_values(ascending=False).index[: SEGMENTS if len(gains) > 1 else 0]:
                    inside, here = held == value, known == value
                    if all(20 < m.sum() < len(m) for m in (inside, here)):
                        paid = np.log(2 * len(gains) * len(sample.case.roles.segments))
                        yield inside, here, paid, {"where": (column, value)}


def _mixed(was, made, share):
    return tuple((1 - share) * a + share * b for a, b in zip(was, made, strict=True))


def _told(feature: str, sample: Sample) -> Iterator[tuple]:
    """The feature with its cause and the causes that predict the same; without one where none can be told from drift."""
    e = Evidence(
        feature, sample.before[feature], sample.after[feature], sample.before, sample.case.roles, memo=sample.memo
    )
    m = Marginals(e, sample)
    if not m.differs:
        return
    proposals = list(proposed(e))
    made = [(s, p, v) for s, p in proposals if (v := _values(s, e)) is not None]
    some = np.linspace(0, len(e.before) - 1, min(LOOKS, len(e.before))).astype(int)
    made = sorted(made, key=lambda one: m.rough(one[2].iloc[some]))[:FIRST]
    guesses = sorted((g for one in made for g in m.guesses(*one)), key=lambda g: g.cost)
    best = guesses[0] if guesses else None
    if best is None or not _sure(best, guesses, m, len(proposals), len(sample.case.roles.features)):
        yield feature, None, (), m
        return
    near = [g for g in _near(best, guesses) if m.same(g, best)]
    yield feature, best, tuple({str(g.skew): g for g in reversed(near)}.values()), m


def _values(skew, e):
    """What the skew would have made of training's values; None where it cannot, or changes nothing."""
    try:
        with np.errstate(all="ignore"):
            made = skew.inject(e.frame, e.roles)[e.feature]
    except (SkewkitError, TypeError, ValueError, OverflowError, KeyError):
        return None
    return made.reset_index(drop=True)


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
    if best.skew.stem not in NOVEL and not lost and m.drift < whole + APART:
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
        chosen = reads[f][back[0]] if len(back) == 1 else best
        yield f, chosen, tuple(g for g in (best, *rivals) if g is not chosen), m


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


def _fit(members):
    f, best, rivals, m = members[0]
    n = len(m.e.after)
    drawn = facts.picture(m.sample.case, m.e)
    if best is None:
        return Fit({f: None}, Scope(), n, n, 0.0, facts=(SMOOTH,), give=GIVE, picture=drawn, change="total")
    causes = {f: replace(b.skew, features=(f,)).drawn(b.share)[0] for f, b, _, _ in members}
    share = best.skew.drawn(best.share)[1]
    explained = float(np.clip(np.mean([1 - (b.off / m.wobble + b.paid) / m.nothing for _, b, _, m in members]), 0, 1))
    bits = sum(m.nothing - b.off / m.wobble - b.paid for _, b, _, m in members) / np.log(2)
    others = tuple(
        {"skew": r.skew.stem, "parameters": r.skew.to_dict()} for r in rivals if r.skew.stem != best.skew.stem
    )
    scope = Scope(share, "key", best.where, best.since)
    return Fit(causes, scope, n, n, explained, None, float(bits), others[:3], picture=drawn, change="total")
