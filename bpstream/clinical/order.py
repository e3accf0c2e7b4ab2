"""The order in which columns of readings are gone through patient by patient."""

import numpy as np
from numpy.typing import NDArray

_FEW = 1 << 16


def by_patient(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """The readings' positions, those of a patient side by side and in the order of their arrival.

    `rows`, shape ``(n,)``, says whose each reading is: not negative, and the smaller the better.
    Numbers of 16 bits NumPy sorts digit by digit, eight times as fast as larger ones.
    """
    keys = rows.astype(np.uint16) if rows.max(initial=0) < _FEW else rows
    order: NDArray[np.intp] = np.argsort(keys, kind="stable")
    return order
