"""Detection: what a model finds of simulated episodes, beside the rules and at their price.

A detector finds more the more often it is wrong.  So the model is asked at the threshold where it
gives as many false alarms as the severe rule: what is left to compare is what they find, and when.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.history import Floats
from bpstream.simulator import Episode
from bpstream.training.scoring import Score, any_rule, at_threshold, either, score, severe_rule
from bpstream.training.simulated import Simulated

ANY_RULE, SEVERE_RULE, MODEL, BOTH = "any rule", "severe rule", "model", "severe rule or model"

WARM_UP_MINUTES = 24 * 60.0
"""Episodes that begin before are not scored: the model knows nothing of the patient yet."""


def detected(
    simulated: Simulated, probabilities: Mapping[str, Floats], prevalence: Floats
) -> dict[str, Score]:
    """How each detector does, by name.

    `probabilities` are those of each target for every reading of `simulated.series`, and
    `prevalence` what each usually is, shape ``(len(TARGETS),)``: the model's flag is at so many
    times the usual of any.
    """
    times = np.full(len(simulated.chosen), np.nan)
    told = np.array([probabilities[target] for target in TARGETS])
    times[simulated.chosen] = (told / prevalence[:, None]).max(axis=0)
    severe = severe_rule(simulated.systolic, simulated.diastolic)
    price = _scored(severe, simulated).false_alarms
    model = at_threshold(times, _threshold(times, simulated, price))
    flags = {
        ANY_RULE: any_rule(simulated.systolic, simulated.diastolic),
        SEVERE_RULE: severe,
        MODEL: model,
        BOTH: either(severe, model),
    }
    return {name: _scored(each, simulated) for name, each in flags.items()}


def _scored(flags: NDArray[np.bool_], simulated: Simulated) -> Score:
    return score(flags, simulated.truth, warm_up=WARM_UP_MINUTES)


def _threshold(times: Floats, simulated: Simulated, price: int) -> float:
    """The lowest at which the model gives no more than `price` false alarms, by bisection."""
    values = np.unique(times[~np.isnan(times)])
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        found = _scored(at_threshold(times, values[middle]), simulated).false_alarms
        low, high = (low, middle) if found <= price else (middle + 1, high)
    return float(values[low])


_KINDS = [kind for kind in Episode if kind != Episode.NONE]
_HEAD, _CELL = 24, 26


def table(scores: Mapping[str, Score]) -> str:
    """A line a detector; no line end last."""
    counts = next(iter(scores.values())).by_kind
    titles = [f"{kind.name.lower()} ({counts[kind].episodes})" for kind in _KINDS]
    lines = [
        "detection of simulated episodes (how many): share found, minutes to it (median, 90 %)",
        _line("", "false alarms/day", titles),
    ]
    for name, each in scores.items():
        cells = [
            f"{found.detected:.0%} {found.median_delay:,.0f} {found.p90_delay:,.0f}"
            for found in (each.by_kind[kind] for kind in _KINDS)
        ]
        lines.append(_line(name, f"{each.false_alarms_per_patient_day:.2f}", cells))
    lines.append(
        f"{MODEL}: where a probability is so many times the usual that there are as many false "
        f"alarms as of the {SEVERE_RULE}."
    )
    return "\n".join(lines)


def _line(name: str, price: str, cells: list[str]) -> str:
    return f"  {name:{_HEAD}}{price:>16}" + "".join(f"{cell:>{_CELL}}" for cell in cells)
