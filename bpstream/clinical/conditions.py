"""Conditions of alarm rules: `systolic > 140 and diastolic > 90 or mean < 55`.

Where a value is only bounded or not known, a condition holds, is clear, or is neither.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Positions = NDArray[np.intp]

PRESSURES = ("systolic", "diastolic", "mean")
"""The measures in mmHg, which alone have a deadband."""
WARNINGS = ("hypotension_warning", "low_map_warning", "severe_warning")
"""The probabilities that the patient's next reading is in each of the model's target states."""
OF_SILENCE = ("silence", "missed")
"""Of a patient, and not of a reading: minutes since the last reading, and the same in that
patient's usual gaps.  At a reading both are 0."""
OF_THE_WARD = ("anomalies",)
"""Of all patients together: anomalous readings within the rule's time."""
MEASURES = (*PRESSURES, "artefact", "deviation", *WARNINGS, *OF_SILENCE, *OF_THE_WARD)
"""What a condition may compare.  `artefact` is 1 for an implausible reading, else 0; `deviation`
is how far the reading is from the patient's usual, in that patient's standard deviations."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What is known of each reading: a lowest and a highest value by name of the measure.

    Every one of MEASURES is there, with shape ``(n,)``; both are the same array where values are
    exact.  NaN in both is unknown.  The bound "> 200" is the next number above 200, and infinity.
    """

    low: Mapping[str, Floats]
    high: Mapping[str, Floats]
    limits: Mapping[str, Floats] = field(default_factory=dict)
    """By name, the patients' own limits; NaN where a patient has none of the name."""

    @classmethod
    def exact(
        cls,
        systolic: Floats,
        diastolic: Floats,
        mean: Floats,
        artefact: Bools,
        more: Mapping[str, Floats] | None = None,
    ) -> Self:
        """Exact pressures (mmHg), and what else is known, by name.

        Those of an artefact are unknown: nothing clinical fires.
        """
        pressures = [systolic, diastolic, mean]
        if artefact.any():
            pressures = [np.where(artefact, np.nan, each) for each in pressures]
        named = dict(zip(PRESSURES, pressures, strict=True))
        return cls.only(
            len(systolic), {**named, "artefact": artefact.astype(np.float64), **(more or {})}
        )

    @classmethod
    def only(cls, n: int, known: Mapping[str, Floats]) -> Self:
        """Exact values, each of shape ``(n,)``; of the other measures nothing is known."""
        columns: dict[str, Floats] = {**dict.fromkeys(MEASURES, np.full(n, np.nan)), **known}
        return cls(columns, columns)

    def take(self, at: Positions, limits: Mapping[str, Floats]) -> Self:
        """What is known of the readings at `at`, whose patients have these `limits`."""
        low = {name: values[at] for name, values in self.low.items()}
        if self.high is self.low:
            return type(self)(low, low, limits)
        return type(self)(low, {name: values[at] for name, values in self.high.items()}, limits)


OPERATORS = ("<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True)
class Atom:
    """One comparison of a measure with a number."""

    measure: str
    operator: str
    """`<`, `<=`, `>` or `>=`."""
    bound: float
    limit: str = field(default="", repr=False)
    """The limit of a patient's own that takes the bound's place; empty: none does."""


Condition = tuple[tuple[Atom, ...], ...]
"""Groups of atoms: it holds where any group does, and a group holds where all its atoms do."""


def parse(text: str) -> Condition:
    """Read a condition; `and` binds closer than `or`.

    Raises ValueError with what was found and what would do.

    >>> parse("mean < 55")
    ((Atom(measure='mean', operator='<', bound=55.0),),)
    """
    groups = re.split(r"\bor\b", text)
    return tuple(tuple(map(_atom, re.split(r"\band\b", group))) for group in groups)


def _atom(text: str) -> Atom:
    found = re.fullmatch(r"\s*(\w+)\s*([<>=!]+)\s*(\S+)\s*", text)
    if not found:
        wanted = "`systolic > 140` would do, several joined by `and` or `or`"
        raise ValueError(f"{text.strip()!r} is no comparison; {wanted}")
    measure, compare, number = found.groups()
    if measure not in MEASURES:
        raise ValueError(f"{measure!r} is no measure; {one_of(MEASURES, measure)}")
    if compare not in OPERATORS:
        raise ValueError(f"{compare!r} is no operator; <, <=, > or >= would do")
    if not re.fullmatch(r"-?\d{1,6}(\.\d{1,6})?", number, re.ASCII):
        raise ValueError(f"{number!r} is no number; 140 or 92.5 would do")
    return Atom(measure, compare, float(number))


def one_of(known: Iterable[str], found: object) -> str:
    """What would have done in the place of `found`: the nearest of `known`, or all of them."""
    known = list(known)
    near = get_close_matches(str(found), known, n=1)
    return f"did you mean {near[0]}?" if near else f"{', '.join(known)} would do"
