"""How long naming the cause takes: 100,000 pairs of 20 features, 5 million pairs, and one column: python -m tests.bench.diagnosis_speed"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd

import skewkit as sk

ROLES = {"key": "request", "entity": "account", "time": "asked", "segments": ["host"]}


def tables(rows: int, features: int, faults: int, seed: int = 0):
    """What was replayed, and what was served with faults of four kinds in the first features, a share of the rows each."""
    rng = np.random.default_rng(seed)
    replayed = pd.DataFrame(
        {
            "request": np.arange(rows),
            "account": rng.integers(0, max(1, rows // 50), rows),
            "asked": pd.Timestamp("2024-01-01", tz="UTC")
            + pd.to_timedelta(np.sort(rng.integers(0, 30 * 86_400, rows)), "s"),
            "host": rng.choice(["a", "b", "c"], rows),
            **{
                f"f{i}": np.round(rng.lognormal(3, 1, rows), 3) if i % 2 else rng.poisson(8, rows)
                for i in range(features)
            },
        }
    )
    served, hit = replayed.copy(), rng.random(rows) < 0.1
    for i in range(faults):
        f = f"f{i}"
        new = {
            0: replayed[f] * 12.0,
            1: replayed[f].round(0),
            2: rng.permutation(replayed[f]),
            3: replayed[f].astype("f4").astype(float),
        }[i % 4]
        served[f] = np.where(hit, new, replayed[f])
    return replayed, served


def took(rows, features, faults):
    replayed, served = tables(rows, features, faults)
    names = [f"f{i}" for i in range(features)]
    case = sk.compare(replayed, served, replayed, features=names, **ROLES)
    begun = time.perf_counter()
    found = sk.diagnose(case)
    return time.perf_counter() - begun, found


def main():
    took(2_000, 4, 4)  # what is compiled and imported once
    print("| pairs | features | that differ | named | seconds |\n|---|---|---|---|---|")
    for rows, features, faults in ((100_000, 20, 4), (100_000, 20, 20), (100_000, 1, 1), (5_000_000, 4, 2)):
        if rows > 1_000_000 and "small" in sys.argv:
            continue
        seconds, found = took(rows, features, faults)
        named = len({f for fit in found.named for f in fit.features})
        print(f"| {rows:,} | {features} | {faults} | {named} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
