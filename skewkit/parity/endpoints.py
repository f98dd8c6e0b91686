"""Models behind an endpoint as a path: the Open Inference Protocol v2, and MLflow's scoring protocol, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd

from ..names import expand
from ..records import SkewkitError
from ..tables.columns import kind_of

KINDS = {"mlflow": "mlflow:http://localhost:5000", "oip": "oip:http://localhost:8000/v2/models/NAME"}
TYPES = {"boolean": "BOOL", "integer": "INT64", "number": "FP64"}  # of the protocol; all else goes as text
BATCH = 1_000  # rows a request
SECONDS = 30.0


@dataclass(frozen=True)
class Endpoint:
    """A path: a frame of inputs in, a frame of what the endpoint answers out, ``batch`` rows a request.

    A missing value goes as null; times go as text in ISO 8601. ``${NAME}`` in the address is read from the environment.
    """

    address: str
    batch: int = BATCH
    seconds: float = SECONDS

    def __call__(self, inputs: pd.DataFrame) -> pd.DataFrame:
        parts = [self._asked(inputs.iloc[i : i + self.batch]) for i in range(0, len(inputs), self.batch)]
        return pd.concat(parts, ignore_index=True)

    def _asked(self, rows):
        kind, _, url = self.address.partition(":")
        ask, read, where = PROTOCOLS[kind]
        answer = self._posted(f"{expand(url).rstrip('/')}{where}", ask(rows))
        try:
            made = read(answer)
        except (KeyError, TypeError, ValueError, IndexError) as e:
            raise SkewkitError(
                f"{self.address} answered {str(answer)[:200]!r}, which is no answer of {kind}: {e}"
            ) from e
        if len(made) != len(rows):
            raise SkewkitError(
                f"{self.address} was sent {len(rows)} rows and answered {len(made)}; it must answer each"
            )
        return made

    def _posted(self, url, content):
        body = json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
        request = Request(url, body, {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=self.seconds) as answer:
                return json.loads(answer.read())
        except HTTPError as e:
            said = e.read(500).decode("utf-8", "replace")
            raise SkewkitError(f"{self.address} answered {e.code}: {said}") from e
        except (URLError, HTTPException, OSError, ValueError) as e:
            why = getattr(e, "reason", e)
            raise SkewkitError(
                f"{self.address} cannot be asked ({why}); start it, or give its address like {' or '.join(KINDS.values())}"
            ) from e


def endpoint(address: str) -> Endpoint:
    """The path behind an address such as oip:http://localhost:8000/v2/models/NAME; raises SkewkitError for another kind."""
    kind, _, url = address.partition(":")
    if kind not in KINDS or urlsplit(url).scheme not in ("http", "https"):
        raise SkewkitError(f"endpoint {address!r} was asked; an address is like {' or '.join(KINDS.values())}")
    return Endpoint(address)


def is_endpoint(text: Any) -> bool:
    return isinstance(text, str) and text.partition(":")[0] in KINDS


def _plain(column: pd.Series) -> list[Any]:
    """A column as JSON has it."""
    if column.dtype.kind == "M":
        return [None if pd.isna(t) else t.isoformat() for t in column]
    return [None if pd.isna(v) else v.item() if isinstance(v, np.generic) else v for v in column.astype(object)]


def _to_mlflow(rows):
    return {
        "dataframe_split": {
            "columns": list(rows),
            "data": [list(r) for r in zip(*(_plain(rows[c]) for c in rows), strict=True)],
        }
    }


def _from_mlflow(answer):
    found = answer["predictions"]
    if isinstance(found, dict):
        return pd.DataFrame(found)
    return pd.DataFrame(found if found and isinstance(found[0], dict) else {"prediction": found})


def _to_oip(rows):
    return {"inputs": [_tensor(c, rows[c]) for c in rows]}


def _tensor(name, column):
    kind = kind_of(column)
    return {"name": name, "shape": [len(column)], "datatype": TYPES.get(kind, "BYTES"), "data": _plain(column)}


def _from_oip(answer):
    return pd.DataFrame(dict(_outputs(answer)))


def _outputs(answer) -> Iterator[tuple[str, list]]:
    for one in answer["outputs"]:
        values, shape = one["data"], one["shape"]
        if len(shape) == 1:
            yield one["name"], values
        else:  # a row of several numbers each
            flat = np.reshape(values, (shape[0], -1)) if not isinstance(values[0], list) else np.array(values)
            yield from (
                (f"{one['name']}_{i}" if flat.shape[1] > 1 else one["name"], flat[:, i].tolist())
                for i in range(flat.shape[1])
            )


PROTOCOLS: dict[str, tuple[Callable, Callable, str]] = {
    "mlflow": (_to_mlflow, _from_mlflow, "/invocations"),
    "oip": (_to_oip, _from_oip, "/infer"),
}
