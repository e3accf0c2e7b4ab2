"""Adam: gradient descent whose step is scaled for each number (Kingma & Ba, ICLR 2015)."""

import numpy as np

from bpstream.clinical.models.recurrent import Network

_RATE, _WARM_UP = 8e-3, 50
_MOMENTUM, _MEMORY, _TINY = 0.9, 0.999, 1e-8
# A longer gradient is cut to this: a few strange patients do not throw the network off.
_LONGEST = 1.0
# Weights decay by this part of each step (Loshchilov & Hutter, ICLR 2019).
_DECAY = 1e-4


class Adam:
    """Changes a network in place, in `steps` steps that become shorter along a cosine."""

    def __init__(self, network: Network, *, steps: int) -> None:
        self.network, self.steps, self.done = network, steps, 0
        self._means = [np.zeros_like(each) for each in network]
        self._squares = [np.zeros_like(each) for each in network]

    def step(self, gradient: Network) -> None:
        """Take one step against the gradient."""
        self.done += 1
        rate = _RATE * (1 + np.cos(np.pi * self.done / self.steps)) / 2
        rate *= min(1, self.done / _WARM_UP)
        length = np.sqrt(sum(float((each**2).sum()) for each in gradient))
        cut = min(1, _LONGEST / max(length, _TINY))
        for at, (number, full) in enumerate(zip(self.network, gradient, strict=True)):
            slope = full * cut
            mean = _MOMENTUM * self._means[at] + (1 - _MOMENTUM) * slope
            square = _MEMORY * self._squares[at] + (1 - _MEMORY) * slope**2
            self._means[at], self._squares[at] = mean, square
            # Both began at 0.
            expected = mean / (1 - _MOMENTUM**self.done)
            spread = np.sqrt(square / (1 - _MEMORY**self.done))
            number[:] -= rate * (expected / (spread + _TINY) + _DECAY * number)
