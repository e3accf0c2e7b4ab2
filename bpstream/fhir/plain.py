"""The fast path: plain Observations, decoded into typed structs and then read in columns.

Whatever does not fit one of the plain forms exactly, or would be a dead letter, is left to the
tolerant reader, which gives the same reading for what does fit.
"""

import re
import string
from collections.abc import Mapping, Sequence
from ctypes import CDLL

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.compiled import LOOPS
from bpstream.fhir import stored
from bpstream.fhir.forms import PATIENT, PRACTITIONER, Coded, InWords, Plain, Stored
from bpstream.fhir.identity import digests, joined
from bpstream.fhir.moments import utc_times
from bpstream.fhir.quantity import DIASTOLIC_RANGE, SYSTOLIC_RANGE
from bpstream.fhir.shapes import Found, Shapes, in_order
from bpstream.fhir.stored import Told
from bpstream.fhir.times import BEFORE_1900
from bpstream.jsonlines import Piece, lines
from bpstream.reading import NOT_MEASURED, Flag, Kind, Origin, Readings, Series
from bpstream.texts import Texts

_Decoder = (
    msgspec.json.Decoder[InWords] | msgspec.json.Decoder[Coded] | msgspec.json.Decoder[Stored]
)
_AT_ONCE = 128
"""Messages: decoded they take as much memory as a core has at hand."""
# What decoding raises for bytes of another form, for no JSON, for JSON nested too deep, for None.
_UNFIT = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError)


class _Fields:
    """What stands in plain Observations, in columns.

    Taken of a few at a time, while the processor has them at hand.
    """

    def __init__(self, fhir_base: str) -> None:
        self._fhir_base = fhir_base
        self.ids: list[str] = []
        self.times: list[str] = []
        self.patients: list[str] = []
        self.performers: list[str] = []
        self.systolic: list[float] = []
        self.diastolic: list[float] = []
        self.in_words: list[bool] = []
        self.stored: dict[int, Told | None] = {}
        """By row, what those tell that a server keeps; None where they are not plain."""

    def found(self, at: NDArray[np.intp]) -> Found:
        """What was taken; `at` are the positions of the messages."""
        patients, are_ids = _behind(PATIENT, self.patients, least=1)
        performers, known = _behind(PRACTITIONER, self.performers, least=0)
        return Found(
            at,
            Texts.of(self.ids),
            Texts.of(self.times),
            Texts.of(patients),
            [by or None for by in performers],
            np.array(self.systolic, float),
            np.array(self.diastolic, float),
            np.array(self.in_words, np.bool_),
            are_ids & known & _are_ids(self.ids, _lengths(self.ids), least=1),
        )

    def add(self, decoded: Sequence[Plain]) -> None:
        """Take the fields of these."""
        start = len(self.ids)
        self.ids += [each.id for each in decoded]
        self.times += [each.effectiveDateTime for each in decoded]
        self.patients += [each.subject.reference for each in decoded]
        self.performers += [each.performer[0].reference for each in decoded]
        self.systolic += [each.component[0].valueQuantity.value for each in decoded]
        self.diastolic += [each.component[1].valueQuantity.value for each in decoded]
        self.in_words += [type(each) is InWords for each in decoded]
        if Stored not in set(map(type, decoded)):
            return
        for at, each in enumerate(decoded, start):
            if isinstance(each, Stored):
                told = self.stored[at] = stored.read(each, fhir_base=self._fhir_base)
                if told is not None:
                    self.performers[at] = told.performer
                    self.systolic[at], self.diastolic[at] = told.systolic, told.diastolic


class PlainReader:
    """Reads what is plain among the messages of a chunk."""

    def __init__(
        self, *, source: str, fhir_base: str, max_skew: float, loops: CDLL | None = LOOPS
    ) -> None:
        self._fhir_base = fhir_base
        self._max_skew = round(max_skew * 1_000_000)
        # The parts of an identity that are the same for every plain Observation.
        self._id_line, self._source_line = b"id\n", f"\n{joined((source,))}\n".encode()
        self._decoders: list[_Decoder] = [
            msgspec.json.Decoder(InWords),
            msgspec.json.Decoder(Coded),
            msgspec.json.Decoder(Stored),
        ]
        self._shapes = Shapes(loops)
        # A whole message's origin is its position and no more: made once, used by every chunk.
        self._origins: list[Origin] = []

    def read(
        self, values: Sequence[bytes | None], arrived_at: NDArray[np.int64]
    ) -> tuple[Readings, list[int]]:
        """The readings of the plain messages, and the positions of the others."""
        parts, others = self._shapes.read(values)
        told: Mapping[int, Told | None] = {}
        if len(others) or not parts:
            decoded, told = self._decoded(values, others)
            parts.append(decoded)
        found = in_order(parts)
        readings, plain = self._readings(found)
        if told:
            rows = np.searchsorted(found.at, list(told)).tolist()
            plain &= stored.complete(readings, dict(zip(rows, told.values(), strict=True)))
        plain &= readings.taken_at <= arrived_at[found.at] + self._max_skew
        left = np.ones(len(values), np.bool_)
        left[found.at[plain]] = False
        if not plain.all():
            readings = readings.take(np.flatnonzero(plain))
        return readings, np.flatnonzero(left).tolist()

    def _decoded(
        self, values: Sequence[bytes | None], at: NDArray[np.intp]
    ) -> tuple[Found, Mapping[int, Told | None]]:
        """What stands in the messages at these positions, whose shapes are not known.

        And by position, what those tell that a server keeps; None where they are not plain.
        """
        if len(at) < len(values):
            values = [values[each] for each in at.tolist()]
        fits, fields = self._decode(values)
        self._learn(values, fits, fields)
        at = at[fits]
        return fields.found(at), {int(at[row]): told for row, told in fields.stored.items()}

    def _learn(
        self, values: Sequence[bytes | None], fits: NDArray[np.intp], fields: _Fields
    ) -> None:
        """Know the shape of the first message that is not as servers keep them."""
        for row, position in enumerate(fits.tolist()):
            message = values[position]
            if row not in fields.stored and message is not None:
                self._shapes.learn(message, in_words=fields.in_words[row])
                return

    def _decode(self, values: Sequence[bytes | None]) -> tuple[NDArray[np.intp], _Fields]:
        """What has one of the forms, and where it stood."""
        fields, unfit = _Fields(self._fhir_base), list[int]()
        came = [0] * len(self._decoders)
        for start in range(0, len(values), _AT_ONCE):
            fields.add(self._decode_some(values[start : start + _AT_ONCE], start, unfit, came))
        # The form that came most is tried first on the next chunk.
        came[0] = len(fields.ids) - sum(came)
        self._decoders.insert(0, self._decoders.pop(came.index(max(came))))
        return np.delete(np.arange(len(values)), np.array(unfit, np.intp)), fields

    def _decode_some(
        self, values: Sequence[bytes | None], start: int, unfit: list[int], came: list[int]
    ) -> list[Plain]:
        """The same of a few, which begin at `start`.

        Adds to `unfit` the positions of the others, and to `came` how many were of each form but
        the usual one.
        """
        usual, *others = self._decoders
        decoded, missing = list[Plain](), 0
        rest = iter(values)
        while len(decoded) + missing < len(values):
            try:
                for value in rest:
                    decoded.append(usual.decode(value))  # type: ignore[arg-type]
            except _UNFIT:
                for nth, other in enumerate(others, 1):
                    try:
                        decoded.append(other.decode(value))  # type: ignore[arg-type]
                    except _UNFIT:
                        continue
                    came[nth] += 1
                    break
                else:
                    unfit.append(start + len(decoded) + missing)
                    missing += 1
        return decoded

    def _readings(self, found: Found) -> tuple[Readings, NDArray[np.bool_]]:
        """The readings, and whether each is as plain as it looks; the time is not judged."""
        n, patients, ids = len(found.at), found.patient_id, found.observation_id
        taken_at, known = utc_times(found.time)
        plain = found.has_ids & known & (taken_at >= BEFORE_1900)
        systolic, diastolic = found.systolic, found.diastolic
        flags = found.in_words * np.uint32(Flag.UNIT_FROM_TEXT)
        flags |= (systolic <= diastolic) * np.uint32(Flag.IMPLAUSIBLE)
        for pressure, (lowest, highest) in (
            (systolic, SYSTOLIC_RANGE),
            (diastolic, DIASTOLIC_RANGE),
        ):
            plain &= (pressure >= lowest) & (pressure <= highest)
        named: list[Piece] = [self._id_line, patients.utf8, self._source_line, ids.utf8]
        readings = Readings(
            origin=self._origins_of(found.at),
            patient_id=patients,
            document_id=digests(lines(named, n)),
            original_time=found.time,
            observation_id=ids,
            practitioner_id=found.practitioner_id,
            details={},
            taken_at=taken_at,
            systolic=systolic,
            diastolic=diastolic,
            mean=np.full(n, NOT_MEASURED),
            flags=flags,
            kind=np.full(n, Kind.READING, np.int8),
            series=np.full(n, Series.UNKNOWN, np.int8),
            version=np.zeros(n, np.int64),
        )
        return readings, plain

    def _origins_of(self, positions: NDArray[np.intp]) -> list[Origin]:
        made = self._origins
        at = positions.tolist()
        if at and at[-1] >= len(made):
            made += map(Origin, range(len(made), at[-1] + 1))
        if at and at[-1] - at[0] == len(at) - 1:  # As a rule all are plain.
            return made[at[0] : at[-1] + 1]
        return [made[position] for position in at]


_ID = re.compile(r"[A-Za-z0-9\-.]*")
_ID_LETTERS = f"{string.ascii_letters}{string.digits}-.".encode()
_ID_LENGTH = 64  # FHIR R4, id


def _behind(
    prefix: str, references: list[str], *, least: int
) -> tuple[list[str], NDArray[np.bool_]]:
    """The ids behind `prefix`, and whether each reference is nothing but the two."""
    ids = [reference.removeprefix(prefix) for reference in references]
    lengths = _lengths(ids)
    begins = _lengths(references) == lengths + len(prefix)
    return ids, begins & _are_ids(ids, lengths, least=least)


def _are_ids(names: list[str], lengths: NDArray[np.intp], *, least: int) -> NDArray[np.bool_]:
    """Whether each name has the letters of an id, and `least` to 64 of them."""
    long_enough = (lengths >= least) & (lengths <= _ID_LENGTH)
    if not "".join(names).encode().translate(None, _ID_LETTERS):
        return long_enough
    return long_enough & [_ID.fullmatch(name) is not None for name in names]


def _lengths(texts: Sequence[str]) -> NDArray[np.intp]:
    return np.fromiter(map(len, texts), np.intp, len(texts))
