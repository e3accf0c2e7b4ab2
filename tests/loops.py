"""What needs the loops in C."""

import pytest

from bpstream.compiled import LOOPS

needs_the_loops = pytest.mark.skipif(
    LOOPS is None, reason="bpstream was installed without a compiler"
)
