"""The services of compose/services are real ones, and say what they need."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from elasticsearch import ConflictError, Elasticsearch

from tests.services import Service

SERVICES = Path(__file__).parents[1] / "compose" / "services" / "services.py"
LARGE = 6_000_000
EARLIEST = {"auto.offset.reset": "earliest", "fetch.message.max.bytes": 8_388_608}


def create_topic(broker: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(topic, num_partitions=4)])[topic].result(timeout=30)


def send(broker: str, topic: str, values: list[bytes]) -> None:
    settings = {"message.max.bytes": 8_000_000, "enable.idempotence": True}
    producer = Producer({"bootstrap.servers": broker, **settings})
    for value in values:
        producer.produce(topic, value, key=b"PAT-001")
    assert producer.flush(30) == 0


def receive(broker: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": broker, "group.id": topic, **EARLIEST})
    consumer.subscribe([topic])
    try:
        messages = consumer.consume(count, timeout=30)
    finally:
        consumer.close()
    assert [message.error() for message in messages] == [None] * count
    return [message.value() for message in messages]


def services(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SERVICES), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.services
def test_kafka_gives_back_what_was_sent_also_six_megabytes(kafka, unique_name):
    topic = unique_name("readings")
    create_topic(kafka, topic)
    sent = [b"first", os.urandom(LARGE), b"last"]
    send(kafka, topic, sent)
    assert receive(kafka, topic, 3) == sent


@pytest.mark.services
def test_kafka_does_not_create_a_topic_that_is_only_asked_for(kafka, unique_name):
    topic = unique_name("misspelt")
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": topic})
    try:
        found = consumer.list_topics(topic, timeout=30).topics[topic]
    finally:
        consumer.close()
    assert found.error == KafkaError.UNKNOWN_TOPIC_OR_PART


@pytest.mark.services
def test_elasticsearch_finds_what_was_indexed(elasticsearch, unique_name):
    index = unique_name("readings")
    with Elasticsearch(elasticsearch) as client:
        client.index(index=index, id="1", document={"systolic_pressure": 176}, refresh=True)
        client.index(index=index, id="2", document={"systolic_pressure": 120}, refresh=True)
        found = client.search(index=index, query={"range": {"systolic_pressure": {"gt": 140}}})
        assert [hit["_id"] for hit in found["hits"]["hits"]] == ["1"]


@pytest.mark.services
def test_elasticsearch_refuses_an_older_version_of_a_document(elasticsearch, unique_name):
    index = unique_name("readings")
    with Elasticsearch(elasticsearch) as client:

        def write(version: int) -> None:
            client.index(
                index=index, id="1", document={}, version=version, version_type="external_gte"
            )

        write(7)
        write(7)
        with pytest.raises(ConflictError) as refused:
            write(6)
        assert refused.value.status_code == 409


@pytest.mark.services
def test_a_killed_kafka_starts_again_with_its_port_and_its_messages(
    service: Callable[..., Service], unique_name
):
    broker, topic = service("kafka"), unique_name("readings")
    address = broker.address
    create_topic(address, topic)
    send(address, topic, [b"before"])
    broker.kill()
    assert broker.start().address == address
    send(address, topic, [b"after"])
    assert receive(address, topic, 2) == [b"before", b"after"]


@pytest.mark.services
def test_a_killed_elasticsearch_starts_again_with_its_documents_and_its_settings(
    service: Callable[..., Service],
):
    node = service("elasticsearch", "--es-setting", "indexing_pressure.memory.limit=20kb")
    with Elasticsearch(node.address, retry_on_timeout=True) as client:
        client.index(index="readings", id="1", document={"systolic_pressure": 176})
        node.kill()
        node.start()
        assert client.get(index="readings", id="1")["_source"] == {"systolic_pressure": 176}
        (settings,) = client.nodes.info(metric="settings", flat_settings=True)["nodes"].values()
        assert settings["settings"]["indexing_pressure.memory.limit"] == "20kb"


@pytest.mark.services
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_start_leaves_no_process(kafka, tmp_path, how):
    command = [sys.executable, str(SERVICES), "start", "kafka", "--kafka-port", "0"]
    pid_file = tmp_path / "kafka" / "pid"
    with subprocess.Popen([*command, "--dir", str(tmp_path)]) as starting:
        while not pid_file.exists() or not pid_file.read_text():
            time.sleep(0.01)
        pid = int(pid_file.read_text())
        starting.send_signal(how)
        assert starting.wait(timeout=30) == 130
    stat = Path(f"/proc/{pid}/stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z"


@pytest.mark.services
def test_a_port_in_use_is_named_with_the_option_that_chooses_another(kafka, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = services("start", "kafka", "--dir", str(tmp_path), "--kafka-port", port)
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr
    assert "--kafka-port" in done.stderr


@pytest.mark.services
def test_a_service_that_ends_while_it_starts_shows_its_last_words(elasticsearch, tmp_path):
    options = ("--elasticsearch-port", "0", "--es-setting", "no.such.setting=1")
    done = services("start", "elasticsearch", "--dir", str(tmp_path), *options)
    assert done.returncode == 1
    assert "elasticsearch ended while it started" in done.stderr
    assert "unknown setting [no.such.setting]" in done.stderr


def test_a_pid_that_now_is_another_program_is_left_alone(tmp_path):
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "pid").write_text(str(os.getpid()))
    done = services("stop", "kafka", "--dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "kafka was not running\n")


def test_status_says_that_nothing_runs(tmp_path):
    done = services("status", "--dir", str(tmp_path))
    assert done.returncode == 1
    assert done.stdout == "kafka is not running\nelasticsearch is not running\n"


@pytest.mark.parametrize(
    ("java", "message"),
    [
        (None, "java is not in"),
        ('echo openjdk version \\"11.0.22\\" >&2', "is version 11: install a JDK of 17"),
        ('echo java version \\"1.8.0_402\\" >&2', "is version 1: install a JDK of 17"),
        ("echo no runtime present >&2; exit 1", "does not tell its version"),
    ],
)
def test_a_java_that_will_not_do_is_said_in_one_line(tmp_path, java, message):
    (tmp_path / "bin").mkdir()
    if java:
        program = tmp_path / "bin" / "java"
        program.write_text(f"#!/bin/sh\n{java}\n")
        program.chmod(0o755)
    done = services("start", "kafka", "--dir", str(tmp_path), JAVA_HOME=str(tmp_path))
    assert done.returncode == 3
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("required", "outcome"), [("", "skipped"), ("1", "failed")])
def test_without_java_a_test_is_skipped_or_fails_where_services_are_required(
    tmp_path, monkeypatch, required, outcome
):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("REQUIRE_SERVICES", required)
    kind = {"skipped": pytest.skip.Exception, "failed": pytest.fail.Exception}[outcome]
    with pytest.raises(kind, match=r"java is not in .*: install a JDK"):
        Service("kafka", tmp_path).start()


def test_an_unknown_service_is_a_usage_error():
    done = services("start", "zookeeper")
    assert done.returncode == 2
    assert "'zookeeper' is not one of kafka, elasticsearch" in done.stderr
