"""A document as the message it came from, as far as it is known."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from math import isnan
from typing import Any, NamedTuple

import msgspec
import numpy as np

from bpstream.document import Comparators, Document
from bpstream.fhir import rebuild
from bpstream.fhir.parse import Parser
from bpstream.fhir.rebuild import Coding
from bpstream.fhir.times import microseconds
from bpstream.reading import EXACT, NOT_MEASURED, Details, Flag, Kind, Reading, Readings, Series

# What is flagged by when the Observation arrived, and not by what it says.
_OF_ARRIVAL = Flag.LATE | Flag.TIME_FROM_ARRIVAL
_ROUNDED = 0.005 + 1e-9  # a document's mean has two digits


class Unknown(StrEnum):
    """Why a document cannot become the same document again."""

    IDENTITY = "what its id was made of is not archived (codes, a text that was cut)"
    COMPARATOR = "which way its value is a bound was not archived yet when it was made"
    BIRTH_DATE = "of a child, whose birth date is not archived"
    DETAIL = "would come out differently (a text that was cut, a zone set otherwise)"


class Outcome(NamedTuple):
    """The message of a document, or what is not known of it."""

    document: Document
    message: bytes | None
    unknown: Unknown | None = None


class Replayer:
    """Rebuilds the Observations of documents.

    Each is parsed again before it is given out: what does not come out as the same document,
    by its id and by everything the document tells of the Observation, is not.
    """

    def __init__(self, parser: Parser) -> None:
        self._parser = parser

    def outcomes(self, documents: Sequence[Document]) -> Iterator[Outcome]:
        """The outcome of each document, in order."""
        readings = [reading_of(each) for each in documents]
        messages = [rebuild.observation(each) for each in readings]
        found = self._parse(messages)
        for position, (document, reading) in enumerate(zip(documents, readings, strict=True)):
            if _equal(found.get(position), reading):
                yield Outcome(document, messages[position])
            elif unknown := _unknown(reading):
                yield Outcome(document, None, unknown)
            else:
                yield self._otherwise(document, reading)

    def _otherwise(self, document: Document, reading: Reading) -> Outcome:
        """The document by another form that its Observation may have had."""
        forms = list(_forms(document, reading))
        found = self._parse([message for message, _ in forms])
        for position, (message, each) in enumerate(forms):
            if _equal(found.get(position), each):
                return Outcome(document, message)
        identified = any(each.document_id == document.document_id for each in found.values())
        return Outcome(document, None, Unknown.DETAIL if identified else Unknown.IDENTITY)

    def _parse(self, messages: Sequence[bytes]) -> dict[int, Reading]:
        """The reading of each message that has one."""
        now = np.full(len(messages), time.time_ns() // 1000, np.int64)
        parsed = self._parser.parse(list(messages), now).readings
        return {origin.message: _row(parsed, row) for row, origin in enumerate(parsed.origin)}


def reading_of(document: Document) -> Reading:
    """The reading a document was made of, as far as the document tells.

    What it tells of its arrival is left out: a time that was only the arrival is as any other.
    """
    systolic, diastolic, mean = (
        NOT_MEASURED if value is None else value
        for value in (
            document.systolic_pressure,
            document.diastolic_pressure,
            document.mean_arterial_pressure,
        )
    )
    told = document.comparators or Comparators()
    bounds = told.systolic or "", told.diastolic or "", told.mean or ""
    flags = Flag(0)
    for name in document.flags:
        flags |= Flag[name.upper()]
    return Reading(
        patient_id=document.patient_id,
        taken_at=microseconds(datetime.fromisoformat(document.timestamp)),
        systolic=systolic,
        diastolic=diastolic,
        mean=mean if bounds[2] or not _is_computed(systolic, diastolic, mean) else NOT_MEASURED,
        flags=flags & ~_OF_ARRIVAL,
        kind=Kind[document.kind.upper()],
        series=Series[document.series.upper()],
        document_id=document.document_id,
        version=document.version,
        details=Details(
            original_time=document.original_time or document.timestamp,
            observation_id=document.observation_id,
            practitioner_id=document.practitioner_id,
            device=document.device,
            body_site=document.body_site,
            security_labels=tuple(document.security_labels),
            period=None if document.period is None else (document.period[0], document.period[1]),
            comparators=None if bounds == EXACT else bounds,
            source=document.source,
            identifier=document.identifier,
        ),
    )


def _unknown(reading: Reading) -> Unknown | None:
    """What no form of its Observation can tell."""
    if Flag.CHILD in reading.flags:
        return Unknown.BIRTH_DATE
    is_bound = Flag.COMPARATOR in reading.flags and reading.details.comparators is None
    return Unknown.COMPARATOR if is_bound else None


def _forms(document: Document, reading: Reading) -> Iterator[tuple[bytes, Reading]]:
    """The forms whose id may be the document's, each with what it should be read as."""
    readings, codings = [reading], [Coding.LOINC]
    if reading.details.observation_id is None and reading.details.identifier is None:
        # Its id is a hash of its content: of its codes, and of whether the mean was measured.
        codings = list(Coding) if reading.kind is Kind.READING else codings
        if isnan(reading.mean) and (mean := document.mean_arterial_pressure) is not None:
            readings.append(msgspec.structs.replace(reading, mean=mean))
    for each in readings:
        for coding in codings:
            for sampled in (False, True):
                yield rebuild.observation(each, coding=coding, sampled=sampled), each


def _is_computed(systolic: float, diastolic: float, mean: float) -> bool:
    """Whether the mean is what it would be if it had not been measured."""
    return abs((systolic + 2 * diastolic) / 3 - mean) <= _ROUNDED


def _row(readings: Readings, row: int) -> Reading:
    return Reading(
        patient_id=readings.patient_id[row],
        taken_at=int(readings.taken_at[row]),
        systolic=float(readings.systolic[row]),
        diastolic=float(readings.diastolic[row]),
        mean=float(readings.mean[row]),
        flags=Flag(int(readings.flags[row])),
        kind=Kind(int(readings.kind[row])),
        series=Series(int(readings.series[row])),
        document_id=readings.document_id[row],
        version=int(readings.version[row]),
        details=readings.details_of(row),
    )


def _equal(found: Reading | None, reading: Reading) -> bool:
    """Whether it is the same reading; two pressures that were not measured are the same."""
    return found is not None and _fields(found) == _fields(reading)


def _fields(reading: Reading) -> list[Any]:
    values = msgspec.structs.astuple(reading)
    return [None if isinstance(each, float) and isnan(each) else each for each in values]
