"""Why an input became no reading: the whole list, fit for metric labels."""

from enum import StrEnum

from bpstream.errors import RejectedObservation
from bpstream.fhir.element import show


class Fault(StrEnum):
    """Reasons of a dead letter: the input should have been a reading and cannot be one."""

    EMPTY_MESSAGE = "empty_message"
    """No bytes, blanks only, or a tombstone."""
    INVALID_JSON = "invalid_json"
    """Neither JSON nor lines of JSON: cut off, not UTF-8, NaN, a number beyond 1e308."""
    TOO_DEEP = "too_deep"
    """Nested deeper than any resource is."""
    NOT_AN_OBSERVATION = "not_an_observation"
    """JSON, but no Observation, Bundle or NDJSON of them; an entry that is no resource at all."""
    UNKNOWN_MODIFIER = "unknown_modifier"
    """modifierExtension or implicitRules: they may turn the meaning (FHIR R4, Extensibility)."""
    NO_STATUS = "no_status"
    """status is missing: without it nobody knows that the reading holds."""
    INVALID_STATUS = "invalid_status"
    """status is no code of ObservationStatus."""
    NO_SUBJECT = "no_subject"
    """Nothing tells whose reading it is."""
    INVALID_SUBJECT = "invalid_subject"
    """The subject is no Patient, or leads nowhere; or the focus is another person."""
    INVALID_TIME = "invalid_time"
    """A time that is no FHIR dateTime, or a series of samples without a start."""
    BEFORE_1900 = "before_1900"
    """Taken before there were cuffs: a clock that is not set."""
    IN_FUTURE = "in_future"
    """Taken later than it arrived, by more than the tolerated skew."""
    NO_VALUE = "no_value"
    """A blood pressure with no readable number, and no word on why."""
    UNSUPPORTED_VALUE = "unsupported_value"
    """The value is of another type than Quantity or SampledData, or a series cannot be read."""
    INVALID_NUMBER = "invalid_number"
    """A value that is no number."""
    NO_UNIT = "no_unit"
    """A number without a unit."""
    UNSUPPORTED_UNIT = "unsupported_unit"
    """A unit other than mm[Hg], kPa and cm[H2O]."""
    OUT_OF_RANGE = "out_of_range"
    """A pressure no living patient has: an artefact."""
    AMBIGUOUS_COMPONENT = "ambiguous_component"
    """The same pressure twice, or a component that names two of them."""
    TOO_LARGE = "too_large"
    """A series of more samples than are taken from one Observation."""


class Passed(StrEnum):
    """Reasons of an input that is ignored: it is in order, and is no reading."""

    NOT_BLOOD_PRESSURE = "not_blood_pressure"
    """An Observation of something else."""
    OTHER_VESSEL = "other_vessel"
    """A pressure, but not of the systemic arteries: pulmonary, atrial, ventricular, venous."""
    NO_RESULT = "no_result"
    """registered or cancelled: there is no result (yet)."""
    ABSENT = "absent"
    """No value, and the Observation says why (dataAbsentReason) or where (hasMember, related)."""
    OTHER_RESOURCE = "other_resource"
    """An entry or a line that is another resource, or none; a message of the transport."""
    EMPTY_BUNDLE = "empty_bundle"
    """A Bundle without entries: a search that found nothing, a heartbeat."""


def rejected(fault: Fault, *, path: str, found: object) -> RejectedObservation:
    """The error to raise.  What was found is cut short: it may be megabytes, or nested deep."""
    return RejectedObservation(fault, path=path, found=show(found))
