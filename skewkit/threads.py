"""Columns measured side by side, in as many threads as there are cores and memory for. The order of what comes is theirs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from itertools import chain, repeat

import numpy as np

from .progress import step, told
from .records import SkewkitError, Table

FEWEST = 50_000  # rows in all, below which threads wait for each other more than they work
MEMORY = 1 << 30  # bytes that columns in work may take, over all threads
EACH = 32  # bytes for a row of a column in work: as read, sorted, and beside it while both are compared
KEPT = 31 << 20  # bytes; just below the largest array that the GNU C library learns from


def side_by_side(measure: Callable[[str], Iterable], columns: Iterable[str], tables: Iterable[Table]) -> Iterator:
    """What ``measure`` gives for each column, one after the other in the columns' order, whoever was ready first."""
    # untouched and freed at once: from then on the C library keeps as much for what comes next
    np.empty(KEPT, np.uint8)
    tables = list(tables)
    engines = any("engine" in t.told for t in tables)  # which have threads of their own
    rows = 0 if engines else sum(len(t) for t in tables)
    threads = min(_wanted(), max(1, MEMORY // (EACH * max(rows, 1)))) if rows >= FEWEST else 1
    columns = list(columns)

    def one(column):
        found: list = []
        with step(of=column):
            found = list(measure(column))
        return found

    if threads == 1:
        yield from chain.from_iterable(told(map(one, columns), len(columns), "columns"))
        return
    contexts = [copy_context() for _ in columns]  # so that what fails in a thread is known to be of this run
    with ThreadPoolExecutor(threads) as pool:
        yield from chain.from_iterable(
            told(pool.map(Context.run, contexts, repeat(one), columns), len(columns), "columns")
        )


def _wanted() -> int:
    """SKEWKIT_THREADS, or as many as there are cores for this process, at most 4."""
    if asked := os.environ.get("SKEWKIT_THREADS"):
        if not asked.isdecimal() or not int(asked):
            raise SkewkitError(f"SKEWKIT_THREADS={asked!r} was given; it is a number of threads, from 1")
        return int(asked)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 4)
