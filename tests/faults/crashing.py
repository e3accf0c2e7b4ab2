"""A worker that is struck at a named point of its work; run in place of `bpstream worker`.

The environment says where (CRASH_POINT), the how manyth time (CRASH_AT), and what befalls it
(CRASH_ACTION: kill or stop, by SIGKILL or SIGSTOP).
"""

import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any

from bpstream.settings import Settings
from bpstream.stream.app import App
from bpstream.stream.delivery import ChunkConsumer
from bpstream.stream.topics import Topics, changelog_of
from bpstream.stream.worker import Worker

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}

STEP_BYTES = 10_000
"""So small that a chunk of a hundred messages has several steps."""


class Fate:
    """Counts how often the worker comes to the point, and strikes."""

    def __init__(self, point: str, at: int, action: str) -> None:
        self._point, self._left, self._signal = point, at, SIGNALS[action]

    def at(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                print(f"struck {point}", flush=True)
                os.kill(os.getpid(), self._signal)

    def around(self, name: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        """`call`, with a point before it and one after it."""

        @wraps(call)
        async def struck(*args: Any, **kwargs: Any) -> Any:
            self.at(f"before {name}")
            result = await call(*args, **kwargs)
            self.at(f"after {name}")
            return result

        return struck

    def around_blocking(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same of a call that blocks."""

        @wraps(call)
        def struck(*args: Any, **kwargs: Any) -> Any:
            self.at(f"before {name}")
            result = call(*args, **kwargs)
            self.at(f"after {name}")
            return result

        return struck


def prepare(app: App, settings: Settings, fate: Fate) -> None:
    """Put the points into the app's work."""
    # The archive is all that does this, in Python.
    for name in ("fdatasync", "fsync", "replace"):
        setattr(os, name, fate.around_blocking(name, getattr(os, name)))
    new_index = app.new_index

    def struck_index(settings: Settings) -> Any:
        index: Any = new_index(settings)
        index.write = fate.around("bulk", index.write)
        return index

    published = {
        changelog_of(settings): "changelog",
        settings.alerts_topic: "alerts",
        settings.dead_letter_topic: "dead letters",
        settings.rekeyed_topic: "way home",
    }
    publisher: Any = app.publisher
    publish_to = publisher.publish_to

    async def struck_publish_to(topic: str, partition: int, records: Sequence[Any]) -> int:
        # A new owner's claim of its partition is a single record; what the ward is told, or
        # people said, is no part of a chunk's way.
        is_claim = topic == changelog_of(settings) and len(records) == 1
        if is_claim or topic not in published:
            return int(await publish_to(topic, partition, records))
        return int(await fate.around(published[topic], publish_to)(topic, partition, records))

    consumer: Any = ChunkConsumer
    consumer._commit = fate.around("commit", consumer._commit)
    publisher.publish_to = struck_publish_to
    app_made: Any = app
    app_made.new_index = struck_index


def main() -> None:
    """Run the worker that the environment describes until its fate."""
    environ = os.environ
    fate = Fate(environ["CRASH_POINT"], int(environ["CRASH_AT"]), environ["CRASH_ACTION"])
    settings = Settings.from_env(environ)
    setattr(Topics, "step_bytes", STEP_BYTES)  # noqa: B010 - a property of the class
    app = App(settings)
    prepare(app, settings, fate)
    Worker(app, loglevel="INFO", quiet=True).execute_from_commandline()


if __name__ == "__main__":
    main()
