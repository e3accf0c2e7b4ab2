"""What an early warning is of: the states whose coming a model tells, arrays in, arrays out.

A target is a state of one reading.  A model gives the probability that the patient's next
reading of the same series, within `HORIZON_MINUTES`, is in it.  It is measured on patients who
are not in it now: of the others the reading itself says so.
"""

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.categories import CRISIS_DIASTOLIC, CRISIS_SYSTOLIC
from bpstream.clinical.rules import HYPOTENSION_SYSTOLIC_BELOW

TARGETS = ("hypotension", "low_map", "severe")
"""By these names they stand in a document's `early_warning`, and in a model's report."""

# mmHg.  The mean that is to be kept in septic shock: Evans et al., Surviving Sepsis Campaign
# 2021, Intensive Care Med 2021;47:1181-1247.
LOW_MEAN_BELOW = 65.0

# bpstream's own choice: in intensive care, where readings are mostly an hour apart, nearly all
# have their next one within it; what comes later hardly depends on this one.
HORIZON_MINUTES = 240.0


def states(
    systolic: NDArray[np.float64], diastolic: NDArray[np.float64]
) -> dict[str, NDArray[np.bool_]]:
    """Whether each reading is in each of `TARGETS`.

    The arrays have shape ``(n,)`` and are mmHg.  The mean is the formula's, (S + 2D) / 3, also
    where one was measured: makers of cuffs estimate it each in a way of their own, and most
    feeds have none, so that a target which used it would be another one from feed to feed.

    >>> pressures = [np.array(each) for each in ([89.0, 180.0, 95.0], [60.0, 90.0, 49.0])]
    >>> {name: state.tolist() for name, state in states(*pressures).items()}["low_map"]
    [False, False, True]
    """
    return {
        "hypotension": systolic < HYPOTENSION_SYSTOLIC_BELOW,
        "low_map": systolic + 2 * diastolic < 3 * LOW_MEAN_BELOW,
        "severe": (systolic >= CRISIS_SYSTOLIC) | (diastolic >= CRISIS_DIASTOLIC),
    }
