"""Definitions as files: written and read back, with a hash each, and a snapshot from which a past training table is rebuilt."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..durable import write
from ..origin import stamped
from ..records import SkewkitError
from . import definitions as features
from .definitions import Definition, digest, evaluate

FORMAT = 1
KINDS = {v.__name__: v for v in vars(features).values() if isinstance(v, type) and issubclass(v, Definition)}


def hashes(definitions: Mapping[str, Definition]) -> dict[str, str]:
    """The content hash of each definition, in hexadecimal: the same for the same record, whatever its name."""
    return {name: digest({"": d}) for name, d in definitions.items()}


def write_definitions(
    definitions: Mapping[str, Definition], path: str | Path, versions: Mapping[str, int] | None = None
) -> str:
    """Write definitions as JSON, whole or not at all; gives the hash of them all, the one that `features.digest` gives.

    ``versions`` counts what was released of each: 1 where it is not given. Reading them back checks every hash.
    """
    every = hashes(definitions)
    content = {
        "format": FORMAT,
        "sha256": digest(definitions),
        "features": {
            name: {"version": (versions or {}).get(name, 1), "sha256": every[name], **_written(d)}
            for name, d in definitions.items()
        },
    }
    write(Path(path), json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return content["sha256"]


def read_definitions(path: str | Path) -> dict[str, Definition]:
    """The definitions in a file; a SkewkitError names what was edited, or what it does not know."""
    try:
        content = json.loads(Path(path).read_text("utf-8"))
        found = {name: _read(one) for name, one in content["features"].items()}
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as e:
        raise SkewkitError(
            f"definitions: {path} cannot be read ({type(e).__name__}: {e}); give a file of write_definitions"
        ) from e
    for name, one in content["features"].items():
        if (now := digest({"": found[name]})) != one["sha256"]:
            raise SkewkitError(
                f"definitions: {name} in {path} has the hash {now[:12]}, and says {one['sha256'][:12]}; it was edited: "
                f"write it anew, with its version one more"
            )
    return found


def take_snapshot(
    folder: str | Path,
    definitions: Mapping[str, Definition],
    raw: Mapping[str, pd.DataFrame],
    requests: pd.DataFrame,
    asked: str,
) -> str:
    """Keep what a training table was made of in a new folder: definitions, raw events and requests; gives the table's hash."""
    folder = Path(folder)
    if folder.exists():
        raise SkewkitError(
            f"a snapshot was asked in {folder}, which is there; name a new folder, for snapshots never change"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".taking-"))
    try:
        write_definitions(definitions, aside / "definitions.json")
        for name, frame in raw.items():
            frame.to_parquet(aside / f"events_{name}.parquet")
        requests.to_parquet(aside / "requests.parquet")
        said = {"asked": asked, "events": sorted(raw), "table": ""}
        write(aside / "snapshot.json", json.dumps(said) + "\n")
        said["table"] = content_hash(_made(aside))  # of what is read back, as any rebuild reads it
        write(aside / "snapshot.json", json.dumps(said) + "\n")
        os.rename(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return said["table"]


def rebuild(folder: str | Path) -> pd.DataFrame:
    """The features of a snapshot's requests, computed anew; raises SkewkitError unless they are the same bit for bit."""
    folder = Path(folder)
    try:
        table, was = _made(folder), json.loads((folder / "snapshot.json").read_text("utf-8"))["table"]
    except (OSError, ValueError, KeyError) as e:
        raise SkewkitError(
            f"snapshot: {folder} cannot be read ({type(e).__name__}: {e}); give a folder of take_snapshot"
        ) from e
    if (now := content_hash(table)) != was:
        raise SkewkitError(
            f"snapshot: {folder} gives a table with the hash {now[:12]}, and gave {was[:12]}; its code or its libraries are others"
        )
    return table


def content_hash(table: pd.DataFrame) -> str:
    """A hash of a table's columns, types and values, in hexadecimal; of the bits of a float, so that -0.0 is not 0.0."""
    said = hashlib.sha256()
    for name in table:
        column = table[name]
        said.update(f"{name}|{column.dtype}|{len(column)}\n".encode())
        if column.dtype.kind in "iufb":
            said.update(column.to_numpy().tobytes())
        else:
            said.update(pd.util.hash_array(column.astype(object).astype(str).to_numpy(), categorize=False).tobytes())
    return said.hexdigest()


def _made(folder):
    said = json.loads((folder / "snapshot.json").read_text("utf-8"))
    raw = {n: pd.read_parquet(folder / f"events_{n}.parquet") for n in said["events"]}
    requests = pd.read_parquet(folder / "requests.parquet")
    definitions = read_definitions(folder / "definitions.json")
    return stamped(evaluate(definitions, raw, requests, said["asked"]), definitions=digest(definitions))


def _written(d: Definition) -> dict[str, Any]:
    plain = asdict(d)
    inside = {f.name: _written(v) for f in fields(d) if is_dataclass(v := getattr(d, f.name))}
    return {"kind": type(d).__name__, "is": {**plain, **inside}}


def _read(content: Mapping[str, Any]) -> Definition:
    if content["kind"] not in KINDS:
        raise ValueError(f"kind {content['kind']!r} is no definition; there are {', '.join(KINDS)}")
    values = {
        n: _read(v) if isinstance(v, dict) else tuple(v) if isinstance(v, list) else v for n, v in content["is"].items()
    }
    return KINDS[content["kind"]](**values)
