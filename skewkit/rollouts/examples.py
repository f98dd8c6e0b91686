"""Write logs of a candidate beside the current model, from the payments: python -m skewkit.rollouts.examples data/shadow"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from ..durable import put
from ..injection import inject
from ..records import SkewkitError
from ..scenarios import scenario, scored
from ..scope import coin
from ..skews import make

EVENTS, DAYS = 150_000, 14  # payments of the world, and days of its requests that both models answer
ROUNDED = ("amount", "last_amount", "sum_24h", "typing", "pace")
MILLISECONDS, SPREAD = 12.0, 0.35  # how long an answer takes: lognormal around the median
FAILS = 0.0005  # share of requests that time out, of either model
CANARY = 0.05


def write(folder: Path, seed: int = 0, events: int = EVENTS, days: int = DAYS) -> list[Path]:
    """What the candidate learned from, the current model's log, and a log of each candidate, as Parquet files.

    ``candidate`` is the same model in a service that holds numbers in 32 bits; ``retrained`` learned on other rows;
    ``rounding`` has a bug that cuts decimals off; ``slow`` takes twice as long. ``canary`` and
    ``canary_rounding`` answer 5 percent of the accounts, by a hash of them, and ``canary_current`` the others: the first is the
    current model once more.
    """
    world = scenario("payments", seed=seed, events=events)
    training, replayed = world.tables
    roles = world.roles
    requests = replayed[replayed[roles.time] < replayed[roles.time].min() + pd.Timedelta(days, "D")].reset_index(
        drop=True
    )
    narrow, cut = (
        _received(requests, world, **how)
        for how in ({"to": "float32"}, {"decimals": 0, "rounding": "floor", "features": list(ROUNDED)})
    )
    half = training[coin(training[roles.entity], "retrained", seed) < 0.5]
    other = world.refit(half, world.validation)[1]
    tables = {
        "training": training,
        "current": _logged(requests, seed, "current"),
        "candidate": _logged(narrow.assign(**{roles.prediction: world.score(narrow)}), seed, "candidate"),
        "retrained": _logged(
            requests.assign(**{roles.prediction: scored(other, requests[list(roles.features)])}), seed, "retrained"
        ),
        "rounding": _logged(cut.assign(**{roles.prediction: world.score(cut)}), seed, "rounding"),
    }
    tables["slow"] = tables["candidate"].assign(latency_ms=2 * tables["candidate"]["latency_ms"])
    chosen = coin(requests[roles.entity], "canary", seed) < CANARY
    tables |= {
        "canary_current": tables["current"][~chosen],
        "canary": _logged(requests, seed, "canary")[chosen],
        "canary_rounding": tables["rounding"][chosen],
    }
    folder.mkdir(parents=True, exist_ok=True)
    return [_put(table, folder / f"{name}.parquet") for name, table in tables.items()]


def _received(requests, world, **how):
    """The requests as a candidate's service receives their features."""
    return requests.assign(**inject(requests, make("precision", **how), roles=world.roles)[list(world.roles.features)])


def _logged(requests, seed, who):
    """A log of answers: how long each took and whether it failed, by a hash of the request, so that files come out alike."""
    from scipy.stats import norm

    took = norm.ppf(np.clip(coin(requests["payment"], f"{who} latency", seed), 1e-9, 1 - 1e-9))
    failed = coin(requests["payment"], f"{who} failed", seed) < FAILS
    times = np.round(MILLISECONDS * np.exp(SPREAD * took), 3)
    return requests.assign(latency_ms=times, failed=failed, score=requests["score"].where(~failed))


def _put(table, path):
    put(path, lambda aside: table.to_parquet(aside, index=False))
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("give a folder: python -m skewkit.rollouts.examples data/shadow")
    try:
        print("\n".join(map(str, write(Path(sys.argv[1])))))
    except SkewkitError as e:
        sys.exit(str(e))
