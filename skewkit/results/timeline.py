"""A drill drawn: the hours as they came, what was wrong in them, and who said what when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from .plots import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, Picture

ROWS = {  # what is said in a drill, and how it is drawn
    "checks": ("the checks notice", VERMILION, "X"),
    "detected": ("detected", ORANGE, "^"),
    "localised": ("localised", PURPLE, "D"),
    "claim": ("claim", BLUE, "s"),
    "replay": ("replay asked", SKY, "P"),
    "hint": ("hint", BLACK, "v"),
    "verified": ("verified", GREEN, "o"),
}


def timeline(hours: int, wrong: Sequence[int], said: Mapping[str, Sequence[int]]) -> Picture:
    """A column an hour of the drill, a row a kind of thing said, hatched in the ``wrong`` hours, where what was planted was at work.

    ``said`` maps a kind (see ROWS) to the hours in which it was said.
    """
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    for hour in wrong:
        axes.axvspan(hour - 0.5, hour + 0.5, facecolor="#eeeeee", edgecolor="#999999", hatch="//", linewidth=0)
    for at, (name, (_, colour, marker)) in enumerate(ROWS.items()):
        axes.plot(said[name], [at] * len(said[name]), linestyle="", marker=marker, color=colour, markersize=9)
    axes.set_yticks(range(len(ROWS)), [told for told, _, _ in ROWS.values()])
    axes.set_xticks(range(hours + 1))
    axes.set_xlim(-0.5, max(hours, 1) + 0.5)
    axes.set_ylim(len(ROWS) - 0.5, -0.5)
    axes.set_xlabel("hour of the drill (hatched: what was planted is at work)")
    axes.spines[["top", "right"]].set_visible(False)
    told = [
        f"{name} in hour {' and '.join(map(str, sorted(set(said[kind]))))}"
        for kind, (name, _, _) in ROWS.items()
        if said[kind]
    ]
    work = (
        f"What was planted is at work in hours {', '.join(map(str, wrong))}."
        if wrong
        else "Nothing was wrong in any hour."
    )
    return Picture(figure, f"{work} {'; '.join(told) or 'nobody said anything'}.")


def of_journal(
    lines: Sequence[Mapping[str, Any]], truth: Mapping[str, Any], machine: Mapping[str, Any]
) -> dict[str, Any]:
    """What `timeline` draws, from a journal, the truth, and what the checks would have found."""
    came = [line for line in lines if line["kind"] == "hour"]
    planted = set(truth["features"])
    wrong = [
        h["hour"] for h in came if truth["hour"] and h["hour"] >= truth["hour"] and not planted <= set(h["mended"])
    ]
    said: dict[str, list[int]] = {name: [] for name in ROWS}
    for line in lines:
        if (kind := line.get("mark", line["kind"])) in said:
            said[kind].append(line["hour"])
    said["checks"] = [found["hour"] for found in machine.values() if found["hour"]]
    return {"hours": len(came), "wrong": wrong, "said": said}
