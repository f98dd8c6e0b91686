"""The page of a run, made from its result alone: verdict first, then what, how much, and which runbook."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup, escape

from ..progress import shown
from ..records import Cost, Finding, Verdict
from ..results import blindspots, hourly, plots
from ..results.formulas import FORMULAS
from ..results.picture import said
from ..results.timeline import timeline
from ..results.words import (
    about,
    evidence,
    having,
    incident,
    number,
    requests,
    several,
    share,
    tell,
    telling,
    told_once,
    tolerated,
)
from ..statistics.metrics import headline, named, stem
from .meaning import UNFINISHED, meaning
from .runbook import markdown, reachable, runbook

MOST = 8  # causes that the page shows in full
DESCRIBED = 2_000  # values that it shows, the worst first where there are more
SPLIT = 100  # features of which it shows what is drift and what is skew
SIGNS = {"ok": "✓", "warn": "▲", "inconclusive": "?", "breach": "✕"}
SIDES = {
    "training": "training against its own events, times and labels",
    "served": "what was served against what was agreed for it",
    "skew": "served against replayed",
    "drift": "replayed against training",
    "total": "served against training",
    "candidate": "the candidate against the current model",
    "deployed": "what models need against what is computed and kept",
    "drill": "what a blind drill planted against what its team claimed",
}


def page(result: Mapping[str, Any]) -> str:
    """The whole page as HTML that needs no other file. All that came from data is escaped."""
    every = findings(result)
    judged = [f for f in every if f.verdict is not None]
    described = [f for f in every if f.plant is None]
    if len(described) > DESCRIBED:
        described = sorted(described, key=lambda f: (f.verdict is None, *(urgency(f) if f.verdict is not None else ())))
    causes = [fit for fit in result["fits"] if fit["plant"] is None]
    beyond = sorted((f for f in judged if f.verdict > Verdict.ok), key=urgency)
    alarms = [f for f in beyond if not f.accepted]
    spots = blindspots.frame(result["drill"])
    pictures = [(picture, result)] if result["drill"] else [(plots.findings, judged), (plots.impact, costs(result))]
    decision = result.get("decision")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        number=number,
        share=share,
        requests=requests,
        metric=named,
        tolerated=tolerated,
        evidence=evidence,
        about=about,
        marked=marked,
    )
    return environment.from_string(
        files(__package__).joinpath("page.html.jinja").read_text("utf-8")
    ).render(
        r=result,
        title=f"{decision['said'] if decision else result['verdict']}: skewkit {result['notebook']}",
        summary=summary(result),
        signs=SIGNS,
        sides=SIDES,
        meaning=meaning(result),
        headline=headline,
        skew=told_once([f for f in alarms if f.change != "drift" and not f.segment]),
        parts=[(f, tell(f)) for f in alarms if f.segment],
        accepted=[(f, tell(f)) for f in beyond if f.accepted],
        formulas={(name := f"{f.check}.{stem(f.statistic)}"): FORMULAS[name] for f in every}.items(),
        certified=next((f for f in judged if f.statistic == "certified" and not f.segment), None),
        drift=told_once([f for f in alarms if f.change == "drift" and not f.segment]),
        changes_seen={f.change for f in judged},
        described=described[:DESCRIBED],
        left=len(described) - DESCRIBED,
        split=result.get("split", ())[:SPLIT],
        changes=[c for c in costs(result) if c.change in plots.CHANGED and c.plant is None],
        offline={c.metric: c for c in costs(result) if c.change == "offline"},
        matrix=[{**cell["row"], "called": called(cell)} for cell in result["drill"]],
        training={cell["scope"].get("side") for cell in result["drill"]} == {"training"},
        blind=[(seen, telling(seen)) for seen in blindspots.by_regime(spots)],
        already=blindspots.already(spots),
        by_skew=blindspots.by_skew(spots),
        crowded=many(result),
        metric=next(iter(spots["metric"].dropna()), None),
        incident=incident(result["incident"]),
        pictures=[_html(*one) for one in pictures],
        decision=decision,
        debrief=result.get("debrief"),
        uncosted=result["notebook"] in ("gate", "debrief"),  # no requests were scored
        drawn=_html(lambda told: timeline(**told), result["debrief"]["timeline"]) if result.get("debrief") else "",
        hours=_html(hourly.hours, decision["hours"]) if decision and decision["hours"] else "",
        known=[(hourly.watched_name(one), row) for one in (decision or {}).get("hours", ()) for row in _hours(one)],
        between=("current", "candidate") if decision else ("replayed", "served"),
        causes=[(fit, _html(plots.cause, fit) if fit["picture"] else "") for fit in causes[:MOST]],
        more=len(causes) - MOST,
        todo=runbooks(result),
        runbooks=[(name, markdown(runbook(name))) for name in reachable(runbooks(result))],
    )


@shown(said)
def _html(draw, *of) -> str:
    """A picture as HTML; where it cannot be drawn, a sentence in its place."""
    return draw(*of).html()


def plain_page(result: Mapping[str, Any]) -> str:
    """The page where the other one could not be made: the verdict, what was not run, and where all the rest is."""
    lines = [f"{r['step']}: {r['reason']}; give {r['give']}" for r in result["not_run"]]
    told = Markup("").join(Markup("<li>{}</li>").format(line) for line in lines)
    return Markup(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>{0}: skewkit {1}</title>'
        "<h1>{0}</h1><p>This page could not be made. All that was found is in result.json beside it.</p><ul>{2}</ul></html>"
    ).format(result["verdict"], result["notebook"], told)


def marked(text: str) -> Markup:
    """A sentence with what stands between backticks as code, all of it escaped."""
    parts = [escape(p) for p in text.split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(p) if i % 2 else p for i, p in enumerate(parts))


def _hours(one):
    """What was known of a statistic, at eight hours from the first to the last."""
    last = len(one["at"]) - 1
    for i in sorted({round(last * step / 7) for step in range(8)}):
        yield {n: one[n][i] for n in ("at", "value", "low", "high")}


def summary(result) -> str:
    """The run in one or two sentences, the worst first."""
    if told := result.get("decision") or result.get("debrief"):
        return told["sentence"]
    if result["drill"]:
        return _drilled(result)
    judged = [
        f for f in findings(result) if f.verdict is not None and str(f.verdict) == result["verdict"] and not f.accepted
    ]
    if result["verdict"] == "ok" or not judged:
        return meaning(result)
    if result["verdict"] in ("breach", "warn") and (causes := _named(result)):
        return causes
    if result["notebook"] == "gate":  # of parts of different kinds none outranks another
        first = {(f.check, f.statistic): f for f in sorted(judged, key=urgency, reverse=True)}
        return " ".join(f"{tell(f)}." for f in judged if first[f.check, f.statistic] is f)
    first, *_ = judged = sorted(judged, key=urgency)
    about = dict.fromkeys(f.feature for f in judged if f.feature and f.change == first.change)
    others = [f for f in about if f != first.feature]
    rest = f" and {len(others) - 5} more" if len(others) > 5 else ""
    more = f" Also {', '.join(others[:5])}{rest}." if others else ""
    lost = next((c for c in costs(result) if c.change == "skew" and c.segment is None and c.delta is not None), None)
    cost = ""
    if lost and lost.low is not None and lost.before is not None and result["verdict"] == "breach":
        cost = f" {named(lost.metric)} changed by {lost.delta:+.4f} ({lost.low:+.4f} to {lost.high:+.4f})."
    return f"{tell(first)} ({SIDES[first.change]}).{more}{cost}"


def _named(result):
    """The first causes in a sentence each; nothing where none is named."""
    named = [fit["sentence"] for fit in result["fits"] if fit["skew"] != "unknown"]
    more = f" And {len(named) - 2} more causes, of which the first are below." if len(named) > 2 else ""
    return " ".join(named[:2]) + more


def _drilled(result):
    """How much of what was planted was noticed; of a few skews, what was not as well."""
    rows = matrix(result)
    planted = (
        rows[(rows["severity"] > 0) & rows["mitigation"].isna()] if "mitigation" in rows else rows[rows["severity"] > 0]
    )
    skews = several(planted["skew"].nunique(), "skew")
    plants = f"{several(len(planted), 'planting')} of {skews}"
    if many(result):
        seen = blindspots.by_regime(blindspots.frame(result["drill"]))
        return f"{several(seen[0].planted, 'planting')} of {skews}. Noticed: {', '.join(f'{one.noticed} {having(one.regime)}' for one in seen)}."
    missed = planted[planted["noticed"] == ""]
    blind = ", ".join(f"{r.skew} at {r.severity:g}" for r in missed.itertuples())
    return f"{plants}: {len(planted) - len(missed)} noticed" + (f"; not noticed: {blind}." if blind else ".")


def urgency(f: Finding):
    """What to read first: the worst verdict, facts before statistics, features before totals, the largest value."""
    return (
        -f.verdict,
        f.change == "drift",
        f.segment is not None,
        f.check == "distribution",
        f.feature is None,
        -f.value,
    )


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


def many(result) -> bool:
    """Whether a drill has too many skews for lines in one picture, and for a row a cell in a terminal."""
    return blindspots.frame(result["drill"])["skew"].nunique() > blindspots.MANY


def picture(result) -> plots.Picture:
    """A drill's picture: of many skews who notices each, of a few what each costs by severity."""
    if many(result):
        return plots.matrix(blindspots.frame(result["drill"]))
    rows = matrix(result)
    plain = rows["mitigation"].isna() if "mitigation" in rows else rows["skew"].notna()
    return plots.drill(rows[plain])


def called(cell) -> str:
    """What a row of a drill's table is of: the skew, and what was done about it."""
    after = cell["plant"].rpartition("@")[2].partition(", ")[2]
    return cell["row"]["skew"] + (f", after {after}" if cell["mitigation"] else f", {after}" if after else "")


def runbooks(result) -> list[str]:
    """The runbooks that the findings beyond their threshold open, each once; of drift, and of too little data, their own too."""
    alarms = sorted((f for f in findings(result) if f.verdict and f.plant is None and not f.accepted), key=urgency)
    unsure = result["verdict"] == "inconclusive" and (alarms or meaning(result) == UNFINISHED)
    worse = ["runbooks/inconclusive.md"] if unsure else []
    worse += [fit["runbook"] for fit in result["fits"] if fit["plant"] is None]
    for f in alarms:
        worse += [f.runbook, "runbooks/drift.md"] if f.change == "drift" else [f.runbook]
    planted = [f"runbooks/{one['skew']}.md" for cell in result["drill"] for one in cell["skews"]]
    return list(dict.fromkeys([*worse, *planted]))


def matrix_text(result) -> str:
    """A drill's table for a terminal: of many skews a row a skew, of a few a row a cell; then each regime, and the incident."""
    spots = blindspots.frame(result["drill"])
    rows = _short(spots) if many(result) else _long(result)
    known = {c.metric: c for c in costs(result) if c.change == "offline"}
    offline = [known[m] for m in headline(known)]
    beside = [f"offline validation {named(c.metric)} {c.before:.4f}: no fault in serving moves it" for c in offline]
    told = [f"{seen.regime}: {telling(seen)}" for seen in blindspots.by_regime(spots)]
    reported = [f"{what}: {value}" for what, value in incident(result["incident"])]
    return "\n".join([pd.DataFrame(rows).to_string(index=False), *beside, *told, *reported])


def _short(spots):
    """From which severity each skew is noticed, and after how many requests at its worst."""
    for one in blindspots.by_skew(spots):
        shown = {"skew": one["skew"]}
        for regime, seen in one["regimes"].items():
            shown[regime] = f"from {share(seen['from'])}" if seen["from"] else "-"
            shown[regime] += f", after {requests(seen['fires'])}" if seen["first"] else ""
        metric = next(iter(spots["metric"].dropna()), None)
        if metric:
            shown[f"{named(metric)} change"] = f"{one['cost']:+.4f}" if one["cost"] is not None else "not measured"
        yield {**shown, "the metric needs": requests(one["needs"])}


def _long(result):
    for cell in result["drill"]:
        row = cell["row"]
        shown = {"skew": called(cell), "severity": f"{row['severity']:g}"}
        for metric in headline(m for m, value in row.items() if value is not None):
            shown[f"{metric} change"] = (
                f"{row[metric]:+.4f} [{number(row[f'{metric}_low'])}, {number(row[f'{metric}_high'])}]"
            )
        yield {**shown, "noticed by": row["noticed"] or "-", "named (features)": row["named"] or "-"}
