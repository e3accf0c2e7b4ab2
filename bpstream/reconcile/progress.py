"""How far a pass is: told to whoever shows it."""

from collections.abc import Callable
from contextlib import AbstractContextManager

Step = Callable[[int], object]
"""Called with how much was done."""

Progress = Callable[[str, int | None], AbstractContextManager[Step]]
"""`progress("topic", 1000)` begins a pass of 1000 messages; None: nobody knows how many."""
