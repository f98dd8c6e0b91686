"""Which plantings nothing noticed, and what they cost: by what a team has at hand. From a drill's cells, as its result has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..statistics.metrics import headline

UPWARDS = ("mae", "moved")  # metrics of which more is worse
SAYS_MOST = ("schema", "parity", "distribution")  # a fact, which rows differ, that something has moved
MANY = 6  # skews: with more of them lines in a picture cannot be told apart
COLUMNS = (
    "skew",
    "severity",
    "regime",
    "noticed",
    "first",
    "fires",
    "already",
    "metric",
    "cost",
    "low",
    "high",
    "needs",
)


def frame(cells: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A row a planting and regime: who notices first and when, what is lost, and when the metric alone would show it.

    A cell has its ``row`` of the drill's table, its ``regimes`` and its ``mitigation``. One in which no row differs has
    planted nothing, and of two of one severity the second is over the requests that were mended.
    """
    cells = list(cells)
    metric = next(iter(headline(n for c in cells for n, value in c["row"].items() if there(value))), None)
    rows, seen = [], set()
    for cell in cells:
        row = cell["row"]
        mark = (row["skew"], row["severity"])
        if there(cell["mitigation"]) or not row["severity"] or not row["rows"] or mark in seen:
            continue
        seen.add(mark)
        cost = {n: row.get(f"{metric}{end}") for n, end in (("cost", ""), ("low", "_low"), ("high", "_high"))}
        for regime, found in cell["regimes"].items():
            first = min(found["fires"].items(), key=_soonest, default=(None, None))
            told = {"noticed": ", ".join(found["fires"]), "first": first[0], "fires": first[1]}
            told |= {"already": ", ".join(found["already"]), "metric": metric, **cost, "needs": row.get("needs")}
            rows.append({"skew": row["skew"], "severity": row["severity"], "regime": regime, **told})
    made = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = {n: "float64" for n in ("cost", "low", "high")} | {n: "Int64" for n in ("fires", "needs")}
    return made.astype({n: "float64" for n in numbers}).astype(numbers)


def _soonest(fires):
    """By requests; of checks that fire at once the one that says most of what is wrong."""
    check, requests = fires
    return requests, SAYS_MOST.index(check) if check in SAYS_MOST else len(SAYS_MOST), check


def there(value) -> bool:
    """Whether a value of a result, or of a table of it, is one."""
    return value is not None and value == value


@dataclass(frozen=True)
class Seen:
    """What was noticed in one regime, and the largest loss that was not: a row of `frame`, or None.

    It is the largest of those beyond chance, where there is one.
    """

    regime: str
    planted: int
    noticed: int
    already: str
    largest: Mapping[str, Any] | None  # and whether chance alone does not do it: "sure"
    unmeasured: int  # not noticed, and the model could not score them


def by_regime(spots: pd.DataFrame) -> list[Seen]:
    """Each regime of a `frame`, in their order."""
    found = []
    for regime, rows in spots.groupby("regime", sort=False):
        missed = rows[rows["fires"].isna()]
        losses = loss(missed).dropna()
        beyond = losses[sure(missed).reindex(losses.index)]
        at = (beyond if len(beyond) else losses).idxmax() if len(losses) else None
        largest = None if at is None else {**missed.loc[at].to_dict(), "sure": len(beyond) > 0}
        unmeasured = len(missed) - len(losses)
        found.append(Seen(regime, len(rows), len(rows) - len(missed), rows["already"].iloc[0], largest, unmeasured))
    return found


def already(spots: pd.DataFrame) -> dict[str, list[str]]:
    """The checks that alarm on the unskewed table, and in which regimes."""
    found: dict[str, list[str]] = {}
    for seen in by_regime(spots):
        if seen.already:
            found.setdefault(seen.already, []).append(seen.regime)
    return found


def loss(spots: pd.DataFrame) -> pd.Series:
    """How much worse the metric became, whichever way that is."""
    return spots["cost"].where(spots["metric"].isin(UPWARDS), -spots["cost"])


def sure(spots: pd.DataFrame) -> pd.Series:
    """Which losses are beyond chance: their interval has no 0 in it, and no gain."""
    upwards = spots["metric"].isin(UPWARDS)
    return (spots["low"] > 0).where(upwards, spots["high"] < 0)


def by_skew(spots: pd.DataFrame) -> list[dict[str, Any]]:
    """Each skew: in each regime from which severity it is noticed, and at the worst after how many requests, by whom."""
    found = []
    for skew, rows in spots.groupby("skew", sort=False):
        last = rows[rows["severity"] == rows["severity"].max()]
        regimes = {}
        for regime, mine in rows.groupby("regime", sort=False):
            noticed = mine.loc[mine["fires"].notna(), "severity"]
            worst = last[last["regime"] == regime].iloc[0]
            regimes[regime] = {
                "from": noticed.min() if len(noticed) else None,
                "fires": None if pd.isna(worst["fires"]) else int(worst["fires"]),
                "first": worst["first"] if there(worst["first"]) else None,
            }
        worst = last.iloc[0]
        numbers = {n: None if pd.isna(worst[n]) else float(worst[n]) for n in ("cost", "low", "high")}
        needs = None if pd.isna(worst["needs"]) else int(worst["needs"])
        found.append({"skew": skew, "severity": worst["severity"], "regimes": regimes, **numbers, "needs": needs})
    return found
