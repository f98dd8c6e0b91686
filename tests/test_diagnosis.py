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
from skewkit.columns import same
from skewkit.records import Skew
from skewkit.report import begin, document, plain
from skewkit.scope import Scope
from skewkit.skews import SKEWS

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


def test_two_causes_in_different_rows_of_a_feature():
    """Twelve times for one host, null for another: both named, each for its own, and all rows explained."""
    hosts = np.random.default_rng(3).choice(["a", "b", "c", "d"], len(right()))
    served = planted(
        (UNIT, Scope(where=("host", "a"))),
        (S.MissingValues(features=("amount",), rate=1.0), Scope(where=("host", "b"))),
        table=right().assign(host=hosts),
    )
    fits = told(served).named
    assert {(f.skew, f.where) for f in fits} == {("unit_change", ("host", "a")), ("missing_values", ("host", "b"))}
    assert all(f.explained == 1.0 and not f.before for f in fits)


def test_two_causes_in_turn():
    """Twelve times, then rounded to a decimal: both, and the second says what it comes after."""
    served = planted((S.UnitChange(features=("typing",), unit="monthly_to_annual"), Scope()))
    served = planted((S.Precision(features=("typing",), decimals=1, rounding="half_even"), Scope()), table=served)
    first, second = told(served).fits
    assert first.kind == S.UnitChange(features=("typing",), unit="monthly_to_annual") and not first.before
    assert second.kind == S.Precision(features=("typing",), decimals=1, rounding="half_even")
    assert second.before == {"typing": first.kind} and first.explained == 1.0


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


def fahrenheit(unit):
    return S.UnitChange(features=("typing",), **unit)


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
