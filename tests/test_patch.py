"""A cause put on and taken off again by its own line of Python; and a change parted into drift and skew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit import examples
from skewkit.diagnosis.split import split
from skewkit.proposals.clues import agree
from skewkit.records import Cost, SkewkitError
from skewkit.scope import Scope

S, R = sk.skews, examples.ROLES
SINCE = pd.Timestamp("2024-03-08", tz="UTC")


@pytest.fixture(scope="module")
def right():
    return examples.table(2_000).drop(columns=["score", "fraud"])


def case(served, replayed, training=None, **more):
    given = {"key": R.key, "entity": R.entity, "time": R.time, "segments": ["country"], "features": R.features}
    return sk.compare(replayed if training is None else training, served, replayed, **{**given, **more})


def run(line, replayed, served):
    """What a fit's line makes, with the names it uses."""
    named = {"sk": sk, "replayed": replayed.copy(), "served": served.copy(), "roles": R, "replay": None}
    exec(line, named)
    return named["served"], named["replayed"]


PLANTS = {
    "unit": (S.UnitChange(features=("amount", "recent_amount"), unit="units_to_cents"), Scope()),
    "unit of a share": (S.UnitChange(features=("amount",), factor=12.0), Scope(share=0.3)),
    "zone for a country": (
        S.TimeZone(features=("hour", "weekday"), serving="UTC", training=examples.ZONE),
        Scope(where=("country", "US")),
    ),
    "codes since": (S.Encoding(features=("merchant",), mapping=((0, 1), (1, 2), (2, 0))), Scope(since=SINCE)),
    "rounding until": (S.Precision(features=("typing",), decimals=1), Scope(until=SINCE)),
    "bounds": (S.Clipping(features=("amount_scaled",), low=-0.5, high=0.5), Scope()),
    "fill": (S.MissingFill(features=("income",), training=examples.MEAN_INCOME, serving=0.0), Scope(share=0.6)),
    "text": (S.TextFormat(features=("city",), how="latin1"), Scope(since=SINCE)),
    "null": (S.MissingValues(features=("country", "typing"), rate=1.0), Scope(where=("device", "new"))),
    "swapped": (S.SchemaChange(features=("amount", "recent_amount"), how="swapped"), Scope()),
    "header": (S.BrokenHeader(features=("recent_count",), how="zero"), Scope()),
    "join": (S.Misjoin(features=("income",), how="neighbour"), Scope()),
}


@pytest.mark.parametrize("name", PLANTS)
def test_a_patch_makes_what_was_served_and_its_undo_what_should_have_been(name, right):
    """On rows that it never saw all: the patch gives served where it differs, and after the undo no row differs."""
    skew, scope = PLANTS[name]
    served = sk.inject(right, skew, scope, R)
    found = sk.diagnose(case(served, right))
    (fit,) = found.fits
    made, untouched = run(fit.patch, right, served)
    pd.testing.assert_frame_equal(untouched, right)
    mended, _ = run(fit.undo, right, served)
    for f in fit.features:
        off = ~agree(right[f], served[f])
        assert off.any() and agree(made[f], served[f])[off].all(), f
        if fit.share == 1:
            assert agree(made[f], served[f]).all(), f
        assert agree(right[f], mended[f]).all(), f
    others = [c for c in served if c not in fit.features]
    pd.testing.assert_frame_equal(mended[others], served[others])
    assert fit.held_out == 1.0 and fit.explained == 1.0
    assert sk.diagnose(case(mended, right)).fits == []


def test_two_skews_in_turn_have_one_patch(right):
    """The patch of the second puts both on, and its undo takes both off."""
    served = sk.inject(right, S.UnitChange(features=("typing",), unit="monthly_to_annual"), Scope(), R)
    served = sk.inject(served, S.Precision(features=("typing",), decimals=1), Scope(), R)
    _, last = sk.diagnose(case(served, right)).fits
    made, _ = run(last.patch, right, served)
    mended, _ = run(last.undo, right, served)
    assert agree(made["typing"], served["typing"]).all() and agree(mended["typing"], right["typing"]).all()


def test_what_is_in_part_explained_is_in_part_put_right(right):
    """Rows that are otherwise wrong stay as they were served, and held-out rows tell the share."""
    served = sk.inject(right, S.UnitChange(features=("amount",), factor=12.0), Scope(), R)
    odd = np.arange(len(right)) % 25 == 0
    wrong = np.random.default_rng(4).normal(size=len(right)) ** 3
    served["amount"] = served["amount"].mask(odd, wrong)
    (fit,) = sk.diagnose(case(served, right)).fits
    assert 0.9 <= fit.held_out < 1 and fit.explained == pytest.approx(0.96)
    mended, _ = run(fit.undo, right, served)
    assert agree(mended["amount"], right["amount"]).mean() == pytest.approx(0.96)
    assert (mended["amount"][odd] == wrong[odd]).all()


def test_a_cause_of_chance_and_an_unknown_one_have_no_patch(right):
    """What chance did cannot be put on again, nor what nobody knows."""
    noisy = sk.inject(right, S.Measurement(features=("typing",), noise=0.5), Scope(), R)
    (fit,) = sk.diagnose(case(noisy, right)).fits
    assert (fit.skew, fit.patch, fit.undo) == ("measurement", "", "")
    rng = np.random.default_rng(0)
    (fit,) = sk.diagnose(case(right.assign(amount=rng.normal(size=len(right)) ** 3), right)).fits
    assert (fit.skew, fit.patch, fit.undo) == ("unknown", "", "")


def test_corrected_looks_at_pairs_in_any_order_and_leaves_its_input(right):
    """Served in another order, with a request more that was never replayed: it stays, and the index as well."""
    skew = S.UnitChange(features=("amount",), factor=12.0)
    served = sk.inject(right, skew, Scope(share=0.4), R).sample(frac=1, random_state=3)
    more = pd.concat([served, served.iloc[:1].assign(request=-1)])
    kept = more.copy(deep=True)
    mended = sk.corrected(right, more, skew, Scope(), R)
    pd.testing.assert_frame_equal(more, kept)
    assert mended.index.equals(more.index)
    wanted = [*right["amount"].loc[served.index].tolist(), more["amount"].iloc[-1]]
    assert mended["amount"].tolist() == wanted
    inside = sk.corrected(right, served, skew, Scope(where=("country", "DE")), R)
    off = (inside["amount"] != right["amount"].loc[served.index]).to_numpy()
    assert off.any() and not (off & (served["country"] == "DE").to_numpy()).any()


def test_corrected_refuses_what_it_cannot_pair(right):
    """No key, no such column, and a key that is there twice are errors that say so."""
    skew = S.UnitChange(features=("amount",), factor=12.0)
    with pytest.raises(SkewkitError, match="key"):
        sk.corrected(right, right, skew, roles=replace(R, key=None))
    with pytest.raises(SkewkitError, match="'request'"):
        sk.corrected(right, right.drop(columns="request"), skew, roles=R)
    with pytest.raises(SkewkitError, match="not unique"):
        sk.corrected(right, pd.concat([right, right]), skew, roles=R)


# -- drift and skew


def rows(one, of, statistic):
    return next(r for r in one if (r["of"], r["statistic"]) == (of, statistic))


def numbers(training, replayed, served, **more):
    """A case of one feature and a score, row by row."""
    tables = [
        pd.DataFrame({"k": np.arange(len(v)), "f": np.asarray(v, float), "score": np.asarray(v, float) / 10})
        for v in (training, replayed, served)
    ]
    return sk.compare(tables[0], tables[2], tables[1], key="k", prediction="score", features=["f"], **more)


def test_a_split_by_hand():
    """Training 0, 1, 2, 3; replayed 2, 3, 4, 5; served 4 in all: means and the distances of steps."""
    found = list(split(numbers([0, 1, 2, 3], [2, 3, 4, 5], [4, 4, 4, 4]), ["f"]))
    ks = rows(found, "f", "ks")
    assert (ks["drift"], ks["skew"], ks["total"]) == (0.5, 0.5, 1.0)
    mean = rows(found, "score", "mean")
    assert [mean[n] for n in ("drift", "skew", "total")] == pytest.approx([0.2, 0.05, 0.25])
    half = 1.96 * np.std([0.2, 0.1, 0.0, -0.1]) / 2
    assert (mean["skew_low"], mean["skew_high"]) == pytest.approx((0.05 - half, 0.05 + half))


@pytest.mark.parametrize("seed", range(5))
def test_means_add_up(seed):
    """Drift and skew are the total, to the last digits; each lies within its interval, and KS within [0, 1]."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=500), rng.normal(0.3, 2, 400)
    found = list(split(numbers(a, b, b + rng.normal(0.1, 1, 400)), ["f"]))
    mean = rows(found, "score", "mean")
    assert mean["drift"] + mean["skew"] == pytest.approx(mean["total"], abs=1e-12)
    for row in found:
        for n in ("drift", "skew", "total"):
            assert row[f"{n}_low"] <= row[n] <= row[f"{n}_high"]
    ks = rows(found, "f", "ks")
    assert all(0 <= ks[n + k] <= 1 for n in ("drift", "skew", "total") for k in ("", "_low", "_high"))
    assert ks["total"] <= ks["drift"] + ks["skew"] + 1e-12


def test_drift_alone_has_no_skew():
    """Served as replayed, of another world than training: skew is exactly 0, and the drift all there is."""
    rng = np.random.default_rng(0)
    b = rng.normal(1, 1, 400)
    found = list(split(numbers(rng.normal(size=400), b, b), ["f"]))
    for row in found:
        assert row["skew"] == 0.0 and row["drift"] == row["total"] != 0
    mean = rows(found, "score", "mean")
    assert (mean["skew_low"], mean["skew_high"]) == (0, 0) and mean["drift_low"] > 0


def test_skew_alone_has_a_drift_that_chance_allows():
    """Training and replay of one world: 0 lies within the drift's interval, and not within the skew's."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=2_000), rng.normal(size=2_000)
    found = list(split(numbers(a, b, b + 1), ["f"]))
    mean, ks = rows(found, "score", "mean"), rows(found, "f", "ks")
    assert mean["drift_low"] < 0 < mean["drift_high"] and mean["skew_low"] > 0
    assert ks["drift_low"] == 0 and ks["skew_low"] > 0.2


def test_the_interval_of_a_mean_holds_what_it_says():
    """Of 300 worlds with a known drift and skew, 95 percent of each interval hold it, but for chance."""
    rng = np.random.default_rng(1)
    held = np.zeros(3)
    for _ in range(300):
        b = rng.normal(0.5, 1, 60)
        row = rows(split(numbers(rng.normal(0, 1, 60), b, b + rng.normal(0.2, 0.5, 60)), []), "score", "mean")
        for i, (n, truth) in enumerate((("drift", 0.05), ("skew", 0.02), ("total", 0.07))):
            held[i] += row[f"{n}_low"] <= truth <= row[f"{n}_high"]
    assert (np.abs(held / 300 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 300)).all()


def test_metrics_add_up():
    """By hand: AUC .80 offline, .75 replayed, .70 served: a drift of -.05 and a skew of -.05."""
    shared = {"metric": "auc"}
    costs = [
        Cost(change="offline", before=0.80, after=0.80, delta=0.0, low=0.78, high=0.82, **shared),
        Cost(change="skew", before=0.75, after=0.70, delta=-0.05, low=-0.07, high=-0.03, **shared),
    ]
    row = rows(split(numbers([1, 2], [1, 2], [1, 2]), [], costs), "auc", "metric")
    assert [row[n] for n in ("drift", "skew", "total")] == pytest.approx([-0.05, -0.05, -0.10])
    assert (row["skew_low"], row["skew_high"]) == (-0.07, -0.03)
    assert row["drift_low"] == pytest.approx(-0.05 - 0.02 * np.sqrt(2))


def test_with_no_replay_nothing_is_parted():
    """Training and served alone: no row."""
    table = pd.DataFrame({"k": [1, 2], "f": [1.0, 2.0], "score": [0.1, 0.2]})
    alone = sk.compare(table, table, key="k", prediction="score", features=["f"])
    assert list(split(alone, ["f"])) == []
