"""What of the data a run shows: rows, masked or counts. Nobody's own value is in any byte of it unless rows are asked for."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit.contracts.contract import infer, write_contract
from skewkit.evidence import MANY, mask, shown

from .conftest import play

SECRET, KEY = "Wilhelmina Zondervan", "order-Q7"
FEATURES = ["name", "city", "amount"]
ROLES = {
    "key": "order",
    "time": "asked",
    "features": FEATURES,
    "lineage": {"model_hash": "f00d"},
    "as_of": {"amount": "known"},
}


def test_shown_by_hand():
    """Rows as they are; masked text by its shape, unless ten rows share it; counts: what ten rows share, and nothing else."""
    rows = [shown(v, "rows") for v in ("Ana 7", 3, np.float64(2.5), np.bool_(True), None, float("nan"))]
    assert rows == ["Ana 7", 3, 2.5, True, None, None]
    assert [shown(v, "masked") for v in ("Ana 7", 3, 2.5, None)] == ["aaa 9", 3, 2.5, None]
    assert [shown(v, "counts") for v in ("Ana 7", 3, 2.5, None)] == [None] * 4
    for evidence in ("masked", "counts"):
        assert shown("Ana 7", evidence, MANY) == "Ana 7" and shown("Ana 7", evidence, MANY - 1) != "Ana 7"
    time = pd.Timestamp("2024-01-01T10:00Z")
    assert json.dumps([shown(v, "rows") for v in (time, np.int64(3), b"x")])


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("Ünal-Straße 12", "aaaa-aaaaaa 99"),
        ("+49 170/55", "+99 999/99"),
        ("a_b@c.de", "a_a@a.aa"),
        ("हिन्दी", "aaaaaa"),
        ("Zoe\u0301", "aaaa"),
        ("٣Ⅷ½", "999"),
        ("x" * 99, "a" * 40),
        ("", ""),
    ],
)
def test_a_mask_keeps_the_shape_alone(text, shape):
    """Letters, their marks and digits of any script are hidden; what stands between them stays."""
    assert mask(text) == shape


def tables():
    """Three tables in which everything is off: a name that few share, a frequent city, numbers, a hash, values too new."""
    rng, n = np.random.default_rng(0), 4_000
    asked = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(n) * 60, "s")
    training = pd.DataFrame(
        {
            "order": [f"order-T{i}" for i in range(n)],
            "asked": asked,
            "name": rng.choice(["n1", "n2", "n3"], n),
            "city": rng.choice(["Lisboa", "Porto"], n),
            "amount": rng.normal(100, 10, n).round(2),
            "known": asked - pd.Timedelta(hours=1),
        }
    )
    replayed = training.assign(order=[f"{KEY}{i}" for i in range(n)])
    own = np.arange(n) % 50 == 0
    served = replayed.assign(
        name=np.where(own, [f"{SECRET} {i}" for i in range(n)], replayed["name"]),
        city=np.where(np.arange(n) % 5 == 0, "Coimbra", replayed["city"]),
        amount=replayed["amount"] * np.where(own, 100, 1),
        known=asked + pd.Timedelta(hours=1),
        model_hash=np.where(own, [f"{SECRET}{i}" for i in range(n)], np.where(np.arange(n) % 3 == 0, "beef", "f00d")),
    )
    return training, served, replayed


@pytest.fixture(scope="module")
def three():
    return tables()


def details(three, evidence):
    training, served, replayed = three
    agreed = infer(training, FEATURES, key="order")
    case = sk.compare(training, served, replayed, **ROLES, contract=agreed, evidence=evidence)
    return {(f.check, f.feature, f.statistic, f.change): f.detail for f in sk.check(case) if f.detail}


@pytest.mark.parametrize("evidence", ["masked", "counts"])
def test_no_detail_shows_a_key_or_a_rare_text(three, evidence):
    """The details of every check; the same with rows shows both, so that there is something to hide."""
    told = details(three, evidence)
    assert {c for c, *_ in told} >= {"schema", "lineage", "distribution"} | (
        {"parity", "leakage"} if evidence == "masked" else set()
    )
    text = json.dumps([list(d) for d in told.values()])
    assert SECRET not in text and KEY not in text and "Coimbra" in text
    plain = json.dumps([list(d) for d in details(three, "rows").values()])
    assert SECRET in plain and KEY in plain


def test_what_rows_masked_and_counts_show_by_hand(three):
    """Of each check its first row, in each of the three."""
    rows, masked, counts = (details(three, e) for e in ("rows", "masked", "counts"))
    about = ("parity", "city", "differ", "skew")
    assert rows[about] == masked[about] and {r["served"] for r in masked[about]} == {"Coimbra"} and about not in counts
    about = ("parity", "amount", "differ", "skew")
    assert rows[about][0]["key"].startswith(KEY) and set(masked[about][0]) == {"replayed", "served", "time"}
    assert masked[about][0]["served"] == rows[about][0]["served"] and about not in counts
    about = ("schema", "name", "unknown", "served")
    assert rows[about][0]["value"].startswith(SECRET) and rows[about][0]["rows"] == 1
    assert masked[about][0]["value"].startswith("aaaaaaaaaa aaaaaaaaa 9") and counts[about][0]["value"] is None
    about = ("schema", "city", "unknown", "served")
    assert rows[about] == masked[about] == counts[about] == ({"value": "Coimbra", "rows": 800},)
    about = ("lineage", "model_hash", "differ", "total")
    assert masked[about][0]["value"] == counts[about][0]["value"] == "beef"
    assert masked[about][1]["value"].startswith("aaaaaaaaaa aaaaaaaaa9") and rows[about][1]["value"].startswith(SECRET)
    about = ("leakage", "amount", "newer", "served")
    assert rows[about][0]["order"].startswith(KEY) and set(masked[about][0]) == {"asked", "newer_by"}
    assert masked[about][0]["newer_by"] == 3600 and about not in counts
    about = ("distribution", "city", "cells", "skew")
    assert rows[about] == masked[about] == counts[about] and rows[about][0]["cell"] == "Coimbra"


def test_the_oldest_values_are_shown_without_their_keys(three):
    """Freshness: with rows their keys and times, masked the times, and counts none of them."""
    training, served, replayed = three
    served = served.assign(known=served["asked"] - pd.to_timedelta(np.arange(len(served)), "s"))
    for evidence, names in (
        ("rows", {"order", "asked", "seconds"}),
        ("masked", {"asked", "seconds"}),
        ("counts", None),
    ):
        case = sk.compare(training, served, replayed, **ROLES, evidence=evidence)
        detail = next(f.detail for f in sk.check(case) if f.statistic == "age_p95")
        assert detail is None if names is None else set(detail[0]) == names


@pytest.mark.parametrize("evidence", ["masked", "counts"])
def test_no_byte_of_a_run_holds_a_key_or_a_rare_text(three, evidence, tmp_path, monkeypatch, capsys):
    """result.json and the page, and what the notebook's cells print and show; with rows they do hold them."""
    monkeypatch.chdir(tmp_path)
    for name, frame in zip(("training", "served", "replayed"), three, strict=True):
        frame.to_parquet(f"{name}.parquet", index=False)
    write_contract(infer(three[0], FEATURES, key="order"), "contract.yaml")
    given = {n: f"{n}.parquet" for n in ("training", "served", "replayed")} | {**ROLES, "contract": "contract.yaml"}
    left = {}
    for shows in (evidence, "rows"):
        names = play("check", **given, evidence=shows)
        result = names["result"]
        said = result._repr_html_() + repr(result) + repr(result.findings) + capsys.readouterr().out
        files = [p for p in (tmp_path / "runs" / "latest").resolve().iterdir()]
        assert {p.name for p in files} == {"result.json", "report.html"}
        left[shows] = said.encode() + b"".join(p.read_bytes() for p in files)
    for text in (SECRET, KEY):
        assert text.encode() not in left[evidence] and text.encode() in left["rows"]
    assert b"Coimbra" in left[evidence]


def test_the_whole_run_through_the_runner_shows_none_either(three, tmp_path, monkeypatch):
    """Every byte of the run folder, the executed notebook with its outputs included."""
    import yaml

    from skewkit.__main__ import main

    monkeypatch.chdir(tmp_path)
    for name, frame in zip(("training", "served", "replayed"), three, strict=True):
        frame.to_parquet(f"{name}.parquet", index=False)
    given = {n: f"{n}.parquet" for n in ("training", "served", "replayed")} | ROLES
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(given))
    assert main(["run", "check", "-f", "p.yaml"]) == 4
    files = [p for p in (tmp_path / "runs" / "latest").resolve().rglob("*") if p.is_file()]
    assert {p.name for p in files} >= {"notebook.ipynb", "report.html", "result.json"}
    assert not [p.name for p in files if SECRET.encode() in p.read_bytes() or KEY.encode() in p.read_bytes()]


def test_an_explanation_masks_as_the_check_does(three):
    """The cells of `explain`: a frequent category as it is, the edge of a rare text by its shape."""
    training, served, replayed = three
    told = {
        evidence: sk.explain(
            sk.compare(training, served, replayed, **ROLES, evidence=evidence), "name", "ks"
        ).to_string()
        for evidence in ("rows", "masked", "counts")
    }
    assert SECRET in told["rows"] and SECRET not in told["masked"] + told["counts"]
