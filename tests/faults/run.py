"""A run: workers on a topic, an index and an archive of their own, and what came of the messages.

What a test does with one: start a worker, send messages, do harm, wait until all is `drained`,
and `check` that what came of the messages is what should have come.
"""

import sys
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from confluent_kafka import Consumer, KafkaException

from bpstream.simulator import Message
from tests.faults import oracle, stored
from tests.faults.group import lag, leave
from tests.faults.loads import Hospital, Sender, SteadySender
from tests.faults.oracle import Difference, Outcome, Sent
from tests.integration.workers import Worker, names, until

DRAINED_WITHIN = 90.0

_CRASHING = Path(__file__).with_name("crashing.py")


class Run:
    """What is started in the block is gone at its end."""

    def __init__(self, folder: Path, *, kafka: str, elasticsearch: str, **settings: str) -> None:
        """`settings` are more BPSTREAM_* variables of every worker."""
        self.folder, self.kafka, self.elasticsearch = folder, kafka, elasticsearch
        self.settings = {
            **names(lambda stem: f"{stem}-{uuid.uuid4().hex[:12]}"),
            "BPSTREAM_BROKER": f"kafka://{kafka}",
            "BPSTREAM_ELASTICSEARCH_URL": elasticsearch,
            "BPSTREAM_ARCHIVE_DIR": str(folder / "archive"),
            **settings,
        }
        self.topic = self.settings["BPSTREAM_TOPIC"]
        self.group = self.settings["BPSTREAM_APP_ID"]
        self.workers: list[Worker] = []
        self._sender: Sender | None = None
        # It asks what is committed, and never joins; it is quiet while the broker is away.
        self._consumer = Consumer(
            {"bootstrap.servers": kafka, "group.id": self.group, "log_level": 0}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            if not worker.ended():
                worker.kill()
        self._consumer.close()

    # Workers.

    def worker(self, name: str = "", *, ready: bool = True, **settings: str) -> Worker:
        """A worker on an empty data folder; `ready`: return once it has its partitions."""
        worker = self._new(name, settings).start()
        return worker.ready() if ready else worker

    def crashing(self, point: str, at: int, action: str = "kill", **settings: str) -> Worker:
        """A worker that comes to an end (or stops) the `at`-th time it is at `point`.

        It is not waited for: it may be gone before it is ready.
        """
        crash = {"CRASH_POINT": point, "CRASH_AT": str(at), "CRASH_ACTION": action}
        return self._new("", {**settings, **crash}).start(sys.executable, str(_CRASHING))

    def patient(self, seconds: float) -> Worker:
        """A worker, ready, that says later than others that intake is paused."""
        program = (
            f"from bpstream.stream import stores; stores.PATIENCE = {seconds}\n"
            "from bpstream.__main__ import main; main()"
        )
        return self._new("", {}).start(sys.executable, "-c", program, "worker").ready()

    def _new(self, name: str, settings: dict[str, str]) -> Worker:
        name = name or f"worker-{len(self.workers) + 1}"
        worker = Worker(self.folder, {**self.settings, **settings}, name=name)
        self.workers.append(worker)
        return worker

    def bury(self) -> None:
        """Have Kafka forget the members of the group, all of them dead.

        It would do so by itself, ten seconds later.
        """
        leave(self.kafka, self.group)

    # Messages.

    @property
    def sent(self) -> list[Sent]:
        """What Kafka has said that it has of what was sent."""
        return [] if self._sender is None else self._sender.sent

    def send(self, drawn: Sequence[Message]) -> None:
        """Send messages, and return once Kafka has them."""
        self._sending().send(drawn)
        self._sending().flushed()

    def sending(self, hospital: Hospital, *, rate: float) -> SteadySender:
        """A block in which the hospital sends `rate` messages a second."""
        return SteadySender(self._sending(), hospital, rate=rate)

    def _sending(self) -> Sender:
        # Not before there is a worker: it makes the topic.
        if self._sender is None:
            self._sender = Sender(self.kafka, self.topic)
        return self._sender

    def lag(self) -> int:
        """Messages that are in Kafka, re-keyed ones too, and not committed by the group."""
        return lag(self._consumer, (self.topic, self.settings["BPSTREAM_REKEYED_TOPIC"]))

    def drained(self, within: float = DRAINED_WITHIN) -> None:
        """Return once everything is committed."""
        until(self._is_drained, within, lambda: "\n".join(each.told() for each in self._alive()))

    def _is_drained(self) -> bool:
        try:
            return self.lag() == 0
        except KafkaException:
            return False  # The broker is away.

    def _alive(self) -> list[Worker]:
        return [worker for worker in self.workers if not worker.ended()] or self.workers[-1:]

    # The outcome.

    def expected(self) -> Outcome:
        """What should have come of what was sent."""
        return oracle.expected(self.sent)

    def found(self, worker: Worker) -> Outcome:
        """What has come of it; the counters are those that `worker` tells."""
        settings, outcome = self.settings, Outcome()
        indexed = stored.indexed(self.elasticsearch, settings["BPSTREAM_INDEX"])
        outcome.indexed = Counter(map(stored.found, indexed))
        outcome.archived = Counter(map(stored.found, stored.archived(self.archive)))
        outcome.counters = stored.counted(worker)
        alerts = stored.published(self.kafka, settings["BPSTREAM_ALERTS_TOPIC"])
        outcome.episodes = stored.episodes(alerts)
        outcome.letters = stored.dead_letters(self.kafka, settings["BPSTREAM_DEAD_LETTER_TOPIC"])
        return outcome

    @property
    def archive(self) -> Path:
        """Where the workers archive."""
        return Path(self.settings["BPSTREAM_ARCHIVE_DIR"])

    def check(self, worker: Worker, *, should: Outcome | None = None) -> None:
        """Fail, and say what differs, unless what came is what should have come.

        Only a dead letter may be there twice, under its id.
        """
        should = self.expected() if should is None else should
        assert should.counters, "nothing was sent"
        differing = differences(should, self.found(worker))
        assert not differing, "\n".join(f"{part}: {each}" for part, each in differing.items())


def differences(should: Outcome, found: Outcome) -> dict[str, Difference]:
    """The parts of an outcome that differ, by name.

    That a crash has written a dead letter again, under its id, is no difference.
    """
    found.letters = Counter(dict.fromkeys(found.letters, 1))
    return {name: each for name, each in oracle.differences(should, found).items() if any(each[:3])}
