"""The command line: `skewkit run`, `status`, `prune`, `blind`, `contract` and `baseline`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from .commands import baseline as baseline_command
from .commands import blind as blind_command
from .commands import contract as contract_command
from .records import SkewkitError

CODES = """exit codes: 0 ok, 3 warn, 4 breach, 5 inconclusive; 2 refused before a kernel started, 124 timed out,
138 the kernel died, 1 anything else that failed. Of a candidate (shadow): 0 promote, 3 hold, 4 roll back. An error outranks a finding."""


def main(argv: list[str] | None = None) -> int:
    """Run a command; gives the exit code."""
    parser = argparse.ArgumentParser("skewkit", description="Drill, check and report training-serving skew.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a notebook through papermill", epilog=CODES)
    run.add_argument("name", help="the notebook: drill for notebooks/2_drill.ipynb")
    run.add_argument("-f", "--file", action="append", default=[], help="a YAML file of parameters; a later one wins")
    run.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    run.add_argument("--runs", default="runs", help="the folder of runs (default: runs)")
    run.add_argument("--limit", type=float, default=3600.0, help="seconds the whole run may take (default: 3600)")
    run.add_argument("--dry-run", action="store_true", help="only say what would be read, and how long it may take")
    status = commands.add_parser("status", help="what the last run found")
    status.add_argument("--runs", default="runs")
    status.add_argument(
        "--within", type=float, metavar="HOURS", help="exit with 1 where the newest whole run of a notebook is older"
    )
    prune = commands.add_parser("prune", help="delete old run folders")
    prune.add_argument("--runs", default="runs")
    prune.add_argument("--keep", type=int, default=30, help="whole runs of each notebook to keep (default: 30)")
    prune.add_argument("--days", type=float, help="and none older than this, but the newest of each notebook")
    prune.add_argument("--dry-run", action="store_true", help="only say what would go")
    contract_command.arguments(commands.add_parser("contract", help="infer, review or test a contract"))
    blind_command.arguments(commands.add_parser("blind", help="a drill whose team is not told what was planted"))
    baseline_command.arguments(commands.add_parser("baseline", help="profile a training table, to check against later"))
    asked = parser.parse_args(argv)
    made = {"contract": contract_command.command, "baseline": baseline_command.command, "blind": blind_command.command}
    try:
        return {"run": _run, "status": _status, "prune": _prune, **made}[asked.command](asked)
    except SkewkitError as e:
        print(f"skewkit: {e}", file=sys.stderr)
        return 2


def _run(asked) -> int:
    from .notebook import run
    from .plan import plan

    if asked.dry_run:
        print("\n".join(plan(asked.name, asked.file, asked.parameter, Path(asked.runs))))
        return 0
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that it tidies up as after Ctrl-C
    return run(asked.name, asked.file, asked.parameter, Path(asked.runs), asked.limit)


def _prune(asked) -> int:
    from .report.history import prune

    gone = prune(Path(asked.runs), asked.keep, asked.days, asked.dry_run)
    for folder in gone:
        print(f"{'would delete' if asked.dry_run else 'deleted'} {folder.name}")
    print(f"{len(gone)} of the folders in {asked.runs}")
    return 0


def _status(asked) -> int:
    """The newest run of each notebook, and the matrix of the newest drill."""
    from .report.history import age, results
    from .report.page import matrix_text, summary

    runs, newest = Path(asked.runs), {}
    failed = sorted(p for p in runs.glob("[0-9]*.failed") if p.is_dir())
    for folder, result in results(runs):
        newest.setdefault(result["notebook"], (folder, result))
    last = max((f.name for f, _ in newest.values()), default="")
    for folder in (p for p in failed if p.name > last):  # since the last run that was whole
        why = (folder / "error.txt").read_text("utf-8").strip() if (folder / "error.txt").exists() else "no reason left"
        print(f"{'failed':<12} {folder.name}  {why}")
    if failed and not newest:
        return 1
    if not newest:
        raise SkewkitError(f"there is no finished run in {runs}; begin one with: skewkit run check -f params.yaml")
    for folder, result in newest.values():
        print(f"{result['verdict']:<12} {folder.name}  {result['seconds']:.0f} s  {summary(result)}")
    for _, result in newest.values():
        if result["drill"]:
            print("\n" + matrix_text(result))
    late = [f.name for f, _ in newest.values() if asked.within is not None and age(f) * 24 > asked.within]
    for name in late:
        print(f"{'late':<12} {name}  began more than {asked.within:g} hours ago. Open runbooks/check_failed.md.")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
