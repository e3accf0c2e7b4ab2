"""A morning on a small ward, of which every view's answer is known."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from bpstream.document import EarlyWarning, Entry, iso
from tests.sinks.helpers import an_entry

START, END = "2026-11-24T10:00:00.000Z", "2026-11-24T13:59:59.999Z"
INTERVAL = "1h"

HIGH_BOTH = ["hypertension_systolic", "hypertension_diastolic"]
HIGH_SYSTOLIC, HIGH_DIASTOLIC = ["hypertension_systolic"], ["hypertension_diastolic"]
LOW_BOTH = ["hypotension_systolic", "hypotension_diastolic"]
HYPER, HYPO = "hypertension", "hypotension"

# time, patient, systolic, diastolic, type, details, severity, risk score, early warning
# (hypotension, low mean pressure, severe hypertension), seconds until it was written
_READINGS: list[tuple[Any, ...]] = [
    ("09:59:59.999", "p9", 200, 130, HYPER, HIGH_BOTH, "critical", 1.0, (1, 1, 1), 1),
    ("10:05:00", "p1", 150, 95, HYPER, HIGH_BOTH, "high", 0.97, (0.1, 0.2, 0.9), 2),
    ("10:20:00", "p2", 150, 80, HYPER, HIGH_SYSTOLIC, "medium", 0.91, (0.05, 0.1, 0.5), 4),
    ("10:50:00", "p1", 185, 125, HYPER, HIGH_BOTH, "critical", 1.0, (0.0, 0.1, 1.0), 6),
    ("11:10:00", "p3", 85, 55, HYPO, LOW_BOTH, "high", 0.3, (0.8, 0.7, 0.0), 2),
    ("12:00:00", "p2", 130, 95, HYPER, HIGH_DIASTOLIC, "medium", 0.55, None, 1),
    ("12:30:00", "p3", 78, 50, HYPO, LOW_BOTH, "critical", 0.2, (0.9, 0.8, 0.0), 3),
    ("12:40:00", "p4", 120, 80, "normal", [], "none", 0.05, (0.2, 0.2, 0.2), 1),
    # No rule judges an average or a child.
    ("12:45:00", "p1", 148, 93, None, [], "none", None, None, 1, {"kind": "aggregate"}),
    ("12:50:00", "p5", 145, 95, None, [], "none", None, None, 1, {"flags": ["child"]}),
    # Came an hour later.
    (
        "13:15:00",
        "p1",
        145,
        85,
        HYPER,
        HIGH_SYSTOLIC,
        "medium",
        0.8,
        None,
        3600,
        {"flags": ["late"]},
    ),
    ("14:00:00", "p9", 200, 130, HYPER, HIGH_BOTH, "critical", 1.0, (1, 1, 1), 1),
]


def at(time: str) -> datetime:
    """A time of that morning, UTC."""
    return datetime.fromisoformat(f"2026-11-24T{time}").replace(tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def entries() -> Iterator[Entry]:
    """The morning's documents, as the index gets them."""
    for number, (time, patient, systolic, diastolic, *rest) in enumerate(_READINGS):
        kind, details, severity, risk, warning, seconds, *more = rest
        taken_at = microseconds(at(time))
        changes: dict[str, Any] = {"flags": [], "kind": "reading", **(more[0] if more else {})}
        yield an_entry(
            number,
            taken_at=taken_at,
            patient_id=patient,
            systolic_pressure=float(systolic),
            diastolic_pressure=float(diastolic),
            anomaly_type=kind,
            anomaly_details=details,
            severity=severity,
            ml_risk_score=risk,
            early_warning=None if warning is None else EarlyWarning(*map(float, warning)),
            ingested_at=iso(taken_at + seconds * 1_000_000),
            **changes,
        )
