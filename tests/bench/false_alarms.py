"""How often clean splits raise an alarm: skewkit beside scipy. `python -m tests.bench.false_alarms [RUNS]`"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from time import perf_counter

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, ks_2samp

import skewkit as sk

from .worlds import features, tables

SIZES = (1_000, 10_000, 100_000)
BESIDE = 200  # splits that scipy is asked about as well
KINDS = tuple(product((False, True), (False, True)))  # users, wobble


def alarms(n: int, seed: int, users: bool, wobble: bool) -> list[tuple[str, str]]:
    """(feature, statistic) of what skewkit alarms at on one clean split, a user's rows known as such, days as days."""
    training, served = tables(n, seed, users, wobble)
    known = ({"entity": "user"} if users else {}) | ({"time": "time"} if wobble else {})
    found = sk.check(sk.compare(training, served, features=features(training), **known))
    return [(f.feature, f.statistic) for f in found if f.verdict and f.verdict.alarm]


def least_p(n: int, seed: int, users: bool, wobble: bool) -> float:
    """The least p-value of scipy's two-sample tests over the features: KS for numbers, chi square for categories."""
    a, b = tables(n, seed, users, wobble)
    return min(_p(a[f], b[f]) for f in features(a))


def _p(a, b):
    if a.dtype.kind in "if":
        return ks_2samp(a, b, method="asymp").pvalue
    counts = pd.concat([a.value_counts(), b.value_counts()], axis=1).fillna(0).to_numpy()
    return chi2_contingency(counts[counts.sum(axis=1) >= 10]).pvalue


def main(runs: int = 1_000) -> None:
    print(
        f"{runs} clean splits at each size, a quarter of them of each kind; 25 features; share of runs with any alarm"
    )
    print(f"(scipy: of the first {min(runs, BESIDE)})\n")
    print(f"{'rows a side':>12} {'skewkit':>8} {'p < 0.05':>9} {'Bonferroni':>11} {'seconds':>8}   skewkit alarms at")
    for n in SIZES:
        begun = perf_counter()
        asked = [(n, seed, *KINDS[seed % len(KINDS)]) for seed in range(runs)]
        with ProcessPoolExecutor() as pool:
            found = list(pool.map(alarms, *zip(*asked, strict=True), chunksize=4))
            seconds = perf_counter() - begun
            p = np.array(list(pool.map(least_p, *zip(*asked[:BESIDE], strict=True), chunksize=4)))
        at = sorted({f"{f} {s}" for one in found for f, s in one})
        any_ = np.mean([bool(one) for one in found])
        print(f"{n:>12,} {any_:>8.1%} {np.mean(p < 0.05):>9.1%} {np.mean(p < 0.05 / 25):>11.1%} {seconds:>8.0f}   {', '.join(at) or 'nothing'}", flush=True)  # fmt: skip
    print("\nThe promise is 1% a year of daily looks. Bonferroni: p < 0.05 / 25, which promises 5% of single looks.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
