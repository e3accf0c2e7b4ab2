"""The recurrent family: a network that reads the last readings, trained in numpy."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.history import Floats
from bpstream.clinical.models.recurrent import (
    GATES,
    INPUTS,
    Network,
    RecurrentForm,
    told,
)
from bpstream.clinical.models.windows import DIASTOLIC, HOURS, SYSTOLIC
from bpstream.training.examples import Examples
from bpstream.training.families.adam import Adam
from bpstream.training.families.backpropagation import gradient, loss
from bpstream.training.families.family import Fitted, Progress, log_odds
from bpstream.training.families.standard import Standard

UNITS = 32
EPOCHS = 8
STEPS = ("read windows", *(f"epoch {number} of {EPOCHS}" for number in range(1, EPOCHS + 1)))

# Of the patients: the network stays as it was after the epoch that was best for them.
_APART = 0.1
# Of few examples a batch is smaller, so that there are some batches in each of the passes.
_BATCH, _FEWEST_BATCHES, _SMALLEST_BATCH = 512, 20, 64
# Few examples are gone through more often: a network that took fewer steps has learned nothing.
_FEWEST_STEPS = 500
# The weights of the inputs at first; those of the memory keep its length.
_INPUT_SD = 0.5
# At first most of the memory is kept: sigmoid(1) is .73.
_UPDATE_BIAS = 1.0
# Of the numbers in the form.
_DIGITS = 5
_LOG_HOURS = INPUTS.index("log_hours")


class _Told(NamedTuple):
    """What the network learns from, in columns of readings."""

    inputs: Floats
    missing: NDArray[np.bool_]
    labels: Floats
    weights: Floats

    def take(self, at: NDArray[np.intp]) -> "_Told":
        return _Told(
            self.inputs[:, :, at], self.missing[:, at], self.labels[:, at], self.weights[:, at]
        )


def fit(examples: Examples, *, seed: int, progress: Progress, with_hours: bool = True) -> Fitted:
    """Fit one network to all targets; there is no estimator beside it.

    Without hours the network does not know how often somebody looks.
    """
    progress(STEPS[0])
    known, held_back = examples.apart(_APART, seed=seed)
    windows = known.windows()
    standard = _standard(windows)
    learned = _told(known, windows, standard)
    watched = _told(held_back, held_back.windows(), standard)
    random = np.random.default_rng(seed)
    network = _at_first(random, known.prevalence)
    if not with_hours:
        network.inputs[:, _LOG_HOURS] = 0
    batch = min(_BATCH, max(_SMALLEST_BATCH, len(known) // _FEWEST_BATCHES))
    a_pass = -(-len(known) // batch)
    passes = -(-_FEWEST_STEPS // (a_pass * EPOCHS))
    adam = Adam(network, steps=a_pass * passes * EPOCHS)
    best, least = network, np.inf
    for step in STEPS[1:]:
        progress(step)
        # In one thread: the same sums in the same order, whatever the machine has.
        with threadpool_limits(1):
            for _ in range(passes):
                for at in np.array_split(random.permutation(len(known)), a_pass):
                    slopes = gradient(network, *learned.take(at))
                    if not with_hours:
                        slopes.inputs[:, _LOG_HOURS] = 0
                    adam.step(slopes)
            found = loss(network, *watched)
        if found < least:
            best, least = Network(*(each.copy() for each in network)), found
    return Fitted(_form(best, standard, examples.prevalence), {}, features=())


def _standard(windows: Floats) -> Standard:
    """Of INPUTS, over the last reading of each window: each reading counts once."""
    last = windows[:, -1]
    hours = last[:, HOURS]
    known = hours[~np.isnan(hours)]
    columns = (
        last[:, SYSTOLIC],
        last[:, DIASTOLIC],
        np.log1p(known) if len(known) else np.zeros(1),
    )
    each = [Standard.of(column[None]) for column in columns]
    return Standard(*(np.concatenate(numbers) for numbers in zip(*each, strict=True)))


def _told(examples: Examples, windows: Floats, standard: Standard) -> _Told:
    inputs, missing = told(windows, *standard)
    return _Told(inputs, missing, examples.labels.astype(np.float64), examples.weights)


def _at_first(random: np.random.Generator, prevalence: dict[str, float]) -> Network:
    """A network that says how frequent events are, and remembers what it read for a while."""
    turns = [np.linalg.qr(random.normal(size=(UNITS, UNITS)))[0] for _ in range(GATES)]
    bias = np.zeros((GATES * UNITS, 1))
    bias[:UNITS] = _UPDATE_BIAS
    return Network(
        inputs=random.normal(0, _INPUT_SD, (GATES * UNITS, len(INPUTS))),
        memory=np.concatenate(turns),
        bias=bias,
        outputs=np.zeros((len(TARGETS), UNITS)),
        intercepts=np.array([[log_odds(prevalence[name])] for name in TARGETS]),
    )


def _form(network: Network, standard: Standard, prevalence: dict[str, float]) -> RecurrentForm:
    inputs, memory, bias, outputs, intercepts = (each.round(_DIGITS) for each in network)
    return RecurrentForm(
        prevalence=prevalence,
        center=standard.center.tolist(),
        scale=standard.scale.tolist(),
        inputs=inputs.tolist(),
        memory=memory.tolist(),
        bias=bias[:, 0].tolist(),
        outputs=dict(zip(TARGETS, outputs.tolist(), strict=True)),
        intercepts=dict(zip(TARGETS, intercepts[:, 0].tolist(), strict=True)),
    )
