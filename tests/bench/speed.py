"""How long a check takes beside sorting the same columns, and how much memory: python -m tests.bench.speed [SHAPE ...]

Each line is a process of its own, which first sorts every column of both tables with numpy in one thread (the floor), then
does the work, and gives the ratio of the two, the best of a few runs. Peers are asked in environments of their own:
PEERS=/folder, with /folder/evidently/bin/python and so on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

SHAPES = {"small": (100_000, 60), "wide": (20_000, 1_000), "wider": (10_000, 5_000), "tall": (2_000_000, 25)}
FILES = {"20M": (20_000_000, 20)}
WORKS = (
    "four",
    "four, plain numpy",
    "check",
    "check, plain numpy",
    "check, 2 threads",
    "check, against a baseline",
    "scipy",
)
PEERS = ("frouros", "nannyml", "evidently")
PLAIN, TWICE = 1e9, 10.0  # rows never reached; seconds above which one run is enough


def tables(rows, columns):
    """Two tables of the same normal columns, a tenth of them lognormal, with a few nulls."""
    r = np.random.default_rng(0)
    made = []
    for _ in range(2):
        values = r.standard_normal((columns, rows))
        np.exp(values[::10], out=values[::10])
        values[5::10, : rows // 100] = np.nan
        made.append(pd.DataFrame(values.T, columns=[f"f{i}" for i in range(columns)], copy=False))
    return made


def floor(sides):
    """Seconds to sort every column of both with numpy, one after the other."""
    begun = time.perf_counter()
    for side in sides:
        for c in side:
            np.sort(side[c].to_numpy())
    return time.perf_counter() - begun


def four(before, after):
    """KS, Wasserstein, PSI and JS of every column, as `distribution` measures them."""
    from skewkit.statistics import distance
    from skewkit.statistics.cells import cells
    from skewkit.tables.columns import distribution_of

    for c in before:
        a, b = distribution_of(before[c]), distribution_of(after[c])
        shared = cells(a, b)
        p, q = shared.counts(a), shared.counts(b)
        yield c, *distance.apart(a, b), distance.psi(p, q), distance.js(p, q)


def work(name, before, after, folder):
    """What is timed, as a function of no arguments."""
    import skewkit as sk
    from skewkit.statistics import merge

    os.environ["SKEWKIT_THREADS"] = "2" if "2 threads" in name else "1"
    if "plain numpy" in name:
        merge.MANY = PLAIN
    if name.startswith("four"):
        return lambda: list(four(before, after))
    if name.startswith("check"):
        training = before
        if "baseline" in name:
            training = folder / "training.baseline.json"
            sk.baseline(before).write(training)
        case = {"training": training, "served": after}
        return lambda: sk.check(sk.compare(**case, features=list(after)))
    from scipy.stats import ks_2samp

    return lambda: [ks_2samp(before[c].dropna(), after[c].dropna(), method="asymp") for c in before]


def measured(name, shape):
    """One line: seconds, the ratio to the floor, and the most memory that the process held."""
    before, after = tables(*SHAPES[shape])
    with tempfile.TemporaryDirectory() as folder:
        doing = work(name, before, after, Path(folder))
        few = (d.head(20_000).iloc[:, :2] for d in (before, after))
        (Path(folder) / "few").mkdir()
        work(name, *few, Path(folder) / "few")()  # imports and compiles
        base = min(floor((before, after)) for _ in range(3))
        taken = []
        while len(taken) < 3 and sum(taken) < TWICE:
            begun = time.perf_counter()
            doing()
            taken.append(time.perf_counter() - begun)
    return {"seconds": min(taken), "floor": base, "ratio": min(taken) / base, "GB": peak()}


def peak():
    """The most memory that this process has held, in GB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


# -- files larger than memory should hold


def write(folder, rows, columns):
    """Two Parquet files, made and written a million rows at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for seed, name in enumerate(("training", "served")):
        r, step = np.random.default_rng(seed), 1_000_000
        with pq.ParquetWriter(
            folder / f"{name}.parquet",
            pa.schema([(f"f{i}", pa.float64()) for i in range(columns)]),
            use_dictionary=False,
        ) as out:
            for _ in range(0, rows, step):
                out.write_table(pa.table({f"f{i}": r.standard_normal(min(step, rows)) for i in range(columns)}))


def measured_files(name, folder):
    """As `measured`, over Parquet files: to read every column and sort it, or to check them."""
    import pyarrow.parquet as pq

    import skewkit as sk

    os.environ["SKEWKIT_THREADS"] = "1"
    paths = [str(folder / f"{n}.parquet") for n in ("training", "served")]
    columns = pq.read_schema(paths[0]).names
    begun = time.perf_counter()
    if name == "floor":
        for p in paths:
            for c in columns:
                np.sort(pq.read_table(p, columns=[c]).column(0).to_numpy())
        return {"seconds": time.perf_counter() - begun, "GB": peak()}
    if name == "duckdb":
        import ibis

        con = ibis.duckdb.connect()
        con.raw_sql("SET memory_limit = '1GB'")
        given = [con.read_parquet(p) for p in paths]
    else:
        given = paths
    found = sk.check(sk.compare(*given, features=columns))
    return {"seconds": time.perf_counter() - begun, "GB": peak(), "verdict": str(found.verdict)}


# -- peers, each in an environment of its own

PEER = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import numpy as np, pandas as pd
from tests.bench.speed import SHAPES, floor, tables
before, after = tables(*SHAPES[sys.argv[1]])
before, after = before.fillna(0.0), after.fillna(0.0)
base = min(floor((before, after)) for _ in range(3))
begun = time.perf_counter(); cpu = time.process_time()
{work}
print(json.dumps({{"seconds": time.perf_counter() - begun, "floor": base, "ratio": (time.process_time() - cpu) / base}}))
"""
ASKED = {
    "frouros": """
from frouros.detectors.data_drift import KSTest
for c in before:
    d = KSTest(); d.fit(X=before[c].to_numpy()); d.compare(X=after[c].to_numpy())
""",
    "nannyml": """
import nannyml
c = nannyml.UnivariateDriftCalculator(column_names=list(before), continuous_methods=["kolmogorov_smirnov", "jensen_shannon", "wasserstein"], chunk_number=1)
c.fit(before); c.calculate(after)
""",
    "evidently": """
from evidently import Report
from evidently.presets import DataDriftPreset
Report([DataDriftPreset(num_method="ks")]).run(after, before)
""",
}


def line(label, got):
    """A line of the table."""
    ratio = f"{got['ratio']:8.1f}" if "ratio" in got else " " * 8
    memory = f"{got['GB']:6.2f}" if "GB" in got else " " * 6
    print(f"{label:44} {got['seconds']:9.2f} {ratio} {memory}", flush=True)


def asked(*arguments, python=sys.executable, code=None):
    """What a process of its own printed last, as JSON; None where it failed."""
    command = [python, "-c", code] if code else [python, "-m", "tests.bench.speed"]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        print(f"    {' '.join(arguments)} failed: {(done.stderr.strip().splitlines() or ['?'])[-1][:200]}", flush=True)
        return None
    return json.loads(lines[-1])


def main(shapes):
    """Print the table."""
    print(f"{'rows x columns a side, what':44} {'seconds':>9} {'x floor':>8} {'GB':>6}")
    for shape in shapes:
        if shape in FILES:
            with tempfile.TemporaryDirectory() as folder:
                write(Path(folder), *FILES[shape])
                for name in ("floor", "check", "duckdb"):
                    if got := asked("--files", name, folder):
                        line(f"{shape} x {FILES[shape][1]} Parquet, {name}", got)
            continue
        rows, columns = SHAPES[shape]
        for name in WORKS:
            if got := asked("--one", name, shape):
                line(f"{rows:,} x {columns:,}, {name}", got)
        for peer in PEERS:
            python = Path(os.environ.get("PEERS", "-")) / peer / "bin" / "python"
            there = python.exists() and rows * columns <= 10_000_000
            if there and (got := asked(shape, python=str(python), code=PEER.format(work=ASKED[peer]))):
                line(f"{rows:,} x {columns:,}, {peer} (CPU)", got)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measured(*sys.argv[2:])))
    elif sys.argv[1:2] == ["--files"]:
        print(json.dumps(measured_files(sys.argv[2], Path(sys.argv[3]))))
    else:
        main(sys.argv[1:] or [*SHAPES, *FILES])
