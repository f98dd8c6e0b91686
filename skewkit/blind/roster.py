"""Who does what in a drill: a roster, whose people take every role in turn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import yaml

from ..records import SkewkitError

ROLES = ("facilitator", "data science", "data engineering", "operations", "scribe")
EXAMPLE = "people: [Ana, Ben, Chloe, Dev, Eva]"


def read_roster(path: str | Path) -> list[str]:
    """The people of a roster file, in YAML; each once, and two at least, for the facilitator knows the truth."""
    try:
        told = yaml.safe_load(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as e:
        raise SkewkitError(
            f"roster {path}: {getattr(e, 'strerror', None) or type(e).__name__}; give a YAML file like {EXAMPLE}"
        ) from None
    except yaml.YAMLError:
        raise SkewkitError(f"roster {path} is not YAML; write it like {EXAMPLE}") from None
    people = told.get("people") if isinstance(told, dict) else None
    if (
        not isinstance(people, list)
        or set(told) != {"people"}
        or not all(isinstance(p, str) and p.strip() for p in people)
    ):
        raise SkewkitError(f"roster {path} holds no list of people; write it like {EXAMPLE}")
    if len(people) < 2 or len(set(people)) < len(people):
        raise SkewkitError(f"roster {path} names {len(people)} people; name two at least, each once")
    return people


def quarter_of(day: date) -> str:
    """The quarter of a day, like 2026-Q4."""
    return f"{day.year}-Q{(day.month + 2) // 3}"


def of_roster(path: str | Path, quarter: str = "", away: Sequence[str] = ()) -> dict[str, list[str]]:
    """Each role's people in a quarter, this one where it is not given, of a roster's file; none where there is no roster."""
    return roles(read_roster(path), quarter or quarter_of(datetime.now(UTC)), away) if path else {}


def number(quarter: str) -> int:
    """A quarter like 2026-Q4 as a number, one more each quarter."""
    found = re.fullmatch(r"(\d{4})-Q([1-4])", quarter)
    if not found:
        raise SkewkitError(f"the quarter {quarter!r} was given; write it like 2026-Q4")
    return int(found[1]) * 4 + int(found[2]) - 1


def roles(people: Sequence[str], quarter: str, away: Sequence[str] = ()) -> dict[str, list[str]]:
    """Each role's people in a quarter. Everybody moves on by one role a quarter, so that over as many quarters as there are
    people each has had each role as often as any other. Whoever is away is left out, and the next one stands in.

    With fewer people than roles some have two, but the facilitator, who knows the truth, has no other. More people than
    roles stand in the responders' roles (data science, data engineering, operations) in turn.
    """
    begin = number(quarter) % len(people)
    turn = [*people[begin:], *people[:begin]]
    if lost := [name for name in away if name not in people]:
        raise SkewkitError(f"{lost[0]} was said to be away; the roster has {', '.join(people)}")
    there = [name for name in turn if name not in away]
    if len(there) < 2:
        raise SkewkitError(f"{len(there)} of the roster are there; a drill takes two at least")
    given: dict[str, list[str]] = {role: [] for role in ROLES}
    given[ROLES[0]].append(there[0])
    others = there[1:]
    for at, role in enumerate(ROLES[1:]):
        given[role].append(others[at % len(others)])
    for at, name in enumerate(others[len(ROLES) - 1 :]):
        given[ROLES[1 + at % 3]].append(name)
    return given
