"""Series: a SampledData is a reading for each moment (row 12)."""

from typing import Any

import pytest

from tests.fhir.messages import (
    UCUM,
    Row,
    an_observation,
    at,
    component,
    concept,
    fates,
    in_short,
    mmhg,
    parse,
    the_fault,
)

DIASTOLIC = component("8462-4", 80)


def a_series(data: str, *, code: str = "8480-6", **changes: Any) -> dict[str, Any]:
    sampled = {"origin": mmhg(0), "period": 60_000, "dimensions": 1, "data": data} | changes
    kept = {name: each for name, each in sampled.items() if each is not None}
    return {"code": concept(code), "valueSampledData": kept}


def sampled(*components: dict[str, Any], **changes: Any) -> list[Row]:
    changes = {"component": list(components) or None} | changes
    found = fates(parse(an_observation(**changes)))
    assert all(isinstance(each, Row) for _, each in found), found
    return [each for _, each in found if isinstance(each, Row)]


def test_a_series_is_a_reading_for_each_moment_that_has_both_numbers() -> None:
    found = sampled(
        a_series("118 121 E 125 U 128"),
        a_series("76 78 79 80 81 L", code="8462-4"),
        effectiveDateTime="2026-01-29T20:00:00+01:00",
    )
    assert [(each.systolic, each.diastolic) for each in found] == [(118, 76), (121, 78), (125, 80)]
    assert [each.details.original_time for each in found] == [
        f"2026-01-29T20:0{minute}:00+01:00" for minute in (0, 1, 3)
    ]
    assert [each.taken_at for each in found] == [
        at(f"2026-01-29T19:0{minute}:00") for minute in (0, 1, 3)
    ]
    assert len({each.document_id for each in found}) == 3


def test_a_sample_is_its_number_times_the_factor_and_the_origin() -> None:
    kilopascal = {"value": 1, "system": UCUM, "code": "kPa"}
    found = sampled(a_series("100 150", factor=0.1, origin=kilopascal))
    assert [each.systolic for each in found] == pytest.approx([11 * 7.50062, 16 * 7.50062])
    assert {tuple(each.flags) for each in found} == {("partial",)}


@pytest.mark.parametrize(("interval", "unit"), [(60_000, "ms"), (60, "s"), (1, "min")])
def test_the_interval_of_r5_is_the_period(interval: float, unit: str) -> None:
    new = {"period": None, "interval": interval, "intervalUnit": unit}
    both = [("118 121", "8480-6"), ("76 78", "8462-4")]
    taken = {"effectiveDateTime": "2026-01-29T20:00:00Z"}
    found = sampled(*(a_series(data, code=code, **new) for data, code in both), **taken)
    assert found == sampled(*(a_series(data, code=code) for data, code in both), **taken)


def test_the_samples_of_a_resent_series_are_the_same_documents() -> None:
    series = a_series("118 121 119"), a_series("76 78 77", code="8462-4")
    once, again = sampled(*series), sampled(*reversed(series))
    assert once == again
    longer = sampled(a_series("118 121 119 120"), a_series("76 78 77 79", code="8462-4"))
    assert [each.document_id for each in longer[:3]] == [each.document_id for each in once]


def test_an_impossible_sample_is_rejected_alone() -> None:
    series = an_observation(component=[a_series("118 0 x 121", period=1000)])
    found = [getattr(each, "reason", "reading") for _, each in fates(parse(series))]
    assert found == ["reading", "out_of_range", "invalid_number", "reading"]


@pytest.mark.parametrize("data", ["E", "E U L", "", None, 7])
def test_a_series_without_a_number_is_ignored(data: object) -> None:
    series = a_series("")
    series["valueSampledData"]["data"] = data
    assert in_short(an_observation(component=[series])) == "absent"


SERIES = "Observation.component[0].valueSampledData"


@pytest.mark.parametrize(
    ("components", "fault"),
    [
        ([a_series("120 121", dimensions=2)], ("unsupported_value", ".dimensions")),
        ([a_series("120", period=0)], ("invalid_number", ".period")),
        ([a_series("120", period=None)], ("invalid_number", ".period")),
        ([a_series("120", period=86_400_001)], ("invalid_number", ".period")),
        (
            [a_series("120", period=None, interval=25, intervalUnit="h")],
            ("invalid_number", ".interval"),
        ),
        (
            [a_series("120", period=None, interval=1, intervalUnit="wk")],
            ("unsupported_unit", ".intervalUnit"),
        ),
        ([a_series("120", factor="x")], ("invalid_number", ".factor")),
        ([a_series("120", origin=None)], ("invalid_number", ".origin.value")),
        ([a_series("120", origin={"value": 0})], ("no_unit", ".origin.unit")),
        ([a_series("120 " * 10_001)], ("too_large", ".data")),
    ],
)
def test_a_series_that_cannot_be_read_is_rejected(
    components: list[object], fault: tuple[str, str]
) -> None:
    reason, path = fault
    found = the_fault(an_observation(component=components))
    assert found == (reason, f"{SERIES}{path}")


@pytest.mark.parametrize(
    ("components", "reason"),
    [
        ([a_series("120 121"), a_series("80", code="8462-4")], "unsupported_value"),
        ([a_series("120"), a_series("80", code="8462-4", period=1)], "unsupported_value"),
        ([a_series("120"), DIASTOLIC], "unsupported_value"),
    ],
)
def test_series_that_do_not_go_together_are_rejected(components: list[object], reason: str) -> None:
    assert in_short(an_observation(component=components)) == reason


@pytest.mark.parametrize("taken", [None, "2026-01-29", "2026-01"])
def test_a_series_that_does_not_say_when_it_began_is_rejected(taken: str | None) -> None:
    series = an_observation(component=[a_series("120")], effectiveDateTime=taken, issued=taken)
    assert the_fault(series) == ("invalid_time", "Observation.effective")


def test_the_later_samples_of_a_series_may_lie_in_the_future() -> None:
    found = fates(parse(an_observation(component=[a_series("120 121 122", period=599_000)])))
    assert [getattr(each, "reason", "reading") for _, each in found] == [
        "reading",
        "reading",
        "in_future",
    ]


def test_a_series_of_the_observation_itself_is_read() -> None:
    found = sampled(**a_series("120 121"))
    assert [each.systolic for each in found] == [120, 121]
