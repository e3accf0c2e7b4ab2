"""How far readings are from their patients' usual: features and sums in, one column out."""

import numpy as np

from bpstream.clinical.features import FEATURES
from bpstream.clinical.history import SUMS, Floats

USUAL_FROM = 4.0
"""So many readings, each by its weight in the slow history, make a patient's usual: bpstream's own
choice, for the first readings are no measure of those that follow."""

_WEIGHT = SUMS.index("w")
_DEVIATIONS = [FEATURES.index("systolic_deviation"), FEATURES.index("mean_deviation")]


def deviation(found: Floats, sums: Floats) -> Floats:
    """The deviation of the systolic or the mean pressure, whichever is farther; shape ``(n,)``.

    In standard deviations of the patient, from what was usual before the reading; NaN where too
    little came before.  `found` and `sums` are those of `features.features`.
    """
    systolic, mean = found[_DEVIATIONS]
    farther: Floats = np.where(np.abs(mean) > np.abs(systolic), mean, systolic)
    # The reading itself weighs 1 in the sums.
    farther[sums[_WEIGHT] - 1 < USUAL_FROM] = np.nan
    return farther
