"""Kafka and Elasticsearch behind TLS and passwords: the right ones, and what a wrong one says."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bpstream.commands import cli
from bpstream.errors import StartError
from bpstream.fhir import build
from bpstream.settings import Settings
from bpstream.stream.sinks import new_index
from tests.faults import stored
from tests.faults.hook import Hook
from tests.faults.killable import running
from tests.integration.workers import names, until, worker
from tests.secure import PASSWORD, USER, SecuredElasticsearch, SecuredKafka

pytestmark = pytest.mark.services

SECRETS = (PASSWORD, SecuredElasticsearch.API_KEY, "s3cret-k3y-91ac", "wr0ng-secret")


@pytest.fixture(scope="module")
def secured_elasticsearch(elasticsearch: str, certificates: Any) -> Iterator[SecuredElasticsearch]:
    with running(SecuredElasticsearch(elasticsearch, certificates)) as front:
        yield front


@pytest.fixture
def settings(
    secured_kafka: SecuredKafka,
    secured_elasticsearch: SecuredElasticsearch,
    unique_name: Callable[[str], str],
    tmp_path: Path,
) -> dict[str, str]:
    return {
        **names(unique_name),
        **secured_kafka.settings,
        **secured_elasticsearch.settings,
        "BPSTREAM_ARCHIVE_DIR": str(tmp_path / "archive"),
    }


def command(settings: dict[str, str], *words: str) -> Result:
    """`bpstream WORDS` with these settings."""
    return CliRunner().invoke(cli, words, env=settings)


def observation(number: int, systolic: float) -> bytes:
    return build.observation(
        observation_id=f"o{number}",
        patient_id=f"PAT-{number:03d}",
        practitioner_id="PRAC-01",
        taken_at=datetime.now(UTC).isoformat(),
        systolic=systolic,
        diastolic=75.0,
    )


def test_a_worker_and_every_command_reach_kafka_and_elasticsearch_through_tls(
    settings: dict[str, str], elasticsearch: str, tmp_path: Path
) -> None:
    file = tmp_path / "taken.ndjson"
    lines = [observation(n, 120.0 if n % 2 else 200.0) for n in range(10)]
    file.write_bytes(b"\n".join([*lines, b'{"resourceType": "Observation"}']))
    with ExitStack() as stack:
        hook = stack.enter_context(running(Hook("hook-secret")))
        asked = stack.enter_context(
            worker(tmp_path, {**settings, "BPSTREAM_WEBHOOK_URL": hook.url})
        )
        asked.ready()
        settings |= {"BPSTREAM_WEB_URL": asked.url, "BPSTREAM_DATA_DIR": str(tmp_path / "own")}

        def done(*words: str) -> str:
            result = command(settings, *words)
            assert result.exit_code == 0, (words, result.output, asked.told())
            return result.output

        done("ingest", str(file))
        done("simulate", "--count", "10", "--rate", "100")
        until(lambda: asked.get("/status")["readings"] >= 20, 30, asked.told)
        until(lambda: asked.get("/status")["lag"] == 0, 30, asked.told)
        assert asked.get("/status")["dead_letters"] == 1
        # The notifier, a consumer of its own; the history, another.
        until(lambda: hook.received, 15, asked.told)
        assert "firing" in done("alerts", "list", "--all")
        done("limits", "set", "PAT-001", "systolic_high=170", "--by", "Ann", "--reason", "x")

        assert "1 " in done("dead-letters", "list")
        done("dead-letters", "retry", "--all")
        until(lambda: asked.get("/status")["dead_letters"] == 2, 30, asked.told)
        until(lambda: asked.get("/status")["lag"] == 0, 30, asked.told)
        done("provision")
        done("reconcile")
        index = settings["BPSTREAM_INDEX"]
        assert {each["patient_id"] for each in stored.indexed(elasticsearch, index)} >= {"PAT-000"}
        assert asked.stop() == 0
        log = asked.log.read_text()
    assert not [secret for secret in SECRETS if secret in log]
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("API_KEY", "wr0ng-secret", "refused the API key: 401 .*BPSTREAM_ELASTICSEARCH_API_KEY"),
        ("API_KEY", SecuredElasticsearch.EXPIRED, "refused the API key 'old-key': .*is expired"),
        ("API_KEY", "", "refused a client without user or API key: .*_API_KEY"),
        ("CA_FILE", "wrong-ca.pem", "is not trusted: .*BPSTREAM_ELASTICSEARCH_CA_FILE"),
        ("CA_FILE", "", "is not trusted: .*BPSTREAM_ELASTICSEARCH_CA_FILE"),
        ("CA_FILE", "missing.pem", r"BPSTREAM_ELASTICSEARCH_CA_FILE=.*missing\.pem cannot be read"),
    ],
)
async def test_what_elasticsearch_refuses_is_named_at_the_start_with_what_would_do(
    secured_elasticsearch: SecuredElasticsearch, name: str, value: str, words: str
) -> None:
    if value.endswith(".pem"):
        value = str(secured_elasticsearch.certificates.ca_file.with_name(value))
    environ = {**secured_elasticsearch.settings, f"BPSTREAM_ELASTICSEARCH_{name}": value}
    with pytest.raises(StartError, match=words) as caught:
        async with new_index(Settings.from_env(environ)) as index:
            await index.check()
    assert not [secret for secret in SECRETS if secret in str(caught.value)]


async def test_elasticsearch_takes_a_user_and_a_password_in_place_of_a_key(
    secured_elasticsearch: SecuredElasticsearch,
) -> None:
    environ = {
        **secured_elasticsearch.settings,
        "BPSTREAM_ELASTICSEARCH_API_KEY": "",
        "BPSTREAM_ELASTICSEARCH_USERNAME": USER,
        "BPSTREAM_ELASTICSEARCH_PASSWORD": PASSWORD,
    }
    async with new_index(Settings.from_env(environ)) as index:
        await index.check()
