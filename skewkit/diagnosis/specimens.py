"""The rows that causes are looked for on: some that differ and some that do not, with all that is known of them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from ..injection import turned
from ..policy import Policy
from ..proposals.clues import Evidence, agree, hashable
from ..proposals.zones import sources
from ..records import Case, Skew, SkewkitError
from ..scope import coin, with_columns
from .bits import Ground, Rival

WHOLE = 50_000  # rows in which a skew can look at other rows
SOME = 2_500  # of a feature's rows that differ, and as many that do not
GLANCE = 120  # of a feature's rows that differ, for a first look
GLANCED = 50  # features that the rows of a first look are chosen for
HELD = 0.2  # of the rows, on which what was found on the others is verified


@dataclass(eq=False)
class Specimens:
    """Pairs of a case, by their numbers: ``whole`` of entities as far as they fit, ``rows`` of them to look at.

    ``before`` is the table of the side that is right, ``after`` that of the other, each with one row for each of ``rows``.
    """

    case: Case
    features: tuple[str, ...]
    whole: np.ndarray
    rows: np.ndarray
    held: np.ndarray
    side: str = "serving"
    memo: dict = field(default_factory=dict)

    def __post_init__(self):
        here, there = self.case.pairs.tables
        kinds, others = here.kinds(), there.kinds()
        names = [
            c for c in here.columns if c in self.features or (kinds[c] != "other" and c != self.case.roles.prediction)
        ]
        names += [c for c in there.columns if c not in here.columns and others[c] != "other"]
        table = {c: self.column(c).iloc[self.whole] for c in names}
        self.table = pd.DataFrame(table).reset_index(drop=True)
        self.place = np.searchsorted(self.whole, self.rows)
        self.frame = self.table.iloc[self.place].reset_index(drop=True)
        r = self.case.roles
        never = (r.key, r.entity, r.time, r.label, r.prediction, *self.features)
        self.ground = Ground(self.frame, r.time, r.segments, never)

    def column(self, name: str) -> pd.Series:
        """One column of every pair as the side that is right has it, or the only side that has it."""
        return self.sides(name)[0]

    def sides(self, name: str) -> tuple[pd.Series, pd.Series]:
        """One column of every pair, as the side that is right has it and as the other has it."""
        pairs = self.case.pairs
        there = [name in t.columns for t in pairs.tables]
        if all(there):
            both = [hashable(c) for c in pairs.columns(name)]
            return tuple(both[:: -1 if self.side == "training" and name in self.features else 1])
        at = there.index(True)
        alone = pairs.tables[at].column(name).take((pairs.before, pairs.after)[at]).reset_index(drop=True)
        return alone, alone

    @cached_property
    def weights(self) -> np.ndarray:
        """How many pairs each stands for, shape (pairs,): all are one, but of a sample those that differ are there more often."""
        n = self.case.pairs.n
        weights = np.ones(n)
        if len(self.whole) < n:
            off = np.zeros(n, bool)
            for f in self.features:
                off |= ~agree(*self.sides(f))
            chosen = np.zeros(n, bool)
            chosen[self.whole] = True
            for group in (off, ~off):
                weights[group] = group.sum() / max((group & chosen).sum(), 1)
        return weights

    def all_rows(self, feature: str, rival: Rival, every: bool = False) -> pd.DataFrame:
        """Of every pair the columns that an explanation reads; or ``every`` one."""
        if every:
            return pd.DataFrame({c: self.column(c) for c in self.table})
        r, read = self.case.roles, [feature]
        read += [c for c in (r.key, r.entity, r.time, rival.where and rival.where[0]) if c]
        read += [c for s in rival.skews if s.stem == "schema_change" for c in s.to]
        return pd.DataFrame(
            {c: self.column(c) for c in dict.fromkeys([*read, *sources(self.table)]) if c in self.table}
        )

    def evidence(self, feature: str) -> Evidence:
        """One feature on the rows to look at."""
        after = self.sides(feature)[1].iloc[self.rows].reset_index(drop=True)
        before = self.frame[feature]
        replay = self.case.replay
        knobs = frozenset() if replay is None else replay.knobs(feature)
        roles = self.case.roles
        return Evidence(
            feature, before, after, self.frame, roles, ~agree(before, after), knobs, self.memo, self.side, self.table
        )

    def predicted(self, feature: str, skew: Skew, before: pd.Series | None = None) -> pd.Series | None:
        """What the skew would have made of the feature, on the rows to look at; None where it cannot act.

        ``before`` are other values to begin with: what an earlier skew has made of it.
        """
        if before is not None:
            return None if skew.wide else self.changed(with_columns(self.frame, {feature: before}), feature, skew)
        mark = (feature, str(replace(skew, features=(feature,))))
        if mark not in self.memo:
            self.memo[mark] = self._predicted(feature, replace(skew, features=(feature,)))
        return self.memo[mark]

    @cached_property
    def few(self) -> np.ndarray:
        """Rows for a first look: some that differ of each feature, by their place among the rows."""
        off = [np.flatnonzero(self.evidence(f).differ) for f in self.features[:GLANCED]]
        off = [
            rows[np.unique(np.linspace(0, len(rows) - 1, GLANCE).astype(int))] if len(rows) else rows for rows in off
        ]
        return np.unique(np.concatenate(off)) if off else np.empty(0, int)

    def glimpsed(self, feature: str, skew: Skew) -> pd.Series | None:
        """What the skew would have made of the feature on the few rows alone: all that a first look needs."""
        if "ttl" in skew.knobs() or (skew.wide and not self._turns(feature, skew)):
            made = self.predicted(feature, skew)
            return None if made is None else made.iloc[self.few]
        table = self._few_rows
        if not self._turns(feature, skew):
            return self.changed(table, feature, skew)
        mark = ("glimpsed", str(sorted(skew.knobs().items())))
        if mark not in self.memo:
            self.memo[mark] = {}
            able = [f for f in self.features if set(skew.knobs()) <= self.case.replay.knobs(f)]
            with suppress(SkewkitError, KeyError):  # where one cannot be turned so, each by itself
                self.memo[mark] = self.case.replay(table, tuple(able), **skew.knobs()).to_dict("series")
        made = self.memo[mark].get(feature)
        return self._replayed(table, feature, skew.knobs()) if made is None else made

    @cached_property
    def _few_rows(self):
        return self.frame.iloc[self.few]

    def _turns(self, feature, skew):
        return bool(turned(replace(skew, features=(feature,)), self.case.roles, self.case.replay))

    def _predicted(self, feature, skew):
        if turned(skew, self.case.roles, self.case.replay):
            if "ttl" not in skew.knobs():
                return self._replayed(self.frame, feature, skew.knobs())
            made = self._replayed(self.table, feature, skew.knobs())  # who filled the cache may be another row
            return None if made is None else made.iloc[self.place].reset_index(drop=True)
        if not skew.wide:
            return self.changed(self.frame, feature, skew)
        whole = self._together(skew).get(feature)
        whole = self.changed(self.table, feature, skew) if whole is None else whole
        return None if whole is None else whole.iloc[self.place].reset_index(drop=True)

    def _together(self, skew):
        """What a skew that looks at other rows makes of every feature that differs: it looks once for all."""
        mark = str(replace(skew, features=()))
        if len(self.features) > GLANCED:  # each by itself: few of so many are looked at
            return {}
        if mark not in self.memo:
            try:
                with np.errstate(all="ignore"):
                    made = replace(skew, features=self.features).inject(self.table, self.case.roles)
                self.memo[mark] = made.to_dict("series")
            except (SkewkitError, TypeError, ValueError, OverflowError, KeyError):
                self.memo[mark] = {}
        return self.memo[mark]

    def made(self, feature: str) -> pd.Series | None:
        """What the events give by the feature's own definition, on the rows to look at."""
        return self._replayed(self.frame, feature, {})

    def everywhere(self, table: pd.DataFrame, feature: str, skew: Skew) -> pd.Series:
        """What a skew makes of the feature of a table: by its knob, or by what stands there; unchanged where it cannot."""
        turns = turned(replace(skew, features=(feature,)), self.case.roles, self.case.replay)
        made = (
            self._replayed(table, feature, skew.knobs())
            if turns
            else self.changed(table, feature, replace(skew, features=(feature,)))
        )
        return table[feature] if made is None else made

    def _replayed(self, table, feature, knobs):
        try:
            return self.case.replay(table, (feature,), **knobs)[feature].reset_index(drop=True)
        except (SkewkitError, KeyError):  # a knob that this feature's events cannot turn
            return None

    def changed(self, frame: pd.DataFrame, feature: str, skew: Skew) -> pd.Series | None:
        """The feature of a table as the skew changes it; None where it cannot act."""
        try:
            with np.errstate(all="ignore"):
                return skew.inject(frame, self.case.roles)[feature]
        except (SkewkitError, TypeError, ValueError, OverflowError, KeyError):  # of values that were never meant for it
            return None


def specimens(case: Case, features: tuple[str, ...], policy: Policy, seed: int = 0) -> Specimens:
    """Rows of a case to look for the causes of what differs in ``features``: all of a small one, a seeded sample of a large."""
    pairs, roles = case.pairs, case.roles
    draw = coin(pairs.columns(roles.key)[0], "diagnose", seed)
    off = np.zeros(pairs.n, bool)
    some = {}
    for f in features:
        some[f] = ~agree(*pairs.columns(f))
        off |= some[f]
    whole = np.arange(pairs.n) if pairs.n <= WHOLE else _whole(pairs, roles, off, draw)
    held = draw[whole] >= 1 - HELD
    chosen = np.zeros(pairs.n, bool)
    order = whole[np.argsort(draw[whole], kind="stable")]  # those that are held out come last
    order = order[: int((~held).sum())]
    for f in features:
        for mask in (some[f], ~some[f]):
            chosen[order[mask[order]][:SOME]] = True
    return Specimens(case, features, np.sort(whole), np.flatnonzero(chosen), np.sort(whole[held]))


def _whole(pairs, roles, off, draw):
    """Rows of whole entities, half of them of entities with something that differs; rows alone where there are no entities."""
    name = roles.entity if all(roles.entity in t.columns for t in pairs.tables) else None
    if name is None:
        order = np.argsort(draw, kind="stable")
        return np.sort(np.r_[order[off[order]][: WHOLE // 2], order[~off[order]][: WHOLE // 2]])
    codes = pd.factorize(pairs.columns(name)[0].astype(object), use_na_sentinel=False)[0]
    sizes = np.bincount(codes)
    struck = np.bincount(codes, off) > 0
    luck = coin(np.arange(len(sizes)), "diagnose")
    chosen = np.zeros(len(sizes), bool)
    for group in (struck, ~struck):
        order = np.flatnonzero(group)[np.argsort(luck[group], kind="stable")]
        chosen[order[np.cumsum(sizes[order]) <= WHOLE // 2]] = True
    return np.flatnonzero(chosen[codes])
