"""The additive family, quickly grown on few readings."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bpstream.training.families import additive


@contextmanager
def few_trees(*, bins: int = 4) -> Iterator[None]:
    """Meanwhile the boosting is of few trees, whose leaves are as many as ever.

    To find the `bins` of weighted readings costs scikit-learn more than to grow so few trees.
    """
    few = {"max_iter": 12, "min_samples_leaf": 5, "max_bins": bins}
    with pytest.MonkeyPatch.context() as patch:
        options = {target: each | few for target, each in additive.OPTIONS.items()}
        patch.setattr(additive, "OPTIONS", options)
        yield
