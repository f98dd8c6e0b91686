"""What a drill has taught: a page by quarter with the edit it asks for, and what of that was never tested again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from ..durable import write
from ..records import SkewkitError
from ..report.runbook import front
from ..skews import SKEWS
from .score import Score, side_by_side
from .team import Blind, told_as

YEAR = timedelta(days=365)
KEEPS = ("drill", "quarter", "day", "world", "hash", "planted", "grade", "times", "edits")


@dataclass(frozen=True)
class Edit:
    """What is to change on a runbook's page, by whom, and when a drill shall show that it helped."""

    page: str
    what: str
    owner: str
    retest: date

    def __post_init__(self):
        for name in ("page", "what", "owner"):
            if not getattr(self, name).strip():
                raise SkewkitError(f"an edit was given without its {name}; a lesson names page, what, owner and retest")


def write_lesson(drill: Blind, score: Score, edits: Iterable[Edit], runbooks: Path, last: Iterable[Score] = ()) -> Path:
    """Write runbooks/lessons/<drill>.md, and into the drilled skews' pages when that was; gives its path.

    It needs one edit at least: a drill that changes no runbook was a party.
    """
    edits = list(edits)
    if not edits:
        raise SkewkitError("the report was asked without an edit; give --edit PAGE WHAT, --owner and --retest")
    if lost := [e.page for e in edits if not (runbooks / f"{e.page}.md").exists()]:
        raise SkewkitError(
            f"there is no page {lost[0]!r} in {runbooks}; there are {', '.join(sorted(p.stem for p in runbooks.glob('*.md')))}"
        )
    lines = drill.journal.lines()
    day = date.fromisoformat(lines[0]["at"][:10])
    told: dict[str, Any] = {
        "drill": score.drill,
        "quarter": score.quarter,
        "day": day,
        "world": drill.told["world"],
        "hash": drill.told["hash"],
        "planted": list(score.planted),
        "grade": score.grade,
        "times": {n: None if m is None else m.minutes for n, m in score.times.items()},
        "edits": [{"page": e.page, "edit": e.what, "owner": e.owner, "retest": e.retest} for e in edits],
    }
    (runbooks / "lessons").mkdir(exist_ok=True)
    path = runbooks / "lessons" / f"{score.drill}.md"
    write(path, _page(told, score, list(last), lines))
    for stem in score.planted:
        drilled(runbooks / f"{stem}.md", day)
    return path


class _Plain(yaml.SafeDumper):
    """YAML without anchors, for people."""

    def ignore_aliases(self, data):
        return True


def _page(told, score, last, lines):
    header = yaml.dump(told, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=10_000)
    edits = "".join(
        f"- [{e['page']}](../{e['page']}.md): {e['edit']} ({e['owner']}, tested again by {e['retest']})\n"
        for e in told["edits"]
    )
    planted = " and ".join(score.planted) or "nothing: a placebo"
    return (
        f"---\n{header}---\n# {told['drill']}\n\n"
        f"Planted: {planted}. Claimed: {' and '.join(score.claimed) or 'nothing was claimed'} ({score.grade}).\n\n"
        f"## What is to change\n\n{edits}\n"
        f"## How it went\n\nHours are those of the drill's clock, minutes those of the clock on the wall, both since the first hour that held what was planted.\n\n"
        f"{_table(side_by_side([score, *last]))}\n\n"
        f"## The journal\n\n{_journal(lines)}"
    )


def _table(frame):
    rows = [
        ["", *frame.columns],
        *([name, *map(str, row)] for name, row in zip(frame.index, frame.to_numpy(), strict=True)),
    ]
    cells = ["| " + " | ".join(str(v).replace("|", "\\|") for v in row) + " |" for row in rows]
    return "\n".join([cells[0], "|" + "---|" * len(rows[0]), *cells[1:]])


def _journal(lines):
    return "".join(f"- {told_as(line)}\n" for line in lines)


def drilled(page: Path, day: date) -> None:
    """Write into a page's front matter when it was last drilled; a page that is not there stays so."""
    if not page.exists():
        return
    text = page.read_text("utf-8")
    told, _ = front(text)
    if ("last_drilled" in told and str(told["last_drilled"]) < str(day)) or told.get("last_drilled") == "never":
        write(page, re.sub(r"^last_drilled:.*$", f"last_drilled: {day}", text, count=1, flags=re.M))


@dataclass(frozen=True)
class Due:
    """One thing that waits: a lesson's edit that no drill has tested again, or a skew that was not drilled for a year."""

    kind: str  # lesson or skew
    what: str
    since: date | None
    text: str


def due(runbooks: Path, today: date) -> list[Due]:
    """What is due by a day, the longest waiting first; a skew that was never drilled comes before all.

    An edit is tested again by any later drill that plants a skew of the lesson's, or when its ``retested`` holds a day.
    """
    lessons = [_lesson(path) for path in sorted((runbooks / "lessons").glob("*.md"))]
    waiting = []
    for told in lessons:
        again = any(_alike(o["planted"], told["planted"]) and o["day"] > told["day"] for o in lessons)
        for edit in told["edits"]:
            if not again and not edit.get("retested") and edit["retest"] <= today:
                text = f"{told['drill']}: {edit['page']}: {edit['edit']} ({edit['owner']}) was to be tested again by {edit['retest']}"
                waiting.append(Due("lesson", told["drill"], edit["retest"], text))
    for stem in SKEWS:
        last = max(
            [o["day"] for o in lessons if stem in o["planted"]] + _drilled_on(runbooks / f"{stem}.md"), default=None
        )
        if last is None or today - last > YEAR:
            waiting.append(Due("skew", stem, last, f"{stem}: last drilled {last or 'never'}"))
    return sorted(waiting, key=lambda d: (d.kind, d.since or date.min, d.what))


def _alike(one, other):
    """Whether two drills planted a skew that both have, or were placebos both."""
    return bool(set(one) & set(other)) or not (one or other)


def _drilled_on(page):
    told = front(page.read_text("utf-8"))[0].get("last_drilled") if page.exists() else None
    return [told] if isinstance(told, date) else []


def _lesson(path: Path) -> Mapping[str, Any]:
    """A lesson's front matter; SkewkitError where somebody has taken out what `due` reads."""
    told, _ = front(path.read_text("utf-8"))
    if lost := [name for name in KEEPS if name not in told]:
        raise SkewkitError(f"{path} has no {lost[0]} in its front matter; a lesson has {', '.join(KEEPS)}")
    return told
