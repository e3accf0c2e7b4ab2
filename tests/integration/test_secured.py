"""Kafka and Elasticsearch behind TLS and passwords: the right ones, and what a wrong one says."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bpstream.commands import cli
from bpstream.fhir import build
from tests.faults import stored
from tests.faults.hook import Hook
from tests.faults.killable import running
from tests.integration.workers import names, until, worker
from tests.secure import PASSWORD, SecuredElasticsearch, SecuredKafka

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
        done("replay")
        until(lambda: asked.get("/status")["lag"] == 0, 30, asked.told)
        done("provision")
        done("reconcile")
        index = settings["BPSTREAM_INDEX"]
        assert {each["patient_id"] for each in stored.indexed(elasticsearch, index)} >= {"PAT-000"}
        assert asked.stop() == 0
        log = asked.log.read_text()
    assert not [secret for secret in SECRETS if secret in log]
    assert "Traceback" not in log
