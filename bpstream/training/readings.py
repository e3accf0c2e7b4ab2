"""Real readings for training and evaluation: a file in, the patients' series in columns out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.categories import mean_arterial_pressure
from bpstream.clinical.plausibility import plausible
from bpstream.errors import FileError
from bpstream.training.table import Table, read

SOURCES = ("NIBP", "ART", "all")
"""What `load` takes: cuff readings, those of an arterial line, or both, each its own series."""

STEPS = ("read the file", "choose readings")
"""What `load` does, in this order; it says each as it begins."""

_NO_PATIENT, _OTHER_SOURCE = "without patient or time", "of another source"
_INCOMPLETE, _IMPLAUSIBLE, _REPEATED = "incomplete", "implausible", "repeated"


@dataclass(frozen=True, slots=True)
class Series:
    """Complete, plausible readings, by patient and then by time; each column has shape ``(n,)``."""

    patient: NDArray[np.int64]
    """0..P-1: where the patient stands in `patient_ids`."""
    t_minutes: NDArray[np.float64]
    """From any start that is the patient's own."""
    systolic: NDArray[np.float64]
    """mmHg."""
    diastolic: NDArray[np.float64]
    """mmHg."""
    source: NDArray[np.str_]
    """NIBP, ART, or what else the file has; two of one patient are two series."""
    patient_ids: NDArray[np.str_]
    """Shape ``(P,)``, sorted."""
    left_out: dict[str, int]
    """How many rows of the file are not here, by reason."""

    def __len__(self) -> int:
        return len(self.patient)

    @property
    def mean_arterial_pressure(self) -> NDArray[np.float64]:
        """mmHg, a third of the way up: as the targets have it."""
        return mean_arterial_pressure(self.systolic, self.diastolic, np.full(len(self), np.nan))

    def of(self, patients: NDArray[np.bool_]) -> "Series":
        """Only the `patients` that are true, shape ``(P,)``; they are numbered anew."""
        kept = patients[self.patient]
        return Series(
            patient=(np.cumsum(patients) - 1)[self.patient[kept]],
            t_minutes=self.t_minutes[kept],
            systolic=self.systolic[kept],
            diastolic=self.diastolic[kept],
            source=self.source[kept],
            patient_ids=self.patient_ids[patients],
            left_out=self.left_out,
        )

    def runs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The readings' places by patient, source and time, and where each run of them begins.

        A run is one patient's readings of one source; the second array holds places in the
        first, ascending.
        """
        order = np.lexsort((self.t_minutes, self.source, self.patient))
        patient, source = self.patient[order], self.source[order]
        begins = np.ones(len(self), np.bool_)
        begins[1:] = (patient[1:] != patient[:-1]) | (source[1:] != source[:-1])
        return order, np.flatnonzero(begins)


def load(
    path: Path, *, source: str = "NIBP", progress: Callable[[str], None] = lambda step: None
) -> Series:
    """The readings of `source` (one of `SOURCES`) in a Parquet, CSV or .csv.gz file.

    Columns: patient_id, t_minutes, sbp and dbp; source where it is known.  A file
    without `source` is taken as being of the one that is asked for.  Of several rows of one
    patient, minute and source the last counts.  Raises :class:`FileError` when the file cannot
    be used, or holds no such readings.
    """
    progress(STEPS[0])
    table = read(path)
    progress(STEPS[1])
    kept, left_out = _chosen(table, source)
    if not len(kept):
        raise FileError(f"{path} has no readings of source {source}: {_found(table, left_out)}")
    patients, patient = np.unique(table.patient.codes[kept], return_inverse=True)
    sources = np.full(len(kept), "" if source == "all" else source)
    if table.source is not None:
        sources = table.source.names[table.source.codes[kept]]
    return Series(
        patient=patient.astype(np.int64),
        t_minutes=table.t_minutes[kept],
        systolic=table.systolic[kept],
        diastolic=table.diastolic[kept],
        source=sources,
        patient_ids=table.patient.names[patients],
        left_out=left_out,
    )


def _source_codes(table: Table) -> NDArray[np.int64]:
    return table.source.codes if table.source else np.zeros(len(table.t_minutes), np.int64)


def _chosen(table: Table, source: str) -> tuple[NDArray[np.int64], dict[str, int]]:
    """The rows that are used, in their order, and how many are not, by reason."""
    rows = np.arange(len(table.t_minutes))
    left_out: dict[str, int] = {}

    def keep(where: NDArray[np.bool_], otherwise: str) -> NDArray[np.int64]:
        left_out[otherwise] = int(np.count_nonzero(~where))
        return rows[where]

    known = table.patient.names[table.patient.codes] != ""
    rows = keep(known & ~np.isnan(table.t_minutes), _NO_PATIENT)
    if table.source is not None and source != "all":
        rows = keep(table.source.names[table.source.codes[rows]] == source, _OTHER_SOURCE)
    systolic, diastolic = table.systolic[rows], table.diastolic[rows]
    complete = ~np.isnan(systolic) & ~np.isnan(diastolic)
    rows = keep(complete, _INCOMPLETE)
    rows = keep(plausible(systolic[complete], diastolic[complete]), _IMPLAUSIBLE)
    # A stable sort: of equal rows the last in the file stays the last.
    keys = (_source_codes(table), table.t_minutes, table.patient.codes)
    rows = rows[np.lexsort([key[rows] for key in keys])]
    last = np.ones(len(rows), np.bool_)
    last[:-1] = np.any([key[rows[1:]] != key[rows[:-1]] for key in keys], axis=0)
    rows = keep(last, _REPEATED)
    return rows, left_out


def _found(table: Table, left_out: dict[str, int]) -> str:
    """What there is instead, for an error."""
    names = ", ".join(filter(None, table.source.names)) if table.source else ""
    counts = ", ".join(f"{count} {reason}" for reason, count in left_out.items() if count)
    has = f"its sources are {names}; " if names else ""
    return f"{has}of {len(table.t_minutes)} rows {counts or 'none can be used'}"
