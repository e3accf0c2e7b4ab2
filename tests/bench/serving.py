"""`python -m tests.bench.serving`: what a model costs in a worker, stage by stage and by family."""

import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.features import features
from bpstream.clinical.history import HISTORY, absorb
from bpstream.clinical.models import model as models
from bpstream.clinical.models.early_warning import WINDOW, Seen, reasons
from bpstream.clinical.models.model import Model
from bpstream.resources import shipped
from bpstream.simulator import dataset

BATCH = 1000
_PATIENTS, _BATCHES, _RUNS = 1000, 30, 5


class Batch(NamedTuple):
    """Readings as a chunk brings them, each of a patient at random; shape ``(BATCH,)``."""

    rows: NDArray[np.intp]
    taken_at: NDArray[np.int64]
    systolic: NDArray[np.float64]
    diastolic: NDArray[np.float64]


def batches() -> list[Batch]:
    """The simulator's patients, measured by turns, in chunks in order of time."""
    found = dataset(patients=_PATIENTS, days=1, interval_minutes=30, seed=7)
    fine = found.systolic - found.diastolic >= 10
    order = np.flatnonzero(fine)[np.argsort(found.minutes[fine], kind="stable")]
    # The patient's order within a round is not that of the rows in memory.
    order = order[: _BATCHES * BATCH].reshape(_BATCHES, BATCH)
    return [
        Batch(
            found.patient[at].astype(np.intp),
            (found.minutes[at] * 60e6).astype(np.int64) + 10**15,
            found.systolic[at].astype(np.float64),
            found.diastolic[at].astype(np.float64),
        )
        for at in order
    ]


def measure(work: Callable[[], object], *, runs: int = _RUNS) -> float:
    """CPU µs a reading: the median of `runs`, each over every batch."""
    work()
    taken = []
    for _ in range(runs):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return median(taken) / (_BATCHES * BATCH) * 1e6


def history_and_features(some: list[Batch]) -> list[Seen]:
    """What a model is given of each batch, from patients of whom nothing is known at first."""
    held = np.zeros(_PATIENTS, HISTORY)
    seen = []
    for rows, taken_at, systolic, diastolic in some:
        sums, _ = absorb(held, rows, taken_at, systolic, diastolic)
        seen.append(Seen(features(sums, systolic, diastolic), _some_windows))
    return seen


def _some_windows() -> NDArray[np.float64]:
    """Full windows; what it costs to make them is not measured here."""
    return np.tile([120.0, 80.0, 0.5], (BATCH, WINDOW, 1))


def costs_of(model: Model, some: list[Batch], seen: list[Seen]) -> tuple[float, float, float]:
    """CPU µs a reading of risk, early warning, and its reasons."""
    warning = model.early_warning
    said = [(each, warning.probabilities(each)) for each in seen]
    return (
        measure(lambda: [model.risk.score(each.systolic, each.diastolic) for each in some]),
        measure(lambda: [warning.probabilities(each) for each in seen]),
        measure(lambda: [reasons(warning, each, known) for each, known in said]),
    )


def main() -> None:
    """Print the table."""
    some = batches()
    seen = history_and_features(some)
    state = measure(lambda: history_and_features(some))
    print(f"CPU µs a reading, batches of {BATCH}")
    print(f"{'history and features':<28}{state:>8.2f}")
    print(f"\n{'model':<28}{'risk':>8}{'warning':>9}{'reasons':>9}{'all':>8}{'load ms':>9}")
    for folder in sorted(path.parent for path in shipped("models").glob("*/manifest.json")):
        began = time.process_time()
        model = models.load(folder)
        load = (time.process_time() - began) * 1e3
        costs = costs_of(model, some, seen)
        told = "".join(f"{cost:>9.2f}" for cost in costs)
        print(f"{model.name:<27}{told}{state + sum(costs):>8.2f}{load:>9.1f}")


if __name__ == "__main__":
    main()
