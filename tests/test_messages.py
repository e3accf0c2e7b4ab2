"""Messages in one piece of memory: they are what they were of, in part and altogether."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bpstream.messages import Messages, size

values = st.lists(st.none() | st.binary(max_size=4))


@given(values)
def test_messages_are_the_bytes_they_were_made_of(these):
    messages = Messages.of(these)
    assert list(messages) == [messages[at] for at in range(len(messages))] == these
    assert (len(messages), messages, hash(messages)) == (len(these), these, hash(tuple(these)))
    assert size(messages) == size(these) == sum(len(each or b"") for each in these)
    assert Messages.of(messages) is messages
    assert eval(repr(messages)) == messages


@given(values, st.data())
def test_some_of_them_are_taken_and_none_is_copied(these, data):
    messages = Messages.of(these)
    bounds = st.none() | st.integers(-9, 9)
    some = slice(data.draw(bounds), data.draw(bounds))
    at = data.draw(st.lists(st.sampled_from(range(len(these))))) if these else []
    for found, expected in (
        (messages[some], these[some]),
        (messages.take(np.array(at, np.intp)), [these[each] for each in at]),
    ):
        assert found == expected
        assert found.text is messages.text
