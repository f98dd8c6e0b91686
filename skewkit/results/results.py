"""What the verbs return: rows of records with a verdict, a table, a picture, and a rich display."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import pandas as pd

from ..progress import at_least, shown
from ..records import Case, Cost, Finding, NotRun, Verdict, as_rows, worst
from ..statistics.metrics import headline
from . import blindspots, plots, timeline
from .causes import Diagnosis
from .incidents import summary
from .picture import said, undrawn


class Findings(tuple):
    """Findings in the order the checks made them, and in ``not_run`` the checks that failed."""

    def __new__(cls, findings: Iterable[Finding] = (), not_run: Iterable[NotRun] = ()):
        self = super().__new__(cls, findings)
        self.not_run = tuple(not_run)
        return self

    @property
    def verdict(self) -> str:
        """One of ok, warn, inconclusive and breach: the worst of those that are not accepted, and not ok where a check failed."""
        return str(at_least(worst(f.verdict for f in self if not f.accepted), self.not_run))

    def by_check(self) -> dict[str, Verdict]:
        """The worst verdict of each check that judges anything, of what is not accepted."""
        judged = [f for f in self if f.verdict is not None and not f.accepted]
        found = {c: worst(f.verdict for f in judged if f.check == c) for c in dict.fromkeys(f.check for f in judged)}
        return found | {n.step: at_least(found.get(n.step, Verdict.ok), [n]) for n in self.not_run}

    @property
    def certified(self) -> bool | None:
        """Whether parity is certified: at most the share of rows differ that the policy says. None: not asked, or not to be said."""
        found = next((f.verdict for f in self if f.statistic == "certified" and f.segment is None), None)
        return {Verdict.ok: True, Verdict.breach: False}.get(found)

    def of(self, verdict: str) -> Findings:
        """Those with this verdict, the farthest above its threshold first."""
        chosen = [f for f in self if f.verdict is not None and str(f.verdict) == verdict]
        return Findings(sorted(chosen, key=lambda f: (f.change == "drift", -f.value)))

    def to_frame(self) -> pd.DataFrame:
        return pd.DataFrame(as_rows(self), columns=list(Finding.__dataclass_fields__))

    @shown(undrawn)
    def plot(self):
        return plots.findings(self)

    def __repr__(self):
        return f"<{len(self)} findings: {self.verdict}>"

    @shown(said)
    def _repr_html_(self):
        shown = [f for v in ("breach", "inconclusive", "warn", "ok") for f in self.of(v)]
        marks = {True: "Parity is certified.", False: "Parity is refuted."}
        frame = Findings(shown).to_frame()[
            ["check", "change", "feature", "segment", "statistic", "value", "low", "high", "threshold", "verdict"]
        ]
        return f"<p>Verdict: <strong>{self.verdict}</strong>. {marks.get(self.certified, '')}</p>{frame.head(20).to_html(index=False, escape=True, na_rep='')}"


class Impact(tuple):
    """Costs, and in ``absent`` what could not be measured."""

    def __new__(cls, costs: Iterable[Cost] = (), absent: Iterable[NotRun] = ()):
        self = super().__new__(cls, costs)
        self.absent = tuple(absent)
        return self

    def get(self, metric: str, change: str = "skew", segment: str | None = None) -> Cost | None:
        """The cost of one metric, or None where it was not measured."""
        return next((c for c in self if (c.metric, c.change, c.segment) == (metric, change, segment)), None)

    def to_frame(self) -> pd.DataFrame:
        return pd.DataFrame(as_rows(self), columns=list(Cost.__dataclass_fields__))

    @shown(undrawn)
    def plot(self):
        return plots.impact(self)

    def __repr__(self):
        return f"<{len(self)} costs>"

    @shown(said)
    def _repr_html_(self):
        waits = "".join(f"<p>{escape(a.reason)}; give {escape(a.give)}.</p>" for a in self.absent)
        return self.to_frame().drop(columns="plant").to_html(index=False, escape=True, na_rep="") + waits


@dataclass(frozen=True)
class Result:
    """All that was found in one case."""

    findings: Findings
    impact: Impact
    not_run: tuple[NotRun, ...] = ()
    case: Case | None = field(default=None, repr=False)
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    promise: Mapping[str, Any] = field(default_factory=dict, repr=False)
    read: tuple[Mapping[str, Any], ...] = field(
        default=(), repr=False
    )  # what was read, where that is not the case alone

    @property
    def verdict(self) -> str:
        return str(at_least(Verdict[self.findings.verdict], self.not_run))

    def to_frame(self) -> pd.DataFrame:
        return self.findings.to_frame()

    @shown(undrawn)
    def plot(self):
        return self.findings.plot()

    @shown(said)
    def _repr_html_(self):
        return self.diagnosis._repr_html_() + self.findings._repr_html_() + self.impact._repr_html_()


@dataclass(frozen=True)
class Debrief(Result):
    """How a blind drill went: its score as findings, and ``told``, what its page shows as JSON: a sentence, a table, the hours, the journal."""

    told: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @shown(undrawn)
    def plot(self):
        return timeline.timeline(**self.told["timeline"])


@dataclass(frozen=True)
class Cell:
    """One skew, or several together, at one severity: what it cost, and which checks noticed.

    A check has noticed when its alarm is louder on the skewed table than on the unskewed one. ``regimes``
    says, for each thing a team may have at hand, after how many requests each check ``fires``, and which are alarming
    ``already`` on the unskewed table, for the world has drifted. With a ``mitigation``, it is the case after that.
    """

    plant: str
    skews: list[dict]
    scope: dict
    severity: float
    rows: int  # that differ from the unskewed table
    result: Result
    noticed: tuple[str, ...]
    regimes: Mapping[str, dict] = field(default_factory=dict)
    seed: int = 0
    mitigation: str | None = None

    @property
    def name(self) -> str:
        """What was planted, without the severity."""
        return self.plant.rpartition("@")[0]

    @property
    def verdict(self) -> str:
        return self.result.verdict

    @property
    def named(self) -> str:
        """The causes that were named, and in how many features; "unknown" beside them where some were not."""
        fits = self.result.diagnosis.fits
        counts = {
            s: len({n for f in fits if f.skew == s for n in f.features}) for s in dict.fromkeys(f.skew for f in fits)
        }
        return ", ".join(f"{s} ({n})" for s, n in counts.items())

    @property
    def already(self) -> tuple[str, ...]:
        """The checks that alarm on the unskewed table, with a replay."""
        return tuple(self.regimes.get("with replay", {}).get("already", ()))

    def fires(self, regime: str = "with replay") -> int | None:
        """After how many requests the first check notices; None where none does."""
        return min(self.regimes.get(regime, {}).get("fires", {}).values(), default=None)

    def costs(self) -> dict[str, Cost]:
        """What it did to each headline metric that was measured."""
        found = {c.metric: c for c in self.result.impact if c.change == "skew" and c.segment is None}
        return {m: found[m] for m in headline(found)}

    @property
    def needs(self) -> int | None:
        """After how many labelled requests the first headline metric shows it on its own."""
        return next((c.needs for c in self.costs().values()), None)

    def __str__(self):
        """One line for a log."""
        told = ", ".join(f"{c.metric} {c.delta:+.4f}" for c in list(self.costs().values())[:2] if c.delta is not None)
        seen = f"noticed by {', '.join(self.noticed) or 'nothing'}"
        called = f"  named {self.named}" if self.named else ""
        return f"{self.plant:<28} {self.rows:>9,} rows changed  {told}  {seen}{called}"


class Drill(tuple):
    """The cells of a drill, a skew after the other, severities rising; and the incident it was, where it was one."""

    def __new__(cls, cells: Iterable[Cell] = (), reported: Mapping[str, Any] | None = None):
        self = super().__new__(cls, cells)
        self.reported = dict(reported or {})
        return self

    @property
    def verdict(self) -> str:
        """The worst verdict of all cells in which the skew is at work."""
        return str(max((Verdict[c.verdict] for c in self if c.mitigation is None), default=Verdict.inconclusive))

    def to_frame(self) -> pd.DataFrame:
        """A row a cell: the matrix of skew x severity, with what it cost and what noticed."""
        rows = []
        for c in self:
            row = {"skew": c.name, "severity": c.severity, "mitigation": c.mitigation, "rows": c.rows}
            for m, cost in c.costs().items():
                row |= {m: cost.delta, f"{m}_low": cost.low, f"{m}_high": cost.high}
            row |= {"noticed": ", ".join(c.noticed), "named": c.named, "already": ", ".join(c.already)}
            rows.append({**row, "fires": c.fires(), "needs": c.needs})
        frame = pd.DataFrame(rows)
        return frame if any(c.mitigation for c in self) else frame.drop(columns="mitigation", errors="ignore")

    def blind_spots(self) -> pd.DataFrame:
        """A row a planting and regime: who notices first and when, what is lost, and when the metric would show it."""
        rows = self.to_frame().to_dict("records")
        return blindspots.frame(
            {"row": row, "regimes": c.regimes, "mitigation": c.mitigation} for c, row in zip(self, rows, strict=True)
        )

    @property
    def incident(self) -> dict[str, Any] | None:
        """What was reported beside what was measured, over the seeds; see `skewkit.results.incidents`."""
        return summary(self, **self.reported) if self.reported else None

    @shown(undrawn)
    def plot(self):
        """Lines by severity; of many skews, who notices each of them."""
        spots = self.blind_spots()
        return plots.matrix(spots) if spots["skew"].nunique() > blindspots.MANY else plots.drill(self.to_frame())

    def __repr__(self):
        return f"<{len(self)} cells of a drill: {self.verdict}>"

    @shown(said)
    def _repr_html_(self):
        return self.to_frame().to_html(index=False, escape=True, na_rep="", float_format="{:.4f}".format)
