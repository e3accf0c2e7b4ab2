"""A patient's row as the web shows it, ready for JSON."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.categories import CATEGORY_NAMES, SEVERITY_NAMES, categorize
from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.rules import ANOMALY_TYPES, TAG_NAMES
from bpstream.document import iso
from bpstream.patients import LONG_AGO, Patients, counters_of, recent_places
from bpstream.reading import Flag

Json = dict[str, Any]

_TAGS = TAG_NAMES[15]


def shown(patient_id: str, patients: Patients, position: int) -> Json:
    """The counters, the last reading, and the recent ones."""
    row = patients.rows[position]
    counters = counters_of(row)
    anomalies = counters["hypertension"] + counters["hypotension"]
    return {
        "patient_id": patient_id,
        "readings": counters["readings"],
        "anomalies": counters["anomalies"],
        "by_type": {
            "hypertension": counters["hypertension"],
            "hypotension": counters["hypotension"],
            "normal": counters["readings"] - anomalies,
        },
        "by_tag": {tag: counters[tag] for tag in _TAGS},
        "last": _last(row),
        "recent": _recent(row),
    }


def _last(row: np.void) -> Json | None:
    last = row["last"]
    if last["taken_at"] == LONG_AGO:
        return None
    tags = int(last["tags"])
    pressures = {name: _mmhg(float(last[name])) for name in ("systolic", "diastolic", "mean")}
    category = categorize(
        np.array([last["systolic"]], np.float64), np.array([last["diastolic"]], np.float64)
    )
    return {
        "timestamp": iso(int(last["taken_at"])),
        "systolic_pressure": pressures["systolic"],
        "diastolic_pressure": pressures["diastolic"],
        "mean_arterial_pressure": pressures["mean"],
        "anomaly_type": ANOMALY_TYPES[tags],
        "anomaly_details": list(TAG_NAMES[tags]),
        "category": CATEGORY_NAMES[int(category[0])],
        "severity": SEVERITY_NAMES[int(last["severity"])],
        "early_warning": _early_warning(row["warning"]),
        "ml_risk_score": None if np.isnan(row["risk"]) else round(float(row["risk"]), 4),
        "flags": Flag(int(last["flags"])).names(),
        "kafka": {"partition": int(row["partition"]), "offset": int(row["offset"])},
    }


def _early_warning(warning: NDArray[np.float32]) -> Json | None:
    if np.isnan(warning).any():
        return None
    return dict(zip(TARGETS, np.round(warning.astype(np.float64), 4).tolist(), strict=True))


def _recent(row: np.void) -> list[tuple[int, float | None, float | None, int]]:
    """`(ms since 1970, systolic, diastolic, anomalous)` of the last readings, oldest first."""
    # By column: numpy copies records field by field.
    recent, places = row["recent"], recent_places(row)
    places = places[np.argsort(recent["taken_at"][places], kind="stable")]
    return list(
        zip(
            (recent["taken_at"][places] // 1000).tolist(),
            map(_mmhg, recent["systolic"][places].tolist()),
            map(_mmhg, recent["diastolic"][places].tolist()),
            (recent["tags"][places] > 0).astype(int).tolist(),
            strict=True,
        )
    )


def _mmhg(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 2)
