"""Raised alerts: the lines that are put together are those of alerts made one by one."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bpstream.alert import FIRING, PHYSIOLOGICAL, RECOVERED, Alert
from bpstream.clinical.alarm_rule import Kind, Rule
from bpstream.clinical.alerts import Change, Edges
from bpstream.clinical.categories import SEVERITY_NAMES, Severity
from bpstream.clinical.conditions import MEASURES, parse
from bpstream.document import iso, micros
from bpstream.encoding import Judged
from bpstream.raised import ORIGINS, Raised, Teller
from bpstream.reading import Details, Reading, Readings
from tests.stream.helpers import an_alert

NAN = float("nan")

RULES = [
    Rule(name="high", title="High", severity=Severity.HIGH, when=parse("systolic > 140")),
    Rule(
        name="odd",
        title='An "odd" \\ rule, 100 % Ödön\'s',
        kind=Kind.TECHNICAL,
        severity=Severity.LOW,
        when=parse("artefact >= 1"),
    ),
]

pressures = st.just(NAN) | st.integers(20, 300).map(float) | st.floats(20.0, 300.0)
patient_ids = st.sampled_from(["PAT-003", 'Ödön "/7|x\ny\\', "urn:uuid:1", "\x7f\u2028"]) | st.text(
    st.characters(codec="utf-8"), min_size=1, max_size=9
)
times = st.sampled_from([0, 1_769_722_371_619_300]) | st.integers(-(2**51), 2**52)
readings = st.builds(
    Reading,
    patient_id=patient_ids,
    taken_at=times,
    systolic=pressures,
    diastolic=pressures,
    mean=pressures,
    document_id=st.integers(0, 2**128 - 1).map("{:032x}".format),
    details=st.just(Details(original_time="")),
)
events = st.fixed_dictionaries(
    {
        "rule": st.integers(0, len(RULES) - 1),
        "change": st.sampled_from([int(each) for each in Change]),
        "severity": st.integers(0, len(SEVERITY_NAMES) - 1),
        "alert": st.integers(1, 2**64 - 1),
        "since": st.integers(0, 2**32 - 1),
        "measure": st.integers(0, len(MEASURES) - 1),
        "bound": st.integers(-5, 300).map(float) | st.floats(-1e3, 1e3),
        "origin": st.integers(0, len(ORIGINS) - 1),
    }
)


def judged(mean: Any) -> Judged:
    """Of readings of which nothing but the mean pressure is asked."""
    columns = dict.fromkeys(Judged.__dataclass_fields__, mean)
    return Judged(**{**columns, "failure": None})


def plainly(event: dict[str, Any], reading: Reading) -> Alert:
    """What an alert says."""
    rule, change = RULES[event["rule"]], Change(event["change"])
    measure, limit, origin, words = None, None, None, "over"
    if change is not Change.RECOVERED:
        measure, limit = MEASURES[event["measure"]], event["bound"]
        origin = ORIGINS[event["origin"]]
        words = "implausible" if measure == "artefact" else f"{measure} limit {limit:g}"
    of = [reading.systolic, reading.diastolic, float(np.round(reading.mean, 2))]
    systolic, diastolic, mean = (None if np.isnan(each) else each for each in of)
    shown = ["?" if each is None else f"{each:g}" for each in (systolic, diastolic)]
    return Alert(
        alert_id=f"{event['alert']:016x}",
        patient_id=reading.patient_id,
        rule=rule.name,
        title=rule.title,
        kind=str(rule.kind),
        state=change.name.lower(),
        severity=SEVERITY_NAMES[event["severity"]],
        since=iso(event["since"] * 1_000_000),
        taken_at=iso(reading.taken_at),
        message=f"{rule.title}: {'/'.join(shown)} mmHg, {words}",
        systolic=systolic,
        diastolic=diastolic,
        mean=mean,
        measure=measure,
        limit=limit,
        limit_from=origin,
        document_id=reading.document_id,
    )


@given(st.lists(st.tuples(events, readings), min_size=1, max_size=20))
def test_alerts_of_many_readings_are_those_that_each_would_raise_alone(found):
    columns = Readings.of([], [reading for _, reading in found])
    over = np.array([event["change"] == Change.RECOVERED for event, _ in found])
    edge = {name: [event[name] for event, _ in found] for name in found[0][0]}
    edges = Edges(
        reading=np.arange(len(found)),
        rule=np.array(edge["rule"]),
        change=np.array(edge["change"], np.int8),
        severity=np.array(edge["severity"], np.int8),
        alert=np.array(edge["alert"], np.uint64),
        since=np.array(edge["since"], np.int64),
        measure=np.where(over, -1, edge["measure"]).astype(np.int8),
        bound=np.where(over, NAN, edge["bound"]),
    )
    raised = Teller(RULES).tell(
        edges,
        np.array(edge["origin"], np.int8),
        columns,
        judged(columns.mean),
        np.arange(len(found)),
    )
    expected = [plainly(*each) for each in found]
    assert raised.line.each() == [alert.encode() for alert in expected]
    assert counted(raised) == counted(Raised.of(expected))
    assert list(raised) == expected


def counted(raised: Raised) -> tuple[Any, ...]:
    """All but the lines."""
    return raised.key.each(), raised.kind, raised.fired_at, raised.over


def test_raised_alerts_are_counted_by_what_became_of_them():
    alerts = [
        an_alert(state=state, kind=kind, repeat=repeat, patient_id=patient_id)
        for state in (FIRING, RECOVERED)
        for kind in (PHYSIOLOGICAL, "technical")
        for repeat in (0, 1)
        for patient_id in ("PAT-003", None)
    ]
    raised = Raised.of(alerts)
    states = [FIRING] * 8 + [RECOVERED] * 8
    assert raised.kind == [("critical", "high", state) for state in states]
    assert raised.fired_at == [micros(alerts[0].taken_at)] * 2
    assert raised.over == [alerts[0].alert_id] * 8
    assert raised.key.each() == [b"PAT-003", b"critical"] * 8
    assert raised[3:5] == alerts[3:5]
