"""Causes from paired tables: every skew's examples, silence, scopes, mixtures, and what looks alike."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import skewkit as sk
from skewkit import examples, pipeline
from skewkit.records import Skew
from skewkit.report.run import begin, document, plain
from skewkit.scope import Scope
from skewkit.skews import SKEWS
from skewkit.tables.equality import same

from .test_inference import DAY, HOUR, asked, readings

S, R = sk.skews, examples.ROLES
START = pd.Timestamp("2024-02-25", tz="UTC")


@cache
def right(rows: int = 2_000) -> pd.DataFrame:
    """The example table without what was served of it; tests take copies."""
    return examples.table(rows)


def case(served, replayed=None, training=None, **more):
    replayed = right() if replayed is None else replayed
    given = {"key": R.key, "entity": R.entity, "time": R.time, "segments": ["country"], "features": R.features}
    return sk.compare(replayed if training is None else training, served, replayed, **{**given, **more})


def told(served, replayed=None, training=None, **more):
    return sk.diagnose(case(served, replayed, training, **more))


def planted(*plants, table=None):
    """The table with each (skew, scope) in turn."""
    served = right() if table is None else table
    for skew, scope in plants:
        served = sk.inject(served, skew, scope, R)
    return served


def only(found):
    """The one fit there is."""
    assert len(found.fits) == 1, found
    return found.fits[0]


# -- every example of every skew


def of(kind, at):
    return str(list(SKEWS[kind].examples())[at])


SPLIT, LATE = "each feature for itself", "time-like, and no events to turn knobs with"
CHANCE, FUTURE = "of chance, and a shorter window looks alike", "the future of a value is no other column of the table"
UNNAMED = {
    of("clipping", 1): f"{SPLIT}: of counts, losing the highest is losing codes that are not known",
    of("double_count", 1): "counts a few more, by chance: other skews of counts do so too",
    of("double_count", 2): "of a sum that grows by a tenth nothing tells that it was counted, and no factor",
    of("late_events", 0): f"{LATE}, {CHANCE}",
    of("late_events", 1): f"{LATE}, {CHANCE}",
    of("late_events", 2): "all events lost leave zeros, which is a default in the place of all codes",
    of("leakage", 0): FUTURE,
    of("leakage", 1): FUTURE,
    of("leakage", 2): FUTURE,
    of("measurement", 1): f"{SPLIT}: the noise of a count that is rounded is no Gaussian's",
    of("measurement", 3): f"{SPLIT}: noise that is cut off is no Gaussian's",
    of("misjoin", 1): "joined by a code that hundreds of rows share: any of their values",
    of("misjoin", 2): "three accounts of hundreds, of whom too few rows differ for a vote",
    of("missing_values", 3): f"{SPLIT}: the lowest quarter of numbers may be a bound as well, of dates not",
    "SchemaChange(features=('typing', 'income'), how='reordered')": "another order of the columns does no harm",
    of("staleness", 2): f"{LATE}: a lag and a cache at once, by country",
}
EXAMPLES = [s for kind in SKEWS.values() for s in kind.examples()]


def truth(before, after, skew):
    """The features that are other than they were: in their values, or in their place and name."""
    changed = {f for f in R.features if f not in after or not same(before[f], after[f]).all()}
    return changed or set(skew.features or skew.acts_on(before, R))


def names(fit):
    """The stems that a fit says, or calls alike."""
    return {fit.skew, *(r["skew"] for r in fit.rivals)}


def test_what_cannot_be_named_is_listed_by_what_there_is():
    """Each key of the table of exceptions is an example."""
    assert set(UNNAMED) <= set(map(str, EXAMPLES))


@pytest.mark.parametrize("skew", EXAMPLES, ids=str)
def test_each_example_is_named_with_its_features(skew):
    """A planted skew is found by its stem in exactly the features it changed; or stands in the table of what cannot be."""
    table = right(3_000)
    served = planted((skew, Scope(share=1.0 if skew.whole else 0.3)), table=table)
    found = told(served, table)
    hit = [f for f in found.fits if skew.stem in names(f) and set(f.features) == truth(table, served, skew)]
    assert bool(hit) == (str(skew) not in UNNAMED), found
    assert all(0 <= f.explained <= 1 for f in found.fits if f.explained is not None)
    if hit:
        assert hit[0] is found.fits[0] and hit[0].side == "serving" and hit[0].change == "skew"
    elif LATE in UNNAMED[str(skew)] or UNNAMED[str(skew)] == FUTURE:  # and what would tell it is said
        assert found.named == [] and ["events" in m.give for m in found.missing] == [True]


# -- silence


def test_what_is_as_it_should_be_has_no_cause():
    """Served as replayed: no fit, nothing missing, also in another order of the rows."""
    for served in (right().copy(), right().sample(frac=1, random_state=1)):
        found = told(served)
        assert (found.fits, found.missing, found.named) == ([], (), [])
        assert "nothing to explain" in repr(found)


def test_rounding_errors_have_no_cause():
    """Numbers that are off in the 13th digit are the same; a thousand times as far off in the ninth they are not looked at."""
    rng = np.random.default_rng(0)
    served = right().copy()
    for f in ("amount", "amount_scaled", "income", "typing"):
        served[f] *= 1 + rng.uniform(-1e-13, 1e-13, len(served))
    assert not same(served["amount"], right()["amount"]).all() and told(served).fits == []


def test_drift_alone_has_no_cause():
    """Training of another world, and served as replayed: drift is no skew."""
    other = examples.table(2_000, seed=5)
    other = other.assign(amount=other["amount"] * 3, city="Bern", hour=0, recent_count=other["recent_count"] + 5)
    assert told(right(), training=other).fits == []


def test_drift_beside_a_skew_changes_nothing_of_it():
    """The same fit whatever training holds: it is found on pairs alone."""
    served = planted((S.UnitChange(features=("amount",), factor=12.0), Scope(share=0.3)))
    other = examples.table(2_000, seed=5).assign(amount=1.0)
    assert only(told(served)).to_dict() == only(told(served, training=other)).to_dict()


# -- odd tables


KINDS = {
    "nulls": lambda rng, n: np.full(n, None),
    "one": lambda rng, n: np.full(n, 7.5),
    "infinite": lambda rng, n: rng.choice([np.inf, -np.inf, np.nan, 0.0, 1e308, -1e308, 5e-324], n),
    "booleans": lambda rng, n: rng.random(n) < 0.5,
    "huge": lambda rng, n: rng.integers(-(2**63), 2**63 - 1, n),
    "small": lambda rng, n: rng.integers(0, 3, n),
    "text": lambda rng, n: rng.choice(np.array(["", " ", "é", "e\u0301", "<b>", "null", "1,5", "🦉"], object), n),
    "mixed": lambda rng, n: rng.choice(np.array([None, 1, "1", 2.5, True, "x"], object), n),
    "dates": lambda rng, n: pd.Timestamp("2024-03-01") + pd.to_timedelta(rng.integers(0, 99, n), "D"),
    "times": lambda rng, n: START + pd.to_timedelta(rng.integers(0, 10**7, n), "s"),
    "nullable": lambda rng, n: pd.array(rng.choice(np.array([1, 2, None], object), n), "Int64"),
    "lists": lambda rng, n: pd.Series([[int(v)] for v in rng.integers(0, 3, n)]),
    "floats": lambda rng, n: rng.normal(size=n),
}


@settings(max_examples=40, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(sorted(KINDS)),
    st.sampled_from([3, 40, 120]),
    st.booleans(),
    st.integers(0, 2**16),
)
def test_odd_tables_give_a_diagnosis_or_a_plain_error(before, after, n, paired, seed):
    """Of whatever columns on either side: shares within [0, 1], plain JSON, and no error but our own."""
    rng = np.random.default_rng(seed)
    when = START + pd.to_timedelta(np.sort(rng.integers(0, 10**6, n)), "s")
    base = pd.DataFrame({"k": np.arange(n), "who": rng.integers(0, 9, n), "t": when, "odd": KINDS[before](rng, n)})
    struck = pd.DataFrame({"k": base["k"], "who": base["who"], "t": when, "odd": KINDS[after](rng, n)})
    try:
        one = sk.compare(
            base, struck, base if paired else None, key="k", entity="who", time="t", features=["odd"], evidence="rows"
        )
        found = sk.diagnose(one)
    except sk.SkewkitError:
        return
    for fit in found.fits:
        json.dumps(plain(fit.to_dict()), allow_nan=False)
        assert fit.explained is None or 0 <= fit.explained <= 1
        assert fit.held_out is None or 0 <= fit.held_out <= 1
        assert 0 <= fit.share <= 1 and 0 <= fit.rows <= fit.n
        assert fit.features == ("odd",) and fit.sentence


# -- for whom, since when


UNIT = S.UnitChange(features=("amount",), factor=12.0)
TWO = ("IN", "DE")


def moment(at):
    """The time of a row, by its place: no other row has it."""
    return right()["asked"].iloc[at]


SCOPES = {
    "all": Scope(),
    "share": Scope(share=0.3),
    "one slice": Scope(where=("country", "DE")),
    "two values": Scope(where=("country", TWO)),
    "since": Scope(since=moment(1_200)),
    "until": Scope(until=moment(700)),
    "between": Scope(since=moment(600), until=moment(1_400)),
    "slice since": Scope(where=("device", "old"), since=moment(900)),
}


@pytest.mark.parametrize("name", SCOPES)
def test_for_whom_and_since_when_are_found(name):
    """The scope that was planted: slices by name, the first and last rows struck to the row, the share as it fell."""
    scope = SCOPES[name]
    served = planted((UNIT, scope))
    fit = only(told(served))
    struck = ~same(served["amount"], right()["amount"])
    times = right()["asked"][struck]
    assert (fit.skew, fit.parameters, fit.explained) == ("unit_change", {"unit": "monthly_to_annual"}, 1.0)
    if isinstance(scope.where, tuple) and isinstance(scope.where[1], tuple):
        assert fit.where[0] == "country" and set(fit.where[1]) == set(TWO)
    else:
        assert fit.where == scope.where
    assert fit.since == (times.min() if scope.since is not None else None)
    if scope.until is None:
        assert fit.until is None
    else:  # the end is left out: it lies after the last row struck, and not after the next
        assert times.max() < fit.until <= right()["asked"][right()["asked"] > times.max()].min()
    assert fit.share == pytest.approx(struck.mean() if name == "share" else 1.0)
    assert fit.rows == struck.sum()


def test_a_slice_that_only_served_logs_is_found():
    """The host is in what was served alone: the cause is for one of them, and a share is not said."""
    hosts = np.random.default_rng(3).choice(["h1", "h2", "h3"], len(right()), p=[0.2, 0.4, 0.4])
    served = planted((UNIT, Scope(where=("host", "h1"))), table=right().assign(host=hosts))
    fit = only(told(served))
    assert (fit.where, fit.share, fit.skew) == (("host", "h1"), 1.0, "unit_change")


def test_a_random_share_of_the_requests_is_no_slice():
    """As many rows as the host has, struck by chance: a share, to the row, and no host."""
    hosts = np.random.default_rng(3).choice(["h1", "h2", "h3"], len(right()), p=[0.2, 0.4, 0.4])
    served = planted((UNIT, Scope(share=0.2)), table=right().assign(host=hosts))
    fit = only(told(served))
    struck = ~same(served["amount"], right()["amount"])
    assert fit.where is None and fit.share == pytest.approx(struck.mean())


# -- several causes


def test_two_features_have_two_causes():
    """Each with its own stem, features and share."""
    served = planted(
        (S.UnitChange(features=("amount",), unit="units_to_cents"), Scope(share=0.4)),
        (S.TextFormat(features=("city",), how="upper"), Scope(where=("country", "DE"))),
    )
    found = told(served)
    assert {(f.skew, f.features) for f in found.named} == {("unit_change", ("amount",)), ("text_format", ("city",))}
    assert found.explaining("city").where == ("country", "DE") and found.explaining("typing") is None


@pytest.mark.parametrize(
    "one",
    [
        S.Precision(features=("amount",), decimals=0),
        S.MissingValues(features=("amount",), rate=1.0),
    ],
    ids=str,
)
def test_two_causes_in_different_rows_of_a_feature(one):
    """Twelve times for one host, null or rounded for another: both named, each for its own, and all rows explained."""
    hosts = np.random.default_rng(3).choice(["a", "b", "c", "d"], len(right()))
    served = planted(
        (UNIT, Scope(where=("host", "a"))),
        (one, Scope(where=("host", "b"))),
        table=right().assign(host=hosts),
    )
    fits = told(served).named
    assert {(f.skew, f.where) for f in fits} == {("unit_change", ("host", "a")), (one.stem, ("host", "b"))}
    assert all(f.explained == 1.0 and not f.before for f in fits)


def test_two_causes_in_turn():
    """Twelve times, then rounded to a decimal: both, and the second says what it comes after."""
    served = planted((S.UnitChange(features=("typing",), unit="monthly_to_annual"), Scope()))
    served = planted((S.Precision(features=("typing",), decimals=1, rounding="half_even"), Scope()), table=served)
    first, second = told(served).fits
    assert first.kind == S.UnitChange(features=("typing",), unit="monthly_to_annual") and not first.before
    assert second.kind == S.Precision(features=("typing",), decimals=1, rounding="half_even")
    assert second.before == {"typing": first.kind} and first.explained == 1.0


def test_a_cause_before_a_date_and_another_after_it():
    """A default until a day, another unit from then on: each with its own end or beginning, to the row."""
    at = right()[R.time].sort_values().iloc[1_200]
    served = planted(
        (S.Rollback(features=("amount",), default=0.0), Scope(until=at)),
        (S.UnitChange(features=("amount",), unit="monthly_to_annual"), Scope(since=at)),
    )
    fits = {f.skew: f for f in told(served).named}
    assert set(fits) == {"rollback", "unit_change"}
    assert fits["unit_change"].since == at and fits["rollback"].until == at


def test_a_few_rows_have_a_cause_beside_the_many():
    """Forty rows of two thousand that are null where all others are in another unit are told as well."""
    hosts = np.where(np.arange(len(right())) % 50 == 7, "odd", np.where(np.arange(len(right())) % 3 == 0, "a", "b"))
    served = planted(
        (UNIT, Scope(where=("host", "a"))),
        (S.MissingValues(features=UNIT.features, rate=1.0), Scope(where=("host", "odd"))),
        table=right().assign(host=hosts),
    )
    fits = told(served).named
    assert {(f.skew, f.where) for f in fits} == {("unit_change", ("host", "a")), ("missing_values", ("host", "odd"))}


def test_bounds_before_or_after_another_unit_are_said_both_ways():
    """Cut off and then in another unit is the same as the other way round: the bounds of both orders are given."""
    low, high = right()["typing"].quantile([0.05, 0.95])
    served = planted((S.Clipping(features=("typing",), low=low, high=high), Scope()))
    served = planted((S.UnitChange(features=("typing",), factor=0.01), Scope()), table=served)
    fits = {f.skew: f for f in told(served).named}
    assert set(fits) == {"unit_change", "clipping"} and fits["clipping"].before
    ways = [r["parameters"] for r in fits["clipping"].rivals] + [fits["clipping"].kind.to_dict()]
    assert sorted(w["high"] for w in ways) == pytest.approx([high / 100, high])
    assert sorted(w["low"] for w in ways) == pytest.approx([low / 100, low])


def test_codes_mixed_up_and_written_otherwise():
    """Cities exchanged and in capitals: a mapping of the known names, and then how they are written."""
    values = sorted(right()["city"].dropna().unique())
    mapping = tuple(zip(values, [*values[1:], values[0]], strict=True))
    served = planted((S.Encoding(features=("city",), mapping=mapping), Scope()))
    served = planted((S.TextFormat(features=("city",), how="upper"), Scope()), table=served)
    first, second = told(served).fits
    assert dict(first.kind.mapping) == dict(mapping)
    assert second.kind.how == "upper" and second.before == {"city": first.kind}


def test_what_no_clock_reads_is_not_read_in_another_zone():
    """Zeros for scaled amounts are weekends' flags somewhere on earth; the amounts never were."""
    at = right()[R.time].sort_values().iloc[1_200]
    served = planted((S.Rollback(features=("amount_scaled",), default=0.0), Scope(until=at)))
    assert only(told(served)).skew == "rollback"


def test_features_that_share_a_cause_are_one_fit():
    """Four clocks read in UTC for the same requests: one cause."""
    clocks = ("hour", "weekday", "date", "days_since_last")
    skew = S.TimeZone(serving="UTC", training=examples.ZONE, features=clocks)
    fit = only(told(planted((skew, Scope(share=0.4)))))
    assert set(fit.features) == set(clocks) and fit.parameters["serving"] == "UTC"


def test_features_for_other_requests_are_two_fits():
    """The same skew for other shares of the requests is two causes."""
    cents = {f: S.UnitChange(features=(f,), unit="units_to_cents") for f in ("amount", "recent_amount")}
    apart = told(planted((cents["amount"], Scope(share=0.2)), (cents["recent_amount"], Scope(share=0.7)))).fits
    assert sorted(f.features for f in apart) == [("amount",), ("recent_amount",)]
    both = S.UnitChange(features=tuple(cents), unit="units_to_cents")
    assert set(only(told(planted((both, Scope(share=0.2))))).features) == set(cents)


# -- numbers as people would write them


EXACT = {
    "x12": (S.UnitChange(features=("amount",), factor=12.0), {"unit": "monthly_to_annual"}),
    "x3.7": (S.UnitChange(features=("amount",), factor=3.7), {"factor": 3.7}),
    "fahrenheit": (
        S.UnitChange(features=("typing",), unit="celsius_to_fahrenheit"),
        {"unit": "celsius_to_fahrenheit"},
    ),
    "fahrenheit by hand": (
        S.UnitChange(features=("typing",), factor=1.8, offset=32),
        {"unit": "celsius_to_fahrenheit"},
    ),
    "utc": (
        S.TimeZone(features=("hour",), serving="UTC", training=examples.ZONE),
        {"serving": "UTC", "training": examples.ZONE},
    ),
    "float32": (S.Precision(features=("amount_scaled",), to="float32"), {"to": "float32"}),
    "latin1": (S.TextFormat(features=("city",), how="latin1"), {"how": "latin1"}),
    "-1 to 0": (
        S.Encoding(features=("merchant",), how="unknown_to_default"),
        {"how": "unknown_to_default", "unknown": -1, "default": 0},
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_parameters_are_exact(name):
    """The parameters that were planted, to the last digit, in the words of the skew."""
    skew, wanted = EXACT[name]
    fit = only(told(planted((skew, Scope(share=0.5)))))
    assert skew.stem == fit.skew
    shown = {n: getattr(fit.kind, n) for n in wanted}
    assert shown == wanted


def test_saturation_of_16_bits_is_named():
    """Values beyond 32767 that stop there: a bound, or what predicts the same, whole numbers held in 16 bits."""
    table = right().assign(recent_count=right()["recent_count"] * 9_001)
    assert (table["recent_count"] > 32_767).mean() > 0.3
    skew = S.Precision(features=("recent_count",), to="int16", overflow="saturate")
    fit = only(told(planted((skew, Scope()), table=table), table))
    both = {"clipping": fit.parameters, **{r["skew"]: r["parameters"] for r in fit.rivals}}
    assert fit.kind == S.Clipping(features=("recent_count",), high=32_767.0)
    assert (both["precision"]["to"], both["precision"]["overflow"]) == ("int16", "saturate")


def test_a_median_is_named_by_its_number():
    """A fill with the column's median: the number it is, where there was none."""
    table = right().assign(income=right()["income"].where(right()["income"] != examples.MEAN_INCOME))
    fit = only(told(planted((S.MissingFill(features=("income",), serving="median"), Scope()), table=table), table))
    assert fit.kind == S.MissingFill(features=("income",), training="null", serving=float(table["income"].median()))


def test_a_share_is_named_as_it_fell():
    """15 percent of the requests, and every one of the rows that lost their value."""
    fit = only(told(planted((S.MissingValues(features=("amount",), rate=1.0), Scope(share=0.15)))))
    assert fit.skew == "missing_values"
    assert fit.kind.rate * fit.share == pytest.approx(0.15, abs=0.03)


# -- what looks alike, and what does not


def named(skew, scope=Scope(), **more):
    """The one fit of a skew planted, and the parameters of all that predict the same."""
    fit = only(told(planted((skew, scope)), **more))
    return fit, {fit.skew, *(r["skew"] for r in fit.rivals)}


def test_another_zone_is_not_a_stale_clock():
    """Hours read in another zone, and hours of the account's earlier request."""
    zone, alike = named(S.TimeZone(features=("hour",), serving="UTC", training=examples.ZONE))
    assert zone.skew == "time_zone" and "staleness" not in alike
    stale, alike = named(S.Staleness(features=("hour",), lag="12h"))
    assert stale.skew == "staleness" and "time_zone" not in alike


def test_a_bound_is_neither_a_fill_nor_a_broken_header():
    """Cut off at a value; one value where it was not known; one value everywhere."""
    clip, alike = named(S.Clipping(features=("amount",), high=30.0))
    assert (clip.skew, clip.kind.high) == ("clipping", 30.0) and not alike & {"missing_fill", "broken_header"}
    fill, alike = named(S.MissingFill(features=("income",), training=examples.MEAN_INCOME, serving=0.0))
    assert (fill.skew, fill.kind.serving) == ("missing_fill", 0.0) and not alike & {"clipping", "broken_header"}
    header, alike = named(S.BrokenHeader(features=("income",), how="zero"))
    assert header.skew == "broken_header" and not alike & {"clipping", "missing_fill"}


@pytest.mark.parametrize(
    "skew",
    [
        S.Precision(features=("typing",), decimals=0, rounding="half_even"),
        S.Precision(features=("amount_scaled",), decimals=0, rounding="truncate"),
        S.Precision(features=("amount_scaled",), decimals=0, rounding="floor"),
    ],
    ids=str,
)
def test_rounding_is_told_from_cutting_digits_off(skew):
    """Rounded, truncated towards 0 and to the next below: each by its own name, where negative numbers tell."""
    fit = only(told(planted((skew, Scope()))))
    assert (fit.kind.decimals, fit.kind.rounding) == (0, skew.rounding)


def test_a_cast_to_whole_numbers_that_all_fit_is_truncation():
    """Nothing is too large: what an integer does beyond dropping the fraction cannot be seen, and is not said."""
    fit = only(told(planted((S.Precision(features=("typing",), to="int16"), Scope()))))
    assert fit.kind == S.Precision(features=("typing",), decimals=0, rounding="truncate")


def test_a_default_for_the_unknown_is_no_fill():
    """The code of the unknown that became another code, and the number of the missing that became another number."""
    code, alike = named(S.Encoding(features=("merchant",), how="unknown_to_default"))
    assert code.skew == "encoding" and "missing_fill" not in alike
    fill, alike = named(S.MissingFill(features=("income",), training=examples.MEAN_INCOME, serving="median"))
    assert fill.skew == "missing_fill" and "encoding" not in alike


def test_a_hundredfold_is_a_unit_or_a_lost_separator():
    """Numbers with two decimals, a hundred times as large: the two are one class, and the sentence says so."""
    for skew in (
        S.UnitChange(features=("amount",), unit="units_to_cents"),
        S.TextFormat(features=("amount",), how="no_separator"),
    ):
        fit, alike = named(skew)
        assert {"unit_change", "text_format"} <= alike and "text_format" in fit.sentence
    assert "text_format" not in named(S.UnitChange(features=("typing",), unit="units_to_cents"))[1]


def test_a_sibling_column_may_be_another_window():
    """What reads the count of seven days reads that column, or counts over seven days: a class of two."""
    rng = np.random.default_rng(0)
    table = right().assign(count_30d=rng.poisson(30, len(right())), count_7d=rng.poisson(7, len(right())))
    features = (*R.features, "count_30d", "count_7d")
    fit = only(told(table.assign(count_30d=table["count_7d"]), table, features=features))
    assert (fit.skew, fit.kind.how, fit.kind.to) == ("schema_change", "misread", ("count_7d",))
    (window,) = [r["parameters"] for r in fit.rivals if r["skew"] == "normalization_window"]
    assert window["serving"] == "7D"
    other = only(told(table.assign(count_30d=table["recent_count"]), table, features=features))
    assert "normalization_window" not in names(other)


# -- with the events


SINCE = pd.Timestamp("2024-03-01", tz="UTC")
TIMED = ("count_28D", "sum_10D", "last")


def known(rows, now, start, field="happened"):
    return [r for r in rows if start <= r[field] < now]


@cache
def meters():
    return {m: rows.sort_values("happened").to_dict("records") for m, rows in readings().groupby("meter")}


def made(window=28 * DAY, lag=timedelta(0), ahead=timedelta(0), edge=timedelta(0), when=None, field="happened"):
    """The three features of each request by plain loops: with what is known ``lag`` before (or at ``when``), or ahead."""
    found = []
    for at, (meter, now) in enumerate(asked()[["meter", "time"]].itertuples(index=False)):
        begin = (now if when is None else when[at]) - lag
        now = begin + ahead - edge
        every = meters().get(meter, ())
        rows = [r for r in every if not np.isnan(r["kwh"])]
        past = known(every, now, SINCE, field)
        newest = max(past, key=lambda r: r[field])["kwh"] if past else np.nan
        ten = [r["kwh"] for r in known(rows, now, begin - 10 * DAY, field)]
        found.append((len(known(rows, now, begin - window, field)), sum(ten), newest))
    return asked().assign(**dict(zip(TIMED, map(list, zip(*found, strict=True)), strict=True)))


def cached(ttl):
    """When each request's value was filled: by the meter's first request, and by the first that comes later than ``ttl``."""
    filled, when = {}, [None] * len(asked())
    for at, row in asked().sort_values("time", kind="stable").iterrows():
        if row["meter"] not in filled or row["time"] - filled[row["meter"]] >= ttl:
            filled[row["meter"]] = row["time"]
        when[at] = filled[row["meter"]]
    return when


def with_events(served, replayed, training=None, events=True):
    given = {"table": readings(), "entity": "meter", "happened": "happened", "known": "known"}
    return sk.diagnose(
        sk.compare(
            replayed if training is None else training,
            served,
            replayed,
            key="request",
            entity="meter",
            time="time",
            features=TIMED,
            events={"readings": given} if events else None,
        )
    )


MIDNIGHTS = asked()["time"].dt.floor("D").tolist()
TURNED = {
    "window": (lambda: made(window=7 * DAY), ("count_28D",), "normalization_window", {"serving": "7D"}),
    "lag": (lambda: made(lag=6 * HOUR), TIMED, "staleness", {"lag": "6h"}),
    "odd lag": (lambda: made(lag=timedelta(hours=5, minutes=40)), TIMED, "staleness", {"lag": "340min"}),
    "snapshot": (lambda: made(when=MIDNIGHTS), TIMED, "staleness", {"snapshot": "1D"}),
    "cache": (lambda: made(when=cached(12 * HOUR)), TIMED, "staleness", {"ttl": "12h"}),
    "edge": (lambda: made(edge=2 * HOUR).assign(last=made()["last"]), TIMED[:2], "late_events", {"edge": "2h"}),
    "clock": (lambda: made(field="known"), TIMED, "late_events", {"serving": "ingestion"}),
}


@pytest.mark.parametrize("name", TURNED)
def test_with_events_time_is_told_by_its_knob(name):
    """Features made by loops, with one length of time turned: its name and parameter in all of them, to the minute."""
    loops, features, stem, wanted = TURNED[name]
    found = with_events(loops(), made())
    fit = only(found)
    assert (fit.skew, set(fit.features), fit.side) == (stem, set(features), "serving"), found
    for f, skew in fit.causes.items():
        for n, value in wanted.items():
            length = n != "serving" or stem == "normalization_window"
            got = getattr(skew, n)
            assert pd.Timedelta(got) == pd.Timedelta(value) if length else got == value, f
    assert fit.explained >= 0.99


@pytest.mark.parametrize("name", ["window", "lag", "edge", "clock", "snapshot"])
def test_without_events_time_is_unknown_and_they_are_asked_for(name):
    """Counts and newest values of the same tables alone: nothing is named, and what is missing are the events."""
    served = TURNED[name][0]().assign(sum_10D=made()["sum_10D"])
    found = with_events(served, made(), events=False)
    assert found.named == [] and found.fits and ["events" in m.give for m in found.missing] == [True]


@pytest.mark.parametrize("name", ["lag", "edge", "clock"])
def test_without_events_a_sum_that_is_behind_is_no_noise(name):
    """Sums that lack the newest events, or hold other ones, are not measured with noise."""
    served = made().assign(sum_10D=TURNED[name][0]()["sum_10D"])
    assert with_events(served, made(), events=False).named == []


def test_of_a_newest_value_an_edge_is_a_lag():
    """What misses the events of the last two hours is, of a newest value alone, two hours behind."""
    fit = only(with_events(made().assign(last=made(edge=2 * HOUR)["last"]), made()))
    assert (fit.features, fit.skew, fit.kind.lag) == (("last",), "staleness", "2h")


def test_training_that_knows_the_future_is_at_fault():
    """Training and replay computed a day ahead of the request, served right: leakage, on the training side, by a day."""
    ahead = made(ahead=DAY)
    found = with_events(made(), ahead)
    fit = only(found)
    assert (fit.skew, fit.side, fit.kind.horizon, set(fit.features)) == ("leakage", "training", "1D", set(TIMED))
    assert with_events(made(), made()).fits == []


@pytest.mark.parametrize("ahead", [DAY, 6 * HOUR], ids=str)
def test_training_alone_that_knows_the_future_is_told_by_the_events(ahead):
    """Served and recomputed agree, and training looked ahead: a breach, named with its horizon; clean training is silent."""
    given = {"table": readings(), "entity": "meter", "happened": "happened", "known": "known"}

    def checked(training):
        roles = {"key": "request", "entity": "meter", "time": "time", "features": TIMED, "events": {"readings": given}}
        case = sk.compare(training, made(), made(), **roles)
        return sk.check(case), sk.diagnose(case)

    found, causes = checked(made(ahead=ahead))
    assert {f.feature for f in found if f.change == "training" and str(f.verdict) == "breach" and f.feature} == set(
        TIMED
    )
    fit = only(causes)
    assert (fit.skew, fit.side, set(fit.features)) == ("leakage", "training", set(TIMED))
    assert pd.Timedelta(fit.kind.horizon) == ahead
    found, causes = checked(made())
    assert not [f for f in found if f.change == "training"] and causes.fits == []


def test_events_that_begin_too_late_are_no_leak():
    """Training's older requests reach back before the first event: their features differ from the recomputation, and nothing leaks."""
    late = readings()[readings()["happened"] > readings()["happened"].min() + 20 * DAY]
    given = {"table": late, "entity": "meter", "happened": "happened", "known": "known"}
    recent = made()
    recent = recent[recent["time"] > recent["time"].min() + 25 * DAY]
    roles = {
        "key": "request",
        "entity": "meter",
        "time": "time",
        "features": ["count_28D"],
        "events": {"readings": given},
    }
    found = sk.check(sk.compare(made(), recent, recent, **roles))
    assert not [f for f in found if f.change == "training"]


# -- through files


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory):
    """The cases that a drill gives to the diagnosis, with what it planted."""
    cases, skew = [], S.UnitChange(features=("amount",), factor=12.0)
    with pytest.MonkeyPatch.context() as m:
        plain_one = pipeline.diagnose
        m.setattr(pipeline, "diagnose", lambda c, *a: cases.append(c) or plain_one(c, *a))
        table = right().drop(columns="score")
        world = sk.own(
            served=table,
            key=R.key,
            entity=R.entity,
            time=R.time,
            label=R.label,
            features=R.features,
            segments=["country"],
        )
        drilled = sk.drill(world, [skew], severities=[0.5])
    return cases, skew, table, drilled


def reached(thing, depth=2):
    """All that can be got at from an object, attribute by attribute."""
    yield thing
    inside = list(vars(thing).values()) if hasattr(thing, "__dict__") else []
    inside += (
        list(thing.values()) if isinstance(thing, dict) else list(thing) if isinstance(thing, (list, tuple)) else []
    )
    for one in inside if depth else ():
        yield from reached(one, depth - 1)


def test_a_drill_s_evidence_is_what_files_hold(looked_at, tmp_path):
    """Its tables are those that pandas writes to Parquet and reads again: the planted rows, in the planted columns."""
    cases, skew, table, _ = looked_at
    hit = [c for c in cases if (c.served.frame()["amount"] != c.replayed.frame()["amount"]).any()]
    assert hit
    for one in hit:
        wanted = sk.inject(table, skew, Scope(share=0.5), R)
        for name, frame in (("replayed", table), ("served", wanted)):
            frame.to_parquet(tmp_path / "t.parquet")
            pd.testing.assert_frame_equal(one.tables[name].frame(), pd.read_parquet(tmp_path / "t.parquet"))
        assert one.pairs.tables == (one.replayed, one.served) and one.roles.key == R.key


def test_a_drill_s_evidence_holds_no_plant(looked_at):
    """No attribute of what the diagnosis is given, nor of theirs, is the skew or its scope; and it is found all the same."""
    cases, skew, _, drilled = looked_at
    for one in cases:
        there = list(reached(replace(one, replay=None), 3))
        assert not [t for t in there if isinstance(t, (Skew, Scope))]
        assert all(frame.attrs == {} for frame in (one.served.frame(), one.replayed.frame()))
    assert drilled[-1].result.diagnosis.fits[0].kind == replace(skew, factor=1.0, unit="monthly_to_annual")


# -- as JSON, and what may be seen


def test_a_checked_case_with_a_fit_is_valid_json(tmp_path, monkeypatch):
    """The whole result validates, survives being written and read, and holds the fit as it is."""
    monkeypatch.chdir(tmp_path)
    served = planted((UNIT, Scope(where=("country", "DE"), since=moment(500))))
    result = sk.examine(case(served))
    read_back = json.loads(json.dumps(document(begin("check"), result), allow_nan=False))
    (fit,) = read_back["fits"]
    assert fit == json.loads(json.dumps(plain(result.diagnosis.fits[0].to_dict())))
    assert (fit["skew"], fit["where"], fit["share"]) == ("unit_change", ["country", "DE"], 1.0)
    assert pd.Timestamp(fit["since"]) == result.diagnosis.fits[0].since


SECRETS = [f"Frau Geheim-{k}" for k in range(40)]


def secretive(evidence):
    """Rare text in a feature, which serving writes in capitals for some rows and replaces for others."""
    table = right().assign(note=np.array(["often", "usual"], object)[np.arange(len(right())) % 2])
    table.loc[np.arange(40) * 30, "note"] = SECRETS
    served = table.assign(note=table["note"].where(np.arange(len(table)) % 3 > 0, table["note"].str.upper()))
    features = (*R.features, "note")
    return sk.diagnose(case(served, table, features=features, evidence=evidence))


def test_masked_evidence_shows_no_rare_text():
    """Neither its rows, its picture, its sentence nor its parameters hold a value that few rows share; rows do."""
    said = json.dumps(plain([f.to_dict() for f in secretive("rows").fits]))
    assert "geheim" in said.lower()
    for evidence in ("masked", "counts"):
        said = json.dumps(plain([f.to_dict() for f in secretive(evidence).fits]))
        assert "note" in said and "geheim" not in said.lower()


def test_masked_evidence_names_no_rare_code():
    """A value of three rows that became another: what is said of it and of its patch does not tell it."""
    table = right().assign(note=np.array(["often", "usual"], object)[np.arange(len(right())) % 2])
    table.loc[[5, 500, 900], "note"] = "Frau Geheim"
    served = table.assign(note=table["note"].replace("Frau Geheim", "Herr Still"))
    found = sk.diagnose(case(served, table, features=(*R.features, "note"), evidence="masked"))
    assert found.fits
    said = json.dumps(plain([f.to_dict() for f in found.fits]))
    assert "Geheim" not in said and "Still" not in said
