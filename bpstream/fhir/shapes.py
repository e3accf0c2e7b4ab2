"""Shapes: what a feed's messages have in common, letter for letter, beside the values of a reading.

Who writes Observations writes them alike.  A message that is nothing but another one, with other
values in the same places, need not be understood again: a loop in C reads it.
"""

import json
import re
from collections.abc import Sequence
from ctypes import CDLL, c_void_p
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.compiled import LOOPS, address
from bpstream.fhir.forms import PATIENT, PRACTITIONER
from bpstream.messages import Messages
from bpstream.texts import Texts, taken, together

_MOST = 4
"""Shapes that are known at a time: a message is compared with one after the other."""

_ID, _TEXT, _NUMBER = range(3)  # loops.c, enum kind
_KINDS = {
    "observation_id": _ID,
    "time": _TEXT,
    "patient_id": _ID,
    "practitioner_id": _ID,
    "systolic": _NUMBER,
    "diastolic": _NUMBER,
}
# JSON writes this character as it is, and no value of a shape may have it.
_MARK = "\x7f"
_MARKED = re.compile(f"{_MARK}([a-z_]+){_MARK}")
_SEPARATORS = ((",", ":"), (", ", ": "))
_PRESSURES = ("systolic", "diastolic")


class Found(NamedTuple):
    """What stands in some messages, in columns of shape ``(n,)``."""

    at: NDArray[np.intp]
    """Positions of the messages."""
    observation_id: Texts
    time: Texts
    patient_id: Texts
    practitioner_id: Sequence[str | None]
    systolic: NDArray[np.float64]
    diastolic: NDArray[np.float64]
    in_words: NDArray[np.bool_]
    """The pressures are named in words, and so is their unit."""
    has_ids: NDArray[np.bool_]
    """The ids are ids as FHIR has them."""


def in_order(parts: Sequence[Found]) -> Found:
    """All of them, one or more, in the order of the messages."""
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate([part.at for part in parts]))
    columns: list[Any] = []
    for column in zip(*parts, strict=True):
        if isinstance(column[0], np.ndarray):
            columns.append(np.concatenate(column)[order])
        else:
            columns.append(taken(together(column), order))
    return Found(*columns)


class Shape:
    """The literals of a message, and which value stands between each two."""

    def __init__(self, literals: Sequence[bytes], names: Sequence[str], *, in_words: bool) -> None:
        self._literal = b"".join(literals)
        self._lengths = np.array(list(map(len, literals)), np.int64)
        self._names = names
        self._kinds = np.array([_KINDS[name] for name in names], np.int8)
        self._in_words = in_words

    def read(self, loops: CDLL, messages: Messages) -> Found:
        """What stands in those of the messages that have this shape."""
        n = len(messages)
        begins, ends = map(np.ascontiguousarray, (messages.begins, messages.ends))
        is_number = self._kinds == _NUMBER
        # Room for the most that there can be: what is not used takes no memory.
        most = int((ends - begins).sum()) + n
        texts = [np.empty(0 if each else most, np.uint8) for each in is_number]
        numbers = [np.empty(n if each else 0) for each in is_number]
        used, fits = np.zeros(len(texts), np.int64), np.empty(n, np.bool_)
        found = loops.read_shape(
            *(messages.text, address(begins), address(ends), n),
            *(self._literal, address(self._lengths), address(self._kinds), len(self._kinds)),
            *(_addresses(texts), address(used), _addresses(numbers), address(fits)),
        )
        columns: dict[str, Any] = {"practitioner_id": [None] * found}
        for nth, name in enumerate(self._names):
            if is_number[nth]:
                columns[name] = numbers[nth][:found]
            else:
                columns[name] = Texts.of_lines(texts[nth][: used[nth]].tobytes())
        return Found(
            at=np.flatnonzero(fits),
            in_words=np.full(found, self._in_words),
            has_ids=np.ones(found, np.bool_),
            **columns,
        )


def _addresses(columns: Sequence[NDArray[Any]]) -> Any:
    return (c_void_p * len(columns))(*map(address, columns))


class Shapes:
    """The shapes of a feed, learned from its messages.  Without `loops` none is."""

    def __init__(self, loops: CDLL | None = LOOPS) -> None:
        self._loops = loops
        self._known: list[Shape] = []

    def read(self, values: Sequence[bytes | None]) -> tuple[list[Found], NDArray[np.intp]]:
        """What stands in messages of known shapes, by shape, and the positions of the others."""
        parts, left = list[Found](), np.arange(len(values))
        if self._loops is None:
            return parts, left
        fitted, others = list[tuple[int, Shape]](), Messages.of(values)
        for shape in self._known:
            found = shape.read(self._loops, others)
            fitted.append((len(found.at), shape))
            if not len(found.at):
                continue
            parts.append(found._replace(at=left[found.at]))
            unfit = np.delete(np.arange(len(left)), found.at)
            left, others = left[unfit], others.take(unfit)
        # What most messages were of is tried first on the next ones.
        fitted.sort(key=itemgetter(0), reverse=True)
        self._known = [shape for _, shape in fitted]
        return parts, left

    def learn(self, message: bytes, *, in_words: bool) -> None:
        """Know the shape of an Observation in one of the plain forms, if it has one.

        Of too many shapes, the one that fitted least is forgotten.
        """
        if self._loops is None:
            return
        for separators in _SEPARATORS:
            shape = _shape_of(message, separators, in_words=in_words)
            if shape is not None and len(shape.read(self._loops, Messages.of([message])).at):
                self._known = [*self._known[: _MOST - 1], shape]
                return


def _shape_of(message: bytes, separators: tuple[str, str], *, in_words: bool) -> Shape | None:
    """The shape it has if a JSON library wrote it with these separators."""
    observation = json.loads(message)
    observation["id"] = _marked("observation_id")
    observation["effectiveDateTime"] = _marked("time")
    observation["subject"]["reference"] = PATIENT + _marked("patient_id")
    if "performer" in observation:
        observation["performer"][0]["reference"] = PRACTITIONER + _marked("practitioner_id")
    for name, component in zip(_PRESSURES, observation["component"], strict=True):
        component["valueQuantity"]["value"] = _marked(name)
    text = json.dumps(observation, separators=separators, ensure_ascii=False)
    for name in _PRESSURES:
        text = text.replace(f'"{_marked(name)}"', _marked(name))
    parts = _MARKED.split(text)
    literals, names = parts[::2], parts[1::2]
    if len(set(names)) < len(names) or not _KINDS.keys() >= set(names):
        return None  # Its author writes marks as well.
    return Shape([each.encode() for each in literals], names, in_words=in_words)


def _marked(name: str) -> str:
    return f"{_MARK}{name}{_MARK}"
