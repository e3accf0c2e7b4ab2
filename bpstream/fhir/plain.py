"""The fast path: plain Observations, decoded into typed structs and then read in columns.

Whatever does not fit one of the plain forms exactly, or would be a dead letter, is left to the
tolerant reader, which gives the same reading for what does fit.
"""

import re
import string
from collections.abc import Sequence
from hashlib import blake2b

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.fhir import stored
from bpstream.fhir.forms import PATIENT, PRACTITIONER, Coded, InWords, Plain, Stored
from bpstream.fhir.identity import DIGEST_BYTES, joined
from bpstream.fhir.moments import utc_times
from bpstream.fhir.quantity import DIASTOLIC_RANGE, MEAN_RANGE, SYSTOLIC_RANGE
from bpstream.fhir.times import BEFORE_1900
from bpstream.reading import Details, Flag, Kind, Origin, Readings

_Decoder = (
    msgspec.json.Decoder[InWords] | msgspec.json.Decoder[Coded] | msgspec.json.Decoder[Stored]
)
# What decoding raises for bytes of another form, for no JSON, for JSON nested too deep, for None.
_UNFIT = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError)


class PlainReader:
    """Reads what is plain among the messages of a chunk."""

    def __init__(self, *, source: str, fhir_base: str, max_skew: float) -> None:
        self._fhir_base = fhir_base
        self._max_skew = round(max_skew * 1_000_000)
        # The parts of an identity that are the same for every plain Observation.
        self._id_line, self._source_line = "id\n", f"\n{joined((source,))}\n"
        self._decoders: list[_Decoder] = [
            msgspec.json.Decoder(InWords),
            msgspec.json.Decoder(Coded),
            msgspec.json.Decoder(Stored),
        ]
        # A whole message's origin is its position and no more: made once, used by every chunk.
        self._origins: list[Origin] = []

    def read(
        self, values: Sequence[bytes | None], arrived_at: NDArray[np.int64]
    ) -> tuple[Readings, list[int]]:
        """The readings of the plain messages, and the positions of the others."""
        positions, decoded = self._decode(values)
        readings, plain = self._readings(positions, decoded)
        plain &= readings.taken_at <= arrived_at[positions] + self._max_skew
        if not plain.all():
            keep = np.flatnonzero(plain)
            positions, readings = positions[keep], readings.take(keep)
        left = np.ones(len(values), np.bool_)
        left[positions] = False
        return readings, np.flatnonzero(left).tolist()

    def _decode(self, values: Sequence[bytes | None]) -> tuple[NDArray[np.intp], list[Plain]]:
        """What has one of the forms, and where it stood."""
        usual, *others = self._decoders
        decoded, unfit, of_others = list[Plain](), list[int](), [0] * len(others)
        rest = iter(values)
        while len(decoded) + len(unfit) < len(values):
            try:
                for value in rest:
                    decoded.append(usual.decode(value))  # type: ignore[arg-type]
            except _UNFIT:
                for nth, other in enumerate(others):
                    try:
                        decoded.append(other.decode(value))  # type: ignore[arg-type]
                    except _UNFIT:
                        continue
                    of_others[nth] += 1
                    break
                else:
                    unfit.append(len(decoded) + len(unfit))
        # The form that came most is tried first on the next chunk.
        most = max(of_others)
        if most > len(decoded) - sum(of_others):
            self._decoders.insert(0, self._decoders.pop(1 + of_others.index(most)))
        return np.delete(np.arange(len(values)), np.array(unfit, np.intp)), decoded

    def _readings(
        self, positions: NDArray[np.intp], decoded: list[Plain]
    ) -> tuple[Readings, NDArray[np.bool_]]:
        """A reading of each, and whether it is as plain as it looks; the time is not judged."""
        n = len(decoded)
        ids = [each.id for each in decoded]
        times = [each.effectiveDateTime for each in decoded]
        told = stored.read(decoded, fhir_base=self._fhir_base)
        patient, plain = _behind(PATIENT, [each.subject.reference for each in decoded], least=1)
        practitioner, known = _behind(PRACTITIONER, told.performers, least=0)
        plain &= told.plain & known & _are_ids(ids, _lengths(ids), least=1)
        taken_at, known = utc_times(times)
        plain &= known & (taken_at >= BEFORE_1900)
        systolic = np.fromiter((each[0].valueQuantity.value for each in told.pairs), float, n)
        diastolic = np.fromiter((each[1].valueQuantity.value for each in told.pairs), float, n)
        for pressure, (lowest, highest) in (
            (systolic, SYSTOLIC_RANGE),
            (diastolic, DIASTOLIC_RANGE),
            (np.where(np.isnan(told.mean), MEAN_RANGE[0], told.mean), MEAN_RANGE),
        ):
            plain &= (pressure >= lowest) & (pressure <= highest)
        in_words = np.fromiter((type(each) is InWords for each in decoded), np.bool_, n)
        flags = told.flags | in_words * np.uint32(Flag.UNIT_FROM_TEXT)
        flags |= (systolic <= diastolic) * np.uint32(Flag.IMPLAUSIBLE)
        details = {
            at: Details(times[at], ids[at], practitioner[at] or None, device, site)
            for at, (device, site) in told.taken_with.items()
        }
        start, middle = self._id_line, self._source_line
        readings = Readings(
            origin=self._origins_of(positions),
            patient_id=patient,
            document_id=[
                blake2b(
                    f"{start}{who}{middle}{name}".encode(), digest_size=DIGEST_BYTES
                ).hexdigest()
                for who, name in zip(patient, ids, strict=True)
            ],
            original_time=times,
            observation_id=[*ids],
            practitioner_id=[by or None for by in practitioner],
            details=details,
            taken_at=taken_at,
            systolic=systolic,
            diastolic=diastolic,
            mean=told.mean,
            flags=flags,
            kind=np.full(n, Kind.READING, np.int8),
            series=told.series,
            version=told.version,
        )
        return readings, plain

    def _origins_of(self, positions: NDArray[np.intp]) -> list[Origin]:
        made = self._origins
        at = positions.tolist()
        if at and at[-1] >= len(made):
            made += map(Origin, range(len(made), at[-1] + 1))
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
