"""`skewkit baseline`: a profile of a training table, kept beside the model."""

from __future__ import annotations

from pathlib import Path

from ..records import TASKS, SkewkitError

ROLES = {
    "key": "the column that names each request",
    "entity": "whom a request is about; give it if later checks are given it",
    "time": "when a request was made; give it if later checks are given it",
    "label": "what came true; no feature",
    "prediction": "the model's score; no feature",
}


def arguments(parser) -> None:
    """What the command takes."""
    parser.add_argument("training", help="a path or a glob of Parquet or CSV files; ${NAME} is read and never written")
    parser.add_argument("-o", "--out", required=True, type=Path, help="where to write it, like model.baseline.json")
    for role, what in ROLES.items():
        parser.add_argument(f"--{role}", help=what)
    parser.add_argument("--features", default="", help="columns, like a,b; all but those above when not given")
    parser.add_argument("--lineage", default="", help="columns of hashes, like model_hash; no features")
    parser.add_argument("--task", default="binary", choices=TASKS)
    parser.add_argument("--time-zone", default="", help="the zone that a naive time was written in")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")


def command(asked) -> int:
    """Make it and write it; gives the exit code."""
    from ..profiling import baseline

    if asked.out.suffix != ".json":
        raise SkewkitError(f"baseline: {asked.out} was asked; name a file that ends in .json, by which it is known")
    if asked.out.exists() and not asked.force:
        raise SkewkitError(f"baseline: {asked.out} is there already; name another file with -o, or say --force")
    roles = {role: getattr(asked, role) for role in ROLES}
    listed = {n: [c.strip() for c in getattr(asked, n).split(",") if c.strip()] for n in ("features", "lineage")}
    made = baseline(asked.training, **roles, **listed, task=asked.task, time_zone=asked.time_zone)
    made.write(asked.out)
    size = asked.out.stat().st_size / 1_000
    print(
        f"{asked.out}: {len(made.roles.features)} features of {len(made):,} rows, {size:,.0f} kB, {made.content['sha256'][:12]}"
    )
    return 0
