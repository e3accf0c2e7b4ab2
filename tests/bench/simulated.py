"""The pipeline and chunks for it in memory: its cost is looked at without a broker."""

from datetime import UTC, datetime, timedelta

import numpy as np

from bpstream.alarms import Alarms
from bpstream.chunk import Chunk, Origins
from bpstream.clinical import alarm_rules
from bpstream.clinical.models.model import load
from bpstream.fhir.parse import Parser
from bpstream.pipeline import Pipeline
from bpstream.resources import shipped
from bpstream.settings import Settings
from bpstream.simulator import Simulator

_START = datetime(2026, 1, 29, 12, tzinfo=UTC)
_EVERY = timedelta(minutes=5)


def a_pipeline() -> Pipeline:
    """With the shipped model and rules; every patient is at home."""
    return Pipeline(
        parser=Parser(),
        model=load(shipped("models") / Settings().model),
        alarms=Alarms(alarm_rules.load()),
        home=lambda patient_ids: [0] * len(patient_ids),
        topic="fhir",
    )


def rounds(patients: int, number: int, *, profile: str = "patients") -> list[Chunk]:
    """So many chunks, each with a reading of every patient who is measured then."""
    simulator = Simulator(patients=patients, seed=42, profile=profile)
    chunks, begin = [], 0
    for each in range(number):
        now = _START + each * _EVERY
        messages = simulator.round(now)
        n = len(messages)
        offset = np.arange(begin, begin + n)
        begin += n
        chunks.append(
            Chunk(
                topic="fhir",
                offset=offset,
                values=[message.value for message in messages],
                keys=[message.key for message in messages],
                arrived_at=np.full(n, int(now.timestamp()) * 1_000_000),
                origins=Origins(np.zeros(n, np.int32), offset, np.zeros(n, np.int64)),
            )
        )
    return chunks
