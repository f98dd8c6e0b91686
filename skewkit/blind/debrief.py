"""A revealed drill, judged: its score, what the checks would have found, and its journal in the shape of Chaos Toolkit's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..durable import write
from ..policy import Policy
from ..policy_file import read_policy
from ..records import Finding, SkewkitError
from ..results.results import Debrief, Findings, Impact
from ..results.timeline import of_journal
from .machine import REGIMES, machine
from .score import Score, score, side_by_side
from .seal import digest, spelled
from .team import Blind, told_as


def debrief(folder: str | Path, policy: str | None = None) -> Score:
    """The score of a revealed drill, with what the checks would have found; journal.json is written beside it.

    What the checks would have found takes a while, and is kept in machine.json.
    """
    drill = Blind(folder)
    truth, lines = truth_told(drill), drill.journal.lines()
    kept = drill.folder / "machine.json"
    if not kept.exists():
        write(kept, json.dumps(machine(drill, read_policy(policy)), indent=1) + "\n")
    made = score(drill, truth, json.loads(kept.read_text("utf-8")))
    write(
        drill.folder / "journal.json", json.dumps(chaos(drill.told, lines, truth), indent=1, ensure_ascii=False) + "\n"
    )
    return made


def outcome(scores: Sequence[Score], folder: str | Path, policy: str | None = None) -> Debrief:
    """The first of the scores as a result for a report, the others beside it: findings, what was read, and how it went."""
    drill, made = Blind(folder), scores[0]
    truth, lines = truth_told(drill), drill.journal.lines()
    table = side_by_side(list(scores))
    told = {
        "sentence": sentence(made),
        "columns": list(table),
        "rows": [[name, *row] for name, row in zip(table.index, table.to_numpy().tolist(), strict=True)],
        "timeline": of_journal(lines, truth, made.machine),
        "journal": [told_as(line) for line in lines],
    }
    read = tuple(
        {
            "role": n,
            "uri": p.as_posix(),
            "rows": len(p.read_bytes().splitlines()),
            "columns": None,
            "sha256": sha256(p.read_bytes()).hexdigest(),
        }
        for n, p in (("journal", drill.journal.path), ("truth", drill.folder / "truth.json"))
    )
    return Debrief(findings(made, read_policy(policy)), Impact(), read=read, told=told)


def sentence(made: Score) -> str:
    """The drill in two sentences."""
    planted, claimed = (
        " and ".join(made.planted) or "nothing (a placebo)",
        " and ".join(made.claimed) or "nothing was claimed",
    )
    first = (
        f"Planted: {planted}. Claimed: {claimed} ({made.grade})." if made.claimed else f"Planted: {planted}; {claimed}."
    )
    if made.placebo:
        return f"{first} False alarms: {made.false_alarms}."
    took = made.times["detect"]
    seen = took and f"detected {took.hours} h ({took.minutes:g} min) after it came"
    checks = made.machine.get(REGIMES[1], {}).get("hour")
    theirs = (
        f"the checks with a replay would have noticed after {checks - made.onset} h"
        if checks
        else "the checks would not have noticed"
    )
    return f"{first} It was {seen}; {theirs}." if took else f"{first} Nobody detected it; {theirs}."


def findings(made: Score, policy: Policy | None = None) -> Findings:
    """The score as findings, judged: what a drill has found out warns, for there is something to learn, and wakes nobody."""
    policy = policy or read_policy()
    detect = made.times["detect"]
    found = [
        _finding("unnamed", float(made.grade != "exact"), "of 1", 1),
        _finding("false_alarms", float(made.false_alarms), "times", made.hours),
    ]
    if not made.placebo:
        lost = made.features_planted - made.features_found
        found += [
            _finding("undetected", float(detect is None), "of 1", 1),
            _finding("unfound", lost / made.features_planted, "share of features", made.features_planted),
            _finding("unverified", float(made.times["verify"] is None), "of 1", 1),
        ]
    return Findings(map(policy.judge, found))


def _finding(statistic, value, unit, n):
    return Finding("blind", "drill", None, statistic, value, unit, n)


def truth_told(drill: Blind) -> dict[str, Any]:
    """The truth, once it was revealed."""
    path = drill.folder / "truth.json"
    if drill.ended != "reveal" or not path.exists():
        state = "was aborted" if drill.ended == "abort" else "is still running"
        raise SkewkitError(
            f"{drill.folder} {state}; what was planted is known after: skewkit blind reveal {drill.folder}"
        )
    truth = json.loads(path.read_text("utf-8"))
    if digest(spelled(truth)) != drill.told["hash"]:
        raise SkewkitError(
            f"{path} is not what was sealed: its hash is another than the one shown at the start; reveal it again"
        )
    return truth


def chaos(told: Mapping[str, Any], lines: list[dict[str, Any]], truth: Mapping[str, Any]) -> dict[str, Any]:
    """The journal as Chaos Toolkit writes one: experiment, steady states, run, rollbacks, status, deviated.

    ``deviated`` says whether what was planted was still at work in the last hour.
    """
    ends = {"reveal": "completed", "abort": "aborted"}
    end = next((line for line in lines if line["kind"] in ends), None)
    last = next((line for line in reversed(lines) if line["kind"] == "hour"), None)
    mended = set(truth["features"]) <= set(last["mended"]) if last else False
    return {
        "experiment": {
            "title": told["drill"],
            "description": f"a blind drill of {told['hours']} hours on {told['world']}",
            "method": truth["skews"],
        },
        "start": lines[0]["at"],
        "end": end and end["at"],
        "status": ends[end["kind"]] if end else "interrupted",
        "deviated": bool(truth["skews"]) and not mended,
        "steady_states": {
            "before": {"steady_state_met": True, "probes": lines[0]["steady"]},
            "after": {"steady_state_met": not truth["skews"] or mended},
        },
        "run": [
            {
                "activity": {"type": "action", "name": n["kind"]},
                "start": n["at"],
                "status": "succeeded",
                "output": _output(n),
            }
            for n in lines
        ],
        "rollbacks": [
            {
                "activity": {"type": "action", "name": "take the copies back"},
                "start": n["at"],
                "status": "succeeded",
                "output": _output(n),
            }
            for n in lines
            if n["kind"] == "rollback"
        ],
    }


def _output(line):
    return {k: v for k, v in line.items() if k not in ("at", "kind", "before")}
