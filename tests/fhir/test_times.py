"""Times: every precision and zone, and where the time is taken from (rows 13 to 15)."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.fhir.messages import ARRIVED, TAKEN, an_observation, at, in_short, the_fault, the_reading

BERLIN = ZoneInfo("Europe/Berlin")


def taken(text: object, **changes: Any) -> dict[str, Any]:
    return an_observation(effectiveDateTime=text, **changes)


# Row 13: precision and zone


@pytest.mark.parametrize(
    ("text", "utc", "flags"),
    [
        ("2026-01-29T21:32:51.619300+00:00", "2026-01-29T21:32:51.619300", []),
        ("2026-01-29T21:32:51.619Z", "2026-01-29T21:32:51.619", []),
        ("2026-01-29T21:32:51.6Z", "2026-01-29T21:32:51.6", []),
        ("2026-01-29T21:32:51.1234567890123Z", "2026-01-29T21:32:51.123456", []),
        ("2026-01-29T21:32:51Z", "2026-01-29T21:32:51", []),
        ("2026-01-29T22:32:51+01:00", "2026-01-29T21:32:51", []),
        ("2026-01-29T16:32:51-05:00", "2026-01-29T21:32:51", []),
        ("2026-01-30T03:02:51+05:30", "2026-01-29T21:32:51", []),
        ("2026-01-30T11:32:51+14:00", "2026-01-29T21:32:51", []),
        ("2026-01-29T21:32:51-00:00", "2026-01-29T21:32:51", []),
        ("2026-01-29T22:32:51+0100", "2026-01-29T21:32:51", []),
        ("2026-01-29 22:32:51+01", "2026-01-29T21:32:51", []),
        ("2026-01-29T16:32:51-05", "2026-01-29T21:32:51", []),
        ("2026-01-29T21:32Z", "2026-01-29T21:32:00", []),
        ("2026-01-29T22:32+01:00", "2026-01-29T21:32:00", []),
        ("2026-01-29 21:32:51Z", "2026-01-29T21:32:51", []),
        ("2026-01-29t21:32:51z", "2026-01-29T21:32:51", []),
        (" 2026-01-29T21:32:51 Z ", "2026-01-29T21:32:51", []),
        ("2026-01-29T21:32:51", "2026-01-29T21:32:51", ["no_zone"]),
        ("2026-01-29T21:32:51.619300", "2026-01-29T21:32:51.619300", ["no_zone"]),
        ("2026-01-29T21:32", "2026-01-29T21:32", ["no_zone"]),
        ("2026-01-29", "2026-01-29T00:00:00", ["coarse_time"]),
        ("2026-01", "2026-01-01T00:00:00", ["coarse_time"]),
        ("2026", "2026-01-01T00:00:00", ["coarse_time"]),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00", []),
        ("2017-01-01T00:59:60.5+01:00", "2017-01-01T00:00:00.5", []),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00", []),
    ],
)
def test_a_time_of_any_precision_and_zone_is_read(text: str, utc: str, flags: list[str]) -> None:
    found = the_reading(taken(text))
    assert (found.taken_at, found.flags) == (at(utc), flags)
    assert found.details.original_time == text.strip()


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-29T21:32:51", "2026-01-29T20:32:51"),
        ("2025-07-29T21:32:51", "2025-07-29T19:32:51"),
        ("2026-01-29", "2026-01-28T23:00:00"),
        ("2025-07", "2025-06-30T22:00:00"),
        ("2026-01-29T21:32:51Z", "2026-01-29T21:32:51"),
    ],
)
def test_a_time_without_a_zone_is_of_the_configured_one(text: str, utc: str) -> None:
    assert the_reading(taken(text), timezone=BERLIN).taken_at == at(utc)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-29T24:00:00Z",
        "2026-01-29T21:60:00Z",
        "2026-01-29T21:32:61Z",
        "2026-13-01",
        "2026-02-29",
        "2026-02-30T21:32:51Z",
        "0000-01-01",
        "2026-01-29T21Z",
        "2026-01-29T21:32:51+14:01",
        "2026-01-29T21:32:51+01:60",
        "2026-01-29T21:32:51+1",
        "2026-01-29T21:32:51+01:",
        "2026-01-29T21:32:51+15",
        "2026-01-29T21:32:51Z[UTC]",
        "2026-01-29T21:32:51,5Z",
        "2026-01-29Z",
        "26-01-29",
        "29.01.2026",
        "2026-1-29",
        "٢٠٢٦-01-29",
        "20260129T213251Z",
        "9999-12-31T23:59:60Z",
        "now",
        1769722371,
        ["2026-01-29"],
        {"start": "2026"},
        True,
    ],
)
def test_what_is_no_time_is_rejected(text: object) -> None:
    assert the_fault(taken(text)) == ("invalid_time", "Observation.effectiveDateTime")


# Row 14: where the time is taken from

START, END = "2026-01-29T20:00:00Z", "2026-01-29T20:00:45Z"
ARRIVAL = "2026-01-29T21:33:00Z"


@pytest.mark.parametrize(
    ("changes", "utc", "original", "flags"),
    [
        ({"effectiveInstant": END}, END, END, []),
        ({"effectivePeriod": {"start": START, "end": END}}, END, f"{START}/{END}", []),
        ({"effectivePeriod": {"start": START}}, START, f"{START}/", []),
        ({"effectivePeriod": {"end": END}}, END, f"/{END}", []),
        (
            {"effectivePeriod": {"start": START, "end": "2026-01-29"}},
            "2026-01-29",
            f"{START}/2026-01-29",
            ["coarse_time"],
        ),
        ({"effectiveTiming": {"event": [END]}}, END, END, []),
        ({"effectiveTiming": {"event": END}}, END, END, []),
        ({"issued": END}, END, END, ["time_from_issued"]),
        ({"issued": END, "effectiveDateTime": ""}, END, END, ["time_from_issued"]),
        ({"issued": END, "effectivePeriod": {}}, END, END, ["time_from_issued"]),
        (
            {"issued": END, "effectiveTiming": {"event": [START, END]}},
            END,
            END,
            ["time_from_issued"],
        ),
        ({"issued": END[:-1]}, END, END[:-1], ["no_zone", "time_from_issued"]),
        ({"issued": END, "effectiveDateTime": START}, START, START, []),
        ({}, ARRIVAL, "", ["time_from_arrival"]),
        ({"effectiveTiming": {"code": {"text": "daily"}}}, ARRIVAL, "", ["time_from_arrival"]),
    ],
    ids=repr,
)
def test_the_time_is_the_effective_one_else_issued_else_the_arrival(
    changes: dict[str, Any], utc: str, original: str, flags: list[str]
) -> None:
    found = the_reading(an_observation(**({"effectiveDateTime": None} | changes)))
    assert (found.taken_at, found.flags) == (at(utc), flags)
    assert found.details.original_time == original


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"effectivePeriod": {"start": "x", "end": END}}, "Observation.effectivePeriod.start"),
        ({"effectivePeriod": {"start": START, "end": 7}}, "Observation.effectivePeriod.end"),
        ({"effectiveTiming": {"event": ["x"]}}, "Observation.effectiveTiming.event"),
        ({"effectiveInstant": "x"}, "Observation.effectiveInstant"),
        ({"issued": "yesterday"}, "Observation.issued"),
    ],
)
def test_a_time_that_is_there_but_unreadable_is_rejected(
    changes: dict[str, Any], path: str
) -> None:
    assert the_fault(taken(None, **changes)) == ("invalid_time", path)


# Row 15: early and future times; whether a reading is late is not the parser's to say


@pytest.mark.parametrize(
    ("text", "fate"),
    [
        ("0001-01-01T00:00:00+14:00", "before_1900"),
        ("1899-12-31T23:59:59.999999Z", "before_1900"),
        ("1900-01-01T00:59:59+01:00", "before_1900"),
        ("1900-01-01T00:00:00Z", "reading"),
        ("1970-01-01T00:00:00Z", "reading"),
        ("1969-12-31T23:59:59.999999Z", "reading"),
        ("2026-01-29T21:43:00Z", "reading"),
        ("2026-01-29T22:43:00+01:00", "reading"),
        ("2026-01-29T21:43:00.000001Z", "in_future"),
        ("2026-01-29T22:43:00.000001+01:00", "in_future"),
        ("2099-01-01", "in_future"),
    ],
)
def test_a_time_before_1900_or_beyond_the_skew_is_rejected(text: str, fate: str) -> None:
    assert in_short(taken(text)) == fate
    assert in_short(taken(text, meta={})) == fate


def test_the_skew_is_the_settings() -> None:
    later = taken("2026-01-29T21:33:05Z")
    assert in_short(later, max_skew=5) == "reading"
    assert in_short(later, max_skew=4.999999) == "in_future"
    assert in_short(later, max_skew=0, arrived_at=ARRIVED + 5_000_000) == "reading"


def test_an_old_reading_is_not_flagged_late() -> None:
    assert the_reading(taken(TAKEN.replace("2026", "2016"))).flags == []
