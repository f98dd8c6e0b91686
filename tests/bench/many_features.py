"""How long a check, a diagnosis and the page take where every feature of a wide table is shifted: python -m tests.bench.many_features."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

import skewkit as sk
from skewkit.report.run import Run

ROWS = 2_000
HOWS = {"x2": "every feature doubled", "offset": "each feature half a deviation higher", "noise": "each with new noise"}


def tables(features: int, how: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table of normal draws, and as it was served."""
    g = np.random.default_rng(0)
    values = g.normal(np.arange(features) % 7, 1 + np.arange(features) % 3, (ROWS, features))
    changed = {
        "x2": lambda v: 2 * v,
        "offset": lambda v: v + 0.5 * v.std(0),
        "noise": lambda v: v + g.normal(size=v.shape),
    }
    names = [f"f{at}" for at in range(features)]
    return tuple(pd.DataFrame(v, columns=names).assign(id=np.arange(ROWS)) for v in (values, changed[how](values)))


def measured(features: int, how: str, paired: bool) -> dict[str, float]:
    """Seconds for each step, and the page's size in MB."""
    before, after = tables(features, how)
    case = sk.compare(before, after, before if paired else None, key="id")
    spent = {}

    def timed(name, step):
        begun = time.perf_counter()
        made = step()
        spent[name] = time.perf_counter() - begun
        return made

    findings = timed("check", lambda: sk.check(case))
    causes = timed("diagnose", lambda: sk.diagnose(case))
    result = sk.examine(case, diagnosed=False)
    result = type(result)(findings, result.impact, (*result.not_run, *causes.missing), case, causes, result.promise)
    with TemporaryDirectory() as folder:
        run = Run("check", {}, Path(folder) / "one", Path(folder) / ".one")
        timed("page", lambda: run.finish(result))
        spent["MB"] = (run.folder / "report.html").stat().st_size / 1e6
    return {**spent, "named": sum(len(f.features) for f in causes.named)}


def main() -> None:
    """Print one line a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, nargs="+", default=[200, 1_000, 5_000])
    parser.add_argument("--how", choices=HOWS, nargs="+", default=list(HOWS))
    asked = parser.parse_args()
    print(
        f"{'features':>8}  {'served':<8}{'paired':<8}"
        + "".join(f"{n:>10}" for n in ("check", "diagnose", "page", "MB", "named"))
    )
    for n in asked.features:
        for how in asked.how:
            for paired in (True, False):
                row = measured(n, how, paired)
                print(
                    f"{n:>8,}  {how:<8}{'yes' if paired else 'no':<8}" + "".join(f"{v:>10,.1f}" for v in row.values()),
                    flush=True,
                )


if __name__ == "__main__":
    main()
