"""`python -m tests.bench.families FILE`: what each family learns of patients, and what it costs.

A share of the patients is held out; figures are of those of their readings that are at risk.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import msgspec
import numpy as np

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.models.early_warning import EarlyWarning, Seen
from bpstream.clinical.models.model import AnyEarlyWarning
from bpstream.training import splits
from bpstream.training.examples import Examples
from bpstream.training.families import FAMILIES, family_named
from bpstream.training.ranking import ranked
from bpstream.training.readings import load
from bpstream.training.statistics import brier, calibration

BATCH = 1000
_BATCHES, _RUNS, _ONES = 20, 5, 50


def figures(model: EarlyWarning, unseen: Examples) -> list[str]:
    """A line of each target: AUROC, AUPRC, Brier score and calibration slope."""
    said = model.probabilities(unseen.seen)
    lines = []
    for at, name in enumerate(TARGETS):
        counted = unseen.at_risk[at]
        event, probability = unseen.labels[at][counted], said[at][counted]
        rank = ranked(event, probability)
        lines.append(
            f"{name:<14}{rank.auroc:>8.4f}{rank.auprc:>8.3f}{brier(event, probability):>9.5f}"
            f"{calibration(event, probability).slope:>7.2f}"
        )
    return lines


def microseconds(work: Callable[[], object], *, times: int) -> float:
    """CPU µs of one of the `times` that `work` does something: the median of some runs."""
    work()
    taken = []
    for _ in range(_RUNS):
        began = time.process_time()
        work()
        taken.append((time.process_time() - began) / times * 1e6)
    return median(taken)


def costs(form: AnyEarlyWarning, unseen: Examples) -> str:
    """What it costs to hold, to load and to ask, in a batch and alone."""
    body = msgspec.json.encode(form)
    load_ms = microseconds(lambda: _served(body), times=1) / 1e3
    model = _served(body)
    windows = unseen.windows()

    def some(begin: int, end: int) -> Seen:
        return Seen(np.ascontiguousarray(unseen.features[:, begin:end]), lambda: windows[begin:end])

    batches = [some(begin, begin + BATCH) for begin in range(0, _BATCHES * BATCH, BATCH)]
    ones = [some(at, at + 1) for at in range(_ONES)]
    of_batch = microseconds(
        lambda: [model.probabilities(each) for each in batches], times=_BATCHES * BATCH
    )
    of_one = microseconds(lambda: [model.probabilities(each) for each in ones], times=_ONES)
    return (
        f"{of_batch:.2f} µs a reading in {BATCH}, {of_one:.0f} alone; "
        f"{len(body) / 1e3:.0f} kB, loaded in {load_ms:.1f} ms"
    )


def _served(body: bytes) -> EarlyWarning:
    return msgspec.json.decode(body, type=AnyEarlyWarning).served()


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.families")
    parser.add_argument("file", type=Path, help="readings, as `bpstream train` takes them")
    parser.add_argument("--family", action="append", choices=FAMILIES, help="all by default")
    parser.add_argument("--share", type=float, default=0.3, help="of the patients held out")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    series = load(options.file)
    held_out = splits.hold_out(series, share=options.share, seed=options.seed)
    known, unseen = Examples.of(series.of(~held_out)), Examples.of(series.of(held_out))
    print(f"{len(known)} readings to learn from, {len(unseen)} of other patients to measure")
    print(f"{'':<14}{'AUROC':>8}{'AUPRC':>8}{'Brier':>9}{'slope':>7}")
    for name in options.family or FAMILIES:
        began = time.process_time()
        learned = family_named(name).fit(known, seed=options.seed, progress=lambda step: None)
        seconds = time.process_time() - began
        print(f"\n{name}: learned in {seconds:.0f} s of CPU; {costs(learned.form, unseen)}")
        print("\n".join(figures(learned.form.served(), unseen)), flush=True)


if __name__ == "__main__":
    main()
