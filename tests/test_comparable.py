"""Nothing compared is never promoted: a grid of ways to have nothing to compare, each held by its name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skewkit as sk
from skewkit.records import SkewkitError
from skewkit.rollouts.failures import failure

N = 4_000
ROLES = {
    "key": "id",
    "time": "at",
    "prediction": "score",
    "latency": "ms",
    "error": "failed",
    "label": "y",
    "segments": ["part"],
    "features": ["x", "c"],
}


def logged(n=N, seed=0):
    """What a model answered to a request every half minute."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 9, n)
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "at": pd.Timestamp("2024-03-02T00:00Z") + pd.to_timedelta(np.arange(n) * 30, "s"),
            "who": np.arange(n) % 500,
            "part": rng.choice(["a", "b"], n),
            "x": rng.normal(size=n).round(3),
            "c": rng.choice(["red", "blue"], n),
            "score": p,
            "y": (rng.random(n) < p).astype(float),
            "ms": rng.lognormal(2, 0.3, n).round(3),
            "failed": False,
        }
    )


LOG = logged()
MONTH = pd.Timedelta("30D")


def decided(current, candidate, **changes):
    return sk.decide(sk.rollout(current, candidate, **{**ROLES, **changes}), draws=20)


def test_what_is_compared_and_equal_is_promoted():
    """The clean control of all that follows, and of a canary: nothing here is lost, twice, mismatched or impossible."""
    found = decided(LOG, LOG, entity="who")
    assert found.decision == "promote"
    facts = [f for f in found.findings if f.statistic in ("uncompared", "duplicate_keys", "mismatched", "impossible")]
    assert {f.feature for f in facts} >= {"id", "at", "score", "ms", "failed", "y", "x", "c", "part", None}
    assert all(f.value == 0 for f in facts)
    chosen = np.random.default_rng(1).random(120_000) < 0.05
    many = logged(120_000)
    assert decided(many[~chosen], many[chosen], mode="canary", share=0.05).decision == "promote"


BOTH = {  # what is done to both logs, and the name under which it is held
    "no score": ({"score": np.nan}, "score"),
    "no score, as an empty column": ({"score": None}, "score"),
    "an infinite score": ({"score": np.inf}, "score"),
    "every request failed": ({"failed": True}, "score"),
    "every request failed, as text": ({"failed": "TRUE"}, "score"),
    "no flag of errors": ({"failed": np.nan}, "failed"),
    "no latency": ({"ms": np.nan}, "ms"),
    "no latency in the most": ({"ms": LOG["ms"].where(LOG["id"] % 4 == 0)}, "ms"),
    "an infinite latency": ({"ms": np.inf}, "ms"),
    "a latency below 0": ({"ms": -LOG["ms"]}, "ms"),
    "one latency below 0": ({"ms": LOG["ms"].where(LOG["id"] != 7, -1.0)}, "ms"),
    "no value of a feature": ({"x": np.nan}, "x"),
    "no value of a segment": ({"part": None}, "part"),
    "a segment that is nowhere frequent": ({"part": LOG["id"].astype(str)}, "part"),
    "no label": ({"y": np.nan}, "y"),
    "hardly a label": ({"y": LOG["y"].where(LOG["id"] < 20)}, "y"),
    "hardly a time": ({"at": LOG["at"].where(LOG["id"] < 200)}, "at"),
    "half of the scores": ({"score": LOG["score"].where(LOG["id"] % 2 == 0)}, "score"),
}
ONE = {  # what is done to one log alone, whichever it is
    "no score": BOTH["no score"],
    "an infinite score": BOTH["an infinite score"],
    "no latency": BOTH["no latency"],
    "a latency below 0": BOTH["a latency below 0"],
    "every request failed": BOTH["every request failed"],
    "a probability of 1.2": ({"score": LOG["score"].where(LOG["id"] != 7, 1.2)}, "score"),
    "another month": ({"at": LOG["at"] + MONTH}, "at"),
    "another entity": ({"who": LOG["who"] + 1}, "who"),
    "another label": ({"y": 1 - LOG["y"]}, "y"),
    "another segment": ({"part": "c"}, "part"),
    "hardly a time": BOTH["hardly a time"],
}


def held(found, name):
    """Not promoted, and the name is among what keeps it."""
    loud = {f.feature for f in found.findings if f.verdict is not None and str(f.verdict) != "ok"}
    return found.decision != "promote" and name in loud


@pytest.mark.parametrize("mode", ["shadow", "canary"])
@pytest.mark.parametrize("what", BOTH)
def test_what_neither_log_has_is_held_by_its_name(what, mode):
    """Alike on both sides, so that no difference can be seen; of two halves of the traffic as well."""
    change, name = BOTH[what]
    log = LOG.assign(**change)
    half = LOG["id"] % 2 == 0 if what != "half of the scores" else LOG["id"] % 4 < 2
    sides = (log, log) if mode == "shadow" else (log[~half], log[half])
    assert held(found := decided(*sides, mode=mode), name), found.sentence


@given(st.data())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_no_two_of_them_make_a_promotion(data):
    """Whatever is wrong with both logs, and with either besides: no combination hides it."""
    sides = [LOG, LOG]
    for change, _ in data.draw(st.lists(st.sampled_from(list(BOTH.values())), min_size=1, max_size=2)):
        sides = [log.assign(**change) for log in sides]
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, 1))
        sides[at] = sides[at].assign(**data.draw(st.sampled_from(list(ONE.values())))[0])
    assert decided(*sides).decision != "promote"


@pytest.mark.parametrize("side", ["current", "candidate"])
@pytest.mark.parametrize("what", ONE)
def test_what_one_log_has_not_is_held_by_its_name(what, side):
    """Of the current's log too: what it does not say, no candidate can be compared with."""
    change, name = ONE[what]
    sides = [LOG.assign(**change) if s == side else LOG for s in ("current", "candidate")]
    found = decided(*sides, entity="who")
    assert found.decision != "promote", found.sentence
    assert held(found, name) or what in ("no score", "every request failed", "an infinite score")  # errors say it


CANARY = {
    "another month": {"at": LOG["at"] + MONTH},
    "half of another month": {"at": LOG["at"].where(LOG["id"] < N // 2, LOG["at"] + MONTH)},
    "every other day": {
        "at": LOG["at"].dt.floor("D") + (LOG["at"] - LOG["at"].dt.floor("D")) / 4 + pd.Timedelta("12h")
    },
    "no score": {"score": np.nan},
    "no latency": {"ms": np.nan},
    "no label": {"y": np.nan},
    "no segment": {"part": None},
    "another segment": {"part": "c"},
}


@pytest.mark.parametrize("what", CANARY)
def test_a_canary_of_which_nothing_can_be_compared_is_held(what):
    """For that reason, and not for its share of the traffic or its few requests alone."""
    rng = np.random.default_rng(2)
    current = LOG.assign(id=LOG["id"] + N, ms=rng.permutation(LOG["ms"]))
    if what == "every other day":  # the current answers in the first six hours of a day, the canary in six others
        current["at"] = current["at"].dt.floor("D") + (current["at"] - current["at"].dt.floor("D")) / 4
    name = next(iter(CANARY[what]))
    found = decided(current, LOG.assign(**CANARY[what]), mode="canary")
    assert any(f.statistic == "uncompared" and f.feature == name and f.verdict for f in found.findings)
    assert held(found, name) and str(of(found, "uncompared", name).verdict) == "inconclusive"


def of(found, statistic, feature):
    return next(f for f in found.findings if (f.statistic, f.feature, f.segment) == (statistic, feature, None))


def test_a_canary_whose_times_are_the_traffic_s_own_overlaps():
    """By chance alone next to no request stands at a time without one of the other side."""
    rng = np.random.default_rng(3)
    for share in (0.01, 0.05, 0.5):
        chosen = rng.random(N) < share
        found = decided(LOG[~chosen], LOG[chosen], mode="canary")
        assert of(found, "uncompared", "at").value < 0.01


def test_a_canary_answers_requests_that_the_current_does_not():
    """The same request in both logs is counted twice."""
    assert of(decided(LOG, LOG, mode="canary"), "duplicate_keys", None).value == 1


def test_a_request_that_stands_twice_is_counted():
    """Three hundred ids of the candidate's, and one of the current's: the worse log's share of rows; either is held."""
    found = decided(LOG, pd.concat([LOG, LOG.head(300)]))
    assert of(found, "duplicate_keys", None).value == pytest.approx(600 / (N + 300)) and found.decision == "hold"
    assert decided(pd.concat([LOG, LOG.head(1)]), LOG).decision == "hold"


def test_logs_of_other_requests_are_held():
    """Of the candidate's requests a third are none of the current's."""
    found = decided(LOG, pd.concat([LOG, LOG.head(N // 2).assign(id=LOG["id"] + N)]))
    assert of(found, "uncompared", "id").value == pytest.approx(1 / 3) and held(found, "id")


@pytest.mark.parametrize("side", [0, 1])
def test_a_feature_that_one_log_alone_has_is_held_by_its_name(side):
    """Named among the features or not: a feature that was dropped, renamed or added."""
    for features in (["x", "c"], []):
        sides = [LOG, LOG]
        sides[side] = LOG.drop(columns="x")
        assert held(decided(*sides, features=features), "x")
        sides[side] = LOG.rename(columns={"x": "z"})
        assert held(decided(*sides, features=features), "x")


def test_a_feature_without_a_value_that_training_has_none_of_either_is_equal():
    """Null on all three sides, as where a service has not begun to fill a column: compared, and the same."""
    empty = LOG.assign(x=np.nan)
    assert decided(empty, empty, training=empty[["x", "c"]]).decision == "promote"


def test_ages_that_were_asked_for_and_are_not_there_are_held():
    """A column of times without a time, and a freshness table that dates nothing."""
    dated = LOG.assign(x_at=LOG["at"] - pd.Timedelta("1h"))
    undated = dated.assign(x_at=dated["x_at"].where(dated["x_at"].isna()))
    assert decided(dated, dated, as_of={"x": "x_at"}).decision == "promote"
    assert held(decided(undated, undated, as_of={"x": "x_at"}), "x_at")
    fetched = pd.DataFrame({"id": LOG["id"], "feature": "x", "value_time": undated["x_at"]})
    assert held(decided(LOG, LOG, freshness=fetched), "freshness")


def test_scores_that_are_no_probabilities_on_both_sides_are_no_fault():
    """Margins, below 0 and above 1, claim nothing."""
    margins = LOG.assign(score=np.log(LOG["score"] / (1 - LOG["score"])))
    assert decided(margins, margins).decision == "promote"


def test_what_the_policy_accepts_of_all_that_is_not_held(tmp_path):
    """A feature that is new in the candidate, and no latency of one request in four, where that is meant."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "features: {c: {limits: {shadow.uncompared: null}}}\n"
        "accepted: [{check: shadow, statistic: uncompared, feature: ms, until: 2999-01-01, reason: sampled, owner: Ana}]\n"
    )
    current = LOG.drop(columns="c").assign(ms=LOG["ms"].where(LOG["id"] % 4 > 0))
    rolled = sk.rollout(current, current.assign(c=LOG["c"]), **ROLES)
    assert sk.decide(rolled, sk.read_policy(str(policy)), draws=20).decision == "promote"
    assert sk.decide(rolled, draws=20).decision == "hold"


# -- the rule of errors


def test_a_status_of_its_own_is_refused_and_by_a_rule_it_is_counted():
    """The report that began this: every score inverted, three calls in ten failed with 500, and all were called failed."""
    status = np.where(np.random.default_rng(4).random(N) < 0.3, 500, 200)
    current, candidate = LOG.assign(failed=200), LOG.assign(failed=status, score=1 - LOG["score"])
    with pytest.raises(SkewkitError, match=r"current: error='failed' holds 200.*0 or 1.*failed >= 400"):
        decided(current, candidate)
    found = decided(current, candidate, error="failed >= 400")
    assert of(found, "errors", None).value == pytest.approx((status == 500).mean()) and found.decision == "roll back"
    assert decided(current, current, error="failed>=400").decision == "promote"


SAID = {  # how a log says it, and the rule: the same three of seven requests failed
    "flags": ([0, 1, 0, 1, 0, 1, 0], "e"),
    "numbers": ([0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0], "e"),
    "text": (["false", "True", "0", "1", "FALSE", "TRUE", "false"], "e"),
    "a null is no success": ([0, None, 0, 1, 0, None, 0], "e"),
    "status": ([200, 500, 204, 404, 302, 503, 200], "e >= 400"),
    "status, with a timeout": ([200, None, 204, 404, 302, 503, 200], "e>=400"),
    "a word": (["ok", "timeout", "ok", "reset", "ok", "timeout", "ok"], "e != ok"),
    "an exception": ([None, "KeyError", None, "OSError", None, "KeyError", None], "e != null"),
    "an answer": (["a", None, "b", None, "c", None, "d"], "e == null"),
    "seconds": ([1.0, 31.5, 2.0, 30.1, 30.0, 99.0, 0.2], "e > 30"),
}


@pytest.mark.parametrize("what", SAID)
def test_what_failed_is_read_as_the_log_says_it(what):
    """By hand, in whatever type the column is."""
    values, rule = SAID[what]
    read = failure(rule, ["e"])
    for column in (
        pd.Series(values),
        pd.Series(values, dtype=object),
        pd.Series(values).convert_dtypes(dtype_backend="pyarrow"),
    ):
        assert read.of(column, "log").tolist() == [False, True] * 3 + [False]


@given(
    st.lists(st.one_of(st.integers(2, 999), st.floats(0.01, 0.99), st.sampled_from(["ok", "yes", "", "y"])), min_size=1)
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_any_other_value_than_a_flag_is_refused(values):
    """Whatever stands among flags, and named in the error."""
    with pytest.raises(SkewkitError, match="0 or 1"):
        failure("e", ["e"]).of(pd.Series([0, 1, *values], dtype=object), "current")


def test_a_rule_that_cannot_be_is_refused():
    """A number against text, an order of nulls, no text at all."""
    for rule, values, said in (
        ("e >= 400", ["200", "500"], "compares 'e' with 400, and it holds text"),
        ("e != ok", [1, 0], "with 'ok', and it holds integer"),
    ):
        with pytest.raises(SkewkitError, match=said):
            failure(rule, []).of(pd.Series(values), "log")
    for error, said in (("e > null", "orders values by null"), ({"e": 1}, "as text")):
        with pytest.raises(SkewkitError, match=said):
            failure(error, [])
    with pytest.raises(SkewkitError, match="no column 'status'"):
        decided(LOG, LOG, error="status >= 400")


def test_a_default_that_no_value_can_be_is_refused():
    """0 of a text, and null: neither would ever be seen."""
    for defaults in ({"c": 0}, {"x": "none"}, {"x": None}):
        with pytest.raises(SkewkitError, match="give a value of its kind"):
            decided(LOG, LOG, defaults=defaults)


# -- what a candidate loses


def test_a_candidate_that_ranks_worse_is_not_promoted():
    """On labels: turned round it is rolled back, whatever the policy thinks of predictions that lie apart."""
    rng = np.random.default_rng(7)
    turned = decided(LOG, LOG.assign(score=1 - LOG["score"]))
    assert turned.decision == "roll back" and str(of(turned, "auc", None).verdict) == "breach"
    blurred = LOG.assign(score=np.clip(LOG["score"] + rng.normal(0, 0.1, N), 0, 1))
    assert str(of(decided(LOG, blurred), "auc", None).verdict) in ("warn", "breach")
    assert not any(f.check == "impact" for f in decided(LOG, LOG).findings)
