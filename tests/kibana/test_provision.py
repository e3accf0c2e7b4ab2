"""`bpstream provision`, on a real Elasticsearch and a stand-in for Kibana."""

import asyncio
from dataclasses import fields

import pytest
from click.testing import CliRunner, Result
from elasticsearch import Elasticsearch, NotFoundError

from bpstream.commands import cli
from bpstream.kibana.rules import SPIKE_RULE
from bpstream.settings import Settings
from tests.kibana.stand_in import StandIn, basic
from tests.sinks.helpers import Answer

KIBANAS = 10
"""How many objects, connectors and rules there are."""


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in fields(Settings):
        monkeypatch.delenv(f"BPSTREAM_{each.name.upper()}", raising=False)


async def run(*arguments: str, **environ: str) -> Result:
    """`bpstream provision ARGUMENTS`, in a thread: the stand-in answers in this one."""
    runner = CliRunner()
    command = ("provision", *arguments)
    return await asyncio.to_thread(runner.invoke, cli, command, env=environ, prog_name="bpstream")


async def test_provision_with_nothing_to_provision_is_wrong_usage():
    done = await run()
    assert done.exit_code == 2
    assert done.stderr.startswith("bpstream: BPSTREAM_ELASTICSEARCH_URL is not set, nor is")


async def test_provision_says_that_elasticsearch_is_away():
    done = await run(BPSTREAM_ELASTICSEARCH_URL="http://127.0.0.1:9")
    assert done.exit_code == 1
    assert done.stderr.startswith("bpstream: http://127.0.0.1:9 cannot be reached")


@pytest.mark.services
async def test_provision_makes_everything_once_and_leaves_it_then(elasticsearch, unique_name):
    alias = unique_name("bp")
    async with StandIn(login=basic("me", "s3cret")) as stand_in:
        environ = {
            "BPSTREAM_ELASTICSEARCH_URL": elasticsearch,
            "BPSTREAM_KIBANA_URL": stand_in.url,
            "BPSTREAM_KIBANA_USERNAME": "me",
            "BPSTREAM_KIBANA_PASSWORD": "s3cret",
            "BPSTREAM_INDEX": alias,
        }
        # Kibana is still starting.
        stand_in.answers = [("GET /api/status", Answer(503, "Kibana server is not ready yet"))]
        with Elasticsearch(elasticsearch) as client:
            would = await run("--dry-run", **environ)
            assert not templates(client, alias)
            assert not stand_in.changes
            first = await run(**environ)
            assert len(templates(client, alias)) == 1
            stand_in.asked.clear()
            second = await run(**environ)
            client.indices.delete_index_template(name=alias)
    for done in (would, first, second):
        assert done.exit_code == 0, done.output
    lines = first.output.splitlines()
    assert lines[:2] == [f"created the index template {alias}", f"created the data view {alias}"]
    assert f"created the rule {SPIKE_RULE}" in lines
    assert lines[-1] == f"{KIBANAS + 1} created"
    *each, last = would.output.splitlines()
    assert each == [f"would create{line.removeprefix('created')}" for line in lines[:-1]]
    assert last == f"a dry run, nothing was done; else: {KIBANAS + 1} created"
    *each, last = second.output.splitlines()
    assert each == [f"left{line.removeprefix('created')}" for line in lines[:-1]]
    assert last == f"{KIBANAS + 1} left"
    assert stand_in.changes == []


def templates(client: Elasticsearch, alias: str) -> list[object]:
    try:
        return list(client.indices.get_index_template(name=alias)["index_templates"])
    except NotFoundError:
        return []


@pytest.mark.parametrize(
    ("options", "told", "last", "threshold"),
    [
        (["--dry-run"], "would change", "a dry run, nothing was done; else: 1 changed, ", 50),
        (["--keep"], "kept", "9 left, 1 kept", 50),
        (["--keep", "--dry-run"], "would keep", "a dry run, nothing was done; else: ", 50),
        ([], "changed", "1 changed, 9 left", 20),
    ],
    ids=str,
)
async def test_what_a_person_changed_is_told_by_its_place_and_both_values(
    options, told, last, threshold
):
    async with StandIn() as stand_in:
        environ = {"BPSTREAM_KIBANA_URL": stand_in.url}
        await run(**environ)
        stand_in.held_as(SPIKE_RULE)["params"]["threshold"] = [50]
        done = await run(*options, **environ)
        assert stand_in.held_as(SPIKE_RULE)["params"]["threshold"] == [threshold]
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    position = lines.index(f"{told} the rule {SPIKE_RULE}")
    assert lines[position + 1] == "    params.threshold[0]: 50 instead of 20"
    assert lines[-1].startswith(last)


async def test_provision_ends_with_a_line_where_kibana_refuses_it():
    async with StandIn(login="another") as stand_in:
        done = await run(BPSTREAM_KIBANA_URL=stand_in.url, BPSTREAM_KIBANA_API_KEY="s3cret")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"bpstream: {stand_in.url} refused the API key: 401")
    assert "s3cret" not in done.output


async def test_what_was_made_before_an_error_is_told_and_left_the_next_time():
    async with StandIn() as stand_in:
        stand_in.answers = [("POST /api/alerting/rule", Answer(400, {"message": "no such field"}))]
        first = await run(BPSTREAM_KIBANA_URL=stand_in.url)
        second = await run(BPSTREAM_KIBANA_URL=stand_in.url)
    assert first.exit_code == 1
    assert "created the connector server-log-bp" in first.output
    assert "answers 400 no such field to POST /api/alerting/rule/" in first.stderr
    assert second.exit_code == 0
    assert second.output.splitlines()[-1] == "4 created, 6 left"
