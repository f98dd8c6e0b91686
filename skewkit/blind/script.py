"""The facilitator's sixty minutes: what to type, and what to paste to all, minute by minute. Nothing in it tells the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LONG = 60  # minutes


def script(told: Mapping[str, Any], folder: str) -> str:
    """The script of a drill (see `Blind.told`) as Markdown: ten minutes to begin, the hours, ten minutes to talk."""
    hours = told["hours"]
    pace = max(1, (LONG - 25) // hours)  # minutes between two hours of the log
    people = (
        "".join(f"- {role}: {', '.join(names)}\n" for role, names in told["people"].items()) or "- give the roles now\n"
    )
    steps = [
        (
            0,
            "Open",
            f"Paste:\n\n> Drill {told['drill']} begins. Perhaps something is planted, perhaps nothing is. What you have is in "
            f"`{folder}`: training, the log as it comes, the checks, the runbooks. The hash of the truth is `{told['hash']}`. "
            f"Mark what you see when you see it; a claim that is wrong is no shame, and is counted. We judge the system and the runbooks, nobody here.\n\nRoles:\n\n{people}",
        )
    ]
    for hour in range(1, hours + 1):
        at = 5 + (hour - 1) * pace
        steps.append(
            (
                at,
                f"Hour {hour}",
                f"Type `skewkit blind clock {folder} --once`, then paste:\n\n> Hour {hour} of {hours} is there ({told['step']} of the log). "
                f"`skewkit run quarterly -p folder {folder}` runs the checks on it.",
            )
        )
    half, end = 5 + hours * pace // 2, 5 + hours * pace
    steps.append(
        (
            half,
            "Halfway",
            f"Ask the scribe to read the journal: `skewkit blind status {folder}`. Has nobody detected anything, or do they go in circles? Offer a hint: `skewkit blind hint {folder}`. It is counted.",
        )
    )
    steps.append(
        (
            end,
            "Last claim",
            "Paste:\n\n> Last claim, please: what, which features, since when, which mitigation. Nothing at all is a claim too.",
        )
    )
    steps.append(
        (
            end + 5,
            "Reveal",
            f"Type `skewkit blind reveal {folder}`, and paste what it prints. Anybody may compare the hash.",
        )
    )
    steps.append(
        (
            end + 10,
            "Talk",
            "What did the checks see first, and did anybody look there? Which sentence of which runbook was missing? Agree on one edit, its owner and the day it is tested again.",
        )
    )
    steps.append(
        (
            LONG - 5,
            "Write it down",
            f'Type `skewkit blind report {folder} --edit PAGE "what is to change" --owner NAME --retest DAY`.',
        )
    )
    steps.sort(key=lambda step: step[0])
    body = "\n".join(f"## {at:02d} min: {title}\n\n{text}\n" for at, title, text in steps)
    return (
        f"# Drill {told['drill']}: the facilitator's script\n\n"
        f"{LONG} minutes, one facilitator with the passphrase. To stop at once and take everything back: `skewkit blind abort {folder}`.\n\n{body}"
    )
