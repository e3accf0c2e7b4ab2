"""What people said of alerts, as its topic holds it: acknowledgements, and silences.

An acknowledgement's key is the alert's id.  It holds for the severity that the alert had: one
that becomes more severe wants to be acknowledged again.  A silence is of a patient, of a rule, or
of both; its key is made of these, so that a later one takes the place of an earlier one.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from bpstream.alert import technical_id
from bpstream.clinical.categories import SEVERITY_NAMES, Severity
from bpstream.document import iso, micros
from bpstream.person import Author, Comment

# bpstream's own choice: a shift's length is too long to forget somebody in danger.
LONGEST = timedelta(hours=24)
LONGEST_CRITICAL = timedelta(hours=2)
"""So long a silence keeps a critical alert quiet, however long it lasts for others."""

_MOST_MINUTES = int(LONGEST / timedelta(minutes=1))
_MICROSECOND = timedelta(microseconds=1)
_SILENCE = "silence:"
_ALERT_ID = re.compile("[0-9a-f]{16}")


class Acknowledge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person sends who acknowledges an alert."""

    by: Author
    comment: Comment = ""


class Silencing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person sends who does not want to be notified for a while."""

    by: Author
    minutes: Annotated[int, Meta(ge=0, le=_MOST_MINUTES)]
    """0 ends a silence."""
    patient_id: Annotated[str, Meta(min_length=1)] | None = None
    rule: Annotated[str, Meta(min_length=1)] | None = None
    comment: Comment = ""


class Acknowledgement(msgspec.Struct, frozen=True, tag="acknowledgement", tag_field="type"):
    """Somebody looks after an alert.  Times are ISO 8601 in UTC."""

    alert_id: str
    patient_id: str | None
    rule: str
    severity: str
    by: str
    comment: str
    at: str

    @property
    def key(self) -> bytes:
        """The record's key."""
        return self.alert_id.encode()

    def encode(self) -> bytes:
        """The record's value."""
        return _encode(self)


class Silence(msgspec.Struct, frozen=True, tag="silence", tag_field="type"):
    """Nobody is notified of these alerts until then; they are shown and published all the same."""

    patient_id: str | None
    """None: of every patient."""
    rule: str | None
    """None: by every rule."""
    by: str
    comment: str
    at: str
    until: str

    @property
    def key(self) -> bytes:
        """The record's key."""
        return f"{_SILENCE}{technical_id(self.patient_id, self.rule)}".encode()

    def encode(self) -> bytes:
        """The record's value."""
        return _encode(self)

    def covers(self, patient_id: str | None, rule: str, severity: str, *, now: int) -> bool:
        """Whether it keeps such an alert quiet at `now`, µs since 1970 UTC."""
        if self.patient_id not in (None, patient_id) or self.rule not in (None, rule):
            return False
        end = micros(self.until)
        if severity == SEVERITY_NAMES[Severity.CRITICAL]:
            end = min(end, micros(self.at) + LONGEST_CRITICAL // _MICROSECOND)
        return now < end


_encode = msgspec.json.Encoder().encode


def silence_of(asked: Silencing, *, now: int) -> Silence:
    """The silence that is asked for; ValueError for one of everything."""
    if asked.patient_id is None and asked.rule is None:
        raise ValueError("a silence is of a patient, of a rule or of both: name one")
    until = now + timedelta(minutes=asked.minutes) // _MICROSECOND
    return Silence(
        patient_id=asked.patient_id,
        rule=asked.rule,
        by=asked.by,
        comment=asked.comment,
        at=iso(now),
        until=iso(until),
    )


class SaidBook:
    """All that people said of alerts."""

    def __init__(self) -> None:
        self._acknowledged: dict[str, Acknowledgement] = {}
        self._silences: dict[bytes, Silence] = {}
        self.revision = 0
        """Another one whenever something may have changed."""

    def apply(self, key: bytes, value: bytes | None) -> None:
        """Take a record over.  Raises ValueError for one that cannot be read: nothing changes.

        Of two who acknowledge the same the first counts.
        """
        self.revision += 1
        if value is None:
            self._acknowledged.pop(key.decode(), None)
            self._silences.pop(key, None)
            return
        said = msgspec.json.decode(value, type=Acknowledgement | Silence)
        if isinstance(said, Silence):
            micros(said.until), micros(said.at)
            self._silences[key] = said
        elif self.acknowledgement(said.alert_id, said.severity) is None:
            self._acknowledged[said.alert_id] = said

    def acknowledgement(self, alert_id: str, severity: str) -> Acknowledgement | None:
        """Who acknowledged the alert as severe as it is now; None: nobody."""
        said = self._acknowledged.get(alert_id)
        if said is None or _rank(said.severity) < _rank(severity):
            return None
        return said

    def acknowledged(self) -> Iterator[tuple[int, int]]:
        """Every alert that is acknowledged, its id as a number, and how severe it was then."""
        for alert_id, said in self._acknowledged.items():
            if _ALERT_ID.fullmatch(alert_id):
                yield int(alert_id, 16), _rank(said.severity)

    def was_acknowledged(self, alert_id: str) -> bool:
        """Whether anybody ever acknowledged it, as severe as it may have been."""
        return alert_id in self._acknowledged

    def silenced(self) -> tuple[set[str], set[str]]:
        """The patients and the rules that silences name, lasting or not."""
        silences = self._silences.values()
        patients = {each.patient_id for each in silences if each.patient_id is not None}
        return patients, {each.rule for each in silences if each.rule is not None}

    def silence(
        self, patient_id: str | None, rule: str, severity: str, *, now: int
    ) -> Silence | None:
        """The silence that keeps such an alert quiet longest at `now` (µs), or None."""
        covering = [
            each
            for each in self._silences.values()
            if each.covers(patient_id, rule, severity, now=now)
        ]
        return max(covering, key=lambda each: each.until, default=None)

    def silences(self, *, now: int) -> list[Mapping[str, str | None]]:
        """Those that are not over at `now` (µs), as JSON, the first to end first."""
        lasting = [each for each in self._silences.values() if now < micros(each.until)]
        return [msgspec.to_builtins(each) for each in sorted(lasting, key=lambda each: each.until)]


def _rank(severity: str) -> int:
    return SEVERITY_NAMES.index(severity) if severity in SEVERITY_NAMES else -1
