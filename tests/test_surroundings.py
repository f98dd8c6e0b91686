"""What a model was trained in is kept whole, names no secret, and every difference is told by its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import skewkit as sk
from skewkit.surroundings import other, read_surroundings, surroundings, write_surroundings


def test_here_nothing_is_other_than_here(tmp_path):
    """Written, read back and compared with this very process."""
    write_surroundings(tmp_path / "s.json", seeds={"numpy": 7})
    kept = read_surroundings(tmp_path / "s.json")
    assert kept["seeds"] == {"numpy": 7} and kept["packages"]["pandas"] and other(kept) == []


def test_flags_zone_and_seeds_of_another_process_are_told(tmp_path):
    """A process with another zone and a determinism flag, by what it says itself."""
    code = "import json, skewkit.surroundings as s; print(json.dumps(s.surroundings({'numpy': 8})))"
    environment = {**os.environ, "TZ": "Asia/Tokyo", "TF_DETERMINISTIC_OPS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    there = json.loads(done.stdout)
    told = {d["what"]: d for d in other(surroundings({"numpy": 7}), there)}
    assert told["flags.TF_DETERMINISTIC_OPS"]["now"] == "1" and told["seeds.numpy"] == {
        "what": "seeds.numpy",
        "then": 7,
        "now": 8,
    }
    assert told["zone"]["now"][-1] == 9 * 3600
    assert set(told) <= {"flags.TF_DETERMINISTIC_OPS", "flags.TZ", "seeds.numpy", "zone"}


def test_a_package_of_another_version_or_gone_is_told():
    """By its name, with both versions."""
    then = surroundings()
    now = {**then, "packages": {**then["packages"], "pandas": "0.1", "new-one": "1"}}
    assert other(then, now) == [
        {"what": "packages.new-one", "then": None, "now": "1"},
        {"what": "packages.pandas", "then": then["packages"]["pandas"], "now": "0.1"},
    ]


def test_no_secret_is_read(monkeypatch, tmp_path):
    """An environment with a key in it leaves none in the file."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame-1234")
    write_surroundings(tmp_path / "s.json")
    assert "sesame" not in (tmp_path / "s.json").read_text()


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2}', "{"])
def test_another_file_is_refused(text, tmp_path):
    """With its path and what is wrong."""
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(sk.SkewkitError, match=r"s\.json cannot be read"):
        read_surroundings(tmp_path / "s.json")
