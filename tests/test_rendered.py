"""Rendered: as if each row were rendered anew, and each is rendered once."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bpstream import rendered
from bpstream.rendered import Phrases, Rendered

NAN = float("nan")

values = st.tuples(st.sampled_from([1.0, 2.5, NAN, -0.0, 0.0]), st.integers(-3, 3))


@given(st.lists(st.lists(values, min_size=1), max_size=4))
def test_each_different_row_is_rendered_once(calls: Sequence[Sequence[tuple[float, int]]]):
    seen = list[str]()

    def render(pressure: float, number: int) -> str:
        seen.append(f"{pressure} {number}")
        return seen[-1]

    texts = Rendered(render)
    for rows in calls:
        pressures, numbers = map(np.array, zip(*rows, strict=True))
        expected = [f"{pressure} {number}" for pressure, number in rows]
        assert texts.of(pressures, numbers.astype(np.int8)) == expected
    assert len(seen) == len(set(seen))


@given(st.lists(st.lists(values, min_size=1), max_size=4), st.booleans())
def test_a_phrase_is_of_every_row_what_was_rendered_of_it(calls, forgets):
    def render(pressure: float, number: int) -> tuple[bytes, bytes]:
        return b"%d" % number, str(pressure).encode()

    phrases = Phrases(render)
    for rows in calls:
        if forgets:
            phrases._rendered._known, phrases._rendered.texts = {}, []
        pressures, numbers = map(np.array, zip(*rows, strict=True))
        found = phrases.of(pressures, numbers)
        assert [*zip(*(each.each() for each in found), strict=True)] == [
            render(*row) for row in zip(pressures, numbers.tolist(), strict=True)
        ]


def test_what_was_rendered_is_forgotten_before_it_takes_much_memory(monkeypatch):
    monkeypatch.setattr(rendered, "_MOST_KNOWN", 100)
    texts = Rendered(str)
    for start in range(0, 1000, 50):
        found = texts.of(np.arange(start, start + 50))
        assert found == [str(number) for number in range(start, start + 50)]
        assert len(texts._known) <= 150
