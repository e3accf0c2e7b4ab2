"""Simulated patients as a data set: the readings of a week, and the truth of each."""

from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.plausibility import plausible
from bpstream.simulator import Truth, dataset
from bpstream.training.readings import Series

NAME = "simulated"
"""What is asked for instead of a file."""

PATIENTS, DAYS, INTERVAL_MINUTES = 300, 7, 30
STEPS = ("simulate",)
_SOURCE = "NIBP"


class Simulated(NamedTuple):
    """Columns have shape ``(n,)``, a row a reading; `series` has those that are plausible."""

    systolic: NDArray[np.float64]
    """mmHg."""
    diastolic: NDArray[np.float64]
    truth: Truth
    chosen: NDArray[np.bool_]
    """Which rows are in `series`, in the same order."""
    series: Series

    @property
    def about(self) -> dict[str, Any]:
        """Its record, for a manifest."""
        columns = (self.series.patient, self.series.t_minutes, self.systolic, self.diastolic)
        return {
            "name": NAME,
            "sha256": sha256(b"".join(column.tobytes() for column in columns)).hexdigest(),
            "source": _SOURCE,
            "patients": len(self.series.patient_ids),
            "readings": len(self.series),
        }


def simulate(seed: int) -> Simulated:
    """The same `seed` gives the same patients, with one version of numpy."""
    systolic, diastolic, truth = dataset(PATIENTS, DAYS, INTERVAL_MINUTES, seed)
    chosen = plausible(systolic, diastolic)
    patients, patient = np.unique(truth.patient[chosen], return_inverse=True)
    series = Series(
        patient=patient.astype(np.int64),
        t_minutes=truth.minutes[chosen],
        systolic=systolic[chosen],
        diastolic=diastolic[chosen],
        source=np.full(len(patient), _SOURCE),
        patient_ids=np.array([f"PAT-{number + 1:03}" for number in patients.tolist()]),
        left_out={"implausible": int(np.count_nonzero(~chosen))},
    )
    return Simulated(systolic, diastolic, truth, chosen, series)
