"""How Faust's clients connect to a Kafka that wants TLS or a password."""

import ssl
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer

from bpstream.errors import StartError
from bpstream.settings import Settings

_MOST_WAIT_MS = 5000
"""Of a fetch that finds nothing new, and of who sends it."""


def credentials(settings: Settings) -> Any:
    """Faust's credentials for the broker of `settings`; None for a plain connection."""
    protocol = settings.broker_security_protocol
    context = _context(settings) if protocol.endswith("SSL") else None
    if protocol.startswith("SASL"):
        return faust.SASLCredentials(
            mechanism=settings.broker_sasl_mechanism,
            username=settings.broker_username,
            password=settings.broker_password,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None


def client(settings: Settings) -> dict[str, Any]:
    """How a client of aiokafka's connects to the broker of `settings`."""
    protocol = settings.broker_security_protocol
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "security_protocol": protocol,
    }
    if protocol.endswith("SSL"):
        options["ssl_context"] = _context(settings)
    if protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.broker_sasl_mechanism
        options["sasl_plain_username"] = settings.broker_username
        options["sasl_plain_password"] = settings.broker_password
    return options


def reader(settings: Settings) -> Any:
    """A consumer of aiokafka's in no group: it reads what it is assigned, and commits nothing.

    What is new ends a fetch at once.  What else is asked waits behind it: ask before `assign`.
    """
    return AIOKafkaConsumer(
        **client(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=_MOST_WAIT_MS,
        consumer_timeout_ms=_MOST_WAIT_MS,
    )


def check_ca_file(settings: Settings) -> None:
    """Raise :class:`StartError` where the certificates are needed and cannot be read."""
    if settings.broker_security_protocol.endswith("SSL"):
        _context(settings)


def _context(settings: Settings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.broker_ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise StartError(
            f"BPSTREAM_BROKER_CA_FILE={settings.broker_ca_file} cannot be read as "
            f"certificates: {error}"
        ) from None
