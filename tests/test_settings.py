"""Settings: defaults, what a bad value is told, and that no secret is ever shown."""

from dataclasses import fields
from pathlib import Path

import pytest

from bpstream.errors import SettingsError
from bpstream.settings import Settings
from bpstream.simulator import PROFILES

DEFAULTS = {
    "BPSTREAM_APP_ID": "bpstream",
    "BPSTREAM_BROKER": "kafka://127.0.0.1:9092",
    "BPSTREAM_BROKER_SECURITY_PROTOCOL": "PLAINTEXT",
    "BPSTREAM_BROKER_SASL_MECHANISM": "SCRAM-SHA-512",
    "BPSTREAM_BROKER_USERNAME": "",
    "BPSTREAM_BROKER_PASSWORD": "",
    "BPSTREAM_BROKER_CA_FILE": "",
    "BPSTREAM_TOPIC": "blood_pressure_fhir",
    "BPSTREAM_REKEYED_TOPIC": "blood_pressure_rekeyed",
    "BPSTREAM_ENRICHED_TOPIC": "",
    "BPSTREAM_ALERTS_TOPIC": "blood_pressure_alerts",
    "BPSTREAM_LIMITS_TOPIC": "blood_pressure_limits",
    "BPSTREAM_ACKNOWLEDGEMENTS_TOPIC": "blood_pressure_acknowledgements",
    "BPSTREAM_DEAD_LETTER_TOPIC": "blood_pressure_dead_letter",
    "BPSTREAM_PARTITIONS": "4",
    "BPSTREAM_ELASTICSEARCH_URL": "",
    "BPSTREAM_ELASTICSEARCH_API_KEY": "",
    "BPSTREAM_ELASTICSEARCH_USERNAME": "",
    "BPSTREAM_ELASTICSEARCH_PASSWORD": "",
    "BPSTREAM_ELASTICSEARCH_CA_FILE": "",
    "BPSTREAM_INDEX": "bp-anomalies",
    "BPSTREAM_INDEX_READINGS": "anomalies",
    "BPSTREAM_KIBANA_URL": "",
    "BPSTREAM_KIBANA_API_KEY": "",
    "BPSTREAM_KIBANA_USERNAME": "",
    "BPSTREAM_KIBANA_PASSWORD": "",
    "BPSTREAM_KIBANA_CA_FILE": "",
    "BPSTREAM_FHIR_BASE": "",
    "BPSTREAM_SOURCE": "",
    "BPSTREAM_DATA_DIR": "var",
    "BPSTREAM_ARCHIVE_DIR": "",
    "BPSTREAM_ARCHIVE_LAYOUT": "segments",
    "BPSTREAM_ARCHIVE_READINGS": "normal",
    "BPSTREAM_WEB_HOST": "127.0.0.1",
    "BPSTREAM_WEB_PORT": "6066",
    "BPSTREAM_WEB_TOKEN": "",
    "BPSTREAM_WEB_URL": "",
    "BPSTREAM_SIMULATE": "0",
    "BPSTREAM_SIMULATE_INTERVAL": "5.0",
    "BPSTREAM_SIMULATE_PROFILE": "patients",
    "BPSTREAM_SIMULATE_SPEED": "1.0",
    "BPSTREAM_BATCH_SIZE": "6000",
    "BPSTREAM_MODEL": "bp_additive",
    "BPSTREAM_ALARM_RULES": "",
    "BPSTREAM_REMIND_AFTER": "600.0",
    "BPSTREAM_WEBHOOK_URL": "",
    "BPSTREAM_WEBHOOK_SECRET": "",
    "BPSTREAM_ALERTMANAGER_URL": "",
    "BPSTREAM_TIMEZONE": "UTC",
    "BPSTREAM_MAX_SKEW": "600.0",
    "BPSTREAM_LOG": "text",
}

SECRETS = (
    "BPSTREAM_BROKER_PASSWORD",
    "BPSTREAM_ELASTICSEARCH_API_KEY",
    "BPSTREAM_ELASTICSEARCH_PASSWORD",
    "BPSTREAM_KIBANA_API_KEY",
    "BPSTREAM_KIBANA_PASSWORD",
    "BPSTREAM_WEB_TOKEN",
    "BPSTREAM_WEBHOOK_URL",
    "BPSTREAM_WEBHOOK_SECRET",
    "BPSTREAM_ALERTMANAGER_URL",
)


def refusal(**environ):
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({f"BPSTREAM_{name}": value for name, value in environ.items()})
    return str(caught.value)


def test_every_setting_has_its_documented_default():
    assert Settings.from_env({}) == Settings()
    assert Settings().table() == [(name, value, value) for name, value in DEFAULTS.items()]


@pytest.mark.parametrize("name", [name for name in DEFAULTS if name != "BPSTREAM_BROKER"])
def test_an_empty_variable_is_as_good_as_none(name):
    assert Settings.from_env({name: ""}) == Settings()


def test_variables_of_others_are_left_alone():
    assert Settings.from_env({"PATH": "/bin", "XBPSTREAM_TOPIC": "x", "HOME": ""}) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("PARTITIONS", "12", 12),
        ("SIMULATE", "0", 0),
        ("SIMULATE_INTERVAL", "0.5", 0.5),
        ("SIMULATE_PROFILE", "uniform", "uniform"),
        ("SIMULATE_SPEED", "60", 60.0),
        ("MAX_SKEW", "0", 0.0),
        ("WEB_PORT", "65535", 65535),
        ("DATA_DIR", "/data", Path("/data")),
        ("ARCHIVE_DIR", "/archive", Path("/archive")),
        ("INDEX_READINGS", "all", "all"),
        ("TIMEZONE", "Europe/Paris", "Europe/Paris"),
        ("LOG", "json", "json"),
    ],
)
def test_a_variable_is_read_as_its_type(name, text, value):
    found = getattr(Settings.from_env({f"BPSTREAM_{name}": text}), name.lower())
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("BPSTREAM_BATCHSIZE", "; did you mean BPSTREAM_BATCH_SIZE?"),
        ("BPSTREAM_BROKER_PASWORD", "; did you mean BPSTREAM_BROKER_PASSWORD?"),
        ("BPSTREAM_topic", "; did you mean BPSTREAM_TOPIC?"),
        ("BPSTREAM_XYZZYXYZZYXYZZYXYZZY", ""),
    ],
)
def test_an_unknown_variable_is_refused_and_the_near_one_is_suggested(name, hint):
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({name: "s3cret"})
    assert str(caught.value) == f"{name} is not a setting{hint}"


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("PARTITIONS", "0", "a whole number of at least 1"),
        ("PARTITIONS", "four", "a whole number"),
        ("BATCH_SIZE", "1e3", "a whole number"),
        ("BATCH_SIZE", "0", "a whole number of at least 1"),
        ("SIMULATE", "-1", "a whole number of at least 0"),
        ("SIMULATE", "2.5", "a whole number"),
        ("SIMULATE_INTERVAL", "0", "a number of at least 0.001"),
        ("SIMULATE_INTERVAL", "inf", "a number of at least 0.001"),
        ("MAX_SKEW", "nan", "a number of at least 0.0"),
        ("MAX_SKEW", "-0.1", "a number of at least 0.0"),
        ("MAX_SKEW", "10 min", "a number"),
        ("WEB_PORT", "65536", "a whole number from 0 to 65535"),
        ("WEB_PORT", "-1", "a whole number from 0 to 65535"),
        ("ARCHIVE_LAYOUT", "file", "segments or files"),
        ("ARCHIVE_READINGS", "anomalies", "normal or all"),
        ("INDEX_READINGS", "normal", "anomalies or all"),
        ("SIMULATE_PROFILE", "unifrom", "uniform or patients"),
        ("SIMULATE_SPEED", "0", "a number of at least 0.001"),
        ("SIMULATE_SPEED", "60x", "a number"),
        ("LOG", "JSON", "text or json"),
        ("BROKER_SECURITY_PROTOCOL", "TLS", "PLAINTEXT or SSL or SASL_PLAINTEXT or SASL_SSL"),
        ("BROKER_SASL_MECHANISM", "GSSAPI", "PLAIN or SCRAM-SHA-256 or SCRAM-SHA-512"),
        ("BROKER", "localhost:9092", "kafka://HOST:PORT"),
        ("BROKER", "http://localhost:9092", "kafka://HOST:PORT"),
        ("BROKER", "kafka://", "kafka://HOST:PORT"),
        ("BROKER", "kafka://host:port", "kafka://HOST:PORT"),
        ("BROKER", "kafka://host:65536", "kafka://HOST:PORT"),
        ("BROKER", "kafka://[::1", "kafka://HOST:PORT"),
        ("TIMEZONE", "Europe/Atlantis", "a zone such as Europe/Paris"),
        ("TIMEZONE", "Europe", "a zone such as Europe/Paris"),
        ("TIMEZONE", "../UTC", "a zone such as Europe/Paris"),
        ("TIMEZONE", "U\0TC", "a zone such as Europe/Paris"),
        ("TIMEZONE", "U" * 5000, "a zone such as Europe/Paris"),
    ],
)
def test_a_bad_value_is_told_with_its_variable_and_what_would_do(name, text, wanted):
    assert refusal(**{name: text}) == f"BPSTREAM_{name} must be {wanted}, not {text!r}"


@pytest.mark.parametrize(
    ("broker", "servers"),
    [
        ("kafka://127.0.0.1:9092", "127.0.0.1:9092"),
        ("kafka://kafka", "kafka:9092"),
        ("kafka://a:1;kafka://b;kafka://c:3", "a:1,b:9092,c:3"),
        ("kafka://[::1]:9093", "[::1]:9093"),
        ("kafka://[::1]", "[::1]:9092"),
    ],
)
def test_the_brokers_addresses_are_told_as_kafkas_clients_want_them(broker, servers):
    assert Settings(broker=broker).bootstrap_servers == servers


def test_one_bad_address_of_several_is_the_one_that_is_named():
    told = refusal(BROKER="kafka://a:1;b:2")
    assert told == "BPSTREAM_BROKER must be kafka://HOST:PORT, not 'b:2'"


@pytest.mark.parametrize(
    ("environ", "works"),
    [
        ({}, False),
        ({"BROKER_USERNAME": "me"}, False),
        ({"BROKER_PASSWORD": "s3cret"}, False),
        ({"BROKER_USERNAME": "me", "BROKER_PASSWORD": "s3cret"}, True),
    ],
)
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_a_sasl_protocol_needs_a_user_and_a_password(protocol, environ, works):
    environ = environ | {"BROKER_SECURITY_PROTOCOL": protocol}
    if works:
        Settings.from_env({f"BPSTREAM_{name}": value for name, value in environ.items()})
    else:
        assert refusal(**environ) == (
            f"BPSTREAM_BROKER_SECURITY_PROTOCOL={protocol} "
            "needs BPSTREAM_BROKER_USERNAME and BPSTREAM_BROKER_PASSWORD"
        )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "worker", "127.0.0.1.nip"])
def test_a_host_that_others_can_reach_needs_a_token(host):
    assert refusal(WEB_HOST=host) == (
        f"BPSTREAM_WEB_HOST is {host}, which others can reach: "
        "set BPSTREAM_WEB_TOKEN as well, or use 127.0.0.1"
    )
    assert Settings(web_host=host, web_token="s3cret").web_host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_loopback_host_needs_no_token(host):
    assert Settings(web_host=host).web_token == ""


def test_the_archive_lies_in_the_data_folder_unless_it_has_one_of_its_own():
    assert Settings().archive == Path("var/archive")
    assert Settings(data_dir=Path("/data")).archive == Path("/data/archive")
    assert Settings(data_dir=Path("/data"), archive_dir=Path("/a")).archive == Path("/a")


def test_a_secret_is_shown_neither_by_repr_nor_in_the_table():
    settings = Settings.from_env({name: f"s3cret-of-{name}" for name in SECRETS})
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(settings.table())
    shown = {name: value for name, value, _ in settings.table()}
    assert [name for name, value in shown.items() if value == "(set)"] == list(SECRETS)


def test_a_setting_that_sounds_secret_is_one():
    sounding = {
        f"BPSTREAM_{each.name.upper()}"
        for each in fields(Settings)
        if any(word in each.name for word in ("password", "secret", "token", "key"))
    }
    # A webhook's address may hold a token, and so may Alertmanager's.
    addresses = {"BPSTREAM_WEBHOOK_URL", "BPSTREAM_ALERTMANAGER_URL"}
    assert sounding - {"BPSTREAM_REKEYED_TOPIC"} == set(SECRETS) - addresses


@pytest.mark.parametrize(
    ("name", "address", "stem"),
    [
        ("BROKER", "kafka://me:s3cret@host:9092", "BROKER"),
        ("BROKER", "kafka://a:1;kafka://me:s3cret@host", "BROKER"),
        ("ELASTICSEARCH_URL", "https://me:s3cret@host:9200", "ELASTICSEARCH"),
        ("KIBANA_URL", "https://me:s3cret@host:5601", "KIBANA"),
    ],
)
def test_an_address_with_a_password_is_refused_without_telling_it(name, address, stem):
    assert refusal(**{name: address}) == (
        f"BPSTREAM_{name} holds a user or a password: "
        f"set BPSTREAM_{stem}_USERNAME and BPSTREAM_{stem}_PASSWORD instead"
    )


def test_the_table_tells_a_nought_from_nothing():
    assert ("BPSTREAM_MAX_SKEW", "0.0", "600.0") in Settings(max_skew=0.0).table()


def test_settings_cannot_be_changed():
    with pytest.raises(AttributeError):
        Settings().topic = "other"


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_of_the_simulator_is_a_setting(profile):
    settings = Settings.from_env({"BPSTREAM_SIMULATE_PROFILE": profile})
    assert settings.simulate_profile == profile
