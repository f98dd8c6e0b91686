"""How large a baseline profile is, and what it saves: python -m tests.bench.baseline [ROWS]"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd

import skewkit as sk
from skewkit import examples

ROWS = 2_000_000


def wide(columns: int, rows: int, seed: int = 0) -> pd.DataFrame:
    """Numbers of which none comes twice, every other one heavy-tailed."""
    rng = np.random.default_rng(seed)
    draw = (rng.normal, rng.lognormal)
    return pd.DataFrame({f"x{i}": draw[i % 2](i % 5, 1, rows) for i in range(columns)})


def mixed(rows: int, seed: int) -> pd.DataFrame:
    """25 columns: normal, lognormal, rounded, counts, and categories of 20 and 1,000 levels."""
    rng = np.random.default_rng(seed)
    made = {f"normal{i}": rng.normal(i, 1 + i, rows) for i in range(10)}
    made |= {f"lognormal{i}": rng.lognormal(3, 1, rows) for i in range(5)}
    made |= {f"rounded{i}": rng.lognormal(3, 1, rows).round(2) for i in range(5)}
    made |= {f"count{i}": rng.poisson(20, rows) for i in range(3)}
    for levels in (20, 1_000):
        names = np.array([f"v{i}" for i in range(levels)], object)
        made[f"category{levels}"] = names[np.minimum(rng.geometric(5 / levels, rows) - 1, levels - 1)]
    return pd.DataFrame(made)


def size(made, folder: Path) -> str:
    """Of its file."""
    made.write(folder / "size.json")
    return f"{(folder / 'size.json').stat().st_size / 1_000:,.0f} kB"


def seconds(training, served) -> float:
    """That a check takes, the second time."""
    for _ in range(2):
        begun = perf_counter()
        sk.check(sk.compare(training, served))
        took = perf_counter() - begun
    return took


def main(rows: int = ROWS) -> None:
    """Print the sizes, and the times with the rows and without."""
    roles = {"key": "request", "entity": "account", "time": "asked", "label": "fraud", "prediction": "score"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        example = sk.baseline(examples.table(20_000), **roles, features=examples.FEATURES)
        print("14 features of the example's table:", size(example, folder))
        for columns in (20, 60):
            print(f"{columns} numbers of which none comes twice:", size(sk.baseline(wide(columns, 200_000)), folder))
        files = {n: folder / f"{n}.parquet" for n in ("training", "served")}
        for seed, path in enumerate(files.values()):
            mixed(rows, seed).to_parquet(path, index=False)
        begun = perf_counter()
        sk.baseline(files["training"]).write(folder / "model.baseline.json")
        print(f"25 columns of {rows:,} rows: made in {perf_counter() - begun:.1f} s")
        frames = {n: pd.read_parquet(p) for n, p in files.items()}
        for what, (training, served) in {"files": files.values(), "frames": frames.values()}.items():
            took = seconds(training, served), seconds(folder / "model.baseline.json", served)
            print(f"checked, {what}: {took[0]:.1f} s with the rows, {took[1]:.1f} s with the baseline")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
