"""The topics: made where they are missing, and fitting each other."""

import os
import signal

import pytest

from bpstream.errors import StartError
from bpstream.settings import Settings
from bpstream.stream import topics
from bpstream.stream.topics import changelog_of, prepare, ward_topic_of
from tests.integration.workers import names
from tests.stream.brokers import config_of, delete_topic, make_topic, partitions_of


@pytest.fixture
def settings(kafka, unique_name) -> Settings:
    environ = {**names(unique_name), "BPSTREAM_ENRICHED_TOPIC": unique_name("enriched")}
    return Settings.from_env({**environ, "BPSTREAM_BROKER": f"kafka://{kafka}"})


def topics_of(settings: Settings) -> set[str]:
    return {
        settings.topic,
        settings.rekeyed_topic,
        settings.dead_letter_topic,
        settings.alerts_topic,
        settings.limits_topic,
        settings.acknowledgements_topic,
        settings.enriched_topic,
        changelog_of(settings),
        ward_topic_of(settings),
    }


@pytest.mark.services
async def test_every_topic_that_is_missing_is_made_with_the_count_of_the_settings(kafka, settings):
    found = await prepare(settings)
    assert found.partitions == settings.partitions == 4
    made = partitions_of(kafka)
    assert {name: made.get(name) for name in topics_of(settings)} == dict.fromkeys(
        topics_of(settings), 4
    )
    assert await prepare(settings) == found


@pytest.mark.services
async def test_companions_take_the_input_topics_count_as_it_is_found(kafka, settings):
    make_topic(kafka, settings.topic, partitions=3)
    assert (await prepare(settings)).partitions == 3
    made = partitions_of(kafka)
    assert {made[name] for name in topics_of(settings)} == {3}


@pytest.mark.services
async def test_a_topic_of_large_messages_takes_eight_megabytes_and_the_changelog_is_compacted(
    kafka, settings
):
    await prepare(settings)
    for name in (settings.topic, settings.rekeyed_topic, settings.dead_letter_topic):
        assert config_of(kafka, name)["max.message.bytes"] == str(8 * 1024 * 1024)
    changelog = config_of(kafka, changelog_of(settings))
    assert changelog["cleanup.policy"] == "compact"
    assert changelog["min.compaction.lag.ms"] == str(24 * 3600 * 1000)
    assert config_of(kafka, settings.alerts_topic)["cleanup.policy"] == "delete"
    for name in (settings.limits_topic, settings.acknowledgements_topic):
        assert config_of(kafka, name)["cleanup.policy"] == "compact"


@pytest.mark.services
@pytest.mark.parametrize(
    ("takes", "step_bytes"),
    [
        ({"max.message.bytes": "1048588"}, 943_729),  # Kafka's own default
        ({"max.message.bytes": "1000000"}, 900_000),
        ({"max.message.bytes": "9000000"}, 7_549_747),
        (None, 7_549_747),
    ],
)
async def test_a_step_fits_into_what_the_changelog_takes_and_has_no_more_than_it_needs(
    kafka, settings, takes, step_bytes
):
    if takes is not None:
        make_topic(kafka, changelog_of(settings), config=takes)
    assert (await prepare(settings)).step_bytes == step_bytes


@pytest.mark.services
async def test_a_changelog_that_takes_too_little_is_an_error_that_says_what_would_do(
    kafka, settings
):
    name = changelog_of(settings)
    make_topic(kafka, name, config={"max.message.bytes": "999999"})
    with pytest.raises(StartError, match=f"{name} takes .* 999,999 bytes .*: 1,000,000 or more"):
        await prepare(settings)


@pytest.mark.services
async def test_a_topic_that_every_worker_reads_may_have_a_count_of_its_own(kafka, settings):
    make_topic(kafka, settings.limits_topic, partitions=1)
    found = await prepare(settings)
    assert (found.of(settings.limits_topic), found.of(settings.alerts_topic)) == (1, 4)


@pytest.mark.services
@pytest.mark.parametrize("companion", ["rekeyed_topic", "changelog"])
async def test_a_companion_of_another_count_is_an_error_that_names_both_and_what_would_do(
    kafka, settings, companion
):
    name = changelog_of(settings) if companion == "changelog" else settings.rekeyed_topic
    make_topic(kafka, settings.topic, partitions=4)
    make_topic(kafka, name, partitions=2)
    with pytest.raises(StartError) as caught:
        await prepare(settings)
    assert str(caught.value) == (
        f"the topic {name} has 2 partitions and {settings.topic} has 4: they must be equal. "
        f"Delete {name}, or use another BPSTREAM_APP_ID and BPSTREAM_REKEYED_TOPIC"
    )


@pytest.mark.services
async def test_the_lineage_is_another_when_the_input_topic_was_made_anew(kafka, settings):
    before = (await prepare(settings)).lineage
    delete_topic(kafka, settings.topic)
    after = (await prepare(settings)).lineage
    assert before != after
    assert before.isalnum()
    assert after.isalnum()
    # The re-keyed topic is the one it was.
    assert before[8:] == after[8:]


@pytest.mark.services
async def test_what_a_broker_that_stands_still_does_not_answer_it_is_asked_again(
    service, unique_name, monkeypatch
):
    broker, asked = service("kafka"), []
    environ = {**names(unique_name), "BPSTREAM_BROKER": f"kafka://{broker.address}"}
    room = topics._room

    def room_of_one_that_stands_still(*question):
        asked.append(question)
        if len(asked) > 1:
            return room(*question)
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            return room(*question)
        finally:
            os.kill(broker.pid, signal.SIGCONT)

    monkeypatch.setattr(topics, "_room", room_of_one_that_stands_still)
    monkeypatch.setattr(topics, "_ANSWER_WITHIN", 1.0)
    assert (await prepare(Settings.from_env(environ))).changelog_batch > topics.BATCH_BYTES
    assert len(asked) > 1
