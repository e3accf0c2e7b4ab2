"""Rebuilding is the inverse of parsing: a reading, built and parsed, is the same reading."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.fhir import rebuild
from bpstream.fhir.rebuild import Coding
from bpstream.reading import Details, Flag, Kind, Reading, Series
from tests.fhir.messages import TAKEN, at, parse, the_reading

NAN = float("nan")
IDS = st.from_regex(r"[A-Za-z0-9\-.]{1,64}", fullmatch=True)
WORDS = st.text("abcXYZ 0123456789-_/", min_size=1, max_size=20).map(str.strip).filter(bool)
KEYS = st.one_of(
    IDS,
    st.builds("{}|{}".format, st.sampled_from(["", "urn:mrn", "http://hospital.example/mrn"]), IDS),
    IDS.map("https://fhir.example/r4/Patient/{}".format),
    st.uuids().map("urn:uuid:{}".format),
)
PRESSURES = st.sampled_from([(121.5, 79.25, NAN), (120, NAN, NAN), (NAN, NAN, 91), (180, 90, 120)])


def _is_identifier(key: str) -> bool:
    return "|" in key


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    systolic, diastolic, mean = draw(PRESSURES)
    kind, series = draw(st.sampled_from(Kind)), draw(st.sampled_from(Series))
    flags = Flag(0)
    for flag in draw(st.sets(st.sampled_from([Flag.UNIT_FROM_TEXT, Flag.NUMBER_FROM_TEXT]))):
        flags |= flag
    flags |= draw(st.sampled_from([Flag(0), Flag.UNVERIFIED, Flag.STATUS_UNKNOWN]))
    flags |= draw(st.sampled_from([Flag(0), Flag.TEST_DATA]))
    comparators = draw(
        st.none() | st.tuples(*[st.sampled_from(["", "<", "<=", ">=", ">"])] * 3).filter(any)
    )
    if comparators is not None:
        values = systolic, diastolic, mean
        comparators = tuple(
            "" if value != value else each for each, value in zip(comparators, values, strict=True)
        )
        comparators = comparators if any(comparators) else None
    flags |= Flag.COMPARATOR if comparators else Flag(0)
    observation_id = draw(st.none() | IDS)
    if systolic != systolic or diastolic != diastolic:
        flags |= Flag.PARTIAL
    if series is Series.ARTERIAL:
        flags |= Flag.INVASIVE
    period = ("2026-01-28T21:00:00+01:00", TAKEN)
    is_aggregate = kind is Kind.AGGREGATE
    return Reading(
        patient_id=draw(KEYS),
        taken_at=at(TAKEN),
        systolic=systolic,
        diastolic=diastolic,
        mean=mean,
        flags=flags,
        kind=kind,
        series=series,
        document_id="",
        version=draw(st.integers(0, 10**18 - 1)),
        details=Details(
            "/".join(period) if is_aggregate else TAKEN,
            observation_id=observation_id,
            practitioner_id=draw(st.none() | IDS),
            device=draw(st.none() | IDS | WORDS | st.builds("{}|{}".format, IDS, IDS)),
            body_site=draw(st.none() | st.sampled_from(["left arm", "Right wrist"])),
            security_labels=tuple(draw(st.lists(st.sampled_from(["R", "PSY", "HIV"]), max_size=2))),
            period=period if is_aggregate else None,
            comparators=comparators,
            source=draw(st.none() | st.sampled_from(["urn:ward-7", "https://x.example/feed"])),
            identifier=None if observation_id else draw(st.none() | KEYS.filter(_is_identifier)),
        ),
    )


@given(readings(), st.booleans())
def test_a_reading_that_is_rebuilt_and_parsed_is_the_same(reading, sampled):
    unlike = Flag.NUMBER_FROM_TEXT | Flag.COMPARATOR
    if sampled and (reading.kind is Kind.AGGREGATE or unlike & reading.flags):
        # A series begins at one moment, its numbers are text anyway, and are exact.
        sampled = False
    found = the_reading(json.loads(rebuild.observation(reading, sampled=sampled)))
    assert found.flags == reading.flags.names()
    for name in ("patient_id", "taken_at", "kind", "series", "version", "details"):
        assert getattr(found, name) == getattr(reading, name), name
    for name in ("systolic", "diastolic", "mean"):
        wanted = getattr(reading, name)
        assert getattr(found, name) == (None if wanted != wanted else wanted)


@pytest.mark.parametrize("coding", Coding)
def test_every_coding_is_read(coding):
    reading = Reading(
        patient_id="p1",
        taken_at=0,
        systolic=120,
        diastolic=80,
        mean=93,
        document_id="",
        details=Details(TAKEN),
    )
    found = the_reading(json.loads(rebuild.observation(reading, coding=coding)))
    assert (found.systolic, found.diastolic, found.mean) == (120, 80, 93)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("2026-01-29", Flag.COARSE_TIME),
        ("2026", Flag.COARSE_TIME),
        ("2026-01-29T21:32:51", Flag.NO_ZONE),
        ("2026-01-29T23:32:51.6+02:00", Flag(0)),
        ("2026-01-29T21:32:51Z", Flag.TIME_FROM_ISSUED),
        ("/2026-01-29T21:32:51Z", Flag(0)),
        ("2026-01-29T21:32:51Z/", Flag(0)),
    ],
)
def test_the_time_is_written_as_it_stood_there(text, flags):
    reading = Reading(
        patient_id="p1", taken_at=0, systolic=120, diastolic=80, flags=flags, document_id="",
        details=Details(text),
    )  # fmt: skip
    found = the_reading(json.loads(rebuild.observation(reading)))
    assert (found.details.original_time, found.flags) == (text, flags.names())


@pytest.mark.parametrize(
    ("patient_id", "key"), [("132650", "132650"), ("MRN 7/1", "|MRN 7/1"), ("a|b", "|a|b")]
)
def test_an_id_from_elsewhere_that_is_no_fhir_id_is_an_identifier(patient_id, key):
    assert rebuild.key_of_id(patient_id) == key
    reading = Reading(
        patient_id=key, taken_at=0, systolic=120, document_id="", details=Details(TAKEN)
    )
    assert parse(rebuild.observation(reading)).readings.patient_id == [key]
