"""Which documents go to the archive and which to the index."""

import pytest

from tests.pipeline.messages import Taken, a_pipeline, chunk, messages
from tests.pipeline.owner import Owner

NORMAL = Taken("normal")
ANOMALY = Taken("anomaly", systolic=150)
IMPLAUSIBLE = Taken("implausible", systolic=80, diastolic=85)
PARTIAL = Taken("partial", systolic=None)
AGGREGATE = Taken("aggregate", systolic=150, aggregate=True)
EVERY = (NORMAL, ANOMALY, IMPLAUSIBLE, PARTIAL, AGGREGATE)


def routed(*readings, **options):
    """Ids of what goes to the archive and to the index, and how many anomalies there are."""
    (step,) = Owner(a_pipeline(**options)).take(chunk(messages(*readings)))
    names = {reading.document_id: reading.name for reading in readings}
    assert [names[entry.document_id] for entry in step.entries] == [r.name for r in readings]
    to_archive, to_index = (
        [names[entry.document_id] for entry in entries]
        for entries in (step.to_archive, step.to_index)
    )
    return to_archive, to_index, step.anomalies


ALL = [reading.name for reading in EVERY]
ARCHIVED, INDEXED = ["normal", "partial", "aggregate"], ["anomaly", "implausible"]


@pytest.mark.parametrize(
    ("archive_all", "index_all", "to_archive", "to_index"),
    [
        (False, False, ARCHIVED, INDEXED),
        (True, False, ALL, INDEXED),
        (False, True, ARCHIVED, ALL),
        (True, True, ALL, ALL),
    ],
)
def test_anomalies_are_indexed_and_the_rest_is_archived_unless_all_is(
    archive_all, index_all, to_archive, to_index
):
    assert routed(*EVERY, archive_all=archive_all, index_all=index_all) == (
        to_archive,
        to_index,
        2,
    )


@pytest.mark.parametrize(
    ("reading", "to_archive", "to_index"),
    [
        (NORMAL, ["normal"], []),
        (ANOMALY, [], ["anomaly"]),
        (AGGREGATE, ["aggregate"], []),
    ],
)
def test_a_step_of_one_kind_goes_one_way(reading, to_archive, to_index):
    assert routed(reading)[:2] == (to_archive, to_index)
