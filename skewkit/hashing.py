"""A hash of what a model was made from, to log with what it serves; the check `lineage` compares the two."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .records import SkewkitError


def fingerprint(*things: Any) -> str:
    """The sha256, in hex, of files (a Path: its bytes), text, numbers, lists and dicts of these, in their order.

    The same things give the same hash on every machine, in whatever order a dict was written. What is not plain is
    refused: an object's text may hold its address, which is another each time.
    """
    return hashlib.sha256(json.dumps([_plain(t) for t in things]).encode()).hexdigest()


def versions(*packages: str) -> dict[str, str]:
    """The installed version of each package by name, for `fingerprint`."""
    try:
        return {name: version(name) for name in packages}
    except PackageNotFoundError as e:
        raise SkewkitError(
            f"the version of {e} was asked, and it is not installed; install it, or leave it out"
        ) from None


def _plain(thing):
    """A thing with its type beside it, so that 1, 1.0, "1" and True are four things, and floats to the last bit."""
    if isinstance(thing, Path):
        if not thing.is_file():
            raise SkewkitError(
                f"a fingerprint of {thing} was asked, and there is no such file; give the path of a file"
            )
        return ["file", hashlib.sha256(thing.read_bytes()).hexdigest()]
    if isinstance(thing, float):
        return ["float", float(thing).hex()]
    if plain := next((t for t in (bool, int, str, type(None)) if isinstance(thing, t)), None):
        return [plain.__name__, thing]
    if isinstance(thing, (list, tuple)):
        return ["list", [_plain(t) for t in thing]]
    if isinstance(thing, dict) and all(isinstance(k, str) for k in thing):
        return ["dict", [[k, _plain(thing[k])] for k in sorted(thing)]]
    raise SkewkitError(
        f"a fingerprint of a {type(thing).__name__} was asked; it takes a Path, text, numbers, lists, and dicts by text"
    )
