"""What the verbs return: rows of records with a verdict, a table, a picture, and a rich display."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from . import plots
from .metrics import HEADLINE
from .records import Case, Cost, Finding, NotRun, Verdict, as_rows, worst


class Findings(tuple):
    """Findings in the order the checks made them."""

    __slots__ = ()

    def __new__(cls, findings: Iterable[Finding] = ()):
        return super().__new__(cls, findings)

    @property
    def verdict(self) -> str:
        """One of ok, warn, inconclusive and breach: the worst of them."""
        return str(worst(f.verdict for f in self))

    def by_check(self) -> dict[str, Verdict]:
        """The worst verdict of each check."""
        return {c: worst(f.verdict for f in self if f.check == c) for c in dict.fromkeys(f.check for f in self)}

    def of(self, verdict: str) -> Findings:
        """Those with this verdict, the farthest above its threshold first."""
        chosen = [f for f in self if f.verdict is not None and str(f.verdict) == verdict]
        return Findings(sorted(chosen, key=lambda f: (f.change == "drift", -f.value)))

    def to_frame(self) -> pd.DataFrame:
        return pd.DataFrame(as_rows(self), columns=list(Finding.__dataclass_fields__))

    def plot(self):
        return plots.findings(self)

    def __repr__(self):
        return f"<{len(self)} findings: {self.verdict}>"

    def _repr_html_(self):
        shown = [f for v in ("breach", "inconclusive", "warn", "ok") for f in self.of(v)]
        frame = Findings(shown).to_frame()[
            ["check", "change", "feature", "statistic", "value", "low", "high", "threshold", "verdict"]
        ]
        return f"<p>Verdict: <strong>{self.verdict}</strong></p>{frame.head(20).to_html(index=False, escape=True, na_rep='')}"


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

    def plot(self):
        return plots.impact(self)

    def __repr__(self):
        return f"<{len(self)} costs>"

    def _repr_html_(self):
        waits = "".join(f"<p>{a.reason}; give {a.give}.</p>" for a in self.absent)
        return self.to_frame().drop(columns="plant").to_html(index=False, escape=True, na_rep="") + waits


@dataclass(frozen=True)
class Result:
    """All that was found in one case."""

    findings: Findings
    impact: Impact
    not_run: tuple[NotRun, ...] = ()
    case: Case | None = field(default=None, repr=False)

    @property
    def verdict(self) -> str:
        return self.findings.verdict

    def to_frame(self) -> pd.DataFrame:
        return self.findings.to_frame()

    def plot(self):
        return self.findings.plot()

    def _repr_html_(self):
        return self.findings._repr_html_() + self.impact._repr_html_()


@dataclass(frozen=True)
class Cell:
    """One skew at one severity: what it cost, and which checks noticed.

    A check has noticed when its verdict on the skewed table is worse than its verdict on the unskewed one; the checks
    in ``already`` alarm on the unskewed one, for the world has drifted.
    """

    plant: str
    skew: dict
    scope: dict
    severity: float
    rows: int  # that differ from the unskewed table
    result: Result
    noticed: tuple[str, ...]
    already: tuple[str, ...]

    @property
    def verdict(self) -> str:
        return self.result.verdict

    def __str__(self):
        """One line for a log."""
        costs = [c for m in HEADLINE if (c := self.result.impact.get(m)) is not None and c.delta is not None]
        told = ", ".join(f"{c.metric} {c.delta:+.4f}" for c in costs[:2])
        return (
            f"{self.plant:<28} {self.rows:>9,} rows changed  {told}  noticed by {', '.join(self.noticed) or 'nothing'}"
        )


class Drill(tuple):
    """The cells of a drill, a skew after the other, severities rising."""

    def __new__(cls, cells: Iterable[Cell] = ()):
        return super().__new__(cls, cells)

    @property
    def verdict(self) -> str:
        """The worst verdict of all cells."""
        return str(max((Verdict[c.verdict] for c in self), default=Verdict.inconclusive))

    def to_frame(self) -> pd.DataFrame:
        """A row a cell: the matrix of skew x severity, with what it cost and what noticed."""
        rows = []
        for c in self:
            costs = {m: c.result.impact.get(m) for m in HEADLINE}
            row = {"skew": c.skew["skew"], "severity": c.severity, "rows": c.rows}
            for m, cost in costs.items():
                if cost is not None:
                    row |= {m: cost.delta, f"{m}_low": cost.low, f"{m}_high": cost.high}
            rows.append({**row, "noticed": ", ".join(c.noticed), "already": ", ".join(c.already)})
        return pd.DataFrame(rows)

    def plot(self):
        return plots.drill(self.to_frame())

    def __repr__(self):
        return f"<{len(self)} cells of a drill: {self.verdict}>"

    def _repr_html_(self):
        return self.to_frame().to_html(index=False, escape=True, na_rep="", float_format="{:.4f}".format)
