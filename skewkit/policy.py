"""What is tolerated, the error budget, and what they judge. `policy_file.py` reads one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from math import ceil, isfinite
from typing import Any

from .records import Case, Finding, NotRun, Tolerance, Verdict

TESTS = 12  # bounded statistics a feature and change can have, over all checks
FACTS = ("schema", "lineage")  # checks that no change of the world explains
GROWS = (
    "unreviewed",
    "recoded",
    "days_without",
    "age",
    "inputs_short",
)  # warn when above what is tolerated, breach above what is material
KEYS = 8  # and a case, whatever its features
TIMES = 1.25  # how far beyond the wobble seen in training is still tolerated
MOST = 10**9  # rows; a finding that would need more is never settled


@dataclass(frozen=True)
class Scores:
    """How a model's scores are read; shares in (0, 1)."""

    top: float = 0.10
    threshold: float | None = None
    moved: float = 0.05
    floor: float = 0.01
    quantile: float = 0.9


@dataclass(frozen=True)
class Accepted:
    """A known finding that decides no verdict until a day (that day left out): why, and who answers for it."""

    check: str
    statistic: str
    until: date
    reason: str
    owner: str
    feature: str | None = None
    change: str | None = None
    segment: str | None = None

    def fits(self, f: Finding) -> bool:
        """Whether it is about this finding, by whatever rule of decisions; a field that is not given fits any."""
        asked = (self.check, self.statistic, self.feature, self.change, self.segment)
        given = (f.check, _plain(f.statistic), f.feature, f.change, f.segment)
        return all(a is None or a == g for a, g in zip(asked, given, strict=True))

    def __str__(self):
        return f"until {self.until}: {self.reason} ({self.owner})"


@dataclass(frozen=True)
class Policy:
    """What is tolerated. `read_policy` makes one from a file; see policy.yaml for what each number means.

    ``today`` (UTC) says which acceptances are over; ``groups`` is into how many parts the error budget is split beside
    the features: 1, and one more for each segment that is checked by itself. ``settles``: findings that are inconclusive say how
    many rows would settle them, which takes as long again as measuring them.
    """

    alpha: float
    looks: int
    tolerance: float
    categories: int
    fleet: float
    profiles: int
    causes: int
    certify: float | None
    partitions: str | None
    by_segment: bool
    scores: Scores
    features: Mapping[str, Mapping[str, Any]] = field(repr=False)
    accepted: tuple[Accepted, ...] = field(repr=False)
    limits: Mapping[str, Mapping[str, float]] = field(repr=False)
    today: date = date.min
    groups: int = 1
    settles: bool = True

    def tests(self, case: Case) -> int:
        """How many statistics with bounds a look can hold."""
        # what dates the values adds as much as two changes would: their ages, and what is newer than it may be
        changes = len(case.changes) + (case.past is not None) + 2 * (case.freshness is not None or bool(case.as_of))
        promised = 0 if case.contract is None else len(case.contract.columns)
        beside = len(case.roles.compared) + 1 if case.pairs is not None else 0  # of the prediction two
        return self.groups * (
            TESTS * max(1, len(case.roles.features)) * changes + KEYS + beside + len(case.lineage) + promised
        )

    def level(self, case: Case) -> float:
        """The error level of one bounded statistic, so that all of them over the horizon stay within alpha (Bonferroni)."""
        return self.alpha / (self.looks * self.tests(case))

    def promise(self, case: Case, groups: int = 1) -> dict[str, Any]:
        """The promise about false alarms, in numbers and in a sentence."""
        shared = replace(self, groups=groups)
        features, looks = len(case.roles.features), f"{self.looks:,} looks" if self.looks > 1 else "one look"
        sentence = (
            f"While every feature's true change stays within what is tolerated, the chance that any of the {features} features "
            f"alarms at any of {looks} is at most {100 * self.alpha:g}%, whatever the number of rows. Rows are taken to be independent"
            f"{_but(case.roles)}."
        )
        numbers = {"alpha": self.alpha, "looks": self.looks, "features": features, "tests": shared.tests(case)}
        return {**numbers, "level": shared.level(case), "sentence": sentence}

    def near(self, feature: str) -> Tolerance:
        """How far two values of a feature may lie apart and agree."""
        own = {n: self.features.get(feature, {}).get(n) for n in ("absolute", "relative", "ulp")}
        if all(v is None for v in own.values()):
            return Tolerance(of_spread=self.tolerance)
        return Tolerance(**{n: v or 0 for n, v in own.items()})

    def judge(self, finding: Finding) -> Finding:
        """The finding with its threshold, verdict and runbook. Drift warns at most; see CONTRIBUTING.md.

        What is tolerated is the limit's, or what training's own partitions wobble by and a quarter more, if that is more;
        but never above what is material.
        """
        limit = self.limit(finding)
        if limit is None:
            return finding if finding.grown is None else replace(finding, grown=None)
        tolerated = max(limit["tolerated"], min(TIMES * (finding.wobble or 0.0), limit["material"]))
        limit = {**limit, "tolerated": tolerated}
        low, high = (finding.value if v is None else v for v in (finding.low, finding.high))
        verdict = _verdict(finding, low, high, limit)
        accepted = next((str(a) for a in self.accepted if a.fits(finding) and self.today < a.until), None)
        return replace(
            finding,
            threshold=tolerated,
            verdict=verdict,
            runbook=f"runbooks/{finding.check}.md" if verdict else None,
            accepted=accepted if verdict else None,
            needs=_needs(finding, limit) if verdict == Verdict.inconclusive and self.settles else None,
            grown=None,
        )

    def limit(self, f: Finding) -> Mapping[str, float] | None:
        """The limit of a finding: its feature's own first, then its change's; None where it is described only."""
        name = f"{f.check}.{_plain(f.statistic)}"
        if name == "parity.certified" and self.certify is not None and f.segment is None:
            return {"tolerated": self.certify, "material": self.certify}
        own = self.features.get(f.feature or "", {}).get("limits", {})
        for limits in (own, self.limits) if own else (self.limits,):
            for n in (f"{name}.{f.change}", name):
                if n in limits:
                    return limits[n]
        return None

    def nowhere(self, case: Case) -> list[NotRun]:
        """Features that it has rules for and the case does not have: those rules did nothing."""
        unknown = [f for f in self.features if f not in (*case.roles.features, *case.roles.compared)]
        why = f"it has rules for {', '.join(map(repr, unknown))}, which no table has as a feature"
        return [NotRun("policy", why, "the feature's own name")] if unknown else []

    def over(self) -> list[NotRun]:
        """What is no longer accepted, for its day has come."""
        return [
            NotRun(
                "accept",
                f"{a.check}.{a.statistic}{f' of {a.feature}' if a.feature else ''} was accepted {a}, and that day has come",
                "a fix; or in the policy another day, with the reason",
            )
            for a in self.accepted
            if self.today >= a.until
        ]


def _plain(statistic):
    """A statistic without its rule of decisions: flips@10% is judged as flips are."""
    return statistic.partition("@")[0]


def _but(roles):
    """Beside which dependence, that is taken off, the rows are taken to be independent."""
    known = [f"{what} by {c}" for what, c in (("of entities", roles.entity), ("over time", roles.time)) if c]
    return f", but for what training shows {' and '.join(known)}, which is taken off" if known else ""


def _verdict(f, low, high, limit):
    if low > limit["tolerated"]:
        if f.change == "drift":
            return Verdict.warn
        # training against served may be the world; only facts, and what must not be missed, are breaches there
        # and that nobody has reviewed a contract says nothing of what was served, nor can a day that is over be mended
        # a drill is there to learn from; beyond what is tolerated a candidate is held, beyond what is material rolled back
        unsure = (f.change == "total" and f.check not in FACTS) or f.change in ("candidate", "drill")
        unsure = unsure or f.statistic in GROWS
        sure = not unsure or low > limit["material"]
        return Verdict.breach if sure else Verdict.warn
    unsure = f.change != "drift" and high > limit["material"] and high > low
    return Verdict.inconclusive if unsure else Verdict.ok


def _needs(f, limit):
    """The rows on each side at which the same value would be judged, to two digits; None where none would do."""

    def settled(times):
        low, high = f.grown(times)
        return low > limit["tolerated"] or high <= limit["material"]

    if f.grown is None or not f.n or not settled(most := MOST / f.n):
        return None
    few = 1.0
    while most / few > 1.01:
        middle = (few * most) ** 0.5
        few, most = (few, middle) if settled(middle) else (middle, most)
    rows = most * f.n
    digits = 10 ** max(0, len(str(int(rows))) - 2)
    return int(ceil(rows / digits) * digits) if isfinite(rows) else None
