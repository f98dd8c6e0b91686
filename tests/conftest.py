"""Shared worlds, small and seeded; a folder of tiny tables; the notebooks run in this process."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import matplotlib
import nbformat
import pandas as pd
import pytest

import skewkit as sk
from skewkit import examples

ROOT = Path(__file__).parent.parent
os.environ.setdefault(
    "SKEWKIT_RAISE", "1"
)  # a fault in a step fails the test that met it; test_steps.py says otherwise
matplotlib.use("agg")


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    """The example table; tests take copies."""
    return examples.table()


@pytest.fixture(scope="session")
def flights():
    return sk.scenario("flights")


@pytest.fixture(scope="session")
def few(flights):
    """Some thousand served requests of the flights, with the flights' own roles."""
    return flights.tables[1].sample(3_000, random_state=0).sort_index()


@pytest.fixture(scope="session")
def payments():
    """A small world of payments, simulated."""
    return sk.scenario("payments", events=20_000)


@pytest.fixture(scope="session")
def spark():
    """A real Spark on two threads of this machine."""
    if not shutil.which("java") and os.environ.get("CI") != "true":
        pytest.skip(
            "Spark needs a Java runtime, and there is none on this machine: apt-get install default-jre-headless"
        )
    import ibis
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield ibis.pyspark.connect(session)
    session.stop()


@pytest.fixture
def folder(tmp_path, table, monkeypatch):
    """A folder with training, served (clocks in UTC for a third) and replayed tables, as a team would have them."""
    later = examples.table(seed=1)
    later["request"] += 1_000_000
    skew = sk.skews.TimeZone(features=("hour", "weekday"), serving="UTC", training=examples.ZONE)
    served = sk.inject(later, skew, sk.Scope(share=1 / 3), examples.ROLES)
    for name, frame in {"training": table, "replayed": later, "served": served}.items():
        frame.to_parquet(tmp_path / f"{name}.parquet", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


ROLES = {
    "key": "request",
    "entity": "account",
    "time": "asked",
    "label": "fraud",
    "prediction": "score",
    "segments": ["country"],
    "features": list(examples.FEATURES),
}


def play(notebook: str, **parameters):
    """Run a notebook's cells in this process with parameters in place of its own; gives all names it leaves."""
    cells = nbformat.read(next((ROOT / "notebooks").glob(f"[0-9]_{notebook}.ipynb")), as_version=4).cells
    names: dict = {}
    for cell in cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, notebook, "exec"), names)
            if "parameters" in cell.metadata.get("tags", []):
                names.update(parameters)
    return names


def chromium():
    """Arguments that open Debian's chromium; skips where there is none, and fails where CI should have it."""
    path = next(
        (p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome") if os.path.exists(p)),
        None,
    )
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI has no chromium; .ci/run installs it")
        pytest.skip("no chromium here; install Debian's package chromium to run the browser tests")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    return {"executable_path": path, "args": [*quiet, "--disable-component-update", "--disable-sync"]}
