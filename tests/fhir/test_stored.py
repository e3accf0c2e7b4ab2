"""Observations as servers keep them: what they add leaves one plain, or to the tolerant reader."""

import json
import re
from datetime import datetime
from itertools import permutations
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bpstream.fhir.codes import names_other_vessel
from bpstream.fhir.forms import Stored
from tests.fhir.messages import (
    MDC,
    SNOMED,
    THOROUGHLY,
    an_observation,
    component,
    concept,
    damaged,
    mmhg,
    read_plainly,
    read_tolerantly,
    rows,
)

ZONES = st.sampled_from(["+00:00", "Z", "+01:00", "-05:30", "+14:00", "-00:00"])
MOMENTS = st.datetimes(datetime(1900, 1, 2), datetime(2026, 1, 29))
# Of none that names another vessel: an Observation with such a word is left to the tolerant reader.
WORDS = st.text(max_size=20).filter(lambda text: not names_other_vessel({"text": text}))
DISPLAYED = {"display": WORDS}
TIMES = st.builds(lambda at, zone: at.isoformat(timespec="milliseconds") + zone, MOMENTS, ZONES)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
_CLINICAL = ("basedOn", "category", "derivedFrom", "encounter", "interpretation", "note", "partOf")
UNUSED = (*_CLINICAL, "extension", "identifier", "issued", "language", "referenceRange", "text")


def some_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with any of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


def one_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with one of the fields: beside others it might never be seen."""
    return st.one_of([st.fixed_dictionaries({name: each}) for name, each in fields.items()])


ARTERIAL, AUSCULTATION = (concept(code, system=SNOMED) for code in ("77938009", "22762002"))
PERFORMERS = ("Practitioner/d", "Practitioner/", "PractitionerRole/r", "Patient/p1", "")
KEPT = some_of(
    meta=some_of(
        versionId=st.sampled_from(["1", "007", "9" * 18, "9" * 19, "W/1", "", "１"]),
        lastUpdated=TIMES,
        source=st.sampled_from(["", "#", "#Xm3Kq0Vd"]),
        profile=ANYTHING,
    ),
    device=some_of(
        reference=st.sampled_from(["Device/d1", "http://x/Device/d1", "#d", "Patient/p", ""]),
        identifier=st.just({"system": "s", "value": "v"}),
        **DISPLAYED,
    ),
    status=st.sampled_from(["preliminary", "amended", "corrected"]),
    method=st.sampled_from(
        [
            {},
            {"text": "Wedge"},
            *(concept(code, system=SNOMED) for code in ("77938009", "22762002")),
        ]
    ),
    performer=st.lists(
        st.sampled_from(
            ["Patient/p1", "PractitionerRole/r", "Practitioner/", "Practitioner/d", ""]
        ).map(lambda reference: {"reference": reference, "display": "Dr D"}),
        min_size=1,
        max_size=3,
    ),
    bodySite=some_of(
        text=st.sampled_from(["Left arm", "Right wrist"]),
        coding=st.just([{"system": SNOMED, "code": "368208006", "display": "Left upper arm"}]),
    ),
    **dict.fromkeys(UNUSED, ANYTHING),
)
"""What servers write beside a reading."""
UNUSUAL = one_of(
    meta=one_of(
        versionId=st.sampled_from([" 1 ", "1\n", 1, None]),
        lastUpdated=st.sampled_from(
            ["2024", "", "2024-02-30T00:00:00Z", "9999-12-31T23:59:59-01:00"]
        ),
        source=st.sampled_from([" #", "urn:uuid:1#2", "http://x"]),
        tag=st.just([{"code": "HTEST"}]),
        security=st.just([{"code": "R"}]),
    ),
    effectiveDateTime=st.sampled_from(["2026-01-29T21:32:51+14:01", "2026-01-29T21:32:51*01:00"]),
    code=st.sampled_from(
        [{}, {"text": "Wedge"}, concept("96607-7"), concept("8480-6"), concept("8478-0")]
    ),
    bodySite=st.sampled_from([{"text": "Pulmonary artery"}, [{"text": "Left arm"}], {}]),
    device=st.sampled_from([{"reference": "http://"}, {"type": "Device"}, [], {}]),
    performer=st.sampled_from([[], [{"reference": "Practitioner/a b"}], [{"reference": None}]]),
    status=st.sampled_from(["unknown", "registered", "entered-in-error", "final ", None]),
    subject=st.sampled_from(
        [{"reference": "Patient/p1", "type": "Group"}, {"reference": "Patient/p1/_history/3"}]
    ),
    component=st.sampled_from(
        [
            [component(code, value) for code, value in zip(pair, (120, 80), strict=True)]
            for pair in permutations(("8480-6", "8462-4", "8478-0", "76534-7", "8867-4"), 2)
        ]
    ),
    focus=st.just([{"reference": "Patient/other"}]),
    contained=st.just([{"resourceType": "Patient", "id": "p1", "birthDate": "2020"}]),
)
"""What may change how an Observation is read."""


@st.composite
def stored_messages(draw: st.DrawFn) -> dict[str, Any]:
    """Observations as servers keep them: either pressure first, with displays and more codes."""
    codings = {
        code: draw(st.permutations([*concept(code)["coding"], *more]))
        for code, more in {
            "85354-9": concept("75367002", system=SNOMED)["coding"],
            "8480-6": concept("150021", system=MDC)["coding"],
            "8462-4": concept("bp-d", system="http://acme.example")["coding"],
            "8478-0": concept("150035", system=MDC)["coding"],
        }.items()
    }
    concepts = {
        code: {"coding": [each | draw(some_of(**DISPLAYED)) for each in coding]}
        for code, coding in codings.items()
    }
    components = [
        {"code": concepts[code] | draw(some_of(text=WORDS)), "valueQuantity": mmhg(value)}
        | draw(some_of(interpretation=ANYTHING, referenceRange=ANYTHING))
        for code, value in (("8480-6", draw(st.floats(30, 350))), ("8462-4", 80), ("8478-0", 93.3))
    ]
    components = components[: draw(st.sampled_from([2, 3]))]
    named = some_of(identifier=st.just({"value": "v"}), type=st.just("Patient"), **DISPLAYED)
    return an_observation(
        subject={"reference": "Patient/p1"} | draw(named),
        effectiveDateTime=draw(TIMES),
        code=draw(st.none() | st.just(concepts["85354-9"])),
        component=draw(st.permutations(components)),
        **draw(KEPT),
    )


@THOROUGHLY
@given(stored_messages(), st.sampled_from(["", "ward 3"]))
def test_what_servers_add_leaves_an_observation_plain(stored: dict[str, Any], source: str) -> None:
    message = json.dumps(stored).encode()
    readings, left = read_plainly(message, source=source)
    assert not left
    assert rows(readings) == [read_tolerantly(message, source=source)]


@THOROUGHLY
@given(stored_messages(), st.data())
def test_what_is_accepted_of_damaged_ones_is_read_alike(
    stored: dict[str, Any], data: st.DataObject
) -> None:
    message = damaged(json.dumps(stored).encode(), data)
    readings, left = read_plainly(message)
    assert rows(readings) == ([] if left else [read_tolerantly(message)])


@THOROUGHLY
@given(stored_messages(), UNUSUAL)
def test_what_may_change_a_reading_is_read_alike_or_left(
    stored: dict[str, Any], unusual: dict[str, Any]
) -> None:
    message = json.dumps(stored | unusual).encode()
    readings, left = read_plainly(message)
    assert rows(readings) == ([] if left else [read_tolerantly(message)])


def test_the_docs_name_every_property_of_what_is_read_fast() -> None:
    text = (Path(__file__).parents[2] / "docs" / "fhir.md").read_text()
    section = text.partition("## What is read fast")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", section)) - {"bpstream_messages_total", "valueQuantity"}
    assert named == set(Stored.__struct_fields__)
