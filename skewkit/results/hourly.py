"""What was known of a rollout after each hour, drawn."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ..statistics.metrics import named
from .plots import BLUE, ORANGE, SKY, VERMILION, Picture


def hours(watched) -> Picture:
    """What was known after each hour of a rollout: values with their bounds, what is tolerated, and what rolls back."""
    figure = Figure(figsize=(8.0, 0.6 + 2.3 * max(len(watched), 1)), layout="constrained")
    said = []
    for one, axes in zip(watched, figure.subplots(max(len(watched), 1), squeeze=False)[:, 0], strict=False):
        at = np.array([np.datetime64(t[:19]) for t in one["at"]])
        axes.fill_between(
            at, one["low"], one["high"], color=SKY, alpha=0.35, hatch="//", ec="white", label="true value within"
        )
        axes.plot(at, one["value"], color=BLUE, lw=2, label="measured up to then")
        ways = (("tolerated", ORANGE, "--"), ("material", VERMILION, ":"))
        for name, colour, line in ((n, c, s) for n, c, s in ways if one[n] is not None):
            axes.axhline(
                one[name],
                color=colour,
                ls=line,
                lw=2,
                label={"tolerated": "hold above", "material": "roll back above"}[name],
            )
        axes.set_ylim(*_room(one))
        axes.set_ylabel(f"{watched_name(one)}\n({one['unit']})".replace("$", r"\$"))
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(axis="x", rotation=30)
        said.append(
            f"{watched_name(one)} {one['value'][-1]:.4g} ({one['low'][-1]:.4g} to {one['high'][-1]:.4g}) after {len(at)} hours"
        )
    if watched:
        figure.axes[0].legend(frameon=False, ncols=2, fontsize=8)
    return Picture(
        figure, f"The candidate against the current model hour by hour. {'; '.join(said) or 'Nothing was watched'}."
    )


def watched_name(one) -> str:
    """What was watched hour by hour, and of which feature or where."""
    of = " of ".join([named(one["statistic"]), *filter(None, [one["feature"]])])
    return of + (f" where {one['segment'].replace('=', ' is ')}" if one["segment"] else "")


def _room(one):
    """How far up and down to draw: the limits and the last bounds, and not the first hour's, which tell nothing."""
    last = slice(len(one["at"]) // 4, None)
    shown = [
        *one["low"][last],
        *one["high"][last],
        *one["value"],
        *(one[n] for n in ("tolerated", "material") if one[n]),
    ]
    low, high = min(0.0, *shown), max(shown)
    return low * 1.05, high * 1.05 or 1.0
