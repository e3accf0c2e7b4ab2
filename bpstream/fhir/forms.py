"""The plain forms of an Observation, as typed structs: the original producer's, and the coded one.

The structs are strict: decoding refuses whatever is not spelled out here.  Literals cannot be
computed, so they repeat the codes; the assertions at the end hold them together.
"""

from typing import Literal, get_args

import msgspec

from bpstream.fhir.codes import DIASTOLIC, DIASTOLIC_TEXT, LOINC, PANEL, SYSTOLIC, SYSTOLIC_TEXT
from bpstream.fhir.quantity import UCUM, UCUM_MMHG

PATIENT, PRACTITIONER = "Patient/", "Practitioner/"
"""What the references of a plain Observation begin with."""

_SystolicText = Literal["Systolic Blood Pressure"]
_DiastolicText = Literal["Diastolic Blood Pressure"]
_Loinc = Literal["http://loinc.org"]
_PanelCode = Literal["85354-9"]
_SystolicCode = Literal["8480-6"]
_DiastolicCode = Literal["8462-4"]
_Ucum = Literal["http://unitsofmeasure.org"]
_UcumMmhg = Literal["mm[Hg]"]


class _Strict(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """Decoding refuses anything that is not spelled out."""


class Reference(_Strict):
    """A reference and nothing beside it."""

    reference: str


_NOBODY = (Reference(PRACTITIONER),)


class _CategoryCoding(_Strict):
    system: Literal["http://terminology.hl7.org/CodeSystem/observation-category"]
    code: Literal["vital-signs"]


class _Category(_Strict):
    coding: tuple[_CategoryCoding]


class _Frame(_Strict, kw_only=True):
    """What the two forms have in common."""

    resourceType: Literal["Observation"]  # noqa: N815 (FHIR's own names, here and below)
    id: str
    status: Literal["final"]
    category: tuple[_Category] | None = None
    subject: Reference
    effectiveDateTime: str  # noqa: N815
    performer: tuple[Reference] = _NOBODY


class _SystolicInWords(_Strict):
    text: _SystolicText


class _DiastolicInWords(_Strict):
    text: _DiastolicText


class _PanelInWords(_Strict):
    text: Literal["Blood Pressure", "Blood pressure"]


class _AmountInWords(_Strict):
    value: float
    unit: Literal["mmHg"]


class _SystolicComponentInWords(_Strict):
    code: _SystolicInWords
    valueQuantity: _AmountInWords  # noqa: N815


class _DiastolicComponentInWords(_Strict):
    code: _DiastolicInWords
    valueQuantity: _AmountInWords  # noqa: N815


class InWords(_Frame, kw_only=True):
    """The original producer's Observation: its components are named in words."""

    code: _PanelInWords | None = None
    component: tuple[_SystolicComponentInWords, _DiastolicComponentInWords]


class _PanelCoding(_Strict):
    system: _Loinc
    code: _PanelCode


class _SystolicCoding(_Strict):
    system: _Loinc
    code: _SystolicCode


class _DiastolicCoding(_Strict):
    system: _Loinc
    code: _DiastolicCode


class _Panel(_Strict):
    coding: tuple[_PanelCoding]


class _Systolic(_Strict):
    coding: tuple[_SystolicCoding]


class _Diastolic(_Strict):
    coding: tuple[_DiastolicCoding]


class _Amount(_Strict):
    value: float
    system: _Ucum
    code: _UcumMmhg
    unit: str | None = None


class _SystolicComponent(_Strict):
    code: _Systolic
    valueQuantity: _Amount  # noqa: N815


class _DiastolicComponent(_Strict):
    code: _Diastolic
    valueQuantity: _Amount  # noqa: N815


class Coded(_Frame, kw_only=True):
    """The Observation with LOINC and UCUM codes, as `build.observation` writes it."""

    code: _Panel
    component: tuple[_SystolicComponent, _DiastolicComponent]


Plain = InWords | Coded

assert get_args(_SystolicText) == (SYSTOLIC_TEXT,)
assert get_args(_DiastolicText) == (DIASTOLIC_TEXT,)
assert get_args(_Loinc) == (LOINC,)
assert get_args(_PanelCode) == (PANEL,)
assert get_args(_SystolicCode) == (SYSTOLIC,)
assert get_args(_DiastolicCode) == (DIASTOLIC,)
assert get_args(_Ucum) == (UCUM,)
assert get_args(_UcumMmhg) == (UCUM_MMHG,)
