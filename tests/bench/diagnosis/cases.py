"""The files of the benchmark: how a case is written and read. Plain pandas, so that any tool can use it.

`OUT/tables/<base>.json` names a base's tables and roles; `OUT/cases/<id>.json` which of its rows a case takes, and
`OUT/cases/<id>_<table>.parquet` the columns of that table that are other than the base's, by key. `OUT/truth/<id>.json`
says what was done; nothing that `load` gives does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

TABLES = ("training", "replayed", "served")
REGIMES = ("unpaired", "paired", "events")


@dataclass(frozen=True)
class Base:
    """Tables that many cases take their rows from.

    ``roles`` has key, entity, time, label, segments and features; ``events`` maps a table of raw events to its frame,
    ``spec`` the same name to ``{"entity": [...], "happened", "known", "values"}``. ``shares`` may name another base whose
    training table this one has.
    """

    name: str
    training: pd.DataFrame
    replayed: pd.DataFrame
    roles: Mapping
    events: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    spec: Mapping[str, Mapping] = field(default_factory=dict)
    shares: str = ""


@dataclass(frozen=True)
class Rows:
    """Which rows of a base's table: ``n`` of them by a hash with ``seed``, of whole entities where ``by`` names a column."""

    n: int
    seed: int
    by: str = ""

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        who = pd.factorize(table[self.by])[0] if self.by else np.arange(len(table))
        first = np.lexsort((np.arange(len(table)), mixed(who, self.seed)))[: self.n]
        return table.iloc[np.sort(first)].reset_index(drop=True)


def mixed(numbers, seed: int) -> np.ndarray:
    """An arbitrary 64-bit number from each whole number, the same in every version of every library."""
    with np.errstate(over="ignore"):
        z = np.asarray(numbers).astype("u8") * np.uint64(0xD1342543DE82EF95) + np.uint64(
            (seed * 2 + 1) * 0x2545F491 + 77
        )
        for shift in (29, 32):
            z = (z ^ (z >> np.uint64(shift))) * np.uint64(0xAF251AF3B0F025B5)
    return z ^ (z >> np.uint64(31))


def differs(a: pd.Series, b: pd.Series) -> np.ndarray:
    """Which rows of two columns hold another value, shape (n,); two nulls are alike, and 1 is not the text 1."""
    null_a, null_b = a.isna().to_numpy(), b.isna().to_numpy()
    if a.dtype == b.dtype or (a.dtype.kind in "iufb" and b.dtype.kind in "iufb"):
        unlike = (a.to_numpy() != b.to_numpy()) if a.dtype.kind != "M" else (a != b).to_numpy()
    else:
        unlike = np.array(
            [type(x) is not type(y) or x != y for x, y in zip(a.astype(object), b.astype(object), strict=True)]
        )
    return (null_a != null_b) | (~null_a & ~null_b & np.asarray(unlike, bool))


def write_base(out: Path, base: Base) -> None:
    """The base's tables and their description."""
    folder = out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    files = {"training": f"{base.shares or base.name}_training.parquet", "replayed": f"{base.name}_replayed.parquet"}
    events = {t: {"file": f"{base.name}_events_{t}.parquet", **base.spec[t]} for t in base.events}
    for name in files if not base.shares else ["replayed"]:
        _write(getattr(base, name), folder / files[name])
    for table, frame in base.events.items():
        _write(frame, folder / events[table]["file"])
    _json(folder / f"{base.name}.json", {"files": files, "roles": dict(base.roles), "events": events})


def write_case(out: Path, name: str, base: Base, rows: Mapping[str, Rows], tables: Mapping, regimes, truth) -> None:
    """What a case has that its base has not, and its truth. ``tables`` are whole frames by the names of TABLES."""
    for folder in ("cases", "truth"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    key, columns = base.roles["key"], {}
    plain = {t: rows[t].of(getattr(base, t)) for t in rows}
    plain["served"] = plain["replayed"]
    for table, frame in tables.items():
        was = plain[table]
        other = [c for c in frame if c not in was or frame[c].dtype != was[c].dtype or differs(was[c], frame[c]).any()]
        if other:
            _write(frame[[key, *other]], out / "cases" / f"{name}_{table}.parquet")
        if list(frame) != list(was):
            columns[table] = list(frame)
    _json(
        out / "cases" / f"{name}.json",
        {
            "base": base.name,
            "rows": {t: {"n": r.n, "seed": r.seed, "by": r.by} for t, r in rows.items()},
            "columns": columns,
            "regimes": list(regimes),
        },
    )
    _json(out / "truth" / f"{name}.json", truth)


def load(out: str | Path, name: str) -> dict:
    """A case: its frames ``training``, ``replayed`` and ``served``, ``events`` by table, ``roles``, ``spec``, ``regimes``."""
    out = Path(out)
    case = json.loads((out / "cases" / f"{name}.json").read_text())
    base = json.loads((out / "tables" / f"{case['base']}.json").read_text())
    roles = base["roles"]
    loaded = {}
    for table in TABLES:
        if table == "served":  # a served table is the base's replayed one but for what the case changes
            plain = Rows(**case["rows"]["replayed"]).of(pd.read_parquet(out / "tables" / base["files"]["replayed"]))
        else:
            plain = Rows(**case["rows"][table]).of(pd.read_parquet(out / "tables" / base["files"][table]))
        path = out / "cases" / f"{name}_{table}.parquet"
        if path.exists():
            other = pd.read_parquet(path)
            if not plain[roles["key"]].equals(other[roles["key"]]):
                raise ValueError(f"{path.name} has other keys than the rows of {case['base']} it belongs to")
            plain = plain.assign(**{c: other[c] for c in other})
        loaded[table] = plain[case["columns"].get(table, list(plain))]
    events = {t: pd.read_parquet(out / "tables" / spec["file"]) for t, spec in base["events"].items()}
    spec = {t: {k: v for k, v in spec.items() if k != "file"} for t, spec in base["events"].items()}
    return {**loaded, "events": events, "roles": roles, "spec": spec, "regimes": case["regimes"]}


def names(out: str | Path) -> list[str]:
    """Every case, in order."""
    return sorted(p.stem for p in (Path(out) / "cases").glob("*.json"))


def _write(frame, path):
    frame.to_parquet(path, compression="zstd", index=False)


def _json(path, content):
    path.write_text(json.dumps(content, ensure_ascii=False, allow_nan=False, default=_plain) + "\n", "utf-8")


def _plain(value):
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in JSON")
