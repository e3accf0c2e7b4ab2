"""What every test may ask for: real services, started at most once a run, and names of its own."""

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest

from tests.secure import Certificates, SecuredKafka
from tests.services import Service, running

# A machine that is busy is slow: no test may fail of that.
hypothesis.settings.register_profile("bpstream", deadline=None)
hypothesis.settings.load_profile("bpstream")


def pytest_configure() -> None:
    # A run that is terminated stops its services, as one that is interrupted does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority, a server's certificate by it, and an authority that nobody knows."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def _brokers(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, SecuredKafka]]:
    secured = SecuredKafka.planned(certificates)
    # It is the only broker, and nobody kills it: one that stands still is not given up for dead.
    patient = "--kafka-setting=broker.session.timeout.ms=120000"
    for address in _shared("kafka", tmp_path_factory, *secured.options, patient):
        yield address, secured


@pytest.fixture(scope="session")
def kafka(_brokers: tuple[str, SecuredKafka]) -> str:
    """Address of a broker, ``127.0.0.1:PORT``.  It creates no topic by itself."""
    return _brokers[0]


@pytest.fixture(scope="session")
def secured_kafka(
    _brokers: tuple[str, SecuredKafka], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SecuredKafka]:
    """The same broker where it wants TLS and a password; of its own where TEST_KAFKA is given."""
    address, secured = _brokers
    with ExitStack() as stack:
        if address != secured.plain:
            folder = tmp_path_factory.mktemp("secured")
            stack.enter_context(running("kafka", folder, *secured.options))
        secured.add_user()
        yield secured


@pytest.fixture(scope="session")
def elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a node, ``http://127.0.0.1:PORT``."""
    yield from _shared("elasticsearch", tmp_path_factory)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """`service("kafka")` starts one this test may kill; more arguments are options of its start."""
    with ExitStack() as stack:

        def start(name: str, *options: str) -> Service:
            folder = tmp_path / uuid.uuid4().hex[:8]
            return stack.enter_context(running(name, folder, *options))

        yield start


@pytest.fixture
def unique_name() -> Callable[[str], str]:
    """`unique_name("alerts")` is a name for a topic, an index or a group no other test has."""
    return lambda stem: f"{stem}-{uuid.uuid4().hex[:12]}"


def _shared(name: str, folders: pytest.TempPathFactory, *options: str) -> Iterator[str]:
    address = os.environ.get(f"TEST_{name.upper()}")
    if address:
        yield address
        return
    with running(name, folders.mktemp("services"), *options) as service:
        yield service.address
