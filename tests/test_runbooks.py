"""Every check and skew has a page, and what a page tells people to type works."""

from __future__ import annotations

import re
import shlex

import pytest

from skewkit.__main__ import main
from skewkit.checks import CHECKS
from skewkit.notebook import checked, declared, find, given
from skewkit.skews import SKEWS

from .conftest import ROOT, play

FOLDER = ROOT / "runbooks"
PAGES = sorted(p for p in FOLDER.glob("*.md"))
HEADINGS = ["Meaning", "Impact", "First five minutes", "Is it real?", "Diagnosis", "Mitigation", "Escalate", "After"]


def blocks(path, language):
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.S)


def test_every_skew_and_check_has_a_page_and_every_page_is_one():
    """Same stem; no page without its skew or check, none missing; the index links them all."""
    stems = {*SKEWS, *(c.__name__ for c in CHECKS), "logging", "shadow", "unknown"}
    assert {p.stem for p in PAGES} == stems | {"README"}
    index = (FOLDER / "README.md").read_text()
    assert all(f"({s}.md)" in index for s in stems)


@pytest.mark.parametrize("path", [p for p in PAGES if p.stem != "README"], ids=lambda p: p.stem)
def test_every_page_has_the_same_headings(path):
    """Someone woken at night finds things in their place."""
    text = path.read_text()
    assert text.startswith(f"# {path.stem}\n") and re.findall(r"^## (.*)$", text, re.M) == HEADINGS


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
        if words[:2] == ["skewkit", "contract"]:
            assert main(words[1:]) == 0, line
            continue
        assert words[:2] == ["skewkit", "run"], line
        takes = declared(find(words[2]))
        pairs = [(words[i + 1], words[i + 2]) for i, w in enumerate(words) if w == "-p"]
        values = checked(given([], pairs, takes), takes, words[2])
        if words[2] == "drill":
            cells = play("drill", **values)["drill"]
            wanted = {"parity", "schema"} if SKEWS[cells[-1].skews[0]["skew"]].whole else {"parity"}
            assert cells[0].noticed == () and wanted & set(cells[-1].noticed)


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
