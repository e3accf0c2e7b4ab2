"""The alert: what is said when an alarm fires, changes or recovers.  The alerts topic holds these.

An alert has one id from its first offending reading to its recovery.  A crash may say the
same twice: `key` tells that it is the same.
"""

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

PHYSIOLOGICAL, TECHNICAL = "physiological", "technical"
PENDING, FIRING, CHANGED, RECOVERED = "pending", "firing", "changed", "recovered"
ACKNOWLEDGED = "acknowledged"
"""Pending is shown and not published: too few readings offend the rule so far."""


class Alert(msgspec.Struct, frozen=True, gc=False):
    """One event of an alert's life.  Pressures are mmHg, times ISO 8601 in UTC."""

    alert_id: str
    """16 hexadecimal digits."""
    patient_id: str | None
    """None where it is not about a patient."""
    rule: str
    title: str
    kind: str
    state: str
    severity: str
    since: str
    """When the first reading that offends the rule was taken, to the second."""
    taken_at: str
    """When the reading was taken that made the alert fire, change or recover; of what no reading
    tells (a silence, a store that is away), when it was found."""
    message: str
    systolic: float | None = None
    diastolic: float | None = None
    mean: float | None = None
    measure: str | None = None
    limit: float | None = None
    """The bound that `measure` crossed, so that the alert explains itself."""
    limit_from: str | None = None
    """Whether that bound is the patient's own, the profile's or the default."""
    document_id: str | None = None
    repeat: int = 0
    """How many times it was said before that the alert fires, and nobody acknowledged it."""
    silenced: bool = False
    """A person does not want to be notified of it for now."""
    # Of an event that says that it was acknowledged: who, and when.
    by: str | None = None
    comment: str | None = None
    at: str | None = None

    @property
    def key(self) -> str:
        """The same for an event that is published again."""
        key = f"{self.alert_id}:{self.state}:{self.severity}"
        return f"{key}:{self.repeat}" if self.repeat else key

    def encode(self) -> bytes:
        """The alert as one line of JSON."""
        return _encode(self)


_encode = msgspec.json.Encoder().encode


def encoded(alerts: Iterable[Alert]) -> list[bytes]:
    """Each of many alerts as one line of JSON."""
    return list(map(_encode, alerts))


def technical_id(*parts: object) -> str:
    """The id of an alert that no reading raised: the same parts give the same id."""
    return blake2b("\n".join(map(str, parts)).encode(), digest_size=8).hexdigest()
