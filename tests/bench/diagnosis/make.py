"""All cases, written: 600 of one skew (a third by other code), 100 mixtures, controls, and the limits with their twins."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .cases import write_base, write_case
from .controls import clean_cases, drift_cases, wide
from .limits import edges, limit_cases
from .mixtures import mixture_cases
from .planting import outside_cases
from .worlds import borrowed, made

COUNTS = {"planted": 400, "outside": 200, "mixtures": 100, "clean": 200, "drift": 20, "limits": 50}
FROZEN = Path(__file__).with_name("frozen.txt")


def make(out: str | Path, part: float = 1.0) -> str:
    """Write the benchmark, or a ``part`` (0 to 1) of each kind of case, to a new folder; its hash over every file."""
    from .with_skewkit import grounds, planted_cases

    out = Path(out)
    if out.exists() and any(out.iterdir()):
        raise SystemExit(f"{out} holds files already; give a new folder")
    count = {k: max(1, round(n * part)) for k, n in COUNTS.items()}
    own, others = made(), borrowed()
    worlds, (still, moving), edge = {**own, **others}, wide(), edges()
    bases = [g.base for g in grounds().values()] + [w.base for w in worlds.values()] + [*still, *moving, edge.base]
    for base in bases:
        write_base(out, base)
    every = (
        planted_cases(count["planted"]),
        outside_cases(worlds, count["outside"]),
        mixture_cases(worlds, count["mixtures"]),
        clean_cases(still, own, count["clean"]),
        drift_cases(moving, count["drift"]),
        limit_cases(edge, own["rides"], count["limits"]),
    )
    for cases in every:
        for c in cases:
            write_case(out, c.name, c.base, c.rows, c.tables, c.regimes, c.truth)
    return digest(out)


def digest(out: str | Path) -> str:
    """A hash over every file's name and bytes, in hexadecimal."""
    said = hashlib.sha256()
    for path in sorted(p for p in Path(out).rglob("*") if p.is_file()):
        said.update(path.relative_to(out).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return said.hexdigest()
