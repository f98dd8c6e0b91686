"""How the numbers are made: each statistic has its formula, its words and its line in a runbook, and its parts add up."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit import examples
from skewkit.records import Finding, SkewkitError
from skewkit.results.formulas import FORMULAS
from skewkit.results.words import TELLS, tell

from .conftest import ROLES, ROOT

LIMITS = sk.read_policy().limits
CELLS = ("psi", "kl", "tv", "js", "shape", "cells")


def test_every_statistic_has_a_limit_and_a_formula():
    """What the policy can judge and what the page can explain are the same."""
    assert set(LIMITS) == set(FORMULAS) and all(FORMULAS.values())


def test_every_statistic_that_is_judged_has_words_and_every_phrase_a_statistic():
    """Those that are described only may do without; none has words and no meaning; and each phrase takes a value."""
    judged = {name.split(".")[1] for name, limit in LIMITS.items() if limit}
    known = {name.split(".")[1] for name in LIMITS}
    assert judged <= set(TELLS) <= known
    for name, limit in LIMITS.items():
        check, statistic = name.split(".")
        said = tell(Finding(check, "skew", "x", statistic, 0.25, "share", 100, threshold=0.1))
        assert said.startswith("x ") and "{" not in said and (limit is None or said != f"x {statistic} 0.25")


@pytest.mark.parametrize("name", LIMITS)
def test_every_statistic_stands_in_its_check_s_runbook(name):
    """In the table at the top, in code: who is woken looks it up by its name."""
    check, statistic = name.split(".")
    page = (ROOT / "runbooks" / f"{check}.md").read_text()
    lines = [line for line in page.split("## Impact")[0].splitlines() if line.startswith("| `")]
    assert (
        any(f"`{statistic}`" in line.split("|")[1] for line in lines) or f"`{statistic}`" in page.split("## Impact")[0]
    )


def test_no_runbook_names_a_statistic_that_is_none():
    """Each name at the head of a row is measured by some check of that page."""
    for check in {n.split(".")[0] for n in LIMITS}:
        page = (ROOT / "runbooks" / f"{check}.md").read_text().split("## Impact")[0]
        named = {
            n
            for line in page.splitlines()
            if line.startswith("| `")
            for n in re.findall(r"`(\w+)`", line.split("|")[1])
        }
        assert named and named <= {n.split(".")[1] for n in LIMITS if n.startswith(f"{check}.")}


@pytest.fixture(scope="module")
def moved():
    """Training and served whose every feature moved, and a replay between them."""
    training, replayed = examples.table(3_000, seed=1), examples.table(3_000, seed=2)
    replayed["request"] += 10**6
    served = replayed.assign(
        amount=(replayed["amount"] * 1.3).round(1),
        country=replayed["country"].mask(replayed["request"] % 4 == 0, "FR"),
        merchant=(replayed["merchant"] + 1) % 4,
        last=replayed["last"] - pd.Timedelta(days=1),
    )
    features = ["amount", "country", "merchant", "income", "last"]
    return sk.compare(training, served, replayed, **{**ROLES, "features": features})


def reported(case, feature, statistic, change):
    return next(
        f.value
        for f in sk.check(case)
        if (f.feature, f.statistic, f.change) == (feature, statistic, change) and f.segment is None
    )


@pytest.mark.parametrize("change", ["skew", "drift"])
@pytest.mark.parametrize("feature", ["amount", "country", "merchant", "income", "last"])
def test_the_parts_make_the_number(moved, feature, change):
    """psi, kl, tv and js add up to it, shape to its square; of cells the largest is it, and so is the gap of ks.

    Shares add up to 1, the largest part comes first, and a time is explained by its age, as it is compared.
    """
    found = {f.statistic: f.value for f in sk.check(moved) if (f.feature, f.change) == (feature, change)}
    for statistic in (*CELLS, "ks"):
        frame = sk.explain(moved, feature, statistic, change)
        assert frame.attrs["formula"] == FORMULAS[f"distribution.{statistic}"]
        assert frame["part"].abs().is_monotonic_decreasing and list(frame) == ["cell", "before", "after", "part"]
        made = frame["part"].abs().max() if statistic in ("cells", "ks") else frame["part"].sum()
        made = np.sqrt(made) if statistic == "shape" else made
        assert made == pytest.approx(found[statistic], rel=1e-9, abs=1e-12)
        if statistic != "ks":
            assert frame[["before", "after"]].sum().tolist() == pytest.approx([1, 1])


def test_formats_are_explained_by_the_largest(moved):
    """Amounts rounded to one decimal, countries with another name: the most changed format first."""
    frame = sk.explain(moved, "amount", "formats")
    assert frame["part"].max() == pytest.approx(reported(moved, "amount", "formats", "skew"))
    assert frame["cell"].iloc[0] == "1 decimals" and frame["after"].iloc[0] > 0.8


def test_the_change_that_says_most_is_the_default(moved):
    """Skew where there is a replay, else total."""
    pd.testing.assert_frame_equal(sk.explain(moved, "amount", "psi"), sk.explain(moved, "amount", "psi", "skew"))
    frames = {n: t.frame() for n, t in moved.tables.items() if n != "replayed"}
    alone = sk.compare(**frames, **{**ROLES, "features": ["amount"]})
    pd.testing.assert_frame_equal(sk.explain(alone, "amount", "psi"), sk.explain(alone, "amount", "psi", "total"))


def test_errors_name_what_there_is(moved):
    """An unknown feature, statistic or change; a column without values, or of two kinds."""
    asked = {
        ("amuont", "psi", None): "both tables have .*amount",
        ("amount", "psy", None): "there are .*shape, cells, formats, ks",
        ("amount", "psi", "total"): "this case has drift, skew",
        ("last", "formats", None): "formats",
    }
    for words, said in asked.items():
        with pytest.raises(SkewkitError, match=said):
            sk.explain(moved, *words)
    frames = {n: t.frame() for n, t in moved.tables.items()}
    for odd, said in ((np.nan, "no value on one side"), ("much", "only columns of one kind")):
        served = frames["served"].assign(amount=odd)
        case = sk.compare(frames["training"], served, frames["replayed"], **{**ROLES, "features": ["amount"]})
        with pytest.raises(SkewkitError, match=said):
            sk.explain(case, "amount", "psi")
