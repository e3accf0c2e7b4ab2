"""The gradient, held to the differences that it is the limit of."""

import numpy as np
import pytest

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.models.recurrent import GATES, INPUTS, Network, told
from bpstream.training.families.adam import Adam
from bpstream.training.families.backpropagation import gradient, loss
from tests.clinical.models.forms import seen

UNITS, N = 3, 12


def a_network(seed=0):
    random = np.random.default_rng(seed)
    shapes = Network(
        (GATES * UNITS, len(INPUTS)),
        (GATES * UNITS, UNITS),
        (GATES * UNITS, 1),
        (len(TARGETS), UNITS),
        (len(TARGETS), 1),
    )
    return Network(*(random.normal(0, 0.7, shape) for shape in shapes))


def examples(seed=0):
    random = np.random.default_rng(seed)
    inputs, missing = told(seen(N, seed).windows(), np.array([120, 60, 0.5]), np.array([20, 12, 1]))
    labels = (random.random((len(TARGETS), N)) < 0.4).astype(float)
    return inputs, missing, labels, random.choice([0.1, 1.0], (len(TARGETS), N))


@pytest.mark.parametrize("part", Network._fields)
@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_is_the_limit_of_differences(part, seed):
    network, told_of = a_network(seed), examples(seed)
    found = getattr(gradient(network, *told_of), part)
    numbers = getattr(network, part)
    for at in np.ndindex(numbers.shape):
        number, step = numbers[at], 1e-5
        numbers[at] = number + step
        above = loss(network, *told_of)
        numbers[at] = number - step
        below = loss(network, *told_of)
        numbers[at] = number
        assert found[at] == pytest.approx((above - below) / (2 * step), abs=1e-8)


def test_adam_finds_a_network_with_less_loss():
    network, told_of = a_network(), examples()
    before = loss(network, *told_of)
    adam = Adam(network, steps=500)
    for _ in range(500):
        adam.step(gradient(network, *told_of))
    assert loss(network, *told_of) < before / 2
