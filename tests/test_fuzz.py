"""Odd tables: whatever is given, a valid result or a SkewkitError, never another exception and never a changed input."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

import skewkit as sk
from skewkit.page import page
from skewkit.records import Roles, SkewkitError
from skewkit.report import Run, document
from skewkit.skews import SKEWS

NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324])
COLUMNS = {
    "floats": NUMBERS,
    "integers": st.integers(-(2**63), 2**63 - 1),
    "text": st.none() | st.text(max_size=4) | st.sampled_from(["", " ", "é", "<b>", "null", "\x00"]),
    "booleans": st.booleans(),
    "nulls": st.none(),
    "times": st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC)) | st.none(),
    "naive": st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2200, 1, 1)),
    "mixed": st.none() | st.integers(-9, 9) | st.text(max_size=2),
    "lists": st.lists(st.integers(0, 3), max_size=2),
    "constant": st.just(7),
}
PINNED = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def tables(draw, kinds=None):
    """Three tables of the same columns: few rows, perhaps of different kinds on each side."""
    names = (
        draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=4, unique=True))
        if kinds is None
        else list(kinds)
    )

    def table():
        rows = draw(st.integers(0, 8))
        made = {"k": draw(st.lists(st.integers(0, 9) | st.none(), min_size=rows, max_size=rows))}
        made["t"] = pd.to_datetime(
            draw(
                st.lists(st.datetimes(dt.datetime(2024, 3, 9), dt.datetime(2024, 3, 12)), min_size=rows, max_size=rows)
            ),
            utc=True,
        )
        made["y"] = draw(st.lists(st.sampled_from([0.0, 1.0, None]), min_size=rows, max_size=rows))
        made["p"] = draw(st.lists(st.floats(0, 1), min_size=rows, max_size=rows))
        for name in names:
            kind = name if draw(st.integers(0, 9)) else draw(st.sampled_from(sorted(COLUMNS)))
            made[name] = draw(st.lists(COLUMNS[kind], min_size=rows, max_size=rows))
        return pd.DataFrame(made)

    return names, table(), table(), table()


@PINNED
@given(tables())
def test_any_tables_give_a_valid_result_or_a_clear_error(given_tables):
    """The whole path, to the page; the inputs stay as they were."""
    names, training, served, replayed = given_tables
    before = [t.copy(deep=True) for t in (training, served, replayed)]
    try:
        case = sk.compare(training, served, replayed, key="k", time="t", label="y", prediction="p", features=names)
        result = sk.examine(case, draws=5)
    except SkewkitError as e:
        assert len(str(e)) > 20
    else:
        made = document(Run("check", {}, *[Path("x")] * 2), result)
        assert json.loads(json.dumps(made, allow_nan=False)) and "<h1>" in page(made)
    for table, was in zip((training, served, replayed), before, strict=True):
        pd.testing.assert_frame_equal(table, was)


@PINNED
@given(tables(), st.sampled_from(sorted(SKEWS)), st.floats(0, 1), st.integers(0, 3))
def test_any_skew_on_any_table_keeps_the_laws_or_refuses(given_tables, stem, share, seed):
    """Same shape and index, the input alone, nothing at share 0: or an error that says why not."""
    names, table, _, _ = given_tables
    roles = Roles(key="k", entity="k", time="t", label="y", features=tuple(names))
    before = table.copy(deep=True)
    for skew in SKEWS[stem].examples():
        for named in ((), tuple(names[:1])):
            with contextlib.suppress(SkewkitError):
                one = replace(skew, features=named)
                share = float(share >= 0.5) if one.whole else share
                after = sk.inject(table, one, sk.Scope(share=share), roles, seed=seed)
                assert after.index.equals(table.index) and (one.whole or list(after.columns) == list(table.columns))
                pd.testing.assert_frame_equal(sk.inject(table, one, sk.Scope(share=0.0), roles, seed=seed), table)
    pd.testing.assert_frame_equal(table, before)


@PINNED
@given(
    st.dictionaries(
        st.text(max_size=8),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2),
        max_size=3,
    )
)
def test_any_parameters_make_a_skew_or_a_clear_error(parameters):
    """Whatever a parameter file holds: a skew, or a SkewkitError."""
    for stem, kind in SKEWS.items():
        for values in (
            parameters,
            dict.fromkeys([f for f in kind.__dataclass_fields__], next(iter(parameters.values()), None)),
        ):
            with contextlib.suppress(SkewkitError):
                assert sk.skews.make(stem, **values).stem == stem


def test_the_largest_integers_are_told_apart():
    """2**53 and 2**53 + 1 are one float and two integers."""
    table = pd.DataFrame({"k": range(3_000), "x": np.full(3_000, 2**53)})
    found = sk.check(sk.compare(table, table.assign(x=table["x"] + 1), table, key="k", features=["x"]))
    assert next(f.value for f in found if f.statistic == "differ") == 1.0
