"""The process around the app: signals, the exit status, and a last line that says why."""

import os
import threading
from typing import Any, NoReturn

import click
import faust

from bpstream.errors import BPStreamError

EXIT_FAILURE = 1

_STOP_WITHIN = 30.0
"""Seconds after which a worker that should stop is stopped: nothing is lost by it."""


class Worker(faust.Worker):
    """Faust's worker, which ends a failed app with status 1 and one clear last line."""

    app: Any

    def __init__(self, app: Any, *services: Any, **kwargs: Any) -> None:
        super().__init__(app, *services, **{**kwargs, "redirect_stdouts": False})
        self.spinner = None

    def execute_from_commandline(self) -> NoReturn:
        """Run until a signal, or until the app cannot go on."""
        status, failure = 0, None
        try:
            super().execute_from_commandline()
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            failure = self.app.failure or self.crash_reason or self.app.crash_reason
            if failure is not None or status:
                click.echo(last_line(failure), err=True)
                status = EXIT_FAILURE
        raise SystemExit(status)

    async def start(self) -> None:
        """Start the app; what keeps it from starting is kept for the last line."""
        try:
            await super().start()
        except BPStreamError as error:
            # Its sentence is all there is to say: no traceback.
            self.app.failure = error
        except Exception as error:
            self.app.failure = self.app.failure or error
            raise

    def _on_sigint(self) -> None:
        self._on_sigterm()

    def _schedule_shutdown(self, signal: Any) -> None:
        _end_within(_STOP_WITHIN)
        super()._schedule_shutdown(signal)

    def on_worker_shutdown(self) -> None:
        """Give a failed app the same time to stop as a signal does."""
        _end_within(_STOP_WITHIN)
        super().on_worker_shutdown()


def last_line(failure: BaseException | None) -> str:
    """What a person reads last on the terminal of a worker that ended."""
    if isinstance(failure, BPStreamError):
        return f"bpstream: {failure}"
    if failure is None:
        return "bpstream: the worker failed; the log above says why"
    kind = type(failure).__name__
    return f"bpstream: stopped by an unexpected error, {kind}: {failure}; see the log above"


def _end_within(seconds: float) -> None:
    """End the process if it is still there: a service that hangs must not keep it."""

    def end() -> None:
        click.echo(f"bpstream: not stopped within {seconds:.0f} s; ended", err=True)
        os._exit(EXIT_FAILURE)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
