"""Very many features that differ: one cause is said of all, the search stops at the policy's bound, and columns that change places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit.diagnosis.reshaped import together
from skewkit.records import Roles
from skewkit.report.page import DESCRIBED, MOST, page
from skewkit.report.run import Run, document

ROWS = 600


def table(features):
    g = np.random.default_rng(0)
    values = g.normal(np.arange(features) % 7, 1 + np.arange(features) % 3, (ROWS, features))
    return pd.DataFrame(values, columns=[f"f{at}" for at in range(features)]).assign(id=np.arange(ROWS))


def policy(tmp_path, causes):
    (tmp_path / "policy.yaml").write_text(f"causes: {causes}\n")
    return sk.read_policy(str(tmp_path / "policy.yaml"))


@pytest.mark.parametrize("causes", [1, 2, 40])
def test_one_cause_is_named_in_every_feature_whatever_the_bound(causes, tmp_path):
    r = table(30)
    s = r.assign(**{f"f{at}": 3 * r[f"f{at}"] for at in range(30)})
    found = sk.diagnose(sk.compare(r, s, r, key="id"), policy(tmp_path, causes))
    assert [(f.skew, set(f.features)) for f in found.fits] == [("unit_change", set(s) - {"id"})]
    assert not [n for n in found.missing if "searched" in n.reason]


def test_what_is_beyond_the_bound_is_said_by_name_and_number(tmp_path):
    """Noise of its own in each of nine, of which the worst three are searched; in the worst most rows differ."""
    r, g = table(9), np.random.default_rng(1)
    s = r.copy()
    for at in range(9):
        hit = np.arange(ROWS) < 100 + 50 * at
        s.loc[hit, f"f{at}"] = g.permutation(s.loc[hit, f"f{at}"].to_numpy()) ** 3 + g.normal(size=hit.sum())
    case = sk.compare(r, s, r, key="id")
    found = sk.diagnose(case, policy(tmp_path, 3))
    assert {f for fit in found.fits for f in fit.features} == {"f8", "f7", "f6"}
    (line,) = [n for n in found.missing if "searched" in n.reason]
    assert line.reason.startswith("f5, f4, f3, f2, f1 and 1 more differ") and line.give == "causes: 9 in the policy"
    assert not [n for n in sk.diagnose(case, policy(tmp_path, 9)).missing if "searched" in n.reason]
    again = sk.diagnose(case, policy(tmp_path, 3))
    assert [f.sentence for f in again.fits] == [f.sentence for f in found.fits]


def test_without_a_replay_the_bound_holds_too(tmp_path):
    r = table(6)
    s = r.assign(**{f"f{at}": r[f"f{at}"] + 2 + at for at in range(6)})
    found = sk.diagnose(sk.compare(r, s, key="id"), policy(tmp_path, 2))
    assert len({f for fit in found.fits for f in fit.features}) == 2
    assert any("and no cause was looked for" in n.reason for n in found.missing)


def test_the_page_shows_the_worst_and_counts_the_rest():
    r = table(120)
    g = np.random.default_rng(1)
    s = r.assign(**{f"f{at}": r[f"f{at}"] * (2 + at) + g.normal() for at in range(120)})
    result = sk.examine(sk.compare(r, s, r, key="id"))
    made = document(Run("check", {}, Path("runs/one"), Path("runs/.one")), result)
    html = page(made)
    assert len(made["findings"]) > DESCRIBED and html.count("<tr><td>distribution</td>") < DESCRIBED
    assert f"The worst {DESCRIBED} of {len(made['findings'])} findings" in html
    assert f"And {len(made['fits']) - MOST} more causes" in html


def permuted(order, paired=True, columns="abcd"):
    g = np.random.default_rng(0)
    r = pd.DataFrame({"id": np.arange(2_000), **{c: g.normal(3 * k, 1 + k, 2_000) for k, c in enumerate(columns)}})
    s = r.assign(**{c: r[read] for c, read in zip(columns, order, strict=True)})
    return r, s, sk.diagnose(sk.compare(r, s, r if paired else None, key="id")).fits


RINGS = {  # how the columns a, b, c, d are read, and the rings that are to be found
    "bacd": ["ab"],
    "badc": ["ab", "cd"],
    "dcba": ["ad", "bc"],
    "bcad": ["abc"],
    "bcda": ["abcd"],
    "bdac": ["abcd"],
}


@pytest.mark.parametrize("order", RINGS)
def test_columns_that_changed_places_are_named_as_rings(order):
    r, s, fits = permuted(order)
    assert sorted("".join(f.features) for f in fits) == RINGS[order]
    for f in fits:
        assert f.skew == "schema_change" and f.explained == 1 and "have changed places" in f.sentence
        read = dict(zip("abcd", order, strict=True))
        if len(f.features) > 2:
            assert all(f"{c} is read from {read[c]}" in f.sentence for c in f.features)
        assert f.patch and f.to_dict()["parameters"]
        made = f.causes[f.features[0]].inject(r, Roles())
        assert made[list(f.features)].equals(s[list(f.features)])


def test_swaps_are_named_without_a_replay():
    for order in ("badc", "dcba"):
        _, _, fits = permuted(order, paired=False)
        assert sorted("".join(f.features) for f in fits) == RINGS[order]


def test_what_was_copied_is_in_no_ring():
    """a from b, b from a, and c from a too: c has only been read from another."""
    _, _, fits = permuted("baad")
    assert sorted("".join(f.features) for f in fits) == ["ab", "c"]
    assert together(fits) == fits
