"""A drill drawn: the hours as they came, what was wrong in them, and who said what when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from ..results.plots import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, Picture

ROWS = {  # a kind of line, and how it is drawn
    "checks": ("the checks notice", VERMILION, "X"),
    "detected": ("detected", ORANGE, "^"),
    "localised": ("localised", PURPLE, "D"),
    "claim": ("claim", BLUE, "s"),
    "replay": ("replay asked", SKY, "P"),
    "hint": ("hint", "#000000", "v"),
    "verified": ("verified", GREEN, "o"),
}


def timeline(lines: Sequence[Mapping[str, Any]], truth: Mapping[str, Any], machine: Mapping[str, Any]) -> Picture:
    """A column an hour of the drill, a row a kind of thing said; hatched where what was planted was at work."""
    came = [line for line in lines if line["kind"] == "hour"]
    wrong = [
        h["hour"]
        for h in came
        if truth["hour"] and h["hour"] >= truth["hour"] and not set(truth["features"]) <= set(h["mended"])
    ]
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    for hour in wrong:
        axes.axvspan(hour - 0.5, hour + 0.5, facecolor="#eeeeee", edgecolor="#999999", hatch="//", linewidth=0)
    said = {name: [] for name in ROWS}
    for line in lines:
        name = line.get("mark", line["kind"])
        if name in said:
            said[name].append(line["hour"])
    said["checks"] = [m["hour"] for m in machine.values() if m["hour"]]
    for at, (name, (_, colour, marker)) in enumerate(ROWS.items()):
        axes.plot(said[name], [at] * len(said[name]), linestyle="", marker=marker, color=colour, markersize=9)
    axes.set_yticks(range(len(ROWS)), [told for told, _, _ in ROWS.values()])
    axes.set_xticks(range(len(came) + 1))
    axes.set_xlim(-0.5, max(len(came), 1) + 0.5)
    axes.set_ylim(len(ROWS) - 0.5, -0.5)
    axes.set_xlabel("hour of the drill (hatched: what was planted is at work)")
    axes.spines[["top", "right"]].set_visible(False)
    words = [
        f"{told} in hour {' and '.join(map(str, sorted(set(said[n]))))}" for n, (told, _, _) in ROWS.items() if said[n]
    ]
    begins = (
        f"What was planted is at work in hours {', '.join(map(str, wrong))}."
        if wrong
        else "Nothing was planted, or it never came."
    )
    return Picture(figure, f"{begins} {'; '.join(words) or 'nobody said anything'}.")
