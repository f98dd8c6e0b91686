"""What a table or a model was made from, by hashes that travel inside it: its definitions', its vocabulary's.

A table bears them in the ``attrs`` of its frame. pandas writes those into the schema's metadata of a Parquet file and reads
them back; pyarrow carries that metadata along. No column is needed, which a model would take for a feature, and a file beside
the table, which is lost when it is copied, is not either. CSV, Feather and databases hold no such thing: there a column, or a
value.
A model bears them in itself, so that they are in its file (see `models.write_model`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow.dataset as ds

NAME = "made_from"
ATTRS = b"PANDAS_ATTRS"  # under which pandas keeps a frame's attrs in a file's schema
LOGGED = "log_"  # what a FeatureLog's columns begin with


def stamped(frame: pd.DataFrame, **hashes: Any) -> pd.DataFrame:
    """The frame with what it was made from in its ``attrs``, such as ``definitions``; its values are not copied."""
    made, held = frame.copy(deep=False), frame.attrs.get(NAME)
    made.attrs = {**frame.attrs, NAME: {**(held if isinstance(held, Mapping) else {}), **hashes}}
    return made


def made_from(thing: Any) -> dict[str, set[str]]:
    """The hashes that a table, of memory or files, or a model bears, by name: several where its files bear several."""
    source = getattr(thing, "source", None)
    source = getattr(source, "data", source)  # of watched files
    if isinstance(source, pd.DataFrame):
        told = [source.attrs.get(NAME)]
    elif isinstance(source, ds.Dataset):
        told = map(_in_file, source.get_fragments())
    else:
        told = [getattr(thing, NAME, None)]
    found: dict[str, set[str]] = {}
    for one in told:
        for name, value in one.items() if isinstance(one, Mapping) else ():
            found.setdefault(str(name), set()).update(map(str, value if isinstance(value, (list, set)) else [value]))
    return found


def called(column: str) -> str:
    """What a column of hashes is of: a log's ``log_definitions`` of the definitions."""
    return column.removeprefix(LOGGED)


def _in_file(fragment):
    try:
        return json.loads((fragment.physical_schema.metadata or {}).get(ATTRS, b"{}")).get(NAME)
    except (ValueError, AttributeError):  # whatever else stands there
        return None
