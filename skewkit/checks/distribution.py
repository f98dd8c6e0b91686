"""How far one table's features lie from another's: nulls, unseen categories, frequent values and formats each apart."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from ..evidence import said
from ..records import Case, Finding
from ..statistics import bounds, distance
from ..statistics.atoms import one_value
from ..statistics.cells import cells, uncertain, written
from ..statistics.distributions import held
from ..tables.columns import aged
from ..threads import side_by_side
from .over_time import OverTime, concurrent
from .side import Side

ENTITIES = 10  # that rows count as, were all of one entity alike: of fewer nothing is learnt
SHOWN = 5  # cells in a finding's detail


def distribution(case: Case, policy):
    """For each feature that both tables hold: null share, KS, cells, formats and unseen share, with the bounds that chance
    allows; and beside them, described: PSI, JS, KL, TV, Wasserstein, mean shift, ratio of deviations and lost share.

    Times are compared by how long before the request they lie, where there is a request's time; else as they stand.
    """
    found = {change: [] for change in case.changes}
    for change, findings in side_by_side(partial(_measured, case, policy), case.roles.features, case.tables.values()):
        found[change] += findings
    for findings in found.values():
        yield from findings


def _measured(case, policy, feature):
    """One feature in each change; a column is read and sorted once, whatever it is compared with."""
    level, sides, found = policy.level(case), {}, []
    for change, tables in case.changes.items():
        if not _comparable(*tables, feature):
            continue
        age = aged(tables, feature)
        for t in tables:
            if (id(t), age) not in sides:
                sides[id(t), age] = Side(t, feature, age)
        two = [sides[id(t), age] for t in tables]
        two[0].spread = two[0].spread.known(two[1].spread)
        paired = 1.0
        if change == "skew":
            paired = _paired(case, feature, level, policy)
            if _equal(case.pairs, feature, policy):
                two[1].spread = two[0].spread
        compared = _Comparison(case, change, feature, *two, level, policy, paired)
        found.append((change, list(compared.findings())))
    for side in sides.values():
        side.spread = side.spread.counted()  # what findings remember of it
    return found


def _comparable(before, after, feature):
    """Whether both tables hold it, as one sort of thing: numbers and times, text, what is neither (lists, bytes), or nulls."""
    was, now = (t.kinds().get(feature) for t in (before, after))
    if None in (was, now):
        return False
    alike = all((was == one) == (now == one) for one in ("text", "other"))
    return alike or not all(t.glance(feature).n for t in (before, after))  # nulls are of any kind


def _equal(pairs, feature, policy):
    """Whether parity holds both sides equal in every row there is: then they hold the same values, however they are written."""
    return (
        len(pairs.tables[0]) == len(pairs.tables[1]) == pairs.n
        and not pairs.agreement(feature, policy.near(feature)).differ
    )


def _paired(case, feature, level, policy):
    """The most that two spreads over the same requests can lie apart: no more than the share of rows that differ."""
    pairs, agreement = case.pairs, case.pairs.agreement(feature, policy.near(feature))
    before, after = pairs.tables
    lone = len(before) + len(after) - 2 * pairs.n
    there = min(g.n / max(g.n + g.nulls, 1) for g in (t.glance(feature) for t in pairs.tables))
    most = bounds.share_bounds(agreement.differ + lone, agreement.n + lone, level)[1]
    return min(1.0, most / there) if there else 1.0


class _Comparison:
    """One feature on two tables."""

    def __init__(self, case, change, feature, before: Side, after: Side, level, policy, paired):
        self.case, self.change, self.feature, self.categories = case, change, feature, policy.categories
        self.allowed = before.reach(policy.near(feature))
        self.a, self.b = one_value(before.spread, after.spread, self.allowed)
        self.before, self.after, self.level, self.paired = before, after, level, paired
        # where each of training's entities has one row, only the later table can say how much those of one are alike
        alike, below, most = (after if (before.heaviest() or 1.0) == 1.0 else before).alike()
        many = before.heaviest(), after.heaviest()
        # unknown on one side: as the other
        many = [next((m for m in (one, *many) if m is not None), 1.0) for one in many]
        if any(d.n / m < ENTITIES for d, m in zip((self.a, self.b), many, strict=True)):
            alike = below = most = 1.0  # so few that how much they are alike cannot be told
        # served and replayed are the same requests, and what the same time does to two tables cancels
        alike_in_time = change == "skew" or concurrent(before.table, after.table)
        self.over = None if alike_in_time else OverTime(before, after.table)
        cell, decile, cells = (1.0, 1.0, 1.0) if self.over is None else self.over.three()
        self.fewer = self._over_time(cell, [1 + alike * (m - 1) for m in many])
        self.fewer_below = self._over_time(decile, [1 + below * (m - 1) for m in many])
        self.fewest = self._over_time(cells, [1 + most * (m - 1) for m in many])

    def findings(self):
        yield self._nulls()
        a, b = self.a, self.b
        if not len(a.ordered) or not len(b.ordered):
            return
        shared = cells(a, b, self.categories, allowed=self.allowed)
        p, q = shared.counts(a), shared.counts(b)
        yield self._ks()
        yield self._shape()
        yield self._cells(shared, p, q)
        if a.kind in ("text", "number") and a.kind == b.kind and not self.before.age:
            yield self._formats()
        if a.kind in ("text", "boolean") or (
            a.kind == "integer" and len(a.values) <= self.categories and not a.gap + b.gap
        ):
            yield self._unseen()
            yield self._described("lost", distance.unseen(b, a) / a.n, "share of rows")
        for statistic, unit in (("psi", "nats"), ("js", "bits"), ("kl", "nats"), ("tv", "share")):
            yield self._described(statistic, getattr(distance, statistic)(p, q), unit)
        if a.kind not in ("text", "boolean") and distance.finite(a).n and distance.finite(b).n:
            yield from self._moved()

    def _moved(self):
        unit = "seconds" if self.before.age else "nanoseconds" if "time" in self.a.kind else "its own"
        whole = distance.finite(self.a) is self.a and distance.finite(self.b) is self.b
        area = self.apart[2] if whole else distance.wasserstein(self.a, self.b)
        yield self._described("wasserstein", area, unit)
        (mean, deviation), (later, spread) = distance.moments(self.a), distance.moments(self.b)
        if deviation > 0:
            yield self._described("mean_shift", (later - mean) / deviation, "standard deviations")
            yield self._described("deviation_ratio", spread / deviation, "ratio")

    def _described(self, statistic, value, unit):
        return Finding("distribution", self.change, self.feature, statistic, value, unit, min(self.a.n, self.b.n))

    def _judged(self, statistic, value, unit, n, between, detail=None, fewer=None):
        """A finding with its bounds: ``between`` gives them for so many times the draws on either side.

        Where the rows are the same, no share can have changed by more than the share of rows that differ: what that makes
        of the statistic is the most it can be.
        """
        low, high = between(1.0)
        most = {
            "shape": (8 * self.paired) ** 0.5,
            "cells": self.paired / bounds.FEW,
            "formats": self.paired / bounds.FEW,
        }
        high = max(min(high, most.get(statistic, self.paired)), value)
        fewer = max(fewer or self.fewer)
        counts = int(n / fewer) if fewer > 1 else None
        detail = tuple(detail()) if detail and low > 0 else None
        return Finding(
            "distribution", self.change, self.feature, statistic, value, unit, n, low, high,
            effective=counts, detail=detail, grown=between,
        )  # fmt: skip

    def _nulls(self):
        (rows, was), (later, now) = ((d.rows, d.nulls / d.rows) for d in (self.a, self.b))

        def between(times, fewer=self.fewer):
            n, m = times * rows / fewer[0], times * later / fewer[1]
            return bounds.change_bounds(n * was, n, m * now, m, self.level)

        if between(1.0)[0] > 0 or self.over is not None:
            fewer = self._fewer_where(lambda values, present: ~present, called="nulls")
            between = partial(between, fewer=fewer)
        return self._judged("null_share", abs(now - was), "share of rows", later, between)

    def _ks(self):
        self.apart = value, where, _ = distance.apart(self.a, self.b)

        def between(times):
            n, m = (times * d.n / by for d, by in zip((self.a, self.b), self.fewer_below, strict=True))
            radius = bounds.ks_radius(n, m, self.level) + self.a.gap + self.b.gap
            return max(0.0, value - radius), min(1.0, value + radius)

        def detail():
            upto = [float(distance.cdf(d, np.array([where]))[0]) for d in (self.a, self.b)]
            yield {"cell": f"up to {self._shown(where)}", "before": upto[0], "after": upto[1]}

        return self._judged("ks", value, "share", min(self.a.n, self.b.n), between, detail, self.fewer_below)

    def _shape(self):
        a, b = self.a.n, self.b.n
        shared = cells(self.a, self.b, self.categories, pooled=True, allowed=self.allowed)
        p, q = shared.counts(self.a), shared.counts(self.b)
        value = bounds.shape(p, a, q, b, self.level)[0]

        off = sum(bounds.root_slack(share, uncertain(shared, d)) for d, share in ((self.a, p / a), (self.b, q / b)))

        def between(times):
            x, y = times / self.fewest[0], times / self.fewest[1]
            return bounds.shape(x * p, x * a, y * q, y * b, self.level, off)[1:]

        def detail():
            return self._farthest((np.sqrt(q / b) - np.sqrt(p / a)) ** 2, p / a, q / b, self._labels(shared, p, q))

        return self._judged("shape", value, "share of a share", min(a, b), between, detail, self.fewest)

    def _cells(self, shared, p, q):
        """Half the level for the bins; half for the frequent values, as if every value there is had been looked at."""
        every = self.a.looked + self.b.looked
        levels = np.full(len(shared), self.level / 2)
        levels /= np.where(np.arange(len(shared)) < shared.bins, shared.bins, every)

        def counts_as(cell):
            return self._fewer_where(lambda values, present: shared.index(values) == cell, self.fewer)

        off = tuple(uncertain(shared, d) for d in (self.a, self.b))
        return self._off("cells", p, self.a.n, q, self.b.n, levels, lambda: self._labels(shared, p, q), counts_as, off)

    def _formats(self):
        (was, n), (now, m) = (side.formats(self.allowed) for side in (self.before, self.after))
        p, q = (np.array(list(side.values()), float) for side in (was, now))
        names, kind = list(was), self.a.kind

        def counts_as(cell):
            return self._fewer_where(
                lambda values, present: written(values, kind, self.allowed)[names[cell]], self.fewer, names[cell]
            )

        return self._off("formats", p, n, q, m, np.full(len(p), self.level / len(p)), lambda: names, counts_as)

    def _off(self, statistic, p, n, q, m, levels, names, counts_as, off=(0.0, 0.0)):
        value, counts_as = (
            bounds.relative(p / n, q / m),
            cache(counts_as),
        )  # which does not depend on how often rows are repeated

        def between(times):
            x, y = times / self.fewer[0], times / self.fewer[1]
            return bounds.cell_bounds(x * p, x * n, y * q, y * m, levels, counts_as, off)

        def detail():
            return self._farthest(value, p / n, q / m, names())

        rows = min(self.a.n, self.b.n)
        return self._judged(statistic, float(value.max()), "share of a share", rows, between, detail)

    def _unseen(self):
        a, b = self.a, self.b
        k, once = distance.unseen(a, b), self.before.alone()
        new = ~held(b.values, a.values)

        def between(times, fewer=self.fewer):
            n, m = times * self.a.n / fewer[0], times * self.b.n / fewer[1]
            low, high = bounds.share_bounds(m * k / self.b.n, m, self.level / 2)
            # what a sample of this size misses by chance: the share of its rows whose value is there once (Good, 1953)
            missed = bounds.share_bounds(n * once, n, self.level / 2)[1]
            return max(0.0, low - missed), high

        if between(1.0)[0] > 0:
            there = self.after.fewer_where(lambda values, present: held(values, b.values[new]))
            between = partial(between, fewer=(self.fewer[0], max(there, 1.0)))

        def detail():
            for i in np.argsort(-b.counts[new], kind="stable")[:SHOWN]:
                yield {
                    "cell": self._shown(b.values[new][i], b.counts[new][i]),
                    "before": 0.0,
                    "after": float(b.counts[new][i] / b.n),
                }

        return self._judged("unseen", k / b.n, "share of rows", b.n, between, detail)

    def _fewer_where(self, belongs, beside=(1.0, 1.0), called=""):
        """By how much both sides' rows are fewer draws for one share, beside what is taken off already; at least as much."""
        sides = [s.fewer_where(belongs, called) for s in (self.before, self.after)]
        if self.over is not None:
            sides = self._over_time(self.over.where(belongs, called), sides)
        return tuple(max(1.0, one / by) for one, by in zip(sides, beside, strict=True))

    def _over_time(self, effect, fewer):
        """By how much each side's rows are fewer draws, where those near in time are alike beside those of one entity."""
        late = (1.0, 1.0) if self.over is None else self.over.on(effect)
        return tuple(
            min(one + by - 1, max(1, d.n)) if by > 1 else one
            for one, by, d in zip(fewer, late, (self.a, self.b), strict=True)
        )

    def _farthest(self, off, before, after, names):
        """The cells that are farthest off, with their shares on both sides."""
        for i in np.argsort(-off, kind="stable")[:SHOWN]:
            yield {"cell": names[i], "before": float(before[i]), "after": float(after[i])}

    def _labels(self, shared, p, q):
        return shared.labels(self.case.evidence, np.maximum(p, q))

    def _shown(self, value, rows=1):
        return said(value, self.a.kind, self.case.evidence, int(rows))
