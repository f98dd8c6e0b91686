"""Whatever the columns are called, hold, or a model gives: a line that says so, and never an exception of NumPy or pandas."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import skewkit as sk
from skewkit.report.page import page
from skewkit.report.run import Run, document
from skewkit.results import plots

pytestmark = pytest.mark.filterwarnings("default")  # exceptions are looked for here; a glyph that a font lacks is none
N = 60
AT = np.arange(N)
X = np.random.default_rng(0).normal(size=N)
NAMES = (
    *(
        "self",
        "price_$_per_$_sold",
        "$x^{",
        r"a\$b",
        "<script>alert(1)</script>",
        "a`b`",
        "*a*",
        "{{ 1 }}",
        "{value}",
        "%s",
    ),
    *(
        "replayed",
        "served",
        "key",
        "rows",
        "index",
        "level_0",
        "feature",
        "count",
        "frame",
        "columns",
        "before",
        "share",
    ),
    *("🙂", "שלום", "two\nlines", "x" * 400, " ", "__class__", "skew"),
)
KINDS = {
    "number": lambda k: X * (1 + k),
    "integer": lambda k: AT % 7 + k,
    "boolean": lambda k: AT % (2 + k) == 0,
    "text": lambda k: np.array([f"<b>{i % (3 + k)}</b>$" for i in AT], dtype=object),
    "list": lambda k: pd.Series([[int(i), k] for i in AT]),
    "array": lambda k: pd.Series([np.array([i, k]) for i in AT]),
    "dict": lambda k: pd.Series([{"a": int(i) + k} for i in AT]),
    "set": lambda k: pd.Series([{int(i) + k} for i in AT]),
    "bytes": lambda k: pd.Series([b"%d" % (i + k) for i in AT]),
    "mixed": lambda k: pd.Series([int(i) if i % 2 else f"{i + k}" for i in AT], dtype=object),
    "category": lambda k: pd.Categorical([f"{i % (3 + k)}" for i in AT]),
    "time": lambda k: pd.date_range(f"202{k}", periods=N, freq="h", tz="UTC"),
    "naive": lambda k: pd.date_range(f"202{k}", periods=N, freq="h"),
    "duration": lambda k: pd.to_timedelta(AT + k, unit="s"),
    "period": lambda k: pd.period_range(f"202{k}", periods=N, freq="D"),
    "interval": lambda k: pd.interval_range(k, N + k),
    "decimal": lambda k: pd.Series([Decimal(int(i) + k) for i in AT]),
    "huge": lambda k: pd.Series([10**30 + int(i) + k for i in AT], dtype=object),
    "complex": lambda k: X * (1 + k) + 1j,
    "null": lambda k: pd.Series([None] * N, dtype=object),
    "infinite": lambda k: np.where(AT % (2 + k) == 0, np.inf, X),
}
ROLES = ("feature", "prediction", "label", "segment")


def whole(training, served, replayed, **roles):
    """The path from tables to a page; what sk.compare refuses is None."""
    try:
        case = sk.compare(training, served, replayed, key="id", **roles)
    except sk.SkewkitError:
        return None
    try:
        result = sk.examine(case)
    except sk.SkewkitError:  # of a check: it says what to do
        return None
    made = document(Run("check", {}, Path("runs/one"), Path("runs/.one")), result)
    json.dumps(made, allow_nan=False)
    for one in (result, result.findings, result.impact, result.diagnosis):
        shown = one._repr_html_()
        assert "<script>alert" not in shown
        if (picture := one.plot()) is not None:
            picture.html()
    html = page(made)
    assert "<script>alert" not in html and "<b>1</b>$" not in html
    return result


@given(
    name=st.sampled_from(NAMES),
    kinds=st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from(sorted(KINDS))),
    alike=st.booleans(),
    role=st.sampled_from(ROLES),
    paired=st.booleans(),
)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_but_our_own_errors_escapes(name, kinds, alike, role, paired):
    """A column of any name and kind on either side, in any role. A fault in a step is raised here, for tests ask for it."""
    before, after = KINDS[kinds[0]](0), KINDS[kinds[0] if alike else kinds[1]](1)
    frames = [pd.DataFrame({"id": AT, "q": X, "y": AT % 2, "p": (AT % 10) / 10}) for _ in range(2)]
    for frame, values in zip(frames, (before, after), strict=True):
        frame[name] = values
    roles = {
        "feature": {"features": ["q", name]},
        "prediction": {"features": ["q"], "label": "y", "prediction": name},
        "label": {"features": ["q"], "label": name, "prediction": "p"},
        "segment": {"features": ["q"], "label": "y", "prediction": "p", "segments": [name]},
    }
    training, served = frames
    whole(training, served, training if paired else None, **roles[role])


def test_a_name_is_only_a_name():
    """Features of every name, each doubled, have the cause that features with plain names have, and their pictures are drawn."""
    n = 400
    g = np.random.default_rng(0)
    r, s = pd.DataFrame({"id": np.arange(n)}), pd.DataFrame({"id": np.arange(n)})
    for name in NAMES:
        r[name] = g.normal(3, 1, n)
        s[name] = 3 * r[name]
    fit = whole(r, s, r).diagnosis.fits[0]
    assert fit.skew == "unit_change" and set(fit.features) == set(NAMES)
    for name in (n for n in NAMES if set(n) & set("$\\{🙂") or len(n) > 60):
        told = fit.to_dict()
        assert "<img" in plots.cause({**told, "picture": {**told["picture"], "feature": name}}).html()


@pytest.mark.parametrize("name", [0, 1.5, ("a", 1), None, b"a"])
def test_a_name_that_is_no_text_is_read_as_text(name):
    """In every step down to the page, as str writes it."""
    r = pd.DataFrame({"id": AT, "q": X})
    r.insert(2, name, X)
    s = r.copy()
    called = str(r.columns[2])  # pandas itself may write None as nan
    s.isetitem(2, 2 * X)
    result = sk.examine(sk.compare(r, s, r, key="id"))
    assert {f.feature for f in result.findings if f.check == "parity" and f.statistic == "differ" and f.value} == {
        called
    }
    page(document(Run("check", {}, Path("run"), Path("run")), result))


GIVES = {
    "None": lambda d: None,
    "one number": lambda d: 0.5,
    "text": lambda d: "x" * len(d),
    "bytes": lambda d: b"x" * len(d),
    "a mapping": lambda d: {"a": 1},
    "a generator": lambda d: (0.5 for _ in range(len(d))),
    "three columns": lambda d: np.ones((len(d), 3)),
    "two columns": lambda d: np.ones((len(d), 2)) / 2,
    "three axes": lambda d: np.ones((len(d), 2, 2)),
    "a frame of two": lambda d: pd.DataFrame({"a": np.ones(len(d)), "b": np.ones(len(d))}),
    "lists": lambda d: [[0.5, 0.5]] * len(d),
    "too few": lambda d: [0.5],
    "words": lambda d: ["high"] * len(d),
    "complex": lambda d: np.full(len(d), 1j),
    "nulls": lambda d: np.full(len(d), np.nan),
    "objects": lambda d: [object()] * len(d),
}


@pytest.mark.parametrize("what", GIVES)
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_model_that_gives_no_score_a_row_is_told_so(what, task):
    r = pd.DataFrame({"id": AT, "q": X, "y": AT % 2})
    result = whole(r, r.assign(q=2 * X), r, label="y", model=GIVES[what], task=task)
    lines = [n.reason for n in result.not_run if n.step == "impact"]
    assert len(lines) == 1 and ("the model" in lines[0] or "scores are not numbers" in lines[0])
    assert not result.impact and result.verdict != "ok"


def test_one_column_of_scores_is_a_score_a_row():
    r = pd.DataFrame({"id": AT, "q": X, "y": AT % 2})
    flat, column = (
        sk.impact(sk.compare(r, r.assign(q=-X), r, key="id", label="y", model=m))
        for m in (lambda d: 1 / (1 + np.exp(-d["q"])), lambda d: 1 / (1 + np.exp(-d[["q"]].to_numpy())))
    )
    assert flat and tuple(flat) == tuple(column)
