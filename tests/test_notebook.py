"""The runner: parameters, exit codes, run folders; and the traps in which papermill looks like success."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pandas as pd
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from skewkit.__main__ import main
from skewkit.notebook import Refused, checked, declared, find, given
from skewkit.records import SkewkitError
from skewkit.report.run import validate

from .conftest import ROLES, ROOT, play

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PARAMETERS = {"training": "training.parquet", "served": "served.parquet", "replayed": "replayed.parquet", **ROLES}


def command(*words):
    """The command line in this process; gives its exit code."""
    return main([str(w) for w in words])


def write_parameters(folder, **changes):
    import yaml

    (folder / "params.yaml").write_text(yaml.safe_dump({**PARAMETERS, **changes}))
    return ["-f", "params.yaml"]


def notebook(folder, *sources, parameters="x: int = 1  # a number"):
    """A notebook 9_trap.ipynb of these cells in a folder of notebooks."""
    cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]}), *map(new_code_cell, sources)]
    made = new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    (folder / "notebooks").mkdir(exist_ok=True)
    nbformat.write(made, folder / "notebooks" / "9_trap.ipynb")


WRITES = """
import json, os, pathlib
aside = pathlib.Path(os.environ["SKEWKIT_RUN"])
result = {"schema": 1, "run_id": aside.name.lstrip("."), "notebook": "trap", "started": "2024-01-01T00:00:00+00:00", "seconds": 0,
          "parameters": {}, "inputs": [], "verdict": "ok", "findings": [], "impact": [], "fits": [], "not_run": [], "drill": [],
          "environment": {}}
(aside / "result.json").write_text(json.dumps(result))
"""


def failed(folder):
    """The one folder of a run that failed; nothing else may have been left."""
    (only,) = [p for p in (folder / "runs").iterdir()]
    assert only.name.endswith(".failed") and not (folder / "runs" / "latest").exists()
    return only


# -- a run that goes well


def test_a_check_ends_in_a_result_a_page_and_its_notebook(folder, capsys):
    """Breach gives 4; the run folder holds the three files, and latest points at it."""
    code = command("run", "check", *write_parameters(folder))
    assert code == 4
    latest = folder / "runs" / "latest"
    result = json.loads((latest / "result.json").read_text())
    validate(result)
    assert result["run_id"] == latest.resolve().name and result["verdict"] == "breach"
    assert sorted(p.name for p in latest.iterdir()) == ["notebook.ipynb", "report.html", "result.json"]
    assert [p.name for p in (folder / "runs").iterdir() if p.name.startswith(".")] == []
    said = capsys.readouterr().out
    assert "hour" in said and "report.html" in said and "peak" in said
    assert command("status") == 0 and "breach" in capsys.readouterr().out


def test_the_same_inputs_give_the_same_result_byte_for_byte(folder):
    """But for its id and its clock, and for what it says of the run before."""
    texts = []
    for runs in ("one", "two"):
        command("run", "check", *write_parameters(folder), "--runs", runs)
        result = json.loads((folder / runs / "latest" / "result.json").read_text())
        texts.append(json.dumps({**result, "run_id": "", "started": "", "seconds": 0}))
    assert texts[0] == texts[1]


def test_plain_papermill_works_too(folder):
    """No runner, no wrapper: a run folder of its own."""
    write_parameters(folder)
    done = subprocess.run(
        [sys.executable, "-m", "papermill", ROOT / "notebooks" / "3_check.ipynb", "out.ipynb", "-f", "params.yaml", "--no-progress-bar"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "unknown parameter" not in done.stderr
    validate(json.loads((folder / "runs" / "latest" / "result.json").read_text()))
    assert (folder / "runs" / "latest" / "report.html").exists()


def test_secrets_reach_no_output(folder, monkeypatch):
    """What ${NAME} stands for is in no byte of the run folder, well or failed."""
    monkeypatch.setenv("SECRET_FOLDER", str(folder))
    (folder / "hunter2").mkdir()
    (folder / "served.parquet").rename(folder / "hunter2" / "served.parquet")
    monkeypatch.setenv("TOKEN", "hunter2")
    assert command("run", "check", *write_parameters(folder, served="${TOKEN}/served.parquet")) == 4
    assert command("run", "check", *write_parameters(folder, served="${TOKEN}/gone.parquet")) == 1
    files = [p for p in (folder / "runs").rglob("*") if p.is_file()]
    assert len(files) >= 5 and not [p.name for p in files if b"hunter2" in p.read_bytes()]


# -- traps: none may look like a pass


def test_a_killed_kernel_is_138(folder):
    """Papermill's notebook says that every cell completed; the runner does not believe it."""
    notebook(folder, WRITES, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert command("run", "trap") == 138
    assert "kernel died" in (failed(folder) / "error.txt").read_text()


def test_a_cell_over_the_limit_is_124_and_nothing_is_left_running(folder):
    """The whole run has a limit; at it, papermill and its kernel end."""
    notebook(folder, WRITES, "import time; time.sleep(600)")
    begun = time.monotonic()
    assert command("run", "trap", "--limit", 6) == 124
    assert time.monotonic() - begun < 60
    assert "6 s" in (failed(folder) / "error.txt").read_text()
    assert not kernels(psutil.Process())


def kernels(process):
    """The kernels that a process has running; one that has just ended has no command line any more."""
    found = []
    for p in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [p] if "ipykernel" in " ".join(p.cmdline()) else []
    return found


def test_an_error_in_the_last_cell_is_1_though_a_result_was_written(folder, capsys):
    """An error outranks a finding."""
    notebook(folder, WRITES, "raise ValueError('at the very end')")
    assert command("run", "trap") == 1
    assert "at the very end" in capsys.readouterr().out
    assert (failed(folder) / "notebook.ipynb").exists()


def test_an_early_exit_is_1(folder):
    """sys.exit(0) ends a notebook early and papermill exits 0: without a result it has failed."""
    notebook(folder, "import sys; sys.exit(0)", WRITES)
    assert command("run", "trap") == 1
    failed(folder)


@pytest.mark.parametrize(
    "spoil",
    [
        'result["run_id"] = "another"',
        'result["verdict"] = "fine"',
        'result["seconds"] = float("nan")',
        'del result["findings"]',
        'result["surprise"] = 1',
    ],
)
def test_a_result_that_is_not_this_run_s_or_not_valid_is_1(folder, spoil):
    """A stale or half-made result is no result."""
    notebook(folder, WRITES.replace("(aside /", spoil + "\n(aside /"))
    assert command("run", "trap") == 1
    failed(folder)


def test_a_notebook_that_writes_a_valid_result_is_0(folder):
    """The control of the traps above."""
    notebook(folder, WRITES)
    assert command("run", "trap") == 0


def test_runs_at_once_in_one_folder_do_not_meet(folder):
    """Four at the same moment: each speaks to its own kernel, by sockets of its own and none in the folder."""
    notebook(folder, "import pathlib; assert not list(pathlib.Path('.').glob('*-ipc*'))", WRITES)
    runs = [
        subprocess.Popen([sys.executable, "-m", "skewkit", "run", "trap"], stdout=subprocess.PIPE) for _ in range(4)
    ]
    said = [run.communicate(timeout=600)[0].decode() for run in runs]
    assert [run.returncode for run in runs] == [0] * 4, said
    assert len([p for p in (folder / "runs").iterdir() if not p.is_symlink()]) == 4


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(how, folder):
    """Ctrl-C, or a scheduler's stop: no folder stays, hidden or not, and nothing is left running."""
    notebook(folder, "import time; time.sleep(600)")
    child = subprocess.Popen(
        [sys.executable, "-m", "skewkit", "run", "trap"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and not kernels(psutil.Process(child.pid)):
        time.sleep(0.2)
    family = psutil.Process(child.pid).children(recursive=True)
    assert family and list((folder / "runs").iterdir())
    child.send_signal(how)
    assert child.wait(60) != 0
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive and not list((folder / "runs").iterdir())


def test_a_long_run_says_how_far_it_is(folder, capfd, monkeypatch):
    """Lines as it goes, of a run on a schedule; nothing of a short one."""
    slow = "import time\nfrom skewkit import progress\nprogress.AFTER, progress.EVERY = 0.2, 0.2\n"
    loop = "for _ in progress.told(range(5), 5, 'columns'): time.sleep({})"
    notebook(folder, slow + loop.format(0.3), WRITES)
    assert main(["run", "trap"]) == 0
    assert "2 of 5 columns, about 1 s left" in capfd.readouterr().err
    notebook(folder, slow + loop.format(0.0), WRITES)
    assert main(["run", "trap"]) == 0
    assert "columns" not in capfd.readouterr().err


# -- refused before a kernel starts


REFUSED = {
    "an unknown notebook": (["run", "chek"], "there are"),
    "an unknown parameter": (["run", "check", "-p", "trainning", "x"], "it takes training"),
    "text for a number": (["run", "check", "-p", "sample", "many"], "it takes int"),
    "a number for text": (["run", "check", "-f", "time.yaml"], "YAML reads"),
    "text for a list": (["run", "drill", "-p", "severities", "0.1"], "it takes list"),
    "a name that is not set": (["run", "check", "-p", "training", "${NO_SUCH_NAME}/t.parquet"], "NO_SUCH_NAME"),
    "a replay that is no name": (["run", "check", "-p", "replay", "lambda x: x"], "dotted name"),
    "a parameter file that is not there": (["run", "check", "-f", "gone.yaml"], "gone.yaml"),
    "a parameter file that is no YAML": (["run", "check", "-f", "broken.yaml"], "not YAML"),
    "a parameter file that runs code": (["run", "check", "-f", "code.yaml"], "not YAML"),
    "a parameter file that is a list": (["run", "check", "-f", "list.yaml"], "name: value"),
    "a status of nothing": (["status", "--runs", "nowhere"], "no finished run"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_run_is_2_and_writes_nothing(what, folder, capsys):
    """Refused with what there is and what to do; no run folder, no kernel."""
    (folder / "time.yaml").write_text("time: 12:30\n")
    (folder / "broken.yaml").write_text("a: [\n")
    (folder / "list.yaml").write_text("- a\n")
    (folder / "code.yaml").write_text("training: !!python/object/apply:os.system ['touch hacked']\n")
    words, said = REFUSED[what]
    assert command(*words) == 2
    assert said in capsys.readouterr().err
    assert not (folder / "runs").exists() and not (folder / "hacked").exists()


BAD_INPUT = {
    "a missing file": ({"served": "gone.parquet"}, "no file at gone.parquet"),
    "an unreadable file": ({"served": "broken.parquet"}, "cannot be read"),
    "a missing key column": ({"key": "order_id"}, "no column 'order_id'"),
    "an empty table": ({"served": "empty.parquet"}, "no rows"),
    "a naive time": ({"served": "naive.parquet"}, "time_zone="),
}


def test_bad_input_found_later_is_1_with_the_error_that_load_gives(folder, capsys):
    """Every cell of the notebook in this process ends in the error; and one through the runner leaves no whole run."""
    served = pd.read_parquet("served.parquet")
    served.iloc[:0].to_parquet("empty.parquet")
    served.assign(asked=served["asked"].dt.tz_localize(None)).to_parquet("naive.parquet")
    Path("broken.parquet").write_bytes(b"no parquet")
    for changes, said in BAD_INPUT.values():
        with pytest.raises(SkewkitError, match=said):
            play("check", **{**PARAMETERS, **changes})
    assert not (folder / "runs").exists()
    assert command("run", "check", "--runs", "others", *write_parameters(folder, **changes)) == 1
    *_, last = (out := capsys.readouterr().out).splitlines()
    assert said in out and "Open runbooks/check_failed.md" in last
    (left,) = (folder / "others").iterdir()
    assert left.name.endswith(".failed") and said in (left / "error.txt").read_text()


# -- parameters


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_papermill_sees_every_parameter_that_we_do(path):
    """Types plain enough that papermill's own inspection lists each, with its comment."""
    import papermill

    cells = nbformat.read(path, as_version=4).cells
    if any("parameters" in c.metadata.get("tags", []) for c in cells):
        assert set(papermill.inspect_notebook(str(path))) >= set(declared(path))


@pytest.mark.parametrize("name", ["drill", "check", "shadow"])
def test_every_declared_parameter_has_a_type_and_says_what_it_is(name):
    """A parameter without a comment is a parameter nobody can use."""
    assert all(p.type and p.about for p in declared(find(name)).values())


def test_the_check_declares_what_compare_takes():
    """The notebook is a thin front of `compare`: the same names, and two of its own."""
    import inspect

    from skewkit.load.case import compare

    assert set(declared(find("check"))) == {*inspect.signature(compare).parameters, "policy", "seed"}


def test_the_shadow_declares_what_rollout_takes():
    """As the check's: the same names, and two of its own."""
    import inspect

    from skewkit.rollouts.rollouts import rollout

    assert set(declared(find("shadow"))) == {*inspect.signature(rollout).parameters, "policy", "seed"}


def test_values_from_the_command_line_are_read_as_their_type(tmp_path):
    """false is false, 12:30 is text where text is taken, and a list is JSON, or values with commas between."""
    notebook(tmp_path, parameters="flag: bool = True\nname: str = ''\nshare: float = 0.5\nlist_: list = []\nn: int = 1")
    takes = declared(tmp_path / "notebooks" / "9_trap.ipynb")
    pairs = [("flag", "false"), ("name", "12:30"), ("share", "1e-3"), ("list_", '["a", 1]'), ("n", "7")]
    assert checked(given([], pairs, takes), takes, "trap") == {
        "flag": False,
        "name": "12:30",
        "share": 0.001,
        "list_": ["a", 1],
        "n": 7,
    }
    assert checked(given([], [("list_", "a, b")], takes), takes, "trap") == {"list_": ["a", "b"]}
    assert checked(given([], [("list_", "a")], takes), takes, "trap") == {"list_": ["a"]}
    for wrong in (("flag", "maybe"), ("n", "1.5"), ("n", "true"), ("list_", "{}"), ("list_", "[a")):
        with pytest.raises(Refused):
            checked(given([], [wrong], takes), takes, "trap")


def test_later_files_and_the_command_line_win(folder):
    """A file of a team's own over the shared one, and a value by hand over both."""
    takes = declared(find("check"))
    (folder / "a.yaml").write_text("key: one\ntime: t\n")
    (folder / "b.yaml").write_text("key: two\n")
    assert given(["a.yaml", "b.yaml"], [("time", "u")], takes) == {"key": "two", "time": "u"}


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks" / "params").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_parameter_files_in_the_repository_are_valid(path):
    """Each names known parameters of the right type for the notebook its first line runs."""
    name = path.read_text().split("skewkit run ")[1].split()[0]
    takes = declared(find(name))
    checked(given([str(path)], [], takes), takes, name)


def test_the_runner_needs_no_tty_and_prints_plain_lines(folder):
    """In a cron job's mail there is no progress bar, and nothing of papermill's own chatter."""
    write_parameters(folder)
    done = subprocess.run(
        [sys.executable, "-m", "skewkit", "run", "check", "-f", "params.yaml"], capture_output=True, text=True, timeout=300,
        env={**os.environ, "TERM": "dumb"},
    )  # fmt: skip
    assert done.returncode == 4
    assert "\r" not in done.stdout + done.stderr and "Executing" not in done.stderr and "Finding(" not in done.stderr
    assert len(done.stderr.splitlines()) < 10, done.stderr
