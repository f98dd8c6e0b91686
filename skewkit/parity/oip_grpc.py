"""The Open Inference Protocol v2 over gRPC: its one call that infers, with messages that are built as they are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from ..names import optional

CALL = "/inference.GRPCInferenceService/ModelInfer"
# The names, numbers and types of the fields are what the protocol fixes, in open_inference_grpc.proto of
# github.com/kserve/open-inference-protocol. Those that are not used here (parameters, requested outputs) are left out,
# and skipped where an answer has them. A * is a list; a type that is no word of proto3 is a message above it.
MESSAGES = {
    "InferTensorContents": "1 *bool bool_contents, 2 *int32 int_contents, 3 *int64 int64_contents, "
    "4 *uint32 uint_contents, 5 *uint64 uint64_contents, 6 *float fp32_contents, 7 *double fp64_contents, "
    "8 *bytes bytes_contents",
    "InferTensor": "1 string name, 2 string datatype, 3 *int64 shape, 5 InferTensorContents contents",
    "ModelInferRequest": "1 string model_name, 2 string model_version, 3 string id, 5 *InferTensor inputs, "
    "7 *bytes raw_input_contents",
    "ModelInferResponse": "1 string model_name, 2 string model_version, 3 string id, 5 *InferTensor outputs, "
    "6 *bytes raw_output_contents",
}
TENSORS = {  # a datatype of the protocol: how raw bytes hold it, and the list that holds it else
    "BOOL": ("?", "bool_contents"),
    **{f"INT{b}": (f"<i{b // 8}", "int_contents") for b in (8, 16, 32)},
    **{f"UINT{b}": (f"<u{b // 8}", "uint_contents") for b in (8, 16, 32)},
    "INT64": ("<i8", "int64_contents"),
    "UINT64": ("<u8", "uint64_contents"),
    "FP16": ("<f2", ""),
    "FP32": ("<f4", "fp32_contents"),
    "FP64": ("<f8", "fp64_contents"),
    "BYTES": ("", "bytes_contents"),
}


@cache
def messages() -> Mapping[str, Any]:
    """The protocol's messages as classes, by name."""
    for module in ("descriptor_pb2", "descriptor_pool", "message_factory"):
        optional(f"google.protobuf.{module}", "grpc", "the Open Inference Protocol over gRPC is spoken")
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="skewkit_oip.proto", package="inference", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, kind, called in (f.split() for f in fields.split(", ")):
            plain = kind.lstrip("*")
            one = message.field.add(name=called, number=int(number))
            one.label = one.LABEL_OPTIONAL if kind == plain else one.LABEL_REPEATED
            if plain in MESSAGES:
                one.type, one.type_name = one.TYPE_MESSAGE, f".inference.{plain}"
            else:
                one.type = getattr(one, f"TYPE_{plain.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {n: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"inference.{n}")) for n in MESSAGES}


def request(model: str, version: str, tensors: Mapping[str, tuple[str, Sequence[Any]]]) -> Any:
    """A ModelInferRequest of these tensors, by name: a datatype and values, shape (n,)."""
    made = messages()["ModelInferRequest"](model_name=model, model_version=version)
    for name, (datatype, values) in tensors.items():
        tensor = made.inputs.add(name=name, datatype=datatype, shape=[len(values)])
        getattr(tensor.contents, TENSORS[datatype][1]).extend(values)
    return made


def outputs(answer: Any) -> list[dict[str, Any]]:
    """The tensors of a ModelInferResponse, each with name, shape and flat data: as it has them typed, or raw."""
    found = []
    for i, tensor in enumerate(answer.outputs):
        if tensor.datatype not in TENSORS:
            raise ValueError(f"its output {tensor.name} is {tensor.datatype}")
        dtype, typed = TENSORS[tensor.datatype]
        if answer.raw_output_contents:
            raw = answer.raw_output_contents[i]
            values = np.frombuffer(raw, dtype).tolist() if dtype else _texts(raw)
        else:
            values = list(getattr(tensor.contents, typed)) if typed else []
        values = [v.decode() if isinstance(v, bytes) else v for v in values]
        if len(values) != np.prod(tensor.shape, dtype=int):
            raise ValueError(f"its output {tensor.name} of shape {list(tensor.shape)} holds {len(values)} values")
        found.append({"name": tensor.name, "shape": list(tensor.shape), "data": values})
    return found


def _texts(raw):
    """Raw BYTES: each element after its length, four bytes, the lowest first."""
    found, at = [], 0
    while at < len(raw):
        end = at + 4 + int.from_bytes(raw[at : at + 4], "little")
        if end > len(raw):
            raise ValueError("raw text that ends before its length")
        found.append(raw[at + 4 : end])
        at = end
    return found
