"""Alerts that are raised many at once: as the lines that are published, put together of pieces.

A ward in trouble, or a replay, raises nearly as many alerts as there are readings.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
from bpstream.jsonlines import Bytes, Parts, lines, parts
from bpstream.limits import DEFAULT, PATIENT, PROFILE
from bpstream.listed import Listed
from bpstream.reading import Readings
from bpstream.rendered import Phrases, Rendered
from bpstream.telling import STATES, crossed, shown

ORIGINS = (DEFAULT, PROFILE, PATIENT)
"""Whence a limit may be."""

_SECOND = 1_000_000  # µs
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(Alert).decode

# What no reading tells stands behind the document's id.
_NOTHING = dict.fromkeys(Alert.__struct_fields__[:10], "")
_END = msgspec.convert(_NOTHING, Alert).encode().partition(b'"document_id":null')[2]


@dataclass(slots=True, kw_only=True, eq=False)
class Raised(Listed[Alert]):
    """Alerts as they are published, and what is counted of them; each is an `Alert` when asked for.

    Columns have one place an alert.
    """

    key: Parts
    """Of the record: the patient's id, or the rule's name where it is about no patient."""
    line: Parts
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
            key=parts([(alert.patient_id or alert.rule).encode() for alert in alerts]),
            line=parts(encoded(alerts)),
            kind=[(alert.rule, alert.severity, alert.state) for alert in alerts],
            fired_at=[
                micros(alert.taken_at)
                for alert in alerts
                if alert.state == FIRING and alert.kind == PHYSIOLOGICAL and not alert.repeat
            ],
            over=[alert.alert_id for alert in alerts if alert.state == RECOVERED],
        )

    def __len__(self) -> int:
        return len(self.kind)

    @overload
    def __getitem__(self, at: int) -> Alert: ...

    @overload
    def __getitem__(self, at: slice) -> list[Alert]: ...

    def __getitem__(self, at: int | slice) -> Alert | list[Alert]:
        if isinstance(at, slice):
            return list(map(_decode, self.line.take(at).each()))
        return _decode(self.line.take([at]).joined())


class Teller:
    """Tells what the edges are that readings made, by some rules."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._kinds, self._said = Rendered(self._kind), Phrases(self._render)
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
        n = len(at)
        patient_ids = readings.patient_id.take(at)
        taken_at = readings.taken_at[at]
        systolic, diastolic = readings.systolic[at], readings.diastolic[at]
        kind = edges.rule, edges.severity, edges.change
        what, title, limit, whence = self._said.of(*kind, edges.measure, edges.bound, origin)
        (of_systolic,), (of_diastolic,) = _SHOWN.of(systolic), _SHOWN.of(diastolic)
        alert_id = _hexadecimal(edges.alert)
        fires = (edges.change == int(Change.FIRING)) & self._physiological[edges.rule]
        is_over = edges.change == int(Change.RECOVERED)
        return Raised(
            key=patient_ids.utf8,
            line=lines(
                [
                    b'{"alert_id":"',
                    alert_id,
                    b'","patient_id":"',
                    patient_ids.json,
                    what,
                    (edges.since * _SECOND).view("M8[us]"),
                    b'Z","taken_at":"',
                    taken_at.view("M8[us]"),
                    title,
                    of_systolic,
                    b"/",
                    of_diastolic,
                    limit,
                    systolic,
                    b',"diastolic":',
                    diastolic,
                    b',"mean":',
                    judged.mean[at].round(2),
                    whence,
                    readings.document_id.take(at).json,
                    b'"' + _END,
                ],
                n,
            ),
            kind=self._kinds.of(*kind),
            fired_at=taken_at[fires].tolist(),
            over=alert_id[is_over].astype("U16").tolist(),
        )

    def _kind(self, rule: int, severity: int, change: int) -> tuple[str, str, str]:
        return self._rules[rule].name, SEVERITY_NAMES[severity], STATES[change]

    def _render(  # noqa: PLR0917 - mapped over columns
        self, rule: int, severity: int, change: int, measure: int, bound: float, origin: int
    ) -> tuple[bytes, bytes, bytes, bytes]:
        """What stands before the first time, the pressures in words, the pressures, and the
        document's id.
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
            b'",%b,"since":"' % _encode(what)[1:-1],
            b'Z","message":"%b: ' % title,
            b' mmHg, %b","systolic":' % words,
            b',%b,"document_id":"' % _encode(whence)[1:-1],
        )


def _hexadecimal(alerts: NDArray[np.uint64]) -> Bytes:
    """The ids of alerts, as people see them."""
    return np.frombuffer(alerts.astype(">u8").tobytes().hex().encode(), "S16")


def _show(pressure: float) -> tuple[bytes]:
    return (shown(None if isnan(pressure) else pressure).encode(),)


_SHOWN = Phrases(_show)
