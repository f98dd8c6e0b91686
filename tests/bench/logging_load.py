"""What a feature log adds to a request under load, and what is left of it after a kill: python -m tests.bench.logging_load

Options: --seconds of load (60), --rate of requests a second (5,000), --features (20), --kills (50). It takes about twice the
seconds, for the same loop runs without a log first, and a third of a second a kill.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import tempfile
import time
from importlib import import_module
from pathlib import Path

import numpy as np

from skewkit.log.feature_log import FeatureLog

MODULE = "tests.bench.logging_load"


def features(i: int, many: int) -> dict:
    """One request's features: numbers, whole numbers and text."""
    kinds = (i * 0.5, i % 97, f"c{i % 50}", None if i % 10 == 0 else i / 3)
    return {f"f{j}": kinds[j % 4] for j in range(many)}


def load(log, seconds: float, rate: int, many: int) -> tuple[np.ndarray, np.ndarray]:
    """Serve requests at a rate; of each, the seconds its work took and those that its end came after its due time."""
    took, late = [], []
    begun = time.perf_counter()
    for i in range(int(seconds * rate)):
        due = begun + i / rate
        if (rest := due - time.perf_counter()) > 0:
            time.sleep(rest)
        start = time.perf_counter()
        made = features(i, many)
        if log is not None:
            log(made, i * 0.25, key=f"request-{i}", join_key=i)
        end = time.perf_counter()
        took.append(end - start)
        late.append(end - due)
    return np.array(took), np.array(late)


def serve(folder: str, told, seed: int) -> None:
    """A service that logs without an end, small segments, and tells each durable number it has seen; to be killed."""
    log = FeatureLog(folder, share=1.0, key="key", rows=20 + seed % 60, seconds=0.02)
    seen, i = -1, 0
    while True:
        i += 1
        log({"n": i, "text": f"row {i}", "half": i / 2}, i * 0.25, key=str(i))
        if log.durable != seen:
            told.send(seen := log.durable)
        time.sleep(0.0001)


def killed(folder: Path, seed: int) -> dict[str, int]:
    """What is left after kill -9 at a random moment: the number last seen by the service, and what its files hold.

    ``wrong`` counts rows up to the published number that are not there, or not as they were logged.
    """
    from skewkit.log.reader import read_log  # which a child does without

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["skewkit.log.feature_log"])  # imported once, so that each child begins at once
    hears, tells = context.Pipe(duplex=False)
    child = context.Process(target=import_module(MODULE).serve, args=(str(folder), tells, seed), daemon=True)
    child.start()
    tells.close()
    seen = hears.recv()  # it has begun
    time.sleep(random.Random(seed).uniform(0.02, 0.4))
    child.kill()
    child.join()
    try:
        while True:
            seen = hears.recv()
    except EOFError:
        pass
    files = list(folder.glob("*.parquet"))
    left = {"seen": seen, "published": 0, "rows": 0, "files": len(files), "aside": len(list(folder.glob(".*.aside")))}
    if not files:
        return {**left, "wrong": seen}
    log = read_log(folder)  # raises where a file cannot be read
    frame = log.frame.set_index("log_sequence")
    (published,) = log.writers["durable"]
    upto = np.arange(1, max(published, seen) + 1)
    there = frame.reindex(upto)
    right = (there["n"] == upto) & (there["key"] == upto.astype(str)) & (there["half"] == upto / 2)
    right &= (there["text"] == np.char.add("row ", upto.astype(str))) & (there["prediction"] == upto / 4)
    twice = int(frame.index.duplicated().sum())
    return {**left, "published": int(published), "rows": len(frame), "wrong": int((~right).sum()) + twice}


def _told(name, seconds):
    p50, p99, p999, most = (1e3 * float(x) for x in (*np.quantile(seconds, [0.5, 0.99, 0.999]), seconds.max()))
    print(f"{name:<44} p50 {p50:7.3f}  p99 {p99:7.3f}  p99.9 {p999:7.3f}  max {most:8.3f} ms", flush=True)


def main() -> None:
    """Both loops, the rows read back, and the kills."""
    from skewkit.log.reader import read_log

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("seconds", 60.0), ("rate", 5_000), ("features", 20), ("kills", 50)):
        parser.add_argument(f"--{name}", type=type(default), default=default)
    asked = parser.parse_args()
    print(f"{asked.rate:,} requests/s for {asked.seconds:g} s, {asked.features} features, every request logged")
    without, late_without = load(None, asked.seconds, asked.rate, asked.features)
    with tempfile.TemporaryDirectory() as folder:
        log = FeatureLog(folder, share=1.0, key="request", seconds=5.0)
        begun = time.perf_counter()
        took, late = load(log, asked.seconds, asked.rate, asked.features)
        reached = len(took) / (time.perf_counter() - begun)
        whole = log.close()
        back = read_log(folder)
        size = sum(p.stat().st_size for p in Path(folder).glob("*.parquet")) / 1e6
        _told("the request's work, without a log", without)
        _told("the request's work, logged", took)
        _told("from its due time to its end, without a log", late_without)
        _told("from its due time to its end, logged", late)
        added = [1e3 * float(np.quantile(took, q) - np.quantile(without, q)) for q in (0.5, 0.99)]
        waited = 1e3 * float(np.quantile(late, 0.99) - np.quantile(late_without, 0.99))
        print(f"added to the work: p50 {added[0]:.3f} ms, p99 {added[1]:.3f} ms; the p99 is to be below 1 ms")
        print(f"added from the due time to the end, so with what the thread's work makes it wait: p99 {waited:.3f} ms")
        state = log.state
        print(f"requests {state['asked']:,} at {reached:,.0f}/s; dropped {state['dropped']}, failed {state['failed']}")
        right = (back.frame["f0"].to_numpy() == np.arange(len(took)) * 0.5).all() if len(back) == len(took) else False
        print(
            f"rows read back {len(back):,} in {len(back.files)} files of {size:.1f} MB, whole: {whole}, as logged: {right}"
        )
    left = []
    for seed in range(asked.kills):
        with tempfile.TemporaryDirectory() as folder:
            left.append(killed(Path(folder), seed))
    total = {n: sum(one[n] for one in left) for n in left[0]} if left else {}
    print(
        f"kill -9 {len(left)} times: {total}; wrong counts rows up to the published number that are lost, it is to be 0"
    )


if __name__ == "__main__":
    import_module(MODULE).main()  # by its name, so that the children find what they are to do
