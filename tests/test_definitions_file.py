"""Definitions survive a file, an edited one is refused, and a snapshot rebuilds its table bit for bit."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import skewkit as sk
from skewkit.features.definitions import digest, evaluate, turn
from skewkit.features.definitions_file import (
    content_hash,
    hashes,
    read_definitions,
    rebuild,
    take_snapshot,
    write_definitions,
)


@pytest.mark.parametrize("name", ["flights", "payments"])
def test_definitions_survive_a_file(name, tmp_path, request):
    """Every record of both worlds, nested ones too, with one hash for all that is theirs."""
    made = request.getfixturevalue(name).definitions
    assert write_definitions(made, tmp_path / "d.json") == digest(made)
    assert read_definitions(tmp_path / "d.json") == dict(made)


def test_a_hash_is_of_the_content():
    """Turning a knob changes it; another name does not."""
    world = sk.scenario("payments", events=20_000).definitions
    was = hashes({"a": world["count_24h"], "b": world["count_24h"]})
    assert was["a"] == was["b"] != hashes({"a": turn(world["count_24h"], window="7D")})["a"]


def test_an_edited_file_is_refused_by_the_feature_s_name(payments, tmp_path):
    """A window changed by hand no longer has the hash that stands beside it."""
    write_definitions(payments.definitions, tmp_path / "d.json")
    content = json.loads((tmp_path / "d.json").read_text())
    content["features"]["count_24h"]["is"]["window"] = "7D"
    (tmp_path / "d.json").write_text(json.dumps(content))
    with pytest.raises(sk.SkewkitError, match=r"count_24h .* was edited"):
        read_definitions(tmp_path / "d.json")
    (tmp_path / "d.json").write_text("{}")
    with pytest.raises(sk.SkewkitError, match="cannot be read"):
        read_definitions(tmp_path / "d.json")


def test_a_snapshot_rebuilds_its_table_bit_for_bit(payments, tmp_path):
    """Definitions, events and requests kept in a folder give the same table again, and one that was changed is told."""
    some = payments.requests[:500]
    table = evaluate(payments.definitions, payments.raw, some, "asked")
    kept = take_snapshot(tmp_path / "2024-05", payments.definitions, payments.raw, some, "asked")
    again = rebuild(tmp_path / "2024-05")
    assert content_hash(again) == kept
    pd.testing.assert_frame_equal(again, table, check_exact=True)
    events = tmp_path / "2024-05" / "events_payments.parquet"
    changed = pd.read_parquet(events)
    changed.loc[0, "paid"] += 0.01
    changed.to_parquet(events)
    with pytest.raises(sk.SkewkitError, match=r"gives a table with the hash|same"):
        rebuild(tmp_path / "2024-05")
    with pytest.raises(sk.SkewkitError, match="which is there"):
        take_snapshot(tmp_path / "2024-05", payments.definitions, payments.raw, some, "asked")


def test_a_hash_sees_every_bit():
    """Negative zero, an order of rows, a type."""
    a = pd.DataFrame({"x": [0.0, 1.0]})
    others = [pd.DataFrame({"x": [-0.0, 1.0]}), pd.DataFrame({"x": [1.0, 0.0]}), pd.DataFrame({"x": [0, 1]})]
    assert len({content_hash(t) for t in (a, *others)}) == 4
