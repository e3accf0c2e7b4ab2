"""The differences, on plain rows: what was sent, what is held, what was counted."""

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.reconcile.differences import KINDS, Terms, Totals, examples, find
from bpstream.reconcile.ledger import (
    ARCHIVE,
    INDEX,
    TOMBSTONE,
    Held,
    Ledger,
    Letter,
    Retracted,
    Sent,
)
from bpstream.sinks.purges import Purge

ANOMALIES = Terms(index_all=False, archive_all=False, first_arrival="2026-01-01")
HYPERTENSION, HYPOTENSION = 1, 2
NOBODY = ("p1", *(0,) * 8)


def sent(document="a", **changes) -> Sent:
    row = Sent(document, 1, "p1", 0, 10, 0, 1000, tags=0, spot=True, done=True)
    return row._replace(**changes)


def held(document="a", store=ARCHIVE, **changes) -> Held:
    row = Held(store, document, 1, "p1", 0, 10, "2026-01-02", tags=0, spot=True, beyond=False)
    return row._replace(**changes)


def compared(
    *,
    sent: Iterable[Sent] = (),
    held: Iterable[Held] = (),
    counted: Iterable[tuple] | None = None,
    letters: Iterable[Letter] = (),
    retractions: Iterable[Retracted] = (),
    terms: Terms = ANOMALIES,
    purges: Iterable[Purge] = (),
) -> Totals:
    """The totals; without `counted` the counters are left out."""
    with Ledger() as ledger:
        ledger.partition(0, 5, 100)
        ledger.sent(sent)
        ledger.held(held)
        ledger.letters(letters)
        ledger.retractions(retractions)
        ledger.counted(counted or ())
        ledger.purges(purges)
        return find(ledger, terms._replace(counters=counted is not None))


@pytest.mark.parametrize(
    ("readings", "documents", "kinds"),
    [
        ([], [], {}),
        ([sent()], [held()], {}),
        ([sent(tags=HYPERTENSION)], [held(store=INDEX)], {}),
        ([sent()], [], {"missing in archive": 1}),
        ([sent(tags=HYPERTENSION)], [], {"missing in index": 1}),
        ([sent(), sent(offset=11)], [held()], {}),
        ([sent()], [held(), held(line=1)], {"twice in archive": 1}),
        ([sent(tags=8)], [held(store=INDEX)] * 2, {"twice in index": 1}),
        ([sent()], [held(), held("b")], {"unexpected in archive": 1}),
        ([sent()], [held(), held("b", INDEX)], {"unexpected in index": 1}),
        ([sent()], [held(), held(store=INDEX)], {"unexpected in index": 1}),
        ([sent()], [held(version=2)], {"unexpected in archive": 1}),
        ([sent(), sent(version=2)], [held()], {"stale in archive": 1}),
        ([sent(), sent(version=2)], [held(version=2)], {}),
        ([sent(), sent(version=2)], [held(), held(version=2)], {"twice in archive": 1}),
        (
            [sent(tags=HYPERTENSION), sent(version=2)],
            [held(store=INDEX), held(version=2)],
            {"stale in index": 1},
        ),
        ([sent(version=2), sent(offset=11)], [held(version=2)], {}),
        ([sent(done=False)], [], {}),
        ([sent(done=False)], [held(beyond=True)], {}),
        # Replaced by a newer version that is on its way.
        ([sent(), sent(version=2, offset=20, done=False)], [held(version=2, beyond=True)], {}),
        # Repeated, and the copy is on its way.
        ([sent(), sent(offset=20, done=False)], [held(), held(beyond=True, offset=20)], {}),
        # The last of a message that was applied in part.
        ([sent()], [held(beyond=True), held(beyond=True)], {"twice in archive": 1}),
        # Never sent: it lies behind the topic's end.
        ([], [held(offset=100, beyond=True)], {"unexpected in archive": 1}),
        ([], [held(offset=99, beyond=True)], {}),
        # Of a partition that the topic does not have.
        ([], [held(partition=7, beyond=True)], {"unexpected in archive": 1}),
        # What nobody can read.
        ([], [held("", patient_id="", partition=-1, offset=-1)], {"unexpected in archive": 1}),
    ],
)
def test_what_differs_is_named(readings, documents, kinds):
    assert compared(sent=readings, held=documents).differences == kinds


@pytest.mark.parametrize(
    ("terms", "tags", "where", "kinds"),
    [
        (ANOMALIES._replace(index_all=True), 0, {INDEX, ARCHIVE}, {}),
        (ANOMALIES._replace(index_all=True), 0, {ARCHIVE}, {"missing in index": 1}),
        (ANOMALIES._replace(archive_all=True), 1, {INDEX, ARCHIVE}, {}),
        (ANOMALIES._replace(archive_all=True), 1, {INDEX}, {"missing in archive": 1}),
    ],
)
def test_a_store_that_takes_all_readings_lacks_none(terms, tags, where, kinds):
    documents = [held(store=store) for store in where]
    assert compared(sent=[sent(tags=tags)], held=documents, terms=terms).differences == kinds


@pytest.mark.parametrize(
    "place",
    [
        {"offset": 4},
        {"ingested_at": "2026-01-01T23:59:59.999999Z"},
        {"ingested_at": "2026-01-01", "offset": 500, "beyond": True},
    ],
    ids=["before the topic's start", "before its first message", "of a former life of the topic"],
)
def test_what_the_topic_no_longer_tells_of_is_older_and_counted(place):
    terms = ANOMALIES._replace(first_arrival="2026-01-02T00:00:00.000000Z")
    found = compared(
        sent=[sent("b")],
        held=[held(**place), held("b")],
        counted=[("p1", 2, *(0,) * 7)],
        terms=terms,
    )
    assert found == Totals(documents=1, on_their_way=0, older=1, differences={})


def test_all_that_a_topic_without_a_message_led_to_is_older():
    terms = Terms(index_all=False, archive_all=False)
    assert compared(held=[held(), held("b", INDEX)], terms=terms).older == 2


def test_what_an_earlier_demo_stored_is_not_counted_by_this_one():
    terms = ANOMALIES._replace(first_arrival="2026-01-04", life_began="2026-01-03")
    documents = [held(ingested_at="2026-01-01"), held("b", ingested_at="2026-01-03T12")]
    found = compared(held=documents, counted=[("p1", 1, *(0,) * 7)], terms=terms)
    assert (found.older, found.differences) == (2, {})


def test_a_document_the_index_refused_is_not_missing_and_one_that_could_not_go_home_is_not_sent():
    readings = [
        sent("a", tags=1, offset=10, entry=1),
        sent("b", tags=1, offset=10, entry=2),
        sent("c", tags=1, offset=11),
    ]
    letters = [
        Letter("refused_by_index", 0, 10, 1),
        Letter("too_large_to_rekey", 0, 11, 0),
        Letter("too_large_to_rekey", 0, 11, 0),
    ]
    found = compared(sent=readings, letters=letters, counted=[("p1", 2, 2, 2, 0, 2, 0, 0, 0)])
    assert found.differences == {"missing in index": 1}
    assert found.documents == 2


@pytest.mark.parametrize(
    ("readings", "counters"),
    [
        ([], NOBODY[1:]),
        ([sent()], (1, 0, 0, 0, 0, 0, 0, 0)),
        ([sent(tags=1 | 8)], (1, 1, 1, 0, 1, 0, 0, 1)),
        ([sent(tags=2 | 4)], (1, 1, 1, 0, 0, 1, 1, 0)),
        ([sent(tags=2)], (1, 1, 0, 1, 0, 1, 0, 0)),
        ([sent(spot=False)], NOBODY[1:]),
        ([sent(done=False)], NOBODY[1:]),
        ([sent(), sent(offset=11, arrived_at=1001)], (1, 0, 0, 0, 0, 0, 0, 0)),
        ([sent(), sent(version=2, arrived_at=1001)], (1, 0, 0, 0, 0, 0, 0, 0)),
        ([sent(), sent(version=2, arrived_at=999)], (1, 0, 0, 0, 0, 0, 0, 0)),
    ],
)
def test_a_counter_counts_the_newest_version_of_a_reading(readings, counters):
    documents = [held(version=2), held()]
    found = compared(sent=readings, held=documents, counted=[("p1", *counters)])
    assert not [kind for kind in found.differences if kind.startswith("counter")]


def test_a_counter_that_differs_is_named_with_what_it_is_and_should_be():
    with Ledger() as ledger:
        ledger.sent([sent(tags=HYPOTENSION), sent("b", patient_id="p2", tags=HYPERTENSION)])
        ledger.counted([("p1", 3, 1, 0, 1, 0, 1, 0, 0), ("p3", *NOBODY[1:])])
        found = find(ledger, ANOMALIES)
        assert {kind: n for kind, n in found.differences.items() if "counter" in kind} == {
            "counter readings": 2,
            "counter anomalies": 1,
            "counter hypertension": 1,
            "counter hypertension_systolic": 1,
        }
        told = [
            (each.patient_id, each.found, each.expected)
            for each in examples(ledger, "counter readings", 5)
        ]
        assert told == [("p1", 3, 1), ("p2", 0, 1)]


def test_the_examples_are_the_first_by_patient_and_place():
    with Ledger() as ledger:
        ledger.sent(sent(f"d{n}", patient_id=f"p{n % 2}", offset=50 - n) for n in range(10))
        find(ledger, ANOMALIES)
        told = [
            (each.document_id, each.patient_id, each.partition, each.offset)
            for each in examples(ledger, "missing in archive", 2)
        ]
    assert told == [("d8", "p0", 0, 42), ("d6", "p0", 0, 44)]


DOCUMENTS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3),
    st.tuples(st.integers(0, 15), st.integers(0, 3)),
    max_size=30,
)


@given(DOCUMENTS)
def test_each_document_has_the_difference_that_its_copies_make(documents):
    """`documents`: tags, and how often it is where it belongs."""
    readings = [sent(each, tags=tags) for each, (tags, _) in documents.items()]
    copies = [
        held(each, INDEX if tags else ARCHIVE)
        for each, (tags, times) in documents.items()
        for _ in range(times)
    ]
    should_be = Counter(
        f"{'missing' if not times else 'twice'} in {INDEX if tags else ARCHIVE}"
        for tags, times in documents.values()
        if times != 1
    )
    found = compared(sent=readings, held=copies)
    assert found.differences == should_be
    assert list(found.differences) == [kind for kind in KINDS if kind in should_be]
    assert found.documents == len(documents)


@pytest.mark.parametrize(
    ("retraction", "documents", "readings", "kinds"),
    [
        (Retracted("a", 1, 1001), [], 0, {}),
        (Retracted("a", 0, 1001), [], 0, {}),
        (Retracted("a", 2, 1001), [], 0, {}),
        (Retracted("a", 1, 1001), [held()], 0, {"unexpected in archive": 1}),
        (Retracted("a", 1, 1001), [held(), held(store=TOMBSTONE)], 0, {}),
        (Retracted("a", 1, 1001), [], 1, {"counter readings": 1}),
        # It came before the reading, or is of an earlier version: nobody knew what it meant.
        (Retracted("a", 1, 999), [held()], 1, {}),
        (Retracted("a", 0, 999), [held()], 1, {}),
        (Retracted("b", 1, 1001), [held()], 1, {}),
    ],
)
def test_what_was_taken_back_is_to_be_nowhere(retraction, documents, readings, kinds):
    counted = [("p1", readings, *(0,) * 7)]
    found = compared(sent=[sent()], held=documents, retractions=[retraction], counted=counted)
    assert found.differences == kinds


@pytest.mark.parametrize(
    ("documents", "kinds"),
    [
        # A correction: the tombstone of what was, and the new line after it.
        ([held(), held(store=TOMBSTONE, version=2), held(version=2)], {}),
        ([held(version=2), held(store=TOMBSTONE, version=2)], {"missing in archive": 1}),
        ([held(store=TOMBSTONE, version=1), held(version=2)], {}),
        ([held(version=2), held(store=TOMBSTONE, version=1)], {}),
    ],
)
def test_a_tombstone_takes_out_what_stands_before_it_or_is_older(documents, kinds):
    found = compared(sent=[sent(), sent(version=2, arrived_at=1001)], held=documents)
    assert found.differences == kinds


@pytest.mark.parametrize(
    ("reading", "documents", "purged", "kinds"),
    [
        (sent(taken_at=99), [], 1, {}),
        (sent(taken_at=99, tags=HYPERTENSION), [], 1, {}),
        (sent(taken_at=99), [held()], 0, {}),
        (sent(taken_at=99), [held(), held(line=1)], 0, {"twice in archive": 1}),
        (sent(taken_at=100), [], 0, {"missing in archive": 1}),
        # It came when the purge had ended.
        (sent(taken_at=99, arrived_at=2000), [], 0, {"missing in archive": 1}),
        (sent(taken_at=49, arrived_at=2000), [], 1, {}),
        (sent(taken_at=50, arrived_at=2000), [], 0, {"missing in archive": 1}),
    ],
)
def test_what_was_purged_is_not_missing(reading, documents, purged, kinds):
    """One purge has ended, and a smaller one was interrupted."""
    found = compared(sent=[reading], held=documents, purges=[Purge(100, 2000), Purge(50)])
    assert (found.purged, found.differences) == (purged, kinds)


@pytest.mark.parametrize(
    ("readings", "above", "kinds"),
    [(1, 0, {}), (2, 1, {}), (0, 0, {"counter readings": 1})],
    ids=["as many", "more", "fewer"],
)
def test_counters_may_tell_of_what_was_purged_and_of_no_less_than_is_found(readings, above, kinds):
    counted = [("p1", readings, *(0,) * 7)]
    found = compared(sent=[sent()], held=[held()], counted=counted, purges=[Purge(100, 2000)])
    assert (found.above, found.differences) == (above, kinds)
