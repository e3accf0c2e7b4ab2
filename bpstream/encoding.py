"""Readings, and what was judged of them, as documents: columns in, one line of JSON each out.

A line is what msgspec makes of a :class:`document.Document`, as a test holds it to, but is put
together of pieces, column by column.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpstream import pieces
from bpstream.clinical.categories import (
    CATEGORY_NAMES,
    SEVERITY_NAMES,
    UNCATEGORIZED,
    Category,
)
from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.clinical.models.early_warning import MOST_REASONS, Reasons
from bpstream.clinical.models.model import Model
from bpstream.clinical.rules import ANOMALY_TYPES, TAG_NAMES
from bpstream.document import Comparators, Entry, iso
from bpstream.reading import Details, Flag, Kind, Readings, Series

_RISK_DIGITS = 6

# A named tuple's own constructor is written in Python.
_entry = partial(tuple.__new__, Entry)


@dataclass(slots=True)
class Judged:
    """What the rules and the model say of each reading; every column has shape ``(n,)``."""

    judged: NDArray[np.bool_]
    """Whether the rules apply: not to an aggregate, and not to a child."""
    tags: NDArray[np.uint8]
    """`rules.Tag`; 0 where the rules do not apply."""
    category: NDArray[np.int8]
    severity: NDArray[np.int8]
    mean: NDArray[np.float64]
    """Mean arterial pressure, mmHg: measured, else computed; NaN where it cannot be."""
    pulse: NDArray[np.float64]
    risk: NDArray[np.float64]
    """0..1; NaN where the model cannot judge the reading."""
    warning: NDArray[np.float64]
    """Of each target, 0..1; NaN where nothing can be said of the next reading: shape ``(3, n)``."""
    reasons: Reasons
    """Why warnings are high."""
    deviation: NDArray[np.float64]
    """From the patient's usual, in that patient's standard deviations; NaN where none is known."""
    failure: Exception | None = None
    """What went wrong with the model, if anything did: then it says nothing of any reading."""

    def observed(self, readings: Readings) -> dict[str, NDArray[np.float64]]:
        """What the model was given and what it said, by column, where it said anything."""
        scored = ~np.isnan(self.risk)
        return {
            "systolic": readings.systolic[scored],
            "diastolic": readings.diastolic[scored],
            "risk": self.risk[scored],
            **dict(zip(TARGETS, self.warning, strict=True)),
        }


def encode(
    readings: Readings,
    judged: Judged,
    *,
    topic: str,
    partition: NDArray[np.int32],
    offset: NDArray[np.int64],
    model: Model,
    now: int,
) -> list[Entry]:
    """The document of every reading.  `now` is in µs since 1970 UTC."""
    n, details, patient_ids = len(readings), readings.details, readings.patient_id
    practitioners = [each.practitioner_id for each in details]
    moments = readings.taken_at.view("M8[us]").astype("S26")
    scored = np.flatnonzero(~np.isnan(judged.risk))
    risk = np.round(judged.risk, _RISK_DIGITS)
    named = pieces.encode({"name": model.name, "version": model.version})
    line: list[pieces.Piece] = [
        b'{"timestamp":"',
        moments,
        b'Z","patient_id":"',
        pieces.escaped(patient_ids),
        b'","systolic_pressure":',
        pieces.numbers(readings.systolic),
        b',"diastolic_pressure":',
        pieces.numbers(readings.diastolic),
        _ANOMALIES[judged.tags, judged.judged.astype(np.intp)],
        b',"ml_risk_score":',
        pieces.numbers(risk),
        b',"@timestamp":"',
        moments,
        b'Z","ml_prediction":',
        _PREDICTIONS[np.where(np.isnan(risk), 2, risk >= 0.5)],
        b',"mean_arterial_pressure":',
        pieces.numbers(np.round(judged.mean, 2)),
        b',"pulse_pressure":',
        pieces.numbers(np.round(judged.pulse, 2)),
        _CATEGORIES[judged.category],
        _SEVERITIES[judged.severity],
        _KINDS[readings.kind],
        _SERIES[readings.series],
        b',"flags":',
        pieces.few(_flags, readings.flags),
        b',"document_id":"',
        pieces.escaped(readings.document_id),
        b'","version":',
        pieces.numbers(readings.version),
        b',"kafka":{"topic":%b,"partition":' % pieces.encode(topic),
        pieces.numbers(partition),
        b',"offset":',
        offset.astype("S20"),
        b'},"original_time":"',
        pieces.escaped([each.original_time for each in details]),
        f'","ingested_at":"{iso(now)}"'.encode(),
        *pieces.optional("observation_id", [each.observation_id for each in details]),
        *pieces.optional("practitioner_id", practitioners),
        pieces.spread(b',"model":%b' % named, scored, n),
        *_early_warnings(judged.warning),
        *_reasons(judged.reasons, n),
        pieces.texts(list(map(_rest, details))),
        b"}",
    ]
    entries = zip(
        readings.document_id,
        readings.version.tolist(),
        patient_ids,
        practitioners,
        readings.taken_at.tolist(),
        pieces.lines(line, n),
        strict=True,
    )
    return list(map(_entry, entries))


def _fields(name: str, values: Iterable[Any]) -> pieces.Texts:
    return np.array([b',"%b":%b' % (name.encode(), pieces.encode(each)) for each in values])


_ANOMALIES = np.array(
    [
        [
            b',"anomaly_type":%b,"anomaly_details":%b' % (pieces.encode(kind), pieces.encode(names))
            for kind in (None, ANOMALY_TYPES[tags])
        ]
        for tags, names in enumerate(TAG_NAMES)
    ]
)
_PREDICTIONS = np.array([b"0", b"1", b"null"])
# -1, which is none, is the last place.
_CATEGORIES = _fields("category", (CATEGORY_NAMES[each] for each in (*Category, UNCATEGORIZED)))
_SEVERITIES = _fields("severity", SEVERITY_NAMES)
_KINDS = _fields("kind", (kind.name.lower() for kind in Kind))
_SERIES = _fields("series", (series.name.lower() for series in Series))
_TARGETS = np.array([b'{"target":"%b"' % name.encode() for name in TARGETS])
_FEATURES = np.array([b',"feature":"%b","value":' % name.encode() for name in FEATURES])


def _flags(flags: int) -> bytes:
    return pieces.encode(Flag(flags).names())


def _early_warnings(warning: NDArray[np.float64]) -> list[pieces.Piece]:
    known = np.flatnonzero(~np.isnan(warning[0]))
    hypotension, low_map, severe = map(pieces.numbers, np.round(warning[:, known], _RISK_DIGITS))
    line: list[pieces.Piece] = [
        b',"early_warning":{"hypotension":',
        hypotension,
        b',"low_map":',
        low_map,
        b',"severe":',
        severe,
        b"}",
    ]
    return [pieces.spread(each, known, warning.shape[1]) for each in line]


def _reasons(why: Reasons, n: int) -> list[pieces.Piece]:
    line = [pieces.spread(b',"early_warning_reasons":[', why.at, n)]
    for nth in range(MOST_REASONS):
        told = np.flatnonzero(why.contribution[:, nth] > 0)
        reason: list[pieces.Piece] = [
            b"," if nth else b"",
            _TARGETS[why.target[told]],
            _FEATURES[why.feature[told, nth]],
            pieces.numbers(why.value[told, nth]),
            b',"contribution":',
            pieces.numbers(why.contribution[told, nth]),
            b"}",
        ]
        line += [pieces.spread(each, why.at[told], n) for each in reason]
    return [*line, pieces.spread(b"]", why.at, n)]


def _rest(details: Details) -> bytes:
    """What most Observations do not have."""
    if not (
        details.device
        or details.body_site
        or details.security_labels
        or details.period
        or details.comparators
        or details.source
        or details.identifier
    ):
        return b""
    bounds = details.comparators and Comparators(*(each or None for each in details.comparators))
    found = {
        "device": details.device,
        "body_site": details.body_site,
        "security_labels": details.security_labels or None,
        "period": details.period,
        "comparators": bounds,
        "source": details.source,
        "identifier": details.identifier,
    }
    return b",%b" % pieces.encode({name: it for name, it in found.items() if it is not None})[1:-1]


def timestamps(taken_at: NDArray[np.int64]) -> list[str]:
    """Microseconds since 1970 UTC as ISO 8601."""
    return [f"{at}Z" for at in np.datetime_as_string(taken_at.view("M8[us]")).tolist()]


def measured(values: NDArray[np.float64]) -> list[float | None]:
    """NaN, which JSON does not have, as None."""
    listed: list[float | None] = values.tolist()
    for position in np.flatnonzero(np.isnan(values)).tolist():
        listed[position] = None
    return listed
