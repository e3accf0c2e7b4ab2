"""How a client of librdkafka's connects to the broker of the settings, and why it cannot.

librdkafka tells a refused password or certificate to its error callback alone: whoever asks it
something is told, much later, that there was no answer.
"""

import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from bpstream.errors import StartError
from bpstream.settings import Settings
from bpstream.stream import security

ANSWER_WITHIN = 10.0
"""Seconds in which a broker that is there answers a command."""

_TURN = 1.0
"""Seconds of a question: a refusal is heard of between two."""

_USER_REFUSED = {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED}
_REFUSED = {
    *_USER_REFUSED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}


def client_settings(settings: Settings) -> dict[str, Any]:
    """How a librdkafka client connects to the broker of `settings`."""
    config: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.broker_security_protocol,
    }
    if settings.broker_ca_file:
        config["ssl.ca.location"] = settings.broker_ca_file
    if settings.broker_security_protocol.startswith("SASL"):
        config["sasl.mechanism"] = settings.broker_sasl_mechanism
        config["sasl.username"] = settings.broker_username
        config["sasl.password"] = settings.broker_password
    return config


class Connection:
    """Makes a client's configuration, and listens to what the client is told beside answers."""

    def __init__(self, settings: Settings) -> None:
        """Raises :class:`StartError` where the file of certificates cannot be used."""
        security.check_ca_file(settings)
        self._settings = settings
        self._heard: KafkaError | None = None
        self.config: dict[str, Any] = {
            **client_settings(settings),
            "log_level": 0,
            "error_cb": self._hear,
        }

    def topics(self, client: Any) -> Any:
        """What `client`, made with `config`, is told of the cluster and its topics.

        Raises :class:`StartError` where the broker does not answer or refuses us.
        """
        end = time.monotonic() + ANSWER_WITHIN
        while True:
            try:
                return client.list_topics(timeout=_TURN)
            except KafkaException as exception:
                error = exception.args[0]
            if (refusal := self.refusal(error, client)) is not None:
                raise refusal
            if time.monotonic() > end:
                raise StartError(self.away(error))

    def refusal(self, error: KafkaError, client: Any) -> StartError | None:
        """The refusal behind the `error` that a client was given; None: the broker is away."""
        client.poll(0)  # What it has to tell beside.
        found = error if _is_refusal(error) else self._heard
        if found is None or not _is_refusal(found):
            return None
        settings, words = self._settings, f"Kafka at {self._settings.bootstrap_servers}"
        if found.code() in _USER_REFUSED:
            return StartError(
                f"{words} refused the user {settings.broker_username!r}: {_told(found)}; "
                "BPSTREAM_BROKER_USERNAME and BPSTREAM_BROKER_PASSWORD of a user that it knows "
                f"for BPSTREAM_BROKER_SASL_MECHANISM={settings.broker_sasl_mechanism} would do"
            )
        if found.code() == KafkaError._SSL:
            of = settings.broker_ca_file or "(the system's)"
            return StartError(
                f"{words} is not trusted: {_told(found)}; BPSTREAM_BROKER_CA_FILE={of} has to hold "
                "the certificate (PEM) of the authority that signed Kafka's, which has to be valid "
                "for the host in BPSTREAM_BROKER"
            )
        return StartError(f"{words} refused us: {_told(found)}")

    def away(self, error: KafkaError) -> str:
        """That the broker does not answer, and what may be why."""
        found, protocol = self._heard or error, self._settings.broker_security_protocol
        return (
            f"Kafka does not answer at {self._settings.bootstrap_servers} (BPSTREAM_BROKER), "
            f"asked by {protocol} (BPSTREAM_BROKER_SECURITY_PROTOCOL): {_told(found)}"
        )

    def _hear(self, error: KafkaError) -> None:
        # That all brokers are down is said after why each of them is.
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._heard = error


def _is_refusal(error: KafkaError) -> bool:
    """Whether waiting would not help.  A handshake may also fail while a broker starts or ends."""
    is_untrusted = error.code() == KafkaError._SSL and "certificate" in error.str()
    return error.code() in _REFUSED or is_untrusted


def _told(error: KafkaError) -> str:
    """The library's words in one line."""
    return " ".join(error.str().split())
