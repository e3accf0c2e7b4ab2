"""The plain forms of an Observation, as typed structs: the original producer's, ours, a server's.

The structs are strict: decoding refuses whatever is not spelled out here.  Literals cannot be
computed, so they repeat the codes; the assertions at the end hold them together.
"""

from typing import Annotated, Any, Literal, get_args

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
    """What all forms have in common."""

    resourceType: Literal["Observation"]  # noqa: N815 (FHIR's own names, here and below)
    id: str
    effectiveDateTime: str  # noqa: N815


class _Bare(_Frame, kw_only=True):
    """What is common to the forms that have nothing beside the reading."""

    status: Literal["final"]
    category: tuple[_Category] | None = None
    subject: Reference
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


class InWords(_Bare, kw_only=True):
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


class Coded(_Bare, kw_only=True):
    """The Observation with LOINC and UCUM codes, as `build.observation` writes it."""

    code: _Panel
    component: tuple[_SystolicComponent, _DiastolicComponent]


class _Named(_Strict, kw_only=True):
    """A reference with what servers write beside it."""

    reference: str = ""
    type: str | None = None
    display: str | None = None
    identifier: Any = None


_NOBODY_NAMED = (_Named(reference=PRACTITIONER),)


class _NamedPatient(_Strict, kw_only=True):
    reference: str
    type: Literal["Patient"] | None = None
    display: str | None = None
    identifier: Any = None


_Words = Annotated[str, msgspec.Meta(max_length=300)]


class _Key(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What others are looked up by."""


class _Coding(_Key, frozen=True, kw_only=True):
    system: _Words | None = None
    version: _Words | None = None
    code: _Words | None = None
    display: _Words | None = None
    userSelected: bool | None = None  # noqa: N815


class Concept(_Key, frozen=True, kw_only=True):
    """A CodeableConcept: a feed has a handful of them, and repeats them."""

    coding: Annotated[tuple[_Coding, ...], msgspec.Meta(max_length=8)] = ()
    text: _Words | None = None


class _Component(_Strict, kw_only=True):
    """A pressure, with what tells nothing of its value."""

    code: Concept
    valueQuantity: _Amount  # noqa: N815
    interpretation: Any = None
    referenceRange: Any = None  # noqa: N815


class Meta(_Strict, kw_only=True):
    """What a server keeps of a resource.  A source that begins with # is the request's name."""

    versionId: str | None = None  # noqa: N815
    lastUpdated: str | None = None  # noqa: N815
    source: Annotated[str, msgspec.Meta(pattern="^(#|$)")] = ""
    profile: Any = None


class Stored(_Frame, kw_only=True):
    """An Observation as servers keep it: what its codes mean is still to be asked.

    What is `Any` has no part in a reading, so long as it is JSON.
    """

    status: Literal["final", "preliminary", "amended", "corrected"]
    meta: Meta | None = None
    subject: _NamedPatient
    performer: Annotated[tuple[_Named, ...], msgspec.Meta(min_length=1)] = _NOBODY_NAMED
    code: Concept | None = None
    component: Annotated[tuple[_Component, ...], msgspec.Meta(min_length=2, max_length=3)]
    device: _Named | None = None
    method: Concept | None = None
    bodySite: Concept | None = None  # noqa: N815
    basedOn: Any = None  # noqa: N815
    category: Any = None
    derivedFrom: Any = None  # noqa: N815
    encounter: Any = None
    extension: Any = None
    identifier: Any = None
    interpretation: Any = None
    issued: Any = None
    language: Any = None
    note: Any = None
    partOf: Any = None  # noqa: N815
    referenceRange: Any = None  # noqa: N815
    text: Any = None


Plain = InWords | Coded | Stored

assert get_args(_SystolicText) == (SYSTOLIC_TEXT,)
assert get_args(_DiastolicText) == (DIASTOLIC_TEXT,)
assert get_args(_Loinc) == (LOINC,)
assert get_args(_PanelCode) == (PANEL,)
assert get_args(_SystolicCode) == (SYSTOLIC,)
assert get_args(_DiastolicCode) == (DIASTOLIC,)
assert get_args(_Ucum) == (UCUM,)
assert get_args(_UcumMmhg) == (UCUM_MMHG,)
