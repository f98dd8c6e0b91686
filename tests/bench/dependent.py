"""Clean worlds whose rows depend on each other: how often they alarm, and what they are called. `python -m tests.bench.dependent [RUNS]`"""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd
from scipy.signal import lfilter

import skewkit as sk

HOURS, LATER, MACHINES = 24 * 56, 24 * 28, 20  # of training, of served; machines that are read every hour
START = pd.Timestamp("2024-01-01", tz="UTC")


def series(n: int, phi: float, rng) -> np.ndarray:
    """A stationary AR(1) series with variance 1."""
    noise = np.r_[rng.normal(), np.sqrt(1 - phi**2) * rng.normal(size=n - 1)]
    return lfilter([1.0], [1.0, -phi], noise)


def hourly(values, hours=HOURS, **more):
    """Training and served of one value an hour (or one for each machine), cut after so many hours."""
    n, each = len(values), 1 if values.ndim == 1 else values.shape[1]
    at = START + pd.to_timedelta(np.repeat(np.arange(n), each), unit="h")
    frame = pd.DataFrame({"time": at, "x": values.ravel(), "who": np.tile(np.arange(each), n)})
    return frame[: hours * each], frame[hours * each :]


def _bursts(rng, n):
    """Poisson clusters: about ten rows within a day of each centre, with the centre's level."""
    centre = rng.uniform(0, n, n // 10)
    each = rng.poisson(10, len(centre))
    at = np.repeat(centre, each) + rng.exponential(8, each.sum())
    x = np.repeat(rng.normal(size=len(centre)), each) + rng.normal(size=each.sum())
    frame = pd.DataFrame({"time": START + pd.to_timedelta(at * 3600, unit="s"), "x": x}).sort_values("time")
    late = frame["time"] >= START + pd.Timedelta(hours=HOURS)
    return frame[~late], frame[late]


def world(name: str, seed: int):
    """Training, served, and the roles that are given."""
    rng = np.random.default_rng([seed, len(name)])
    n = HOURS + LATER
    if name.startswith("AR"):
        return *hourly(series(n, float(name.split()[1]), rng)), {"time": "time"}
    if name == "bursts":
        return *_bursts(rng, n), {"time": "time"}
    if name.startswith("weekly"):
        n = HOURS + 24 * (14 if "whole" in name else 10)
        weekend = np.arange(n) // 24 % 7 >= 5
        return *hourly(rng.poisson(np.where(weekend, 8, 20)).astype(float)), {"time": "time"}
    shared = {"common factor": 0.5}.get(name, 0.0)
    values = np.sqrt(shared) * series(2 * HOURS, 0.99, rng)[:, None]
    values = values + np.sqrt(1 - shared) * rng.normal(size=(2 * HOURS, MACHINES))
    known = {"entity": "who"} | ({} if name == "machines" else {"time": "time"})
    return *hourly(values), known


CELLS = ("AR 0", "AR 0.9", "AR 0.99", "common factor", "machines", "machines over time", "weekly, whole", "weekly, part", "bursts")  # fmt: skip


def verdict(name: str, seed: int) -> str:
    """What a clean run is called: alarm, ok or inconclusive."""
    training, served, known = world(name, seed)
    found = sk.check(sk.compare(training, served, features=["x"], **known))
    alarmed = any(f.verdict and f.verdict.alarm for f in found)
    return "alarm" if alarmed else str(found.verdict)


def main(runs: int = 100) -> None:
    print(f"{'cell':<22}{'runs':>6}{'alarm':>8}{'ok':>8}{'inconclusive':>14}")
    with ProcessPoolExecutor() as pool:
        for name in CELLS:
            told = Counter(pool.map(verdict, [name] * runs, range(runs), chunksize=4))
            alarm, ok, unsure = (told[one] / runs for one in ("alarm", "ok", "inconclusive"))
            print(f"{name:<22}{runs:>6}{alarm:>8.0%}{ok:>8.0%}{unsure:>14.0%}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
