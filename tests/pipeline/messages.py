"""Messages for the pipeline: readings as a test tells them, as FHIR, and in chunks."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from bpstream.alarms import Alarms
from bpstream.chunk import Chunk, Origins
from bpstream.clinical import alarm_rules
from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.models.additive import AdditiveForm, Target, Term
from bpstream.clinical.models.model import Model
from bpstream.clinical.models.risk import Logistic
from bpstream.fhir import identity
from bpstream.fhir.parse import Parser
from bpstream.pipeline import Pipeline

TOPIC, REKEYED = "blood_pressure_fhir", "blood_pressure_rekeyed"
NOON = datetime(2026, 1, 29, 12, tzinfo=UTC)
MINUTE = 60_000_000
RUBBISH = b'{"resourceType":'

_CODES = {False: ("8480-6", "8462-4"), True: ("96608-5", "96609-3")}


def at(minute: float) -> int:
    """So many minutes after NOON, in µs since 1970 UTC."""
    return int(NOON.timestamp()) * 1_000_000 + round(minute * MINUTE)


RETRACTED = "entered-in-error"


class Taken(NamedTuple):
    """A reading, or by its status the retraction of one.

    `minute` is when it was taken, after NOON; a pressure may be None.
    """

    name: str
    patient: str = "p1"
    minute: float = 0
    systolic: float | None = 120
    diastolic: float | None = 80
    version: int = 0
    aggregate: bool = False
    status: str = "final"

    @property
    def document_id(self) -> str:
        return identity.digest(identity.joined(("id", self.patient, "", self.name)))

    def observation(self) -> dict[str, Any]:
        pressures = zip(_CODES[self.aggregate], (self.systolic, self.diastolic), strict=True)
        return {
            "resourceType": "Observation",
            "id": self.name,
            "meta": {"versionId": str(self.version)},
            "status": self.status,
            "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
            "subject": {"reference": f"Patient/{self.patient}"},
            "effectiveDateTime": (NOON + timedelta(minutes=self.minute)).isoformat(),
            "component": [
                {
                    "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                    "valueQuantity": {
                        "value": value,
                        "unit": "mmHg",
                        "system": "http://unitsofmeasure.org",
                        "code": "mm[Hg]",
                    },
                }
                for code, value in pressures
                if value is not None
            ],
        }


def body(*readings: Taken) -> bytes:
    """One reading as an Observation; several, or none, as a Bundle."""
    observations = [reading.observation() for reading in readings]
    if len(observations) == 1:
        return json.dumps(observations[0]).encode()
    entries = [{"resource": each} for each in observations]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


class Message(NamedTuple):
    """A message as it stands in a topic."""

    offset: int
    value: bytes | None
    arrived_at: int
    origin: tuple[int, int, int] | None = None
    """Where a re-keyed message stood first: partition, offset, entry."""


def messages(*values: Taken | bytes, minute: float = 0) -> list[Message]:
    """A message each, at the offsets 0, 1, 2…, all arrived so many minutes after NOON."""
    return [
        Message(offset, body(value) if isinstance(value, Taken) else value, at(minute))
        for offset, value in enumerate(values)
    ]


def chunk(held: Sequence[Message], *, partition: int = 0) -> Chunk:
    """The messages as one chunk of `partition`: re-keyed ones if they have an origin."""
    rekeyed = any(message.origin for message in held)
    origins = [message.origin or (partition, message.offset, 0) for message in held]
    stood = np.array(origins, np.int64).reshape(len(held), 3)
    return Chunk(
        topic=REKEYED if rekeyed else TOPIC,
        offset=np.array([message.offset for message in held], np.int64),
        values=[message.value for message in held],
        keys=[None] * len(held),
        arrived_at=np.array([message.arrived_at for message in held], np.int64),
        origins=Origins(stood[:, 0].astype(np.int32), stood[:, 1], stood[:, 2]),
        rekeyed=rekeyed,
        paths=[f"entry {entry}" for _, _, entry in origins] if rekeyed else (),
    )


def a_model(**parts: Any) -> Model:
    """Its risk is a line through systolic 120; it warns of what is far from the usual."""
    steps = Term("systolic_usual", [100.0, 140.0], [2.0, 0.0, -1.0])
    form = AdditiveForm(
        prevalence=dict.fromkeys(TARGETS, 0.1),
        targets={name: Target(-2.0, [steps]) for name in TARGETS},
    )
    defaults = {
        "name": "line",
        "version": "1",
        "risk": Logistic(intercept=-12.0, systolic=0.1, diastolic=0.0),
        "early_warning": form.served(),
        "distributions": {},
    }
    return Model(**(defaults | parts))


def a_pipeline(**options: Any) -> Pipeline:
    """A pipeline to which every patient is at home, unless `options` say otherwise."""
    defaults = {
        "parser": Parser(),
        "model": a_model(),
        "alarms": Alarms(alarm_rules.load()),
        "home": lambda patient_ids: [0] * len(patient_ids),
        "topic": TOPIC,
    }
    return Pipeline(**(defaults | options))
