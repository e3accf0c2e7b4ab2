"""The fast path: plain Observations, decoded into typed structs and then read in columns.

Two forms are plain: the original producer's, which names its components in words, and the
one with LOINC and UCUM codes that `build` writes.  Whatever does not fit exactly, or would
be a dead letter, is left to the tolerant reader, which gives the same reading for what does.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.fhir.codes import DIASTOLIC, DIASTOLIC_TEXT, LOINC, PANEL, SYSTOLIC, SYSTOLIC_TEXT
from bpstream.fhir.identity import DIGEST_BYTES, joined
from bpstream.fhir.quantity import DIASTOLIC_RANGE, SYSTOLIC_RANGE, UCUM, UCUM_MMHG
from bpstream.fhir.times import BEFORE_1900
from bpstream.reading import NOT_MEASURED, Details, Flag, Kind, Origin, Readings, Series

# Literals cannot be computed: these repeat the codes, and the assertions hold them together.
_SYSTOLIC_WORDS = Literal["Systolic Blood Pressure"]
_DIASTOLIC_WORDS = Literal["Diastolic Blood Pressure"]


_NOTHING = msgspec.Raw()


class _Strict(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """Decoding refuses anything that is not spelled out."""


class _Reference(_Strict):
    reference: str


class _SystolicInWords(_Strict):
    text: _SYSTOLIC_WORDS


class _DiastolicInWords(_Strict):
    text: _DIASTOLIC_WORDS


class _PanelInWords(_Strict):
    text: Literal["Blood Pressure", "Blood pressure"]


class _AmountInWords(_Strict):
    value: float
    unit: Literal["mmHg"]


class _SystolicComponentInWords(_Strict):
    code: _SystolicInWords
    valueQuantity: _AmountInWords  # noqa: N815 (FHIR's own name)


class _DiastolicComponentInWords(_Strict):
    code: _DiastolicInWords
    valueQuantity: _AmountInWords  # noqa: N815


class _InWords(_Strict):
    """The original producer's Observation."""

    resourceType: Literal["Observation"]  # noqa: N815
    id: str
    status: Literal["final", "amended", "corrected"]
    subject: _Reference
    effectiveDateTime: str  # noqa: N815
    component: tuple[_SystolicComponentInWords, _DiastolicComponentInWords]
    category: msgspec.Raw = _NOTHING
    performer: tuple[_Reference] | None = None
    code: _PanelInWords | None = None


class _PanelCoding(_Strict):
    system: Literal["http://loinc.org"]
    code: Literal["85354-9"]


class _SystolicCoding(_Strict):
    system: Literal["http://loinc.org"]
    code: Literal["8480-6"]


class _DiastolicCoding(_Strict):
    system: Literal["http://loinc.org"]
    code: Literal["8462-4"]


class _Panel(_Strict):
    coding: tuple[_PanelCoding]


class _Systolic(_Strict):
    coding: tuple[_SystolicCoding]


class _Diastolic(_Strict):
    coding: tuple[_DiastolicCoding]


class _Amount(_Strict):
    value: float
    system: Literal["http://unitsofmeasure.org"]
    code: Literal["mm[Hg]"]
    unit: str | None = None


class _SystolicComponent(_Strict):
    code: _Systolic
    valueQuantity: _Amount  # noqa: N815


class _DiastolicComponent(_Strict):
    code: _Diastolic
    valueQuantity: _Amount  # noqa: N815


class _Coded(_Strict):
    """The Observation that `build.observation` writes."""

    resourceType: Literal["Observation"]  # noqa: N815
    id: str
    status: Literal["final", "amended", "corrected"]
    subject: _Reference
    effectiveDateTime: str  # noqa: N815
    code: _Panel
    component: tuple[_SystolicComponent, _DiastolicComponent]
    category: msgspec.Raw = _NOTHING
    performer: tuple[_Reference] | None = None


assert (
    *_SYSTOLIC_WORDS.__args__,  # type: ignore[attr-defined]
    *_DIASTOLIC_WORDS.__args__,  # type: ignore[attr-defined]
) == (SYSTOLIC_TEXT, DIASTOLIC_TEXT)
assert (LOINC, PANEL, SYSTOLIC, DIASTOLIC) == ("http://loinc.org", "85354-9", "8480-6", "8462-4")
assert (UCUM, UCUM_MMHG) == ("http://unitsofmeasure.org", "mm[Hg]")

_Plain = _InWords | _Coded

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_PATIENT, _PRACTITIONER = "Patient/", "Practitioner/"


class PlainReader:
    """Reads what is plain among the messages of a chunk."""

    def __init__(self, *, source: str, max_skew: float) -> None:
        self._max_skew = round(max_skew * 1_000_000)
        # The parts of an identity that are the same for every plain Observation.
        self._id_line, self._source_line = "id\n", f"\n{joined((source,))}\n"
        self._decoders: list[msgspec.json.Decoder[Any]] = [
            msgspec.json.Decoder(_InWords),
            msgspec.json.Decoder(_Coded),
        ]

    def read(
        self, values: Sequence[bytes | None], arrived_at: NDArray[np.int64]
    ) -> tuple[Readings, list[int]]:
        """The readings of the plain messages, and the positions of the others."""
        positions, decoded = self._decode(values)
        fits = _Columns.of(decoded)
        ok = fits.within(arrived_at[positions] + self._max_skew)
        if not ok.all():
            keep = np.flatnonzero(ok)
            positions, decoded = positions[keep], [decoded[i] for i in keep.tolist()]
            fits = fits.take(keep)
        left = np.ones(len(values), np.bool_)
        left[positions] = False
        return self._readings(positions, decoded, fits), np.flatnonzero(left).tolist()

    def _decode(self, values: Sequence[bytes | None]) -> tuple[NDArray[np.intp], list[_Plain]]:
        decode = self._decoders[0].decode
        try:
            decoded = [decode(value) for value in values]  # type: ignore[arg-type]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
            return self._decode_one_by_one(values)
        return np.arange(len(decoded)), decoded

    def _decode_one_by_one(
        self, values: Sequence[bytes | None]
    ) -> tuple[NDArray[np.intp], list[_Plain]]:
        positions, decoded, used = [], [], [0] * len(self._decoders)
        for position, value in enumerate(values):
            for number, decoder in enumerate(self._decoders):
                try:
                    plain = decoder.decode(value)  # type: ignore[arg-type]
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
                    continue
                positions.append(position)
                decoded.append(plain)
                used[number] += 1
                break
        # The form that came most is tried first on the next chunk.
        if max(used) > used[0]:
            self._decoders.reverse()
        return np.array(positions, np.intp), decoded

    def _readings(
        self, positions: NDArray[np.intp], decoded: list[_Plain], fits: "_Columns"
    ) -> Readings:
        n = len(decoded)
        start, middle = self._id_line, self._source_line
        flags = np.where(fits.in_words, np.uint32(Flag.UNIT_FROM_TEXT), np.uint32(0)) | np.where(
            fits.systolic <= fits.diastolic, np.uint32(Flag.IMPLAUSIBLE), np.uint32(0)
        )
        return Readings(
            origin=[Origin(position) for position in positions.tolist()],
            patient_id=fits.patient,
            document_id=[
                blake2b(
                    f"{start}{patient}{middle}{each.id}".encode(), digest_size=DIGEST_BYTES
                ).hexdigest()
                for patient, each in zip(fits.patient, decoded, strict=True)
            ],
            details=[
                Details(each.effectiveDateTime, each.id, practitioner)
                for each, practitioner in zip(decoded, fits.practitioner, strict=True)
            ],
            taken_at=fits.taken_at,
            systolic=fits.systolic,
            diastolic=fits.diastolic,
            mean=np.full(n, NOT_MEASURED),
            flags=flags.astype(np.uint32),
            kind=np.full(n, Kind.READING, np.int8),
            series=np.full(n, Series.UNKNOWN, np.int8),
            version=np.zeros(n, np.int64),
        )


class _Columns(NamedTuple):
    """What is needed of decoded Observations, and whether each is as plain as it looks."""

    patient: list[str]
    practitioner: list[str | None]
    systolic: NDArray[np.float64]
    diastolic: NDArray[np.float64]
    taken_at: NDArray[np.int64]
    in_words: NDArray[np.bool_]
    plain: NDArray[np.bool_]

    @classmethod
    def of(cls, decoded: list[_Plain]) -> "_Columns":
        n = len(decoded)
        components = [each.component for each in decoded]
        patient = [each.subject.reference.removeprefix(_PATIENT) for each in decoded]
        performers = [each.performer[0].reference if each.performer else None for each in decoded]
        taken_at, known = utc_times([each.effectiveDateTime for each in decoded])
        is_id = _ID.fullmatch
        plain = np.fromiter(
            (
                is_id(who) is not None
                and is_id(each.id) is not None
                and each.subject.reference.startswith(_PATIENT)
                for who, each in zip(patient, decoded, strict=True)
            ),
            np.bool_,
            n,
        )
        practitioner: list[str | None] = [
            performer and performer.removeprefix(_PRACTITIONER) for performer in performers
        ]
        plain &= np.fromiter(
            (
                who is None or (who is not performer and is_id(who) is not None)
                for who, performer in zip(practitioner, performers, strict=True)
            ),
            np.bool_,
            n,
        )
        return cls(
            patient=patient,
            practitioner=practitioner,
            systolic=np.fromiter((each[0].valueQuantity.value for each in components), float, n),
            diastolic=np.fromiter((each[1].valueQuantity.value for each in components), float, n),
            taken_at=taken_at,
            in_words=np.fromiter((type(each) is _InWords for each in decoded), np.bool_, n),
            plain=plain & known,
        )

    def within(self, latest: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each is plain, in range, and taken no later than `latest`."""
        return (
            self.plain
            & (self.systolic >= SYSTOLIC_RANGE[0])
            & (self.systolic <= SYSTOLIC_RANGE[1])
            & (self.diastolic >= DIASTOLIC_RANGE[0])
            & (self.diastolic <= DIASTOLIC_RANGE[1])
            & (self.taken_at >= BEFORE_1900)
            & (self.taken_at <= latest)
        )

    def take(self, rows: NDArray[np.intp]) -> "_Columns":
        at = rows.tolist()
        return _Columns(
            [self.patient[i] for i in at],
            [self.practitioner[i] for i in at],
            self.systolic[rows],
            self.diastolic[rows],
            self.taken_at[rows],
            self.in_words[rows],
            self.plain[rows],
        )


# What a plain time looks like, by its length: 0 stands for any digit.
_FORMS = {
    len(form): np.frombuffer(form.encode(), np.uint8)
    for form in (
        "0000-00-00T00:00:00.000000+00:00",
        "0000-00-00T00:00:00.000+00:00",
        "0000-00-00T00:00:00+00:00",
        "0000-00-00T00:00:00.000000Z",
        "0000-00-00T00:00:00.000Z",
        "0000-00-00T00:00:00Z",
    )
}
_ZONE_LENGTH = {ord("Z"): 1, ord("0"): 6}


def utc_times(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Microseconds since 1970 of times in UTC, and whether each is one; shape ``(n,)``."""
    n = len(texts)
    lengths = np.fromiter(map(len, texts), np.intp, n)
    at, known = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    for length in np.unique(lengths).tolist():
        form = _FORMS.get(length)
        if form is None:
            continue
        rows = np.flatnonzero(lengths == length)
        same: Any = texts if len(rows) == n else [texts[row] for row in rows.tolist()]
        written = "".join(same)
        if not written.isascii():
            rows = np.array([row for row in rows.tolist() if texts[row].isascii()], np.intp)
            written = "".join(texts[row] for row in rows.tolist())
        letters = np.frombuffer(written.encode(), np.uint8).reshape(-1, length)
        digit = form == ord("0")
        zone = length - _ZONE_LENGTH[int(form[-1])]
        digit[zone:] = False
        fits = (letters[:, ~digit] == form[~digit]).all(axis=1)
        fits &= (letters[:, digit] - ord("0") <= 9).all(axis=1)
        rows, letters = rows[fits], np.ascontiguousarray(letters[fits, :zone])
        moments = letters.view(f"S{zone}").ravel() if len(rows) else np.zeros(0, "S1")
        try:
            at[rows] = moments.astype("M8[us]").view(np.int64)
            known[rows] = True
        except ValueError:
            # A month 13, a February 30, a leap second: left to the tolerant reader.
            continue
    return at, known
