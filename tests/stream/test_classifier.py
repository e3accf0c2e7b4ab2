"""The classifier: what happens to a chunk while a store is away, or the partition another's."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable

import pytest

from bpstream.document import Found
from bpstream.stream import classifier as classifier_module
from bpstream.stream.tables import OwnedPartition
from tests.pipeline.messages import RETRACTED, Taken, at, body
from tests.stream.helpers import a_claim
from tests.stream.one_worker import SEVERE, SOON, Worker, fates_of, until, workers
from tests.stream.owners import CHANGELOG, Contested
from tests.test_silence import HIGH, STALE


@pytest.fixture
async def kafka() -> Contested:
    return Contested()


@pytest.fixture
async def new_worker(kafka: Contested, monkeypatch) -> AsyncIterator[Callable[..., Worker]]:
    async with workers(kafka, monkeypatch) as new:
        yield new


def intake_of(worker: Worker) -> list[tuple[str, str]]:
    return [(each.alert_id, each.state) for each in worker.alerts if each.rule == "intake_paused"]


READING = Taken("a", "p1")
CORRECTED = READING._replace(version=2, status="corrected", systolic=125)
UNKNOWN = READING._replace(name="unknown", status=RETRACTED)


@pytest.mark.parametrize(
    ("inputs", "fates"),
    [
        ([READING], {"reading": 1}),
        ([READING, READING], {"reading": 1, "repeated": 1}),
        ([READING, CORRECTED], {"reading": 2}),
        ([CORRECTED, READING], {"reading": 1, "repeated": 1}),
        ([READING._replace(aggregate=True)], {"aggregate": 1}),
        ([READING, READING._replace(status=RETRACTED)], {"reading": 1, "retraction": 1}),
        (
            [READING, *2 * [READING._replace(status=RETRACTED)]],
            {"reading": 1, "retraction": 1, "repeated": 1},
        ),
        ([READING, UNKNOWN], {"reading": 1, "dead_letter unknown_retraction": 1}),
        ([READING._replace(status="cancelled")], {"ignored no_result": 1}),
        ([READING._replace(systolic=3)], {"dead_letter out_of_range": 1}),
    ],
)
@pytest.mark.parametrize("together", [False, True])
async def test_every_input_has_exactly_one_fate(inputs, fates, together, new_worker):
    worker = new_worker()
    values = [body(each) for each in inputs]
    if together:
        await worker.put(0, *values)
    else:
        for offset, value in enumerate(values):
            await worker.put(offset, value)
    await until(lambda: worker.acked[-1:] == [0 if together else len(values) - 1])
    assert fates_of(worker) == fates


@pytest.mark.parametrize("values", [[body(READING)], [b"rubbish"]])
async def test_of_every_chunk_it_is_told_how_long_each_stage_took(new_worker, values):
    worker = new_worker()
    await worker.put(0, *values)
    await until(lambda: worker.acked == [0])
    told = worker.metrics.registry.get_sample_value
    whole = told("bpstream_chunk_seconds_sum")
    for stage in ("read", "judge", "store"):
        assert told("bpstream_stage_seconds_count", {"stage": stage}) == 1
        assert 0 <= told("bpstream_stage_seconds_sum", {"stage": stage}) <= whole


async def test_a_state_tells_what_was_archived_in_its_time_from_what_was_before(new_worker):
    first = new_worker()
    await first.put(0, body(READING))
    await until(lambda: first.acked == [0])
    began = first.recover().checkpoint.since
    assert 0 < time.time() - began / 1e6 < 60

    second = new_worker(generation=2)
    second.recover()
    for offset, archived_at in ((1, began), (2, began - 1)):
        header = ("archived", f"life:{archived_at}".encode())
        again = body(READING._replace(name=f"of {archived_at}"))
        await second.put(offset, again, headers=[header])
    await until(lambda: second.acked == [1, 2])
    assert second.recover().checkpoint.since == began
    assert fates_of(second) == {"repeated": 1, "reading": 1}


async def test_the_enriched_topic_hears_of_documents_and_of_what_is_taken_back(new_worker):
    worker = new_worker(enriched="enriched")
    for offset, status in enumerate(["final", RETRACTED, RETRACTED]):
        await worker.put(offset, body(READING._replace(status=status)))
    await until(lambda: worker.acked == [0, 1, 2])
    document, gone = (json.loads(value) for _, _, value in worker.kafka.records("enriched"))
    assert document["document_id"] == gone["document_id"] == READING.document_id
    assert ("retracted" in document, gone["retracted"]) == (False, True)


async def test_alarms_go_out_while_the_index_is_away_and_nothing_is_acknowledged(new_worker):
    worker = new_worker()
    worker.index.away = True
    for number in range(3):
        reading = Taken(f"o{number}", f"p{number}", **SEVERE)
        await worker.put(number, body(reading))
    await until(lambda: {each.patient_id for each in worker.alerts} >= {"p0", "p1", "p2"})
    assert worker.acked == []
    worker.index.away = False
    await until(lambda: worker.acked == [0, 1, 2])


async def test_what_leads_to_no_document_is_held_in_bounded_memory_as_well(monkeypatch, new_worker):
    monkeypatch.setattr(classifier_module, "AHEAD", 20_000)
    worker = new_worker()
    worker.index.away = True
    await worker.put(0, body(Taken("o", **SEVERE)))

    async def rubbish() -> None:
        for offset in range(1, 50):
            await worker.put(offset, b"x" * 5000)

    putting = asyncio.create_task(rubbish())
    await until(lambda: len(intake_of(worker)) == 1)
    assert not putting.done()
    assert len(worker.kafka.records("dead")) < 10
    worker.index.away = False
    await until(lambda: worker.acked == list(range(50)))
    await putting


async def test_an_archive_that_is_away_at_the_beginning_is_one_pause_over_restarts(new_worker):
    first = new_worker()
    first.archive.away = True
    await first.put(0, body(Taken("o")))
    await until(lambda: len(intake_of(first)) == 1)
    await first.classifier.lanes.stop()

    second = new_worker(generation=2)
    second.recover()
    second.archive.away = True
    await second.put(0, body(Taken("o")))
    await until(lambda: second.table.store.partition(0).paused is not None)
    second.archive.away = False
    await until(lambda: second.acked == [0])
    (fired, firing), (recovered, state) = intake_of(second)
    assert (fired, firing, state) == (recovered, "firing", "recovered")
    assert second.table.store.partition(0).written.paused is None


async def test_a_pause_at_the_beginning_is_written_down_until_it_is_over(new_worker):
    worker = new_worker()
    worker.archive.away = worker.index.away = True
    await worker.put(0, body(Taken("o", **SEVERE)))
    await until(lambda: len(intake_of(worker)) == 1)
    worker.archive.away = False
    partition = worker.table.store.partition(0)
    await until(lambda: partition.taken_over)
    assert partition.written.paused == partition.paused is not None


async def test_a_partition_that_another_worker_claimed_is_left_to_it(kafka, new_worker):
    worker = new_worker()
    kafka.meanwhile, kafka.member = [[a_claim(1, generation=2, base=-1)]], False
    for number in range(3):
        await worker.put(number, body(Taken(f"o{number}")))
    assert await worker.classifier.lanes.settle(SOON)
    assert (worker.acked, worker.archive.written, worker.alerts) == ([], [], [])
    recovered = OwnedPartition(0)
    recovered.apply(kafka.records(CHANGELOG))
    assert recovered.claim.generation == 2


async def test_what_a_crashed_worker_had_not_stored_is_applied_once_by_the_next(new_worker):
    first = new_worker()
    await first.put(0, body(Taken("a")))
    await until(lambda: first.acked == [0])
    first.index.away = True
    await first.put(1, body(Taken("b", **SEVERE)))
    await until(lambda: len(first.alerts) > 0)
    await first.classifier.lanes.stop()

    second = new_worker(generation=2)
    partition = second.recover()
    for offset, reading in enumerate([Taken("a"), Taken("b", **SEVERE)]):
        await second.put(offset, body(reading))
    await until(lambda: second.acked == [0, 1])
    assert partition.patients.rows["counters"][0][:2].tolist() == [2, 1]
    assert second.archive.written == []
    assert len({alert.key for alert in second.alerts if alert.patient_id}) == len(
        {alert.rule for alert in second.alerts if alert.patient_id}
    )


FORGOTTEN = Taken("a", **SEVERE)
GONE = body(FORGOTTEN._replace(status=RETRACTED))
FOUND = Found(FORGOTTEN.document_id, 0, "p1", at(0), ("hypertension_systolic",), "reading")


async def test_what_was_looked_up_is_taken_out_although_a_crash_came_before(new_worker):
    first = new_worker()
    first.index.found, first.index.leaves = [FOUND], True
    await first.put(0, GONE)
    await until(lambda: len(intake_of(first)) == 1)
    await first.classifier.lanes.stop()
    assert (first.index.asked, first.acked) == (1, [])

    second = new_worker(generation=2)
    second.recover()  # Its index holds the document no longer.
    await second.put(0, GONE)
    await until(lambda: second.acked == [0])
    assert (second.index.asked, second.archive.asked) == (0, 0)
    assert second.index.removed == [FORGOTTEN.document_id]
    assert second.kafka.records("dead") == []
    assert second.recover().checkpoint.looked_up == {}


async def test_the_stores_are_asked_once_what_came_before_is_in_them(new_worker):
    worker = new_worker()
    worker.index.away = True
    await worker.put(0, body(Taken("b", **SEVERE)))
    await worker.put(1, GONE)
    await until(lambda: len(intake_of(worker)) == 1)
    assert worker.index.asked == 0
    worker.index.away, worker.index.found = False, [FOUND]
    await until(lambda: worker.acked == [0, 1])
    assert worker.index.removed == [FORGOTTEN.document_id]


async def test_a_retraction_of_what_nobody_knows_is_a_dead_letter(new_worker):
    worker = new_worker()
    await worker.put(0, GONE)
    await until(lambda: worker.acked == [0])
    ((_, _, value),) = worker.kafka.records("dead")
    assert value == GONE
    assert (worker.index.removed, worker.archive.removed) == ([], [])


async def test_a_question_that_waits_ends_with_the_partition(new_worker):
    worker = new_worker()
    worker.index.away = True
    await worker.put(0, GONE)
    await until(lambda: len(intake_of(worker)) == 1)
    worker.table.store.partition(0).lost = True
    assert await worker.classifier.lanes.settle(SOON)
    assert worker.acked == []


async def test_a_silent_patient_is_told_once_over_a_restart_while_the_index_is_there(new_worker):
    first = new_worker()
    for number in range(5):
        await first.put(number, body(Taken(f"o{number}", minute=number)))
    await until(lambda: first.acked == [0, 1, 2, 3, 4])
    first.classifier.look(0, now=at(60))
    partition = first.table.store.partition(0)
    await until(
        lambda: len(first.alerts) == 1 and partition.written.step == partition.checkpoint.step
    )
    await first.classifier.lanes.stop()

    second = new_worker(generation=2)
    second.recover()
    await second.classifier.take_over([0])
    await until(lambda: second.table.store.partition(0).taken_over)
    second.classifier.look(0, now=at(61))
    await second.put(5, body(Taken("back", minute=8)))
    await until(lambda: second.acked == [5])
    fired, recovered = second.alerts
    assert (fired.rule, fired.state, recovered.state) == ("stale", "firing", "recovered")
    assert fired.alert_id == recovered.alert_id


async def test_silence_is_told_while_the_index_is_away(new_worker):
    worker = new_worker()
    for number in range(5):
        await worker.put(number, body(Taken(f"o{number}", minute=number)))
    await until(lambda: worker.acked == [0, 1, 2, 3, 4])
    worker.index.away = True
    await worker.put(5, body(Taken("o5", "p2", **SEVERE)))
    await until(lambda: len(worker.alerts) > 1)
    worker.classifier.look(0, now=at(60))
    await until(lambda: "stale" in {each.rule for each in worker.alerts})
    assert worker.acked == [0, 1, 2, 3, 4]


async def test_an_alert_whose_rule_is_removed_is_over_once_when_the_partition_is_taken_over(
    new_worker,
):
    first = new_worker(rules=[HIGH, STALE])
    await first.put(0, body(Taken("o", **SEVERE)))
    await until(lambda: first.acked == [0])
    await first.classifier.lanes.stop()
    for generation in (2, 3):
        worker = new_worker(rules=[STALE], generation=generation)
        worker.recover()
        await worker.classifier.take_over([0])
        await until(lambda: worker.table.store.partition(0).taken_over)  # noqa: B023
        await worker.classifier.lanes.stop()
    fired, over = first.alerts
    assert (fired.rule, over.rule, over.state) == ("high", "high", "recovered")
    assert fired.alert_id == over.alert_id
