"""Every BPSTREAM_* variable: its type, default and meaning.  Read once, at the edge."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from math import inf
from pathlib import Path
from typing import Any, Self, get_type_hints
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bpstream.errors import SettingsError

_PREFIX = "BPSTREAM_"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_KAFKA_PORT = 9092


def _one_of(*words: str, default: str) -> Any:
    return field(default=default, metadata={"words": words})


def _secret() -> Any:
    return field(default="", repr=False, metadata={"secret": True})


def _at_least(least: float, default: Any, *, most: float = inf) -> Any:
    return field(default=default, metadata={"least": least, "most": most})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a worker is told.  An unknown or unusable variable is a :class:`SettingsError`."""

    app_id: str = "bpstream"
    """The consumer group, and the first part of the changelog's name."""
    broker: str = "kafka://127.0.0.1:9092"
    """Kafka's address; several are separated by a semicolon."""
    broker_security_protocol: str = _one_of(
        "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL", default="PLAINTEXT"
    )
    """How the connection to Kafka is secured."""
    broker_sasl_mechanism: str = _one_of(
        "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", default="SCRAM-SHA-512"
    )
    """How the user is told to Kafka, with a SASL protocol."""
    broker_username: str = ""
    """Kafka's user."""
    broker_password: str = _secret()
    """Kafka's password."""
    broker_ca_file: str = ""
    """The certificates (PEM) that Kafka's own is checked against; empty: the system's."""
    topic: str = "blood_pressure_fhir"
    """The topic of FHIR Observations."""
    rekeyed_topic: str = "blood_pressure_rekeyed"
    """Internal: readings that arrived under another key, on their way home."""
    enriched_topic: str = ""
    """Every document is published here as well; empty: off."""
    alerts_topic: str = "blood_pressure_alerts"
    """Alerts that fired, changed, recovered or were acknowledged."""
    limits_topic: str = "blood_pressure_limits"
    """Limits by patient (compacted)."""
    acknowledgements_topic: str = "blood_pressure_acknowledgements"
    """What people said of alerts (compacted)."""
    dead_letter_topic: str = "blood_pressure_dead_letter"
    """Input that could not be used, as it came, with the reason in its headers."""
    partitions: int = _at_least(1, 4)
    """Partitions of a topic that has to be created."""
    elasticsearch_url: str = ""
    """Elasticsearch's address; empty: the local index under the data folder."""
    elasticsearch_api_key: str = _secret()
    """Elasticsearch's API key."""
    elasticsearch_username: str = ""
    """Elasticsearch's user."""
    elasticsearch_password: str = _secret()
    """Elasticsearch's password."""
    elasticsearch_ca_file: str = ""
    """The certificates (PEM) that Elasticsearch's own is checked against."""
    index: str = "bp-anomalies"
    """The alias; the indices behind it are named by the reading's month."""
    index_readings: str = _one_of("anomalies", "all", default="anomalies")
    """Which readings are indexed."""
    kibana_url: str = ""
    """Kibana's address, with its base path and space (`/s/ward-3`); empty: none."""
    kibana_api_key: str = _secret()
    """Kibana's API key."""
    kibana_username: str = ""
    """Kibana's user."""
    kibana_password: str = _secret()
    """Kibana's password."""
    kibana_ca_file: str = ""
    """The certificates (PEM) that Kibana's own is checked against."""
    fhir_base: str = ""
    """Absolute references below this address are told as relative ones are."""
    source: str = ""
    """Part of a reading's identity where the Observation names no meta.source."""
    data_dir: Path = Path("var")
    """Where a worker keeps what is its own."""
    archive_dir: Path | None = None
    """Where the archive is; unset: `archive` in the data folder."""
    archive_layout: str = _one_of("segments", "files", default="segments")
    """JSON Lines per partition, or one JSON file a reading."""
    archive_readings: str = _one_of("normal", "all", default="normal")
    """Which readings are archived."""
    web_host: str = "127.0.0.1"
    """The address the web server listens on."""
    web_port: int = _at_least(0, 6066, most=65535)
    """The port the web server listens on."""
    web_token: str = _secret()
    """What a request has to carry; a host that is not loopback needs one."""
    web_url: str = ""
    """How other workers reach this one; empty: the host and port it listens on."""
    simulate: int = _at_least(0, 0)
    """Patients the producer agent simulates; 0: none."""
    simulate_interval: float = _at_least(0.001, 5.0)
    """Seconds between two readings of a simulated patient."""
    simulate_profile: str = _one_of("uniform", "patients", default="patients")
    """How simulated pressures come about."""
    simulate_speed: float = _at_least(0.001, 1.0)
    """How many times as fast as the wall clock simulated patients live; readings have its time."""
    batch_size: int = _at_least(1, 6000)
    """Most messages of one fetched chunk that are processed at once."""
    model: str = "bp_additive"
    """The model that scores readings: one in models/, or the path of a folder."""
    alarm_rules: str = ""
    """A TOML file of alarm rules; empty: those that come with bpstream."""
    remind_after: float = _at_least(0.0, 600.0)
    """Seconds after which a critical alert nobody acknowledged is said again; 0: never."""
    webhook_url: str = _secret()
    """Where every alert is posted; empty: nowhere.  Its path or query may hold a token."""
    webhook_secret: str = _secret()
    """What the posts to the webhook are signed with."""
    alertmanager_url: str = _secret()
    """Prometheus' Alertmanager, which gets every alert; empty: none."""
    timezone: str = "UTC"
    """The zone of times that came without one."""
    max_skew: float = _at_least(0.0, 600.0)
    """Farthest, in seconds, a reading may lie in the future before it is a dead letter."""
    log: str = _one_of("text", "json", default="text")
    """How the log is written."""

    def __post_init__(self) -> None:
        if self.web_host not in _LOOPBACK and not self.web_token:
            raise SettingsError(
                f"BPSTREAM_WEB_HOST is {self.web_host}, which others can reach: "
                "set BPSTREAM_WEB_TOKEN as well, or use 127.0.0.1"
            )
        sasl = self.broker_security_protocol.startswith("SASL")
        if sasl and not (self.broker_username and self.broker_password):
            raise SettingsError(
                f"BPSTREAM_BROKER_SECURITY_PROTOCOL={self.broker_security_protocol} "
                "needs BPSTREAM_BROKER_USERNAME and BPSTREAM_BROKER_PASSWORD"
            )
        # Addresses are printed and logged; passwords are not.
        for name, address in (
            ("BROKER", self.broker),
            ("ELASTICSEARCH_URL", self.elasticsearch_url),
            ("KIBANA_URL", self.kibana_url),
        ):
            if "@" in address:
                stem = _PREFIX + name.removesuffix("_URL")
                raise SettingsError(
                    f"{_PREFIX}{name} holds a user or a password: "
                    f"set {stem}_USERNAME and {stem}_PASSWORD instead"
                )
        for address in self.broker.split(";"):
            _host_and_port(address)
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones
            raise SettingsError(
                f"BPSTREAM_TIMEZONE must be a zone such as Europe/Paris, not {self.timezone!r}"
            ) from None

    @property
    def archive(self) -> Path:
        """The archive's folder."""
        return self.archive_dir or self.data_dir / "archive"

    @property
    def bootstrap_servers(self) -> str:
        """Kafka's addresses as its clients want them: `host:port,host:port`."""
        return ",".join(map(_host_and_port, self.broker.split(";")))

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Take the settings `environ` holds; the others, and empty ones, keep their defaults."""
        types = get_type_hints(cls)
        known = {_PREFIX + each.name.upper(): each for each in fields(cls)}
        values: dict[str, Any] = {}
        for name in sorted(name for name in environ if name.startswith(_PREFIX)):
            if name not in known:
                near = get_close_matches(name.upper(), known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise SettingsError(f"{name} is not a setting{hint}")
            each = known[name]
            if text := environ[name]:
                values[each.name] = _read(name, text, types[each.name], each.metadata)
        return cls(**values)

    def table(self) -> list[tuple[str, str, str]]:
        """Name, value (a secret hidden) and default of every setting."""
        return [
            (
                _PREFIX + each.name.upper(),
                "(set)" if each.metadata.get("secret") and value else _shown(value),
                _shown(each.default),
            )
            for each in fields(self)
            for value in [getattr(self, each.name)]
        ]


def _shown(value: object) -> str:
    return "" if value is None else str(value)


def _host_and_port(address: str) -> str:
    """`HOST:PORT` of one of Kafka's addresses, with the usual port where it has none."""
    try:
        split = urlsplit(address)
        usable = split.scheme == "kafka" and bool(split.hostname)
        port = split.port or _KAFKA_PORT
    except ValueError:  # a port that is no number, a bracket that is not closed
        usable = False
    if not usable:
        raise SettingsError(f"BPSTREAM_BROKER must be kafka://HOST:PORT, not {address!r}")
    host = f"[{split.hostname}]" if ":" in str(split.hostname) else split.hostname
    return f"{host}:{port}"


def _read(name: str, text: str, wanted: Any, metadata: Mapping[str, Any]) -> Any:
    """`text` as the type `wanted`, held against the words or the bound in `metadata`."""
    if wanted in (int, float):
        reader: Callable[[str], float] = wanted
        kind = "a whole number" if wanted is int else "a number"
        try:
            number = reader(text)
        except ValueError:
            raise SettingsError(f"{name} must be {kind}, not {text!r}") from None
        least, most = metadata["least"], metadata["most"]
        if not least <= number <= most or number == inf:
            bounds = f"of at least {least}" if most == inf else f"from {least} to {most}"
            raise SettingsError(f"{name} must be {kind} {bounds}, not {text!r}")
        return number
    words = metadata.get("words")
    if words and text not in words:
        raise SettingsError(f"{name} must be {' or '.join(words)}, not {text!r}")
    return text if wanted is str else Path(text)
