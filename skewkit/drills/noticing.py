"""When a check would have noticed: with how much at hand, and after how many requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from ..pipeline import check
from ..policy import Policy
from ..records import Case, Verdict
from ..tables.pairs import Pairs

FEWEST = 100  # requests: where looking begins; from there they double


def regimes(case: Case) -> dict[str, Case]:
    """What a team sees of a case: of training and served alone, with the requests replayed, and with the events too.

    Events rebuild what training should have held; nothing else reads them yet.
    """
    alone = replace(case, replayed=None, pairs=None, past=None)
    return {"training and served": alone, "with replay": replace(case, past=None), "with events": case}


class Watch:
    """The clean case of a drill, asked again and again how its checks stand after so many requests."""

    def __init__(self, clean: Case, policy: Policy):
        self.clean, self.policy = clean, policy
        self.order = _in_time(clean)
        self.steady: dict = {}

    def fires(self, planted: Case) -> dict[str, dict[str, int]]:
        """For each regime, each check that notices: after how many requests it did first.

        They are served in the order of their time. 0: before any, for the fault is in training. A check that would notice
        at last has noticed first at the smallest number, of 100, 200, 400 and so on, at which its alarm is louder than
        on the clean case.
        """
        found: dict[str, dict[str, int]] = {}
        for name, case in regimes(planted).items():
            if name == "with events" and case.past is None:
                found[name] = dict(found["with replay"])
                continue
            waiting = self._noticed(name, case, len(self.order))
            fires: dict[str, int] = {}
            if name == "with events" and "parity" in waiting and _before_serving(case, self.policy):
                fires["parity"] = 0
            for n in self._numbers():
                if set(waiting) <= set(fires):
                    break
                fires |= {c: n for c in self._noticed(name, case, n) if c in waiting and c not in fires}
            found[name] = fires
        return found

    def already(self) -> dict[str, tuple[str, ...]]:
        """In each regime, the checks that alarm on the clean case, for the world has drifted."""
        found = {}
        for name in regimes(self.clean):
            verdicts = self._clean(name, len(self.order))
            found[name] = tuple(c for c, v in verdicts.items() if v.alarm)
        return found

    def _numbers(self) -> Iterator[int]:
        n = FEWEST
        while n < len(self.order):
            yield n
            n *= 2
        yield len(self.order)

    def _noticed(self, name, case, n):
        now, was = _verdicts(self._cut(case, n), self.policy), self._clean(name, n)
        return noticed(now, was)

    def _clean(self, name, n) -> Mapping[str, Verdict]:
        if (name, n) not in self.steady:
            case = self._cut(regimes(self.clean)[name], n)
            self.steady[name, n] = _verdicts(case, self.policy)
        return self.steady[name, n]

    def _cut(self, case, n):
        """The case as it was after the first n requests."""
        if n >= len(self.order):
            return case
        keep = np.zeros(len(self.order), bool)
        keep[self.order[:n]] = True
        return only(case, keep)


def only(case: Case, keep: np.ndarray) -> Case:
    """The case with some of its requests: ``keep`` has shape (requests,)."""
    tables = {n: t.where(keep) for n, t in case.tables.items() if n != "training"}
    pairs = Pairs(tables["replayed"], tables["served"]) if "replayed" in tables else None
    return replace(case, **tables, pairs=pairs)


def noticed(now: Mapping[str, Verdict], was: Mapping[str, Verdict]) -> tuple[str, ...]:
    """The checks that raise a louder alarm now than they did."""
    return tuple(c for c, verdict in now.items() if verdict.alarm > was.get(c, Verdict.ok).alarm)


def _in_time(case):
    time = case.roles.time
    if time not in case.served.columns:
        return np.arange(len(case.served))
    return case.served.column(time).argsort(kind="stable").to_numpy()


def _verdicts(case, policy):
    return check(case, replace(policy, settles=False)).by_check()


def _before_serving(case, policy):
    """Whether the fault shows in training alone, against what its own events give."""
    return any(
        f.check == "parity" and f.change == "training" and f.verdict == Verdict.breach and not f.accepted
        for f in check(case, policy)
    )
