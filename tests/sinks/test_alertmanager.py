"""Alertmanager: what is sent is its API's, and what is refused is found among the others."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity import wait_none

from bpstream.errors import SinkError
from bpstream.sinks.alertmanager import Alertmanager
from tests.sinks.helpers import Answer
from tests.sinks.receiver import Receiver, an_event

_NOW = datetime(2026, 1, 29, 21, 33, tzinfo=UTC)


class PostableAlert(msgspec.Struct, forbid_unknown_fields=True):
    """`postableAlert` of Alertmanager's api/v2/openapi.yaml: only the labels are required."""

    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: datetime | None = None  # noqa: N815
    endsAt: datetime | None = None  # noqa: N815
    generatorURL: str | None = None  # noqa: N815


@dataclass
class AlertmanagerDouble(Receiver):
    """Validates what it is sent as Alertmanager does, and refuses the alerts in `refused`."""

    refused: set[str] = field(default_factory=set)
    status: int = 400
    taken: dict[str, PostableAlert] = field(default_factory=dict)
    """By alert id; the others of a request it refuses are taken."""

    def judge(self, body: bytes) -> Answer:
        if self.answers:
            return super().judge(body)
        alerts = msgspec.json.decode(body, type=list[PostableAlert])
        faults = [fault for alert in alerts for fault in self._faults(alert)]
        for alert in alerts:
            if not self._faults(alert):
                self.taken[alert.labels["alert_id"]] = alert
        return Answer(self.status, body=json.dumps("; ".join(faults))) if faults else Answer(200)

    def _faults(self, alert: PostableAlert) -> list[str]:
        names = [*alert.labels, *alert.annotations]
        checks = {
            "invalid label set": all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", n) for n in names),
            "start time missing": alert.startsAt is not None,
            "start time must be before end time": not (
                alert.startsAt and alert.endsAt and alert.endsAt < alert.startsAt
            ),
            "not wanted": alert.labels.get("alert_id") not in self.refused,
        }
        return [fault for fault, passed in checks.items() if not passed]


@pytest.fixture
async def server() -> AsyncIterator[AlertmanagerDouble]:
    async with AlertmanagerDouble() as server:
        yield server


@pytest.fixture
async def alertmanager(server: AlertmanagerDouble) -> AsyncIterator[Alertmanager]:
    async with _alertmanager(server.url) as alertmanager:
        yield alertmanager


def _alertmanager(url: str, **options: Any) -> Alertmanager:
    return Alertmanager(url, pauses=wait_none(), clock=_NOW.timestamp, **options)


def _id(number: int) -> str:
    return f"{number:016x}"


def _sizes(server: AlertmanagerDouble) -> list[int]:
    """How many alerts each request held."""
    return [len(json.loads(body)) for body in server.bodies]


@pytest.mark.parametrize("base", ["", "/", "/behind/a/proxy", "/behind/a/proxy/"])
async def test_a_batch_is_one_request_to_the_api_under_the_url(server, base):
    async with _alertmanager(server.url + base) as alertmanager:
        assert await alertmanager.write([an_event(n) for n in range(3)]) == []
    [request] = server.received
    assert request.path == f"{base.rstrip('/')}/api/v2/alerts"
    assert request.headers["Content-Type"] == "application/json"
    assert sorted(server.taken) == [_id(0), _id(1), _id(2)]


async def test_a_batch_without_an_alert_is_no_request(server, alertmanager):
    assert await alertmanager.write([]) == []
    assert await alertmanager.write([an_event(state="acknowledged")]) == []
    assert server.received == []


async def test_the_labels_say_which_alert_it_is(server, alertmanager):
    await alertmanager.write([an_event(1)])
    assert server.taken[_id(1)].labels == {
        "alertname": "critical",
        "alert_id": _id(1),
        "kind": "physiological",
        "service": "bpstream",
        "patient_id": "PAT-003",
    }


async def test_the_annotations_say_what_was_found(server, alertmanager):
    await alertmanager.write([an_event()])
    assert server.taken[_id(0)].annotations == {
        "summary": "Critical blood pressure",
        "description": "Systolic 186 mmHg is above 180 mmHg.",
        "severity": "critical",
        "state": "firing",
        "taken_at": "2026-01-29T21:32:51.619300Z",
        "measure": "systolic",
        "limit": "180",
        "systolic": "186",
        "diastolic": "121.5",
        "mean": "143",
        "document_id": "0123456789abcdef" * 2,
    }


async def test_what_is_null_is_neither_label_nor_annotation(server, alertmanager):
    await alertmanager.write([an_event(patient_id=None, systolic=None, limit=None)])
    alert = server.taken[_id(0)]
    assert not {"patient_id", "systolic", "limit"} & {*alert.labels, *alert.annotations}


@given(
    changed=st.fixed_dictionaries(
        {},
        optional={
            "severity": st.sampled_from(["low", "medium", "high", "critical"]),
            "state": st.sampled_from(["firing", "changed", "recovered"]),
            "systolic": st.none() | st.floats(0, 300),
            "limit": st.none() | st.floats(0, 300),
            "message": st.text(),
            "taken_at": st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
        },
    )
)
def test_whatever_changes_while_it_fires_the_labels_stay(changed):
    async def labels() -> list[dict[str, str]]:
        async with AlertmanagerDouble() as server, _alertmanager(server.url) as alertmanager:
            await alertmanager.write([an_event()])
            await alertmanager.write([an_event(**changed)])
            return [json.loads(body)[0]["labels"] for body in server.bodies]

    first, second = asyncio.run(labels())
    assert first == second


@pytest.mark.parametrize("state", ["firing", "changed"])
async def test_an_alert_that_fires_ends_a_week_ahead(server, alertmanager, state):
    await alertmanager.write([an_event(state=state)])
    alert = server.taken[_id(0)]
    assert alert.startsAt == datetime(2026, 1, 29, 21, 30, tzinfo=UTC)
    assert alert.endsAt == _NOW + timedelta(days=7)


async def test_how_long_an_alert_fires_unrepeated_is_the_callers_to_say(server):
    async with _alertmanager(server.url, lasts=timedelta(days=1)) as alertmanager:
        await alertmanager.write([an_event()])
    assert server.taken[_id(0)].endsAt == _NOW + timedelta(days=1)


_MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("since", "taken", "starts", "ends"),
    [
        (-90 * _MINUTE, -30 * _MINUTE, -90 * _MINUTE, -30 * _MINUTE),
        (-9 * _MINUTE, -_MINUTE, -9 * _MINUTE, -_MINUTE),
        (-9 * _MINUTE, -_MINUTE / 2, -9 * _MINUTE, -_MINUTE),
        (-9 * _MINUTE, 5 * _MINUTE, -9 * _MINUTE, -_MINUTE),
        (5 * _MINUTE, 8 * _MINUTE, -_MINUTE, -_MINUTE),
        (-3 * _MINUTE, -8 * _MINUTE, -8 * _MINUTE, -8 * _MINUTE),
    ],
    ids=["long ago", "a minute ago", "just now", "a clock ahead", "all ahead", "backwards"],
)
async def test_an_alert_that_recovered_has_ended_for_alertmanager_too(
    server, alertmanager, since, taken, starts, ends
):
    since, taken = ((_NOW + moment).isoformat() for moment in (since, taken))
    await alertmanager.write([an_event(state="recovered", since=since, taken_at=taken)])
    alert = server.taken[_id(0)]
    assert (alert.startsAt, alert.endsAt) == (_NOW + starts, _NOW + ends)


async def test_the_last_event_of_an_alert_counts(server, alertmanager):
    await alertmanager.write(
        [
            an_event(1, severity="high"),
            an_event(2),
            an_event(1, state="changed", severity="critical"),
            an_event(2, state="recovered"),
        ]
    )
    assert _sizes(server) == [2]
    assert server.taken[_id(1)].annotations["severity"] == "critical"
    assert server.taken[_id(2)].annotations["state"] == "recovered"


async def test_an_acknowledgement_does_not_have_a_recovered_alert_fire_again(server, alertmanager):
    await alertmanager.write([an_event(state="recovered"), an_event(state="acknowledged")])
    await alertmanager.write([an_event(state="acknowledged")])
    assert _sizes(server) == [1]
    assert server.taken[_id(0)].endsAt < _NOW


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_an_alert_that_is_refused_is_found_among_the_others(server, alertmanager, status):
    server.refused, server.status = {_id(5)}, status
    [refused] = await alertmanager.write([an_event(n) for n in range(8)])
    assert refused.position == 5
    assert refused.reason.startswith(f"{status} ")
    assert refused.reason.endswith('"not wanted"')
    assert _sizes(server) == [8, 4, 4, 2, 1, 1, 2]
    assert len(server.taken) == 7


@given(count=st.integers(0, 12), refused=st.sets(st.integers(0, 11)))
def test_all_that_is_refused_is_told_and_all_else_is_taken(count, refused):
    async def written() -> tuple[list[int], set[str]]:
        double = AlertmanagerDouble(refused={_id(n) for n in refused})
        async with double as server, _alertmanager(server.url) as alertmanager:
            told = await alertmanager.write([an_event(n) for n in range(count)])
            return [position for position, _ in told], set(server.taken)

    positions, taken = asyncio.run(written())
    assert positions == sorted(refused & set(range(count)))
    assert taken == {_id(n) for n in set(range(count)) - refused}


async def test_a_refusal_tells_the_position_of_the_event_that_was_sent(server, alertmanager):
    server.refused = {_id(1)}
    events = [an_event(1), b"{}", an_event(2), an_event(1, state="changed")]
    first, second = await alertmanager.write(events)
    assert (first.position, second.position) == (1, 3)
    assert first.reason.startswith("no alert event: ")


@pytest.mark.parametrize(
    "event",
    [
        b"",
        b"null",
        b"\xff",
        b"[" * 100_000,
        an_event(title=None),
        an_event(since="today"),
        an_event(since="2026-01-29T21:30:00"),
        an_event(systolic="high"),
    ],
    ids=range(8),
)
async def test_what_is_no_alert_event_is_refused_and_the_others_go(server, alertmanager, event):
    [refused] = await alertmanager.write([event, an_event(1)])
    assert refused.position == 0
    assert list(server.taken) == [_id(1)]


async def test_very_many_alerts_are_several_requests(server, alertmanager):
    server.refused = {_id(1100)}
    [refused] = await alertmanager.write([an_event(n) for n in range(1101)])
    assert refused.position == 1100
    assert max(_sizes(server)) == 500
    assert len(server.taken) == 1100


@pytest.mark.parametrize("status", [302, 401, 404, 429, 500, 503])
async def test_any_other_answer_is_tried_again_and_then_an_error(server, alertmanager, status):
    server.answers = [Answer(status)] * 3
    with pytest.raises(SinkError, match=rf"{server.url} answers {status}"):
        await alertmanager.write([an_event()])
    assert len(server.received) == 3
    assert await alertmanager.write([an_event()]) == []


async def test_no_error_tells_the_password():
    async with Receiver() as server:
        url = server.url.replace("//", "//ward:hunter2@")
    async with _alertmanager(url) as alertmanager:
        with pytest.raises(SinkError, match="cannot be reached") as raised:
            await alertmanager.write([an_event()])
    assert "hunter2" not in str(raised.value)
