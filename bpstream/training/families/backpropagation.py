"""Backpropagation through `clinical.models.recurrent`: what each number has to do with the loss.

Written out, since there is one network, and it is small: a library that derives it would have to
be installed by everybody who wants this family.
"""

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.history import Floats
from bpstream.clinical.models.recurrent import Network, Step, logits, read
from bpstream.clinical.models.risk import sigmoid


def loss(
    network: Network,
    inputs: Floats,
    missing: NDArray[np.bool_],
    labels: Floats,
    weights: Floats,
) -> float:
    """The mean weighted cross-entropy of readings, summed over the targets.

    `inputs` and `missing` are what `recurrent.told` gives; `labels` (0 or 1) and `weights` have
    shape ``(len(TARGETS), n)``.
    """
    said = logits(network, read(network, inputs, missing)[-1].memory)
    return float((weights * (np.logaddexp(0, said) - labels * said)).sum() / labels.shape[1])


def gradient(
    network: Network,
    inputs: Floats,
    missing: NDArray[np.bool_],
    labels: Floats,
    weights: Floats,
) -> Network:
    """How `loss` rises with each number of the network, in its shapes."""
    steps = read(network, inputs, missing)
    said = logits(network, steps[-1].memory)
    wrong = weights * (sigmoid(said) - labels) / labels.shape[1]
    found = Network(*(np.zeros_like(each) for each in network))
    found.outputs[:] = wrong @ steps[-1].memory.T
    found.intercepts[:] = wrong.sum(axis=1, keepdims=True)
    blame = network.outputs.T @ wrong
    befores = [np.zeros_like(blame), *(step.memory for step in steps[:-1])]
    for step, before, reading in zip(steps[::-1], befores[::-1], inputs[::-1], strict=True):
        fed, recalled, kept = _back(step, before, blame)
        found.inputs[:] += fed @ reading.T
        found.bias[:] += fed.sum(axis=1, keepdims=True)
        found.memory[:] += recalled @ before.T
        blame = kept + network.memory.T @ recalled
    return found


def _back(step: Step, before: Floats, blame: Floats) -> tuple[Floats, Floats, Floats]:
    """From the memory after a step to what was fed and recalled, and the memory before it."""
    candidate = blame * (1 - step.update) * (1 - step.candidate**2)
    update = blame * (before - step.candidate) * step.update * (1 - step.update)
    reset = candidate * step.recalled * step.reset * (1 - step.reset)
    return (
        np.concatenate([update, reset, candidate]),
        np.concatenate([update, reset, candidate * step.reset]),
        blame * step.update,
    )
