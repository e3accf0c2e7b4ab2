"""An evaluation as pictures: ROC, precision-recall and reliability, a panel for each target.

The same evaluation gives the same bytes with one version of matplotlib: nothing of the day,
of a person's settings or of the fonts of the machine goes into them.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bpstream.training.curves import curves
from bpstream.training.evaluation import Sample
from bpstream.training.report import MODEL
from bpstream.training.statistics import reliability

if TYPE_CHECKING:  # matplotlib takes half a second, which most commands do not have
    from matplotlib.axes import Axes

# Told apart by people who do not see red and green (Okabe & Ito), and on grey paper.
_STYLES: dict[str, dict[str, Any]] = {
    MODEL: {"color": "#0072B2", "linestyle": "-", "linewidth": 2.0},
    "four_features": {"color": "#D55E00", "linestyle": "--", "linewidth": 1.5},
    "last_value": {"color": "#009E73", "linestyle": ":", "linewidth": 1.5},
}
_REFERENCE: dict[str, Any] = {"color": "#888888", "linestyle": "-", "linewidth": 0.8}
_PANEL, _DOTS = 4.2, 100  # inches a side, dots an inch


def draw(samples: Mapping[str, Sample], folder: Path) -> list[Path]:
    """Draw `samples`, by target, into three PNG files in `folder`; says which.

    A file that is there is replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_drawn(samples, panel, folder / name) for name, panel in _PICTURES.items()]


def _drawn(
    samples: Mapping[str, Sample], panel: Callable[["Axes", Sample], None], path: Path
) -> Path:
    from matplotlib import style  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    # A figure of its own, without pyplot, draws with Agg and leaves no window behind.
    with style.context("default"):
        size = (_PANEL * len(samples), _PANEL)
        figure = Figure(figsize=size, dpi=_DOTS, layout="constrained")
        for axes, (target, sample) in zip(
            figure.subplots(1, len(samples), squeeze=False)[0], samples.items(), strict=True
        ):
            axes.set_title(f"{target}: {sample.event.sum():,} events in {len(sample.event):,}")
            axes.grid(color="#eeeeee")
            axes.set_axisbelow(True)
            if sample.event.all() or not sample.event.any():
                axes.text(0.5, 0.5, "nothing to show", ha="center", transform=axes.transAxes)
                continue
            panel(axes, sample)
            axes.legend(frameon=False, fontsize="small")
        figure.savefig(path, metadata={"Software": None})
    return path


def _roc(axes: "Axes", sample: Sample) -> None:
    for name, look in _STYLES.items():
        found = curves(sample.event, sample.probabilities[name])
        of_nobody = np.zeros(1)
        false_alarms = np.append(of_nobody, found.false_alarms)
        axes.plot(false_alarms, np.append(of_nobody, found.sensitivity), label=name, **look)
    axes.plot([0, 1], [0, 1], label="chance", **_REFERENCE)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1))
    axes.set_aspect("equal")


def _precision_recall(axes: "Axes", sample: Sample) -> None:
    for name, look in _STYLES.items():
        sensitivity, _, precision = curves(sample.event, sample.probabilities[name])
        # Steps, as average precision is their area: a straight line would promise too much.
        axes.step(np.append(0, sensitivity), np.append(precision[0], precision), label=name, **look)
    axes.axhline(float(sample.event.mean()), label="chance", **_REFERENCE)
    axes.set(xlabel="sensitivity (recall)", ylabel="precision", xlim=(0, 1), ylim=(0, 1))
    axes.set_aspect("equal")


def _reliability(axes: "Axes", sample: Sample) -> None:
    highest = 0.0
    for name, look in _STYLES.items():
        found = reliability(sample.event, sample.probabilities[name])
        axes.plot(found.predicted, found.observed, label=name, marker="o", markersize=4, **look)
        highest = max(highest, found.predicted.max(), found.observed.max())
    # Rare events fill a corner of 0..1 only.
    top = min(1.0, highest * 1.05)
    axes.plot([0, top], [0, top], label="perfect", zorder=1, **_REFERENCE)
    axes.set(xlabel="predicted", ylabel="observed", xlim=(0, top), ylim=(0, top))
    axes.set_aspect("equal")


_PICTURES = {
    "roc.png": _roc,
    "precision_recall.png": _precision_recall,
    "reliability.png": _reliability,
}
