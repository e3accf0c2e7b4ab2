"""The page on FHIR against the code: what is read stands there, and nothing else does."""

import re
from itertools import takewhile
from pathlib import Path

import msgspec
import pytest

from bpstream.document import Document
from bpstream.fhir import codes, quantity, status
from bpstream.fhir.codes import LOINC, MDC, SNOMED, Concept, Pressure
from bpstream.fhir.details import CHILD_BELOW
from bpstream.fhir.export import Interpretation
from bpstream.fhir.reasons import Fault, Passed
from bpstream.fhir.samples import MOST_SAMPLES
from bpstream.memory import LATE_AFTER
from bpstream.patients import RECENT
from bpstream.reading import Flag, Kind, Series

PAGE = (Path(__file__).parents[2] / "docs" / "fhir.md").read_text()
SYSTEMS = {"LOINC": LOINC, "SNOMED": SNOMED, "MDC": MDC}
FLAGS = (~Flag(0)).names()


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def table(heading: str, *, first: str) -> list[list[str]]:
    """The cells of the section's table whose first column is headed `first`, without backticks."""
    head, body = f"| {first} |", section(heading)
    assert f"\n{head}" in body, f"{heading} has no table headed {first}"
    lines = body[body.index(f"\n{head}") :].strip().splitlines()
    rows = takewhile(lambda line: line.startswith("|"), lines)
    cells = (re.split(r"(?<!\\)\|", line)[1:-1] for line in list(rows)[2:])
    return [[cell.strip().strip("`") for cell in row] for row in cells]


def test_every_variation_has_its_line():
    assert [row[0] for row in table("Variations", first="#")] == [
        str(number) for number in range(1, 26)
    ]
    assert all(len(cell) > 5 for row in table("Variations", first="#") for cell in row[1:])


@pytest.mark.parametrize(("heading", "reasons"), [("Dead letters", Fault), ("Ignored", Passed)])
def test_the_reasons_are_those_of_the_code_in_their_order(heading, reasons):
    assert [row[0] for row in table(heading, first="reason")] == list(map(str, reasons))


def test_the_flags_are_those_of_the_code_in_their_order():
    assert [row[0] for row in table("Flags", first="flag")] == FLAGS


def test_the_statuses_are_used_as_told():
    told = {name: (use, flag) for name, use, flag in table("Status", first="status")}
    assert told == {
        name: (use.value, " ".join(flags.names())) for name, (use, flags) in status._STATUS.items()
    }


def test_the_codes_mean_what_is_told():
    told = {}
    for system, *named, kind, series in table("Codes", first="system"):
        for code, pressure in zip(named, (None, *Pressure), strict=True):
            if code:
                concept = Concept(pressure, Kind[kind.upper()], Series[series.upper()])
                told[SYSTEMS[system], code] = concept
    assert told == codes._CONCEPTS


def test_the_words_mean_what_is_told():
    told = {
        words: Concept(None if meaning == "panel" else Pressure(meaning))
        for words, meaning in table("Codes", first="words")
    }
    assert told == codes._TEXTS


def test_the_codes_of_other_vessels_are_those_that_are_told():
    told = table("Other vessels", first="system")
    assert {(SYSTEMS[system], where): listed.split() for system, where, listed in told} == {
        (system, where): listed.split()
        for system, places in codes._OTHER_VESSELS.items()
        for where, listed in places.items()
    }
    block = codes._MDC_BLOOD_PRESSURES
    assert f"from {block[0]} to {block[-1]}" in section("Other vessels")


@pytest.mark.parametrize(
    "word",
    [
        *("Pulmonary", "atrial", "ventricular", "vena cava", "central venous", "portal venous"),
        *("wedge", "intracranial", "PAP", "PCWP", "RVSP", "CVP", "ICP"),
    ],
)
def test_the_words_of_other_vessels_exclude(word):
    assert codes.names_other_vessel({"text": f"{word} pressure"})


def test_the_methods_are_those_that_are_told():
    told = {code: Series[series.upper()] for code, series in table("Methods", first="code")}
    assert told == codes._METHODS


def test_the_units_are_worth_what_is_told():
    assert {
        unit: float(worth) for unit, worth in table("Units", first="UCUM")
    } == quantity._MMHG_PER
    words = re.search(r"In words,.*?:(.*?)\.\n", section("Units"), re.S)
    assert words is not None
    assert set(re.findall("`(.*?)`", words[1])) == quantity._MMHG_SPELLINGS
    comparators = re.findall("`([<>]=?)`", section("Units"))
    assert set(comparators) == quantity._COMPARATORS


def test_the_ranges_are_those_that_are_told():
    told = {Pressure(name): (float(a), float(b)) for name, a, b in table("Units", first="pressure")}
    assert told == quantity._RANGE


def test_the_interpretations_are_those_of_the_export():
    told = table("Readings as FHIR again", first="code")
    assert [code for code, _ in told] == list(map(str, Interpretation))


def test_the_limits_in_the_text_are_those_of_the_code():
    assert f"at most {MOST_SAMPLES:,} samples" in PAGE
    assert f"younger than {CHILD_BELOW}" in PAGE
    assert f"than {LATE_AFTER // 60_000_000} minutes at its arrival" in PAGE
    assert f"at most {RECENT}, the newest first" in PAGE


def test_nothing_on_the_page_looks_like_a_code_and_is_none():
    known = {code for _, code in codes._CONCEPTS} | codes._METHODS.keys()
    known |= {code for listed in codes._OTHER_VESSEL_CODES.values() for code in listed}
    block = codes._MDC_BLOOD_PRESSURES
    ends = {str(block[0]), str(block[-1])}
    assert set(re.findall(r"(?<![\w.-])\d{4,5}-\d(?![\w-])", PAGE)) <= known
    # Longer than any number that is written out, and shorter than no code.
    assert set(re.findall(r"(?<![\w.:])\d{6,18}(?![\w-])", PAGE)) <= known | ends
    brackets = set(re.findall(r"\b\w+\[\w+\]", PAGE))
    assert brackets == {unit for unit in quantity._MMHG_PER if "[" in unit}


ELSEWHERE = {"bpstream_inputs_total", "bpstream_messages_total", "unknown_retraction"}
"""What the page names of other parts."""


def test_nothing_on_the_page_looks_like_a_name_and_is_none():
    names = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)`", PAGE))
    fields = {each.name for each in msgspec.structs.fields(Document)}
    assert names <= {*map(str, Fault), *map(str, Passed), *FLAGS, *fields, *ELSEWHERE}
