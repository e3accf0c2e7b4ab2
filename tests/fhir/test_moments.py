"""Moments: many times read at once, by the loop in C and without it."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bpstream.compiled import LOOPS
from bpstream.fhir.moments import utc_times
from tests.fhir.messages import THOROUGHLY, at
from tests.fhir.test_plain import NOW, TIME_FORMS

TIMES = [NOW.replace(tzinfo=None).isoformat(timespec=form) + zone for form, zone in TIME_FORMS]
both_ways = pytest.mark.parametrize("loops", [LOOPS, None])
ONE_DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@st.composite
def times(draw):
    """As most feeds write them, some with a letter that is another."""
    precision, zone = draw(st.sampled_from(TIME_FORMS))
    moment = draw(st.datetimes() | st.datetimes(datetime(1999, 12, 1), datetime(2000, 3, 2)))
    text = moment.isoformat(timespec=precision) + zone
    if draw(st.booleans()):
        place = draw(st.integers(0, len(text) - 1))
        text = text[:place] + draw(st.sampled_from("0123456789+-:.TZ é")) + text[place + 1 :]
    return text[: draw(st.none() | st.integers(0, len(text)))]


@both_ways
def test_times_are_read_together_whatever_their_form(loops):
    texts = [*islice(TIMES, 3), "never", "", *TIMES]
    found, known = utc_times(texts, loops=loops)
    assert known.tolist() == [True] * 3 + [False] * 2 + [True] * len(TIMES)
    assert found[known].tolist() == [at(text) for text in texts if len(text) > 5]


@both_ways
def test_one_impossible_date_spoils_no_other(loops):
    found, known = utc_times(["2026-02-30T00:00:00Z", "2026-02-28T00:00:00Z"], loops=loops)
    assert known.tolist() == [False, True]
    assert found[1] == at("2026-02-28T00:00:00Z")


@THOROUGHLY
@given(st.lists(times()))
@example(["0001-01-01T00:00:00+00:01", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-00:01"])
@example(["2026-01-29T24:00:00Z", "2026-01-29T23:60:00Z", "2026-01-29T23:59:60Z"])
@example(["2026-01-29T21:32:51+14:00", "2026-01-29T21:32:51-14:01", "2026-01-29T21:32:51+01:60"])
@example(["0000-01-01T00:00:00Z", "2026-00-29T21:32:51Z", "2026-13-29T21:32:51Z"])
def test_both_ways_know_the_same_times_and_read_them_alike(texts):
    (one, known), (other, same) = (utc_times(texts, loops=loops) for loops in (LOOPS, None))
    assert known.tolist() == same.tolist()
    assert one[known].tolist() == other[known].tolist()
    for text, moment, is_known in zip(texts, one.tolist(), known.tolist(), strict=True):
        if is_known:
            assert moment == (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


@both_ways
def test_every_day_of_the_calendar_is_told_from_those_it_does_not_have(loops):
    """Of years that are leap years and of some that are not, by both of the rules' exceptions."""
    years = (1, 4, 100, 400, 1900, 1970, 1999, 2000, 2024, 2100, 9999)
    dates = [f"{y:04}-{m:02}-{d:02}" for y in years for m in range(14) for d in range(33)]
    found, known = utc_times([f"{each}T12:00:00Z" for each in dates], loops=loops)
    for text, moment, is_known in zip(dates, found.tolist(), known.tolist(), strict=True):
        day = moment // 86_400_000_000
        assert is_known == (day_of(text) is not None)
        assert not is_known or day == day_of(text)


def day_of(text):
    """Days since 1970; None where there is no such day."""
    try:
        return (date.fromisoformat(text) - EPOCH.date()) // ONE_DAY
    except ValueError:
        return None


@both_ways
def test_of_many_times_an_impossible_one_is_none_and_ends_nothing(loops):
    """NumPy ended the process here, without a word."""
    texts = [TIMES[0]] * 2000 + ["2026-02-30T00:00:00Z", "2026-02-30T12:00:00.000000+00:00"]
    found, known = utc_times(texts, loops=loops)
    assert known.tolist() == [True] * 2000 + [False] * 2
    assert set(found[:2000].tolist()) == {at(TIMES[0])}
