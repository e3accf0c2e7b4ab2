"""Letters: what the topic's records say, each letter once, shown safely, and sent again."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from bpstream.chunk import Chunk, Origins
from bpstream.commands import cli
from bpstream.errors import StartError
from bpstream.fhir.reasons import Fault
from bpstream.reading import Origin
from bpstream.settings import Settings
from bpstream.simulator import Simulator
from bpstream.stream.dead_letters import DeadLetter, DeadLetters
from bpstream.stream.embedded import EmbeddedBroker
from bpstream.stream.letters import letter as of_the_topic
from bpstream.stream.letters import reader, retry, shown
from bpstream.stream.letters.fates import Fates, Obstacle
from bpstream.stream.letters.index import Count, LetterIndex, Selection
from bpstream.stream.letters.letter import Letter, Mark
from bpstream.stream.letters.reader import LetterReader
from bpstream.stream.letters.retry import Retrier
from bpstream.stream.packing import Record
from tests.stream.brokers import everything_on, make_topic
from tests.stream.helpers import EPOCH_OF_TESTS, TakesAll

GOOD = Simulator(patients=1, seed=5).round(datetime(2025, 6, 1, tzinfo=UTC))[0].value
WITHOUT_TIME = GOOD.replace(b"effectiveDateTime", b"was")


class Message:
    """A message as confluent_kafka gives it."""

    def __init__(self, record: Record, *, partition: int = 0, offset: int = 0) -> None:
        self._record, self._partition, self._offset = record, partition, offset

    def key(self) -> bytes | None:
        return self._record.key

    def value(self) -> bytes | None:
        return self._record.value

    def headers(self) -> list[tuple[str, bytes]] | None:
        return list(self._record.headers) or None

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return 1, EPOCH_OF_TESTS


async def records(
    *bodies: bytes | None, reason: str = "invalid_json", found: str = "{", topic: str = "fhir"
) -> list[Record]:
    """What a worker writes when messages with these bodies, at 2:0, 2:1 …, cannot be used."""
    kafka, n = TakesAll(), len(bodies)
    chunk = Chunk(
        topic=topic,
        offset=np.arange(n),
        values=bodies,
        keys=[b"k"] * n,
        arrived_at=np.zeros(n, np.int64),
        origins=Origins(np.full(n, 2, np.int32), np.arange(n), np.zeros(n, np.int64)),
    )
    letters = [DeadLetter(Origin(at), reason, "message", found) for at in range(n)]
    writer = DeadLetters(kafka, topic="dead", source=topic, partitions=1)
    await writer.publish(chunk, letters)
    return [record for sent in kafka.sent for record in sent.records]


async def a_letter(body: bytes | None = b"{", **about: Any) -> Letter:
    (record,) = await records(body, **about)
    found = of_the_topic.read(Message(record))
    assert isinstance(found, Letter)
    return found


def example(number: int = 0, **changes: Any) -> Letter:
    """A letter that differs from others by its number."""
    every: dict[str, Any] = {
        "identity": number.to_bytes(16, "big"),
        "id": f"0:{number}:0",
        "reason": "invalid_json",
        "path": "message",
        "found": "{",
        "topic": "fhir",
        "time": number,
        "truncated": 0,
        "key": b"k",
        "size": 1,
        "partition": 0,
        "offset": number,
    }
    return Letter(**(every | changes))


@pytest.fixture
def index() -> Iterator[LetterIndex]:
    with LetterIndex() as made:
        yield made


# What a record of the topic is.


async def test_a_record_that_a_worker_wrote_is_a_letter():
    (record,) = await records(b"{", reason="invalid_json")
    letter = of_the_topic.read(Message(record, partition=3, offset=9))
    assert isinstance(letter, Letter)
    assert (letter.id, letter.reason, letter.path, letter.found) == (
        "2:0:0",
        "invalid_json",
        "message",
        "{",
    )
    assert (letter.topic, letter.key, letter.size, letter.truncated) == ("fhir", b"k", 1, 0)
    assert (letter.partition, letter.offset, letter.retried_at) == (3, 9, None)
    assert abs(letter.time / 1e6 - datetime.now(UTC).timestamp()) < 60


async def test_the_mark_of_a_letter_names_it():
    letter, at = await a_letter(), datetime(2026, 1, 29, 21, 30, tzinfo=UTC)
    headers = of_the_topic.mark(letter, at=at)
    assert dict(headers)["id"] == b"2:0:0"
    found = of_the_topic.read(Message(Record(b"k", b"", headers)))
    assert found == Mark(letter.identity, int(at.timestamp()) * 1_000_000)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("reason", b"invalid_json")],
        [("id", b"0:0:0"), ("reason", b"x"), ("topic", b"t"), ("truncated", b"much")],
        [("retried_at", b"2026-01-29T21:30:00Z"), ("identity", b"zz")],
    ],
)
def test_a_record_of_somebody_else_is_no_letter(headers):
    assert of_the_topic.read(Message(Record(b"k", b"v", headers))) is None


@pytest.mark.parametrize("time", [b"", b"yesterday", b"2026-01-29T21:30:00", b"\xff"])
def test_a_letter_without_a_readable_time_has_that_of_its_record(time):
    headers = [("id", b"0:0:0"), ("reason", b"x"), ("topic", b"t"), ("time", time)]
    found = of_the_topic.read(Message(Record(b"k", b"v", headers)))
    assert isinstance(found, Letter)
    assert found.time == EPOCH_OF_TESTS * 1000


@given(st.lists(st.tuples(st.text(), st.text(), st.binary()), unique=True, max_size=5))
def test_letters_from_other_places_or_with_other_bodies_are_others(letters):
    assert len({of_the_topic.identity(*each) for each in letters}) == len(letters)


# The index.


async def test_a_letter_that_a_crash_wrote_twice_is_one(index):
    twice = await records(b"{", b"}") + await records(b"{", b"}")
    index.fill(
        of_the_topic.read(Message(record, offset=offset)) for offset, record in enumerate(twice)
    )
    assert index.counts(Selection()) == [Count("invalid_json", 2, 0)]
    assert [(each.id, each.offset) for each in index.waiting(Selection())] == [
        ("2:0:0", 2),
        ("2:1:0", 3),
    ]


async def test_the_same_place_of_a_topic_that_was_made_anew_is_another_letter(index):
    index.fill([await a_letter(b"{"), await a_letter(b"["), await a_letter(b"{", topic="other")])
    assert len(index.newest(Selection(ids=("2:0:0",)), limit=9)) == 3


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [0, 2, 1]])
def test_a_letter_is_retried_whether_its_mark_comes_first_or_last(index, order):
    letter = example(1)
    written = [letter, letter._replace(offset=5), Mark(letter.identity, 77)]
    index.fill(written[at] for at in order)
    (found,) = index.newest(Selection(), limit=9)
    assert found.retried_at == 77
    assert list(index.waiting(Selection())) == []
    assert index.counts(Selection()) == [Count("invalid_json", 1, 1)]


def test_a_mark_without_its_letter_is_no_letter(index):
    index.fill([Mark(b"x" * 16, 1), None, None])
    assert index.counts(Selection()) == []
    assert index.foreign == 2


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        (Selection(), [3, 2, 1, 0]),
        (Selection(reasons=("odd",)), [3, 1]),
        (Selection(reasons=("odd", "even")), [3, 2, 1, 0]),
        (Selection(reasons=("o%", "x' OR 1")), []),
        (Selection(ids=("0:2:0", "0:0:0")), [2, 0]),
        (Selection(ids=("0:2:0",), reasons=("odd",)), []),
        (Selection(since=2), [3, 2]),
        (Selection(until=2), [1, 0]),
        (Selection(since=1, until=3, reasons=("even",)), [2]),
    ],
)
def test_letters_are_selected(index, selection, numbers):
    names = ("even", "odd")
    index.fill(example(number, reason=names[number % 2]) for number in (2, 0, 3, 1))
    assert [each.time for each in index.newest(selection, limit=9)] == numbers
    assert [each.offset for each in index.waiting(selection)] == sorted(numbers)
    assert sum(each.letters for each in index.counts(selection)) == len(numbers)


def test_the_newest_are_listed_and_all_are_counted(index):
    index.fill(example(number) for number in range(1000))
    assert [each.time for each in index.newest(Selection(), limit=3)] == [999, 998, 997]
    assert index.counts(Selection()) == [Count("invalid_json", 1000, 0)]
    assert index.missing(["0:999:0", "0:1000:0", "7:7:7", "0:1000:0"]) == ["0:1000:0", "7:7:7"]


# Shown.


@given(st.text())
def test_a_text_that_is_shown_moves_no_cursor_and_hides_nothing(text):
    line = shown.safe(text)
    assert line.isprintable()
    assert text != text.encode(errors="replace").decode() or len(line) >= len(text)


@given(st.binary())
def test_a_body_that_is_no_json_is_shown_line_by_line(data):
    text = shown.body(data)
    assert all(each.isprintable() for each in text.split("\n"))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "(a tombstone)"),
        (b"", "(no bytes)"),
        (b'{"b":1.10,"a":[],"a":"\xc3\xa9"}', '{\n  "b": 1.10,\n  "a": [],\n  "a": "é"\n}'),
        (b'["\xc2\x9b2J"]', '[\n  "\\x9b2J"\n]'),
        (b"{\x1b[2J\r\n\xff", "{\\x1b[2J\\r\n\\\\xff".replace("\\\\", "\\")),
        (b"[" * 100_000, "[" * 100_000),
    ],
)
def test_a_body_is_laid_out_where_it_is_json(data, text):
    assert shown.body(data) == text


@pytest.mark.parametrize("reason", sorted(set(Fault) - shown.NO_PRESSURES))
@pytest.mark.parametrize("found", ["{'value': 176, 'unit': 'mmHg'}", "'120/80'", "1٣0"])
def test_a_list_covers_what_may_be_a_pressure(reason, found):
    letter = example(reason=str(reason), found=found, id="a:b:c", time=0, size=0)
    text = shown.found(letter)
    assert not any(each.isdigit() for each in text)
    assert text in shown.line(letter)
    assert shown.fields(letter)["found"] == text


def test_a_list_tells_times_and_sizes_and_cuts_what_is_long():
    assert shown.found(example(reason="in_future", found="'2099-06-01'")) == "'2099-06-01'"
    assert len(shown.found(example(found="x" * 500))) == 60


# Fates.


@pytest.mark.parametrize(
    ("body", "inputs", "obstacle"),
    [
        (GOOD, ("reading",), None),
        (GOOD + b"\n" + GOOD + b"\n{", ("reading", "reading", "dead letter: invalid_json"), None),
        (GOOD.replace(b'"final"', b'"entered-in-error"'), ("retraction",), None),
        (GOOD.replace(b'"final"', b'"registered"'), ("ignored: no_result",), None),
        (None, ("dead letter: empty_message",), None),
        (WITHOUT_TIME, ("reading",), Obstacle.UNDATED),
    ],
)
def test_a_fate_is_what_the_worker_would_make_of_it_now(body, inputs, obstacle):
    fate = Fates(Settings(topic="fhir")).of(example(), body)
    assert sorted(fate.inputs) == sorted(inputs)
    assert fate.obstacle is obstacle


@pytest.mark.parametrize(
    ("letter", "obstacle"),
    [
        (example(truncated=9_000_000), Obstacle.TRUNCATED),
        (example(topic="other"), Obstacle.OTHER_TOPIC),
    ],
)
def test_a_letter_that_is_not_whole_or_not_ours_is_not_sent(letter, obstacle):
    assert Fates(Settings(topic="fhir")).of(letter, GOOD).obstacle is obstacle


# On a broker: the embedded one does.


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with EmbeddedBroker() as running:
        yield running.address


@pytest.fixture
def settings(broker: str, unique_name: Callable[[str], str]) -> Settings:
    return Settings(
        broker=f"kafka://{broker}",
        topic=unique_name("fhir"),
        dead_letter_topic=unique_name("dead"),
    )


def put(settings: Settings, messages: Sequence[Record], *, topic: str = "") -> None:
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers})
    for number, each in enumerate(messages):
        producer.produce(
            topic or settings.dead_letter_topic,
            each.value,
            each.key,
            partition=number % 4,
            headers=list(each.headers),
        )
    assert producer.flush(30) == 0


def command(settings: Settings, *arguments: str) -> Result:
    environ = {
        "BPSTREAM_BROKER": settings.broker,
        "BPSTREAM_TOPIC": settings.topic,
        "BPSTREAM_DEAD_LETTER_TOPIC": settings.dead_letter_topic,
    }
    return CliRunner().invoke(cli, ["dead-letters", *arguments], env=environ)


async def test_every_body_is_found_again_however_far_apart_they_stand(settings, index, monkeypatch):
    monkeypatch.setattr(reader, "_FAR", 100)
    bodies = [str(number).encode() for number in range(2000)]
    put(settings, await records(*bodies, topic=settings.topic))
    with LetterReader(settings) as topic:
        assert len(topic) == 2000
        index.fill(topic.records())
        for step in (1, 2, 301, 1500):
            wanted = list(index.waiting(Selection()))[::step]
            found = list(topic.bodies(wanted))
            assert [letter for letter, _ in found] == wanted
            assert all(bodies[int(letter.id.split(":")[1])] == body for letter, body in found)
        # Backwards too; and one that is not there any more is left out.
        gone = wanted[0]._replace(offset=99_999)
        found = list(topic.bodies([wanted[-1], wanted[0], gone, wanted[0]]))
        assert [letter for letter, _ in found] == [wanted[-1], wanted[0], wanted[0]]


async def test_an_interrupted_retry_goes_on_with_what_was_not_marked(settings, index, monkeypatch):
    monkeypatch.setattr(retry, "_AT_ONCE", 10)
    put(settings, [Record(b"k", b"first")], topic=settings.topic)
    put(settings, await records(*[b"{%d" % each for each in range(35)], topic=settings.topic))
    with LetterReader(settings) as topic:
        index.fill(topic.records())
        sending = Retrier(settings).send(topic.bodies(index.waiting(Selection())))
        assert len(list(islice(sending, 12))) == 12
        sending.close()
    done = command(settings, "retry", "--all")
    assert done.stdout == (
        f"15 retried: on {settings.topic} again\n20 retried before: not sent again\n"
    )
    sent = everything_on(settings.bootstrap_servers, settings.topic)
    assert len({message.value() for message in sent}) == len(sent) == 36
    assert command(settings, "retry", "--all").stdout.startswith("0 retried: ")


async def test_records_of_somebody_else_are_told_and_left_alone(settings):
    put(settings, [Record(b"k", b"first")], topic=settings.topic)
    put(settings, [*await records(b"{", topic=settings.topic), Record(b"k", b"?")])
    done = command(settings, "list")
    assert done.stderr == f"1 records of {settings.dead_letter_topic} are no letters\n"
    assert command(settings, "retry", "--all").stdout.startswith("1 retried: ")


async def test_what_has_no_time_of_its_own_is_not_sent(settings):
    put(settings, [Record(b"k", b"first")], topic=settings.topic)
    put(settings, await records(WITHOUT_TIME, GOOD, topic=settings.topic))
    done = command(settings, "retry", "--all")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        f"1 retried: on {settings.topic} again",
        f"1 not retried: {Obstacle.UNDATED}",
    ]
    # Named, it is a failure.
    assert command(settings, "retry", "2:0:0").exit_code == 1
    assert "2:0:0" in command(settings, "list").stdout


async def test_a_topic_without_letters_says_so(settings):
    put(settings, [Record(None, b"")], topic=settings.dead_letter_topic)
    done = command(settings, "list")
    assert (done.exit_code, done.stdout) == (0, "no letters\n")


@pytest.mark.services
async def test_a_letter_that_the_topic_does_not_take_is_told_and_stays(kafka, unique_name):
    settings = Settings(
        broker=f"kafka://{kafka}",
        topic=make_topic(kafka, unique_name("fhir"), config={"max.message.bytes": "5000"}),
        dead_letter_topic=make_topic(kafka, unique_name("dead")),
    )
    put(settings, await records(b"{" * 9000, b"{", topic=settings.topic))
    for retried in ("1 retried: ", "0 retried: "):
        done = command(settings, "retry", "--all")
        assert done.exit_code == 0
        assert done.stdout.startswith(retried)
        assert f"1 not retried: {Obstacle.TOO_LARGE}" in done.stdout
    assert len(everything_on(kafka, settings.topic)) == 1


# How the command ends.


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["list", "--since", "yesterday"], "'yesterday' is no time such as"),
        (["list", "--limit", "-1"], "-1 is not in the range"),
        (["show", "7"], "'7' is no id such as 2:17:0"),
        (["retry"], "name the letters in one way: by IDs"),
        (["retry", "--all", "1:2:3"], "name the letters in one way: by IDs"),
        (["retry", "--all", "--reason", "x"], "name the letters in one way: by IDs"),
    ],
)
def test_wrong_usage_has_the_status_2_and_is_told(settings, arguments, told):
    done = command(settings, *arguments)
    assert done.exit_code == 2
    assert told in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "1:2:3"], "there is no letter 1:2:3 in "),
        (["retry", "2:0:0", "1:2:3"], "there is no letter 1:2:3 in "),
        (["retry", "--reason", "in_futur"], "has the reason in_futur; there are: invalid_json"),
        (["retry", "--all"], "there is no topic fhir"),
    ],
)
async def test_what_is_not_there_is_named_and_nothing_is_sent(settings, arguments, told):
    put(settings, await records(b"{", topic=settings.topic))
    done = command(settings, *arguments)
    assert done.exit_code == 1
    assert told in done.stderr
    assert "2:0:0" in command(settings, "list").stdout


def test_a_topic_that_is_missing_is_named(settings):
    done = command(settings, "list")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"bpstream: there is no topic {settings.dead_letter_topic} (")


def test_a_broker_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr("bpstream.stream.connection.ANSWER_WITHIN", 0.3)
    done = command(Settings(broker="kafka://127.0.0.1:9"), "list")
    assert done.exit_code == 1
    assert done.stderr.startswith("bpstream: Kafka does not answer at 127.0.0.1:9 (BPSTREAM_BRO")


async def test_a_broker_that_goes_away_while_the_topic_is_read_is_named(monkeypatch):
    monkeypatch.setattr(reader, "_NEXT_WITHIN", 0.3)
    with EmbeddedBroker() as broker:
        settings = Settings(broker=f"kafka://{broker.address}")
        put(settings, await records(b"{"))
        topic = LetterReader(settings).__enter__()
    with pytest.raises(StartError, match="gave nothing more of blood_pressure_dead_letter"):
        list(topic.records())
    topic.__exit__()


async def test_ctrl_c_ends_it_quietly(settings, monkeypatch):
    def interrupted(message: object) -> None:
        raise KeyboardInterrupt

    put(settings, await records(b"{", topic=settings.topic))
    monkeypatch.setattr(of_the_topic, "read", interrupted)
    done = command(settings, "list")
    assert (done.exit_code, done.output) == (130, "\n")
