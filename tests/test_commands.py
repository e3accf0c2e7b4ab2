"""The commands: what they say, what they do, and how they end."""

import json
import re
from dataclasses import fields
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner, Result
from kafka.partitioner.default import DefaultPartitioner

import bpstream
from bpstream.commands import cli, worker
from bpstream.settings import Settings
from bpstream.stream.embedded import EmbeddedBroker
from tests.stream.brokers import everything_on, make_topic

COMMANDS = sorted(cli.commands)
SECRETS = [each for each in fields(Settings) if each.metadata.get("secret")]


def run(*arguments: str, **environ: str) -> Result:
    """`bpstream ARGUMENTS`, in a folder and an environment with nothing else of ours."""
    runner = CliRunner()
    with runner.isolated_filesystem():
        return runner.invoke(cli, arguments, env=environ, prog_name="bpstream")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in fields(Settings):
        monkeypatch.delenv(f"BPSTREAM_{each.name.upper()}", raising=False)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_tells_what_it_is_for(command, option):
    done = run(command, option)
    assert done.exit_code == 0
    usage, _, text = done.output.partition("\n\n")
    assert usage.startswith(f"Usage: bpstream {command}")
    assert len(text.split("\n\n")[0]) > 20


def test_the_commands_are_listed_with_a_line_each():
    done = run("--help")
    assert done.exit_code == 0
    for command in COMMANDS:
        (line,) = (each for each in done.output.splitlines() if each.startswith(f"  {command} "))
        assert len(line.split()) > 3


def test_the_version_is_the_packages():
    assert run("--version").output == f"bpstream, version {bpstream.__version__}\n"


# Settings.


def test_config_prints_every_setting_with_its_value_and_a_default_that_was_changed():
    done = run("config", BPSTREAM_TOPIC="observations", BPSTREAM_INDEX="bp-anomalies")
    lines = {line.split()[0]: line.split()[1:] for line in done.output.splitlines()}
    assert list(lines) == [f"BPSTREAM_{each.name.upper()}" for each in fields(Settings)]
    assert lines["BPSTREAM_TOPIC"] == ["observations", "(default:", "blood_pressure_fhir)"]
    assert lines["BPSTREAM_INDEX"] == ["bp-anomalies"]
    assert lines["BPSTREAM_MAX_SKEW"] == ["600.0"]


@pytest.mark.parametrize("secret", SECRETS, ids=lambda each: each.name)
def test_config_hides_a_secret(secret):
    name = f"BPSTREAM_{secret.name.upper()}"
    done = run("config", **{name: "s3cret"})
    assert done.exit_code == 0
    assert "s3cret" not in done.output
    assert "(set)" in next(line for line in done.output.splitlines() if line.startswith(name))


def test_there_are_secrets_to_hide():
    names = {each.name for each in SECRETS}
    assert {"web_token", "broker_password", "elasticsearch_password"} <= names


@pytest.mark.parametrize("command", ["config", "worker", "demo", "simulate", "provision"])
def test_a_setting_that_is_none_ends_every_command_with_the_status_of_wrong_usage(command):
    done = run(command, BPSTREAM_TOPIK="x")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == (
        "bpstream: BPSTREAM_TOPIK is not a setting; did you mean BPSTREAM_TOPIC?"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no-such-command"], "No such command 'no-such-command'"),
        (["simulate", "--count", "0"], "0 is not in the range x>=1"),
        (["simulate", "--patients", "0"], "0 is not in the range x>=1"),
        (["simulate", "--rate", "0"], "0 is not in the range x>0"),
        (["simulate", "--profile", "unifrom"], "'unifrom' is not one of 'patients', 'uniform'"),
        (["simulate", "--speed", "fast"], "'fast' is not a speed such as 60x"),
        (["simulate", "--speed", "0x"], "BPSTREAM_SIMULATE_SPEED must be a number of at least"),
        (["simulate", "--profile", "uniform", "--truth", "-"], "with --profile patients"),
        (["demo", "--speed", "x"], "'x' is not a speed such as 60x"),
        (["demo", "--patients", "-1"], "-1 is not in the range x>=0"),
        (["demo", "--interval", "0"], "0.0 is not in the range x>=0.001"),
        (["worker", "--log-level", "loud"], "'loud' is not one of"),
        (["provision", "now"], "Got unexpected extra argument (now)"),
    ],
)
def test_wrong_usage_has_the_status_2_and_is_told(arguments, told):
    done = run(*arguments)
    assert done.exit_code == 2
    assert told in done.stderr


# What they do.


@pytest.mark.parametrize(
    ("options", "environ", "simulated"),
    [
        ([], {}, (5, 5.0)),
        (["--patients", "9", "--interval", "0.5"], {}, (9, 0.5)),
        ([], {"BPSTREAM_SIMULATE": "0", "BPSTREAM_SIMULATE_INTERVAL": "2"}, (0, 2.0)),
        (["--patients", "9"], {"BPSTREAM_SIMULATE": "3"}, (9, 5.0)),
    ],
)
def test_a_demos_options_outrank_the_environment(monkeypatch, options, environ, simulated):
    ran: list[Settings] = []
    monkeypatch.setattr(worker, "_run_worker", lambda settings, *_, **__: ran.append(settings))
    done = run("demo", *options, **environ)
    assert done.exit_code == 0, done.output
    (settings,) = ran
    assert (settings.simulate, settings.simulate_interval) == simulated
    assert f"{simulated[0]} simulated, every {simulated[1]:g} s" in done.output


@pytest.mark.parametrize(
    ("options", "environ", "told"),
    [
        ([], {}, "; they live 300 times as fast, a day in 4.8 min"),
        (["--speed", "60x"], {}, "; they live 60 times as fast, a day in 24 min"),
        ([], {"BPSTREAM_SIMULATE_SPEED": "1"}, "every 5 s\n"),
        (["--speed", "60"], {"BPSTREAM_SIMULATE_SPEED": "1"}, "; they live 60 times as fast"),
        ([], {"BPSTREAM_SIMULATE_PROFILE": "uniform"}, "every 5 s\n"),
        (["--patients", "0"], {}, "every 5 s\n"),
    ],
)
def test_a_demo_says_how_fast_its_patients_live(monkeypatch, options, environ, told):
    monkeypatch.setattr(worker, "_run_worker", lambda *_, **__: None)
    assert told in run("demo", *options, **environ).output


@pytest.mark.services
def test_simulate_sends_as_many_readings_as_asked_each_under_its_patient(kafka, unique_name):
    topic = make_topic(kafka, unique_name("fhir"))
    environ = {"BPSTREAM_BROKER": f"kafka://{kafka}", "BPSTREAM_TOPIC": topic}
    options = ("--count", "53", "--patients", "7", "--rate", "10000")
    done = run("simulate", *options, "--seed", "11", **environ)
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"readings\nsent 53 readings of 7 patients to {topic}\n")
    found = everything_on(kafka, topic)
    assert len(found) == 53
    for message in found:
        subject = json.loads(message.value())["subject"]["reference"]
        assert subject == f"Patient/{message.key().decode()}"
        every = [0, 1, 2, 3]
        assert message.partition() == DefaultPartitioner()(message.key(), every, every)

    # The same seed draws the same; the times are of today.
    again = make_topic(kafka, unique_name("fhir"))
    run("simulate", *options, "--seed", "11", **(environ | {"BPSTREAM_TOPIC": again}))
    assert [drawn(message) for message in everything_on(kafka, again)] == [
        drawn(message) for message in found
    ]


@pytest.fixture(scope="module")
def embedded():
    with EmbeddedBroker() as broker:
        yield broker.address


@pytest.fixture
def sent(embedded, unique_name, tmp_path):
    """`sent(OPTIONS)`: the Observations `simulate` sends, by id, their truths, its output."""

    def simulate(*options, **environ):
        topic, file = unique_name("fhir"), tmp_path / "truth.jsonl"
        environ |= {"BPSTREAM_BROKER": f"kafka://{embedded}", "BPSTREAM_TOPIC": topic}
        done = run("simulate", *options, "--seed", "11", "--truth", str(file), **environ)
        assert done.exit_code == 0, done.output
        found = [json.loads(message.value()) for message in everything_on(embedded, topic)]
        truth = [json.loads(line) for line in file.read_text().splitlines()]
        return {each["id"]: each for each in found}, truth, done.output

    return simulate


def test_simulate_writes_what_is_known_of_each_reading_it_sent(sent):
    found, truth, output = sent("--count", "503", "--patients", "20", "--rate", "1e5")
    assert len(found) == len(truth) == 503
    for each in truth:
        observation = found[each["observation_id"]]
        assert observation["subject"]["reference"] == f"Patient/{each['patient_id']}"
        assert observation["effectiveDateTime"] == each["taken_at"]
        pressures = [part["valueQuantity"]["value"] for part in observation["component"]]
        assert pressures == [each["systolic"], each["diastolic"]]
    wards = list(dict.fromkeys(each["ward"] for each in truth))
    episodes = {(e["patient_id"], e["episode"]) for e in truth if e["episode"]}
    artefacts = [each for each in truth if each["artefact"]]
    assert f"  wards      {', '.join(wards)}\n" in output
    assert sum(map(int, re.findall(r"(\d+) [hd]", output[output.index("episodes") :]))) == len(
        episodes
    )
    assert len(artefacts) == sum(map(int, re.findall(r"\d+", output[output.index("artefacts") :])))


def test_simulated_patients_live_as_fast_as_is_said_and_nothing_lies_in_the_future(sent):
    options = ("--count", "60", "--patients", "10", "--rate", "100", "--speed", "60x")
    _, truth, _ = sent(*options)
    now = datetime.now(UTC)
    moments = [datetime.fromisoformat(each["taken_at"]) for each in truth]
    assert max(moments) < now
    # Six rounds a tenth of a second apart, or one more where a cuff gave up.
    passed = (moments[-1] - moments[0]).total_seconds()
    assert passed in (0.5, 0.6)
    lived = truth[-1]["patient_minutes"] - truth[0]["patient_minutes"]
    assert lived == pytest.approx(passed, abs=0.001)  # minutes, for seconds


def test_the_environment_says_how_patients_are_simulated_where_no_option_does(sent):
    _, slow, _ = sent("--count", "40", "--rate", "1e4", "--speed", "1")
    _, fast, _ = sent("--count", "40", "--rate", "1e4", BPSTREAM_SIMULATE_SPEED="600")
    slow, fast = (each[-1]["patient_minutes"] - each[0]["patient_minutes"] for each in (slow, fast))
    assert fast > 100 * slow


def drawn(message: object) -> dict[str, object]:
    observation = json.loads(message.value())
    del observation["effectiveDateTime"]
    return observation


def test_simulate_names_the_broker_that_does_not_answer(monkeypatch):
    monkeypatch.setattr("bpstream.stream.connection.ANSWER_WITHIN", 0.3)
    done = run("simulate", "--count", "1", BPSTREAM_BROKER="kafka://127.0.0.1:9")
    assert done.exit_code == 1
    assert done.stderr.startswith(
        "bpstream: Kafka does not answer at 127.0.0.1:9 (BPSTREAM_BROKER)"
    )


def test_a_command_finds_the_broker_of_a_running_demo(monkeypatch, tmp_path):
    monkeypatch.setattr("bpstream.stream.connection.ANSWER_WITHIN", 0.3)
    (tmp_path / "broker").write_text("kafka://127.0.0.1:7\n")
    done = run("simulate", "--count", "1", BPSTREAM_DATA_DIR=str(tmp_path))
    assert "Kafka does not answer at 127.0.0.1:7" in done.stderr
    # What is said counts more than what is found.
    environ = {"BPSTREAM_DATA_DIR": str(tmp_path), "BPSTREAM_BROKER": "kafka://127.0.0.1:9"}
    done = run("simulate", "--count", "1", **environ)
    assert "Kafka does not answer at 127.0.0.1:9" in done.stderr
