"""Past runs: what is like what, what changed since, which may go; and what a run would read before it runs."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml

import skewkit as sk
from skewkit import examples
from skewkit.__main__ import main
from skewkit.plan import STARTING
from skewkit.records import SkewkitError
from skewkit.report.history import RUN, last_like, prune, results, since
from skewkit.report.page import page
from skewkit.report.run import begin, new_id

from .conftest import ROLES

TABLES = {n: f"{n}.parquet" for n in ("training", "served", "replayed")}


def stamp(days=0.0, hours=0.0):
    return f"{datetime.now(UTC) - timedelta(days=days, hours=hours):%Y%m%dT%H%M%SZ}"


def finding(verdict, feature="x", accepted=None, **about):
    plain = {"check": "parity", "change": "skew", "feature": feature, "segment": None, "statistic": "differ"}
    return {**plain, **about, "verdict": verdict, "accepted": accepted}


def result(name, verdict="ok", findings=(), drill=(), **parameters):
    """As much of a result as history reads."""
    given = {"training": "t.parquet", "key": "k", "features": [], "segments": []} | parameters
    about = {"run_id": name, "notebook": name.split("Z-")[1].rpartition("-")[0], "started": "2026-01-01T00:00:00+00:00"}
    return {**about, "seconds": 1.0, "parameters": given, "inputs": [], "verdict": verdict, "findings": list(findings), "drill": list(drill)}  # fmt: skip


def put(runs, made):
    (runs / made["run_id"]).mkdir(parents=True)
    (runs / made["run_id"] / "result.json").write_text(json.dumps(made))
    return made


def names(folders):
    return [p.name for p in folders]


def left(runs):
    return sorted(p.name for p in runs.iterdir())


# -- results, and the one before


def test_a_run_is_called_as_history_reads_it():
    """Of every notebook's name; and nothing else is a run."""
    for name in ("check", "drill", "my-check", "own_2"):
        assert (
            RUN.fullmatch(new_id(name))
            and RUN.fullmatch(f".{new_id(name)}")
            and RUN.fullmatch(f"{new_id(name)}.failed")
        )
    assert not any(map(RUN.fullmatch, ("latest", "2026-01-01", "20260101T000000Z", "20260101T000000Z-check-abcd.old")))


def test_results_are_whole_runs_newest_first(tmp_path):
    """Failed and staged ones, other folders, what is no result and what lacks half of one are passed over."""
    for name in ("20260101T000000Z-check-aaaa", "20260103T000000Z-check-aaaa", "20260102T000000Z-drill-aaaa"):
        put(tmp_path, result(name))
    put(tmp_path, result("20260104T000000Z-check-more-aaaa"))
    for odd in ("20260105T000000Z-check-aaaa.failed", ".20260105T000000Z-check-aaaa", "20260105-notes"):
        (tmp_path / odd).mkdir()
        (tmp_path / odd / "result.json").write_text(json.dumps(result("20260105T000000Z-check-aaaa")))
    for i, text in enumerate(("{", "[1]", "{}", "null", '{"run_id": "x"}')):
        (tmp_path / f"20260106T00000{i}Z-check-aaaa").mkdir()
        (tmp_path / f"20260106T00000{i}Z-check-aaaa" / "result.json").write_text(text)
    (tmp_path / "20260107T000000Z-check-aaaa").mkdir()
    days = [f.name[6:8] for f, _ in results(tmp_path)]
    assert days == ["04", "03", "02", "01"]
    assert [f.name[6:8] for f, _ in results(tmp_path, "check")] == ["03", "01"]
    assert list(results(tmp_path / "nowhere")) == []


def test_the_last_like_is_the_newest_before_of_the_same_thing(tmp_path):
    """Not a later one, nor one of another training table, key, features or segments, nor a drill."""
    wanted = put(tmp_path, result("20260102T000000Z-check-aaaa"))
    put(tmp_path, result("20260101T000000Z-check-aaaa"))
    for day, changes in enumerate(
        ({"training": "u.parquet"}, {"key": "j"}, {"features": ["a"]}, {"segments": ["c"]}), 3
    ):
        put(tmp_path, result(f"2026010{day}T000000Z-check-aaaa", **changes))
    put(tmp_path, result("20260108T000000Z-check-aaaa", drill=[{}]))
    put(tmp_path, result("20260109T000000Z-drill-aaaa"))
    now = result("20260110T000000Z-check-aaaa", served="tonight.parquet", policy="mine.yaml")
    put(tmp_path, result("20260111T000000Z-check-aaaa"))
    assert last_like(tmp_path, now) == wanted
    assert last_like(tmp_path, result("20251231T000000Z-check-aaaa")) is None
    assert last_like(tmp_path / "nowhere", now) is None


def test_since_tells_what_began_grew_and_ended():
    """By hand: one new, one louder, one softer and one as it was are now there; one ended; what is accepted is not there."""
    before = [
        finding("warn", "louder"),
        finding("breach", "softer"),
        finding("warn", "same"),
        finding("breach", "ended"),
        finding("breach", "was accepted", accepted="until"),
        finding("breach", "now accepted"),
        finding("inconclusive", "unsure"),
        finding("breach", "here", segment="c=DE"),
    ]
    now = [
        finding("breach", "louder"),
        finding("warn", "softer"),
        finding("warn", "same"),
        finding("ok", "ended"),
        finding("breach", "was accepted"),
        finding("breach", "now accepted", accepted="until"),
        finding("inconclusive", "unsure"),
        finding("breach", "new"),
        finding(None, "described"),
        finding("breach", "here", segment="c=US"),
    ]
    told = since(result("20260101T000000Z-check-aaaa", "warn", before), now, "breach")
    assert [(f["feature"], f["segment"]) for f in told["begun"]] == [
        ("louder", None),
        ("was accepted", None),
        ("new", None),
        ("here", "c=US"),
    ]
    assert [(f["feature"], f["segment"]) for f in told["ended"]] == [
        ("ended", None),
        ("now accepted", None),
        ("here", "c=DE"),
    ]
    assert told["still"] == 2 and told["verdict"] == "warn" and told["changed"]
    assert not since(result("20260101T000000Z-check-aaaa", "ok"), [], "ok")["changed"]


def test_the_page_says_what_changed_since_the_last_run(folder):
    """A fault begins, stays, and ends: each run tells it of the one before; another training table has none before it."""
    replayed = pd.read_parquet("replayed.parquet")

    def ran(served, **changes):
        files = {**TABLES, **changes}
        case = sk.compare(files["training"], served, files["replayed"], **ROLES)
        where = begin("check", **files, **ROLES).finish(sk.examine(case))
        os.rename(where, where.with_name(f"2024010{len(seen) + 1}T000000Z-check-{where.name[-4:]}"))
        seen.append(json.loads(next(where.parent.glob(f"2024010{len(seen) + 1}T*/result.json")).read_text()))
        return seen[-1]

    seen: list = []
    assert ran(replayed)["last"] is None
    begun = ran("served.parquet")
    assert {f["feature"] for f in begun["last"]["begun"] if f["statistic"] == "differ"} == {"hour", "weekday"}
    assert begun["last"]["verdict"] != "breach" and begun["last"]["changed"] and begun["last"]["ended"] == []
    still = ran("served.parquet")["last"]
    assert (
        still["begun"] == still["ended"] == []
        and still["still"] == len(begun["last"]["begun"]) + begun["last"]["still"]
    )
    over = ran(replayed)
    assert over["last"]["ended"] == begun["last"]["begun"] and over["last"]["begun"] == []
    pd.read_parquet("training.parquet").to_parquet("other.parquet")
    assert ran("served.parquet", training="other.parquet")["last"] is None
    texts = [page(r) for r in seen]
    assert ["Since the last run" in t for t in texts] == [False, True, True, True, False]
    assert (
        "New or louder: hour: parity differ (skew)" in texts[1] and "No longer: hour: parity differ (skew)" in texts[3]
    )
    assert "Breach then as now" in texts[2]


def test_a_drill_has_no_run_before_it(folder):
    """Its alarms are planted: they are no news."""
    served = pd.read_parquet("replayed.parquet").head(400)
    case = sk.own(served=served, key="request", label="fraud", prediction="score", features=["amount"])
    skews = [{"skew": "unit_change", "features": ["amount"], "factor": 2}]
    for _ in range(2):
        where = begin("drill", training="t").finish(sk.drill(case, skews, severities=[1]))
    assert json.loads((where / "result.json").read_text())["last"] is None


# -- prune


@pytest.fixture
def runs(tmp_path):
    """Five checks and three drills a day apart, failed and staged ones, and what is not skewkit's."""
    for day in range(5):
        put(tmp_path, result(f"{stamp(day)}-check-aaaa"))
    for day in range(10, 13):
        put(tmp_path, result(f"{stamp(day)}-drill-aaaa"))
    for name in (f"{stamp(20)}-check-bbbb.failed", f".{stamp(2)}-check-cccc", "notes", "20260101", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "20260101T000000Z-check-dddd").write_text("a file")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").write_text("x")
    (tmp_path / f"{stamp(30)}-check-eeee").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "latest").symlink_to(sorted(tmp_path.glob("*-check-aaaa"))[-1].name)
    return tmp_path


def kinds(folders):
    return sorted(p.name.split("Z-")[1] for p in folders)


def test_prune_keeps_the_newest_of_each_notebook(runs):
    """Two of each stay; failed ones before the newest and what was left staged go; nothing foreign is touched."""
    foreign = {p.name for p in runs.iterdir() if not RUN.fullmatch(p.name) or p.is_symlink() or p.is_file()}
    gone = prune(runs, keep=2)
    assert kinds(gone) == ["check-aaaa"] * 3 + ["check-bbbb.failed", "check-cccc", "drill-aaaa"]
    kept = {p.name for p in runs.iterdir()}
    assert foreign <= kept and not {p.name for p in gone} & kept and (runs / "elsewhere" / "kept").exists()
    assert kinds(runs / n for n in kept - foreign) == ["check-aaaa"] * 2 + ["drill-aaaa"] * 2
    newest = sorted(p for p in kept if "-check-aaaa" in p)
    assert (runs / "latest").resolve().name == newest[-1] and prune(runs, keep=2) == []


def test_prune_by_age_leaves_the_newest_of_each(runs):
    """None older than a day and a half, but of the drills, which all are, the newest."""
    prune(runs, days=1.5)
    assert kinds(p for p in runs.iterdir() if RUN.fullmatch(p.name) and p.is_dir() and not p.is_symlink()) == [
        "check-aaaa", "check-aaaa", "drill-aaaa",
    ]  # fmt: skip


def test_what_latest_points_at_stays(runs):
    """Though it is the oldest."""
    oldest = sorted(runs.glob("*-check-aaaa"))[0].name
    (runs / "latest").unlink()
    (runs / "latest").symlink_to(oldest)
    prune(runs, keep=1)
    assert (runs / "latest" / "result.json").exists() and len(list(runs.glob("*-check-aaaa"))) == 2


def test_a_dry_run_deletes_nothing_and_says_what_would_go(runs, capsys):
    """The same names as the real one, which then deletes them."""
    before = left(runs)
    asked = names(prune(runs, keep=2, dry=True))
    assert left(runs) == before
    assert main(["prune", "--runs", str(runs), "--keep", "2", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert left(runs) == before and all(f"would delete {n}" in said for n in asked) and f"{len(asked)} of" in said
    assert main(["prune", "--runs", str(runs), "--keep", "2"]) == 0
    assert sorted({*before} - {*left(runs)}) == sorted(asked) and "would" not in capsys.readouterr().out


def test_a_run_in_progress_stays(runs):
    """Staged an hour ago: it may be writing; and a failed one since the newest whole run may be looked at."""
    busy, fresh = runs / f".{stamp(hours=1)}-check-ffff", runs / f"{stamp(-1)}-check-ffff.failed"
    busy.mkdir()
    fresh.mkdir()
    prune(runs, keep=1, days=0.001)
    assert busy.exists() and fresh.exists() and not list(runs.glob(".*-check-cccc"))


@pytest.mark.parametrize("asked", [{"keep": 0}, {"keep": -1}, {"days": 0}, {"days": -3}, {"days": float("nan")}])
def test_prune_refuses_to_keep_nothing(runs, asked):
    """No run, or none of any age; nothing is deleted."""
    before = left(runs)
    with pytest.raises(SkewkitError, match="at least 1"):
        prune(runs, **asked)
    assert left(runs) == before


def test_prune_of_no_folder_is_refused(tmp_path, capsys):
    """Exit 2, and what to give."""
    assert main(["prune", "--runs", str(tmp_path / "gone")]) == 2 and "--runs" in capsys.readouterr().err
    assert main(["prune", "--runs", str(tmp_path), "--keep", "0"]) == 2


# -- what a run would read


def dry(folder, capsys, **changes):
    (folder / "p.yaml").write_text(yaml.safe_dump({**TABLES, **ROLES, **changes}))
    code = main(["run", "check", "-f", "p.yaml", "--dry-run"])
    return code, capsys.readouterr().out


def test_a_dry_run_reads_no_row_and_starts_no_kernel(folder, capsys, monkeypatch):
    """It says of each table its rows, columns, files and size, and a number of seconds; no folder appears."""
    from skewkit import notebook

    monkeypatch.setattr(notebook, "_execute", lambda *a: pytest.fail("a kernel was started"))
    before = left(folder)
    code, said = dry(folder, capsys)
    assert code == 0 and left(folder) == sorted([*before, "p.yaml"])
    size = Path("training.parquet").stat().st_size / 1e6
    assert f"training: 2,000 rows, {examples.table(5).shape[1]} columns, 1 file, {size:,.1f} MB" in said
    assert all(f"{role}: 2,000 rows" in said for role in TABLES) and "3_check.ipynb would be run with" in said
    assert "about" in said.splitlines()[-1] and " s" in said.splitlines()[-1]


def test_a_dry_run_goes_by_the_last_run(folder, capsys):
    """Twice the values take twice the seconds of the run that it names."""
    name = "20260101T000000Z-check-aaaa"
    cells = 3 * 2_000 * examples.table(5).shape[1]
    made = result(name) | {
        "seconds": 30.0,
        "inputs": [{"rows": cells // 2, "columns": 1}, {"rows": None, "columns": None}],
    }
    put(folder / "runs", made)
    said = dry(folder, capsys)[1].splitlines()[-1]
    assert f"{name} took 30 s for {cells // 2:,} values" in said
    assert 60 <= int(said.split()[1]) <= 60 + STARTING  # of which a kernel's start may be told apart


def test_a_dry_run_says_which_table_is_missing(folder, capsys):
    """And goes on with the others; no run begins."""
    code, said = dry(folder, capsys, served="gone.parquet")
    assert code == 0 and "served: cannot be read." in said and "no file at gone.parquet" in said
    assert "training: 2,000 rows" in said and not (folder / "runs").exists()


@pytest.mark.parametrize(
    "words",
    [["chek"], ["check", "-p", "trainning", "x"], ["check", "-p", "sample", "many"], ["check", "-f", "gone.yaml"]],
)
def test_a_dry_run_refuses_what_a_run_would(words, folder, capsys):
    """Exit 2, and nothing written."""
    assert main(["run", *words, "--dry-run"]) == 2
    assert capsys.readouterr().err and not (folder / "runs").exists()


def test_a_dry_run_prints_no_secret(folder, capsys, monkeypatch):
    """What ${NAME} stands for is in no line, whether the table is there or not; a name that is not set is refused."""
    (folder / "hunter2").mkdir()
    (folder / "served.parquet").rename(folder / "hunter2" / "served.parquet")
    monkeypatch.setenv("TOKEN", "hunter2")
    code, said = dry(folder, capsys, served="${TOKEN}/served.parquet", replayed="${TOKEN}/gone.parquet")
    assert code == 0 and "hunter2" not in said and "served: 2,000 rows" in said and "${TOKEN}/gone.parquet" in said
    assert dry(folder, capsys, served="${NOT_SET_AT_ALL}/served.parquet")[0] == 2


def test_a_dry_run_counts_the_rows_of_an_engine(folder, capsys):
    """A table of a database: its rows and columns, and that they stay there."""
    asked = "duckdb://#SELECT range AS x, 1 AS y FROM range(70)"
    assert main(["run", "check", "--dry-run", "-p", "training", asked, "-p", "served", asked]) == 0
    assert "served: 70 rows, 2 columns, which stay in duckdb" in capsys.readouterr().out
