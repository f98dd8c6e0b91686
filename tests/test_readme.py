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


def test_a_service_logs_and_its_night_goes_well(tmp_path, monkeypatch, capsys):
    """The README's service, with a stand-in for its framework, serves 3,000 requests; then its night, with one fault and without."""
    import asyncio
    import sys
    from types import ModuleType, SimpleNamespace

    import pandas as pd

    section = re.search(r"## Log what you serve.*?\n## ", TEXT, re.S)[0]
    service, night = re.findall(r"```python\n(.*?)```", section, re.S)
    times = pd.date_range("2024-06-01", periods=3_000, freq="20s", tz="UTC")
    payments = [{"id": f"p{i}", "order": f"o{i}", "account": i % 50, "amount": i % 97 + 0.5} for i in range(3_000)]
    requests = pd.DataFrame(payments).rename(columns={"id": "request_id"})
    requests.assign(log_amount=requests["amount"] * 2).to_parquet(tmp_path / "train.parquet")
    requests.rename(columns={"request_id": "id"}).to_parquet(tmp_path / "requests.parquet")
    known = requests.assign(join_key=requests["order"], fraud=0.0, reported=times + pd.Timedelta("1D"))
    known[["join_key", "fraud", "reported"]].to_parquet(tmp_path / "labels.parquet")
    monkeypatch.chdir(tmp_path)
    said = []
    for factor in (2, 3):
        app = SimpleNamespace(post=lambda path: lambda handler: handler)
        made = SimpleNamespace()
        fastapi, team = ModuleType("fastapi"), ModuleType("team")
        fastapi.FastAPI = lambda lifespan, made=made, app=app: vars(made).update(lifespan=lifespan) or app
        team.compute = lambda payment, factor=factor: {"log_amount": payment["amount"] * factor}
        team.model = lambda features: features["log_amount"] / 1e3
        team.replay = lambda log: log[["request_id"]].merge(requests.assign(log_amount=requests["amount"] * 2))
        monkeypatch.setitem(sys.modules, "fastapi", fastapi)
        monkeypatch.setitem(sys.modules, "team", team)
        names: dict = {}
        text = service.replace("share=0.01", "share=1.0").replace('FeatureLog("log"', f'FeatureLog("log{factor}"')
        exec(text, names)
        clock = iter(times)
        log = names["log"]
        names["log"] = lambda *a, log=log, clock=clock, **k: log(*a, time=next(clock), **k)
        served = [names["score"](p) for p in payments]
        assert served[1] == {"score": 1.5 * factor / 1e3}
        names["log"] = log

        async def end(made=made):
            async with made.lifespan(None):
                pass

        asyncio.run(end())
        exec(night.replace('read_log("log"', f'read_log("log{factor}"'), after := {})
        assert after["batch"].counts["labelled"] == 3_000
        said.append(capsys.readouterr().out.split())
    assert said[0][0] == said[1][0] == "ok" and said[0][1] != "breach" and said[1][1] == "breach"
