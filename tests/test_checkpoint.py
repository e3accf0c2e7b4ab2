"""The checkpoint: what a partition's next owner reads is what the last one wrote."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.checkpoint import (
    CLAIM,
    KEY,
    WHOLE_MESSAGE,
    Applied,
    Archived,
    Checkpoint,
    Claim,
    Earlier,
    Paused,
    RuleName,
    epoch_of,
)

offsets = st.integers(-1, 2**63 - 1)
applied = st.builds(Applied, offset=offsets, entry=st.integers(0, WHOLE_MESSAGE))
checkpoints = st.builds(
    Checkpoint,
    epoch=st.integers(0, 2**24 - 1),
    step=st.integers(0, 2**40 - 1),
    lineage=st.text(),
    since=st.integers(0, 2**63 - 1),
    applied=st.dictionaries(st.text(), applied),
    rekeyed=st.dictionaries(st.integers(0, 2**31 - 1), applied),
    archived=st.none() | st.builds(Archived, name=st.text(), length=st.integers(0, 2**63 - 1)),
    paused=st.none() | st.builds(Paused, alert_id=st.text(), since=st.integers(0, 2**63 - 1)),
    looked_up=st.dictionaries(st.text(), st.none() | st.builds(Earlier)),
)
claims = st.builds(
    Claim, epoch=st.integers(0, 2**24 - 1), generation=st.integers(-1, 2**31 - 1), base=offsets
)


@given(checkpoints)
def test_a_checkpoint_is_decoded_as_it_was_encoded(checkpoint):
    decoded = Checkpoint.decode(checkpoint.encode())
    assert decoded == checkpoint
    assert decoded.encode() == checkpoint.encode()


@given(claims)
def test_a_claim_is_decoded_as_it_was_encoded(claim):
    assert Claim.decode(claim.encode()) == claim


@given(st.tuples(checkpoints, checkpoints))
def test_stamps_are_ordered_by_epoch_then_by_step_and_fit_into_64_bits(pair):
    stamps = [each.stamp for each in pair]
    assert sorted(stamps) == [
        each.stamp for each in sorted(pair, key=lambda each: (each.epoch, each.step))
    ]
    assert [epoch_of(stamp) for stamp in stamps] == [each.epoch for each in pair]
    assert max(stamps) < 2**64


@given(checkpoints)
def test_a_copy_is_equal_and_does_not_follow(checkpoint):
    copy, encoded = checkpoint.copy(), checkpoint.encode()
    assert copy == checkpoint
    checkpoint.step += 1
    checkpoint.applied["another topic"] = checkpoint.rekeyed[-1] = Applied(1)
    checkpoint.anomalies[-1] = 1
    assert copy.encode() == encoded


def test_the_stored_form_is_the_one_that_is_already_in_kafka():
    checkpoint = Checkpoint(
        epoch=3,
        step=17,
        lineage="abc",
        since=1_769_722_371_000_000,
        applied={"blood_pressure_fhir": Applied(41, 2)},
        rekeyed={5: Applied(7)},
        archived=Archived("segment-1", 900),
        paused=Paused("00ff", 1_769_722_371_619_300),
        rules=(RuleName("high", "High", "physiological"),),
        anomalies={176_972_237: 3},
        looked_up={"0a": Earlier(1_769_722_371_619_300, 2, 5, True, True, False), "0b": None},
    )
    assert json.loads(checkpoint.encode()) == {
        "epoch": 3,
        "step": 17,
        "lineage": "abc",
        "since": 1_769_722_371_000_000,
        "applied": {"blood_pressure_fhir": [41, 2]},
        "rekeyed": {"5": [7, WHOLE_MESSAGE]},
        "archived": ["segment-1", 900],
        "paused": ["00ff", 1_769_722_371_619_300],
        "rules": [["high", "High", "physiological"]],
        "anomalies": {"176972237": 3},
        "looked_up": {"0a": [1_769_722_371_619_300, 2, 5, True, True, False], "0b": None},
    }
    assert json.loads(Claim(epoch=4, generation=9, base=41).encode()) == {
        "epoch": 4,
        "generation": 9,
        "base": 41,
    }


def test_a_new_checkpoint_has_applied_and_archived_nothing():
    assert Checkpoint.decode(b"{}") == Checkpoint()
    assert Checkpoint().applied.get("blood_pressure_fhir", Applied()) < Applied(0, 0)
    assert Checkpoint().archived is None


def test_two_checkpoints_share_nothing():
    first, second = Checkpoint(), Checkpoint()
    first.applied["topic"], first.rekeyed[1] = Applied(1), Applied(1)
    first.looked_up["0a"] = None
    first.anomalies[1] = 1
    assert second == Checkpoint()


def test_a_copy_stays_as_it_is():
    checkpoint = Checkpoint(looked_up={"0a": None})
    copy = checkpoint.copy()
    checkpoint.applied["topic"] = checkpoint.rekeyed[1] = Applied(1)
    checkpoint.looked_up.clear()
    assert copy == Checkpoint(looked_up={"0a": None})


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
def test_no_patient_id_has_the_key_of_a_checkpoint_or_a_claim(patient_id):
    assert patient_id.encode("utf-8", "surrogatepass") not in (KEY, CLAIM)


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
        (b'{"paused": ["00ff"]}', msgspec.DecodeError),
        (b'{"lineage": "\xff"}', UnicodeDecodeError),
    ],
)
def test_anything_else_is_no_checkpoint(value, error):
    with pytest.raises(error):
        Checkpoint.decode(value)


@pytest.mark.parametrize(
    "value", [b"", b"{}", b'{"epoch": 1, "generation": 2}', b"\x01\x00", b"[]"]
)
def test_anything_else_is_no_claim(value):
    with pytest.raises(msgspec.DecodeError):
        Claim.decode(value)
