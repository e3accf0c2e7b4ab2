"""Parsing: messages in, readings in columns out, and the fate of whatever is none."""

from collections.abc import Iterator, Sequence
from datetime import UTC, tzinfo

import numpy as np
from numpy.typing import NDArray

from bpstream.errors import RejectedObservation
from bpstream.fhir import envelope
from bpstream.fhir.element import show
from bpstream.fhir.observation import ObservationReader, Withdrawn
from bpstream.fhir.pairing import Item, paired
from bpstream.fhir.plain import PlainReader
from bpstream.fhir.reasons import Fault, rejected
from bpstream.reading import (
    Ignored,
    Origin,
    Parsed,
    Reading,
    Readings,
    Rejected,
    Retraction,
)


class Parser:
    """Reads chunks of messages: what is plain at once, the rest one by one.

    `source` is part of a reading's identity where its Observation names none; references below
    `fhir_base` are told as relative ones; `timezone` is that of times without a zone; a reading
    more than `max_skew` seconds in the future of its arrival is rejected.
    """

    def __init__(
        self,
        *,
        source: str = "",
        fhir_base: str = "",
        timezone: tzinfo = UTC,
        max_skew: float = 600.0,
    ) -> None:
        self._plain = PlainReader(source=source, fhir_base=fhir_base, max_skew=max_skew)
        self._reader = ObservationReader(
            source=source, fhir_base=fhir_base, zone=timezone, max_skew=max_skew
        )

    def parse(self, values: Sequence[bytes | None], arrived_at: NDArray[np.int64]) -> Parsed:
        """The fate of every input in `values`; it does not raise, whatever they are.

        None is a tombstone.  `arrived_at`, shape ``(n,)``, is when each message reached Kafka,
        µs since 1970 UTC.
        """
        plain, left = self._plain.read(values, arrived_at)
        origins: list[Origin] = []
        readings: list[Reading] = []
        parsed = Parsed(plain, [], [], [], len(left))
        for position in left:
            for item in self._items(values[position], int(arrived_at[position])):
                origin = Origin(position, item.position, item.path, item.body)
                match item.fate:
                    case Reading() as reading:
                        origins.append(origin)
                        readings.append(reading)
                    case Withdrawn(patient_id, document_id, version):
                        parsed.retractions.append(
                            Retraction(origin, patient_id, document_id, version)
                        )
                    case RejectedObservation() as error:
                        parsed.rejected.append(
                            Rejected(origin, error.reason, error.path, str(error.found))
                        )
                    case reason:
                        parsed.ignored.append(Ignored(origin, reason))
        parsed.readings = Readings.merge(plain, Readings.of(origins, readings))
        return parsed

    def _items(self, value: bytes | None, arrived_at: int) -> list[Item]:
        """The inputs of one message, each with its fate."""
        try:
            return paired(list(self._read(value, arrived_at)))
        except RejectedObservation as error:
            fate = error
        except RecursionError:
            fate = rejected(Fault.TOO_DEEP, path="message", found=show((value or b"")[:100]))
        return [Item(0, "", None, {}, fate)]

    def _read(self, value: bytes | None, arrived_at: int) -> Iterator[Item]:
        position = 0
        for entry in envelope.entries(value):
            if entry.fate is not None:
                yield Item(position, entry.path, entry.body, {}, entry.fate)
                position += 1
                continue
            for outcome in self._reader.read(entry.observation, arrived_at):
                body = entry.body if outcome.body is None else outcome.body
                yield Item(position, entry.path, body, entry.observation, outcome.fate)
                position += 1
