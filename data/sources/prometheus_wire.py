"""The messages of Prometheus remote-write, described here so that no generated code is needed.

A label is declared as `bytes`: on the wire a message within a message is nothing else, and a
series that came before is recognised by these bytes without taking its labels apart.
"""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "forewarn.remote_write"
KINDS = {
    name: getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{name.upper()}")
    for name in ("bytes", "double", "int32", "int64", "string", "uint32")
}
MESSAGES = {
    "Label": {"name": (1, "string"), "value": (2, "string")},
    "Sample": {"value": (1, "double"), "timestamp": (2, "int64")},
    "TimeSeries": {
        "labels": (1, "bytes*"),
        "samples": (2, "Sample*"),
        "histograms": (4, "bytes*"),
    },
    "WriteRequest": {"timeseries": (1, "TimeSeries*")},
    "Metadata": {"type": (1, "int32")},  # an enum is one on the wire
    "TimeSeriesV2": {
        "labels_refs": (1, "uint32*"),
        "samples": (2, "Sample*"),
        "histograms": (3, "bytes*"),
        "metadata": (5, "Metadata"),
    },
    "RequestV2": {"symbols": (4, "bytes*"), "timeseries": (5, "TimeSeriesV2*")},
}


@cache
def message(name: str) -> Any:
    """The class of a message.

    >>> message("Sample").FromString(bytes.fromhex("09000000000000f03f1005")).timestamp
    5
    """
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="forewarn/remote_write.proto", package=PACKAGE, syntax="proto3"
    )
    for name, fields in MESSAGES.items():
        made = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _add(made, field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add(made: Any, name: str, number: int, kind: str) -> None:
    """One field; a star after its kind means that there may be several."""
    single = kind.removesuffix("*")
    field = made.field.add(name=name, number=number)
    field.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
    if single in KINDS:
        field.type = KINDS[single]
    else:
        field.type, field.type_name = field.TYPE_MESSAGE, f".{PACKAGE}.{single}"
