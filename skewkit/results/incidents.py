"""What was reported of an incident, beside what a drill of it measured, over its seeds."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..records import SkewkitError
from ..statistics.metrics import NAMES, named, stem
from .words import requests

MEASURES = {
    "change": lambda cost, mended: cost.delta,
    "relative": lambda cost, mended: cost.delta / cost.before,
    "remaining": lambda cost, mended: mended.delta / cost.delta,
}
ABOUT = 1.5  # a reported figure is reached within this factor of it: people report round numbers


def summary(
    cells,
    reported: str,
    metric: str = "",
    measure: str = "change",
    figure: Sequence[float] = (),
    segment: str | None = None,
    note: str = "",
) -> dict[str, Any]:
    """The incident of these cells: its figure at full severity once a seed, and the mean of them.

    ``metric`` is measured in ``segment``, as its ``measure``: the "change" itself, "relative" to what it was before, or
    what a mitigation leaves "remaining" of it, each in 1. ``figure`` is what was reported of that: one number, or the two
    ends of a range. It has landed when the mean is within a factor of 1.5 of it. With no figure nothing lands or fails.
    Of the skews of a drill the first is the incident; the others stand beside it.
    """
    refused(reported, metric, measure, figure, segment, note)
    first = [c for c in cells if c.name.partition(" #")[0] == cells[0].name.partition(" #")[0]]
    worst = [c for c in first if c.severity == max(c.severity for c in first)]
    planted = {c.seed: c for c in worst if c.mitigation is None}  # the later of two: over the requests that were mended
    mended = {
        how: {c.seed: c for c in worst if c.mitigation == how}
        for how in dict.fromkeys(c.mitigation for c in worst)
        if how
    }
    first_mended = next(iter(mended.values()), {})

    def cost(cell):
        return cell.result.impact.get(metric, segment=segment) if cell else None

    pairs = [(cost(planted[seed]), cost(first_mended.get(seed))) for seed in planted]
    values = [_value(measure, *pair) for pair in pairs]
    known = [v for v in values if v is not None]
    low, high = (min(figure) * (1 / ABOUT), max(figure) * ABOUT) if figure and min(figure) > 0 else _negative(figure)
    mean = float(np.mean(known)) if known else None
    plain = list({c.seed: c for c in reversed(worst)}.values())  # the first of a seed: of all requests, nothing mended
    return {
        "reported": reported,
        "metric": named(metric) or None,
        "measure": measure,
        "segment": segment,
        "seeds": list(planted),
        "before": _mean([c.before for c, _ in pairs if c]),
        "after": _mean([c.after for c, _ in pairs if c]),
        "values": values,
        "mean": mean,
        "from": min(known, default=None),
        "to": max(known, default=None),
        "low": low,
        "high": high,
        "landed": None if low is None or mean is None else bool(low <= mean <= high),
        "mitigated": {how: _mean([cost(c).delta for c in by.values() if cost(c)]) for how, by in mended.items()},
        "offline": _offline(worst, metric),
        "noticed": sorted({n for c in plain for n in c.noticed}),
        "fires": _most([c.fires("with events") for c in plain]),
        "fires_alone": _most([c.fires("training and served") for c in plain]),
        "needs": _most([c.needs for c, _ in pairs if c]),
        "note": note,
    }


def refused(
    reported: str = "",
    metric: str = "",
    measure: str = "change",
    figure: Sequence[float] = (),
    segment: str | None = None,
    note: str = "",
    **unknown: Any,
) -> None:
    """Refuse an incident that cannot be measured; see `summary`."""
    if unknown or not reported:
        raise SkewkitError(
            f"incident: {', '.join(unknown) or 'nothing'} was given and reported is "
            f"{'there' if reported else 'missing'}; it takes reported, metric, measure, figure, segment, note"
        )
    if not isinstance(figure, (list, tuple)) or not all(type(f) in (int, float) for f in figure):
        raise SkewkitError(
            f"incident: figure={figure!r} was given; it is a list of one number, or of two, like [-0.15]"
        )
    if metric and stem(metric) not in NAMES:
        raise SkewkitError(f"incident: metric {metric!r} was asked; there are {', '.join(NAMES)}")
    if measure not in MEASURES:
        raise SkewkitError(f"incident: measure {measure!r} was asked; there are {', '.join(MEASURES)}")
    if figure and (not metric or len(figure) > 2 or min(figure) * max(figure) <= 0):
        raise SkewkitError(
            f"incident: figure={list(figure)} was given; give one number or the two ends of a range, and their metric"
        )


def _value(measure, cost, mended):
    if cost is None or cost.delta is None or (measure == "remaining" and mended is None):
        return None
    return float(MEASURES[measure](cost, mended))


def _negative(figure):
    return (min(figure) * ABOUT, max(figure) / ABOUT) if figure else (None, None)


def _mean(values):
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


def _most(numbers):
    """The most requests that it took in any seed; None where in one it never happened."""
    return None if not numbers or any(n is None for n in numbers) else max(numbers)


def _offline(cells, metric):
    """The score of the offline validation, which does not move."""
    return _mean(
        [c.result.impact.get(metric, "offline").before for c in cells if c.result.impact.get(metric, "offline")]
    )


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The incidents of these results, by the names of their files, as a table in Markdown."""
    head = ("incident", "reported", "measured, mean and span over the seeds", "lands", "mended",
            "requests until a check fires: alone, and with replay or events", "until the metric shows it", "offline")  # fmt: skip
    lines = [head, ["---"] * len(head)]
    for name, result in results.items():
        one = result["incident"]
        lands = {None: "", True: "yes", False: "no"}[one["landed"]]
        mended = ", ".join(f"{how}: {_signed(value)}" for how, value in one["mitigated"].items())
        fires = f"{requests(one['fires_alone'])}, {requests(one['fires'])}"
        offline = "" if one["offline"] is None else f"{one['offline']:.3f}"
        lines.append((name, one["reported"], _measured(one), lands, mended, fires, requests(one["needs"]), offline))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _measured(one):
    if one["mean"] is None:
        return "nothing to measure"
    unit = {"change": "{:+.4f}", "relative": "{:+.1%}", "remaining": "{:.0%} left"}[one["measure"]]
    where = f" where {one['segment']}" if one["segment"] else ""
    mean, low, high = (unit.format(one[n]) for n in ("mean", "from", "to"))
    return f"{one['metric']}{where} {mean} ({low} to {high})"


def _signed(value):
    return "" if value is None else f"{value:+.4f}"


if __name__ == "__main__":
    found = {p.name: p / "latest" / "result.json" for p in sorted(Path(sys.argv[1]).iterdir()) if p.is_dir()}
    made = {name: json.loads(path.read_text("utf-8")) for name, path in found.items() if path.exists()}
    print(table(made))
    figures = [r["incident"]["landed"] for r in made.values() if r["incident"]["landed"] is not None]
    print(f"\n{sum(figures)} of the {len(figures)} that bear a figure land; {len(made)} incidents were played")
    if lost := sorted(set(found) - set(made)):
        sys.exit(f"no result: {', '.join(lost)}")
