"""Columns measured side by side: the same findings, byte for byte, however many threads."""

import json

import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit import threads
from skewkit.records import SkewkitError, as_rows


def case(rows=30_000):
    """Twelve features of several kinds, two of them skewed."""
    r = np.random.default_rng(0)

    def made(seed):
        r = np.random.default_rng(seed)
        numbers = {f"x{i}": r.standard_normal(rows) for i in range(8)}
        return pd.DataFrame(
            {"key": np.arange(rows), **numbers, "n": r.poisson(3, rows), "c": r.choice(list("abc"), rows)}
        )

    training, replayed = made(1), made(2)
    served = replayed.assign(x3=replayed["x3"] * 1.5, x5=replayed["x5"].where(r.random(rows) < 0.9))
    return sk.compare(training, served, replayed, key="key")


def test_one_thread_or_more_find_the_same(monkeypatch):
    """Every finding in its order, with every digit."""
    found = {}
    for n in ("1", "2", "3"):
        monkeypatch.setenv("SKEWKIT_THREADS", n)
        found[n] = json.dumps(as_rows(sk.check(case())), default=str)
    assert found["1"] == found["2"] == found["3"] and "breach" in found["1"]


def test_many_threads_work_only_where_there_is_memory_for_them(monkeypatch):
    """A column of so many rows that two would be too much is measured alone; a few rows are not worth a thread."""
    monkeypatch.setenv("SKEWKIT_THREADS", "4")
    pools = []
    monkeypatch.setattr(threads, "ThreadPoolExecutor", lambda n: pools.append(n) or Pool())
    for rows in (10, 5_000_000, 40_000_000):
        assert list(threads.side_by_side(lambda c: [c], "ab", [Rows(rows)])) == ["a", "b"]
    assert pools == [4]
    list(threads.side_by_side(lambda c: [c], "ab", [Rows(5_000_000, engine="duckdb")]))
    assert pools == [4]  # one connection answers one question at a time


class Rows:
    """A table in memory of so many rows, or of an engine."""

    def __init__(self, rows, **told):
        self.rows, self.told = rows, told

    def __len__(self):
        return self.rows


class Pool:
    """A pool that works in this thread."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    map = staticmethod(map)


@pytest.mark.parametrize("asked", ["0", "-1", "many", "1.5"])
def test_a_number_of_threads_that_is_none_is_refused(asked, monkeypatch):
    """The error says what was given and what it takes."""
    monkeypatch.setenv("SKEWKIT_THREADS", asked)
    with pytest.raises(SkewkitError, match="a number of threads, from 1"):
        sk.check(case())
