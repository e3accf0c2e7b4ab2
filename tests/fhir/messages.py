"""Messages for the parser, and what became of them in a form that can be compared."""

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from bpstream.fhir.parse import Parser
from bpstream.fhir.plain import PlainReader
from bpstream.reading import (
    AMENDS,
    Details,
    Flag,
    Ignored,
    Kind,
    Origin,
    Parsed,
    Readings,
    Rejected,
    Retraction,
    Series,
)

LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
MDC = "urn:iso:std:iso:11073:10101"
UCUM = "http://unitsofmeasure.org"
TAKEN = "2026-01-29T21:32:51.619300+00:00"


def at(text: str) -> int:
    """Microseconds since 1970 of an ISO time; without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


ARRIVED = at("2026-01-29T21:33:00")

_MARK = b"\xef\xbb\xbf"

THOROUGHLY = settings(max_examples=400, deadline=None)
"""For properties: more examples than usual, and no clock on a busy machine."""


def concept(*codes: str, system: str = LOINC) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for code in codes]}


def mmhg(value: object) -> dict[str, Any]:
    return {"value": value, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}


def component(code: str, value: object, *, system: str = LOINC) -> dict[str, Any]:
    return {"code": concept(code, system=system), "valueQuantity": mmhg(value)}


def an_observation(
    systolic: object = 120, diastolic: object = 80, **changes: Any
) -> dict[str, Any]:
    """A plain Observation with `changes`; a property that is None is left out."""
    observation = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": concept("85354-9"),
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": TAKEN,
        "component": [component("8480-6", systolic), component("8462-4", diastolic)],
    }
    return {name: each for name, each in (observation | changes).items() if each is not None}


def a_single(code: str, value: object, **changes: Any) -> dict[str, Any]:
    """An Observation of one pressure, which has its value and no components."""
    single = {"id": f"o-{code}", "code": concept(code), "valueQuantity": mmhg(value)}
    return an_observation(**({"component": None} | single | changes))


def a_bundle(*resources: object, **changes: Any) -> dict[str, Any]:
    entries = [{"resource": each} for each in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries} | changes


class Row(NamedTuple):
    """A reading with all of its columns; a pressure that was not measured is None."""

    patient_id: str
    document_id: str
    details: Details
    taken_at: int
    systolic: float | None
    diastolic: float | None
    mean: float | None
    flags: list[str]
    amends: bool
    kind: Kind
    series: Series
    version: int


Fate = Row | Rejected | Retraction | Ignored


def parse(*values: object, arrived_at: int = ARRIVED, **options: Any) -> Parsed:
    """What becomes of messages: bytes as they are, None a tombstone, else as JSON."""
    messages = [
        value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
        for value in values
    ]
    return Parser(**options).parse(messages, np.full(len(messages), arrived_at, np.int64))


def rows(readings: Readings) -> list[Row]:
    def measured(value: float) -> float | None:
        return None if math.isnan(value) else value

    return [
        Row(
            patient_id=readings.patient_id[i],
            document_id=readings.document_id[i],
            details=readings.details_of(i),
            taken_at=int(readings.taken_at[i]),
            systolic=measured(float(readings.systolic[i])),
            diastolic=measured(float(readings.diastolic[i])),
            mean=measured(float(readings.mean[i])),
            flags=Flag(int(readings.flags[i])).names(),
            amends=bool(int(readings.flags[i]) & AMENDS),
            kind=Kind(readings.kind[i]),
            series=Series(readings.series[i]),
            version=int(readings.version[i]),
        )
        for i in range(len(readings))
    ]


def fates(parsed: Parsed) -> list[tuple[Origin, Fate]]:
    """Every input with what became of it, in the order they stood."""
    found: list[tuple[Origin, Fate]] = list(
        zip(parsed.readings.origin, rows(parsed.readings), strict=True)
    )
    others: Sequence[Rejected | Retraction | Ignored] = [
        *parsed.rejected,
        *parsed.retractions,
        *parsed.ignored,
    ]
    found += [(each.origin, each) for each in others]
    return sorted(found, key=lambda each: each[0][:2])


def the_fate(value: object, **options: Any) -> Fate:
    """What became of a message that holds one input."""
    ((_, fate),) = fates(parse(value, **options))
    return fate


def the_reading(value: object, **options: Any) -> Row:
    fate = the_fate(value, **options)
    assert isinstance(fate, Row), fate
    return fate


def the_fault(value: object, **options: Any) -> tuple[str, str]:
    """Why a message was rejected, and the element at fault."""
    fate = the_fate(value, **options)
    assert isinstance(fate, Rejected), fate
    return fate.reason, fate.path


def in_short(value: object, **options: Any) -> str:
    """The fate in a word: `reading`, or why it is none."""
    fate = the_fate(value, **options)
    if isinstance(fate, Row):
        return "aggregate" if fate.kind is Kind.AGGREGATE else "reading"
    return "retraction" if isinstance(fate, Retraction) else str(fate.reason)


def read_plainly(*messages: bytes, source: str = "") -> tuple[Readings, list[int]]:
    """What the fast path alone makes of messages, and the positions it leaves."""
    reader = PlainReader(source=source, fhir_base="", max_skew=600.0)
    return reader.read(messages, np.full(len(messages), ARRIVED, np.int64))


def read_tolerantly(message: bytes, **options: Any) -> Row:
    """What the tolerant reader makes of a message: no message with a mark before it is plain."""
    marked = _MARK + message
    assert read_plainly(marked)[1] == [0]
    return the_reading(marked, **options)


def damaged(message: bytes, data: st.DataObject) -> bytes:
    """The message with a few bytes more or less somewhere."""
    position = data.draw(st.integers(0, len(message) - 1))
    added = data.draw(st.sampled_from([b"", b"0", b"-", b" ", b"\\", b"\xff", b"\n", b"e9"]))
    return message[:position] + added + message[position + data.draw(st.integers(0, 2)) :]
