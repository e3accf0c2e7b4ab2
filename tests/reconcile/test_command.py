"""`bpstream reconcile` where it cannot compare: what it says, and how it ends."""

from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from bpstream.checkpoint import KEY, Checkpoint
from bpstream.commands import cli
from bpstream.stream import reader
from tests.integration.workers import names, until
from tests.stream.brokers import make_topic, partitions_of


def reconcile(settings: dict[str, str], *options: str) -> Result:
    return CliRunner().invoke(cli, ["reconcile", *options], env=settings, prog_name="bpstream")


def last_line(done: Result) -> str:
    assert done.exit_code == 1, done.output
    assert done.stdout == ""
    return done.stderr.splitlines()[-1]


@pytest.fixture
def settings(kafka: str, tmp_path: Path) -> dict[str, str]:
    """Of a worker that has not run yet."""
    return {
        **names(lambda stem: f"{stem}-{uuid4().hex[:12]}"),
        "BPSTREAM_BROKER": f"kafka://{kafka}",
        "BPSTREAM_DATA_DIR": str(tmp_path / "var"),
    }


def make_topics(kafka: str, names: Iterable[str], *, partitions: int = 4) -> None:
    """Return once every part of the broker knows them."""
    made = {make_topic(kafka, name, partitions=partitions) for name in names}
    until(lambda: made <= partitions_of(kafka).keys(), 30)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--show", "-1"], "-1 is not in the range x>=0"),
        (["--mend"], "No such option"),
        (["now"], "Got unexpected extra argument (now)"),
    ],
)
def test_wrong_usage_has_the_status_2(options, told):
    done = reconcile({}, *options)
    assert done.exit_code == 2
    assert told in done.stderr


def test_a_broker_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr("bpstream.stream.connection.ANSWER_WITHIN", 0.3)
    done = reconcile({"BPSTREAM_BROKER": "kafka://127.0.0.1:9"})
    assert last_line(done).startswith(
        "bpstream: Kafka does not answer at 127.0.0.1:9 (BPSTREAM_BROKER)"
    )


def test_ctrl_c_ends_it_quietly(monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reader.Reader, "__enter__", interrupted)
    done = reconcile({})
    assert (done.exit_code, done.output.strip()) == (130, "")


@pytest.mark.services
@pytest.mark.parametrize("missing", ["topic", "rekeyed_topic", "changelog"])
def test_a_topic_that_is_not_there_is_named(settings, kafka, missing):
    topics = topics_of(settings)
    make_topics(kafka, [topics[name] for name in topics.keys() - {missing}])
    assert f"has no topic {topics[missing]}: it is there once" in last_line(reconcile(settings))


@pytest.mark.services
def test_a_changelog_of_another_count_of_partitions_is_named(settings, kafka):
    topics = topics_of(settings)
    make_topics(kafka, [topics["topic"], topics["rekeyed_topic"]])
    make_topics(kafka, [topics["changelog"]], partitions=3)
    assert "has 3 partitions" in last_line(reconcile(settings))


@pytest.mark.services
@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (KEY, Checkpoint(lineage="another").encode(), "was made anew since a worker"),
        (b"PAT-001", b"\x63" * 16, "0 cannot be read: a patient's row has layout 63"),
    ],
    ids=["of a former life of the topics", "of another version"],
)
def test_a_changelog_that_cannot_be_used_is_named(settings, kafka, key, value, told):
    topics = topics_of(settings)
    make_topics(kafka, topics.values())
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topics["changelog"], value, key, partition=0)
    assert producer.flush(30) == 0
    assert told in last_line(reconcile(settings))


@pytest.mark.services
def test_an_index_that_is_away_is_named(settings, kafka):
    make_topics(kafka, topics_of(settings).values())
    done = reconcile(settings | {"BPSTREAM_ELASTICSEARCH_URL": "http://127.0.0.1:9"})
    assert last_line(done).startswith("bpstream: http://127.0.0.1:9 cannot be reached")


@pytest.mark.services
def test_where_nothing_was_sent_all_is_equal_and_nothing_is_made(settings, kafka, tmp_path):
    make_topics(kafka, topics_of(settings).values())
    done = reconcile(settings, "--repair")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == "equal: 0 documents"
    assert list(tmp_path.iterdir()) == []


def topics_of(settings: dict[str, str]) -> dict[str, str]:
    return {
        "topic": settings["BPSTREAM_TOPIC"],
        "rekeyed_topic": settings["BPSTREAM_REKEYED_TOPIC"],
        "changelog": f"{settings['BPSTREAM_APP_ID']}-patients-changelog",
    }
