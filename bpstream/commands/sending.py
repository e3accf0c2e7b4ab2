"""What the commands that send share: a pace, a bar, and now and then a look at what Kafka has."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

if TYPE_CHECKING:
    from bpstream.stream.feed import Feed

INTERRUPTED = 130
_FLUSH_AFTER = 1.0  # seconds
_FLUSH_MESSAGES = 10_000
_SHOW_EVERY = 0.1


class Time(click.ParamType):
    """A date, or a date and time, in ISO 8601; without a zone it is of the zone that is set."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The time as it stands; `in_zone` gives it a zone."""
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-01-29T21:30:00Z", param, ctx)


def in_zone(at: datetime, timezone: str) -> datetime:
    """`at` with a zone of its own."""
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(timezone))


RATE = click.option(
    "--rate", type=click.FloatRange(0, min_open=True), help="Messages a second, at most."
)


class Sender:
    """Sends through `feed` at most `rate` messages a second.

    `confirmed` is called when Kafka has all that was sent: each second, each 10,000 messages,
    and by `flush`.
    """

    def __init__(
        self, feed: "Feed", *, rate: float | None, confirmed: Callable[[], object] = lambda: None
    ) -> None:
        self._feed, self._rate, self._confirmed = feed, rate, confirmed
        self._began = self._flushed = time.monotonic()
        self._flushed_at = 0
        self.sent = 0

    def send(
        self, key: str | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Send a message when it is its turn."""
        if self._rate is not None:
            ahead = self._began + self.sent / self._rate - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
        self._feed.send(key, value, headers)
        self.sent += 1

    def look(self) -> None:
        """Flush if it is time to.  To be called when everything that was sent is noted."""
        many = self.sent - self._flushed_at >= _FLUSH_MESSAGES
        if many or time.monotonic() - self._flushed >= _FLUSH_AFTER:
            self.flush()

    def flush(self) -> None:
        """Return when Kafka has what was sent, and that is written down."""
        self._feed.flush()
        self._confirmed()
        self._flushed, self._flushed_at = time.monotonic(), self.sent


class Bar:
    """How far through its parts, of `sizes` bytes, a command is.  It may be asked at any rate."""

    def __init__(self, progress: Any, sizes: Sequence[int]) -> None:
        self._progress, self._sizes = progress, iter(sizes)
        self._before, self._at, self._shown = 0, 0, time.monotonic()

    def reached(self, position: int) -> None:
        """So many bytes of this part are read."""
        now = time.monotonic()
        if now - self._shown >= _SHOW_EVERY:
            self._show(self._before + position)
            self._shown = now

    def next(self) -> None:
        """Go on to the next part."""
        self._before += next(self._sizes)
        self._show(self._before)

    def _show(self, at: int) -> None:
        self._progress.update(at - self._at)
        self._at = at


@contextmanager
def bar(label: str, sizes: Sequence[int], count: Callable[[], int]) -> Iterator[Bar]:
    """A bar on stderr, with how much `count()` grows a second; none where nothing has a size."""
    began, length = time.monotonic(), sum(sizes)
    shown: Any = click.progressbar(
        length=length,
        label=label,
        item_show_func=lambda _: f"{count() / max(time.monotonic() - began, 1e-3):,.0f}/s",
        file=sys.stderr,
        hidden=not length,
    )
    with shown as progress:
        yield Bar(progress, sizes)
