"""Kafka behind TLS and a password: the right ones work, and a wrong one is named."""

import pytest
from click.testing import CliRunner

from bpstream.commands import cli
from bpstream.errors import StartError
from bpstream.settings import Settings
from bpstream.stream.connection import Connection, client_settings
from bpstream.stream.topics import prepare
from tests.integration.workers import free_port, names
from tests.secure import PASSWORD

WRONG = "wr0ng-secret"


@pytest.fixture
def environ(secured_kafka, unique_name):
    return {**names(unique_name), **secured_kafka.settings}


@pytest.mark.services
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_every_mechanism_lets_a_known_user_in(environ, mechanism):
    environ["BPSTREAM_BROKER_SASL_MECHANISM"] = mechanism
    assert (await prepare(Settings.from_env(environ))).partitions == 4


@pytest.fixture
def soon(monkeypatch):
    """A refusal is looked for sooner than need be."""
    monkeypatch.setattr("bpstream.stream.topics._FIRST_ANSWER_WITHIN", 0.1)
    monkeypatch.setattr("bpstream.stream.connection._TURN", 0.5)


@pytest.mark.services
@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PASSWORD", WRONG, "refused the user 'bpstream': .*BPSTREAM_BROKER_PASSWORD"),
        ("USERNAME", "nobody", "refused the user 'nobody': .*BPSTREAM_BROKER_USERNAME"),
        ("CA_FILE", "wrong-ca.pem", r"is not trusted: .*BPSTREAM_BROKER_CA_FILE=.*wrong-ca\.pem"),
        ("CA_FILE", "", r"is not trusted: .*BPSTREAM_BROKER_CA_FILE=\(the system's\)"),
        ("CA_FILE", "missing.pem", r"BPSTREAM_BROKER_CA_FILE=.*missing\.pem cannot be read"),
    ],
)
async def test_what_is_wrong_is_named_at_the_start_with_what_would_do(
    environ, secured_kafka, name, value, words
):
    if value.endswith(".pem"):
        value = str(secured_kafka.certificates.ca_file.with_name(value))
    environ[f"BPSTREAM_BROKER_{name}"] = value
    with pytest.raises(StartError, match=words) as caught:
        await prepare(Settings.from_env(environ))
    assert WRONG not in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.services
@pytest.mark.usefixtures("soon")
async def test_a_wrong_password_is_named_where_it_is_told_in_plain_words(environ):
    environ |= {"BPSTREAM_BROKER_SASL_MECHANISM": "PLAIN", "BPSTREAM_BROKER_PASSWORD": WRONG}
    with pytest.raises(StartError, match="BPSTREAM_BROKER_SASL_MECHANISM=PLAIN would do"):
        await prepare(Settings.from_env(environ))


@pytest.mark.services
@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    "command",
    [
        *(["simulate", "--count", "1"], ["dead-letters", "list"], ["reconcile"]),
        *(["dead-letters", "retry", "--all"], ["replay"], ["ingest", "-"]),
    ],
    ids=" ".join,
)
def test_a_command_names_a_wrong_password_too(environ, command, tmp_path):
    environ |= {"BPSTREAM_BROKER_PASSWORD": WRONG, "BPSTREAM_DATA_DIR": str(tmp_path)}
    (tmp_path / "archive").mkdir()
    done = CliRunner().invoke(cli, command, env=environ, input="{}")
    assert done.exit_code == 1
    assert "refused the user 'bpstream'" in done.stderr.splitlines()[-1]
    assert WRONG not in done.output


@pytest.mark.services
@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SASL_PLAINTEXT"])
def test_another_protocol_than_the_brokers_is_told_with_its_setting(environ, protocol, monkeypatch):
    monkeypatch.setattr("bpstream.stream.connection.ANSWER_WITHIN", 0.1)
    environ["BPSTREAM_BROKER_SECURITY_PROTOCOL"] = protocol
    done = CliRunner().invoke(cli, ["simulate", "--count", "1"], env=environ)
    assert f"asked by {protocol} (BPSTREAM_BROKER_SECURITY_PROTOCOL)" in done.stderr


def test_a_client_is_told_of_every_broker_and_of_the_password_only_where_one_is_wanted():
    plain = Settings(broker="kafka://a:1;kafka://b:2", broker_password="s3cret")
    assert client_settings(plain) == {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "PLAINTEXT",
    }
    secured = Settings(
        broker="kafka://a",
        broker_security_protocol="SASL_SSL",
        broker_username="bp",
        broker_password="s3cret",
        broker_ca_file="ca.pem",
    )
    assert client_settings(secured) == {
        "bootstrap.servers": "a:9092",
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": "ca.pem",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "bp",
        "sasl.password": "s3cret",
    }


def test_certificates_that_are_not_asked_for_are_not_read():
    away = Settings(broker=f"kafka://127.0.0.1:{free_port()}", broker_ca_file="/no/such.pem")
    assert Connection(away).config["security.protocol"] == "PLAINTEXT"
