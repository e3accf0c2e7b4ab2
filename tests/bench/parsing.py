"""`python -m tests.bench.parsing`: which messages take the fast path, and what each path costs."""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from bpstream.fhir import build
from bpstream.fhir.parse import Parser
from bpstream.simulator import Simulator

SAMPLES = Path(__file__).parents[1] / "samples"
_CHUNK, _CHUNKS, _RUNS = 2000, 2, 5
_SEED = 42
_NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Row(NamedTuple):
    """What a kind of messages costs: medians of several runs."""

    name: str
    plain: float
    """Share of the messages that the fast path reads, 0..1."""
    cpu_us: float
    """CPU µs a message."""


def measure(name: str, messages: Sequence[bytes]) -> Row:
    """Parse the messages in chunks, over and over."""
    parser, taken, left = Parser(), list[float](), 0
    chunks = [list(islice(cycle(messages), _CHUNK)) for _ in range(_CHUNKS)]
    arrived_at = np.full(_CHUNK, int(_NOW.timestamp() * 1e6), np.int64)
    for _ in range(_RUNS):
        began = time.process_time()
        left = sum(parser.parse(chunk, arrived_at).tolerant for chunk in chunks)
        taken.append(time.process_time() - began)
    total = _CHUNK * _CHUNKS
    return Row(name, 1 - left / total, median(taken) / total * 1e6)


def kinds() -> Iterator[tuple[str, list[bytes]]]:
    """Messages of several kinds, by what they are called."""
    original = Simulator(patients=_CHUNK, seed=_SEED, profile="uniform").round(_NOW)
    yield "simulated, as the original's", [message.value for message in original]
    coded = [
        build.observation(
            observation_id=f"o{nth}",
            patient_id=f"PAT-{nth:03d}",
            practitioner_id="PRAC-01",
            taken_at=_NOW.isoformat(),
            systolic=120.0 + nth % 40,
            diastolic=80.0,
        )
        for nth in range(_CHUNK)
    ]
    yield "coded in LOINC and UCUM", coded
    yield "as servers keep those", [_stored(each) for each in coded]
    about = b'"focus":[{"reference":"Device/d1"}],"id"'
    yield "coded, with a focus", [each.replace(b'"id"', about, 1) for each in coded]
    paths = sorted(path for path in SAMPLES.glob("[dr]*.json") if path.stat().st_size)
    yield "the samples in tests/samples", [path.read_bytes() for path in paths]


def _stored(message: bytes) -> bytes:
    """An Observation with what a server adds, and with displays as in HL7's US Core."""
    observation = json.loads(message)
    observation |= {
        "meta": {
            "versionId": "1",
            "lastUpdated": "2026-11-24T12:00:01.123+00:00",
            "source": "#Xm3Kq0VdkB8zN2aR",
            "profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-blood-pressure"],
        },
        "encounter": {"reference": "Encounter/e1"},
        "issued": "2026-11-24T12:00:01.000+00:00",
    }
    for each, display in (
        (observation, "Blood pressure panel with all children optional"),
        (observation["component"][0], "Systolic blood pressure"),
        (observation["component"][1], "Diastolic blood pressure"),
    ):
        each["code"]["coding"][0]["display"] = each["code"]["text"] = display
    return json.dumps(observation).encode()


def main() -> None:
    """Print the table."""
    print(f"{'messages':<40}{'fast path':>11}{'µs CPU/message':>16}")
    for name, messages in kinds():
        row = measure(name, messages)
        print(f"{row.name:<40}{row.plain:>11.0%}{row.cpu_us:>16.1f}")


if __name__ == "__main__":
    main()
