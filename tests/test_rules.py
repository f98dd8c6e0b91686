"""Every rule of the README's table, kept and broken: the exit code, and the finding that decides."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from skewkit import rule_examples
from skewkit.notebook import checked, code_of, declared, find, given
from skewkit.report.run import document

from .conftest import ROOT, play

SECTION = re.search(r"## Every rule, both ways\n(.*?)\n## ", (ROOT / "README.md").read_text(), re.S)[1]
NIGHTLY = re.compile(r"`python -m skewkit.log.labels ([^`]*)` → (\d)")
COMMAND = re.compile(r"`(skewkit run [^`]*)` → (\d)")
SMALL = {"-f notebooks/params/parity_payments.yaml": ["-p", "profiles", "300"]}  # for 10,000 take half a minute
BY = {  # what a command breaks, and the finding that says so
    "zone": "parity.differ",
    "truncated": "parity.differ",
    "fraud@9": "parity.other_candidate",
    "profiles 300": "parity.inputs_short",
    "served_clocks": "parity.fleet",
    "moved": "shadow.moved",
    "failing": "shadow.errors",
    "nulls": "shadow.null_share",
    "defaults": "shadow.default_share",
    "candidate_rounding": "shadow.differ",
    "candidate_slow": "shadow.latency_p50",
    "canary_rounding": "distribution.formats",
    "canary_wide": "shadow.canary_share",
    "stale": "freshness.age_p95",
    "missed": "freshness.miss_rate",
    "fetched_slow": "freshness.fetch_p99",
    "erring": "freshness.misses_move_with_error",
    "sparse": "logging.unlogged",
    "lossy": "logging.undelivered",
    "unjoinable": "logging.unjoinable",
    "gate_gap.yaml": "rollback.irreversible",
    "registry_dual": "rollback.dual_run",
    "served_other": "lineage.differ",
    "model_other": "lineage.model_differs",
}
ROWS = [line for line in SECTION.splitlines() if "`skewkit run" in line]
KEPT, BROKEN = (
    [found.groups() for line in ROWS for found in [COMMAND.search(line.split(" | ")[side])] if found] for side in (1, 2)
)


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """The files of the documented command, and the parameters, as a clone has them."""
    folder = tmp_path_factory.mktemp("rules")
    rule_examples.write(folder / "data" / "rules")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    return folder


def ran(command):
    """The documented commands in this process, one after the other; the result of the last."""
    for one in command.split(" && "):
        words = shlex.split(one)[2:]
        words += next((more for said, more in SMALL.items() if said in one), [])
        name = words[0]
        takes = declared(find(name))
        files = [words[i + 1] for i, word in enumerate(words) if word == "-f"]
        pairs = [(words[i + 1], words[i + 2]) for i, word in enumerate(words) if word == "-p"]
        values = checked(given(files, pairs, takes), takes, name)
        names = play(name, **values)
    outcome = next(names[n] for n in ("decision", "result", "trip") if n in names)
    return document(names["run"], getattr(outcome, "result", outcome) if name == "parity" else outcome)


def loudest(result):
    """The statistics that decide: those with the verdict of the run."""
    decides = [f for f in result["findings"] if f["verdict"] == result["verdict"] and f["change"] != "drift"]
    return {f"{f['check']}.{f['statistic']}" for f in decides}


def test_every_row_of_the_table_is_read():
    """Each rule has a broken command, the codes are those that are meant, and each breaks something else."""
    assert len(BROKEN) == len(ROWS) == len(BY) and len(KEPT) == 10
    assert {code for _, code in KEPT} == {"0"} and {code for _, code in BROKEN} == {"3", "4"}
    assert len({command for command, _ in BROKEN}) == len(BROKEN)
    assert all(what in command for what, (command, _) in zip(BY, BROKEN, strict=True))


@pytest.mark.parametrize(("command", "code"), KEPT, ids=[shlex.split(c)[4] for c, _ in KEPT])
def test_a_rule_that_is_kept_gives_0(command, code, examples, monkeypatch):
    """The clean control of each rule, as it is documented."""
    monkeypatch.chdir(examples)
    result = ran(command)
    assert code_of(result) == int(code) == 0, loudest(result)


@pytest.mark.parametrize(
    ("command", "code", "by"), [(*b, by) for b, by in zip(BROKEN, BY.values(), strict=False)], ids=list(BY)
)
def test_a_rule_that_is_broken_gives_its_code(command, code, by, examples, monkeypatch):
    """The documented code, by the finding of this rule, and by none of another check but what the rule counts."""
    monkeypatch.chdir(examples)
    result = ran(command)
    assert code_of(result) == int(code), loudest(result)
    assert by in loudest(result)


def test_labels_are_joined_each_night(examples, monkeypatch):
    """The documented commands, 0 and 1: one writes the logged requests with their labels, the other refuses a key with two, and writes nothing."""
    (good, zero), (bad, one) = NIGHTLY.findall(SECTION)
    monkeypatch.chdir(examples)
    batch = examples / "data" / "rules" / "batch.parquet"
    for words, code in ((bad, one), (good, zero)):
        done = subprocess.run(
            [sys.executable, "-m", "skewkit.log.labels", *words.split()], capture_output=True, text=True
        )
        assert done.returncode == int(code), done.stderr
        assert batch.exists() == (code == "0") and ("two different labels: 'o0'" in done.stderr) == (code == "1")
    rows = pd.read_parquet(batch)
    assert rows["label"].tolist() == [float(int(key) % 50 == 0) for key in rows["request"]] and len(rows) > 1_000
