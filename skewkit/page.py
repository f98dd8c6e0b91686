"""The page of a run, made from its result alone: verdict first, then what, how much, and which runbook."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import mistune
import pandas as pd
from jinja2 import Environment

from . import plots
from .metrics import HEADLINE, NAMES
from .records import Cost, Finding, SkewkitError, Verdict


class _Inside(mistune.HTMLRenderer):
    """A runbook inside the page: its headings below the page's, its links to other runbooks within the page."""

    def heading(self, text, level, **attrs):
        return super().heading(text, min(level + 2, 6), **attrs)

    def link(self, text, url, title=None):
        inside = url.endswith(".md") and "/" not in url
        return super().link(text, f"#runbooks/{url}" if inside else url, title)


markdown = mistune.create_markdown(renderer=_Inside(escape=True), plugins=["table"])

SIGNS = {"ok": "✓", "warn": "▲", "inconclusive": "?", "breach": "✕"}
MEANING = {
    "ok": "Nothing that was checked is beyond what is tolerated.",
    "warn": "Something moved beyond what is tolerated; it is no proof of a fault between training and serving.",
    "inconclusive": "There is too little data to say.",
    "breach": "Serving did not hold what training would have: something is at fault.",
}
UNSPLIT = (
    "Serving differs from training by more than may be missed; only a replay can tell a fault from a changed world."
)
SIDES = {
    "training": "training against what its own events give",
    "skew": "served against replayed",
    "drift": "replayed against training",
    "total": "served against training",
}
TELLS = {
    "missing": "is missing",
    "retyped": "is of another type",
    "constant": "has turned constant",
    "new": "{value:.0f} features are new",
    "ks": "is distributed otherwise (KS {value:.3f})",
    "null_share": "has another share of nulls (by {value:.2%})",
    "unseen": "holds categories never seen before in {value:.2%} of rows",
    "differ": "differs in {value:.2%} of rows",
    "missing_keys": "{value:.2%} of the replayed requests were never logged",
    "extra_keys": "{value:.2%} of the logged requests have no replay",
    "duplicate_keys": "{value:.2%} of rows share their key with another",
    "null_keys": "{value:.2%} of rows have no key",
    "fleet": "{value:.0%} of the features differ in many of their rows",
}


def page(result: Mapping[str, Any]) -> str:
    """The whole page as HTML that needs no other file. All that came from data is escaped."""
    judged = [f for f in findings(result) if f.verdict is not None]
    alarms = sorted((f for f in judged if f.verdict > Verdict.ok), key=urgency)
    pictures = (
        [plots.drill(matrix(result))] if result["drill"] else [plots.findings(judged), plots.impact(costs(result))]
    )
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(number=number, share=lambda v: f"{v:.0%}", metric=NAMES.__getitem__)
    return environment.from_string(files(__package__).joinpath("page.html.jinja").read_text("utf-8")).render(
        r=result,
        title=title(result),
        summary=summary(result),
        signs=SIGNS,
        sides=SIDES,
        meaning=meaning(result),
        headline=HEADLINE,
        skew=[(f, tell(f)) for f in alarms if f.change != "drift"],
        drift=[(f, tell(f)) for f in alarms if f.change == "drift"],
        changes_seen={f.change for f in judged},
        described=[f for f in findings(result) if f.plant is None],
        changes=[c for c in costs(result) if c.change == "skew" and c.plant is None],
        offline={c.metric: c for c in costs(result) if c.change == "offline"},
        matrix=[cell["row"] for cell in result["drill"]],
        pictures=[p.html() for p in pictures],
        todo=runbooks(result),
        runbooks=[(name, markdown(runbook(name))) for name in reachable(runbooks(result))],
    )


def title(result) -> str:
    return f"{result['verdict']}: skewkit {result['notebook']}"


def meaning(result) -> str:
    """What the verdict says, which without a replay is less."""
    alone = result["verdict"] == "breach" and any(f["change"] == "total" for f in result["findings"])
    return UNSPLIT if alone else MEANING[result["verdict"]]


def summary(result) -> str:
    """The run in one or two sentences, the worst first."""
    if result["drill"]:
        rows = matrix(result)
        planted = rows[rows["severity"] > 0]
        missed = planted[planted["noticed"] == ""]
        plants = f"{len(planted)} plantings of {planted['skew'].nunique()} skews"
        blind = ", ".join(f"{r.skew} at {r.severity:g}" for r in missed.itertuples())
        return f"{plants}: {len(planted) - len(missed)} noticed" + (f"; not noticed: {blind}." if blind else ".")
    judged = [f for f in findings(result) if f.verdict is not None and str(f.verdict) == result["verdict"]]
    if result["verdict"] == "ok" or not judged:
        return meaning(result)
    first, *_ = judged = sorted(judged, key=urgency)
    about = dict.fromkeys(f.feature for f in judged if f.feature and f.change == first.change)
    others = [f for f in about if f != first.feature]
    rest = f" and {len(others) - 5} more" if len(others) > 5 else ""
    more = f" Also {', '.join(others[:5])}{rest}." if others else ""
    lost = next((c for c in costs(result) if c.change == "skew" and c.segment is None and c.delta is not None), None)
    cost = ""
    if lost and lost.low is not None and lost.before is not None and result["verdict"] == "breach":
        cost = f" {NAMES[lost.metric]} changed by {lost.delta:+.4f} ({lost.low:+.4f} to {lost.high:+.4f})."
    return f"{tell(first)} ({SIDES[first.change]}).{more}{cost}"


def urgency(f: Finding):
    """What to read first: the worst verdict, facts before statistics, features before totals, the largest value."""
    return (-f.verdict, f.change == "drift", f.check == "distribution", f.feature is None, -f.value)


def tell(f: Finding) -> str:
    """One finding in words."""
    if f.verdict == Verdict.inconclusive:
        return f"{f.feature or f.statistic}: {f.n} rows cannot tell whether {f.statistic} is within {f.threshold:g}"
    text = TELLS.get(f.statistic, f"{f.statistic} {{value:.4g}}").format(value=f.value)
    return f"{f.feature} {text}" if f.feature else text


def number(value) -> str:
    """A number for reading; nothing for null."""
    if value is None or value != value:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}" if abs(value) < 1000 else f"{value:,.1f}"


def findings(result) -> list[Finding]:
    """The findings of a result, as records again."""
    rows = result["findings"]
    return [
        Finding(**{**row, "verdict": row["verdict"] and Verdict[row["verdict"]]}) if row["verdict"] else Finding(**row)
        for row in rows
    ]


def costs(result) -> list[Cost]:
    return [Cost(**row) for row in result["impact"]]


def matrix(result) -> pd.DataFrame:
    """A drill's table: a row a skew and severity."""
    return pd.DataFrame([cell["row"] for cell in result["drill"]])


def runbooks(result) -> list[str]:
    """The runbooks that the findings beyond their threshold open, each once."""
    alarms = sorted((f for f in findings(result) if f.verdict and f.plant is None), key=urgency)
    worse = [f.runbook for f in alarms]
    planted = [f"runbooks/{one['skew']}.md" for cell in result["drill"] for one in cell["skews"]]
    return list(dict.fromkeys([*worse, *planted]))


def reachable(names: list[str]) -> list[str]:
    """These runbooks and all that they link to: who reads the page at night may have nothing else at hand."""
    found = list(names)
    for name in found:  # grows as it is read
        linked = [f"runbooks/{stem}.md" for stem in re.findall(r"\]\((\w+)\.md\)", runbook(name))]
        found += [n for n in dict.fromkeys(linked) if n not in found]
    return found


def runbook(name: str) -> str:
    """The text of a runbook, from the repository or from inside the installed package."""
    inside = Path(str(files(__package__)))
    for folder in (inside.parent, inside):
        if (folder / name).is_file():
            return (folder / name).read_text("utf-8")
    raise SkewkitError(f"there is no {name}; every check and skew has one in runbooks/")


def matrix_text(result) -> str:
    """A drill's table for a terminal."""
    rows = []
    for cell in result["drill"]:
        row = cell["row"]
        shown = {"skew": row["skew"], "severity": f"{row['severity']:g}"}
        for metric in HEADLINE:
            if row.get(metric) is not None:
                shown[f"{metric} change"] = (
                    f"{row[metric]:+.4f} [{number(row[f'{metric}_low'])}, {number(row[f'{metric}_high'])}]"
                )
        rows.append({**shown, "noticed by": row["noticed"] or "-"})
    offline = [c for c in costs(result) if c.change == "offline" and c.metric in HEADLINE]
    beside = [f"offline validation {NAMES[c.metric]} {c.before:.4f}: the same at every severity" for c in offline]
    return "\n".join([pd.DataFrame(rows).to_string(index=False), *beside])
