"""What the README tells people to do, done."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

from .conftest import ROOT

TEXT = (ROOT / "README.md").read_text()


def test_adding_a_skew_is_one_file_and_one_runbook(tmp_path):
    """The README's example, added to a copy of the package, passes every law and the tests of its page."""
    for folder in ("skewkit", "tests", "runbooks", "notebooks"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "CONTRIBUTING.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    code = re.search(r"`skewkit/skews/stuck.py`:\n\n```python\n(.*?)```", TEXT, re.S)[1]
    page = re.search(r"````markdown\n(.*?)````", TEXT, re.S)[1]
    (tmp_path / "skewkit" / "skews" / "stuck.py").write_text(code)
    (tmp_path / "runbooks" / "stuck.md").write_text(page)
    index = tmp_path / "runbooks" / "README.md"
    index.write_text(
        index.read_text().replace("| [time_zone]", "| [stuck](stuck.md) | a sensor repeats one value |\n| [time_zone]")
    )
    asked = ["-k", "stuck or Stuck", "tests/test_skews.py", "tests/test_runbooks.py"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *asked],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    passed = re.search(r"(\d+) passed", ran.stdout)
    assert ran.returncode == 0 and int(passed[1]) > 25, ran.stdout[-3_000:]
    listed = subprocess.run(
        [sys.executable, "-c", "import skewkit.skews as s; print(s.__file__, sorted(s.SKEWS))"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert str(tmp_path) in listed.stdout and "'stuck'" in listed.stdout


def test_a_past_day_is_rebuilt(capsys):
    """With the lookup as it stood everything agrees; with today's the raised country's rows differ, and no others."""
    section = re.search(r"## Rebuild what was served.*?\n## ", TEXT, re.S)[0]
    names: dict = {}
    exec(re.search(r"```python\n(.*?)```", section, re.S)[1], names)
    assert capsys.readouterr().out == re.search(r"```text\n(.*?)```", section, re.S)[1]
    day, pairs = names["day"], names["case"].pairs
    wrong = pairs.columns("request")[1][pairs.agreement("risk").rows]
    assert set(wrong) == set(day.request[day.country == "DE"]) and len(wrong) > 1_000
