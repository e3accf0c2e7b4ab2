"""Steps: a chunk in parts that fit into one record batch of the changelog each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.batch import Step
from bpstream.checkpoint import WHOLE_MESSAGE, Applied
from bpstream.patients import STORED, stamp_of
from tests.pipeline.histories import histories, unhurried
from tests.pipeline.messages import RUBBISH, TOPIC, Message, Taken, at, body, chunk, messages
from tests.pipeline.owner import Owner, patients_a_step

RECORD_OVERHEAD = 64
LONG = 4000

long_ids = st.text(st.sampled_from("aé漢🩺"), min_size=1, max_size=LONG)


def bytes_of(step):
    """What the step's rows take in the changelog, without the checkpoint."""
    return sum(
        len(row) + RECORD_OVERHEAD + len(patient_id.encode()) for patient_id, row in step.rows
    )


@unhurried
@given(st.lists(long_ids, unique=True, max_size=30), st.integers(1, 5))
def test_a_chunk_of_many_patients_becomes_steps_that_fit_and_none_is_empty(patients, most):
    owner = Owner()
    held = messages(*(Taken(f"o{n}", patient) for n, patient in enumerate(patients)))
    with patients_a_step(most, id_length=4 * LONG) as limit:
        steps = owner.take(chunk(held))
    assert all(bytes_of(step) <= limit for step in steps)
    assert all(step.entries for step in steps) or not patients
    assert [entry.patient_id for entry in owner.entries] == patients


@pytest.mark.parametrize("letter", ["a", "é", "漢", "🩺"])
def test_an_id_counts_with_its_bytes_and_not_with_its_letters(letter):
    patients = [letter * LONG + str(number) for number in range(7)]
    owner = Owner()
    held = messages(*(Taken(f"o{n}", patient) for n, patient in enumerate(patients)))
    with patients_a_step(3, id_length=len(patients[0].encode())) as limit:
        steps = owner.take(chunk(held))
    assert [len(step.entries) for step in steps] == [3, 3, 1]
    assert all(bytes_of(step) <= limit for step in steps)


@pytest.mark.parametrize(
    ("patients", "most", "sizes"),
    [
        ("", 2, [0]),
        ("a", 2, [1]),
        ("ab", 2, [2]),
        ("abc", 2, [2, 1]),
        ("aabbaabb", 2, [8]),
        ("aabbc", 2, [4, 1]),
        ("abcabc", 2, [2, 2, 2]),
        ("aaab", 1, [3, 1]),
    ],
)
def test_a_step_ends_before_the_patient_who_no_longer_fits(patients, most, sizes):
    readings = [Taken(f"o{n}", patient) for n, patient in enumerate(patients)]
    with patients_a_step(most, id_length=1):
        steps = Owner().take(chunk(messages(*readings)))
    assert [len(step.entries) for step in steps] == sizes


def test_a_patient_who_fits_into_no_step_has_one_alone():
    huge = "x" * LONG
    readings = [Taken("a"), Taken("b", huge), Taken("c", huge), Taken("d")]
    with patients_a_step(1):
        steps = Owner().take(chunk(messages(*readings)))
    assert [len(step.entries) for step in steps] == [1, 2, 1]


def test_a_chunk_as_it_usually_comes_is_one_step():
    readings = [Taken(f"o{n}", f"PAT-{n:03d}") for n in range(500)]
    assert len(Owner().take(chunk(messages(*readings)))) == 1


@pytest.mark.parametrize("values", [(), (RUBBISH,), (RUBBISH, b"", None)])
def test_a_chunk_without_a_reading_is_one_empty_step_that_moves_on(values):
    owner = Owner()
    (step,) = owner.take(chunk(messages(*values)))
    assert (step.entries, step.to_archive, step.to_index, step.origins) == ([], [], [], [])
    assert (list(step.rows), step.alerts, step.anomalies, step.repeated) == ([], [], 0, 0)
    assert owner.partition.checkpoint.applied == (
        {TOPIC: Applied(len(values) - 1)} if values else {}
    )


def test_the_checkpoint_stands_at_the_last_input_of_every_step():
    p1, p2, p3 = (Taken(f"o{n}", f"p{n}") for n in (1, 2, 3))
    held = messages(p1, RUBBISH, body(p1, p2, p3, p3), RUBBISH)
    owner, stood = Owner(), []
    with patients_a_step(1):
        for step in owner.judged(chunk(held)):
            stood.append(step.checkpoint.applied[TOPIC])
    assert stood == [Applied(2, 0), Applied(2, 1), Applied(3, WHOLE_MESSAGE)]


def test_the_checkpoint_tells_how_far_each_partition_came_home_after_every_step():
    came = [(3, 10, 0), (5, 2, 1), (3, 10, 2), (5, 9, 0)]
    held = [
        Message(n, body(Taken(f"o{n}", f"p{n}")), at(0), origin) for n, origin in enumerate(came)
    ]
    owner, home = Owner(), []
    with patients_a_step(2):
        for step in owner.judged(chunk(held)):
            home.append(step.checkpoint.rekeyed)
    assert home == [
        {3: Applied(10, 0), 5: Applied(2, 1)},
        {3: Applied(10, 2), 5: Applied(9, 0)},
    ]


@unhurried
@given(histories(), st.integers(1, 3))
def test_every_entry_of_a_step_has_the_origin_it_came_from(history, most):
    owner = Owner()
    batch = owner.read(chunk(history.messages))
    stood = dict(
        zip(
            [at[:2] for at in batch.at_home.origin],
            zip(batch.at_home.document_id, batch.at_home.version.tolist(), strict=True),
            strict=True,
        )
    )
    with patients_a_step(most):
        for step in owner.take(chunk(history.messages)):
            found = [(entry.document_id, entry.version) for entry in step.entries]
            assert found == [stood[origin[:2]] for origin in step.origins]


def test_steps_change_exactly_the_rows_they_name():
    readings = [Taken("a", "p1"), Taken("b", "p2"), Taken("c", "p3"), Taken("d", "p1")]
    with patients_a_step(2):
        first, second = Owner().take(chunk(messages(*readings)))
    assert [patient for patient, _ in first.rows] == ["p1", "p2"]
    assert sorted(patient for patient, _ in second.rows) == ["p1", "p3"]


def test_a_step_is_stamped_and_so_is_each_row_of_it():
    readings = [Taken(f"o{n}", f"p{n}") for n in range(4)]
    owner = Owner()
    owner.partition.checkpoint.epoch = 7
    with patients_a_step(2):
        first, second = owner.take(chunk(messages(*readings)))
    for number, step in enumerate((first, second), 1):
        assert (step.checkpoint.epoch, step.checkpoint.step) == (7, number)
        assert [stamp_of(row) for _, row in step.rows] == [step.checkpoint.stamp] * 2
    assert first.checkpoint.stamp < second.checkpoint.stamp


@unhurried
@given(histories(), st.integers(1, 3))
def test_a_step_is_what_it_was_however_many_are_taken_before_it_is_stored(history, most):
    at_once, ahead, held = Owner(), Owner(), chunk(history.messages)
    taken, waiting = list[Step](), list[Step]()
    with patients_a_step(most):
        stored = at_once.take(held)
        for step in ahead.judged(held, waiting):
            taken.append(step)
            waiting.append(step)
    assert taken == stored


def test_a_step_takes_the_bytes_of_its_documents_and_rows():
    (step,) = Owner().take(chunk(messages(Taken("a"), Taken("b", "p2"), Taken("c"))))
    lines = sum(len(entry.body) + 1 for entry in step.entries)
    assert step.size == lines + 2 * STORED.itemsize
