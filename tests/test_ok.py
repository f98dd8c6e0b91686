"""ok is a promise: what differs is never ok, and what is equal under another representation is never an alarm."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skewkit as sk

from .columns import KINDS, with_nulls

N = 4_000
LAW = settings(max_examples=60, deadline=None, derandomize=True)
ALARMS = ("warn", "breach")


def column(kind, seed, nulls=0.0):
    return with_nulls(KINDS[kind].make(np.random.default_rng(seed), N), nulls, seed)


def table(x, name="x"):
    rows = np.arange(N)
    return pd.DataFrame({"id": rows, "steady": rows % 7, name: x})


def verdict(training, served, *replayed, **roles):
    return sk.check(sk.compare(training, served, *replayed, key="id", **{"features": ["steady", "x"], **roles})).verdict


def changed(x, other, share, seed):
    """The column with other values in a share of its rows."""
    hit = np.random.default_rng([seed, 3]).random(len(x)) < share
    return pd.Series(pd.concat([x[~hit], other(x)[hit]]).sort_index())


@st.composite
def draws(draw):
    return draw(st.sampled_from(sorted(KINDS))), draw(st.integers(0, 99)), draw(st.sampled_from([0.0, 0.2]))


@LAW
@given(draws(), st.sampled_from([0.03, 0.3, 1.0]))
def test_what_differs_in_a_row_of_the_same_request_is_never_ok(drawn, share):
    """A column of any kind whose values differ in three rows of a hundred, or in all: never ok beside the recomputation."""
    kind, seed, nulls = drawn
    x = column(kind, seed, nulls)
    right, wrong = table(x), table(changed(x, KINDS[kind].other, share, seed))
    assert verdict(right, wrong, right) == "breach"


@LAW
@given(draws(), st.sampled_from([0.03, 1.0]))
def test_nulls_that_one_side_alone_has_are_never_ok(drawn, share):
    """Lost in three rows of a hundred, or in all, values of any kind are missed; so are values where there were none."""
    kind, seed, _ = drawn
    right, wrong = table(column(kind, seed)), table(column(kind, seed, share if share < 1 else 1.1))
    assert verdict(right, wrong, right) == verdict(right, right, wrong) == "breach"


@pytest.mark.parametrize("share", [0.03, 1.0])
@pytest.mark.parametrize(("kind", "role"), [(k, r) for k, v in KINDS.items() for r in v.roles])
def test_every_column_with_a_part_is_compared(kind, role, share):
    """The prediction, the time, the entity, a segment and the label: the same features, and yet never ok."""
    x = column(kind, 1)
    right, wrong = table(x, "y"), table(changed(x, KINDS[kind].other, share, 1), "y")
    part = {role: ["y"] if role == "segments" else "y"}
    assert verdict(right, right, right, features=["steady"], **part) in ("ok", "inconclusive")
    assert verdict(right, wrong, right, features=["steady"], **part) == "breach"


HELD = [(k, h) for k, v in KINDS.items() for h in v.held]


@pytest.mark.parametrize("nulls", [0.0, 0.2])
@pytest.mark.parametrize(("kind", "held"), HELD, ids=lambda v: str(v))
def test_another_representation_is_no_alarm(kind, held, nulls):
    """The same values held otherwise: ok beside the recomputation, and no alarm without it."""
    x = column(kind, 2, nulls)
    right, same = table(x), table(KINDS[kind].held[held](x))
    assert verdict(right, same, right) == "ok"
    assert verdict(right, same) not in ALARMS and verdict(same, right) not in ALARMS


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("mapping", "whole number beyond 64 bits")])
def test_a_parquet_file_is_no_alarm(kind, tmp_path):
    """The same values from a file and from memory, nulls among them."""
    right = table(column(kind, 3, 0.1))
    right.to_parquet(tmp_path / "same.parquet", index=False)
    assert verdict(right, tmp_path / "same.parquet", right) == "ok"
    assert verdict(tmp_path / "same.parquet", right) not in ALARMS
