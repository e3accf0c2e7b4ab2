"""`bpstream alerts` and `bpstream limits`, asking a real web server on the loopback."""

import asyncio
import json

import pytest
from click.testing import CliRunner

from bpstream.commands import cli
from tests.web.test_cluster import nobody_there
from tests.web.worker import FakeDesk, FakeWorker, an_alert, serving

ALERT = "00000000000000ff"
NOBODY_SAID = {"acknowledged": None, "silenced": None}


async def said(root, *words, **environ):
    """Exit status and output of a command that asks the worker at `root`."""
    environ = {"BPSTREAM_WEB_URL": str(root)} | environ
    done = await asyncio.to_thread(CliRunner().invoke, cli, list(words), env=environ)
    return done.exit_code, done.output


@pytest.fixture
def worker():
    made = FakeWorker("PAT-001")
    made.desk = FakeDesk(ALERT)
    made.patients.raised = [
        an_alert(ALERT) | NOBODY_SAID,
        an_alert("0" * 16, severity="critical")
        | {
            "acknowledged": {"by": "Ann", "comment": "on my way"},
            "silenced": {"until": "2026-01-29T22:00:00.000000Z"},
        },
    ]
    return made


async def test_alerts_are_listed_with_what_was_said_of_them(worker):
    async with serving(worker) as root:
        status, output = await said(root, "alerts", "list")
        assert status == 0
        first, second = output.splitlines()
        assert first.split() == [
            *(ALERT, "firing", "high", "2026-01-29T21:00:00.000000Z", "PAT-001", "critical"),
        ]
        assert "acknowledged by Ann: on my way" in second
        assert "silenced until 2026-01-29T22:00:00.000000Z" in second
        worker.patients.raised = []
        assert await said(root, "alerts", "list") == (0, "no alerts\n")


async def test_the_history_is_listed_as_text_and_as_json(worker):
    event = an_alert(ALERT, state="acknowledged") | {
        "published_at": "2026-01-29T21:01:00.000000Z",
        "message": "Critical: acknowledged by Ann",
        "by": "Ann",
        "comment": "",
    }

    async def history(**asked):
        return {"alerts": [event], "complete": False, "asked": asked}

    worker.desk.history = history
    async with serving(worker) as root:
        words = ["alerts", "list", "--all", "--since", "2026-01-29T20:00", "--limit", "1"]
        status, output = await said(root, *words)
        assert status == 0
        assert output.splitlines()[0].endswith("Critical: acknowledged by Ann  Ann: -")
        assert "there are more" in output
        _, output = await said(root, *words, "--json")
        assert json.loads(output)["asked"] == {"since": 1_769_716_800_000, "limit": 1}


async def test_the_first_who_acknowledges_is_told_by_the_second(worker):
    worker.desk.fires = {ALERT: "Ann"}
    async with serving(worker) as root:
        status, output = await said(root, "alerts", "ack", ALERT, "--by", "Bob")
        assert (status, output) == (1, "bpstream: Ann acknowledged the alert\n")


async def test_limits_are_set_as_they_are_told(worker):
    bounds = {
        "systolic_high": {
            "value": 160.0,
            "from": "patient",
            "by": "Dr Ada",
            "at": "2026-01-29T21:00:00.000000Z",
            "expires": None,
            "reason": "r",
        },
        "systolic_low": {"value": 90.0, "from": "default"},
    }

    async def set_limits(patient_id, body):
        worker.desk.sent.append((patient_id, json.loads(body)))
        return {"limits": {"profile": {"name": "adult"}, "bounds": bounds}}

    worker.desk.set_limits = set_limits
    async with serving(worker) as root:
        words = ["limits", "set", "a/b", "systolic_high=160", "systolic_low=default"]
        status, output = await said(root, *words, "--by", "Dr Ada", "--reason", "r")
        assert (status, [line.split()[:3] for line in output.splitlines()]) == (
            0,
            [
                ["profile", "adult"],
                ["systolic_high", "160", "Dr"],
                ["systolic_low", "90", "default"],
            ],
        )
        ((patient_id, change),) = worker.desk.sent
        assert patient_id == "a/b"
        assert change["bounds"] == {"systolic_high": 160.0, "systolic_low": None}


async def test_a_suggestion_is_a_command_for_a_person_to_give(worker):
    worker.patients.limits = lambda patient_id: {
        "patient_id": patient_id,
        "limits": {},
        "suggested": {"systolic_high": 165.0},
        "usual": {"systolic": {"mean": 137.5, "sd": 9.0}},
    }
    async with serving(worker) as root:
        status, output = await said(root, "limits", "suggest", "PAT-001")
        assert status == 0
        assert "systolic: usually 137.5 ± 9 mmHg" in output
        assert "bpstream limits set PAT-001 systolic_high=165 --by" in output
        assert worker.desk.sent == []


@pytest.mark.parametrize(
    "words",
    [
        ["alerts", "list", "--since", "2026-01-29"],
        ["alerts", "ack", ALERT],
        ["alerts", "silence", "--minutes", "5", "--by", "Ann"],
        ["alerts", "silence", "--minutes", "1441", "--by", "Ann", "--rule", "critical"],
        ["alerts", "silence", "--rule", "critical"],
        ["limits", "set", "PAT-001", "--by", "Ann", "--reason", "r"],
        ["limits", "set", "PAT-001", "systolic_high", "--by", "Ann", "--reason", "r"],
        ["limits", "set", "PAT-001", "systolic_high=160", "--by", "Ann"],
    ],
    ids=" ".join,
)
async def test_what_says_too_little_is_a_usage_error_and_asks_nobody(words):
    status, output = await said("http://127.0.0.1:9", *words)
    assert status == 2
    assert "Usage:" in output


async def test_where_no_worker_answers_that_is_said_with_what_would_do():
    status, output = await said(nobody_there(), "alerts", "list")
    assert status == 1
    assert output.startswith("bpstream: no worker answers at http://127.0.0.1:")
    assert "BPSTREAM_WEB_URL" in output


async def test_the_token_is_sent_and_its_lack_is_told():
    worker = FakeWorker(token="s3cret")
    async with serving(worker) as root:
        assert await said(root, "alerts", "list", BPSTREAM_WEB_TOKEN="s3cret") == (
            0,
            "no alerts\n",
        )
        status, output = await said(root, "alerts", "list")
        assert (status, "send the token" in output) == (1, True)


async def test_a_silence_is_begun_and_listed(worker):
    async with serving(worker) as root:
        assert await said(root, "alerts", "silence") == (0, "nothing is silenced\n")
        worker.desk.silences = lambda: {
            "silences": [
                {
                    "patient_id": "PAT-001",
                    "rule": None,
                    "by": "Ann",
                    "comment": "washing",
                    "until": "2026-01-29T22:00:00.000000Z",
                }
            ]
        }
        words = ["--patient", "PAT-001", "--minutes", "30", "--by", "Ann"]
        status, output = await said(root, "alerts", "silence", *words)
        assert (status, output) == (
            0,
            "all alerts of PAT-001 until 2026-01-29T22:00:00.000000Z, by Ann: washing\n",
        )
        assert worker.desk.sent[0]["minutes"] == 30
