"""How a drill went: what was planted beside what was claimed, and when. It judges the system and the runbooks, not people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from ..records import SkewkitError
from ..skews import SKEWS
from .team import MARKS, NOTHING, UNKNOWN, Blind

TIMES = ("detect", "localise", "name", "mitigate", "verify")


@dataclass(frozen=True)
class Moment:
    """When something was done, since the first hour that held what was planted: hours of the drill's clock, and minutes."""

    hours: int
    minutes: float


@dataclass(frozen=True)
class Score:
    """One drill's. A time is None where it was not reached; features are counted of the last claim."""

    drill: str
    quarter: str
    planted: tuple[str, ...]
    claimed: tuple[str, ...]
    grade: str
    times: Mapping[str, Moment | None]
    features_planted: int
    features_found: int  # of those planted
    features_beside: int  # claimed, and not planted
    since_off: (
        float | None
    )  # hours of the log's own time between the last claim's since and the first row that was changed
    false_alarms: int  # detections and claims with nothing planted, or before the first hour that held it
    wrong_claims: int
    hints: int
    hours: int
    onset: int | None  # the first hour that held what was planted
    machine: Mapping[str, Any] = field(default_factory=dict)

    @property
    def placebo(self) -> bool:
        return not self.planted

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """A row a measure, with the team's value and the machine's."""
        return side_by_side([self])


def score(drill: Blind, truth: Mapping[str, Any], machine: Mapping[str, Any] | None = None) -> Score:
    """The score of a drill by its journal and its truth (see `facilitator.reveal`), and ``machine`` beside it."""
    lines = drill.journal.lines()
    planted, features = {s["skew"] for s in truth["skews"]}, set(truth["features"])
    came = next((line for line in lines if line["kind"] == "hour" and line["hour"] == truth["hour"]), None)
    if planted and came is None:
        raise SkewkitError(
            f"{drill.folder} ended before its hour {truth['hour']}, the first that held what was planted; nothing to score"
        )
    claims = [line for line in lines if line["kind"] == "claim"]
    marks = {what: [m for m in lines if m["kind"] == "mark" and m["mark"] == what] for what in MARKS}
    after = [line for line in lines if came is not None and line["n"] > came["n"]]
    alarms = [line for line in lines if line in marks["detected"] or (line in claims and line["causes"] != [NOTHING])]
    first = {
        "detect": next((line for line in alarms if line in after), None),
        "localise": next(
            (c for c in _in_order(claims, marks["localised"]) if c in after and _located(c, features)), None
        ),
        "name": next((c for c in claims if c in after and _grade(c["causes"], planted) == "exact"), None),
        "mitigate": _mitigated(after, features),
    }
    first["verify"] = _verified(lines, first["mitigate"], marks["verified"])
    last = claims[-1] if claims else {"causes": [], "features": []}
    grade = _grade(last["causes"], planted)
    found = set(last["features"])
    return Score(
        drill=drill.told["drill"],
        quarter=drill.told["quarter"],
        planted=tuple(sorted(planted)),
        claimed=tuple(last["causes"]),
        grade=grade,
        times={name: _since(came, first[name]) for name in TIMES},
        features_planted=len(features),
        features_found=len(features & found),
        features_beside=len(found - features),
        since_off=_apart(last.get("since"), truth["since"]),
        false_alarms=sum(line not in after for line in alarms),
        wrong_claims=sum(_grade(c["causes"], planted) == "wrong" for c in claims if c in after or not planted),
        hints=sum(line["kind"] == "hint" for line in lines),
        hours=drill.hour,
        onset=truth["hour"],
        machine=dict(machine or {}),
    )


def _grade(causes, planted):
    """How near claimed causes are to the planted ones; nothing planted is exact when nothing is claimed."""
    if not causes:
        return "none"
    claimed = set(causes) - {NOTHING}
    if claimed == planted:
        return "exact"
    family = {SKEWS[c].family for c in claimed if c in SKEWS}
    return (
        "right family"
        if UNKNOWN not in claimed and family and family <= {SKEWS[s].family for s in planted}
        else "wrong"
    )


def _in_order(*groups):
    return sorted((line for group in groups for line in group), key=lambda line: line["n"])


def _located(line, features):
    """Whether a line says where: more than half of the features that it names, and of those planted, are the same."""
    named = set(line["features"])
    return bool(named) and 2 * len(named & features) > max(len(named), len(features))


def _mitigated(after, features):
    """The claim by which all that was planted was set right: from the next hour on each of its features is recomputed."""
    done: set[str] = set()
    for line in after:
        if line["kind"] == "claim" and line["mitigation"]:
            done |= set(line["features"])
            if features <= done:
                return line
    return None


def _verified(lines, mitigation, marks):
    """The first mark that it is over, made after an hour has come that was mended."""
    if mitigation is None:
        return None
    hour = next((line for line in lines if line["n"] > mitigation["n"] and line["kind"] == "hour"), None)
    return next((m for m in marks if hour is not None and m["n"] > hour["n"]), None)


def _apart(claimed, planted):
    if not claimed or not planted:
        return None
    return round(abs(datetime.fromisoformat(claimed) - datetime.fromisoformat(planted)).total_seconds() / 3600, 2)


def _since(came, line):
    if came is None or line is None:
        return None
    spent = datetime.fromisoformat(line["at"]) - datetime.fromisoformat(came["at"])
    return Moment(line["hour"] - came["hour"], round(spent.total_seconds() / 60, 2))


def side_by_side(scores: list[Score]) -> pd.DataFrame:
    """A row a measure and a column a drill, the machine's beside its team's."""
    columns: dict[str, dict[str, Any]] = {}
    for one in scores:
        team: dict[str, Any] = {
            "planted": " + ".join(one.planted) or NOTHING,
            "claimed": " + ".join(one.claimed) or "no claim",
            "grade": one.grade,
        }
        team |= {f"time to {n}": _told(m) for n, m in one.times.items()}
        team |= {
            "features found": f"{one.features_found} of {one.features_planted}",
            "features beside": one.features_beside,
            "since, off by": "not claimed" if one.since_off is None else f"{one.since_off:g} h of the log",
            "false alarms": one.false_alarms,
            "wrong claims": one.wrong_claims,
            "hints": one.hints,
        }
        columns[one.drill] = team
        for regime, said in one.machine.items():
            hour, named = said["hour"], said["named"] or ([] if one.planted else [NOTHING])
            columns[f"{one.drill}: checks, {regime}"] = {
                "planted": team["planted"],
                "claimed": " + ".join(said["named"]) or "",
                "grade": _grade(named, set(one.planted)) if one.placebo or "replay" in regime else "",
                "time to detect": "not reached"
                if hour is None
                else f"{hour - one.onset} h ({', '.join(said['checks'])})",
                "false alarms": said["false_alarms"],
            }
    return pd.DataFrame(columns).fillna("")


def _told(moment):
    return "not reached" if moment is None else f"{moment.hours} h, {moment.minutes:g} min"
