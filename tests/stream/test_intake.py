"""The alarm that intake is paused: one a pause, the same over restarts, recovered once."""

from typing import Any

import msgspec
import pytest

from bpstream.alert import Alert
from bpstream.checkpoint import Applied, Archived, Checkpoint
from bpstream.stream.alerts import Alerts
from bpstream.stream.intake import Intake
from bpstream.stream.metrics import Metrics
from bpstream.stream.tables import OwnedPartition, PatientTable
from tests.stream.helpers import TakesAll, always, faust_app, nothing_to_read

CHANGELOG = "tests-patients-changelog"
STANDS = Checkpoint(epoch=2, step=17, lineage="ab", applied={"fhir": Applied(41, 2)})


class Worker:
    """A worker's intake, on a Kafka that outlives it."""

    def __init__(self, kafka: TakesAll, *, app_id: str = "bpstream") -> None:
        publisher: Any = kafka
        self.kafka = kafka
        self.table = PatientTable(
            faust_app(),
            changelog=CHANGELOG,
            publisher=publisher,
            read=nothing_to_read,
            is_member=always,
        )
        alerts = Alerts(publisher, topic="alerts", partitions=1, metrics=Metrics())
        self.intake = Intake(alerts, self.table, app_id=app_id)

    async def own(self, number: int = 3, written: Checkpoint = STANDS) -> OwnedPartition:
        """A partition that has come so far, and is judged some steps ahead."""
        partition = OwnedPartition(number)
        await self.table.write(partition, written)
        partition.checkpoint = msgspec.structs.replace(
            written, step=written.step + 5, applied={"fhir": Applied(99)}
        )
        return partition

    async def pause(self, partition: OwnedPartition) -> None:
        await self.intake.paused(partition, "index", "Elasticsearch is away")

    @property
    def alerts(self) -> list[Alert]:
        return [
            msgspec.json.decode(value or b"", type=Alert)
            for _, _, value in self.kafka.records("alerts")
        ]

    def recovered(self, number: int = 3) -> OwnedPartition:
        """What the partition's next owner begins with."""
        partition = OwnedPartition(number)
        partition.apply(self.kafka.records(CHANGELOG, number))
        partition.written, partition.paused = partition.checkpoint, partition.checkpoint.paused
        return partition


@pytest.fixture
async def worker() -> Worker:
    return Worker(TakesAll())


async def test_the_alert_names_the_partition_the_store_and_the_reason(worker):
    await worker.pause(await worker.own())
    (alert,) = worker.alerts
    assert (alert.rule, alert.title, alert.kind) == ("intake_paused", "Intake paused", "technical")
    assert (alert.state, alert.severity, alert.patient_id) == ("firing", "high", None)
    assert alert.message == "partition 3 waits for the index: Elasticsearch is away"
    assert alert.since == alert.taken_at


async def test_a_pause_is_one_alert_however_often_the_store_fails(worker):
    partition = await worker.own()
    for _ in range(3):
        await worker.pause(partition)
    assert len(worker.alerts) == 1
    assert len(worker.kafka.records(CHANGELOG, 3)) == 2


async def test_a_pause_recovers_once_with_the_alert_that_fired(worker):
    partition = await worker.own()
    await worker.pause(partition)
    for _ in range(3):
        await worker.intake.resumed(partition)
    fired, recovered = worker.alerts
    assert (recovered.alert_id, recovered.since) == (fired.alert_id, fired.since)
    assert (recovered.state, recovered.message) == ("recovered", "partition 3 goes on")
    assert fired.taken_at <= recovered.taken_at


async def test_what_goes_on_without_a_pause_says_nothing(worker):
    await worker.intake.resumed(await worker.own())
    assert worker.alerts == []


async def test_the_pause_is_written_down_with_what_was_stored_and_not_with_what_was_judged(worker):
    partition = await worker.own()
    partition.archived = Archived("open", 900)
    await worker.pause(partition)
    found = worker.recovered().checkpoint
    assert found == msgspec.structs.replace(STANDS, paused=found.paused)
    assert found.paused is not None
    assert found.paused.alert_id == worker.alerts[0].alert_id
    assert (partition.written, partition.paused) == (found, found.paused)
    assert partition.checkpoint.applied == {"fhir": Applied(99)}


async def test_the_partitions_next_owner_goes_on_with_the_alert(worker):
    await worker.pause(await worker.own())
    other = Worker(worker.kafka)
    partition = other.recovered()
    await other.pause(partition)
    assert len(other.alerts) == 1
    await other.intake.resumed(partition)
    fired, recovered = other.alerts
    assert (recovered.alert_id, recovered.since) == (fired.alert_id, fired.since)
    assert recovered.state == "recovered"


async def test_a_crash_before_the_pause_is_written_down_tells_it_again_with_the_same_id(worker):
    await worker.pause(await worker.own())
    # The next owner stands where the crashed one stood, in an epoch of its own.
    await worker.pause(await worker.own(written=msgspec.structs.replace(STANDS, epoch=3, step=0)))
    first, second = worker.alerts
    assert first.alert_id == second.alert_id


@pytest.mark.parametrize(
    ("app_id", "number", "written"),
    [
        ("bpstream", 3, msgspec.structs.replace(STANDS, applied={"fhir": Applied(42)})),
        ("bpstream", 3, msgspec.structs.replace(STANDS, lineage="cd")),
        ("bpstream", 2, STANDS),
        ("another", 3, STANDS),
    ],
)
async def test_a_pause_elsewhere_or_of_another_partition_is_another_alert(
    worker, app_id, number, written
):
    await worker.pause(await worker.own())
    other = Worker(worker.kafka, app_id=app_id)
    await other.pause(await other.own(number, written))
    first, second = other.alerts
    assert first.alert_id != second.alert_id
