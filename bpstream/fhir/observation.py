"""One Observation: its readings, a retraction, ignored, or rejected.  Nothing else, ever."""

from collections.abc import Iterator
from datetime import tzinfo
from typing import Any, NamedTuple

from bpstream.errors import RejectedObservation
from bpstream.fhir import codes, identity, status
from bpstream.fhir.codes import Meaning, Pressure
from bpstream.fhir.details import details, is_child, label_flags
from bpstream.fhir.element import list_of, object_of
from bpstream.fhir.quantity import Measured
from bpstream.fhir.reasons import Fault, Passed, rejected
from bpstream.fhir.samples import Alone, of_one_series, starts
from bpstream.fhir.subject import patient_key
from bpstream.fhir.times import BEFORE_1900, Effective, effective
from bpstream.fhir.values import Part, Values, nothing, value_name, values_of
from bpstream.reading import AMENDS, EXACT, NOT_MEASURED, Flag, Kind, Reading, Series


class Withdrawn(NamedTuple):
    """A reading that was entered in error."""

    patient_id: str
    document_id: str
    version: int


Fate = Reading | Withdrawn | Passed | RejectedObservation


class Outcome(NamedTuple):
    """What one reading's worth of an Observation came to."""

    fate: Fate
    body: bytes | None = None
    """For one sample of several: an Observation that holds it alone."""


class ObservationReader:
    """Reads Observations as untyped JSON.  `zone` is for times without one; skew in seconds."""

    def __init__(self, *, source: str, fhir_base: str, zone: tzinfo, max_skew: float) -> None:
        self.source, self.fhir_base, self.zone = source, fhir_base, zone
        self.max_skew = round(max_skew * 1_000_000)

    def read(self, observation: dict[str, Any], arrived_at: int) -> list[Outcome]:
        """At least one outcome; it does not raise.  `arrived_at` is µs since 1970 UTC."""
        try:
            return self._read(observation, arrived_at)
        except RejectedObservation as error:
            return [Outcome(error)]

    def _read(self, observation: dict[str, Any], arrived_at: int) -> list[Outcome]:
        whole = codes.meaning(observation.get("code"))
        components = [
            (object_of(each), codes.meaning(object_of(each).get("code")))
            for each in list_of(observation.get("component"))
        ]
        elsewhere = [whole, *(meaning for _, meaning in components)]
        if any(each.other_vessel for each in elsewhere) or codes.names_other_vessel(
            observation.get("bodySite")
        ):
            return [Outcome(Passed.OTHER_VESSEL)]
        parts = [
            Part(element, meaning, f"Observation.component[{position}]")
            for position, (element, meaning) in enumerate(components)
            if meaning.pressures
        ]
        if whole.pressures and not (parts and value_name(observation, "Observation") is None):
            parts.append(Part(observation, whole, "Observation"))
        unnamed = not observation.get("code") and not components
        if not parts and not whole.concepts and not unnamed:
            return [Outcome(Passed.NOT_BLOOD_PRESSURE)]

        status.refuse_modifiers(observation, path="Observation")
        use, flags = status.use(observation)
        if use is status.Use.RETRACT:
            return self._retract(observation, parts, whole, arrived_at)
        if use is status.Use.IGNORE:
            return [Outcome(Passed.NO_RESULT)]
        if unnamed:
            return [Outcome(Passed.NOT_BLOOD_PRESSURE)]
        return list(self._evaluate(observation, parts, whole, flags, arrived_at))

    def _evaluate(
        self,
        observation: dict[str, Any],
        parts: list[Part],
        whole: Meaning,
        flags: Flag,
        arrived_at: int,
    ) -> Iterator[Outcome]:
        patient = patient_key(observation, fhir_base=self.fhir_base)
        taken = effective(observation, zone=self.zone, arrived_at=arrived_at)
        values = values_of(parts)
        if not values.quantities and not values.series:
            yield Outcome(nothing(observation, parts))
            return
        draft = _Draft(self, observation, parts, whole, patient, flags, arrived_at)
        if values.series:
            yield from self._samples(draft, values, taken)
        else:
            yield Outcome(draft.reading(values.quantities, taken))

    def _samples(self, draft: "_Draft", values: Values, taken: Effective) -> Iterator[Outcome]:
        """A reading for each moment at which every pressure of the pair has a number."""
        if values.quantities:
            path, found = "Observation.component", "a Quantity beside SampledData"
            raise rejected(Fault.UNSUPPORTED_VALUE, path=path, found=found)
        length = of_one_series(values.series)
        single = Alone(draft.observation)
        pair = values.series.keys() - {Pressure.MEAN} or {Pressure.MEAN}
        found_any = False
        for position, at in enumerate(
            starts(taken, length, next(iter(values.series.values())).period)
        ):
            try:
                read = {name: each.at(position, name) for name, each in values.series.items()}
                numbers = {name: each for name, each in read.items() if each}
                if not pair <= numbers.keys():
                    continue
                fate: Fate = draft.reading(numbers, at, sampled=True)
            except RejectedObservation as error:
                fate = error
            found_any = True
            yield Outcome(fate, single.at(position, at) if length > 1 else None)
        if not found_any:
            yield Outcome(Passed.ABSENT)

    def _retract(
        self, observation: dict[str, Any], parts: list[Part], whole: Meaning, arrived_at: int
    ) -> list[Outcome]:
        """Withdraw what this Observation was, by its name, else by its content.

        An Observation in error often has lost its values; a series is withdrawn sample by
        sample, as far as they are still there.
        """
        patient = patient_key(observation, fhir_base=self.fhir_base)
        version = identity.version(observation, zone=self.zone)
        name = identity.logical(observation, patient=patient, source=self.source)
        sampled = any("valueSampledData" in part.element for part in parts)
        if name and not sampled:
            return [Outcome(Withdrawn(patient, identity.digest(name), version))]
        withdrawn = []
        for each in self._evaluate(observation, parts, whole, Flag(0), arrived_at):
            fate = each.fate
            if isinstance(fate, Reading):
                fate = Withdrawn(patient, fate.document_id, version)
            withdrawn.append(Outcome(fate, each.body))
        return withdrawn


class _Draft:
    """What every reading of one Observation has in common."""

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        reader: ObservationReader,
        observation: dict[str, Any],
        parts: list[Part],
        whole: Meaning,
        patient: str,
        flags: Flag,
        arrived_at: int,
    ) -> None:
        self.reader, self.observation, self.patient = reader, observation, patient
        self.arrived_at = arrived_at
        self.name = identity.logical(observation, patient=patient, source=reader.source)
        # An amendment that does not tell its version comes after what it amends.
        self.version = identity.version(observation, zone=reader.zone) or int(bool(flags & AMENDS))
        self.codes = {next(iter(part.meaning.pressures)): part.meaning.coding for part in parts}
        named = [whole, *(part.meaning for part in parts)]
        method = codes.series_of_method(observation.get("method"))
        self.series = max(method, *(each.series for each in named))
        self.kind = Kind.AGGREGATE if any(each.is_aggregate for each in named) else Kind.READING
        self.flags = flags | label_flags(observation)
        if self.series is Series.ARTERIAL:
            self.flags |= Flag.INVASIVE

    def reading(
        self, numbers: dict[Pressure, Measured], taken: Effective, *, sampled: bool = False
    ) -> Reading:
        """The reading of these pressures, taken then."""
        self._check_time(taken)
        about = details(self.observation, taken, fhir_base=self.reader.fhir_base)
        flags = self.flags | taken.flags
        for each in numbers.values():
            flags |= each.flags
        systolic, diastolic, mean = (
            numbers[name].mmhg if name in numbers else NOT_MEASURED for name in Pressure
        )
        if Pressure.SYSTOLIC not in numbers or Pressure.DIASTOLIC not in numbers:
            flags |= Flag.PARTIAL
        elif systolic <= diastolic:
            flags |= Flag.IMPLAUSIBLE
        if is_child(self.observation, taken.at):
            flags |= Flag.CHILD
        name = self.name or self._content(numbers, taken, about.device or "")
        if sampled:
            name = identity.joined((name, "sample", str(taken.at)))
        about.comparators = _comparators(numbers)
        if self.kind is not Kind.AGGREGATE:
            about.period = None
        return Reading(
            patient_id=self.patient,
            taken_at=taken.at,
            systolic=systolic,
            diastolic=diastolic,
            mean=mean,
            flags=flags,
            kind=self.kind,
            series=self.series,
            document_id=identity.digest(name),
            version=self.version,
            details=about,
        )

    def _content(self, numbers: dict[Pressure, Measured], taken: Effective, device: str) -> str:
        """What identifies an Observation without id and identifier: an identical resend is one.

        A time that is only the arrival would make every resend another.
        """
        at = "" if Flag.TIME_FROM_ARRIVAL in taken.flags else str(taken.at)
        values = (
            f"{self.codes[name]} {numbers[name].comparator}{numbers[name].mmhg:.3f}"
            for name in Pressure
            if name in numbers
        )
        return identity.joined(("content", self.patient, at, device, *values))

    def _check_time(self, taken: Effective) -> None:
        path, found = "Observation.effective", taken.original
        if taken.at < BEFORE_1900:
            raise rejected(Fault.BEFORE_1900, path=path, found=found)
        if taken.at > self.arrived_at + self.reader.max_skew:
            raise rejected(Fault.IN_FUTURE, path=path, found=found)


def _comparators(numbers: dict[Pressure, Measured]) -> tuple[str, str, str] | None:
    """Systolic's, diastolic's and mean's comparator; None where all are exact."""
    systolic, diastolic, mean = (
        numbers[name].comparator if name in numbers else "" for name in Pressure
    )
    found = systolic, diastolic, mean
    return None if found == EXACT else found
