"""What is found: the share of runs in which each change is, by size, beside scipy with Bonferroni. `python -m tests.bench.power [RUNS]`"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd

import skewkit as sk
from skewkit.checks import parity
from skewkit.pipeline import check

from .false_alarms import _p
from .worlds import features, tables

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
LOOKS = 365 * 25  # tests of a year of daily looks, for scipy to make the same promise


def _share(n, seed, share):
    return np.random.default_rng([seed, 7]).random(n) < share


# a change: its column, and what is served, by how much; the sizes of change run upwards
CHANGES: dict[str, tuple[str, tuple[float, ...], Callable]] = {
    "shifted by so many sd": ("normal0", (0.05, 0.1, 0.2, 0.3, 0.5), lambda x, by, seed: x + by),
    "times so much (normal)": ("normal1", (1.05, 1.1, 1.2, 1.5), lambda x, by, seed: x * by),
    "times so much (lognormal)": ("lognormal0", (1.05, 1.1, 1.2, 1.5), lambda x, by, seed: x * by),
    "times so much (counts)": ("count2", (1.05, 1.1, 1.2, 1.5), lambda x, by, seed: np.floor(x * by).astype(int)),
    "so many nulls": ("normal2", (0.002, 0.005, 0.01, 0.02, 0.05), lambda x, by, seed: x.mask(_share(len(x), seed, by))),
    "so many zeroed": ("lognormal1", (0.002, 0.005, 0.01, 0.02, 0.05), lambda x, by, seed: x.mask(_share(len(x), seed, by), 0.0)),
    "one of 20 categories renamed": ("category20", (20, 10, 5, 2), lambda x, by, seed: x.replace(f"c{by - 1:04.0f}", "renamed")),
    "hours rotated by so many": ("hour", (1, 2, 3), lambda x, by, seed: (x + int(by)) % 24),
}  # fmt: skip
FLOOR = {  # what must be found in 95 of 100 runs at 10,000 rows a side
    "shifted by so many sd": 0.2,
    "times so much (normal)": 1.2,
    "times so much (lognormal)": 1.2,
    "so many nulls": 0.05,
    "so many zeroed": 0.05,
    "one of 20 categories renamed": 10,
    "hours rotated by so many": 1,
}


def found(n: int, seed: int, at: dict[str, float], beside: bool = True) -> dict[str, tuple[bool, bool]]:
    """Whether skewkit finds each change, and scipy ``beside`` it: all planted in one served table, each in its own column."""
    training, served = tables(n, seed)
    for name, by in at.items():
        column, _, change = CHANGES[name]
        served[column] = change(served[column], by, seed)
    judged = sk.check(sk.compare(training, served, features=features(training)))
    alarmed = {f.feature for f in judged if f.verdict and f.verdict.alarm}
    columns = {name: CHANGES[name][0] for name in at}
    return {
        name: (c in alarmed, beside and bool(_p(training[c], served[c].dropna()) < 0.01 / LOOKS))
        for name, c in columns.items()
    }


def differing(n: int, seed: int, share: float) -> bool:
    """Whether parity finds that share of rows, at random, off in one of 25 features, and nothing in the others."""
    rng = np.random.default_rng([seed, n])
    replayed = pd.DataFrame({"key": np.arange(n), **{f"x{i}": rng.integers(0, 9, n, dtype=np.int8) for i in range(25)}})
    served = replayed.assign(x0=replayed["x0"].mask(_share(n, seed, share), 9))
    case = sk.compare(replayed, served, replayed, key="key", features=[f"x{i}" for i in range(25)])
    found = {f.feature for f in check(case, checks=(parity,)) if f.statistic == "differ" and f.verdict.alarm}
    return found == {"x0"}


def main(runs: int = 100) -> None:
    least = {}
    with ProcessPoolExecutor() as pool:
        for n in SIZES:
            for i in range(max(len(sizes) for _, sizes, _ in CHANGES.values())):
                at = {name: sizes[i] for name, (_, sizes, _) in CHANGES.items() if i < len(sizes)}
                told = list(pool.map(found, [n] * runs, range(runs), [at] * runs, chunksize=4))
                for name, by in at.items():
                    for who, column in (("skewkit", 0), ("scipy", 1)):
                        if np.mean([one[name][column] for one in told]) >= 0.95:
                            least.setdefault((name, who, n), by)
    rows = [
        {"change": name, "by": who, **{f"{n:,}": least.get((name, who, n), "-") for n in SIZES}}
        for name in CHANGES
        for who in ("skewkit", "scipy")
    ]
    print(
        f"The smallest change found in 95 of 100 runs ({runs} run), by rows a side, each promising at most 1% false alarms"
    )
    print("in a year of daily looks at 25 features (scipy: KS or chi square at 0.01 / 365 / 25).\n")
    print(pd.DataFrame(rows).to_string(index=False))
    print(f"\nPaired, 100,000 requests, one bad row in 2,000: found in {np.mean([differing(100_000, s, 1 / 2_000) for s in range(runs)]):.0%} of runs")  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
