"""Alerts that are raised many at once: as the lines that are published, put together of pieces.

A ward in trouble, or a replay, raises nearly as many alerts as there are readings.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from math import isnan
from typing import Self, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.alert import FIRING, PHYSIOLOGICAL, RECOVERED, Alert, encoded
from bpstream.clinical.alarm_rule import Kind, Rule
from bpstream.clinical.alerts import Change, Edges
from bpstream.clinical.categories import SEVERITY_NAMES
from bpstream.clinical.conditions import MEASURES, Positions
from bpstream.document import micros
from bpstream.encoding import Judged
from bpstream.limits import DEFAULT, PATIENT, PROFILE
from bpstream.reading import Readings
from bpstream.rendered import Rendered
from bpstream.telling import STATES, crossed, shown

ORIGINS = (DEFAULT, PROFILE, PATIENT)
"""Whence a limit may be."""

_SECOND = 1_000_000  # µs
_encoder, _decode = msgspec.json.Encoder(), msgspec.json.Decoder(Alert).decode
_encode = _encoder.encode

# What no reading tells stands behind the document's id.
_NOTHING = dict.fromkeys(Alert.__struct_fields__[:10], "")
_END = msgspec.convert(_NOTHING, Alert).encode().partition(b'"document_id":null')[2]


@dataclass(slots=True, kw_only=True)
class Raised(Sequence[Alert]):
    """Alerts as they are published, and what is counted of them; each is an `Alert` when asked for.

    Columns have one place an alert.
    """

    key: list[bytes]
    """Of the record: the patient's id, or the rule's name where it is about no patient."""
    line: list[bytes]
    """What `Alert.encode` gives."""
    kind: Sequence[tuple[str, str, str]]
    """Rule, severity and state."""
    fired_at: list[int]
    """When the readings were taken (µs since 1970 UTC) that made something fire which is about the
    patient: of a silence no reading tells."""
    over: list[str]
    """The ids of those that recovered."""

    @classmethod
    def of(cls, alerts: Iterable[Alert]) -> Self:
        """These alerts, whatever raised them."""
        alerts = list(alerts)
        return cls(
            key=[(alert.patient_id or alert.rule).encode() for alert in alerts],
            line=encoded(alerts),
            kind=tuple((alert.rule, alert.severity, alert.state) for alert in alerts),
            fired_at=[
                micros(alert.taken_at)
                for alert in alerts
                if alert.state == FIRING and alert.kind == PHYSIOLOGICAL and not alert.repeat
            ],
            over=[alert.alert_id for alert in alerts if alert.state == RECOVERED],
        )

    def __len__(self) -> int:
        return len(self.line)

    @overload
    def __getitem__(self, at: int) -> Alert: ...

    @overload
    def __getitem__(self, at: slice) -> list[Alert]: ...

    def __getitem__(self, at: int | slice) -> Alert | list[Alert]:
        if isinstance(at, slice):
            return list(map(_decode, self.line[at]))
        return _decode(self.line[at])


class Teller:
    """Tells what the edges are that readings made, by some rules."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._said = Rendered(self._render)
        self._physiological = np.array([rule.kind is Kind.PHYSIOLOGICAL for rule in rules])

    def tell(
        self,
        edges: Edges,
        origin: NDArray[np.int8],
        readings: Readings,
        judged: Judged,
        at: Positions,
    ) -> Raised:
        """The alerts of `edges`; each one's reading is `at` a position.

        `origin` is the limit's, a position in ORIGINS.
        """
        n, positions = len(at), at.tolist()
        patient_ids = [readings.patient_id[position] for position in positions]
        taken_at = readings.taken_at[at]
        said = self._said.of(
            edges.rule, edges.change, edges.severity, edges.measure, edges.bound, origin
        )
        kind, what, title, limit, whence = zip(*said, strict=True)
        alert_id = _hexadecimal(edges.alert)
        moments = _moments(np.concatenate((edges.since * _SECOND, taken_at)))
        pressures = np.concatenate((readings.systolic[at], readings.diastolic[at]))
        words, numbers = zip(*_PRESSURE.of(pressures), strict=True)
        fires = (edges.change == int(Change.FIRING)) & self._physiological[edges.rule]
        is_over = edges.change == int(Change.RECOVERED)
        return Raised(
            key=[patient_id.encode() for patient_id in patient_ids],
            line=_joined(
                [
                    b'{"alert_id":"',
                    alert_id.tolist(),
                    b'","patient_id":',
                    _encoder.encode_lines(patient_ids).split(b"\n")[:-1],
                    what,
                    moments[:n],
                    b'Z","taken_at":"',
                    moments[n:],
                    title,
                    words[:n],
                    b"/",
                    words[n:],
                    limit,
                    numbers[:n],
                    b',"diastolic":',
                    numbers[n:],
                    b',"mean":',
                    _encode(judged.mean[at].round(2).tolist())[1:-1].split(b","),
                    whence,
                    [readings.document_id[position].encode() for position in positions],
                    b'"' + _END,
                ]
            ),
            kind=kind,
            fired_at=taken_at[fires].tolist(),
            over=alert_id[is_over].astype("U16").tolist(),
        )

    def _render(  # noqa: PLR0917 - mapped over columns
        self, rule: int, change: int, severity: int, measure: int, bound: float, origin: int
    ) -> tuple[tuple[str, str, str], bytes, bytes, bytes, bytes]:
        """The kind, and what stands before the first time, the pressures in words, the
        pressures, and the document's id.
        """
        of = self._rules[rule]
        what = {
            "rule": of.name,
            "title": of.title,
            "kind": of.kind,
            "state": STATES[change],
            "severity": SEVERITY_NAMES[severity],
        }
        name = None if measure < 0 else MEASURES[measure]
        limit = None if name is None else bound
        whence = {
            "measure": name,
            "limit": limit,
            "limit_from": None if name is None else ORIGINS[origin],
        }
        title, words = _encode(of.title)[1:-1], crossed(name, limit).encode()
        return (
            (of.name, SEVERITY_NAMES[severity], STATES[change]),
            b',%b,"since":"' % _encode(what)[1:-1],
            b'Z","message":"%b: ' % title,
            b' mmHg, %b","systolic":' % words,
            b',%b,"document_id":"' % _encode(whence)[1:-1],
        )


def _joined(pieces: Iterable[bytes | Sequence[bytes]]) -> list[bytes]:
    """The lines; a piece is one of each, or the same of all."""
    columns = [repeat(piece) if isinstance(piece, bytes) else piece for piece in pieces]
    return list(map(b"".join, zip(*columns, strict=False)))


def _hexadecimal(alerts: NDArray[np.uint64]) -> NDArray[np.bytes_]:
    """The ids of alerts, as people see them."""
    return np.frombuffer(alerts.astype(">u8").tobytes().hex().encode(), "S16")


def _moments(taken_at: NDArray[np.int64]) -> list[bytes]:
    """As ISO 8601 without the zone; each only once, for alerts share moments."""
    listed = taken_at.tolist()
    moments = list(dict.fromkeys(listed))
    told = np.array(moments, "M8[us]").astype("S26").tolist()
    return list(map(dict(zip(moments, told, strict=True)).__getitem__, listed))


def _render_pressure(pressure: float) -> tuple[bytes, bytes]:
    """In words, and as JSON, which has no NaN."""
    words = shown(None if isnan(pressure) else pressure)
    return words.encode(), _encode(pressure)


_PRESSURE = Rendered(_render_pressure)
