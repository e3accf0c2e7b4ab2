"""Merging: stored in runs, steps leave what they leave one by one."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.batch import Step
from bpstream.checkpoint import Checkpoint
from bpstream.copied import Copied
from bpstream.document import Entry, Removal
from bpstream.documents import Documents
from bpstream.merging import merged, runs
from bpstream.pipeline import STEP_BYTES
from tests.pipeline.histories import histories, unhurried
from tests.pipeline.messages import Message, chunk
from tests.pipeline.owner import Owner, patients_a_step

REMOVAL = Removal("d", 1, "p1", 0)


class Waits(NamedTuple):
    """A step that waits; without one, the end of a chunk."""

    step: Step | None


# Stored in runs, and one by one.


def judged(owner: Owner, held: Sequence[Message], sizes: Iterable[int]) -> Iterator[Waits]:
    """What waits, of chunks of these sizes.  The owner has stored it already, one by one."""
    start = 0
    for size in [*sizes, len(held)]:
        for step in owner.judged(chunk(held[start : start + size])):
            owner.store(step)
            yield Waits(step)
        yield Waits(None)
        start += size


def told(steps: Iterable[Step]) -> tuple[list[Entry | Removal], ...]:
    """What archive, index and enriched topic are told, in order."""
    steps = list(steps)
    return (
        [each for step in steps for each in (*step.from_archive, *step.to_archive)],
        [each for step in steps for each in (*step.to_index, *step.from_index)],
        [each for step in steps for each in (*step.entries, *step.retracted)],
    )


@unhurried
@given(
    histories(most=25),
    st.lists(st.integers(1, 5), max_size=12),
    st.lists(st.integers(1, 12), max_size=12),
    st.integers(1, 4),
)
def test_what_is_stored_in_runs_is_what_is_stored_step_by_step(history, sizes, waiting, most):
    one_by_one, in_runs = Owner(), Owner()
    with patients_a_step(most) as limit:
        items = list(judged(one_by_one, history.messages, sizes))
        steps = [item.step for item in items if item.step is not None]
        written, start = list[Step](), 0
        for count in [*waiting, len(items)]:
            for run in runs(items[start : start + count], limit):
                if held := [item.step for item in run if item.step is not None]:
                    written.append(merged(held))
            start += count
    for step in written:
        in_runs.store(step)
    assert told(written) == told(steps)
    assert in_runs.shelves.held() == one_by_one.shelves.held()
    assert (in_runs.rows, in_runs.progress) == (one_by_one.rows, one_by_one.progress)


@unhurried
@given(histories(most=25), st.lists(st.integers(1, 5), max_size=12), st.integers(1, 4))
def test_a_write_holds_a_document_once_and_is_a_step_alone_where_something_leaves(
    history, sizes, most
):
    with patients_a_step(most) as limit:
        items = list(judged(Owner(), history.messages, sizes))
        found = list(runs(items, limit))
    assert [item for run in found for item in run] == items
    for run in found:
        steps = [item.step for item in run if item.step is not None]
        if len(steps) > 1:
            step = merged(steps)
            documents = [entry.document_id for entry in step.entries]
            assert len(set(documents)) == len(documents)
            assert not any(each.from_archive or each.from_index for each in steps)
            assert not any(each.retracted for each in steps)
            assert sum(64 + len(who) + len(row) for who, row in step.rows) <= limit
        assert steps == [] or run[0].step is not None


# The cuts.


def a_step(what: str) -> Waits:
    """A letter stores a document of that id, `-` takes one out, `.` is the end of a chunk."""
    documents = Documents.of([Entry(what, 0, "p1", None, 0, b"{}")])
    match what:
        case ".":
            return Waits(None)
        case "-":
            return Waits(Step(from_index=[REMOVAL]))
        case _:
            return Waits(Step(entries=documents, to_archive=documents))


@pytest.mark.parametrize(
    ("items", "found"),
    [
        ("", []),
        ("a.", ["a."]),
        ("a.b.c.", ["a.b.c."]),
        ("abc", ["abc"]),
        # Taken out: alone, with the end of its chunk.
        ("a.-.b.", ["a.", "-.", "b."]),
        ("-.-.", ["-.", "-."]),
        ("a-b.c.", ["a", "-", "b.c."]),
        # The same document again.
        ("a.a.", ["a.", "a."]),
        ("a.b.a.c.b.", ["a.b.", "a.c.b."]),
        # The end of what was stored before does not wait for what is behind it.
        (".a.", [".", "a."]),
        ("..a.", ["..", "a."]),
        ("..", [".."]),
    ],
)
def test_a_run_ends_before_what_is_not_to_be_stored_with_it(items, found):
    cut = runs(map(a_step, items), STEP_BYTES)
    assert list(cut) == [list(map(a_step, each)) for each in found]


@pytest.mark.parametrize("leaves", ["from_archive", "from_index", "retracted"])
def test_a_step_is_alone_whatever_it_takes_something_out_of(leaves):
    step = Waits(Step(**{leaves: [REMOVAL]}))
    assert [len(run) for run in runs([a_step("a"), step, a_step("b")], STEP_BYTES)] == [1, 1, 1]


def changed(patients: str, size: int = 100) -> Waits:
    return Waits(Step(rows=Copied.of((patient, bytes(size)) for patient in patients)))


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ([changed("a"), changed("b"), changed("c")], [2, 1]),
        ([changed("ab"), changed("c")], [1, 1]),
        # A patient's row takes its place once, as large as it is at last.
        ([changed("a"), changed("b"), changed("ab"), changed("a")], [4]),
        ([changed("ab"), changed("a", 99), changed("b", 101), changed("a")], [3, 1]),
        ([changed("ab"), changed("a", 101)], [1, 1]),
        ([changed("a"), changed("é")], [1, 1]),
        # One that fits into none is alone.
        ([changed("a"), changed("abc"), changed("a")], [1, 1, 1]),
    ],
)
def test_the_rows_of_a_run_fit_into_one_record_batch(steps, found):
    assert [len(run) for run in runs(steps, 2 * (64 + len("a") + 100))] == found


# What is stored of them.


def test_of_steps_stored_as_one_the_last_rows_and_the_last_checkpoint_are_written():
    first = Step(rows=Copied.of([("a", b"1"), ("b", b"1")]), checkpoint=Checkpoint(step=1))
    second = Step(rows=Copied.of([("c", b"2"), ("a", b"2")]), checkpoint=Checkpoint(step=2))
    step = merged([first, second])
    assert sorted(step.rows) == [("a", b"2"), ("b", b"1"), ("c", b"2")]
    assert step.checkpoint is second.checkpoint


def test_a_step_alone_is_stored_as_it_is():
    step = Step(from_index=[REMOVAL], retracted=[REMOVAL])
    assert merged([step]) is step
