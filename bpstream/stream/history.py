"""History: what a patient's row keeps of the recent readings, and how the rules judged each."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.categories import Severity, mean_arterial_pressure, severity
from bpstream.clinical.rules import TAG_NAMES, Tag
from bpstream.fhir.codes import Pressure
from bpstream.fhir.export import Interpretation, Kept
from bpstream.reading import NOT_MEASURED, Flag

_HIGH = {
    Pressure.SYSTOLIC: Tag.HYPERTENSION_SYSTOLIC,
    Pressure.DIASTOLIC: Tag.HYPERTENSION_DIASTOLIC,
}
_LOW = {
    Pressure.SYSTOLIC: Tag.HYPOTENSION_SYSTOLIC,
    Pressure.DIASTOLIC: Tag.HYPOTENSION_DIASTOLIC,
}

_COMPUTED_WITHIN = 0.001
"""mmHg.  A row does not say whether its mean was measured: one as near to the computed mean
as single precision brings it is taken for computed."""


def kept(row: np.void) -> list[Kept]:
    """The readings in a patient's row, newest first; of each its highest version.

    Aggregates are left out.
    """
    recent = row["recent"]
    # Above the rules' tags are marks of what is no reading to show.
    shown = recent[(recent["identity"] != 0) & (recent["tags"] < len(TAG_NAMES))]
    shown = shown[np.argsort(shown["version"], kind="stable")]
    latest = {int(reading["identity"]): reading for reading in shown}
    return sorted(map(_kept, latest.values()), key=lambda each: each.taken_at, reverse=True)


def _kept(reading: np.void) -> Kept:
    # As text a number of single precision is as short as it was: 120.3 and not 120.30000305.
    values = {name: float(str(reading[name])) for name in Pressure}
    computed = mean_arterial_pressure(*_columns({**values, Pressure.MEAN: NOT_MEASURED}))[0]
    if abs(values[Pressure.MEAN] - computed) < _COMPUTED_WITHIN:
        values[Pressure.MEAN] = NOT_MEASURED
    pressures = {name: value for name, value in values.items() if not np.isnan(value)}
    return Kept(
        identity=f"{int(reading['identity']):016x}",
        version=int(reading["version"]),
        taken_at=int(reading["taken_at"]),
        pressures=pressures,
        interpretations=_interpretations(reading, pressures),
        flags=Flag(int(reading["flags"])),
    )


def _interpretations(
    reading: np.void, pressures: Mapping[Pressure, float]
) -> dict[Pressure, Interpretation]:
    """Each pressure by the rules; doubled where the severity it has alone is critical.

    No rule judges a child, and none a mean unless it is critical.  Of a reading with a
    comparator only what is certain is told.
    """
    flags, tags = Flag(int(reading["flags"])), int(reading["tags"])
    if Flag.CHILD in flags:
        return {}
    found = {}
    for name, value in pressures.items():
        critical = severity(*_columns({name: value}))[0] == Severity.CRITICAL
        if tags & _HIGH.get(name, 0):
            found[name] = Interpretation.CRITICAL_HIGH if critical else Interpretation.HIGH
        elif tags & _LOW.get(name, 0):
            found[name] = Interpretation.CRITICAL_LOW if critical else Interpretation.LOW
        elif Flag.COMPARATOR in flags:
            continue
        elif name is not Pressure.MEAN:
            found[name] = Interpretation.NORMAL
        elif critical:
            found[name] = Interpretation.CRITICAL_LOW
    return found


def _columns(pressures: Mapping[Pressure, float]) -> list[NDArray[np.float64]]:
    """Systolic, diastolic and mean of one reading, shape ``(1,)``, as `categories` wants them."""
    return [np.array([pressures.get(name, NOT_MEASURED)]) for name in Pressure]
