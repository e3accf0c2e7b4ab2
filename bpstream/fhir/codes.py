"""Codes: which CodeableConcept means which pressure, by (system, code) and never by display.

Sources: the HL7 profiles of vital signs (R4), US Core and Personal Health Device for LOINC,
SNOMED CT and ISO/IEEE 11073-10101 (MDC); the NHS's GP Connect for the postures; the German ISiK
and MII ICU profiles for the pressures of other vessels, and for the methods.
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from bpstream.fhir.element import code_of, list_of, object_of, text_of
from bpstream.reading import Kind, Series


class Pressure(StrEnum):
    """The three pressures a reading may have."""

    SYSTOLIC = "systolic"
    DIASTOLIC = "diastolic"
    MEAN = "mean"


LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
MDC = "urn:iso:std:iso:11073:10101"

PANEL, SYSTOLIC, DIASTOLIC, MEAN = "85354-9", "8480-6", "8462-4", "8478-0"
"""LOINC, of the HL7 profile: what `build` writes and the fast path reads."""

INVASIVE = "76215-3 76213-8 76214-6"
"""LOINC, systolic, diastolic and mean of an arterial line: `export` writes them as well."""

SYSTOLIC_TEXT, DIASTOLIC_TEXT = "Systolic Blood Pressure", "Diastolic Blood Pressure"
"""What the original producer writes instead of codes."""

# As they are written: with https, www or a slash, as HL7's OIDs, SNOMED CT with its edition.
_SPELLINGS = {
    LOINC: r"https?://(?:www\.)?loinc\.org|urn:oid:2\.16\.840\.1\.113883\.6\.1",
    SNOMED: r"https?://(?:www\.)?snomed\.info/sct(?:/\d+(?:/version/\d+)?)?"
    r"|urn:oid:2\.16\.840\.1\.113883\.6\.96",
    MDC: r"urn:iso:std:iso:11073:10101|urn:oid:2\.16\.840\.1\.113883\.6\.24",
}
_SYSTEMS = {name: re.compile(spelling, re.IGNORECASE) for name, spelling in _SPELLINGS.items()}


class Concept(NamedTuple):
    """What one code means; a panel has no pressure of its own."""

    pressure: Pressure | None = None
    kind: Kind = Kind.READING
    series: Series = Series.UNKNOWN


def _triples(system: str, kind: Kind, series: Series, codes: str) -> dict[tuple[str, str], Concept]:
    """Concepts of the codes of a panel, systolic, diastolic and mean pressure ("-": no such)."""
    meanings = (None, *Pressure)
    return {
        (system, code): Concept(pressure, kind, series)
        for code, pressure in zip(codes.split(), meanings, strict=True)
        if code != "-"
    }


_CONCEPTS = {
    **_triples(LOINC, Kind.READING, Series.UNKNOWN, f"{PANEL} {SYSTOLIC} {DIASTOLIC} {MEAN}"),
    **_triples(LOINC, Kind.READING, Series.UNKNOWN, "55284-4 - - -"),
    **_triples(LOINC, Kind.READING, Series.UNKNOWN, "35094-2 - - -"),
    **_triples(LOINC, Kind.READING, Series.UNKNOWN, "- 8459-0 8453-3 -"),
    **_triples(LOINC, Kind.READING, Series.UNKNOWN, "- 8460-8 8454-1 -"),
    **_triples(LOINC, Kind.READING, Series.UNKNOWN, "- 8461-6 8455-8 -"),
    **_triples(LOINC, Kind.READING, Series.CUFF, "- 76534-7 76535-4 76536-2"),
    **_triples(LOINC, Kind.READING, Series.ARTERIAL, f"- {INVASIVE}"),
    **_triples(LOINC, Kind.AGGREGATE, Series.UNKNOWN, "96607-7 96608-5 96609-3 -"),
    **_triples(LOINC, Kind.AGGREGATE, Series.UNKNOWN, "97844-5 8490-5 8472-3 -"),
    **_triples(SNOMED, Kind.READING, Series.UNKNOWN, "75367002 271649006 271650006 6797001"),
    **_triples(SNOMED, Kind.READING, Series.UNKNOWN, "- 72313002 1091811000000102 -"),
    **_triples(SNOMED, Kind.READING, Series.UNKNOWN, "163020007 - - -"),
    **_triples(SNOMED, Kind.READING, Series.UNKNOWN, "163035008 407554009 407555005 -"),
    **_triples(SNOMED, Kind.READING, Series.UNKNOWN, "163034007 400974009 400975005 -"),
    **_triples(SNOMED, Kind.READING, Series.UNKNOWN, "163033001 407556006 407557002 -"),
    **_triples(SNOMED, Kind.READING, Series.UNKNOWN, "928021000000108 716579001 716632005 -"),
    **_triples(SNOMED, Kind.READING, Series.UNKNOWN, "335661000000109 1162737008 1162735000 -"),
    **_triples(SNOMED, Kind.READING, Series.CUFF, "- 251070002 174255007 -"),
    **_triples(SNOMED, Kind.READING, Series.ARTERIAL, "- 251071003 251073000 251074006"),
    **_triples(SNOMED, Kind.AGGREGATE, Series.UNKNOWN, "- 314440001 314453003 -"),
    **_triples(
        SNOMED,
        Kind.AGGREGATE,
        Series.UNKNOWN,
        "2181371000000107 2181381000000109 2181391000000106 -",
    ),
    **_triples(MDC, Kind.READING, Series.UNKNOWN, "150016 150017 150018 150019"),
    **_triples(MDC, Kind.READING, Series.CUFF, "150020 150021 150022 150023"),
    **_triples(MDC, Kind.READING, Series.ARTERIAL, "150032 150033 150034 150035"),
    **_triples(MDC, Kind.READING, Series.ARTERIAL, "150036 150037 150038 150039"),
}

# How it was taken, where Observation.method tells: invasive, arterial monitoring; non-invasive,
# auscultation, palpation, oscillometry.
_METHODS = {
    "10179008": Series.ARTERIAL,
    "77938009": Series.ARTERIAL,
    "22762002": Series.CUFF,
    "17146006": Series.CUFF,
    "37931006": Series.CUFF,
    "113011001": Series.CUFF,
    "31813000": Series.CUFF,
}

_TEXTS = {
    SYSTOLIC_TEXT.casefold(): Concept(Pressure.SYSTOLIC),
    DIASTOLIC_TEXT.casefold(): Concept(Pressure.DIASTOLIC),
    "mean blood pressure": Concept(Pressure.MEAN),
    "mean arterial pressure": Concept(Pressure.MEAN),
    "blood pressure": Concept(),
    "blood pressure panel": Concept(),
    "blood pressure systolic & diastolic": Concept(),
    "blood pressure systolic and diastolic": Concept(),
    "blood pressure panel with all children optional": Concept(),
}

# Pressures elsewhere, whose components carry the systemic codes as well.
_OTHER_VESSELS = {
    LOINC: {
        "pulmonary artery, wedge": "76284-9 8440-0 8385-7 8414-5 75994-4",
        "atria": "60996-6 60998-2 60997-4 8400-4 60988-3 60989-1 75933-2 8399-8",
        "ventricles": "8430-1 8375-8 8404-6 8432-7 8377-4 8406-1",
        "central venous, intracranial": "60985-9 60956-0",
    },
    SNOMED: {
        "pulmonary artery": "250767002 250768007 250769004 250770003 118433006",
        "atria, ventricles": "276755008 276762004 276769008 276780008 276781007 "
        "276756009 276772001 276773006 276774000 399023006",
        "central venous, intracranial": "71420008 250844005",
        "body sites: pulmonary artery, ventricles, atria, caval and portal veins": "81040000 "
        "87878005 53085002 82471001 73829009 48345005 64131007 32764006 264856002 277633001 "
        "244387002 244383003",
    },
}
_OTHER_VESSEL_CODES = {
    system: frozenset(" ".join(codes.values()).split()) for system, codes in _OTHER_VESSELS.items()
}
# MDC numbers every blood pressure in one block; what is not systemic above is elsewhere.
_MDC_BLOOD_PRESSURES = range(150016, 150136)
# Words only ever exclude, so a local code cannot pass a pulmonary pressure for an arterial one.
_OTHER_VESSEL_WORDS = re.compile(
    r"pulm|lungenarteri|ventri[ck]|atri(?:al|um)(?!\W+(?:fib|flut))|vorhof(?!fl)"
    r"|\b(?:central|portal) ven|\bvenous pressure|\bvena cava|zentralven|pfortader"
    r"|\bwedge\b|intra[ck]rani|hirndruck"
    r"|\b(?:[smd]?pap[smd]?|pa[sd]p|p[ca]wp|paop|[rl]vs?p|cvp|zvd|icp)\b",
    re.IGNORECASE,
)
_SYSTEM_READ, _CODE_READ, _WORDS_READ = 128, 64, 300
_MOST_KEPT = 20


class Meaning(NamedTuple):
    """What a CodeableConcept means here."""

    concepts: frozenset[Concept]
    coding: str
    """The coding that matched, as `system|code`; its text where it has no coding."""
    other_vessel: bool
    """Whether it names another vessel, or a chamber of the heart."""
    pressures: frozenset[Pressure]
    """The pressures it names: one, or none for a panel and for anything else."""
    is_aggregate: bool
    """Whether any of its codings names a mean over a period."""
    series: Series
    """How it was taken, where a coding tells; invasive outweighs cuff."""


def meaning(concept: object) -> Meaning:
    """The meaning of a CodeableConcept: any of its codings counts, wherever it stands.

    Its text counts only where it has no coding at all.  A list of them means what all mean.
    """
    written = _written(concept)
    if len(written.codings) + len(written.texts) > _MOST_KEPT:
        return _read(written)
    return _meaning(written)


def names_other_vessel(concept: object) -> bool:
    """Whether a code or a bodySite is of another vessel, or a chamber of the heart."""
    return meaning(concept).other_vessel


def series_of_method(concept: object) -> Series:
    """How the pressure was taken, by Observation.method."""
    methods = [
        _METHODS.get(each.code)
        for each in _written(concept).codings
        if _system(each.system) == SNOMED
    ]
    return max((each for each in methods if each), default=Series.UNKNOWN)


class _Coding(NamedTuple):
    """A coding as far as it is read; a part that is not there is empty."""

    system: str
    code: str
    display: str


class _Written(NamedTuple):
    """A CodeableConcept as far as it is read."""

    codings: tuple[_Coding, ...]
    texts: tuple[str, ...]


def _written(concept: object) -> _Written:
    codings, texts = [], []
    for each in list_of(concept):
        element = object_of(each)
        for one in list_of(element.get("coding")):
            coding = object_of(one)
            system, code = text_of(coding.get("system")), code_of(coding.get("code"))
            display = text_of(coding.get("display"))
            codings.append(_Coding(system[:_SYSTEM_READ], code[:_CODE_READ], display[:_WORDS_READ]))
        if text := text_of(element.get("text")):
            texts.append(text[:_WORDS_READ])
    return _Written(tuple(codings), tuple(texts))


def _read(written: _Written) -> Meaning:
    codings = [(_system(each.system), each.code) for each in written.codings if each.code]
    if codings:
        found = [(_CONCEPTS[each], "|".join(each)) for each in codings if each in _CONCEPTS]
    else:
        words = " ".join("".join(written.texts[:1]).casefold().split())
        found = [(_TEXTS[words], words)] if words in _TEXTS else []
    concepts = frozenset(each for each, _ in found)
    texts = [*written.texts, *(each.display for each in written.codings)]
    return Meaning(
        concepts,
        min((coding for each, coding in found if each.pressure), default=""),
        any(map(_is_elsewhere, codings)) or any(map(_OTHER_VESSEL_WORDS.search, texts)),
        frozenset(each.pressure for each in concepts if each.pressure),
        any(each.kind is Kind.AGGREGATE for each in concepts),
        max((each.series for each in concepts), default=Series.UNKNOWN),
    )


# A feed has a handful of concepts, and repeats them.
_meaning = lru_cache(maxsize=1024)(_read)


def _is_elsewhere(coding: tuple[str, str]) -> bool:
    system, code = coding
    if code in _OTHER_VESSEL_CODES.get(system, ()):
        return True
    unknown_mdc = system == MDC and coding not in _CONCEPTS and code.isdecimal()
    return unknown_mdc and len(code) == 6 and int(code) in _MDC_BLOOD_PRESSURES


def _system(written: str) -> str:
    """The one spelling of a system of ours; others stay as they are."""
    system = written.rstrip("/")
    return next((name for name, known in _SYSTEMS.items() if known.fullmatch(system)), system)
