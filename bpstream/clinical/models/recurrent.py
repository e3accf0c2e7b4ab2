"""A recurrent model: a network that reads a patient's last readings, one after the other.

A gated recurrent unit (Cho et al., EMNLP 2014, doi:10.3115/v1/D14-1179) whose reset gate comes
after the product, so that one product serves all gates.  `bpstream.training` learns the numbers,
and this serves them.
"""

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.history import Floats
from bpstream.clinical.models.early_warning import EarlyWarning, Seen, of_targets
from bpstream.clinical.models.risk import sigmoid
from bpstream.clinical.models.windows import DIASTOLIC, HOURS, SYSTOLIC

INPUTS = ("systolic", "diastolic", "log_hours")
"""What the network is told of a reading: mmHg, and ln(1 + hours since the reading before)."""

MOST_HOURS = 8.0
"""Longer gaps count as this: in intensive care, where a network learns, they are one of a
hundred (PhysioNet/CinC Challenge 2012), and at home they are the rule."""

# So many windows are read at once: what is worked out of them stays in the processor's cache.
_AT_ONCE = 256

GATES = 3
"""Update, reset and candidate, in this order in every array of weights."""


class RecurrentForm(msgspec.Struct, frozen=True, tag="recurrent", forbid_unknown_fields=True):
    """The network as it stands in model.json: `units` numbers are what it remembers."""

    prevalence: dict[str, float]
    center: list[float]
    """Of INPUTS: their means in the training data ..."""
    scale: list[float]
    """... and their standard deviations."""
    inputs: list[list[float]]
    """Shape ``(GATES * units, len(INPUTS))``."""
    memory: list[list[float]]
    """Shape ``(GATES * units, units)``."""
    bias: list[float]
    """Shape ``(GATES * units,)``."""
    outputs: dict[str, list[float]]
    """Of each target, shape ``(units,)``."""
    intercepts: dict[str, float]

    def served(self) -> "Recurrent":
        """Ready to read.  Raises ValueError where the arrays do not fit together."""
        units = len(self.bias) // GATES
        if not units:
            raise ValueError("a network has at least one unit")
        standard = [_array(name, getattr(self, name), len(INPUTS)) for name in ("center", "scale")]
        if not standard[1].min() > 0:
            raise ValueError(f"every scale is above 0, not {standard[1].min()}")
        network = Network(
            inputs=_array("inputs", self.inputs, GATES * units, len(INPUTS)),
            memory=_array("memory", self.memory, GATES * units, units),
            bias=_array("bias", self.bias, GATES * units)[:, None],
            outputs=_array("outputs", of_targets(self.outputs), len(TARGETS), units),
            intercepts=np.array(of_targets(self.intercepts))[:, None],
        )
        return Recurrent(np.array(of_targets(self.prevalence)), network, *standard)


class Network(NamedTuple):
    """The numbers that are learned."""

    inputs: Floats
    """Shape ``(GATES * units, len(INPUTS))``."""
    memory: Floats
    """Shape ``(GATES * units, units)``."""
    bias: Floats
    """Shape ``(GATES * units, 1)``."""
    outputs: Floats
    """Shape ``(len(TARGETS), units)``."""
    intercepts: Floats
    """Shape ``(len(TARGETS), 1)``."""


class Step(NamedTuple):
    """What one more reading makes of the memory; every array has shape ``(units, n)``."""

    update: Floats
    """How much of the memory is kept: 1 where there is no reading."""
    reset: Floats
    recalled: Floats
    """What the candidate takes from the memory, before `reset`."""
    candidate: Floats
    memory: Floats
    """From now on."""


class Recurrent(EarlyWarning):
    """The network.  It cannot say why: what it remembers has no names."""

    def __init__(self, prevalence: Floats, network: Network, center: Floats, scale: Floats) -> None:
        """`center` and `scale` have shape ``(len(INPUTS),)``."""
        self.prevalence = prevalence
        self._network, self._center, self._scale = network, center, scale

    def probabilities(self, seen: Seen) -> Floats:
        """See the base class."""
        windows = seen.windows()
        found = np.empty((len(TARGETS), len(windows)))
        for begin in range(0, len(windows), _AT_ONCE):
            block = windows[begin : begin + _AT_ONCE]
            steps = read(self._network, *told(block, self._center, self._scale))
            found[:, begin : begin + _AT_ONCE] = sigmoid(logits(self._network, steps[-1].memory))
        return found


def told(windows: Floats, center: Floats, scale: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """What the network is given of windows of shape ``(n, WINDOW, 3)``, reading by reading.

    The inputs, shape ``(WINDOW, len(INPUTS), n)``, standardised, and 0 for what is not known;
    and where there is no reading, shape ``(WINDOW, n)``.
    """
    log_hours = np.log1p(np.minimum(windows[:, :, HOURS], MOST_HOURS))
    inputs = np.array([windows[:, :, SYSTOLIC], windows[:, :, DIASTOLIC], log_hours])
    inputs = (inputs - center[:, None, None]) / scale[:, None, None]
    missing = np.isnan(windows[:, :, SYSTOLIC]).T
    return np.ascontiguousarray(np.nan_to_num(inputs, copy=False).transpose(2, 0, 1)), missing


def read(network: Network, inputs: Floats, missing: NDArray[np.bool_]) -> list[Step]:
    """The steps of the network through what `told` gives; it begins with an empty memory."""
    memory = np.zeros((network.memory.shape[1], inputs.shape[2]))
    steps = []
    for reading, is_missing in zip(inputs, missing, strict=True):
        steps.append(_step(network, reading, is_missing, memory))
        memory = steps[-1].memory
    return steps


def logits(network: Network, memory: Floats) -> Floats:
    """The log-odds of the targets, shape ``(len(TARGETS), n)``."""
    found: Floats = network.outputs @ memory + network.intercepts
    return found


def _step(network: Network, reading: Floats, missing: NDArray[np.bool_], memory: Floats) -> Step:
    units = len(memory)
    fed = network.inputs @ reading + network.bias
    recalled = network.memory @ memory
    update, reset = np.split(sigmoid(fed[: 2 * units] + recalled[: 2 * units]), 2)
    update[:, missing] = 1
    candidate = np.tanh(fed[2 * units :] + reset * recalled[2 * units :])
    return Step(
        update=update,
        reset=reset,
        recalled=recalled[2 * units :],
        candidate=candidate,
        # Readings are missing before the first one only: till then the memory is 0, and stays.
        memory=candidate + update * (memory - candidate),
    )


def _array(name: str, value: object, *shape: int) -> Floats:
    """Raises ValueError unless `value` is an array of that shape, of finite numbers."""
    found = np.array(value, np.float64)  # A list of unequal lists raises ValueError, too.
    if found.shape != shape:
        raise ValueError(f"{name} has shape {found.shape}, not {shape}")
    if not np.isfinite(found).all():
        raise ValueError(f"{name} has numbers that are not finite")
    return found
