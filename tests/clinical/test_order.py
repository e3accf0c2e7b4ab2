"""The order in which readings are gone through patient by patient."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bpstream.clinical.order import by_patient

positions = st.integers(0, 3) | st.integers(2**16 - 2, 2**16 + 1)


@given(st.lists(positions, max_size=40))
def test_a_patients_readings_are_side_by_side_and_in_the_order_of_their_arrival(rows):
    order = by_patient(np.array(rows, np.intp))
    assert order.tolist() == sorted(range(len(rows)), key=lambda at: (rows[at], at))
