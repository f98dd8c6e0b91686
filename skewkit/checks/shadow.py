"""A candidate beside the current model, hour by hour: predictions, decisions, errors, latency, and the features received.

Every bound may be looked at each hour (`sequential`): it misses at any hour with at most its level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import chisquare, rankdata

from ..records import Finding
from ..statistics import bounds, distance, sequential
from ..statistics.metrics import thresholds
from ..tables.columns import distribution_of
from ..tables.equality import same
from .ages import ages
from .comparable import CHANGE, comparable

BUCKETS = 8  # hours, at least, to say what moves with the age of the features
WORST = 5  # hours that a finding shows
CANARY = (0.01, 0.05)  # the share of the traffic that a canary takes


@dataclass(frozen=True, eq=False)
class Watched:
    """A finding, and the same as it stood after each hour: value, low and high of shape (hours,), or none of them.

    ``least`` gives its lower bound after so many hours, where that is not at hand for all of them.
    """

    finding: Finding
    value: np.ndarray = field(default_factory=lambda: np.empty(0))
    low: np.ndarray = field(default_factory=lambda: np.empty(0))
    high: np.ndarray = field(default_factory=lambda: np.empty(0))
    least: Callable[[int], float] | None = None


def shadow(rollout, policy, labelled: int = 0) -> Iterator[Watched]:
    """What a candidate does otherwise than the current model: see runbooks/shadow.md for each statistic.

    ``labelled`` is how many requests the model's metrics had a label of.
    """
    watch = _Watch(rollout, policy)
    yield from map(Watched, comparable(rollout, watch.failed, labelled))
    yield from watch.requests()
    yield from watch.scores()
    yield from watch.latencies()
    for feature in rollout.case.roles.features:
        yield from watch.feature(feature)
    for segment, rows in rollout.parts.items():
        yield from watch.within(segment, *rows)


class _Watch:
    """Both sides of a rollout, as rows that count from hour to hour."""

    def __init__(self, rollout, policy):
        self.rollout, self.policy, self.level = rollout, policy, rollout.level(policy)
        self.hours, self.at = rollout.hours
        self.scores_ = [s.to_numpy(float, na_value=np.nan) for s in rollout.columns(rollout.case.roles.prediction)]
        self.failed = [~np.isfinite(s) for s in self.scores_]
        if rollout.failed is not None:
            self.failed = [f | said for f, said in zip(self.failed, rollout.failed, strict=True)]
        self.answered = [~f for f in self.failed]
        if rollout.paired:
            self.answered = [self.answered[0] & self.answered[1]] * 2

    # -- counting

    def _upto(self, side, counted):
        """How much of something there was up to the end of each hour, shape (hours,)."""
        at, there = self.at[side], self.at[side] >= 0
        return np.cumsum(np.bincount(at[there], np.asarray(counted, float)[there], len(self.hours)))

    def share(self, statistic, hit, rows, feature=None, segment=None):
        """The share of rows, all of both sides, in which something was seen."""
        k, n = self._upto(0, hit & rows), self._upto(0, rows)
        low, high = sequential.share_bounds(k, n, self.level)
        return _watched(statistic, "share of requests", k / np.maximum(n, 1), low, high, n, feature, segment)

    def difference(
        self, statistic, hits, rows, feature=None, segment=None, absolute=False, scale=1.0, unit="share of requests"
    ):
        """The share of rows, or mean, in which something was seen of the candidate, less the current's.

        Of the same requests only those count in which one side alone has it: a bad hour of both is no difference.
        """
        if self.rollout.paired:
            off = np.asarray(hits[1], float) - np.asarray(hits[0], float)
            hits = np.where(rows[0], np.maximum(-off, 0), 0), np.where(rows[0], np.maximum(off, 0), 0)
        else:
            hits = [np.where(r, h, 0) for h, r in zip(hits, rows, strict=True)]
        (k, j), (n, m) = ([self._upto(side, x[side]) for side in (0, 1)] for x in (hits, rows))
        low, high = sequential.difference_bounds(k, n, j, m, self.level)
        value = j / np.maximum(m, 1) - k / np.maximum(n, 1)
        if absolute:
            low, high = np.maximum(np.maximum(low, -high), 0), np.maximum(np.abs(low), np.abs(high))
            value = np.abs(value)
        return _watched(statistic, unit, value / scale, low / scale, high / scale, np.minimum(n, m), feature, segment)

    # -- what is compared

    def requests(self):
        """Which requests each side was given, and which of them failed."""
        case, rows = self.rollout.case, [np.ones(len(f), bool) for f in self.failed]
        if self.rollout.paired:
            n = len(case.replayed)
            low, high = sequential.share_bounds(case.pairs.missing, n, self.level)
            yield Watched(
                _finding("unanswered", case.pairs.missing / n, "share of requests", n, float(low), float(high))
            )
        else:
            yield from self._traffic()
        yield self.difference("errors", self.failed, rows)

    def _traffic(self):
        """Whether a canary has the share of the traffic that it was meant to have, and no more than a canary should.

        Where the entities were assigned and not the requests, so that none is on both sides, they are counted.
        """
        units = [s.dropna() for s in self.rollout.columns(self.rollout.case.roles.key)]
        whom = self.rollout.columns(self.rollout.case.roles.entity)
        if whom is not None and not set(whom[0].dropna().unique()) & set(whom[1].dropna().unique()):
            units = [s.dropna().drop_duplicates() for s in whom]
        n, k = sum(map(len, units)), len(units[1])
        low, high = (float(v) for v in sequential.share_bounds(k, n, self.level))
        few, many = CANARY
        off = [max(few - x, x - many, 0.0) for x in (k / n, low, high)]
        inside = low <= many and high >= few
        yield Watched(_finding("canary_share", off[0], "share", n, 0.0 if inside else min(off[1:]), max(off)))
        if (meant := self.rollout.share) is not None:
            test = chisquare([n - k, k], [n * (1 - meant), n * meant])
            told = {
                "candidate": k,
                "all": n,
                "meant": meant,
                "chi_square": float(test.statistic),
                "p": float(test.pvalue),
            }
            least = max(low - meant, meant - high, 0.0)
            most = max(abs(low - meant), abs(high - meant))
            yield Watched(_finding("sample_ratio", abs(k / n - meant), "share", n, least, most, detail=(told,)))

    def scores(self):
        """Predictions that lie apart, decisions that flip, and how the mean and the ranking changed."""
        current, candidate = self.scores_
        mean = float(np.abs(current[self.answered[0]]).mean()) if self.answered[0].any() else 0.0
        yield from self._decisions(self.answered)
        if self.rollout.paired:
            yield self.share("moved", self._moved(), self.answered[0])
            both = self.answered[0]
            if both.sum() > 3 and min(len(np.unique(s[both])) for s in self.scores_) > 1:
                rho = float(np.corrcoef(rankdata(current[both]), rankdata(candidate[both]))[0, 1])
                yield Watched(_finding("spearman", rho, "rank correlation", int(both.sum())))
            yield from self._ages()
        else:
            sides = [distribution_of(pd.Series(s[a])) for s, a in zip(self.scores_, self.answered, strict=True)]
            if all(d.n for d in sides):
                n, m = (d.n for d in sides)
                apart, radius = distance.ks(*sides), bounds.ks_radius(n, m, self.level / self.policy.looks)
                yield Watched(
                    _finding("ks", apart, "share", min(n, m), max(0.0, apart - radius), min(1.0, apart + radius))
                )
        within = all(((s[a] >= 0) & (s[a] <= 1)).all() for s, a in zip(self.scores_, self.answered, strict=True))
        if mean and within:  # the bounds are those of values in [0, 1]
            yield self.difference(
                "mean_change", self.scores_, self.answered, absolute=True, scale=mean, unit="of the current's mean"
            )

    def _moved(self):
        s, (current, candidate) = self.policy.scores, self.scores_
        with np.errstate(invalid="ignore"):
            return np.abs(candidate - current) > s.moved * np.maximum(np.abs(current), s.floor)

    def _decisions(self, rows, segment=None):
        if self.rollout.case.task != "binary":
            return
        s, current = self.policy.scores, self.scores_[0][self.answered[0]]
        for rule, threshold in thresholds(current, s.threshold, s.top) if len(current) else ():
            yes = [scores >= threshold for scores in self.scores_]
            if self.rollout.paired:
                yield self.share(f"flips{rule}", yes[0] != yes[1], rows[0], segment=segment)
            else:
                yield self.difference(f"decided{rule}", yes, rows, segment=segment, absolute=True)

    def latencies(self):
        """How much longer the candidate takes, at three quantiles: the ratio to the current's, less 1."""
        if (sides := self.rollout.columns(self.rollout.latency)) is None:
            return
        took = [s.to_numpy(float, na_value=np.nan) for s in sides]
        nulls = [np.isnan(t) for t in took]
        yield self.difference("latency_nulls", nulls, self.answered, absolute=True)
        ordered = self._ordered(took, len(self.hours))
        if not all(map(len, ordered)):
            return
        for percent in (50, 95, 99):
            q = percent / 100
            was, now = (bounds.quantile(o, q) for o in ordered)
            spans = [self._span(o, q) for o in ordered]
            told = tuple(
                {"model": m, "value": v, "low": a, "high": b if np.isfinite(b) else None}
                for m, v, (a, b) in zip(("current", "candidate"), (was, now), spans, strict=True)
            )
            found = _finding(
                *(f"latency_p{percent}", now / was - 1 if was else 0.0, "of the current's", min(map(len, ordered))),
                *_ratio(*spans),
                detail=told,
            )
            yield Watched(found, least=lambda h, q=q: _ratio(*(self._span(o, q) for o in self._ordered(took, h)))[0])

    def _ordered(self, took, hours):
        """The times of both sides in the first so many hours, in ascending order."""
        return [np.sort(t[(at < hours) & ~np.isnan(t)]) for t, at in zip(took, self.at, strict=True)]

    def _span(self, ordered, q):
        return [max(0.0, b) for b in sequential.quantile_bounds(ordered, q, self.level / 2)]

    def feature(self, name):
        """One feature as both received it: where it differs, is null, or holds the value that stands for none."""
        if (sides := self.rollout.columns(name)) is None:
            return
        rows = [np.ones(len(s), bool) for s in sides]
        if self.rollout.paired:
            yield self.share("differ", ~same(*sides, self.policy.near(name)), rows[0], name)
        yield self.difference("null_share", [s.isna().to_numpy(bool) for s in sides], rows, name, absolute=True)
        if name in self.rollout.defaults:
            default = self.rollout.defaults[name]
            stands = [(s == default).fillna(False).to_numpy(bool) for s in sides]
            yield self.difference("default_share", stands, rows, name, absolute=True)

    def within(self, segment, first, later):
        """The same of the requests of one value of a segment."""
        rows = [first, later]
        yield self.difference("errors", self.failed, rows, segment=segment)
        answered = [a & r for a, r in zip(self.answered, rows, strict=True)]
        yield from self._decisions(answered, segment)
        if self.rollout.paired:
            yield self.share("moved", self._moved(), answered[0], segment=segment)

    def _ages(self):
        """Whether predictions lie apart in the hours in which a feature of the candidate is old, described."""
        case, at = self.rollout.case, self.at[0]
        moved = pd.Series(np.where(self.answered[0], self._moved(), np.nan)).groupby(at).mean()
        for f in case.roles.features:
            if (old := ages(case, "served", f)) is None:
                continue
            seconds = old.reindex(case.pairs.after).set_axis(range(case.pairs.n))
            hours = pd.DataFrame({"age_p95": seconds.groupby(at).quantile(0.95), "moved": moved}).dropna()
            if len(hours) < BUCKETS or min(hours[c].nunique() for c in hours) < 2:
                continue
            rho = float(np.corrcoef(rankdata(hours["age_p95"]), rankdata(hours["moved"]))[0, 1])
            worst = hours.sort_values("moved", ascending=False, kind="stable").head(WORST)
            told = tuple(
                {"since": self.hours[int(h)].isoformat(), **{c: float(v) for c, v in row.items()}}
                for h, row in worst.iterrows()
            )
            rest = hours.drop(worst.index)["age_p95"]
            told += (
                {
                    "since": "all other hours",
                    "age_p95": float(rest.median()),
                    "moved": float(hours.drop(worst.index)["moved"].mean()),
                },
            )
            low, high = bounds.rank_bounds(rho, len(hours), self.level)
            yield Watched(_finding("moves_with_age", rho, "rank correlation", len(hours), low, high, f, detail=told))


def _ratio(current, candidate):
    """Bounds of the candidate's quantile over the current's, less 1, from the bounds of each."""
    (first, last), (least, most) = current, candidate
    return (least / last - 1 if 0 < last < np.inf else -1.0), (most / first - 1 if first else np.inf)


def _finding(statistic, value, unit, n, low=None, high=None, feature=None, segment=None, detail=None):
    return Finding("shadow", CHANGE, feature, statistic, value, unit, n, low, high, segment, detail=detail)


def _watched(statistic, unit, value, low, high, n, feature, segment):
    low, high = sequential.kept(low, high)
    found = _finding(statistic, float(value[-1]), unit, int(n[-1]), float(low[-1]), float(high[-1]), feature, segment)
    return Watched(found, value, low, high)
