"""Odd tables: whatever is given, a valid result or a SkewkitError, never another exception and never a changed input."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skewkit as sk
from skewkit.records import Roles, SkewkitError
from skewkit.report.page import page
from skewkit.report.run import Run, document
from skewkit.skews import SKEWS
from skewkit.timeline import PARTS, local

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
CLOCKS = st.datetimes(dt.datetime(2024, 3, 9), dt.datetime(2024, 3, 12)) | st.datetimes(  # they skip an hour, and
    dt.datetime(2024, 10, 26),
    dt.datetime(2024, 11, 4),  # repeat one, in Europe and in America
)
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
        made["t"] = pd.to_datetime(draw(st.lists(CLOCKS, min_size=rows, max_size=rows)), utc=True)
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


def adversary(**columns):
    """A table with the parts that a skew may ask for, and these columns as features."""
    rows = max(len(c) for c in columns.values())
    parts = {
        "k": np.arange(rows),
        "who": pd.Series(["a", "b", None] * rows, dtype=object)[:rows],
        "t": pd.date_range("2024-11-02T23:00Z", periods=rows, freq="30min"),
        "y": np.arange(rows) % 2.0,
    }
    return pd.DataFrame({**parts, **columns})


def clocks(*begins):
    """Every half hour of half a day across changes of clocks, and what New York and Berlin read of it."""
    times = pd.Series(np.concatenate([pd.date_range(b, periods=24, freq="30min").to_numpy() for b in begins]))
    times = times.dt.tz_localize("UTC")
    walls = {"ny": local(times, "America/New_York"), "berlin": local(times, "Europe/Berlin")}
    read = {f"{z}_{p}": PARTS[p](w) for z, w in walls.items() for p in ("hour", "weekday", "date")}
    return adversary(t=times, last=times - pd.Timedelta("25h"), **read)


EXTREMES = [-(2**63), -(2**53) - 1, -1, 0, 1, 2**53 + 1, 2**63 - 1]
ADVERSARIES = {
    "nothing there": adversary(
        f=np.full(5, np.nan),
        o=pd.Series([None] * 5, dtype=object),
        i=pd.Series([None] * 5, dtype="Int64"),
        when=pd.Series([pd.NaT] * 5).dt.tz_localize("UTC"),
    ),
    "one row": adversary(f=[1.5], i=[7], o=["x"], b=[True]),
    "one category": adversary(o=["x"] * 9, i=[3] * 9, f=[0.5] * 9, c=pd.Categorical(["x"] * 9)),
    "infinities": adversary(f=[np.inf, -np.inf, np.nan, 0.0, -0.0, 1e308, -1e308, 5e-324], g=[np.inf] * 8),
    "single floats": adversary(f=np.array([3.4e38, -3.4e38, 1e-45, np.nan, 0.1], "f4"), h=np.array([6e4] * 5, "f2")),
    "extremes": adversary(i=EXTREMES, u=np.array([2**64 - 1] * 7, "u8"), s=np.array([-128, 127, 0, 1, 2, 3, 4], "i1")),
    "nullable": adversary(
        i=pd.array([1, None, 2**62], "Int64"), f=pd.array([0.5, None, 1.0], "Float64"), b=pd.array([True, None, False])
    ),
    "text": adversary(o=["", " ", None, "\x00", "é", "2024-03-05", "1.5", "nan"], s=pd.array(["x"] * 8, "string")),
    "odd cells": adversary(o=[[1], {"a": 1}, None, 1, "1", 1.0, True, (1,)], m=[1, "a", None, 2.5, "b", 3, 4, 5]),
    "duplicates": adversary(
        k=[1] * 6, t=pd.to_datetime(["2024-03-10T07:00Z"] * 6), f=[1.0, 2, 3, 4, 5, 6], who=["a"] * 6
    ),
    "no times": adversary(
        t=pd.Series([pd.NaT] * 6).dt.tz_localize("UTC"), f=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], i=range(6)
    ),
    "rates": adversary(f=[0.0, 1.0, np.nan, 0.5, np.nextafter(1, 0), 5e-324], i=[0, 1, 0, 1, 1, 0]),
    "clocks change": clocks("2024-03-10T02:00", "2024-03-30T20:00", "2024-10-26T20:00", "2024-11-03T00:00"),
    "a repeated hour": clocks("2024-11-03T04:00"),
}


AFTER = dict(zip(SKEWS, [*list(SKEWS)[1:], *list(SKEWS)[:1]], strict=True))
CHOSEN = {stem: {kind.choices[0]: kind.choices[1][0]} for stem, kind in SKEWS.items()}


def planted_or_refused(table, skews, roles, shares=(0.0, 0.5, 1.0)):
    """What skews make of a table at these shares, a half where there is one: the laws, or a SkewkitError."""
    before = table.copy(deep=True)
    whole = any(s.whole for s in skews)
    made = {}
    for share in dict.fromkeys(round(s + 0.1) if whole else s for s in shares):
        try:
            made[share] = sk.inject(table, skews, sk.Scope(share=float(share)), roles, seed=1)
        except SkewkitError as e:
            assert len(str(e)) > 20
        else:
            assert made[share].index.equals(table.index) and (whole or list(made[share]) == list(table))
    if 0.0 in made:
        pd.testing.assert_frame_equal(made[0.0], table)
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("stem", SKEWS)
@pytest.mark.parametrize("name", ADVERSARIES)
def test_any_skew_on_an_adversarys_table(name, stem):
    """Each example on each column, on all it can, and with another skew: the laws, or a clear error."""
    table = ADVERSARIES[name]
    columns = tuple(c for c in table if c not in ("k", "t", "y"))
    parts = Roles(key="k", entity="who", time="t", label="y", features=columns)
    for number, skew in enumerate(SKEWS[stem].examples()):
        roles = replace(parts, entity=None) if number % 2 else parts
        for named in ((), *((c,) for c in columns), columns):
            try:
                one = replace(skew, features=named)
            except SkewkitError:  # exactly two are swapped, and the like
                continue
            planted_or_refused(table, (one,), roles, (0.5,) if len(named) == 1 else (0.0, 0.5, 1.0))
    # and two together: the next skew after this one, on all that they can act on
    first, second = (next(iter(SKEWS[s].examples())) for s in (stem, AFTER[stem]))
    for pair in (
        (first, second),
        (sk.skews.make(stem, **CHOSEN[stem]), sk.skews.make(AFTER[stem], **CHOSEN[AFTER[stem]])),
    ):
        planted_or_refused(table, pair, parts)


def test_clocks_across_changes_are_read_as_by_zoneinfo():
    """The control: on such a table the time zone skew does act, in the hour that is skipped and the one that is twice."""
    table = ADVERSARIES["clocks change"]
    roles = Roles(key="k", time="t", features=("ny_hour", "ny_weekday"))
    served = sk.inject(table, sk.skews.make("time_zone", serving="Europe/Berlin"), roles=roles)
    berlin = ZoneInfo("Europe/Berlin")
    assert served["ny_hour"].tolist() == [t.astimezone(berlin).hour for t in table["t"]]
    assert served["ny_weekday"].tolist() == [t.astimezone(berlin).weekday() for t in table["t"]]


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
