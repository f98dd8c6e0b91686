"""Figures drawn from the records alone, in Okabe and Ito's colours, each with a second cue and a text beside it."""

from __future__ import annotations

from itertools import cycle

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from ..statistics.distance import cdf
from ..statistics.metrics import headline, named
from . import blindspots
from .picture import Picture, name_of

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
VERDICTS = {"ok": (GREEN, "o"), "warn": (ORANGE, "^"), "inconclusive": (SKY, "s"), "breach": (VERMILION, "X")}
LINES = (
    (BLUE, "o", "-"),
    (VERMILION, "s", "--"),
    (GREEN, "^", "-."),
    (PURPLE, "D", ":"),
    (ORANGE, "v", "-"),
    (SKY, "P", "--"),
)
CHECKS = {
    "parity": (SKY, "P"),
    "distribution": (ORANGE, "D"),
    "schema": (GREEN, "S"),
    "lineage": (YELLOW, "H"),
    "freshness": (PURPLE, "F"),
    "leakage": (VERMILION, "L"),
}
CHANGED = ("skew", "candidate")  # changes whose two sides answered the same requests
MOST = 15  # features in one picture
LEAST = 0.1  # times what is tolerated: less is drawn here


def _axes(width=8.0, height=4.0):
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.25)
    return figure, axes


def findings(rows) -> Picture:
    """How many times what is tolerated each feature's judged values are, the farthest first: so that all units compare."""
    judged = [f for f in rows if f.verdict is not None and f.feature and f.low is not None and f.threshold]
    judged = [f for f in judged if not f.segment and not f.accepted]
    judged = sorted(judged, key=lambda f: (-f.verdict, -f.value / f.threshold, f.feature, f.statistic))[:MOST]
    figure, axes = _axes(height=1.2 + 0.32 * max(len(judged), 1))
    names = [f"{f.feature}  {f.statistic} ({f.change})" for f in judged]
    for at, f in enumerate(judged):
        colour, mark = VERDICTS[str(f.verdict)]
        value, low, high = (
            max(LEAST, x / f.threshold) for x in (f.value, f.low, f.value if f.high is None else f.high)
        )
        axes.plot([low, high], [at, at], color=colour, lw=2)
        axes.plot(value, at, mark, color=colour, ms=8, mec=BLACK, mew=0.5, label=str(f.verdict))
    axes.axvline(1, color=BLACK, lw=1.5)
    axes.set_yticks(range(len(judged)), [name_of(n) for n in names])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(left=LEAST)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}x")
    axes.set_xlabel("measured, and the bounds of the true value, as times what is tolerated (1x)")
    handles = {text: line for line, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    if handles:
        axes.legend(handles.values(), handles.keys(), frameon=False, loc="lower right")
    worst = "; ".join(
        f"{n} {f.value:.3g}, tolerated {f.threshold:g}, {f.verdict}" for n, f in zip(names[:5], judged, strict=False)
    )
    return Picture(figure, f"Findings against what is tolerated. {worst or 'Nothing was judged'}.")


def impact(rows) -> Picture:
    """The change of each metric that the skew made, with its interval."""
    changes = [
        c for c in rows if c.change in CHANGED and c.delta is not None and c.segment is None and c.low is not None
    ]
    figure, axes = _axes(height=1.2 + 0.32 * max(len(changes), 1))
    for at, c in enumerate(changes):
        sure = not c.low <= 0 <= c.high
        colour, mark = (VERMILION, "X") if sure else (BLUE, "o")
        axes.plot([c.low, c.high], [at, at], color=colour, lw=2)
        axes.plot(c.delta, at, mark, color=colour, ms=7)
    axes.axvline(0, color=BLACK, lw=1)
    axes.set_yticks(range(len(changes)), [named(c.metric) for c in changes])
    axes.invert_yaxis()
    sides = "candidate less current" if any(c.change == "candidate" for c in changes) else "served less replayed"
    axes.set_xlabel(f"change, {sides}, with 95 percent interval; X: away from 0")
    text = "; ".join(f"{named(c.metric)} {c.delta:+.4f} ({c.low:+.4f} to {c.high:+.4f})" for c in changes)
    return Picture(figure, f"Change of each metric on the same requests. {text or 'None was measured'}.")


def drill(matrix) -> Picture:
    """What each skew cost as its severity rose; a filled mark was noticed, a hollow one was not."""
    metric = next(iter(headline(matrix)), None)
    figure, axes = _axes()
    axes.axhline(0, color=BLACK, lw=1)
    said = []
    for (name, rows), (colour, mark, line) in zip(matrix.groupby("skew", sort=False), cycle(LINES), strict=False):
        if metric is None:
            break
        x, y = rows["severity"].to_numpy(), rows[metric].to_numpy(float)
        axes.plot(x, y, line, marker=mark, ms=8, color=colour, label=name_of(name))
        axes.fill_between(
            x, rows[f"{metric}_low"].astype(float), rows[f"{metric}_high"].astype(float), color=colour, alpha=0.12
        )
        seen = rows["noticed"].str.len().to_numpy() > 0
        axes.plot(x[~seen], y[~seen], mark, color=colour, ms=8, mfc="white")
        said.append(f"{name} {y[-1]:+.4f} at severity {x[-1]:g}, noticed from {min(x[seen], default='none')}")
    axes.set_xlabel("severity: share of the requests; a hollow mark was noticed by no check")
    axes.set_ylabel(f"change of {named(metric or 'nothing')}")
    axes.legend(frameon=False)
    return Picture(figure, f"Change of {named(metric or 'nothing')} by severity. {'; '.join(said)}.")


def matrix(spots) -> Picture:
    """Who notices each planting, with how much at hand, after how many requests; and what each costs at its worst.

    ``spots`` is the frame of `Drill.blind_spots`.
    """
    skews, severities = list(dict.fromkeys(spots["skew"])), sorted(set(spots["severity"]))
    regimes = list(dict.fromkeys(spots["regime"]))
    across = len(severities) * len(regimes) + 0.4 * (len(regimes) - 1)
    figure = Figure(figsize=(5.2 + 0.5 * across, 1.9 + 0.29 * len(skews)), layout="constrained")
    cells, costs = figure.subplots(1, 2, sharey=True, width_ratios=(0.5 * across, 2.2))
    place = {r: at * (len(severities) + 0.4) for at, r in enumerate(regimes)}
    for r in spots.itertuples():
        x, y = place[r.regime] + severities.index(r.severity), skews.index(r.skew)
        _cell(cells, x, y, r.first if isinstance(r.first, str) else None, r.fires)
    columns = [(place[r] + at, f"{s:g}") for r in regimes for at, s in enumerate(severities)]
    cells.set_xticks(*zip(*columns, strict=True))
    cells.tick_params(length=0)
    cells.set_yticks(range(len(skews)), [name_of(s) for s in skews])
    for r in regimes:
        cells.text(place[r] + len(severities) / 2 - 0.5, -0.9, r, ha="center", weight="bold")
    cells.set(
        xlim=(-0.6, across - 0.4),
        ylim=(len(skews) - 0.4, -1.6),
        xlabel="severity: share of the requests; blank: there is nothing to plant",
    )
    cells.spines[:].set_visible(False)
    for one in blindspots.by_skew(spots):
        if one["cost"] is not None:
            y, sure = skews.index(one["skew"]), one["low"] is not None and not one["low"] <= 0 <= one["high"]
            if one["low"] is not None:
                costs.plot([one["low"], one["high"]], [y, y], color=VERMILION if sure else BLUE, lw=2)
            costs.plot(one["cost"], y, "X" if sure else "o", color=VERMILION if sure else BLUE, ms=6)
    metric = next(iter(spots["metric"].dropna()), None)
    costs.axvline(0, color=BLACK, lw=1)
    costs.tick_params(left=False)
    costs.spines[["top", "right", "left"]].set_visible(False)
    costs.grid(axis="x", alpha=0.25)
    costs.set_xlabel(f"change of {named(metric or 'nothing')} at the highest;\nX: beyond chance")
    _key(figure, spots)
    return Picture(figure, _blindness(spots))


def _cell(axes, x, y, first, fires):
    """One planting in one regime: the check that noticed it first and after how many requests, or hatched."""
    colour, letter = CHECKS[first] if first else ("white", "")
    look = (
        {"fc": colour, "ec": "white", "lw": 1} if first else {"fc": "white", "ec": "#999999", "lw": 0, "hatch": "/////"}
    )
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **look))
    if first:
        axes.text(x, y, f"{letter} {_short(fires)}", ha="center", va="center", fontsize=7.5)


def _short(n):
    return f"{n / 1000:.3g}k" if n >= 1000 else f"{n:g}"


def _key(figure, spots):
    """What colours, letters and hatching mean."""
    handles = [
        Patch(fc=colour, label=f"{letter}: {check} first, after so many requests")
        for check, (colour, letter) in CHECKS.items()
        if check in set(spots["first"])
    ]
    handles.append(Patch(fc="white", ec="#999999", lw=0, hatch="/////", label="nothing notices"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)


def _blindness(spots):
    """A matrix in words: how much is noticed in each regime, and the worst that is not."""
    said = []
    for seen in blindspots.by_regime(spots):
        worst = "nothing that was measured goes unnoticed"
        if lost := seen.largest:
            where = f"{lost['skew']} at severity {lost['severity']:g}"
            worst = f"the largest loss unnoticed is {lost['cost']:+.4f} {named(lost['metric'])} by {where}"
            worst += "" if lost["sure"] else ", which chance may be"
        said.append(f"{seen.regime}: {seen.noticed} of {seen.planted} noticed, {worst}")
    return f"Which plantings are noticed, and after how many requests. {'; '.join(said)}."


def distributions(name: str, sides) -> Picture:
    """One feature on several tables: ``sides`` maps a table's name to its Distribution."""
    figure, axes = _axes(height=3.4)
    every = list(sides.values())
    few = all(len(d.values) <= 40 for d in every)
    said = []
    if few:
        values = np.array(
            sorted({v for d in every for v in d.values.tolist()}, key=lambda v: (isinstance(v, str), v)), dtype=object
        )
        width = 0.8 / len(every)
    for at, ((side, d), (colour, _, line)) in enumerate(zip(sides.items(), LINES, strict=False)):
        label = f"{side} (null {d.nulls / max(d.rows, 1):.1%})"
        if few:
            share = dict(zip(d.values.tolist(), d.counts / max(d.rows, 1), strict=True))
            heights = [share.get(v, 0.0) for v in values]
            axes.bar(np.arange(len(values)) + (at - (len(every) - 1) / 2) * width, heights, width, color=colour, label=label,
                     hatch=("", "//", "..")[at % 3], ec="white")  # fmt: skip
            said.append(f"{side} most often {values[int(np.argmax(heights))] if len(values) else 'null'}")
        elif d.n:
            points = d.values[np.linspace(0, len(d.values) - 1, min(len(d.values), 400)).astype(int)]
            axes.plot(points, cdf(d, points), line, color=colour, label=label)
            middle = d.at((d.n - 1) // 2)
            said.append(f"{side} median {middle:.4g}")
    if few:
        axes.set_xticks(
            range(len(values)),
            [f"{v:g}" if isinstance(v, float) else name_of(v) for v in values],
            rotation=90 if len(values) > 12 else 0,
        )
        axes.set_ylabel("share of rows")
    else:
        axes.set_ylabel("share at or below")
    axes.set_xlabel(name_of(name))
    axes.legend(frameon=False)
    return Picture(figure, f"Distribution of {name}: {'; '.join(said)}.")


def cause(fit) -> Picture | None:
    """One feature of a fit before and after, on the rows looked at; None where there is nothing to draw."""
    drawn = fit.get("picture")
    if not drawn:
        return None
    figure, axes = _axes(height=2.8)
    sides = (("should have been", drawn["before"], BLUE, ""), ("was served", drawn["after"], VERMILION, "//"))
    if fit["side"] == "training":
        sides = (("was served", *sides[0][1:]), ("training code made", *sides[1][1:]))
    if "edges" in drawn:
        edges = np.asarray(drawn["edges"])
        for label, counts, colour, hatch in sides:
            axes.stairs(counts, edges, color=colour, label=label, fill=False, lw=2, hatch=hatch)
        middles = (edges[:-1] + edges[1:]) / 2
        peaks = [f"{label} mostly near {middles[int(np.argmax(c))]:.4g}" for label, c, *_ in sides]
    else:
        at = np.arange(len(drawn["labels"]))
        for step, (label, counts, colour, hatch) in zip((-0.2, 0.2), sides, strict=True):
            axes.bar(at + step, counts, 0.4, color=colour, hatch=hatch, ec="white", label=label)
        axes.set_xticks(
            at,
            [name_of(v) for v in drawn["labels"]],
            rotation=90 if len(at) > 12 or max(map(len, drawn["labels"])) > 8 else 0,
        )
        peaks = [f"{label} most often {drawn['labels'][int(np.argmax(c))]}" for label, c, *_ in sides if len(c)]
    axes.set_xlabel(name_of(drawn["feature"]))
    axes.set_ylabel("rows looked at")
    axes.legend(frameon=False)
    return Picture(figure, f"{drawn['feature']} before and after: {'; '.join(peaks)}.")
