"""Every check and skew has a page, and what a page tells people to type works."""

from __future__ import annotations

import re
import shlex
import shutil
from datetime import date
from importlib import import_module

import pytest

import skewkit as sk
from skewkit.__main__ import main
from skewkit.blind.facilitator import PASSPHRASE
from skewkit.checks import CHECKS
from skewkit.notebook import checked, declared, find, given
from skewkit.report.runbook import front, runbook
from skewkit.skews import SKEWS

from .conftest import ROOT, play

FOLDER = ROOT / "runbooks"
FEW = {"sample": 1_000, "diagnosed": False}  # of a page's drill: what it is to show here is that it is noticed
PAGES = sorted(p for p in FOLDER.glob("*.md"))
STATES = ("drift", "inconclusive", "check_failed")  # of a run, not of one check or skew
FORBIDS = re.compile(r"\d\. (Never|Do not) ")  # what must not be done has nothing to undo
HEADINGS = ["Meaning", "Impact", "First five minutes", "Is it real?", "Diagnosis", "Mitigation", "Escalate", "After"]


def blocks(path, language):
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.S)


def test_every_skew_and_check_has_a_page_and_every_page_is_one():
    """Same stem; no page without its skew or check, none missing; the index links them all."""
    stems = {*SKEWS, *(c.__name__ for c in CHECKS), "impact", "logging", "shadow", "unknown", "blind", *STATES}
    assert {p.stem for p in PAGES} == stems | {"README"}
    index = (FOLDER / "README.md").read_text()
    assert all(f"({s}.md)" in index for s in stems)


@pytest.mark.parametrize("path", [p for p in PAGES if p.stem != "README"], ids=lambda p: p.stem)
def test_every_page_has_the_same_headings(path):
    """Someone woken at night finds things in their place."""
    _, text = front(path.read_text())
    assert text.startswith(f"# {path.stem}\n") and re.findall(r"^## (.*)$", text, re.M) == HEADINGS


@pytest.mark.parametrize("path", [p for p in PAGES if p.stem != "README"], ids=lambda p: p.stem)
def test_every_page_says_who_owns_it_how_urgent_it_is_and_when_it_was_last_drilled(path):
    """Those three and nothing else; on the page of a run they are one line below the heading."""
    told, _ = front(path.read_text())
    assert list(told) == ["owner", "severity", "last_drilled"] and told["owner"].strip()
    assert told["severity"] in ("page", "ticket", "notice")
    assert told["last_drilled"] == "never" or isinstance(told["last_drilled"], date)
    heading, _, line = runbook(f"runbooks/{path.name}").splitlines()[:3]
    assert heading == f"# {path.stem}"
    assert line == f"*Owner: {told['owner']}; severity: {told['severity']}; last drilled: {told['last_drilled']}.*"


@pytest.mark.parametrize("path", [p for p in PAGES if p.stem != "README"], ids=lambda p: p.stem)
def test_every_page_has_its_parts(path):
    """Each step of a mitigation its proof and its undo, something to run in five minutes, and no more than one reads at night."""
    text = path.read_text()
    part = re.search(r"^## Mitigation\n(.*?)^## ", text, re.S | re.M)[1]
    steps = re.split(r"^(?=\d\. )", part, flags=re.M)[1:]
    assert steps and [s for s in steps if not FORBIDS.match(s) and not ("Proof: " in s and "Undo: " in s)] == []
    assert re.search(r"^## Escalate\n\nTo \w+", text, re.M)
    assert "## Diagnosis\n\n| observation | likely cause | next check |\n" in text
    assert "```" in re.search(r"^## First five minutes\n(.*?)^## ", text, re.S | re.M)[1]
    assert len(text.splitlines()) <= 112


def test_every_name_in_a_sentence_is_one():
    """`sk.name`, `skewkit.path.name` and `skewkit verb` between backticks: each is there, by that name."""
    said = {s for p in PAGES for s in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", p.read_text(), flags=re.S))}
    names = {re.match(r"[\w.]+", s)[0].split(".", 1)[1] for s in said if re.match(r"(sk|skewkit)\.", s)}
    verbs = {s for s in said if s.startswith("skewkit ")}
    assert len(names) > 5 and len(verbs) > 5
    for name in names:
        *path, last = name.split(".")
        assert hasattr(import_module(".".join(["skewkit", *path])), last), name
    for words in map(str.split, verbs):
        assert words[1] in ("run", "status", "prune", "contract", "blind"), words
        if words[1] == "run" and len(words) > 2:
            find(words[2])


@pytest.mark.parametrize("path", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda p: p.stem)
def test_links_lead_somewhere(path):
    """To a file that is there."""
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_the_python_of_a_page_runs(path, folder):
    """Block after block in one session, in a folder of the three tables; and each that ends in a value has one."""
    names: dict = {}
    for block in blocks(path, "python"):
        *before, last = block.strip().rsplit("\n", 1)
        try:
            compile(last, path.stem, "eval")
        except SyntaxError:
            exec(compile(block, path.stem, "exec"), names)
            continue
        exec(compile("\n".join(before), path.stem, "exec"), names)
        value = eval(last, names)
        assert value is not None and len(str(value)) > 0
    if path.stem in SKEWS:
        assert blocks(path, "python")


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_the_commands_of_a_page_run(path, folder):
    """Each drill is played in this process, and contracts are made; other commands are read as the command line reads them."""
    for line in "".join(blocks(path, "sh")).splitlines():
        words = shlex.split(line)
        if words[1] == "blind":  # played in one piece below
            continue
        if words[1] in ("contract", "status", "prune") or words[-1] == "--dry-run":
            (folder / "runs").exists() or ran(folder)
            assert main(words[1:]) == 0, line
            continue
        assert words[:2] == ["skewkit", "run"], line
        takes = declared(find(words[2]))
        pairs = [(words[i + 1], words[i + 2]) for i, w in enumerate(words) if w == "-p"]
        files = [str(ROOT / words[i + 1]) for i, w in enumerate(words) if w == "-f"]
        values = checked(given(files, pairs, takes), takes, words[2])
        if words[2] == "drill":
            cells = play("drill", **values | FEW)["drill"]
            wanted = {"parity", "schema"} if SKEWS[cells[-1].skews[0]["skew"]].whole else {"parity"}
            assert cells[0].noticed == () and wanted & set(cells[-1].noticed)


def ran(folder):
    """One whole run of a check in this folder, as the command line would have it."""
    few = {n: f"{n}.parquet" for n in ("training", "served")}
    return play("check", **few, key="request", features=["amount", "hour"], sample=300)["run"].folder


def test_a_blind_drill_is_held_as_its_page_says(folder, monkeypatch, capsys):
    """Its commands in their order, on tables of one's own, in this process; the first ones on its page look back on it."""
    monkeypatch.setenv(PASSPHRASE, "only the facilitator knows")
    shutil.copytree(FOLDER, folder / "runbooks")
    sk.examples.table(8_000, seed=1).to_parquet("clean.parquet", index=False)
    (folder / "tables.yaml").write_text(*blocks(FOLDER / "blind.md", "yaml"))
    (folder / "people.yaml").write_text("people: [Ana, Ben, Chloe]")
    back, *held = blocks(FOLDER / "blind.md", "sh")
    for line in "".join([*held, back]).splitlines():
        words = shlex.split(line)[1:]
        if words[0] == "run":
            takes = declared(find(words[1]))
            play(words[1], **checked(given([], [(words[3], words[4])], takes), takes, words[1]))
        elif words[:2] == ["blind", "start"]:  # the seed, or each run would hold another drill
            assert main([*words, "--seed", "1"]) == 0
        elif words[:2] == ["blind", "clock"]:
            assert main([*words[:3], "--every", "0"]) == 0
        else:
            assert main(words) == (3 if words[1] == "due" else 0), line
    assert "planted: " in capsys.readouterr().out
    told, text = front((folder / "runbooks" / "lessons" / "2026-Q4.md").read_text())
    assert "say how to tell cents (Ana, tested again by 2027-02-28)" in text and told["planted"]
    for stem in told["planted"]:
        assert front((folder / "runbooks" / f"{stem}.md").read_text())[0]["last_drilled"] == told["day"]


def test_the_dead_man_s_check_alarms(folder, capsys):
    """A run of this moment is within an hour; the same as of three years ago is not, and says which page to open."""
    whole = ran(folder)
    assert main(["status", "--within", "1"]) == 0 and "late" not in capsys.readouterr().out
    whole.rename(whole.with_name(f"20230101T000000Z-{whole.name.split('-', 1)[1]}"))
    assert main(["status"]) == 0
    assert main(["status", "--within", "1"]) == 1 and "check_failed.md" in capsys.readouterr().out


def test_time_zone_s_page_finds_the_fault_in_the_folder(folder):
    """The folder's served table reads clocks in UTC for a third of the rows: the page's first block shows both offsets."""
    names: dict = {}
    block = blocks(FOLDER / "time_zone.md", "python")[0].replace("turned.groupby", "turned[turned > 0].groupby")
    *before, last = block.strip().rsplit("\n", 1)
    exec("\n".join(before), names)
    assert set(eval(last, names).index) == {4, 5}


def test_a_command_that_is_wrong_would_be_noticed(folder, capsys):
    """The control: a misspelt parameter of a page's command is refused."""
    assert main(["run", "drill", "-p", "severity", "[0]"]) == 2 and "severities" in capsys.readouterr().err
