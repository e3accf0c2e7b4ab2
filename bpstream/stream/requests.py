"""Requests that record batches are sent in: aiokafka copies a batch for each thing it stands in."""

from collections.abc import Iterable, Iterator
from typing import Any

from aiokafka.producer import sender
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.types import Array, Bytes, Int32, Schema


class JoinedRequest(ProduceRequest):
    """The same, put together at once."""

    def build(self, request_struct_class: Any) -> Any:
        """A request of one of the protocol's versions."""
        built: Any = super().build(request_struct_class)
        schema = built.SCHEMA
        values = [built.__dict__[name] for name in schema.names]
        built.encode = lambda: Behind(_pieces(schema, values))
        return built


class _Pieces:
    """Bytes that are not joined before all that goes before them is known."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = list(pieces)

    def __len__(self) -> int:
        return sum(map(len, self._pieces))


class Behind(_Pieces):
    """A request, which aiokafka puts behind its header, and the two behind their size."""

    __slots__ = ()

    def __radd__(self, header: bytes) -> "_Headed":
        return _Headed([header, *self._pieces])


class _Headed(_Pieces):
    """A request with its header."""

    __slots__ = ()

    def __radd__(self, size: bytes) -> memoryview:
        # What a socket does not take at once asyncio slices off; bytes would be copied.
        return memoryview(b"".join([size, *self._pieces]))


def _pieces(kind: Any, value: Any) -> Iterator[bytes]:
    """What `kind.encode(value)` is put together of."""
    if isinstance(kind, Schema):
        for field, each in zip(kind.fields, value, strict=True):
            yield from _pieces(field, each)
    elif isinstance(kind, Array):
        yield Int32.encode(len(value))
        for each in value:
            yield from _pieces(kind.array_of, each)
    elif kind is Bytes:
        yield Int32.encode(len(value))
        yield value
    else:
        yield kind.encode(value)


def join_requests() -> None:
    """Let aiokafka's producers send their batches so."""
    sender.ProduceRequest = JoinedRequest
