"""What a run would read, and how long it may take: nothing is run, and of the tables only their schema is read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .load.baseline_file import is_baseline, read_baseline
from .load.locations import open_table
from .notebook import checked, declared, find, given
from .records import SkewkitError
from .report.history import results
from .results.words import several

TABLES = ("training", "served", "replayed", "current", "candidate", "freshness")
STARTING = 9.0  # seconds until a kernel has imported what a check needs, and its page is made: 10 s for 6,000 rows of 21 columns
SORTS = 5.0  # a check takes about as long as sorting every column so often: 12 s with the start for 60 million values, 0.5 s to sort


def plan(name: str, files: list[str], pairs: list[tuple[str, str]], runs: Path) -> Iterator[str]:
    """What a run of a notebook would read, a line a table, and about how many seconds it takes.

    Takes what `skewkit.notebook.run` takes, and raises Refused as that does.
    """
    path = find(name)
    takes = declared(path)
    values = checked(given(files, pairs, takes), takes, name)
    yield f"{path.name} would be run with {', '.join(f'{k}={v!r}' for k, v in values.items()) or 'what it declares'}"
    tables = {**{n: p.default for n, p in takes.items()}, **values}
    tables |= tables.get("tables") or {}
    cells = 0
    for role in TABLES:
        if not tables.get(role):
            continue
        try:
            if role == "training" and is_baseline(tables[role]):
                known = read_baseline(tables[role])
                yield f"training: a baseline profile of {len(known):,} rows, {len(known.roles.features)} features"
                continue
            table = open_table(role, tables[role])
        except SkewkitError as e:
            yield f"{role}: cannot be read. {e}"
            continue
        rows, columns = len(table), len(table.columns)
        cells += rows * columns
        yield f"{role}: {rows:,} rows, {columns} columns, {_where(table)}"
    yield from _duration(name, cells, runs)


def _where(table):
    if "engine" in table.told:
        return f"which stay in {table.told['engine']}"
    size = sum(f.size or 0 for f in table.filesystem.get_file_info(list(table.files))) / 1e6
    return f"{several(len(table.files), 'file')}, {size:,.1f} MB"


def _duration(notebook, cells, runs):
    """From the last whole run of the notebook, scaled by rows times columns; else from how fast this machine sorts."""
    last = next((r for _, r in results(runs, notebook)), None)
    read = sum((i["rows"] or 0) * (i["columns"] or 0) for i in last["inputs"]) if last else 0
    if last and read and cells:
        seconds = STARTING + last["seconds"] * cells / read
        yield f"about {seconds:.0f} s: {last['run_id']} took {last['seconds']:.0f} s for {read:,} values, its kernel's start apart"
    elif last:
        yield f"about {STARTING + last['seconds']:.0f} s, as {last['run_id']} took, with its kernel's start"
    elif cells:
        values = np.random.default_rng(0).random(500_000)
        begun = time.perf_counter()
        np.sort(values)
        once = (time.perf_counter() - begun) / len(values)
        yield f"about {STARTING + SORTS * once * cells:.0f} s, by how fast this machine sorts; no earlier run is there to go by"
    else:
        yield "how long is not known: no earlier run is there to go by"
