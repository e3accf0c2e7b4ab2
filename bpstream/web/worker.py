"""The worker as the web server sees it: what it must offer to be asked about."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import aiohttp
from prometheus_client import CollectorRegistry, Counter, Gauge
from yarl import URL

Json = dict[str, Any]
"""A JSON object, ready to be encoded."""


class WebSettings(Protocol):
    """The settings that concern the web server."""

    @property
    def app_id(self) -> str:
        """The consumer group, which all workers share."""

    @property
    def web_host(self) -> str:
        """The address to listen on."""

    @property
    def web_port(self) -> int:
        """The port to listen on; 0: any that is free."""

    @property
    def web_token(self) -> str:
        """What a request has to carry; empty: nothing."""


class Patients(Protocol):
    """The patients of this worker's own partitions."""

    def get(self, patient_id: str) -> Json | None:
        """The patient's counters, last reading and recent ones; None where never seen."""

    def history(self, patient_id: str) -> Json | None:
        """The recent readings, newest first, as a FHIR searchset; None where never seen."""

    def limits(self, patient_id: str) -> Json:
        """What holds for the patient, seen or not, and what is suggested."""

    def alerts(self) -> list[Json]:
        """The alerts that are pending or firing, the most urgent first."""

    def window(
        self, *, search: str, sort: str, offset: int, limit: int
    ) -> tuple[int, list[str], list[int]]:
        """How many patients `search` finds, and the ids and ranks of those at `offset`.

        Sorted by rank and then by id, over this worker and all others.
        """

    def whole(self) -> Json:
        """counts, alerts, ids and heat: what is said of all patients together."""

    def encoded(self, patient_ids: Iterable[str]) -> dict[str, bytes]:
        """What `get` tells of each, as JSON; those never seen are left out."""


class Desk(Protocol):
    """What people ask of this worker.  A body is JSON; ValueError says what is wrong with one."""

    async def acknowledge(self, alert_id: str, body: bytes) -> Json:
        """The alert, acknowledged; NotFound where it does not fire here, else Conflict."""

    async def silence(self, body: bytes) -> Json:
        """Begin or end a silence; returns those that last."""

    def silences(self) -> Json:
        """The silences that last."""

    async def set_limits(self, patient_id: str, body: bytes) -> Json:
        """Change the limits of a patient of this worker's; returns what holds then."""

    @property
    def history(self) -> Callable[..., Awaitable[Json]]:
        """Gives the alerts topic `since` a time (ms since 1970), at most `limit` events."""


class Health(Protocol):
    """Whether this worker does its work."""

    def dead(self) -> Sequence[str]:
        """Why a restart would help, a sentence each; empty: the process is worth keeping."""

    def reasons(self) -> Sequence[str]:
        """Why it is not ready, a sentence each; empty: it is ready."""

    def warnings(self) -> Sequence[str]:
        """What does not work and keeps no reading waiting, a sentence each."""

    def status(self) -> Json:
        """partitions, lag, readings, anomalies, dead_letters, since, and each sink's state."""


class Metrics(Protocol):
    """What Prometheus is told."""

    @property
    def registry(self) -> CollectorRegistry:
        """The worker's own registry."""

    @property
    def feed_clients(self) -> Gauge:
        """How many listen to the feed."""

    @property
    def feed_events(self) -> Counter:
        """Events sent to them, by kind."""


class WebApp(Protocol):
    """The Faust app, as far as the web server needs it."""

    @property
    def settings(self) -> WebSettings:
        """The settings it was made with."""

    @property
    def patients(self) -> Patients:
        """The patients it holds."""

    @property
    def desk(self) -> Desk | None:
        """Where people ask it; None while it starts."""

    @property
    def health(self) -> Health:
        """How it fares."""

    @property
    def metrics(self) -> Metrics:
        """What it has counted."""

    @property
    def http_client(self) -> aiohttp.ClientSession:
        """The session to ask other workers with."""

    @property
    def own_url(self) -> URL:
        """The address of this worker, as the others know it."""

    def owner(self, patient_id: str) -> URL | None:
        """The worker that holds the patient; None: not known, partitions are moving."""

    def workers(self) -> Sequence[URL]:
        """Every worker's address, this one's included."""
