"""Readings, and what was judged of them, as documents: columns in, one line of JSON each out."""

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.categories import CATEGORY_NAMES, SEVERITY_NAMES, UNCATEGORIZED, Category
from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.clinical.models.early_warning import MOST_REASONS, Reasons
from bpstream.clinical.models.model import Model
from bpstream.clinical.rules import ANOMALY_TYPES, TAG_NAMES
from bpstream.document import Comparators, iso
from bpstream.documents import NONE, Columns, Documents
from bpstream.jsonlines import Parts, Piece, lines, parts
from bpstream.reading import Details, Flag, Kind, Readings, Series
from bpstream.rendered import Phrases
from bpstream.texts import optional

_RISK_DIGITS = 6

_encode = msgspec.json.encode
# By category; the last one is Python's -1 as well.
_CATEGORIES = [CATEGORY_NAMES[each] for each in (*Category, UNCATEGORIZED)]
_REASON_TARGETS = np.array([b'{"target":"%b"' % name.encode() for name in TARGETS])
_REASON_FEATURES = np.array([b',"feature":"%b","value":' % name.encode() for name in FEATURES])


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
) -> Documents:
    """The document of every reading.  `now` is in µs since 1970 UTC.

    A line is a :class:`document.Document`, as a test holds it to, put together of columns.
    """
    n = len(readings)
    if not n:
        return NONE
    moments = readings.taken_at.view("M8[us]")
    risk = np.round(judged.risk, _RISK_DIGITS)
    anomaly, prediction, kind = _PHRASES.of(
        *(judged.judged, judged.tags, np.where(np.isnan(risk), -1, risk >= 0.5)),
        *(judged.category, judged.severity, readings.kind, readings.series, readings.flags),
    )
    pieces: list[Piece] = [
        b'{"timestamp":"',
        moments,
        b'Z","patient_id":"',
        readings.patient_id.json,
        b'","systolic_pressure":',
        readings.systolic,
        b',"diastolic_pressure":',
        readings.diastolic,
        anomaly,
        risk,
        b',"@timestamp":"',
        moments,
        prediction,
        np.round(judged.mean, 2),
        b',"pulse_pressure":',
        np.round(judged.pulse, 2),
        kind,
        readings.document_id.json,
        b'","version":',
        readings.version,
        b',"kafka":{"topic":%b,"partition":' % _encode(topic),
        partition,
        b',"offset":',
        offset,
        b'},"original_time":"',
        readings.original_time.json,
        b'","ingested_at":"',
        b'%b"' % iso(now).encode(),
        *optional("observation_id", readings.observation_id),
        *optional("practitioner_id", readings.practitioner_id),
        _named(model, n).where(~np.isnan(risk)),
        _early_warnings(judged.warning),
        _reasons(judged.reasons, n),
        _more(readings),
        b"}\n",
    ]
    text, _, ends = lines(pieces, n)
    return Documents(
        Columns(
            readings.document_id,
            readings.version,
            readings.patient_id,
            readings.practitioner_id,
            readings.taken_at,
            text,
            np.append(0, ends),
        )
    )


def _phrases(  # noqa: PLR0917 - mapped over columns
    judged: int,
    tags: int,
    prediction: int,
    category: int,
    severity: int,
    kind: int,
    series: int,
    flags: int,
) -> tuple[bytes, bytes, bytes]:
    """What stands before the risk, the mean pressure, and the document's id."""
    anomaly = {
        "anomaly_type": ANOMALY_TYPES[tags] if judged else None,
        "anomaly_details": TAG_NAMES[tags],
    }
    predicted = {"ml_prediction": None if prediction < 0 else prediction}
    of_kind = {
        "category": _CATEGORIES[category],
        "severity": SEVERITY_NAMES[severity],
        "kind": Kind(kind).name.lower(),
        "series": Series(series).name.lower(),
        "flags": Flag(flags).names(),
    }
    return (
        b',%b,"ml_risk_score":' % _encode(anomaly)[1:-1],
        b'Z",%b,"mean_arterial_pressure":' % _encode(predicted)[1:-1],
        b',%b,"document_id":"' % _encode(of_kind)[1:-1],
    )


_PHRASES = Phrases(_phrases)


def _named(model: Model, n: int) -> Parts:
    told = b',"model":%b' % _encode({"name": model.name, "version": model.version})
    return Parts(told, np.zeros(n, np.int64), np.full(n, len(told)))


def _early_warnings(warning: NDArray[np.float64]) -> Parts:
    known = np.flatnonzero(~np.isnan(warning[0]))
    pieces: list[Piece] = [b',"early_warning":{']
    for nth, target in enumerate(TARGETS):
        key = f'"{target}":'.encode()
        pieces += [b"," + key if nth else key, np.round(warning[nth, known], _RISK_DIGITS)]
    return lines([*pieces, b"}"], len(known)).spread(known, warning.shape[1])


def _reasons(why: Reasons, n: int) -> Parts:
    m = len(why.at)
    pieces: list[Piece] = [b',"early_warning_reasons":[']
    for nth in range(MOST_REASONS):
        reason = lines(
            [
                b"," if nth else b"",
                _REASON_TARGETS[why.target],
                _REASON_FEATURES[why.feature[:, nth]],
                why.value[:, nth],
                b',"contribution":',
                why.contribution[:, nth],
                b"}",
            ],
            m,
        )
        pieces.append(reason.where(why.contribution[:, nth] > 0))
    return lines([*pieces, b"]"], m).spread(why.at, n)


def _more(readings: Readings) -> Parts:
    """What most readings do not have."""
    more = readings.details
    told = parts([_told(each) for each in more.values()])
    return told.spread(np.array(list(more), np.intp), len(readings))


def _told(details: Details) -> bytes:
    """Behind a comma each; nothing where there is nothing."""
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
    there = {name: value for name, value in found.items() if value is not None}
    return b",%b" % _encode(there)[1:-1] if there else b""


def measured(values: NDArray[np.float64]) -> list[float | None]:
    """NaN, which JSON does not have, as None."""
    listed: list[float | None] = values.tolist()
    for position in np.flatnonzero(np.isnan(values)).tolist():
        listed[position] = None
    return listed
