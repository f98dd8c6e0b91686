"""The laws: each over every example of every skew."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit import examples
from skewkit.drills import differing
from skewkit.engines import same
from skewkit.injection import everywhere, turned
from skewkit.records import NotApplicable, Roles, SkewkitError
from skewkit.scope import Scope
from skewkit.skews import SKEWS, make

EXAMPLES = [s for kind in SKEWS.values() for s in kind.examples()]
ROLES = examples.ROLES
SHARES = (0.0, 0.05, 0.3, 0.7, 1.0)

every = pytest.mark.parametrize("skew", EXAMPLES, ids=str)


def plant(table, skew, share=1.0, seed=0):
    return sk.inject(table, skew, Scope(share=share), ROLES, seed=seed)


def changed_rows(before, after):
    return np.flatnonzero(np.any([~same(before[c], after[c]) for c in before], axis=0))


def test_every_skew_brings_examples():
    """A skew without an example would pass every law below."""
    assert {s.stem for s in EXAMPLES} == set(SKEWS) and all(s.stem for s in EXAMPLES)


@every
def test_it_leaves_its_input_alone(skew, table):
    """The table given is the table kept."""
    before = table.copy(deep=True)
    plant(table, skew)
    pd.testing.assert_frame_equal(table, before)


@every
def test_it_changes_something(skew, table):
    """A skew that changes nothing would make every check look clean."""
    assert differing(table, plant(table, skew)) > 0


@every
def test_the_same_seed_gives_the_same_table(skew, table):
    """Nothing is drawn that is not a field or the seed."""
    pd.testing.assert_frame_equal(plant(table, skew, 0.5, seed=3), plant(table, skew, 0.5, seed=3))


@every
def test_it_touches_only_what_it_names(skew, table):
    """Columns it does not name, the rows and their order stay."""
    after = plant(table, skew)
    named = skew.features or skew.acts_on(table, ROLES)
    assert list(after.columns) == list(table.columns) and after.index.equals(table.index)
    pd.testing.assert_frame_equal(after.drop(columns=list(named)), table.drop(columns=list(named)))


@every
def test_with_none_named_it_says_what_it_acts_on(skew, table):
    """What it says it acts on is what it changes at most, and only features."""
    free = replace(skew, features=())
    acts_on = free.acts_on(table, ROLES)
    after = plant(table, free)
    changed = {c for c in table if not same(table[c], after[c]).all()}
    assert changed and changed <= set(acts_on) <= set(ROLES.features)


@every
def test_a_share_of_zero_changes_nothing(skew, table):
    """Severity 0 is the table itself, types included."""
    pd.testing.assert_frame_equal(plant(table, skew, 0.0), table)


@every
def test_a_larger_share_touches_a_superset_of_rows(skew, table):
    """Severities nest, so a drill's curve is one story."""
    touched = [set(changed_rows(table, plant(table, skew, s))) for s in SHARES]
    assert all(a <= b for a, b in pairwise(touched))
    assert not touched[0] and len(touched[-1]) > len(touched[1])


@every
def test_a_row_in_scope_holds_what_it_would_at_full_severity(skew, table):
    """A share decides who, never what."""
    half, whole = plant(table, skew, 0.5), plant(table, skew)
    rows = Scope(share=0.5).rows(table, ROLES)
    assert all(same(half[c][rows], whole[c][rows]).all() for c in table)
    assert all(same(half[c][~rows], table[c][~rows]).all() for c in table)


@every
def test_undo_gives_the_table_back_or_says_that_it_cannot(skew, table):
    """Exactly, on a part of the rows too; or an error that says what is lost."""
    for share in (0.3, 1.0):
        scope = Scope(share=share)
        served = plant(table, skew, share)
        try:
            back = sk.undo(served, skew, scope, ROLES)
        except NotApplicable as e:
            assert "give" in str(e) or "lose" in str(e)
            continue
        pd.testing.assert_frame_equal(back, table)


@every
def test_a_wrong_column_is_named_in_the_error(skew, table):
    """The error names the column, and what there is."""
    wrong = replace(skew, features=("no_such_column",))
    with pytest.raises(SkewkitError, match="no_such_column"):
        plant(table, wrong)


@every
def test_it_survives_json(skew):
    """A skew written to a parameter file and read back is the same skew."""
    written = json.loads(json.dumps(skew.to_dict()))
    again = make(**written)
    assert again == skew and hash(again) == hash(skew)


@every
def test_it_leaves_no_mark(skew, table):
    """Nothing on the planted table says that it was planted."""
    after = plant(table, skew, 0.5)
    assert list(after.columns) == list(table.columns) and after.attrs == table.attrs


@every
def test_a_frame_in_another_order_is_skewed_alike(skew, table):
    """Rows are chosen by key and looked up by time, never by place."""
    if skew.stem == "staleness" and skew.ttl:
        table = table.drop_duplicates(["account", "asked"]).drop_duplicates(["country", "asked"])
    shuffled = table.sample(frac=1, random_state=5)
    after = plant(shuffled, skew, 0.5).sort_index()
    straight = plant(table, skew, 0.5)
    for c in table:
        a, b = after[c], straight[c]
        close = np.isclose(a, b, equal_nan=True) if a.dtype.kind == "f" else same(a, b)
        assert close.all(), c


@pytest.mark.parametrize("stem", SKEWS)
def test_the_choices_of_a_skew_are_skews(stem):
    """What the explorer offers can be made, and no two are the same."""
    parameter, values = SKEWS[stem].choices
    assert len({make(stem, **{parameter: v}) for v in values}) == len(values) > 1


@pytest.mark.parametrize("stem", SKEWS)
def test_unknown_and_mistyped_parameters_are_refused(stem):
    """A misspelt parameter is an error with the ones there are, never a default."""
    with pytest.raises(SkewkitError, match="it takes features"):
        make(stem, sevring="UTC")
    parameter, values = SKEWS[stem].choices
    with pytest.raises(SkewkitError):
        make(stem, **{parameter: "seven" if any(isinstance(v, (int, float)) for v in values) else 7})


def test_an_unknown_skew_is_refused():
    """The error lists the skews there are."""
    with pytest.raises(SkewkitError, match="time_zone"):
        make("timezone")


# -- on the real scenario, where a pipeline has the knobs


FLIGHTS = [
    make("time_zone", serving="UTC"),
    make("time_zone", serving="UTC", features=["hour", "weekday", "day"], training="America/New_York", time="departs"),
    make("encoding", features=["carrier", "dest"]),
    make("encoding", features=["plane"], how="unknown_to_default"),
    make("encoding", features=["plane"], how="unknown_dropped"),
    make("normalization_window", features=["carrier_delay"], training="30D", serving="1D"),
    make("normalization_window", features=["carrier_delay"], training="30D", serving="global"),
    make("staleness", lag="6h"),
    make("staleness", features=["recent_delay", "plane_delay"], ttl="4h"),
]


@pytest.mark.parametrize("skew", FLIGHTS, ids=str)
def test_laws_on_real_flights(skew, flights, few):
    """The laws again where a knob of the real pipeline is turned, on rows of real data."""
    before = few.copy(deep=True)
    planted = {s: sk.inject(few, skew, Scope(share=s), flights.roles, flights) for s in (0.0, 0.3, 1.0)}
    pd.testing.assert_frame_equal(few, before)
    pd.testing.assert_frame_equal(planted[0.0], few)
    rows = [set(changed_rows(few, p)) for p in planted.values()]
    assert rows[0] < rows[1] < rows[2]
    named = skew.features or turned(skew, flights.roles, flights)
    assert all(same(planted[1.0][c], few[c]).all() for c in few if c not in named)


KNOB_AND_TABLE = [
    make("time_zone", serving="UTC", features=["hour", "weekday", "day"], training="America/New_York", time="departs"),
    make("encoding", features=["plane", "dest"], how="unknown_to_default"),
    make("encoding", features=["plane", "dest"], how="unknown_dropped"),
]


@pytest.mark.parametrize("skew", KNOB_AND_TABLE, ids=str)
def test_knob_and_table_agree(skew, flights, few):
    """Turning the pipeline's knob and changing the table give the same rows."""
    assert turned(skew, flights.roles, flights) == skew.features
    knob = everywhere(few, skew, flights.roles, flights)
    plain = everywhere(few, skew, flights.roles)
    for f in skew.features:
        known = few[f].notna() if skew.stem == "time_zone" else slice(None)
        assert same(knob[f][known], plain[f][known]).all(), f


def test_a_cache_in_the_table_is_the_cache_of_the_pipeline(flights, few):
    """A cache's values are those of the requests that filled it, so both routes agree to the last digit of a sum."""
    skew = make("staleness", features=["recent_delay"], ttl="3h", entity="from")
    roles = replace(flights.roles, entity="from")
    knob, plain = everywhere(few, skew, roles, flights), everywhere(few, skew, roles)
    assert np.isclose(knob["recent_delay"], plain["recent_delay"], equal_nan=True).all()


# -- each skew by hand


def test_time_zone_by_hand():
    """23:30 in New York is 04:30 the next day in UTC: hour, weekday, date and days since all move."""
    asked = pd.to_datetime(["2024-01-06T04:30:00Z", "2024-01-06T17:00:00Z"])
    last = pd.to_datetime(["2024-01-05T06:00:00Z", "2024-01-05T06:00:00Z"])
    frame = pd.DataFrame(
        {"k": [1, 2], "asked": asked, "last": last, "hour": [23, 12], "weekday": [4, 5], "days_since": [0, 1]}
    )
    frame["date"] = pd.to_datetime(["2024-01-05", "2024-01-06"])
    roles = Roles(key="k", time="asked", features=("hour", "weekday", "days_since", "date"))
    served = sk.inject(frame, make("time_zone", serving="UTC", training="America/New_York"), roles=roles)
    assert served["hour"].tolist() == [4, 17]
    assert served["weekday"].tolist() == [5, 5]
    assert served["days_since"].tolist() == [1, 1]
    assert served["date"].dt.day.tolist() == [6, 6]


def test_time_zone_follows_summer_time(table):
    """New York is five hours behind UTC in winter and four in summer; a fixed offset does not follow."""
    served = plant(table, make("time_zone", serving="UTC", features=["hour"]))
    turned_by = (
        ((served["hour"] - table["hour"]) % 24).groupby(table["asked"] < pd.Timestamp("2024-03-10T07:00Z")).unique()
    )
    assert turned_by[True].tolist() == [5] and turned_by[False].tolist() == [4]
    fixed = plant(table, make("time_zone", serving="-05:00", features=["hour"]))
    assert same(fixed["hour"], table["hour"]).tolist() == (table["asked"] < pd.Timestamp("2024-03-10T07:00Z")).tolist()


def test_time_zone_needs_a_time_with_its_zone(table):
    """A naive time is refused with its type, for no zone can be told from it."""
    naive = table.assign(asked=table["asked"].dt.tz_localize(None))
    with pytest.raises(SkewkitError, match="datetime64"):
        plant(naive, make("time_zone", serving="UTC", features=["hour"]))


def test_a_feature_that_is_no_clock_is_refused(table):
    """An amount is not a part of any time, and the error says what was looked for."""
    with pytest.raises(NotApplicable, match=r"amount.*hour.*days since"):
        plant(table, make("time_zone", serving="UTC", features=["amount"]))


def test_encoding_by_hand(table):
    """Each way a category can go wrong does what its name says."""
    cycle = plant(table, make("encoding", features=["merchant"], mapping=[[0, 1], [1, 2], [2, 0]]))["merchant"]
    assert (cycle[table["merchant"] == 0] == 1).all() and (cycle[table["merchant"] == 2] == 0).all()
    assert (cycle[table["merchant"] == 3] == 3).all()
    default = plant(table, make("encoding", features=["merchant"], how="unknown_to_default", default=3))["merchant"]
    assert (default[table["merchant"] == -1] == 3).all() and (default >= 0).all()
    dropped = plant(table, make("encoding", features=["merchant"], how="unknown_dropped"))["merchant"]
    assert dropped.isna().equals(table["merchant"] == -1)
    old = plant(
        table, make("encoding", features=["country"], how="unknown_to_default", known=["US", "DE"], default="US")
    )
    assert set(old["country"]) == {"US", "DE"}


def test_a_drawn_permutation_leaves_nothing_in_its_place_and_no_marginal_shape(table):
    """Codes are exchanged one to one: as many values as before, each with another's rows."""
    after = plant(table, make("encoding", features=["merchant"]))["merchant"]
    assert (after != table["merchant"]).all()
    assert sorted(after.value_counts()) == sorted(table["merchant"].value_counts())


def test_normalization_window_by_hand():
    """The first row has no spread and becomes 0; with three rows the mean and population deviation are by hand."""
    frame = pd.DataFrame(
        {
            "k": [1, 2, 3],
            "t": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-10"], utc=True),
            "x": [1.0, 3.0, 8.0],
        }
    )
    roles = Roles(key="k", time="t", features=("x",))
    week = sk.inject(frame, make("normalization_window", serving="7D"), roles=roles)["x"]
    assert np.allclose(week, [0.0, 1.0, 0.0])  # (3 - 2) / 1; the third stands alone in its week
    whole = sk.inject(frame, make("normalization_window", serving="global", training="7D"), roles=roles)["x"]
    assert np.allclose(whole, (frame["x"] - 4) / np.std([1, 3, 8]))


def test_normalizing_again_is_exact_after_constants(table):
    """Scaled by constants first or not, a moving window gives the same: so the table route is exact for a global mean."""
    skew = {"skew": "normalization_window", "training": "global", "serving": "7D"}
    raw = plant(table, make(**skew, features=["amount"]))["amount"]
    scaled = plant(table, make(**skew, features=["amount_scaled"]))["amount_scaled"]
    assert np.allclose(raw, scaled)


def test_staleness_by_hand():
    """Two hours behind, each request sees its entity's newest value of that time, or its own when there is none."""
    times = pd.to_datetime(["2024-01-01T00:00", "2024-01-01T01:00", "2024-01-01T03:30", "2024-01-01T03:30"], utc=True)
    frame = pd.DataFrame({"k": range(4), "who": ["a", "a", "a", "b"], "t": times, "x": [1.0, 2.0, 3.0, 9.0]})
    roles = Roles(key="k", entity="who", time="t", features=("x",))
    assert sk.inject(frame, make("staleness", lag="2h"), roles=roles)["x"].tolist() == [1.0, 2.0, 2.0, 9.0]
    assert sk.inject(frame, make("staleness", ttl="2h"), roles=roles)["x"].tolist() == [1.0, 1.0, 3.0, 9.0]


def test_a_scope_by_entity_takes_whole_entities(table):
    """With by=entity, an account is stale altogether or not at all."""
    rows = pd.Series(Scope(share=0.4, by="entity").rows(table, ROLES))
    assert rows.groupby(table["account"]).nunique().eq(1).all() and 0.2 < rows.mean() < 0.6


def test_a_scope_is_bounded_by_time_and_segment(table):
    """Since is in, until is out, and where is one value of one column."""
    since, until = table["asked"].iloc[500], table["asked"].iloc[900]
    rows = Scope(where=("country", "DE"), since=since, until=until).rows(table, ROLES)
    wanted = (table["country"] == "DE") & (table["asked"] >= since) & (table["asked"] < until)
    assert rows.tolist() == wanted.tolist() and rows.any()


@pytest.mark.parametrize("wrong", [{"share": 1.5}, {"since": "2024-01-01"}, {"by": "host"}, {"since": "yesterday-ish"}])
def test_an_impossible_scope_is_refused(wrong):
    """A share beyond 1, a time without a zone and an unknown unit are errors."""
    with pytest.raises(SkewkitError):
        Scope(**wrong)
