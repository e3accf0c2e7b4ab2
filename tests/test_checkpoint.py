"""The checkpoint: what a partition's next owner reads is what the last one wrote."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.checkpoint import KEY, WHOLE_MESSAGE, Applied, Archived, Checkpoint

offsets = st.integers(-1, 2**63 - 1)
applied = st.builds(Applied, offset=offsets, entry=st.integers(0, WHOLE_MESSAGE))
checkpoints = st.builds(
    Checkpoint,
    epoch=st.integers(0, 2**32 - 1),
    lineage=st.text(),
    applied=st.dictionaries(st.text(), applied),
    rekeyed=st.dictionaries(st.integers(0, 2**31 - 1), applied),
    archived=st.none() | st.builds(Archived, name=st.text(), length=st.integers(0, 2**63 - 1)),
)


@given(checkpoints)
def test_a_checkpoint_is_decoded_as_it_was_encoded(checkpoint):
    decoded = Checkpoint.decode(checkpoint.encode())
    assert decoded == checkpoint
    assert decoded.encode() == checkpoint.encode()


def test_the_stored_form_is_the_one_that_is_already_in_kafka():
    checkpoint = Checkpoint(
        epoch=3,
        lineage="abc",
        applied={"blood_pressure_fhir": Applied(41, 2)},
        rekeyed={5: Applied(7)},
        archived=Archived("segment-1", 900),
    )
    assert json.loads(checkpoint.encode()) == {
        "epoch": 3,
        "lineage": "abc",
        "applied": {"blood_pressure_fhir": [41, 2]},
        "rekeyed": {"5": [7, WHOLE_MESSAGE]},
        "archived": ["segment-1", 900],
    }


def test_a_new_checkpoint_has_applied_and_archived_nothing():
    assert Checkpoint.decode(b"{}") == Checkpoint()
    assert Checkpoint().applied.get("blood_pressure_fhir", Applied()) < Applied(0, 0)
    assert Checkpoint().archived is None


def test_two_checkpoints_share_nothing():
    first, second = Checkpoint(), Checkpoint()
    first.applied["topic"], first.rekeyed[1] = Applied(1), Applied(1)
    assert second == Checkpoint()


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (Applied(), Applied(0, 0)),
        (Applied(0, 0), Applied(0, 1)),
        (Applied(0, 1), Applied(0)),
        (Applied(0), Applied(1, 0)),
    ],
)
def test_inputs_are_ordered_by_offset_then_by_entry_with_the_whole_message_last(earlier, later):
    assert earlier < later


@given(st.text())
def test_no_patient_id_has_the_checkpoints_key(patient_id):
    assert patient_id.encode("utf-8", "surrogatepass") != KEY


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (b"", msgspec.DecodeError),
        (b"\x01\x00", msgspec.DecodeError),
        (b"[]", msgspec.DecodeError),
        (b'{"epoch": "1"}', msgspec.DecodeError),
        (b'{"applied": {"topic": 1}}', msgspec.DecodeError),
        (b'{"rekeyed": {"topic": [1, 2]}}', msgspec.DecodeError),
        (b'{"archived": ["name"]}', msgspec.DecodeError),
        (b'{"lineage": "\xff"}', UnicodeDecodeError),
    ],
)
def test_anything_else_is_no_checkpoint(value, error):
    with pytest.raises(error):
        Checkpoint.decode(value)
