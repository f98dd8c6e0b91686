"""The laws: each over every example of every skew."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from math import comb

import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit import examples
from skewkit.drills.drills import differing
from skewkit.features.definitions import Rate, Rolling, evaluate, turn
from skewkit.injection import everywhere, turned
from skewkit.policy_file import read_policy
from skewkit.records import NotApplicable, Roles, SkewkitError, Verdict
from skewkit.scope import Scope, coin
from skewkit.skews import SKEWS, make
from skewkit.tables.equality import same

EXAMPLES = [s for kind in SKEWS.values() for s in kind.examples()]
ROLES = examples.ROLES
SHARES = (0.0, 0.05, 0.3, 0.7, 1.0)

every = pytest.mark.parametrize("skew", EXAMPLES, ids=str)
in_part = pytest.mark.parametrize("skew", [s for s in EXAMPLES if not s.whole], ids=str)
of_tables = pytest.mark.parametrize("skew", [s for s in EXAMPLES if s.whole], ids=str)


def plant(table, skew, share=1.0, seed=0):
    return sk.inject(table, skew, Scope(share=share), ROLES, seed=seed)


def changed_rows(before, after):
    return np.flatnonzero(np.any([~same(before[c], after[c]) for c in before], axis=0))


def changed_columns(before, after):
    """Those that are gone, that hold something else, or that stand where another stood."""
    gone = {c for c in before if c not in after or not same(before[c], after[c]).all()}
    was, now = ([c for c in t if c in before and c in after] for t in (before, after))
    return gone | {c for c, d in zip(was, now, strict=True) if c != d}


def some(skew):
    """A share at which a skew acts on some rows, where it can act on some."""
    return 1.0 if skew.whole else 0.5


@pytest.mark.parametrize("stem", SKEWS)
def test_every_skew_is_of_a_family(stem):
    """One of five, by which a blind drill tells the right direction from a wrong one."""
    assert SKEWS[stem].family in ("time", "events", "number", "missing", "code")


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
    after = plant(table, skew)
    assert differing(table, after) > 0 or list(after) != list(table)


@every
def test_the_same_seed_gives_the_same_table(skew, table):
    """Nothing is drawn that is not a field or the seed."""
    pd.testing.assert_frame_equal(plant(table, skew, some(skew), seed=3), plant(table, skew, some(skew), seed=3))


@every
def test_it_touches_only_what_it_names(skew, table):
    """Columns it does not name, the rows and their order stay."""
    after = plant(table, skew)
    named = list(skew.features or skew.acts_on(table, ROLES))
    assert after.index.equals(table.index) and (skew.whole or list(after.columns) == list(table.columns))
    others = [c for c in table if c not in named]
    pd.testing.assert_frame_equal(after[[c for c in after if c in others]], table[others])


@every
def test_with_none_named_it_says_what_it_acts_on(skew, table):
    """What it says it acts on is what it changes at most, and only features."""
    free = replace(skew, features=())
    acts_on = free.acts_on(table, ROLES)
    after = plant(table, free)
    assert changed_columns(table, after) <= set(acts_on) <= set(ROLES.features) and acts_on
    assert changed_columns(table, after) or list(after) != list(table)


@every
def test_a_share_of_zero_changes_nothing(skew, table):
    """Severity 0 is the table itself, types included."""
    pd.testing.assert_frame_equal(plant(table, skew, 0.0), table)


@of_tables
def test_a_skew_of_a_whole_table_refuses_a_part_of_the_requests(skew, table):
    """Its severities are 0 and 1; the error says so, and names the share that was asked."""
    for share in (0.05, 0.999):
        with pytest.raises(SkewkitError, match=rf"severities are 0 and 1, and {share:g}"):
            plant(table, skew, share)


@of_tables
def test_a_skew_of_a_whole_table_gives_the_whole_table(skew, table):
    """What it gives is every row, on the same index, with all columns but those it acts on."""
    served, acts_on = skew.inject(table, ROLES), skew.features or skew.acts_on(table, ROLES)
    assert served.index.equals(table.index) and set(table) - set(acts_on) <= set(served)


@in_part
def test_a_larger_share_touches_a_superset_of_rows(skew, table):
    """Severities nest, so a drill's curve is one story."""
    touched = [set(changed_rows(table, plant(table, skew, s))) for s in SHARES]
    assert all(a <= b for a, b in pairwise(touched))
    assert not touched[0] and len(touched[-1]) > len(touched[1])


@in_part
def test_a_row_in_scope_holds_what_it_would_at_full_severity(skew, table):
    """A share decides who, never what."""
    half, whole = plant(table, skew, 0.5), plant(table, skew)
    rows = Scope(share=0.5).rows(table, ROLES)
    assert all(same(half[c][rows], whole[c][rows]).all() for c in table)
    assert all(same(half[c][~rows], table[c][~rows]).all() for c in table)


@every
def test_undo_gives_the_table_back_or_says_that_it_cannot(skew, table):
    """Exactly, on a part of the rows too; or an error that says what is lost."""
    for share in (1.0,) if skew.whole else (0.3, 1.0):
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
    with pytest.raises(SkewkitError, match="no_such_column"):
        plant(table, replace(skew, features=("no_such_column",)))


@every
def test_it_survives_json(skew):
    """A skew written to a parameter file and read back is the same skew."""
    written = json.loads(json.dumps(skew.to_dict()))
    again = make(**written)
    assert again == skew and hash(again) == hash(skew)


@every
def test_it_leaves_no_mark(skew, table):
    """Nothing on the planted table says that it was planted."""
    after = plant(table, skew, some(skew))
    assert (skew.whole or list(after.columns) == list(table.columns)) and after.attrs == table.attrs


@every
def test_a_frame_in_another_order_is_skewed_alike(skew, table):
    """Rows are chosen by key and looked up by time, never by place."""
    if skew.stem == "staleness" and skew.ttl:
        table = table.drop_duplicates(["account", "asked"]).drop_duplicates(["country", "asked"])
    shuffled = table.sample(frac=1, random_state=5)
    after = plant(shuffled, skew, some(skew)).sort_index()
    straight = plant(table, skew, some(skew))
    assert list(after) == list(straight)
    for c in straight:
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
    with pytest.raises(SkewkitError):
        make(stem, **{SKEWS[stem].choices[0]: [7]})
    if all(isinstance(v, str) for v in SKEWS[stem].choices[1]):
        with pytest.raises(SkewkitError):
            make(stem, **{SKEWS[stem].choices[0]: 7})


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
    make("staleness", features=["recent_delay", "plane_delay"], snapshot="1D"),
    make("late_events", features=["recent_departures"], late=0.1),
    make("late_events", features=["recent_departures"], edge="1h"),
    make("double_count", features=["recent_departures"], twice=0.1),
    make("misjoin", features=["temp", "recent_delay"]),
    make("misjoin", features=["plane_delay"], how="neighbour"),
    make("misjoin", features=["recent_delay", "recent_departures"], by="airline"),
    make("leakage", horizon="1D"),
    make("leakage", features=["plane_delay"], horizon="6h", entity="from"),
    make("schema_change", features=["wind_speed"], how="retyped"),
    make("schema_change", features=["temp", "wind_speed"], how="swapped"),
    make("broken_header", features=["recent_delay"], how="zero"),
    make("rollback", features=["carrier_delay"]),
    make("missing_fill", features=["recent_delay", "plane_delay"]),
    make("missing_values", features=["temp", "carrier"], rate=0.3),
    make("unit_change", features=["temp"], unit="fahrenheit_to_celsius"),
    make("precision", features=["wind_speed"], decimals=0),
    make("clipping", features=["recent_delay", "plane_delay"], quantiles=[0.05, 0.75]),
    make("measurement", features=["wind_speed"], gain=0.9, noise=1),
    make("text_format", features=["distance"], how="decimal_comma"),
]


PAYMENTS = [
    make("time_zone", serving="UTC"),
    make("time_zone", serving="Asia/Tokyo", features=["hour", "days_since_last"]),
    make("encoding", features=["category"]),
    make("encoding", features=["category"], how="unknown_to_default"),
    make("encoding", features=["category"], how="unknown_dropped"),
    make("encoding", features=["country_name"], how="renamed", category="GB", to="UK"),
    make("normalization_window", features=["amount_usual"], training="30D", serving="1D"),
    make("normalization_window", features=["amount_usual"], training="30D", serving="global"),
    make("staleness", features=["count_24h", "pace"], lag="6h"),
    make("staleness", features=["count_24h", "last_amount"], ttl="1h"),
    make("staleness", features=["count_30D", "last_amount"], snapshot="1D"),
    make("late_events"),
    make("late_events", features=["count_24h"], watermark="1h"),
    make("late_events", features=["count_24h", "pace"], edge="2h"),
    make("late_events", features=["count_24h"], late=0.3),
    make("double_count", features=["count_24h", "sum_24h"]),
    make("double_count", features=["count_30D"], twice=0.1),
    make("rate_definition", how="odds"),
    make("rate_definition", features=["pace"], how="complement"),
    make("rate_definition", features=["category_fraud"], setting="weight", serving=0),
    make("rate_definition", features=["category_fraud"], setting="prior", serving=0.5),
    make("rate_definition", features=["pace"], setting="window", serving="7D"),
    make("rate_definition", features=["category_fraud"], setting="value", serving="paid"),
    make("misjoin", features=["count_24h", "last_amount"]),
    make("misjoin", features=["income"], how="neighbour"),
    make("misjoin", features=["count_24h"], by="country_name"),
    make("misjoin", features=["monthly_income"], entity="account"),
    make("leakage", features=["count_1h", "sum_24h"], horizon="1h"),
    make("leakage", features=["amount"], horizon="1D"),
    make("schema_change", features=["amount", "sum_24h"], how="swapped"),
    make("schema_change", features=["category"], how="retyped"),
    make("broken_header", features=["income"]),
    make("rollback", features=["pace"], default=0),
    make("missing_fill", features=["income", "typing"]),
    make("missing_fill", features=["monthly_income"], serving="mean"),
    make("missing_values", features=["paid"], rate=0.3),
    make("missing_values", features=["typing", "category"], rate=0.3),
    make("unit_change", features=["paid"], unit="units_to_cents"),
    make("unit_change", features=["monthly_income"], unit="monthly_to_annual"),
    make("unit_change", features=["sum_24h"], factor=0.5),
    make("precision", features=["paid"], decimals=0),
    make("clipping", features=["paid"], high=50),
    make("clipping", features=["count_30D"], quantiles=[0.1, 0.9]),
    make("measurement", features=["keys_per_second"], gain=1.3, noise=0.1),
    make("text_format", features=["category_name"], how="upper"),
    make("text_format", features=["channel_name"], how="trailing_blank"),
    make("text_format", features=["amount"], how="decimal_comma"),
]


def laws_in_a_world(skew, world, rows):
    """Its input stays; nothing at severity 0, more rows at more; only what it names, or what reads that, changes."""
    before = rows.copy(deep=True)
    shares = (0.0, 1.0) if skew.whole else (0.0, 0.3, 1.0)
    planted = {s: sk.inject(rows, skew, Scope(share=s), world.roles, world) for s in shares}
    pd.testing.assert_frame_equal(rows, before)
    pd.testing.assert_frame_equal(planted[0.0], rows)
    touched = [set(changed_rows(rows, p)) for p in planted.values()]
    assert all(fewer < more for fewer, more in pairwise(touched))
    named = skew.features or turned(skew, world.roles, world)
    named = (*named, *(() if set(named) <= set(world.roles.features) else world.reading(named)))
    assert all(same(planted[1.0][c], rows[c]).all() for c in rows if c not in named)
    assert skew.whole or list(planted[1.0]) == list(rows)
    assert planted[1.0].attrs == rows.attrs and planted[1.0].index.equals(rows.index)
    assert all(planted[1.0][c].attrs == {} for c in planted[1.0])


@pytest.mark.parametrize("skew", FLIGHTS, ids=str)
def test_laws_on_real_flights(skew, flights, few):
    """The laws again where a knob of the real pipeline is turned, on rows of real data."""
    laws_in_a_world(skew, flights, few)


@pytest.mark.parametrize("skew", PAYMENTS, ids=str)
def test_laws_on_payments(skew, payments):
    """And in a simulated world: by its knobs, on its table, and on the columns of its requests as they came in."""
    laws_in_a_world(skew, payments, payments.tables[1])


def test_every_skew_is_held_to_the_laws_on_payments():
    """None is left out, and each way there is: a knob, a table and a source."""
    assert {s.stem for s in PAYMENTS} == set(SKEWS)


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


def both_routes(skew, world, rows):
    """What a skew gives by the pipeline and on the table alone."""
    assert turned(skew, world.roles, world)
    return everywhere(rows, skew, world.roles, world), everywhere(rows, skew, world.roles)


PAYMENTS_BOTH = [
    make("encoding", features=["category", "country", "channel"], how="unknown_to_default"),
    make("encoding", features=["category"], how="unknown_dropped"),
    make("double_count", features=["count_1h", "count_24h", "count_30D", "sum_24h"]),
    make("staleness", features=["count_24h", "last_amount", "sum_24h", "pace"], ttl="1h"),
]


@pytest.mark.parametrize("skew", PAYMENTS_BOTH, ids=str)
def test_knob_and_table_agree_on_payments(skew, payments):
    """Exactly, and on rows that do change."""
    rows = payments.tables[1]
    knob, plain = both_routes(skew, payments, rows)
    for f in skew.features:
        np.testing.assert_array_equal(knob[f], plain[f])
    assert len(changed_rows(rows, knob)) > 100


@pytest.mark.parametrize("home", ["Europe/Berlin", "Asia/Kolkata", "America/New_York"])
def test_a_zone_turned_is_the_zone_of_the_table_where_all_rows_have_one(home, payments):
    """A table does not say which zone each row was read in: where rows have different ones, the table route refuses."""
    skew, rows = make("time_zone", serving="UTC", features=["hour", "weekday"]), payments.tables[1]
    knob, plain = both_routes(skew, payments, rows[rows["home_zone"] == home])
    assert all(same(knob[f], plain[f]).all() for f in skew.features)
    with pytest.raises(NotApplicable, match="hour"):
        everywhere(rows, skew, payments.roles)


@pytest.mark.parametrize("feature", ["income", "typing"])
@pytest.mark.parametrize("serving", ["zero", -1])
def test_a_fill_turned_is_the_fill_of_the_table(feature, serving, payments):
    """Where the table route is told the mean that training filled in: exactly."""
    mean = payments.definitions[feature].mean
    skew = make("missing_fill", features=[feature], training=mean, serving=serving)
    knob, plain = both_routes(skew, payments, payments.tables[1])
    assert same(knob[feature], plain[feature]).all()
    assert (knob[feature] == (0 if serving == "zero" else serving)).sum() > 500


def test_a_median_on_the_table_is_near_the_one_that_was_fitted(payments):
    """The table takes the median of its own rows, the pipeline training's: within 5 percent, and nowhere else."""
    rows, mean = payments.tables[1], payments.definitions["income"].mean
    skew = make("missing_fill", features=["income"], training=mean, serving="median")
    knob, plain = both_routes(skew, payments, rows)
    assert same(knob["income"], plain["income"])[rows["income"] != mean].all()
    np.testing.assert_allclose(knob["income"], plain["income"], rtol=0.05)


def test_some_counted_twice_in_the_table_are_as_many_as_in_the_pipeline(payments):
    """The table draws by request and the pipeline by event: other rows, and totals within 3 percent."""
    skew = make("double_count", features=["count_24h", "count_30D"], twice=0.3)
    knob, plain = both_routes(skew, payments, payments.tables[1])
    for f in skew.features:
        assert knob[f].sum() / plain[f].sum() == pytest.approx(1, abs=0.03)


def test_days_since_from_a_cache_differ_where_midnight_passed(payments):
    """The pipeline counts to the request's own day, the table to that of the request that filled: 99 percent agree."""
    skew = make("staleness", features=["days_since_last"], ttl="1h")
    knob, plain = both_routes(skew, payments, payments.tables[1])
    assert 0.99 < same(knob["days_since_last"], plain["days_since_last"]).mean() < 1


def test_a_table_leaks_less_than_the_pipeline(payments):
    """The pipeline counts the request itself and all of the hour, the table up to the hour's last request: one less or more."""
    skew = make("leakage", features=["count_24h"], horizon="1h")
    knob, plain = both_routes(skew, payments, payments.tables[1])
    assert (knob["count_24h"] - plain["count_24h"] >= 1).all()


def test_scaling_again_in_the_table_orders_as_fitting_once(payments):
    """What a moving window scaled is only nearly scaled anew: the ranks correlate at 0.8 or more."""
    skew = make("normalization_window", features=["amount_usual"], serving="global", entity="account")
    rows = payments.tables[1]
    knob, plain = both_routes(skew, payments, rows)
    assert knob["amount_usual"].corr(plain["amount_usual"], method="spearman") > 0.8


@pytest.mark.parametrize(
    "skew",
    [
        {"skew": "unit_change", "unit": "units_to_cents"},
        {"skew": "precision", "decimals": 0},
        {"skew": "clipping", "quantiles": [0.1, 0.8]},
        {"skew": "measurement", "gain": 0.9, "offset": 1},
        {"skew": "missing_values", "how": "high", "rate": 0.2},
    ],
    ids=str,
)
def test_at_the_source_and_at_a_feature_that_only_reads_it_is_one(skew, payments):
    """The amount is the request's own column; what else reads it changes as well, from the source alone."""
    rows = payments.tables[1]
    source = everywhere(rows, make(**skew, features=["paid"]), payments.roles, payments)
    feature = everywhere(rows, make(**skew, features=["amount"]), payments.roles, payments)
    assert same(source["amount"], feature["amount"]).all()
    assert changed_columns(rows, source) == {"amount", "amount_usual"} and changed_columns(rows, feature) == {"amount"}


KNOB, ANOTHER = make("staleness", features=["count_24h"], lag="6h"), make("double_count", features=["count_24h"])
PAIRS = [
    (KNOB, make("time_zone", serving="UTC", features=["hour"])),
    (KNOB, make("unit_change", features=["amount"], unit="units_to_cents")),
    (KNOB, make("unit_change", features=["paid"], unit="units_to_cents")),
    (make("text_format", features=["category_name"], how="upper"), make("missing_fill", features=["income"])),
    (make("measurement", features=["typing"], gain=2), make("clipping", features=["amount"], high=50)),
    (make("clipping", features=["paid"], high=50), make("encoding", features=["country_name"])),
    (make("rate_definition", features=["pace"], how="odds"), make("rollback", features=["income"])),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: " + ".join(s.stem for s in p))
def test_two_skews_on_different_features_are_one_after_the_other(pair, payments):
    """In either order, whichever routes they take."""
    rows, world = payments.tables[1], (payments.roles, payments)
    scope = Scope(share=float(any(s.whole for s in pair)) or 0.5)
    together = sk.inject(rows, pair, scope, *world)
    for one, other in (pair, pair[::-1]):
        after = sk.inject(sk.inject(rows, one, scope, *world), other, scope, *world)
        pd.testing.assert_frame_equal(together, after)
    assert together.attrs == rows.attrs and list(together) == list(rows)


def test_two_knobs_of_one_feature_are_both_turned(payments):
    """A lag and a double count give what the pipeline gives with both; neither alone does."""
    rows = payments.tables[1]
    found = everywhere(rows, [KNOB, ANOTHER], payments.roles, payments)["count_24h"]
    wanted = payments(rows, ("count_24h",), lag="6h", counted=2)["count_24h"]
    assert same(found, wanted).all()
    assert all(
        len(changed_rows(everywhere(rows, s, payments.roles, payments), rows.assign(count_24h=found)))
        for s in (KNOB, ANOTHER)
    )


def test_a_knob_turned_at_a_changed_source_has_both(payments):
    """The amount in cents, normalised over another window: the pipeline's, from the changed column."""
    rows = payments.tables[1]
    window = make("normalization_window", features=["amount_usual"], serving="7D")
    cents = make("unit_change", features=["paid"], unit="units_to_cents")
    source = payments.source(rows).assign(paid=payments.source(rows)["paid"] * 100)
    wanted = payments(rows, ("amount_usual",), source=source, window="7D")["amount_usual"]
    for order in ((window, cents), (cents, window)):
        assert same(everywhere(rows, order, payments.roles, payments)["amount_usual"], wanted).all()


def test_a_pipelines_knob_comes_before_the_tables_skew(payments):
    """Serving computes first and sends after, in whichever order the two are named."""
    rows = payments.tables[1]
    sent = make("unit_change", features=["count_24h"], factor=3, offset=1)
    wanted = payments(rows, ("count_24h",), lag="6h")["count_24h"] * 3 + 1
    for order in ((KNOB, sent), (sent, KNOB)):
        assert same(everywhere(rows, order, payments.roles, payments)["count_24h"], wanted).all()


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


@pytest.mark.parametrize(
    ("values", "mapping", "served"),
    [
        (pd.Series([1, 2]), [[1, "one"]], ["one", 2]),
        (pd.Series([1, 2]), [[1, 1.5]], [1.5, 2]),
        (pd.array([1, None], "Int64"), [[1, "one"]], ["one", None]),
        (pd.Categorical(["a", "b"]), [["a", "z"]], ["z", "b"]),
        (pd.Categorical(["a", "b"]), [["a", "b"]], ["b", "b"]),
    ],
    ids=str,
)
def test_a_code_of_another_type_is_neither_lost_nor_cut(values, mapping, served):
    """A column's type stays where it holds the new codes; else it gives way, and no code becomes null or whole."""
    found = column(values, make("encoding", mapping=mapping))
    assert [None if pd.isna(v) else v for v in found] == served


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
    assert sk.inject(frame, make("staleness", snapshot="2h"), roles=roles)["x"].tolist() == [1.0, 1.0, 2.0, 9.0]
    assert sk.inject(frame, make("staleness", snapshot="2h", lag="90min"), roles=roles)["x"].tolist() == [1, 2, 1, 9]


def column(values, skew, **others):
    """What serving holds of one feature ``x`` with these values, under a skew."""
    times = pd.date_range("2024-01-01", periods=len(values), tz="UTC")
    frame = pd.DataFrame({"k": range(len(values)), "t": times, "x": values, **others})
    roles = Roles(key="k", time="t", entity="who" if "who" in others else None, features=("x",))
    return sk.inject(frame, replace(skew, features=("x",)), roles=roles)["x"]


HOLES = [np.nan, 1.0, np.nan, 4.0, np.nan, 10.0]
WHO = ["a", "a", "b", "a", "b", "b"]


@pytest.mark.parametrize(
    ("serving", "there"), [("zero", [0, 0, 0]), ("mean", [5, 5, 5]), ("median", [4, 4, 4]), (-1, [-1, -1, -1])]
)
def test_missing_fill_by_hand(serving, there):
    """1, 4 and 10 have the mean 5 and the median 4, and they stay."""
    served = column(HOLES, make("missing_fill", serving=serving))
    assert served.tolist() == [there[0], 1, there[1], 4, there[2], 10]


def test_missing_fill_forward_by_hand():
    """The last known value, of the table or of the entity alone; null before the first."""
    forward = make("missing_fill", serving="forward")
    assert column(HOLES, forward).tolist()[1:] == [1, 1, 4, 4, 10] and np.isnan(column(HOLES, forward)[0])
    assert column(HOLES, forward, who=WHO).isna().tolist() == [True, False, True, False, True, False]
    assert column(HOLES, forward, who=["a"] * 3 + ["b"] * 3).tolist()[1:] == [1, 1, 4, 4, 10]


def test_missing_fill_agrees_with_scikit_learn_and_pandas(table):
    """The same as SimpleImputer, and as a forward fill of each account in the order of time."""
    from sklearn.impute import SimpleImputer

    frame = table.assign(income=table["income"].where(table["income"] != examples.MEAN_INCOME))
    for fill in ("mean", "median"):
        filled = plant(frame, make("missing_fill", features=["income"], serving=fill))["income"]
        assert np.allclose(filled, SimpleImputer(strategy=fill).fit_transform(frame[["income"]])[:, 0])
    filled = plant(frame, make("missing_fill", features=["income"], serving="forward"))["income"]
    assert same(filled, frame.sort_values("asked").groupby("account")["income"].ffill().sort_index()).all()


def test_what_training_filled_in_stands_for_missing():
    """A constant, or the column's own median; nothing else moves, and where there is none the error says what to give."""
    assert column([7, 5, 5], make("missing_fill", training=5, serving="zero")).tolist() == [7, 0, 0]
    assert column([0, 5, 5, 9], make("missing_fill", training="median", serving=-1)).tolist() == [0, -1, -1, 9]
    assert column([0, 5, 5, 9], make("missing_fill", training="zero", serving="null")).isna().tolist() == [1, 0, 0, 0]
    for training in ("mean", "null", 3):
        with pytest.raises(NotApplicable, match=r"nothing that is missing.*give"):
            column([0, 5, 5, 9], make("missing_fill", training=training, serving=-1))


@pytest.mark.parametrize("serving", ["zero", "median", -1])
def test_a_fill_is_a_knob_of_the_pipeline(serving):
    """Turned in the definition or put into the table: the same column."""
    from skewkit.features.definitions import Column, Filled, evaluate, turn

    requests = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=6, tz="UTC"), "raw": HOLES})
    definition = Filled(of=Column(source="raw"), fill="mean", mean=5.5, median=4.0)
    skew = make("missing_fill", training=5.5, serving=serving)
    trained = evaluate({"x": definition}, {}, requests, "t")["x"]
    served = evaluate({"x": turn(definition, **skew.knobs())}, {}, requests, "t")["x"]
    assert trained.tolist() == [5.5, 1, 5.5, 4, 5.5, 10] and column(trained, skew).tolist() == served.tolist()


def test_missing_values_by_hand():
    """Three of ten: the three largest or smallest, of times too; equal values go together, and never too many."""
    ten = list(range(1, 11))
    high, low = (column(ten, make("missing_values", rate=0.3, how=h)) for h in ("high", "low"))
    assert high.dropna().tolist() == ten[:7] and low.dropna().tolist() == ten[3:]
    assert column([1, 2, 2, 2], make("missing_values", rate=0.5, how="high")).notna().all()
    assert column([1, 2, 2, 2], make("missing_values", rate=0.75, how="high")).isna().tolist() == [0, 1, 1, 1]
    times = pd.date_range("2024-01-01", periods=4)
    assert column(times, make("missing_values", rate=0.25, how="low")).isna().tolist() == [1, 0, 0, 0]
    assert column(list("abc"), make("missing_values", rate=1.0)).isna().all()


def test_values_lost_at_random_are_as_many_as_asked_and_nest(table):
    """The share is the rate; a larger rate loses the same and more; two columns do not lose the same rows."""
    from scipy.stats import binomtest

    some, more = (plant(table, make("missing_values", features=["amount", "city"], rate=r)).isna() for r in (0.2, 0.4))
    assert binomtest(int(some["amount"].sum()), len(table), 0.2).pvalue > 0.01
    assert (some["amount"] <= more["amount"]).all()
    assert binomtest(int((some["amount"] & some["city"]).sum()), len(table), 0.04).pvalue > 0.01


@pytest.mark.parametrize(
    ("unit", "was", "now"),
    [
        ("seconds_to_minutes", 90, 1.5),
        ("minutes_to_seconds", 1.5, 90),
        ("hours_to_minutes", 2.5, 150),
        ("miles_to_km", 26.2, 42.1648128),
        ("km_to_miles", 42.1648128, 26.2),
        ("celsius_to_fahrenheit", 100, 212),
        ("fahrenheit_to_celsius", -40, -40),
        ("monthly_to_annual", 1_000.5, 12_006),
        ("annual_to_monthly", 30, 2.5),
        ("cents_to_units", 1_999, 19.99),
        ("units_to_cents", 19.99, 1_999),
        ("percent_to_share", 25, 0.25),
        ("share_to_percent", 0.25, 25),
        ("log", np.e**2, 2),
        ("exp", 0, 1),
        ("log1p", 0, 0),
        ("sign", 3.5, -3.5),
    ],
)
def test_unit_change_by_hand(unit, was, now):
    """One value of each unit whose other form everyone knows; a null stays null."""
    served = column([float(was), np.nan], make("unit_change", unit=unit))
    assert served[0] == pytest.approx(now, rel=1e-12, abs=1e-12) and np.isnan(served[1])


def test_unit_change_agrees_with_scipy(table):
    """The mile, and the temperatures, are those of scipy.constants."""
    from scipy import constants

    km = plant(table, make("unit_change", features=["amount"], unit="miles_to_km"))["amount"]
    assert np.allclose(km, table["amount"] * constants.mile / constants.kilo)
    for there, back in (("celsius", "fahrenheit"), ("fahrenheit", "celsius")):
        served = plant(table, make("unit_change", features=["typing"], unit=f"{there}_to_{back}"))["typing"]
        assert np.allclose(served, constants.convert_temperature(table["typing"], there, back))


def test_unit_change_keeps_whole_numbers_whole_and_logs_without_warnings(recwarn):
    """Minutes in whole seconds are whole; halves are not; what has no logarithm is null."""
    assert column([1, 2], make("unit_change", unit="minutes_to_seconds")).dtype == "int64"
    assert column([1, 3], make("unit_change", factor=0.5)).tolist() == [0.5, 1.5]
    assert column([1, 2], make("unit_change", factor=2, offset=-1)).tolist() == [1, 3]
    assert column([1.0, 0.0, -1.0, np.inf], make("unit_change", unit="log")).isna().tolist() == [0, 1, 1, 0]
    assert not recwarn.list
    with pytest.raises(NotApplicable, match=r"2\*\*53"):
        column([2**53 + 1], make("unit_change", unit="sign"))


def test_only_a_sign_is_undone_and_the_others_name_their_inverse(table):
    """A sign twice is the table; kilometres lose the last digit, and the error says how to come near."""
    sign = make("unit_change", features=["amount_scaled", "hour"], unit="sign")
    pd.testing.assert_frame_equal(sk.undo(plant(table, sign), sign, Scope(), ROLES), table)
    km = make("unit_change", features=["amount"], unit="miles_to_km")
    with pytest.raises(NotApplicable, match="km_to_miles"):
        sk.undo(plant(table, km), km, Scope(), ROLES)


@pytest.mark.parametrize(
    ("rounding", "now"),
    [
        ("half_even", [2.68, 2.66, -1.2, -1.3, 0.0]),
        ("half_up", [2.68, 2.67, -1.2, -1.3, 0.01]),
        ("truncate", [2.67, 2.66, -1.2, -1.29, 0.0]),
        ("floor", [2.67, 2.66, -1.21, -1.3, 0.0]),
        ("ceiling", [2.68, 2.67, -1.2, -1.29, 0.01]),
    ],
)
def test_decimals_by_hand(rounding, now):
    """Halves, and both sides of 0, to two decimals; what is not finite stays."""
    was = [2.675, 2.665, -1.201, -1.299, 0.005]
    served = column([*was, np.inf, np.nan], make("precision", decimals=2, rounding=rounding))
    assert served.tolist()[:5] == now and served[5] == np.inf and np.isnan(served[6])


@pytest.mark.parametrize("rounding", ["half_even", "half_up", "truncate", "floor", "ceiling"])
def test_decimals_agree_with_fractions(rounding, table):
    """Rounded as exact fractions of what is written are."""
    from fractions import Fraction
    from math import ceil, floor, trunc

    half_up = {True: lambda x: floor(x + Fraction(1, 2)), False: lambda x: ceil(x - Fraction(1, 2))}
    whole = {"half_even": round, "half_up": lambda x: half_up[x > 0](x), "truncate": trunc, "floor": floor}
    wanted = [float(Fraction(whole.get(rounding, ceil)(Fraction(repr(v)) * 10), 10)) for v in table["amount_scaled"]]
    served = plant(table, make("precision", features=["amount_scaled"], decimals=1, rounding=rounding))
    assert served["amount_scaled"].tolist() == wanted
    cents = (Fraction(repr(v)) * 10 for v in table["amount"])  # amounts like 12.25 are often halves
    served = plant(table, make("precision", features=["amount"], decimals=1, rounding=rounding))
    assert served["amount"].tolist() == [float(Fraction(whole.get(rounding, ceil)(c), 10)) for c in cents]


def test_types_that_hold_less_by_hand(recwarn):
    """Each type at its edges, without a warning; a null stays null, and the column stays a column of floats."""
    values = [2049.0, 70_000.0, -1.9, 200.0, np.nan, -np.inf]
    wanted = {
        "float16": [2048, np.inf, np.float16(-1.9), 200, np.nan, -np.inf],
        "float32": [2049, 70_000, np.float32(-1.9), 200, np.nan, -np.inf],
        "int8": [1, 112, -1, -56, np.nan, np.nan],
        "int16": [2049, 4464, -1, 200, np.nan, np.nan],
        "int32": [2049, 70_000, -1, 200, np.nan, np.nan],
    }
    for to, now in wanted.items():
        served = column(values, make("precision", to=to))
        assert served.dtype == "float64" and np.array_equal(served, np.array(now, float), equal_nan=True), to
    saturated = column(values, make("precision", to="int8", overflow="saturate"))
    assert np.array_equal(saturated, [127, 127, -1, 127, np.nan, -128], equal_nan=True)
    assert not recwarn.list


def test_whole_numbers_wrap_as_numpy_s_do():
    """Of 64 bits, the lower 8 or 16 are kept."""
    values = np.random.default_rng(0).integers(-(2**50), 2**50, 500)
    for to in ("int8", "int16", "int32"):
        served = column(values, make("precision", to=to))
        assert served.dtype == "int64" and served.tolist() == values.astype(to).tolist()


def test_bfloat16_by_hand():
    """Eight bits of mantissa, the nearest, to even on a tie; beyond the largest is infinite."""
    values = [np.pi, 1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-7, 3.4e38, 0.0]
    wanted = [3.140625, 1.0, 1.015625, -1.0078125, np.inf, 0.0]
    assert column(values, make("precision", to="bfloat16")).tolist() == wanted


def test_clipping_by_hand():
    """What is out of range becomes the bound, or null; a null stays, and whole numbers stay whole."""
    values = [-5.0, 0.0, 3.0, 12.0, np.nan, np.inf]
    assert column(values, make("clipping", low=0, high=10)).tolist()[:4] == [0, 0, 3, 10]
    assert column(values, make("clipping", high=10)).tolist()[:4] == [-5, 0, 3, 10]
    null = column(values, make("clipping", low=0, high=10, how="null"))
    assert null.isna().tolist() == [True, False, False, True, True, True]
    assert column([0.0, 5.0, 10.0], make("clipping", low=0, high=10, how="null")).notna().all()
    hundred = column(range(1, 101), make("clipping", quantiles=[0.05, 0.9]))
    assert hundred.dtype == "int64" and (hundred.min(), hundred.max()) == (5, 90)


def test_clipping_at_quantiles_agrees_with_numpy(table):
    """The bounds are the inverse of the empirical distribution."""
    served = plant(table, make("clipping", features=["amount"], quantiles=[0.07, 0.93]))["amount"]
    bounds = np.quantile(table["amount"], [0.07, 0.93], method="inverted_cdf")
    assert served.tolist() == np.clip(table["amount"], *bounds).tolist()


def test_measurement_by_hand(table):
    """Twice as much and one more, at most 6; and only what the new devices record."""
    assert column([1.0, 2.0, 3.0, np.nan], make("measurement", gain=2, offset=1, saturation=6)).tolist()[:3] == [
        3,
        5,
        6,
    ]
    skew = make("measurement", features=["typing"], gain=2)
    served = sk.inject(table, skew, Scope(where=("device", "new")), ROLES)["typing"]
    assert same(served, table["typing"] * np.where(table["device"] == "new", 2, 1)).all()


def test_the_noise_of_a_measurement_is_gaussian(table):
    """Mean 0 and the deviation asked, normal by Kolmogorov and Smirnov; each column and each seed has its own."""
    from scipy.stats import kstest

    skew = make("measurement", features=["typing", "amount"], noise=0.25)
    columns = list(skew.features)
    noise = plant(table, skew)[columns] - table[columns]
    assert kstest(noise["typing"] / 0.25, "norm").pvalue > 0.01
    assert abs(noise.corr().iloc[0, 1]) < 0.1
    other = plant(table, skew, seed=1)["typing"] - table["typing"]
    assert abs(np.corrcoef(other, noise["typing"])[0, 1]) < 0.1


@pytest.mark.parametrize(
    ("how", "was", "now"),
    [
        ("latin1", "é Köln", "Ã© KÃ¶ln"),
        ("upper", "Köln", "KÖLN"),
        ("lower", "DE", "de"),
        ("title", "new york", "New York"),
        ("trailing_blank", "DE", "DE "),
        ("nfd", "ö", "o\u0308"),
        ("nfd", "\ufb01", "\ufb01"),
        ("decimal_comma", "-12.5", "-12,5"),
        ("decimal_comma", "1.2.3", "1.2.3"),
        ("day_month", "2024-03-05T10:00:00Z", "2024-05-03T10:00:00Z"),
        ("day_month", "2024-03-12", "2024-12-03"),
        ("day_month", "2024-03-13", "2024-03-13"),
        ("day_month", "on 2024-03-05", "on 2024-03-05"),
    ],
)
def test_text_format_by_hand(how, was, now):
    """One text each way; a null stays null."""
    served = column([was, None], make("text_format", how=how))
    assert served[0] == now and served.isna().tolist() == [False, True]


def test_numbers_become_text_with_a_decimal_comma():
    """To the last digit, and with no other sign changed."""
    assert column([12.5, -3.0, 1e-7], make("text_format", how="decimal_comma")).tolist() == ["12,5", "-3,0", "1e-07"]
    with pytest.raises(NotApplicable, match="int64"):
        column([1, 2], make("text_format", how="decimal_comma"))


def test_day_and_month_change_places_in_dates_and_times():
    """The fifth of March is the third of May, at the same hour; the thirteenth is nothing else."""
    twelfth = column(pd.to_datetime(["2024-01-12"]), make("text_format", how="day_month"))
    assert twelfth[0] == pd.Timestamp("2024-12-01")
    was = pd.to_datetime(["2024-03-05 10:30", "2024-03-13 10:30", None])
    for values in (was, was.date):
        served = pd.to_datetime(column(values, make("text_format", how="day_month")))
        assert served.dt.month.tolist()[:2] == [5, 3] and served.dt.day.tolist()[:2] == [3, 13] and served.isna()[2]
    assert column(was, make("text_format", how="day_month"))[0] == pd.Timestamp("2024-05-03 10:30")
    with pytest.raises(NotApplicable, match="UTC"):
        column(was.tz_localize("UTC"), make("text_format", how="day_month"))


def test_a_blank_at_the_end_is_undone_and_other_blanks_stay():
    """One blank is taken off, the one that was put there."""
    frame = pd.DataFrame({"k": range(3), "x": [" a", "b ", ""]})
    skew, roles = make("text_format", features=["x"], how="trailing_blank"), Roles(key="k", features=("x",))
    served = sk.inject(frame, skew, roles=roles)
    assert served["x"].tolist() == [" a ", "b  ", " "]
    pd.testing.assert_frame_equal(sk.undo(served, skew, roles=roles), frame)


def test_text_read_as_latin_1_is_as_codecs_read_it_and_is_undone(table):
    """The codecs' own bytes; undone exactly, but for a text that never was read so."""
    import codecs

    skew = make("text_format", features=["city"], how="latin1")
    served = plant(table, skew)
    assert served["city"].tolist() == [codecs.decode(c.encode(), "iso-8859-1") for c in table["city"]]
    pd.testing.assert_frame_equal(sk.undo(served, skew, Scope(), ROLES), table)
    with pytest.raises(NotApplicable, match="Latin-1"):
        sk.undo(table, skew, Scope(), ROLES)


def test_composed_and_decomposed_accents_are_two_strings(table):
    """They look the same, compare as different, and are one again when composed."""
    served = plant(table, make("text_format", features=["city"], how="nfd"))["city"]
    accents = table["city"] != "New York"
    assert ((served != table["city"]) == accents).all() and (served.str.normalize("NFC") == table["city"]).all()


def test_a_name_in_lower_case_is_unknown_to_the_vocabulary(flights, few):
    """Changed where the requests come in, it reaches the model as the code for unknown."""
    served = sk.inject(few, make("text_format", features=["airline"], how="lower"), roles=flights.roles, replay=flights)
    assert (served["carrier"] == -1).all() and (few["carrier"] >= 0).any()


@pytest.mark.parametrize(
    ("stem", "wrong"),
    [
        ("missing_fill", {"serving": "null"}),
        ("missing_fill", {"training": 0, "serving": "zero"}),
        ("missing_fill", {"training": "forward"}),
        ("missing_fill", {"serving": np.nan}),
        ("missing_fill", {"serving": True}),
        ("missing_values", {"rate": 0}),
        ("missing_values", {"how": "middle"}),
        ("unit_change", {}),
        ("unit_change", {"unit": "log", "factor": 2}),
        ("unit_change", {"factor": 0}),
        ("unit_change", {"factor": 10**400}),
        ("unit_change", {"offset": np.inf}),
        ("precision", {}),
        ("precision", {"to": "int8", "decimals": 2}),
        ("precision", {"decimals": 16}),
        ("precision", {"decimals": True}),
        ("precision", {"decimals": 1, "rounding": "up"}),
        ("precision", {"to": "int8", "overflow": "raise"}),
        ("clipping", {"low": 2, "high": 1}),
        ("clipping", {"low": "0"}),
        ("clipping", {"high": 10**400}),
        ("clipping", {"quantiles": [0.9, 0.1]}),
        ("clipping", {"quantiles": [0.5]}),
        ("clipping", {"low": 1, "quantiles": [0.1, 0.9]}),
        ("measurement", {}),
        ("measurement", {"noise": -1}),
        ("measurement", {"gain": 0}),
        ("measurement", {"saturation": "5"}),
        ("measurement", {"offset": 2**1024}),
        ("text_format", {"how": "upside_down"}),
    ],
)
def test_impossible_parameters_of_values_are_refused(stem, wrong):
    """Nothing that could differ, or out of range: an error that says what there is."""
    with pytest.raises(SkewkitError):
        make(stem, **wrong)


@pytest.mark.parametrize("skew", ["missing_fill", "unit_change", "precision", "clipping", "measurement"])
def test_a_text_is_no_number(skew, table):
    """The error names the column, its type, and what to do."""
    parameter, values = SKEWS[skew].choices
    with pytest.raises(NotApplicable, match=r"acts on numbers.*country.*name another"):
        plant(table, make(skew, features=["country"], **{parameter: values[0]}))


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


# late events, events counted twice, wrong keys, the future; shapes, headers, releases


def test_a_late_event_is_missed_with_its_chance():
    """Of two events each missed half the time, none, one or both are left in a quarter, a half and a quarter of rows."""
    frame = pd.DataFrame({"k": range(20_000), "n": 2, "null": np.nan, "small": np.full(20_000, 2, "i4")})
    frame.loc[::2, "null"] = 2.0
    roles = Roles(key="k", features=("n", "null", "small"))
    served = sk.inject(frame, make("late_events", late=0.5, features=["n", "null", "small"]), roles=roles)
    shares = served["n"].value_counts(normalize=True)
    assert [shares[i] for i in (0, 1, 2)] == pytest.approx([0.25, 0.5, 0.25], abs=0.02)
    assert served["n"].dtype == "int64" and served["small"].dtype == "int32"
    assert same(served["n"], served["small"]).all() and same(served["n"], served["null"])[::2].all()
    assert served["null"][1::2].isna().all()
    none = sk.inject(frame, make("late_events", late=1, features=["n"]), roles=roles)
    assert (none["n"] == 0).all()


def test_late_events_are_the_quantiles_of_a_binomial_law():
    """Each count is the smallest whose chance reaches the key's draw, summed here from binomial coefficients."""
    frame = pd.DataFrame({"k": range(300), "n": np.arange(300) % 9})
    served = sk.inject(frame, make("late_events", late=0.3), roles=Roles(key="k", features=("n",)), seed=4)
    for n, draw, left in zip(frame["n"], coin(frame["k"], "late_events", 4), served["n"], strict=True):
        upto = np.cumsum([comb(n, i) * 0.7**i * 0.3 ** (n - i) for i in range(n + 1)])
        assert left == np.searchsorted(upto, min(draw, upto[-1]))


def test_late_events_leave_a_shorter_window_within_a_longer_one():
    """One draw serves all features, so a count of an hour stays below that of the day which holds it."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"k": range(2_000), "hour": rng.poisson(3, 2_000)})
    frame["day"] = frame["hour"] + rng.poisson(2, 2_000)
    for skew in (make("late_events", late=0.4), make("double_count", twice=0.4)):
        served = sk.inject(frame, skew, roles=Roles(key="k", features=("hour", "day")))
        assert (served["hour"] <= served["day"]).all() and (served["hour"] != frame["hour"]).any()


def test_late_events_by_the_clock_of_a_pipeline():
    """Two events before 10:40, one of them twenty minutes late: a watermark of five minutes counts the other alone."""
    times = pd.to_datetime(["2024-01-01T10:00Z", "2024-01-01T10:10Z"])
    events = pd.DataFrame({"who": "a", "x": 1.0, "happened": times, "known": times + pd.to_timedelta([1, 20], "min")})
    asked = pd.DataFrame({"who": ["a"], "t": pd.to_datetime(["2024-01-01T10:40Z"])})
    count = Rolling(table="events", by="who", value="x", how="count", window="1h")
    for skew, n in ((make("late_events"), 2), (make("late_events", watermark="5min"), 1)):
        made = evaluate({"n": turn(count, **skew.knobs())}, {"events": events}, asked, "t")
        assert made["n"].tolist() == [n]


def test_late_events_need_events_or_a_share(table):
    """A table without its events is refused and told what to give; so is a feature that is no count, and a key that is not there."""
    with pytest.raises(NotApplicable, match="give late="):
        plant(table, make("late_events", features=["recent_count"]))
    with pytest.raises(NotApplicable, match="'amount' is no count"):
        plant(table, make("late_events", features=["amount"], late=0.1))
    with pytest.raises(NotApplicable, match="is no count"):
        plant(table.assign(recent_count=10**9), make("late_events", features=["recent_count"], late=0.1))
    with pytest.raises(NotApplicable, match="key"):
        sk.inject(table, make("late_events", features=["recent_count"], late=0.1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"late": 1.1},
        {"late": -0.1},
        {"serving": "sundial"},
        {"watermark": "soon"},
        {"watermark": "5min", "serving": "event"},
        {"watermark": "5min", "late": 0.1},
        {"edge": "soon"},
        {"edge": "0s"},
        {"edge": "2h", "late": 0.1},
        {"edge": "2h", "serving": "event"},
        {"edge": "2h", "watermark": "5min"},
    ],
)
def test_impossible_late_events_are_refused(wrong):
    """A share beyond 1, an unknown clock, and a watermark where nothing reads one are errors."""
    with pytest.raises(SkewkitError):
        make("late_events", **wrong)


def test_double_count_by_hand():
    """Every event twice doubles counts and sums; undoing halves them, to the last bit and in their own type."""
    frame = pd.DataFrame({"k": range(4), "n": [0, 3, 5, 2**40], "sum": [0.1, np.nan, -2.5, 5e-324]})
    roles, skew = Roles(key="k", features=("n", "sum")), make("double_count", features=["n", "sum"])
    served = sk.inject(frame, skew, roles=roles)
    assert served["n"].tolist() == [0, 6, 10, 2**41] and served["n"].dtype == "int64"
    assert served["sum"].dropna().tolist() == [0.2, -5.0, 1e-323]
    pd.testing.assert_frame_equal(sk.undo(served, skew, roles=roles), frame)
    with pytest.raises(NotApplicable, match="no double"):
        sk.undo(frame, skew, roles=roles)


def test_a_part_of_the_events_counted_twice():
    """A count of n grows by a binomial draw of n, a sum by its share; no count shrinks or more than doubles."""
    frame = pd.DataFrame({"k": range(10_000), "n": 4, "sum": 2.5})
    roles = Roles(key="k", features=("n", "sum"))
    served = sk.inject(frame, make("double_count", twice=0.25, features=["n", "sum"]), roles=roles)
    assert served["n"].between(4, 8).all() and served["n"].mean() == pytest.approx(5, abs=0.05)
    assert served["n"].var() == pytest.approx(4 * 0.25 * 0.75, abs=0.05) and (served["sum"] == 3.125).all()


def test_a_double_that_has_no_room_is_refused():
    """Doubling must not turn round: the largest integers, small types and the largest floats are refused."""
    roles = Roles(key="k", features=("x",))
    for values in (np.array([1, 2**62]), np.array([1, 100], "i1"), np.array([1.0, 1e308]), ["a", "b"], [True, False]):
        frame = pd.DataFrame({"k": [0, 1], "x": values})
        with pytest.raises(NotApplicable):
            sk.inject(frame, make("double_count", features=["x"]), roles=roles)


def test_the_knobs_of_double_count_and_leakage():
    """What they turn in a pipeline: how often an event is there, and how far ahead is looked."""
    assert make("double_count", twice=0.25).knobs() == {"counted": 1.25}
    assert make("leakage", horizon="1D").knobs() == {"horizon": "1D"}
    assert make("misjoin", by="airline").knobs() == {"by": "airline"}
    assert make("late_events", watermark="5min").knobs() == {"clock": "stream", "watermark": "5min"}
    assert make("late_events", edge="2h").knobs() == {"edge": "2h"}
    assert make("staleness", snapshot="1D", lag="1h").knobs() == {"lag": "1h", "snapshot": "1D"}
    assert make("late_events", late=0.1).knobs() == {} == make("misjoin").knobs()


def test_misjoin_by_hand():
    """Of two entities each gets the other's newest row at or before its time; a neighbour is the row before by key."""
    times = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"], utc=True)
    frame = pd.DataFrame({"k": [7, 9, 8, 6], "who": ["a", "b", "a", "b"], "t": times, "x": [1, 10, 2, 20]})
    roles = Roles(key="k", entity="who", time="t", features=("x",))
    assert sk.inject(frame, make("misjoin"), roles=roles)["x"].tolist() == [1, 1, 10, 2]
    assert sk.inject(frame, make("misjoin", how="neighbour"), roles=roles)["x"].tolist() == [20, 2, 1, 20]
    alone = sk.inject(frame, make("misjoin"), roles=replace(roles, entity=None))["x"]
    assert sorted(alone) == [1, 2, 10, 20] and (alone != frame["x"]).all()


def test_misjoined_entities_lie_on_one_cycle():
    """Following whose row each entity gets leads through all of them and back, and another seed goes another way."""
    frame = pd.DataFrame({"k": range(60), "who": [f"e{i % 30}" for i in range(60)], "x": [i % 30 for i in range(60)]})
    frame["t"] = pd.Timestamp("2024-01-01", tz="UTC")
    roles, ways = Roles(key="k", entity="who", time="t", features=("x",)), []
    for seed in (0, 1):
        served = sk.inject(frame, make("misjoin"), roles=roles, seed=seed)["x"]
        gets, seen, at = dict(zip(frame["x"], served, strict=True)), [], 0
        while at not in seen:
            seen.append(at)
            at = gets[at]
        assert len(seen) == 30 and at == 0
        ways.append(seen)
    assert ways[0] != ways[1]


def test_a_misjoin_that_cannot_be_is_refused(table, flights, few):
    """By a column that the events or the requests have not, without a pipeline, or among fewer than two entities."""
    for by in ("to", "no_such_column"):
        with pytest.raises(SkewkitError, match=by):
            sk.inject(few, make("misjoin", features=["recent_delay"], by=by), roles=flights.roles, replay=flights)
    with pytest.raises(NotApplicable, match="replay"):
        plant(table, make("misjoin", features=["recent_amount"], by="country"))
    with pytest.raises(NotApplicable, match="two at least"):
        plant(table.assign(account=1), make("misjoin", features=["recent_amount"]))
    with pytest.raises(SkewkitError, match="entity"):
        make("misjoin", how="neighbour", entity="account")


def test_leakage_by_hand():
    """Two hours ahead, each row has its entity's newest later value up to then, the end included, or else its own."""
    times = pd.to_datetime(["2024-01-01T00:00", "2024-01-01T01:00", "2024-01-01T03:30", "2024-01-01T03:30"], utc=True)
    frame = pd.DataFrame({"k": range(4), "who": ["a", "a", "a", "b"], "t": times, "x": [1, 2, 3, 9]})
    roles = Roles(key="k", entity="who", time="t", features=("x",))
    for horizon, values in (
        ("59min", [1, 2, 3, 9]),
        ("1h", [2, 2, 3, 9]),
        ("2h30min", [2, 3, 3, 9]),
        ("9D", [3] * 3 + [9]),
    ):
        served = sk.inject(frame, make("leakage", horizon=horizon), roles=roles)["x"]
        assert served.tolist() == values and served.dtype == "int64"
    with pytest.raises(SkewkitError, match="above 0"):
        make("leakage", horizon="0s")


def test_a_table_leaks_what_the_pipeline_leaks(flights, few):
    """By the knob, a later day's values are read, and more of them at a longer horizon."""
    differ = []
    for horizon in ("1h", "24h"):
        served = sk.inject(
            few, make("leakage", features=["temp"], horizon=horizon), roles=flights.roles, replay=flights
        )
        differ.append((~same(served["temp"], few["temp"])).mean())
    assert 0 < differ[0] < differ[1]


def test_schema_change_by_hand():
    """Each way a table's shape can change does what its name says, to the columns it names alone."""
    frame = pd.DataFrame({"k": [1, 2, 3], "a": [1.0, np.nan, 2.5], "b": [4.0, 5.0, 6.0], "n": [7, 8, 9]})
    roles = Roles(key="k", features=("a", "b", "n"))

    def changed(**way):
        return sk.inject(frame, make("schema_change", **way), roles=roles)

    assert list(changed(how="missing", features=["a", "n"])) == ["k", "b"]
    assert list(changed(how="missing")) == ["k", "b", "n"]
    assert list(changed(how="renamed", features=["b"])) == ["k", "a", "b_v2", "n"]
    assert list(changed(how="renamed", features=["b", "a"], to=["x", "y"])) == ["k", "y", "x", "n"]
    text = changed(how="retyped", features=["a", "n"])
    assert text["a"].tolist()[::2] == ["1.0", "2.5"] and text["a"].isna().tolist() == [False, True, False]
    assert text["n"].tolist() == ["7", "8", "9"] and text["b"].equals(frame["b"])
    assert list(changed(how="reordered")) == ["k", "n", "b", "a"]
    assert list(changed(how="reordered", features=["a", "n"])) == ["k", "n", "b", "a"]
    swap = make("schema_change", how="swapped", features=["a", "b"])
    swapped = sk.inject(frame, swap, roles=roles)
    assert swapped["a"].tolist() == [4, 5, 6] and swapped["b"].equals(frame["a"].rename("b"))
    pd.testing.assert_frame_equal(sk.undo(swapped, swap, roles=roles), frame)
    extra = changed(how="extra", features=["n"], to=["new"])
    assert list(extra) == [*frame, "new"] and extra["new"].tolist() == [7, 8, 9]


@pytest.mark.parametrize(
    "wrong",
    [
        {"how": "shuffled"},
        {"how": "missing", "to": ["x"]},
        {"how": "renamed", "features": ["a", "b"], "to": ["x"]},
        {"how": "renamed", "features": ["a", "b"], "to": ["x", "x"]},
        {"how": "swapped", "features": ["a"]},
        {"how": "swapped", "features": ["a", "b", "c"]},
        {"how": "swapped", "features": ["a", "a"]},
        {"how": "reordered", "features": ["a"]},
    ],
)
def test_an_impossible_schema_change_is_refused(wrong):
    """An unknown way, names that do not go with it, and a swap of other than two are errors."""
    with pytest.raises(SkewkitError, match="schema_change"):
        make("schema_change", **wrong)


def test_a_schema_change_that_a_table_does_not_allow_is_refused(table):
    """A name that is taken, text to retype, and two types to swap are refused with what to do."""
    for way, said in (
        ({"how": "renamed", "features": ["amount"], "to": ["income"]}, "income already"),
        ({"how": "retyped", "features": ["city"]}, "only numbers"),
        ({"how": "swapped", "features": ["city", "amount"]}, "name two of one type"),
    ):
        with pytest.raises(NotApplicable, match=said):
            plant(table, make("schema_change", **way))


def test_broken_header_by_hand():
    """A column is nulls, zeros or its own name, in its own type where that holds them; where serving began, from there."""
    frame = pd.DataFrame({"k": [1, 2], "n": [3, 4], "x": [0.5, 0.6], "c": ["a", "b"]})
    roles = Roles(key="k", features=("n", "x", "c"))

    def broken(how, *features, scope=Scope()):
        return sk.inject(frame, make("broken_header", how=how, features=list(features)), scope, roles)

    assert broken("null", "n", "x", "c")[["n", "x", "c"]].isna().all(axis=None)
    zeros = broken("zero", "n", "x", "c")
    assert zeros[["n", "x", "c"]].eq(0).all(axis=None) and (zeros["n"].dtype, zeros["x"].dtype) == ("int64", "float64")
    assert broken("name", "n", "c")["n"].tolist() == ["n", "n"] and broken("name", "c")["c"].tolist() == ["c", "c"]
    assert broken("zero", "n", scope=Scope(where=("c", "b")))["n"].tolist() == [3, 0]
    assert broken("zero")["n"].tolist() == [0, 0] and broken("zero")["x"].equals(frame["x"])


def test_rollback_by_hand():
    """The default stands in every row of the features named, of the last one when none is."""
    frame = pd.DataFrame({"k": [1, 2], "n": [3, 4], "x": [0.5, 0.6], "c": ["a", "b"]})
    roles = Roles(key="k", features=("n", "x"))
    assert sk.inject(frame, make("rollback"), roles=roles)["x"].isna().all()
    served = sk.inject(frame, make("rollback", features=["n", "x"], default=-1), roles=roles)
    assert served["n"].tolist() == [-1, -1] and (served["n"].dtype, served["x"].dtype) == ("int64", "float64")
    half = sk.inject(frame, make("rollback", features=["n", "c"], default=0.5), roles=roles)
    assert half["n"].tolist() == [0.5, 0.5] == half["c"].tolist()
    assert sk.inject(frame, make("rollback", features=["c"], default="none"), roles=roles)["c"].tolist() == ["none"] * 2
    for wrong in (True, [1], float("nan"), float("inf"), 10**400):
        with pytest.raises(SkewkitError, match="rollback was given default"):
            make("rollback", default=wrong)


def test_a_table_that_is_so_already_is_refused(table):
    """Where every feature is that constant already, nothing would change, and the error says that none was found."""
    empty = table.assign(**dict.fromkeys(ROLES.features, 0))
    for skew in (make("rollback", default=0), make("broken_header", how="zero")):
        with pytest.raises(NotApplicable, match="found no feature"):
            plant(empty, skew)


def test_an_order_of_columns_is_described_and_judged_when_the_policy_says_so(table, tmp_path):
    """Files are read by name: reversed columns are no alarm until a policy gives them a limit. Each row has them otherwise."""
    served = plant(table, make("schema_change", how="reordered"))
    assert differing(table, served) == differing(table, served.drop(columns="amount")) == len(table)
    case = sk.compare(table, served, table, key="request", features=list(ROLES.features))
    strict = tmp_path / "policy.yaml"
    strict.write_text("limits:\n  schema.reordered: {tolerated: 0, material: 0}\n")
    for policy, verdict in ((None, "ok"), (read_policy(str(strict)), "breach")):
        found = sk.check(case, policy)
        (skewed,) = [f for f in found if f.statistic == "reordered" and f.change == "skew"]
        assert skewed.value == 1 and found.by_check()["schema"] == getattr(Verdict, verdict)


def test_rate_definition_by_hand():
    """One in four is one to three, three in four are three to one; all have no rest, and null stays null."""
    rates = [0.0, 0.25, 0.5, 0.75, 1.0, np.nan]
    odds = column(rates, make("rate_definition", how="odds"))
    np.testing.assert_allclose(odds, [0, 1 / 3, 1, 3, np.nan, np.nan], rtol=1e-15)
    failed = column(rates, make("rate_definition", how="complement"))
    np.testing.assert_array_equal(failed, [1, 0.75, 0.5, 0.25, 0, np.nan])


def test_odds_agree_with_scipy(table):
    """Their logarithm is the logit."""
    from scipy.special import logit

    served = plant(table, make("rate_definition", how="odds", features=["refused"]))["refused"]
    there = table["refused"] > 0
    assert np.allclose(np.log(served[there]), logit(table["refused"][there])) and (served[~there] == 0).all()


@pytest.mark.parametrize("values", [[0.5, 1.5], [-0.1, 0.5], [0.5, np.inf], [0, 1], ["0.5", "1"]], ids=str)
def test_what_is_no_rate_is_refused(values):
    """Beyond 0 to 1, whole numbers and text are no rates; nothing is read into them."""
    with pytest.raises(NotApplicable, match="no column of floats from 0 to 1"):
        column(values, make("rate_definition", how="odds"))


def test_a_flag_is_a_rate_only_where_it_is_named():
    """0 and 1 are shares of one; but a flag among the features is most likely none."""
    frame = pd.DataFrame({"k": range(3), "flag": [0.0, 1, 1], "rate": [0.0, 0.5, 1]})
    skew, roles = make("rate_definition", how="complement"), Roles(key="k", features=("flag", "rate"))
    assert skew.acts_on(frame, roles) == ("rate",)
    assert sk.inject(frame, replace(skew, features=("flag",)), roles=roles)["flag"].tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "needs how="),
        ({"how": "ratio"}, "odds, complement"),
        ({"how": "odds", "setting": "prior", "serving": 1}, "needs how="),
        ({"setting": "prior"}, "together"),
        ({"serving": 3}, "needs how="),
        ({"setting": "per", "serving": "rest"}, "there are prior"),
        ({"setting": "weight", "serving": -1}, "not negative"),
        ({"setting": "weight", "serving": "7D"}, "finite number"),
        ({"setting": "window", "serving": 7, "features": ["x"]}, "it is text"),
        ({"setting": "window", "serving": "0D", "features": ["x"]}, "longer than 0"),
        ({"setting": "window", "serving": "7D"}, "give features="),
    ],
    ids=str,
)
def test_an_impossible_rate_definition_is_refused(wrong, said):
    """The error says which parameters go together, and what each takes."""
    with pytest.raises(SkewkitError, match=said):
        make("rate_definition", **wrong)


def test_a_setting_needs_a_pipeline(table):
    """A table does not know what a rate was counted from."""
    with pytest.raises(NotApplicable, match="only a pipeline"):
        plant(table, make("rate_definition", features=["refused"], setting="weight", serving=0))


def test_the_odds_of_a_pipeline_are_those_of_the_table(payments):
    """Counts over the rest, and the rate over one less the rate: the same to the last digits, null in the same rows."""
    few = payments.tables[1]
    skew = make("rate_definition", features=["pace", "category_fraud"], how="odds")
    assert turned(skew, payments.roles, payments) == skew.features
    knob, plain = everywhere(few, skew, payments.roles, payments), everywhere(few, skew, payments.roles)
    assert (few["pace"] == 1).any()
    for f in skew.features:
        np.testing.assert_allclose(knob[f], plain[f], rtol=1e-12)


def test_the_settings_of_a_rate_by_hand():
    """Two of five drawn towards 0.1 by ten: 3 of 15; by none 2 of 5; in a window of two hours 1 of 2."""
    times = pd.date_range("2024-01-01T01:00Z", periods=5, freq="h")
    events = pd.DataFrame({"who": "a", "bad": [1.0, 0, 0, 0, 1], "one": 1.0, "known": times})
    read = {"table": "events", "by": "who", "how": "sum", "window": "1D"}
    rate = Rate(of=Rolling(**read, value="bad"), over=Rolling(**read, value="one"), prior=0.1, weight=10)
    asked = pd.DataFrame({"who": ["a"], "asked": times[-1:]})

    def served(**skew):
        knobs = make("rate_definition", features=["f"], **skew).knobs()
        return evaluate({"f": turn(rate, **knobs)}, {"events": events}, asked, "asked")["f"][0]

    assert evaluate({"f": rate}, {"events": events}, asked, "asked")["f"][0] == pytest.approx(3 / 15)
    assert served(setting="weight", serving=0) == pytest.approx(2 / 5)
    assert served(setting="prior", serving=0.4) == pytest.approx(6 / 15)
    assert served(setting="window", serving="2h") == pytest.approx((1 + 1) / 12)
    assert served(how="odds") == pytest.approx(3 / 12)
    with pytest.raises(SkewkitError, match="no_such"):
        served(setting="value", serving="no_such")
