"""Causes from training and served alone: those that leave a mark are named, drift never is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit import examples
from skewkit.proposals import marginals
from skewkit.proposals import single_values as moves
from skewkit.proposals.clues import Evidence
from skewkit.records import Roles
from skewkit.scope import Scope

S = sk.skews
R = examples.ROLES
SINCE = pd.Timestamp("2024-03-10", tz="UTC")


@pytest.fixture(scope="module")
def halves():
    """Training and what should have been served: other rows of one table."""
    table = examples.table(8_000, 1)
    return tuple(table.iloc[k::2].reset_index(drop=True) for k in (0, 1))


def told(training, served, **more):
    return sk.diagnose(
        sk.compare(
            training, served, key=R.key, entity=R.entity, time=R.time, segments=["country"], features=R.features, **more
        )
    )


def planted(halves, skew, scope=Scope()):
    training, served = halves
    return told(training, sk.inject(served, skew, scope, R))


def test_other_rows_of_the_same_world_have_no_cause(halves):
    """Two halves of one table have no fit, and what would settle more is said."""
    found = told(*halves)
    assert found.fits == []
    assert [m.step for m in found.missing] == ["diagnose"]
    assert "replayed" in found.missing[0].give


NAMEABLE = [
    S.UnitChange(features=("amount",), unit="units_to_cents"),
    S.UnitChange(features=("amount",), unit="miles_to_km"),
    S.UnitChange(features=("typing",), unit="celsius_to_fahrenheit"),
    S.UnitChange(features=("amount",), unit="log1p"),
    S.UnitChange(features=("amount_scaled",), unit="sign"),
    S.Precision(features=("amount",), to="float16"),
    S.Precision(features=("amount",), to="float32"),
    S.Precision(features=("typing",), decimals=0, rounding="truncate"),
    S.Clipping(features=("recent_count",), high=6.0),
    S.MissingFill(features=("income",), training=examples.MEAN_INCOME, serving=0.0),
    S.MissingFill(features=("income",), training=examples.MEAN_INCOME, serving="null"),
    S.TextFormat(features=("city",), how="upper"),
    S.TextFormat(features=("city",), how="latin1"),
    S.TextFormat(features=("amount",), how="decimal_comma"),
    S.TextFormat(features=("country",), how="trailing_blank"),
    S.TextFormat(features=("city",), how="nfd"),
    S.Encoding(features=("country",), how="renamed", category="DE", to="Germany"),
    S.Encoding(features=("merchant",), how="unknown_to_default"),
    S.RateDefinition(features=("refused",), how="odds"),
    S.RateDefinition(features=("refused",), how="complement"),
    S.DoubleCount(features=("recent_count",)),
    S.SchemaChange(features=("typing",), how="retyped"),
    S.SchemaChange(features=("typing",), how="missing"),
    S.SchemaChange(features=("income",), how="renamed", to=("pay",)),
    S.SchemaChange(features=("typing", "income"), how="swapped"),
    S.BrokenHeader(features=("amount",), how="null"),
    S.BrokenHeader(features=("amount",), how="zero"),
    S.BrokenHeader(features=("city",), how="name"),
    S.Rollback(features=("amount",), default=3.5),
]


@pytest.mark.parametrize("skew", NAMEABLE, ids=str)
def test_what_leaves_a_mark_is_named_with_its_parameters(halves, skew):
    """The only fit is the skew that was planted, in all requests."""
    (fit,) = planted(halves, skew).fits
    assert set(fit.features) == set(skew.features)
    assert fit.kind.to_dict() | {"features": 0} == skew.to_dict() | {"features": 0}
    assert (fit.change, fit.share, fit.where, fit.since) == ("total", 1.0, None, None)
    assert fit.explained > 0.9
    assert fit.patch == fit.undo == ""
    assert "training and served alone" in fit.sentence


@pytest.mark.parametrize(
    "skew",
    [
        S.TimeZone(features=("hour", "weekday"), serving="UTC"),
        S.TimeZone(features=("days_since_last",), serving="Asia/Tokyo"),
    ],
    ids=str,
)
@pytest.mark.parametrize("scope", [Scope(), Scope(since=SINCE), Scope(where=("country", "DE"))], ids=str)
def test_clocks_are_compared_with_their_own_rows_time(halves, skew, scope):
    """A zone is named row by row, with its scope, though there is no replay."""
    (fit,) = planted(halves, skew, scope).fits
    assert (fit.skew, set(fit.features), fit.parameters["serving"]) == ("time_zone", set(skew.features), skew.serving)
    assert fit.parameters["training"] == examples.ZONE
    assert (fit.change, fit.where) == ("total", scope.where)
    assert (fit.since is None) == (scope.since is None)
    assert fit.explained > 0.99


@pytest.mark.parametrize("skew", [NAMEABLE[0], NAMEABLE[5], NAMEABLE[11]], ids=str)
@pytest.mark.parametrize("scope", [Scope(share=0.3), Scope(since=SINCE), Scope(where=("country", "DE"))], ids=str)
def test_for_whom_and_since_when_are_found(halves, skew, scope):
    """The scope that was planted is the one that is told."""
    (fit,) = planted(halves, skew, scope).fits
    assert fit.skew == skew.stem
    assert fit.where == scope.where
    assert fit.share == pytest.approx(scope.share, abs=0.04)
    assert (fit.since is None) == (scope.since is None)
    assert scope.since is None or abs(fit.since - SINCE) < pd.Timedelta("1h")


@pytest.mark.parametrize(
    "skew",
    [
        S.Staleness(features=("recent_amount",), lag="2D"),
        S.Misjoin(features=("recent_amount",), how="neighbour"),
        S.Measurement(features=("typing",), gain=1.05),
        S.Measurement(features=("typing",), noise=0.5),
        S.LateEvents(features=("recent_count",), late=0.1),
        S.DoubleCount(features=("recent_count",), twice=0.1),
        S.NormalizationWindow(features=("amount_scaled",), serving="7D"),
        S.Encoding(features=("country",)),
    ],
    ids=str,
)
def test_what_a_drift_could_have_done_is_never_named(halves, skew):
    """Time-like causes, thinning, gains near 1 and a reshuffle of three names get no name."""
    found = planted(halves, skew)
    assert found.named == []
    assert all(f.give.startswith("replayed") and "drift" in f.facts[0] for f in found.fits)


def test_a_drift_has_a_fit_without_a_cause(halves):
    """A column that grew by a third is told as a change that cannot be told from drift."""
    training, served = halves
    (fit,) = told(training, served.assign(recent_amount=np.round(served["recent_amount"] * 1.3, 2))).fits
    assert (fit.skew, fit.features, fit.change) == ("unknown", ("recent_amount",), "total")
    assert "a smooth change that cannot be told from drift" in fit.sentence


def test_a_permutation_is_named_only_where_frequencies_tell_it():
    """Ten codes of unlike frequency are matched; with two as frequent as each other none is named."""
    rng = np.random.default_rng(0)
    for weights, known in ((1.6 ** -np.arange(8), True), (np.r_[1, 1, 1.6 ** -np.arange(1, 7)], False)):
        p = weights / weights.sum()
        a, b = (pd.DataFrame({"k": np.arange(20_000) + k, "code": rng.choice(8, 20_000, p=p)}) for k in (0, 20_000))
        mapping = tuple((i, (i + 3) % 8) for i in range(8))
        served = b.assign(code=b["code"].map(dict(mapping)))
        named = sk.diagnose(sk.compare(a, served, key="k", features=["code"])).named
        assert bool(named) == known
        if known:
            assert sorted(named[0].kind.mapping) == sorted(mapping)


FAMILIES = {
    "normal": lambda rng, n, by: np.round(40 + 9 * rng.normal(by, 1 + by / 3, n), 3),
    "money": lambda rng, n, by: np.round(rng.lognormal(3 + by / 4, 0.8, n), 2),
    "real": lambda rng, n, by: 5 + rng.normal(by / 2, 1 + by / 4, n),
    "grown": lambda rng, n, by: np.round(rng.gamma(2, 20 * (1 + 0.3 * by), n), 2),
    "count": lambda rng, n, by: rng.poisson(4 * (1 + by), n),
    "rare": lambda rng, n, by: np.where(rng.random(n) < 0.05 + 0.1 * by, np.round(rng.gamma(2, 9, n), 1), 0.0),
    "share": lambda rng, n, by: np.round(rng.beta(2 * (1 + by), 4, n), 4),
    "text": lambda rng, n, by: np.where(rng.random(n) < by / 10, "new", rng.choice(list("abcdefgh"), n, p=_mix(8, by))),
    "code": lambda rng, n, by: rng.choice(12, n, p=_mix(12, by)),
    "flag": lambda rng, n, by: (rng.random(n) < 0.3 + by / 5).astype("int64"),
    "partly": lambda rng, n, by: pd.Series(np.round(rng.normal(40, 9, n), 1)).mask(rng.random(n) < 0.2 + by / 5),
    "stepped": lambda rng, n, by: np.round(rng.gamma(2.0, 3 * (1 + by), n) * 2) / 2,
    "season": lambda rng, n, by: np.round(20 + 8 * rng.normal(by, 1 - by / 2, n), 1),
    "leaving": lambda rng, n, by: rng.choice(list("abcdef"), n, p=_leaving(by)),
}


def compared(training, served):
    return sk.compare(
        training, served, key="k", time="at", segments=["host"], features=[c for c in training if "_" in c]
    )


def _mix(n, by):
    p = np.linspace(2, 0.4, n) ** 2 * np.exp(2 * by * np.linspace(-1, 1, n))
    return p / p.sum()


def _leaving(by):
    p = np.array([0.3, 0.25, 0.2, 0.12, 0.08, 0.05 if by == 0 else 0.0])
    return p / p.sum()


def drifted(columns, by, seed, n=3_000):
    """Training, and what was served in a world that has moved by up to ``by`` in each of so many columns."""
    sides = []
    for side in (0, 1):
        made = {"k": np.arange(n) + side * n}
        for j in range(columns):
            name = list(FAMILIES)[j % len(FAMILIES)]
            rng = np.random.default_rng([seed, j, side])
            move = by * side * np.random.default_rng([seed, j]).uniform(0.2, 1.0)
            made[f"{name}_{j}"] = FAMILIES[name](rng, n, move)
        rng = np.random.default_rng([seed, side])
        at = pd.to_timedelta(np.sort(rng.integers(0, 30 * 86_400, n)) + side * 30 * 86_400, "s")
        made |= {"at": pd.Timestamp("2024-01-01", tz="UTC") + at, "host": rng.choice(["h1", "h2", "h3"], n)}
        sides.append(pd.DataFrame(made))
    return sides


@pytest.mark.parametrize("seed", range(2))
def test_no_drifting_column_is_named(seed):
    """Of columns of many kinds that moved with the world none gets a cause, though most are seen to have moved."""
    training, served = drifted(56, 0.6, seed)
    found = sk.diagnose(compared(training, served))
    assert found.named == []
    assert len(found.fits) > 28


def test_no_still_column_has_a_fit():
    """Of columns of many kinds in a world that stands still none has a fit."""
    training, served = drifted(140, 0.0, 9)
    assert sk.diagnose(compared(training, served)).fits == []


def test_unlike_is_half_the_statistic_of_a_table_of_counts():
    """By hand: 2 x 2 counts 30, 10 against 10, 30; scipy's G test says the same."""
    from scipy.stats import chi2_contingency

    a, b = (np.array([30.0, 10.0]),), (np.array([10.0, 30.0]),)
    table = np.stack([a[0], b[0]])
    expected = chi2_contingency(table, correction=False, lambda_="log-likelihood")[0] / 2
    assert marginals.unlike(a, b) == pytest.approx(expected)
    assert marginals.unlike(a, a) == pytest.approx(0)


def test_values_that_came_and_went_are_told():
    """A null is no value; what has no share on one side is new there, or gone."""
    before, after = pd.Series(["a"] * 5 + ["b"] * 5), pd.Series(["a"] * 4 + ["c"] * 3 + [None] * 3)
    e = Evidence("f", before, after, before.to_frame("f"), Roles())
    assert (moves.gone(e), moves.new(e), moves.grown(e), moves.shrunk(e)) == (["b"], ["c"], ["c"], ["b", "a"])


def coded(n, seed):
    """Codes that go with a number, and are not equally frequent."""
    rng = np.random.default_rng(seed)
    tier = rng.choice(["a", "b", "c", "d"], n, p=[0.4, 0.3, 0.2, 0.1])
    means = pd.Series(tier).map({"a": 0.0, "b": 1.0, "c": 2.0, "d": 3.0})
    free = rng.choice(["x", "y", "z"], n)
    return pd.DataFrame(
        {"row": np.arange(n) + n * seed, "tier": tier, "spent": means + rng.normal(0, 0.5, n), "free": free}
    )


def test_codes_that_are_all_new_are_matched_by_what_goes_with_them():
    """What four codes became is read from a number that goes with them; of codes that nothing goes with, nothing is said."""
    new = {"a": "n3", "b": "n1", "c": "n4", "d": "n2"}
    training, served = coded(1_000, 1), coded(1_000, 2)
    about = {"key": "row", "features": ["tier", "spent", "free"]}
    found = sk.diagnose(sk.compare(training, served.assign(tier=served["tier"].map(new)), **about))
    assert [(f.skew, f.features) for f in found.fits] == [("encoding", ("tier",))]
    assert dict(found.fits[0].kind.mapping) == new
    renamed = served.assign(free=served["free"].map({"x": "u", "y": "v", "z": "w"}))
    assert [f.kind for f in sk.diagnose(sk.compare(training, renamed, **about)).fits] == [None]
