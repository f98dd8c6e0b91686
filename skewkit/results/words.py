"""What a run found in words: a finding, a blind spot, an incident, and numbers for reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..records import Finding, Verdict
from ..statistics.metrics import FALLS, RISES, named, stem
from .blindspots import Seen, there

TELLS = {
    "undated": "has no time of its newest datum in {value:.2%} of its values",
    "unlogged": "was not logged for {value:.2%} of the requests",
    "miss_rate": "came not from the cache in {value:.2%} of the fetches",
    "age_p95": "is {value:,.0f} s old or older in one request of 20",
    "age_p99": "is {value:,.0f} s old or older in one request of 100",
    "fetch_p95": "takes {value:,.0f} ms or more to fetch in one request of 20",
    "fetch_p99": "takes {value:,.0f} ms or more to fetch in one request of 100",
    "age_change": "is of another age than in the other table (KS {value:.3f})",
    "moves_with_error": "is older when the model errs more (rank correlation {value:.2f})",
    "misses_move_with_error": "misses its cache more when the model errs more (rank correlation {value:.2f})",
    "newer": "is newer than it may be in {value:.2%} of rows",
    "too_good": "alone tells the label too well ({value:.4f} of 1)",
    "gap": "tells the label worse later than in training (by {value:.3f})",
    "missing": "is missing",
    "retyped": "is of another type",
    "recoded": "has its categories under other codes",
    "constant": "has turned constant",
    "new": "{value:.0f} features are new",
    "twin": "holds what another feature holds",
    "absent": "is not there, against the contract",
    "wrong_type": "is of another type than agreed in {value:.2%} of rows",
    "outside": "is outside the agreed range in {value:.2%} of rows",
    "unknown": "holds values that were not agreed in {value:.2%} of rows",
    "duplicated": "is not unique, as agreed, in {value:.2%} of rows",
    "too_many_nulls": "is null in {value:.2%} of rows more than agreed",
    "disordered": "the columns stand in another order than agreed",
    "unreviewed": "nobody has reviewed the contract as it stands",
    "ks": "is distributed otherwise (KS {value:.3f})",
    "shape": "is distributed otherwise (the share of a cell changed by {value:.0%} on average)",
    "cells": "has values whose share changed by {value:.0%}",
    "formats": "is written otherwise (the share of a format changed by {value:.0%})",
    "lost": "has lost categories that were {value:.2%} of rows",
    "null_share": "has another share of nulls (by {value:.2%})",
    "unseen": "holds categories never seen before in {value:.2%} of rows",
    "differ": "differs in {value:.2%} of rows",
    "differ_alone": "differs in {value:.2%} of the rows whose features agree: look at the model, its version or the service",
    "one_path": "is returned by one path alone",
    "missing_keys": "{value:.2%} of the replayed requests were never logged",
    "extra_keys": "{value:.2%} of the logged requests have no replay",
    "duplicate_keys": "{value:.2%} of rows share their key with another",
    "null_keys": "{value:.2%} of rows have no key",
    "certified": "{value:.2%} of rows differ in some feature",
    "fleet": "{value:.0%} of the features differ in many of their rows",
    "model_differs": "is another in the model than in training",
    "age": "the parity run is {value:.0f} days old",
    "inputs_short": "both paths were sent {value:,.0f} inputs fewer than agreed",
    "other_candidate": "the parity run is not of this candidate",
    "undelivered": "{value:.2%} of the requests chosen for the log are not in it",
    "unjoinable": "{value:.2%} of the log's rows have no key to join their label by",
    "strange": "{value:.2%} of the log's rows are of no request",
    "uncompared": "cannot be compared in {value:.2%} of requests",
    "mismatched": "is another in the two logs in {value:.2%} of requests",
    "impossible": "holds what cannot be in {value:.2%} of requests",
    "moved": "predictions are apart in {value:.2%} of requests",
    "flips": "decisions flip in {value:.2%} of requests",
    "decided": "the share of decisions for yes differs by {value:.2%} of requests",
    "mean_change": "the mean prediction is {value:.1%} off the current model's",
    "calibration": "the calibration error is larger by {value:.4f}",
    "errors": "requests fail more often, by {value:.2%} of them",
    "unanswered": "{value:.2%} of requests have no answer of the candidate",
    "latency_p50": "the median request takes {value:.0%} longer",
    "latency_p95": "the slowest request of 20 takes {value:.0%} longer",
    "latency_p99": "the slowest request of 100 takes {value:.0%} longer",
    "latency_nulls": "how long a request took is missing in another share of requests (by {value:.2%})",
    "default_share": "holds its default in another share of requests (by {value:.2%})",
    "canary_share": "the canary's share of the traffic is {value:.2%} outside 1% to 5%",
    "sample_ratio": "the canary's share of the traffic is {value:.2%} off the one that was meant",
    "irreversible": "{value:.0%} of the models cannot be rolled back to today",
    "days_without": "on {value:.0f} days of the window some model could not be rolled back to",
    "dual_run": "{value:.0%} of the old versions that must run beside a new model do not",
    "unnamed": "the drill's cause was not named",
    "false_alarms": "false alarms of the drill's team: {value:.0f}",
    "undetected": "what the drill planted was not detected",
    "unfound": "{value:.0%} of the drill's wrong features were not claimed",
    "unverified": "nobody verified that what the drill planted was over",
    **dict.fromkeys(FALLS, "the model's {name} fell by {value:.4f}"),
    **dict.fromkeys(RISES, "the model's {name} rose by {value:.1%} of what it was"),
}
TOGETHER = 3  # features that are told each for itself
MEASURES = {
    "change": "change of",
    "relative": "change, as a share of what it was, of",
    "remaining": "what is left of the change of",
}
FIRES = {
    "fires": "requests until the first check fires, with a replay",
    "fires_alone": "requests until the first check fires, training and served alone",
    "needs": "labelled requests until the metric alone shows it",
}


def tell(f: Finding) -> str:
    """One finding in words."""
    where = f" where {f.segment.replace('=', ' is ')}" if f.segment else ""
    if f.verdict == Verdict.inconclusive and f.statistic != "uncompared":
        enough = f"; about {f.needs:,} on each side would settle it" if f.needs else ""
        counted = f" (counting as {f.effective:,}, for those of one entity are alike)" if f.effective else ""
        about = f"{f.feature or f.statistic}{where}"
        return f"{about}: {f.n:,} rows{counted} cannot tell whether {f.statistic} is within {f.threshold:g}{enough}"
    text = TELLS.get(stem(f.statistic), f"{f.statistic} {{value:.4g}}").format(value=f.value, name=named(f.statistic))
    rule = f" ({f.statistic})" if "@" in f.statistic and f.check != "impact" else ""
    return (f"{f.feature} {text}" if f.feature else text) + rule + where


def told_once(found: Sequence[Finding]) -> list[tuple[Finding, str]]:
    """Findings in words, each once: where too little data leaves many features of one statistic open, they are told together.

    What stands for them is the one whose value may be the farthest.
    """
    groups: dict[tuple, list[Finding]] = {}
    for at, f in enumerate(found):
        open_ = f.verdict == Verdict.inconclusive and f.feature and not f.detail
        groups.setdefault((f.check, f.change, f.statistic, f.segment) if open_ else (at,), []).append(f)
    told: list[tuple[Finding, str]] = []
    for one in groups.values():
        few = len(one) <= TOGETHER
        told += [(f, tell(f)) for f in one] if few else [(max(one, key=lambda f: f.high or 0), _together(one))]
    return told


def _together(found):
    one = max(found, key=lambda f: f.needs or 0)
    names = ", ".join(f.feature for f in found[:TOGETHER])
    enough = f"; about {one.needs:,} on each side would settle it" if one.needs else ""
    return f"{len(found)} features ({names} and others): {one.n:,} rows cannot tell whether {one.statistic} is within {one.threshold:g}{enough}"


def evidence(f: Finding) -> list[str]:
    """What of the data shows a finding, a line each: the cells that moved, or the rows that differ."""
    return [_shown(row) for row in f.detail or ()]


def _shown(row):
    if {"cell", "before", "after"} <= set(row):
        return f"{row['cell']}: {row['before']:.2%} of rows before, {row['after']:.2%} after"
    if {"replayed", "served", "rows"} <= set(row):
        return f"{row['replayed']} became {row['served']} in {several(row['rows'], 'row')}"
    return ", ".join(f"{name} {value}" for name, value in row.items())


def tolerated(f: Finding) -> str:
    """What is tolerated, and whether it was learnt."""
    learnt = f" (its own days move by up to {f.wobble:.3g})" if f.wobble else ""
    return f"{number(f.threshold)}{learnt}"


def about(one: Mapping[str, Any]) -> str:
    """What a finding of another run was about."""
    where = f" where {one['segment'].replace('=', ' is ')}" if one["segment"] else ""
    whole = {"rollback": "models", "shadow": "all requests", "blind": "the drill", "impact": "the model"}.get(
        one["check"], "keys"
    )
    return f"{one['feature'] or whole}: {one['check']} {one['statistic']}{where} ({one['change']})"


def number(value) -> str:
    """A number for reading; nothing for null."""
    if value is None or value != value:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}" if abs(value) < 1000 else f"{value:,.1f}"


def share(value) -> str:
    """A share in percent: 1% and 0.5%, as it was asked."""
    return f"{100 * value:.3g}%"


def requests(count) -> str:
    """A number of requests, with its thousands apart."""
    return "never" if count is None else f"{int(count):,}"


def having(regime: str) -> str:
    """With what at hand something is noticed."""
    return regime if regime.startswith("with ") else f"with {regime} alone"


def several(count: int, thing: str) -> str:
    """So many of a thing: 1 skew, 1,200 skews."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def telling(seen: Seen) -> str:
    """How much is noticed in one regime, and the worst that is not, in a sentence or two."""
    if seen.noticed == seen.planted:
        return f"all noticed ({several(seen.planted, 'planting')})."
    lost, said = seen.largest, f"{seen.noticed:,} of {several(seen.planted, 'planting')} noticed."
    alone = f" {seen.unmeasured} that the model could not score went unnoticed." if seen.unmeasured else ""
    if lost is None:
        return said + alone
    about = f" ({lost['low']:+.4f} to {lost['high']:+.4f})" if there(lost["low"]) else ""
    what = f"{lost['skew']} at {share(lost['severity'])}, {lost['cost']:+.4f} {named(lost['metric'])}{about}."
    if lost["sure"]:
        return f"{said} The largest loss that nothing notices: {what}{alone}"
    return f"{said} Nothing that goes unnoticed costs more than chance may; nearest is {what}{alone}"


def incident(told: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """What was reported of an incident beside what was measured, line by line; nothing where there was none."""
    if told is None:
        return []
    seeds, measure = len(told.get("seeds") or told["values"]), told.get("measure", "change")
    say = share if measure != "change" else "{:+.4f}".format
    metric = told["metric"] or "no metric"
    lines = [("reported", told["reported"])]
    if told["metric"]:
        where = f", where {told['segment'].replace('=', ' is ')}" if told.get("segment") else ""
        lines.append(("looked for", f"{MEASURES[measure]} {metric}{where}"))
    if there(told.get("before")) and there(told.get("after")):
        lines.append((f"{metric}, before and after", f"{told['before']:.4f} → {told['after']:.4f}"))
    if there(told["mean"]):
        spread = f", from {say(told['from'])} to {say(told['to'])}" if len(told["values"]) > 1 else ""
        lines.append(
            ("measured", f"{say(told['mean'])} ({'mean of ' if seeds > 1 else ''}{several(seeds, 'seed')}{spread})")
        )
    if there(told["low"]):
        landed = {True: "yes", False: "no", None: "it could not be measured"}[told["landed"]]
        lines.append(("counts as reached", f"{say(told['low'])} to {say(told['high'])}"))
        lines.append(("reached", landed))
    if there(told.get("offline")):
        lines.append((f"offline validation, {metric}", f"{told['offline']:.4f}"))
    for name, what in FIRES.items():
        if name in told:
            lines.append((what, requests(told[name])))
    left = {how: value for how, value in (told.get("mitigated") or {}).items() if there(value)}
    lines += [(f"left after {how}", f"{value:+.4f} {metric}") for how, value in left.items()]
    return lines + ([("note", told["note"])] if told.get("note") else [])
