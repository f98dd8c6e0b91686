"""Models behind an endpoint as a path: the Open Inference Protocol v2 over HTTP and gRPC, and MLflow's scoring protocol."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd

from ..names import expand, hidden, optional
from ..records import SkewkitError
from ..tables.columns import kind_of
from . import oip_grpc

KINDS = {
    "mlflow": "mlflow:http://localhost:5000",
    "oip": "oip:http://localhost:8000/v2/models/NAME",
    "oip-grpc": "oip-grpc:localhost:9000/NAME",
}
SECURE = "oip-grpcs"  # the same with TLS
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


@dataclass(frozen=True)
class GrpcEndpoint:
    """The same over gRPC: ``oip-grpc:HOST:PORT/MODEL`` or ``/MODEL/VERSION``, with TLS ``oip-grpcs:``.

    The protocol has no null there: a missing number goes as NaN (integers with one missing as FP64), a missing text as
    empty text. ``?authorization=Bearer ${TOKEN}`` behind the model is sent as metadata, and what a ${NAME} stands for is
    in no error.
    """

    address: str
    batch: int = BATCH
    seconds: float = SECONDS

    def __call__(self, inputs: pd.DataFrame) -> pd.DataFrame:
        grpc = optional("grpc", "grpc", f"{self.address} is asked")
        kind, _, rest = self.address.partition(":")
        where, _, asked = rest.partition("?")
        host, _, model = where.partition("/")
        metadata = [(n.lower(), expand(v)) for n, v in parse_qsl(asked)]
        model, _, version = expand(model).partition("/")
        tensors = {c: _typed(inputs[c]) for c in inputs}
        secure = kind == SECURE
        dial = grpc.secure_channel if secure else grpc.insecure_channel
        with dial(expand(host), *([grpc.ssl_channel_credentials()] if secure else [])) as channel:
            call = channel.unary_unary(
                oip_grpc.CALL,
                request_serializer=lambda m: m.SerializeToString(),
                response_deserializer=oip_grpc.messages()["ModelInferResponse"].FromString,
            )
            parts = []
            for i in range(0, len(inputs), self.batch):
                some = {c: (t, v[i : i + self.batch]) for c, (t, v) in tensors.items()}
                try:
                    answer = call(oip_grpc.request(model, version, some), timeout=self.seconds, metadata=metadata)
                except grpc.RpcError as e:
                    raise self._failed(e) from None  # its own text shows the metadata
                parts.append(self._read(answer, min(self.batch, len(inputs) - i)))
        return pd.concat(parts, ignore_index=True)

    def _read(self, answer, rows):
        try:
            made = _from_oip({"outputs": oip_grpc.outputs(answer)})
        except (TypeError, ValueError, IndexError) as e:
            raise SkewkitError(f"{self.address} gave no answer of oip-grpc: {e}") from None
        if len(made) != rows:
            raise SkewkitError(f"{self.address} was sent {rows} rows and answered {len(made)}; it must answer each")
        return made

    def _failed(self, error):
        said = hidden(str(error.details())[:500], self.address)
        if error.code().name in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
            return SkewkitError(
                f"{self.address} cannot be asked ({said}); start it, or give its address like {KINDS['oip-grpc']}"
            )
        return SkewkitError(f"{self.address} answered {error.code().name}: {said}")


def _typed(column):
    """A column as a tensor of gRPC: a datatype, and values without a null."""
    kind = kind_of(column)
    if kind in TYPES and column.isna().any():
        kind = "number"
    if kind not in TYPES:
        return "BYTES", [("" if v is None else str(v)).encode() for v in _plain(column)]
    return TYPES[kind], column.to_numpy(
        {"boolean": bool, "integer": "i8", "number": float}[kind], na_value=np.nan
    ).tolist()


def endpoint(address: str) -> Endpoint | GrpcEndpoint:
    """The path behind an address such as oip:http://localhost:8000/v2/models/NAME; raises SkewkitError for another kind."""
    kind, _, url = address.partition(":")
    if kind in ("oip-grpc", SECURE) and re.fullmatch(r"[^/?]+:[^/?]+/[^/?]+(/[^/?]+)?(\?.*)?", url):
        return GrpcEndpoint(address)
    if kind not in ("mlflow", "oip") or urlsplit(url).scheme not in ("http", "https"):
        raise SkewkitError(f"endpoint {address!r} was asked; an address is like {' or '.join(KINDS.values())}")
    return Endpoint(address)


def is_endpoint(text: Any) -> bool:
    return isinstance(text, str) and text.partition(":")[0] in (*KINDS, SECURE)


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
