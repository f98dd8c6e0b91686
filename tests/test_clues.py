"""What skews look at when they propose themselves: numbers, chance, exchanges, zones."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skewkit import examples
from skewkit.proposals.chances import binomial, gaussian_bits, missed, noise
from skewkit.proposals.clues import (
    Evidence,
    affine,
    agree,
    between,
    called,
    codes,
    commonest,
    constant,
    decimals,
    digits,
    snapped,
)
from skewkit.proposals.exchanges import earlier, entities_for, exchanged
from skewkit.proposals.zones import COMMON, different, matches, read, readings, sources
from skewkit.records import Roles

ROLES = Roles(key="k", entity="who", time="t", features=("f",))
START = pd.Timestamp("2024-03-01", tz="UTC")
PINNED = settings(max_examples=200, deadline=None, derandomize=True)


def evidence(before, after, **columns):
    """A feature on both sides, on a frame with a key, and what else is given."""
    before, after = pd.Series(before, name="f"), pd.Series(after, name="f")
    frame = pd.DataFrame({"k": np.arange(len(before)), "f": before, **columns})
    return Evidence("f", before, after, frame, ROLES, ~agree(before, after), whole=frame)


# -- numbers


def test_numbers_agree_to_nine_digits_and_nulls_with_nulls():
    """By hand: a digit beyond the ninth is rounding, one before is not; infinities only with themselves."""
    a = pd.Series([1.0, 1.0, 1.0, np.nan, np.nan, np.inf, np.inf, 0.0, 1.0, np.inf])
    b = pd.Series([1.0, 1 + 1e-10, 1 + 1e-8, np.nan, 1.0, np.inf, -np.inf, 1e-13, np.inf, 1.0])
    assert agree(a, b).tolist() == [True, True, False, True, False, True, False, True, False, False]
    assert agree(pd.Series([2**53]), pd.Series([2**53 + 1])).tolist() == [False]
    assert agree(pd.Series(["1", "a"]), pd.Series([1.0, 2.0])).tolist() == [False, False]


@PINNED
@given(st.integers(-9999, 9999).filter(bool), st.integers(-6, 6))
def test_what_is_short_is_snapped_to_itself(whole, places):
    """A number of few digits is the number of fewest digits near itself, and near what rounding makes of it."""
    value = float(f"{whole}e{places}")
    assert snapped(value) == pytest.approx(value, rel=1e-15)
    assert snapped(value * (1 + 3e-10)) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize("k", [3, 7, 12, 60, 1.8, 3600])
def test_reciprocals_are_snapped(k):
    """A sixtieth is a sixtieth, and no number of nine threes."""
    assert snapped(1 / k * (1 + 2e-10)) == 1 / k


def test_what_is_not_short_is_kept():
    """Of pi as of infinity, null and 0."""
    assert snapped(np.pi) == pytest.approx(np.pi, rel=1e-9) != 3.1416 and snapped(0.0) == 0.0
    assert np.isinf(snapped(np.inf)) and np.isnan(snapped(np.nan))
    assert snapped(3.1416, near=1e-3) == 3.14


def test_digits_are_those_that_are_written():
    """By hand: 12 has two, a sixtieth one (60), pi fifteen, 100 one."""
    assert [digits(v) for v in (12.0, 1 / 60, 100.0, 1.609344, 0.5)] == [2, 1, 1, 7, 1]
    assert digits(np.pi) >= 14


def test_the_commonest_value_is_counted_up_to_rounding():
    """By hand: three of six are 2, but for their last bits; nulls and infinities do not count."""
    value, share = commonest(np.array([2.0, 2 * (1 + 1e-12), 2.0, 5.0, 5.0, 9.0, np.nan, np.inf]))
    assert (value, share) == (pytest.approx(2.0), 0.5)
    assert np.isnan(commonest(np.array([np.nan]))[0]) and commonest(np.array([]))[1] == 0


@pytest.mark.parametrize(
    ("factor", "offset"), [(12.0, 0.0), (1.8, 32.0), (1.0, -7.5), (-1.0, 0.0), (1 / 60, 0.0), (0.4536, 2.0)]
)
def test_an_affine_change_is_found_exactly(factor, offset):
    """Its factor and offset come first, of all rows and where a third of them are something else."""
    rng = np.random.default_rng(0)
    x = np.round(rng.gamma(2, 20, 600), 2)
    y = factor * x + offset
    assert affine(x, y)[0] == (factor, offset)
    y[::3] = rng.normal(size=200)
    assert affine(x, y)[0] == (factor, offset)


def test_an_affine_change_that_was_rounded_is_found():
    """Kilometres to a decimal: as many digits as rounding leaves are enough for the factor."""
    x = np.random.default_rng(0).uniform(1, 900, 2_000)
    assert any(f == pytest.approx(1.609344, rel=1e-5) and o == 0 for f, o in affine(x, np.round(x * 1.609344, 1)))


def test_nothing_is_affine_in_noise():
    """Other numbers have no factor that any share of rows has, and the same numbers none at all."""
    rng = np.random.default_rng(0)
    assert affine(rng.normal(size=500), rng.normal(size=500)) == []
    x = rng.normal(size=500)
    assert affine(x, x) == []


def test_decimals_are_those_that_are_written():
    """By hand; None where it takes more than was asked."""
    assert [decimals(np.array(v)) for v in ([1.0, 20.0], [1.5, 2.0], [0.125, 3.1])] == [0, 1, 3]
    assert decimals(np.array([1 / 3]), most=6) is None and decimals(np.array([0.125]), most=2) is None


def test_a_constant_is_told_with_its_value():
    """One value everywhere, null everywhere, and neither where a null is among them."""
    assert constant(pd.Series([3, 3])) == (True, 3) and type(constant(pd.Series([3, 3]))[1]) is int
    assert constant(pd.Series([None, None], dtype=object)) == (True, None)
    assert constant(pd.Series([3, None]))[0] is False and constant(pd.Series([3, 4]))[0] is False


def test_codes_are_what_nearly_all_rows_of_a_value_became():
    """By hand: a became b three times of four, b null always, c two things as often."""
    x, y = pd.Series(list("aaaabbcc")), pd.Series(["b", "b", "b", "z", None, None, "u", "v"], dtype=object)
    assert codes(x, y) == {"a": "b", "b": None}


@PINNED
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 30))
def test_lengths_between_two_lie_between_them(a, b, most):
    """Both left out, in order, each once, and not many more than asked."""
    low, high = sorted((a, b))
    found = [pd.Timedelta(v) for v in between(f"{low}s", f"{high}s", most)]
    assert all(pd.Timedelta(low, "s") < v < pd.Timedelta(high, "s") for v in found)
    assert found == sorted(set(found)) and len(found) <= 2 * most
    assert found or high - low < 2


def test_lengths_between_two_are_in_the_largest_units():
    """By hand: hours between two and eight, minutes between one hour and two, days between a week and a fortnight."""
    assert between("2h", "8h") == ["3h", "4h", "5h", "6h", "7h"]
    assert between("7D", "14D", 20) == [f"{k}D" for k in range(8, 14)]
    assert all(v.endswith("min") for v in between("1h", "2h"))


@PINNED
@given(st.integers(1, 10**7))
def test_a_length_is_called_by_what_it_is(seconds):
    """Whatever it is called, it is as long."""
    assert pd.Timedelta(called(f"{seconds}s")).total_seconds() == seconds


def test_a_length_is_called_in_its_largest_unit():
    """By hand."""
    lengths = {"86400s": "1D", "360min": "6h", "5400s": "90min", "61s": "61s", "36h": "36h"}
    assert {k: called(k) for k in lengths} == lengths


# -- chance


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("gained", [False, True])
def test_the_share_of_events_that_were_missed_is_found(share, gained):
    """Each event lost (or had twice) by a coin: within three standard errors of the coin's chance."""
    rng = np.random.default_rng(int(share * 100))
    x = rng.poisson(12, 4_000)
    k = rng.binomial(x, share)
    found = missed(evidence(x, x + k if gained else x - k), gained)
    assert found == pytest.approx(share, abs=3 * np.sqrt(share * (1 - share) / x.sum()) + 0.005 * share)
    assert missed(evidence(x, x + k if gained else x - k), not gained) is None


def test_a_shorter_window_is_no_chance():
    """Counts of users who come in bursts, over a quarter of the window: fewer, and no binomial's spread."""
    rng = np.random.default_rng(0)
    x = rng.poisson(12, 4_000)
    y = np.minimum(x, rng.binomial(x, rng.beta(0.5, 1.5, 4_000)))
    assert missed(evidence(x, y)) is None
    assert missed(evidence(x, x // 2)) is None


def test_chance_is_told_of_counts_alone():
    """Neither of fractions, nor of few rows, nor of what is higher in some rows and lower in others."""
    rng = np.random.default_rng(0)
    x = rng.poisson(12, 4_000)
    y = rng.binomial(x, 0.7)
    assert missed(evidence(x, y)) is not None
    assert missed(evidence(x[:40], y[:40])) is None
    assert missed(evidence(x / 2, y / 2)) is None
    assert missed(evidence(x, y + rng.integers(0, 9, 4_000))) is None


def test_the_bits_of_chance_are_the_binomials():
    """By hand: one of two events lost by a fair coin, given that one was: 2/3; two: 1/3."""
    e = evidence([2, 2], [1, 0])
    assert binomial(e, 0.5) == pytest.approx([-np.log2(2 / 3), -np.log2(1 / 3)])


def reading(n=3_000):
    rng = np.random.default_rng(0)
    return rng, rng.uniform(10, 50, n)


@pytest.mark.parametrize(("gain", "offset", "deviation"), [(1.0, 0.0, 0.5), (1.1, 0.0, 0.3), (0.9, 2.0, 0.2)])
def test_noise_is_found_with_gain_and_offset(gain, offset, deviation):
    """Gaussian noise: its deviation within three standard errors, and gain and offset within four."""
    rng, x = reading()
    found = noise(evidence(x, gain * x + offset + rng.normal(0, deviation, len(x))))
    assert found is not None
    assert found[2] == pytest.approx(deviation, rel=3 / np.sqrt(2 * len(x)) + 0.005)
    error = deviation / np.sqrt(len(x))
    assert found[0] == pytest.approx(gain, abs=8 * error / np.std(x))
    assert found[1] == pytest.approx(offset, abs=16 * error + 8 * error / np.std(x) * x.mean())


def test_what_is_stale_or_uneven_is_no_noise():
    """Earlier values of a slow walk, noise that grows with the value, another spread than the normal, exact changes."""
    rng, x = reading()
    walk = np.cumsum(rng.normal(size=3_000)) + 100
    for before, after in (
        (walk[1:], walk[:-1]),
        (x, x + rng.normal(size=3_000) * x / 20),
        (x, x + rng.choice([-1.0, 1.0], 3_000)),
        (x, x + rng.exponential(1, 3_000)),
        (x, 1.1 * x),
        (x[:50], x[:50] + rng.normal(size=50)),
    ):
        assert noise(evidence(before, after)) is None


def test_a_reading_with_noise_takes_fewer_bits_than_one_of_its_own():
    """Nearer to the line is cheaper; a value is never for nothing."""
    rng, x = reading()
    e = evidence(x, x + rng.normal(0, 0.5, len(x)))
    bits = gaussian_bits(e, 1.0, 0.0, 0.5)
    assert bits.shape == (len(x),) and (bits >= 1).all() and bits.mean() < e.raw
    off = np.abs(e.y.to_numpy() - x)
    assert bits[off.argmin()] < bits[off.argmax()]


# -- other rows' values


def requests(n=400, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "k": np.arange(n),
            "who": rng.integers(0, 25, n),
            "t": START + pd.to_timedelta(np.sort(rng.integers(0, 10**6, n)), "s"),
            "f": np.round(rng.gamma(2, 20, n), 3),
        }
    )


def served(frame, after):
    return evidence(frame["f"], after, who=frame["who"], t=frame["t"])


def test_rows_that_changed_places_are_seen():
    """The same values in another order; not where a tenth of them are new, or few."""
    frame = requests()
    rolled = np.roll(frame["f"], 7)
    assert exchanged(served(frame, rolled))
    assert not exchanged(served(frame, frame["f"] * 2))
    assert not exchanged(served(frame, np.where(np.arange(400) % 10, rolled, -1.0)))
    assert not exchanged(served(frame[:15], np.roll(frame["f"][:15], 3)))


def test_what_an_entity_had_before_is_seen():
    """Each entity's value of its request before; not another entity's, and not a value of the future."""
    frame = requests()
    before = frame.groupby("who")["f"].shift(1).fillna(frame["f"])
    after = frame.groupby("who")["f"].shift(-1).fillna(frame["f"])
    assert earlier(served(frame, before)) and not earlier(served(frame, after))
    assert not earlier(served(frame, np.roll(frame["f"], 7)))


def test_whose_values_were_served_is_seen():
    """Two entities that got each other's newest values: each is told the other's name."""
    frame = requests(1_000)
    frame["f"] = frame["who"] * 100 + frame.groupby("who").cumcount()
    other = {3: 8, 8: 3}
    newest = []
    for row in frame.itertuples():
        mine = frame[(frame["who"] == other.get(row.who, row.who)) & (frame["t"] <= row.t)]
        newest.append(mine["f"].iloc[-1] if len(mine) else row.f)
    assert dict(entities_for(served(frame, newest))) == other
    assert entities_for(served(frame, frame["f"] + 0.5)) == ()


# -- zones


def test_no_two_zones_are_alike_in_the_span():
    """Every zone's offsets, hour by hour through the span, are no other's; the common ones have their own names."""
    for begin, days in (("2024-02-25", 30), ("2024-07-01", 10)):
        times = pd.Series(pd.date_range(begin, periods=days * 8, freq="3h", tz="UTC"))
        zones = different(times)
        marks = [
            tuple(
                t.tz_convert(z if "/" in z or z == "UTC" else pd.Timestamp(f"2024-01-01T00:00{z}").tz).utcoffset()
                for t in times[::4]
            )
            for z in zones
        ]
        assert len(set(marks)) == len(zones) > 30
        assert zones[:1] == ("UTC",) and set(zones) & {"Europe/Berlin", "Asia/Kolkata", "Asia/Tokyo"}


def test_zones_that_differ_only_in_summer_are_one_in_winter():
    """Of the common ones all that differ are there; without a time, the common ones."""
    winter = pd.Series(pd.date_range("2024-01-01", periods=10, freq="D", tz="UTC"))
    assert "UTC" in different(winter) and "Europe/London" not in different(winter)
    summer = winter + pd.Timedelta("200D")
    assert {"UTC", "Europe/London"} <= set(different(summer))
    assert different(winter.iloc[:0]) == COMMON


def test_what_a_column_could_be_is_told_by_its_values_and_its_name():
    """Beside the wall clock itself: hours to 23 may be hours or days of the year, weekdays come first where they are called so."""
    frame = examples.table(500)
    first = [readings(frame, frame[c], "asked")[0][0] for c in ("hour", "weekday", "date")]
    assert first == ["hour", "weekday", "date"]
    assert ("days_since", "asked", "last") in readings(frame, frame["days_since_last"], "asked")
    assert readings(frame, frame["city"], "asked") == [] == readings(frame, frame["amount"], "asked")
    assert sources(frame, "last") == ["last", "asked"]


def test_a_reading_in_a_zone_is_the_wall_clock_of_that_zone():
    """Beside the standard library, row by row; and the share of rows it gives."""
    frame = examples.table(300)
    for zone in ("America/New_York", "Asia/Kolkata"):
        walls = [t.to_pydatetime().astimezone(ZoneInfo(zone)) for t in frame["asked"]]
        assert read(frame, ("hour", "asked", None), zone).tolist() == [w.hour for w in walls]
        assert read(frame, ("weekday", "asked", None), zone).tolist() == [w.weekday() for w in walls]
    assert matches(frame, ("hour", "asked", None), examples.ZONE, frame["hour"]) == 1.0
    assert matches(frame, ("hour", "asked", None), "Asia/Tokyo", frame["hour"]) < 0.05
    half = frame["hour"].where(frame.index % 2 == 0, -1)
    assert matches(frame, ("hour", "asked", None), examples.ZONE, half) == 0.5
