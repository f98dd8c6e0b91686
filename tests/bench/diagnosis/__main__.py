"""`python -m tests.bench.diagnosis make OUT [--part 0.1]`, `run OUT ANSWERS [--regime R] [--some N]`, `score OUT ANSWERS`,
`datadiff make|run|score OUT [ANSWERS]`."""

from __future__ import annotations

import argparse
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.bench.diagnosis", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    make = verbs.add_parser("make")
    make.add_argument("out", type=Path)
    make.add_argument("--part", type=float, default=1.0)
    run = verbs.add_parser("run")
    run.add_argument("out", type=Path)
    run.add_argument("answers", type=Path)
    run.add_argument("--regime", choices=("unpaired", "paired", "events"))
    run.add_argument("--some", type=int)
    score = verbs.add_parser("score")
    score.add_argument("out", type=Path)
    score.add_argument("answers", type=Path)
    other = verbs.add_parser("datadiff")
    other.add_argument("what", choices=("make", "run", "score"))
    other.add_argument("out", type=Path)
    other.add_argument("answers", type=Path, nargs="?")
    asked = parser.parse_args()
    if asked.verb == "make":
        from .make import FROZEN, make

        said = make(asked.out, asked.part)
        size = sum(p.stat().st_size for p in asked.out.rglob("*") if p.is_file())
        frozen = FROZEN.read_text().split()[0] if FROZEN.exists() and asked.part == 1 else ""
        print(
            f"sha256 {said}, {size / 1e6:.1f} MB",
            "" if not frozen else "as frozen" if said == frozen else f"but {frozen} is frozen",
        )
    elif asked.verb == "run":
        from .run import run

        run(asked.out, asked.answers, asked.regime, asked.some)
    elif asked.verb == "score":
        from .score import report

        print(report(asked.out, asked.answers))
    else:
        from . import datadiff

        print(getattr(datadiff, asked.what)(*[p for p in (asked.out, asked.answers) if p]))


if __name__ == "__main__":
    main()
