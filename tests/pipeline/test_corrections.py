"""Corrections: a later version of a reading counts as if the earlier one had never come."""

import pytest

from bpstream import corrections
from bpstream.checkpoint import Applied
from bpstream.patients import RECENT, counters_of
from bpstream.reading import Flag
from tests.pipeline.messages import TOPIC, Taken, a_pipeline, at, body, chunk, messages
from tests.pipeline.oracle import states_of
from tests.pipeline.owner import Owner

LAST_MONTH = -31 * 24 * 60
NORMAL = Taken("o", minute=4)
ANOMALY = NORMAL._replace(systolic=150)
AGGREGATE = NORMAL._replace(systolic=150, aggregate=True)
OTHERS = [Taken(f"other-{number}", minute=5) for number in range(RECENT)]


def after(*values, owner=None, **options):
    """The owner after `values`, a message and a chunk each, and the first step of the last one."""
    owner = owner or Owner(a_pipeline(**options))
    applied = owner.partition.checkpoint.applied.get(TOPIC, Applied())
    for number, message in enumerate(messages(*values, minute=6), applied.offset + 1):
        step, *_ = owner.take(chunk([message._replace(offset=number)]))
    return owner, step


def later(reading, **changes):
    return reading._replace(version=reading.version + 1, **changes)


def row_of(owner):
    return owner.partition.patients.row("p1")


def counted(owner):
    return {name: n for name, n in counters_of(row_of(owner)).items() if n}


def places(removals):
    return [(each.version, each.taken_at) for each in removals]


# What the stores hold.


@pytest.mark.parametrize(
    ("earlier", "changed", "from_archive", "from_index"),
    [
        (NORMAL, {}, True, False),
        (NORMAL, {"systolic": 150}, True, False),
        (NORMAL, {"minute": 3}, True, False),
        (ANOMALY, {}, False, False),
        (ANOMALY, {"systolic": 85}, False, False),
        (ANOMALY, {"systolic": 120}, False, True),
        (ANOMALY, {"minute": 3}, False, False),
        (ANOMALY, {"minute": LAST_MONTH}, False, True),
        (ANOMALY, {"minute": LAST_MONTH, "systolic": 120}, False, True),
        (AGGREGATE, {"systolic": 120}, True, False),
        (AGGREGATE, {"aggregate": False}, True, False),
        (ANOMALY, {"aggregate": True}, False, True),
    ],
)
def test_the_earlier_version_leaves_where_the_later_does_not_take_its_place(
    earlier, changed, from_archive, from_index
):
    owner, step = after(earlier, later(earlier, **changed))
    assert places(step.from_archive) == [(1, at(4))] * from_archive
    assert places(step.from_index) == [(1, at(4))] * from_index
    alone, _ = after(later(earlier, **changed))
    assert owner.shelves.held() == alone.shelves.held()


@pytest.mark.parametrize("options", [{"archive_all": True}, {"index_all": True}], ids=str)
@pytest.mark.parametrize("earlier", [NORMAL, ANOMALY])
@pytest.mark.parametrize("changed", [{"systolic": 120}, {"systolic": 150, "minute": LAST_MONTH}])
def test_a_store_that_holds_everything_holds_it_once(earlier, changed, options):
    owner, _ = after(earlier, later(earlier, **changed), **options)
    alone, _ = after(later(earlier, **changed), **options)
    assert owner.shelves.held() == alone.shelves.held()


# What the state holds.


@pytest.mark.parametrize("between", [0, 1, RECENT - 1])
@pytest.mark.parametrize(
    ("earlier", "changed"),
    [
        (NORMAL, {"systolic": 150}),
        (ANOMALY, {"systolic": 120}),
        (ANOMALY, {"systolic": 85, "diastolic": 95}),
        (ANOMALY, {"systolic": None}),
        (AGGREGATE, {"aggregate": False}),
        (ANOMALY, {"aggregate": True}),
        (ANOMALY, {"version": 3}),
    ],
)
def test_counters_last_and_recent_readings_are_those_of_the_later_version(
    earlier, changed, between
):
    correction = later(earlier)._replace(**changed)
    owner, _ = after(earlier, *OTHERS[:between], correction)
    alone, _ = after(correction, *OTHERS[:between])
    corrected, expected = states_of(owner.partition.patients), states_of(alone.partition.patients)
    assert corrected["p1"].counters == expected["p1"].counters
    assert corrected["p1"].recent[0]._replace(late=False) == expected["p1"].recent[0]
    assert corrected["p1"].next == expected["p1"].next
    assert (corrected["p1"].last == expected["p1"].last) or not between


@pytest.mark.parametrize(
    ("minute", "newest"), [(4, "corrected"), (3, "corrected"), (2, "corrected"), (1, "other")]
)
def test_the_last_reading_is_the_newest_with_its_correction(minute, newest):
    other = Taken("other", minute=2)
    owner, _ = after(other, NORMAL, later(NORMAL, minute=minute))
    wanted = {"corrected": NORMAL, "other": other}[newest]
    assert row_of(owner)["last"]["identity"] == int(wanted.document_id[:16], 16)


def test_the_risk_of_a_reading_that_became_the_last_again_is_not_known():
    owner, _ = after(Taken("other", minute=2), NORMAL, later(NORMAL, minute=1))
    assert str(row_of(owner)["risk"]) == "nan"


def test_corrections_take_no_place_from_the_readings_that_are_known():
    versions = [OTHERS[0]._replace(version=version) for version in range(1, 2 * RECENT)]
    owner, step = after(*OTHERS, *versions, OTHERS[1])
    assert step.repeated == 1
    assert counted(owner) == {"readings": RECENT}


@pytest.mark.parametrize("version", [0, 1, 2])
def test_an_earlier_or_equal_version_has_no_effect_on_a_corrected_reading(version):
    owner, _ = after(ANOMALY, NORMAL._replace(version=2))
    held, row = owner.shelves.held(), owner.rows["p1"]
    _, step = after(ANOMALY._replace(version=version), owner=owner)
    assert (step.repeated, step.entries, list(step.rows)) == (1, [], [])
    assert (owner.shelves.held(), owner.rows["p1"]) == (held, row)


def test_a_reading_and_its_correction_in_one_message_are_one_reading():
    owner = Owner()
    steps = owner.take(chunk(messages(body(NORMAL, later(ANOMALY), Taken("x", "p2")), minute=6)))
    assert [len(step.entries) for step in steps] == [1, 2]
    assert counted(owner) == {
        "readings": 1,
        "anomalies": 1,
        "hypertension": 1,
        "hypertension_systolic": 1,
    }


# What the state has forgotten.


def amended(reading, **changes):
    return later(reading, status="amended", **changes)


@pytest.mark.parametrize("status", ["amended", "corrected"])
def test_of_a_forgotten_reading_that_is_amended_the_stores_are_asked(status):
    owner, step = after(ANOMALY, *OTHERS, later(NORMAL, status=status))
    assert owner.asked == [NORMAL.document_id]
    assert counted(owner) == {"readings": RECENT + 1}
    assert places(step.from_index) == [(1, at(4))]
    assert owner.shelves.held()["index"] == []
    assert step.checkpoint.looked_up == {}


@pytest.mark.parametrize("known", [0, 1, RECENT - 1])
def test_nobody_is_asked_where_nothing_was_forgotten(known):
    owner, _ = after(*OTHERS[:known], amended(NORMAL))
    assert owner.asked == []


def test_a_reading_that_the_state_holds_is_not_asked_for():
    owner, _ = after(*OTHERS, amended(OTHERS[0]))
    assert owner.asked == []


def test_a_corrected_reading_makes_room_for_none_so_the_stores_are_still_asked():
    owner, _ = after(ANOMALY, *OTHERS, later(OTHERS[3]), amended(NORMAL))
    assert owner.asked == [NORMAL.document_id]
    assert counted(owner) == {"readings": RECENT + 1}


@pytest.mark.parametrize("version", [1, 2])
def test_a_forgotten_reading_that_comes_in_an_older_or_the_same_version_has_no_effect(version):
    stored = ANOMALY._replace(version=2)
    owner, _ = after(stored, *OTHERS)
    held, counters = owner.shelves.held(), counted(owner)
    _, step = after(NORMAL._replace(version=version, status="amended"), owner=owner)
    assert (step.repeated, step.entries) == (1, [])
    assert (owner.shelves.held(), counted(owner)) == (held, counters)
    assert owner.partition.checkpoint.looked_up == {}


def test_a_forgotten_reading_that_nobody_knows_is_a_new_one():
    owner, _ = after(*OTHERS, amended(ANOMALY))
    assert owner.asked == [ANOMALY.document_id]
    assert counted(owner)["readings"] == RECENT + 1


def test_a_forgotten_reading_may_be_the_last_one_and_is_it_no_longer():
    newest = Taken("newest", minute=5.5)
    owner, _ = after(newest, *OTHERS, amended(newest, minute=1))
    assert row_of(owner)["last"]["taken_at"] == at(5)


def test_counters_that_began_anew_never_fall_below_zero():
    before, _ = after(ANOMALY)
    owner = Owner()
    owner.shelves = before.shelves
    after(*(each._replace(aggregate=True) for each in OTHERS), owner=owner)
    after(amended(NORMAL), owner=owner)
    assert counted(owner) == {"readings": 1}
    assert owner.shelves.held()["index"] == []


@pytest.mark.parametrize("limit", [0, 1, 2, 500])
def test_what_is_going_to_be_asked_is_asked_at_once(limit, monkeypatch):
    monkeypatch.setattr(corrections, "LOOK_AHEAD", limit)
    old = [Taken(f"old-{number}", minute=1) for number in range(4)]
    owner, questions = Owner(), []
    owner.take(chunk(messages(*old, *OTHERS, minute=6)))
    look_up = owner.shelves.look_up
    owner.shelves.look_up = lambda ids: questions.append(len(ids)) or look_up(ids)
    values = [*map(amended, old), old[0]._replace(version=3, status="entered-in-error")]
    owner.take(
        chunk([each._replace(offset=100 + each.offset) for each in messages(*values, minute=6)])
    )
    assert sum(questions) == len(set(owner.asked)) == 4
    assert questions[0] == min(4, 1 + limit)
    assert counted(owner) == {"readings": RECENT + 3}
    assert owner.partition.checkpoint.looked_up == {}


def test_the_flags_of_a_document_do_not_tell_that_it_amends():
    owner, _ = after(amended(NORMAL))
    (document,) = owner.documents()
    assert document.flags == []
    assert not int(row_of(owner)["recent"][0]["flags"]) & Flag.LATE
