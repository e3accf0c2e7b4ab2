"""Series for the tests of training: written down, or drawn at random."""

from pathlib import Path

import numpy as np
import pytest

from bpstream.training.readings import Series

DATA = Path(__file__).parents[3] / "shared/data"
SAMPLE, OPEN = DATA / "bp_open_sample500.csv.gz", DATA / "bp_open.parquet"
needs_sample = pytest.mark.skipif(not SAMPLE.exists(), reason="the sample of readings is not here")


def a_series(*rows: tuple) -> Series:
    """Of (patient, minute, systolic, diastolic[, source]), in any order."""
    full = [(*row, *["NIBP"][len(row) - 4 :]) for row in rows]
    full.sort(key=lambda row: (row[0], row[1], row[4]))
    names, patient = np.unique([row[0] for row in full], return_inverse=True)
    t, systolic, diastolic = (
        np.array([row[column] for row in full], float) for column in (1, 2, 3)
    )
    return Series(
        patient=patient,
        t_minutes=t,
        systolic=systolic,
        diastolic=diastolic,
        source=np.array([row[4] for row in full]),
        patient_ids=names,
        left_out={},
    )


def random_series(*, patients: int, readings: int, seed: int = 0, sd: float = 18.0) -> Series:
    """Each patient wanders about a pressure of its own, a reading an hour or so."""
    random = np.random.default_rng(seed)
    shape = (patients, readings)
    level = random.normal(115, sd, patients)[:, None]
    wander = np.cumsum(random.normal(0, 4, shape), axis=1)
    systolic = np.clip(np.round(level + wander + random.normal(0, 6, shape)), 50, 280)
    diastolic = np.round(np.clip(systolic * random.normal(0.6, 0.05, shape), 25, systolic - 12))
    minutes = np.cumsum(random.integers(5, 120, shape), axis=1)
    return Series(
        patient=np.repeat(np.arange(patients), readings),
        t_minutes=minutes.ravel().astype(float),
        systolic=systolic.ravel(),
        diastolic=diastolic.ravel(),
        source=np.full(systolic.size, "NIBP"),
        patient_ids=np.array([f"p{number:05d}" for number in range(patients)]),
        left_out={},
    )


def a_file(path: Path, **of_source: Series) -> Path:
    """The series of each source, as a CSV; patients have the ids that they have there."""
    lines = ["patient_id,t_minutes,source,sbp,dbp"]
    for source, series in of_source.items():
        columns = (
            series.patient_ids[series.patient],
            *(series.t_minutes, series.systolic, series.diastolic),
        )
        lines += [
            f"{patient},{t:g},{source},{systolic:g},{diastolic:g}"
            for patient, t, systolic, diastolic in zip(*columns, strict=True)
        ]
    path.write_text("\n".join(lines) + "\n")
    return path
