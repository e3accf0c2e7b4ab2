"""The Docker stack fits the code and the local services, and keeps to itself."""

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from click.testing import CliRunner

from bpstream.commands import cli
from bpstream.settings import Settings

ROOT = Path(__file__).parents[1]
COMPOSE_FILE = ROOT / "compose" / "docker-compose.yml"
COMPOSE = yaml.safe_load(COMPOSE_FILE.read_text())
SERVICES = COMPOSE["services"]
WORKER, PROVISION = SERVICES["worker"], SERVICES["provision"]
# Those that stay; the others run once, when they are asked to.
RUNNING = {name: each for name, each in SERVICES.items() if "profiles" not in each}
# One instruction a line, its continuations joined.
DOCKERFILE = (ROOT / "compose" / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
ENVIRONMENT = [
    (service, name, str(value))
    for service, definition in SERVICES.items()
    for name, value in definition["environment"].items()
]
INTERPOLATED = re.compile(r"\$\{(\w+):([?-])([^}]*)\}")
HAS_COMPOSE = shutil.which("docker") and not subprocess.call(
    ["docker", "compose", "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
)


def instructions(name: str) -> list[list[str]]:
    """The arguments of every instruction of that name in the Dockerfile."""
    return [shlex.split(line)[1:] for line in DOCKERFILE if line.startswith(f"{name} ")]


def version_in_pom(service: str) -> str:
    pom = ElementTree.parse(ROOT / "compose" / "services" / service / "pom.xml")
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    version = pom.findtext(f"m:properties/m:{service}.version", namespaces=space)
    assert version
    return version


def test_every_setting_it_names_is_one_the_code_knows():
    named = set(re.findall(r"BPSTREAM_\w+", yaml.dump(COMPOSE) + "\n".join(DOCKERFILE)))
    assert named <= {f"BPSTREAM_{field.name.upper()}" for field in fields(Settings)}


def test_the_worker_can_read_its_settings():
    def chosen(match: re.Match[str]) -> str:
        return match[3] if match[2] == "-" else "a-secret"

    environment = {
        name: INTERPOLATED.sub(chosen, str(value)) for name, value in WORKER["environment"].items()
    }
    settings = Settings.from_env(environment)
    assert settings.bootstrap_servers == "kafka:19092"
    assert settings.web_token == "a-secret"


@pytest.mark.parametrize(
    ("service", "pom"),
    [("kafka", "kafka"), ("elasticsearch", "elasticsearch"), ("kibana", "elasticsearch")],
)
def test_an_image_has_the_exact_version_of_the_local_service(service, pom):
    image, _, version = SERVICES[service]["image"].rpartition(":")
    assert image
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert version == version_in_pom(pom)


def test_the_worker_is_built_on_one_exact_python():
    images = {stage[0] for stage in instructions("FROM")}
    assert len(images) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", images.pop())


@pytest.mark.parametrize("service", RUNNING)
def test_ports_are_published_on_this_machine_alone(service):
    for port in SERVICES[service]["ports"]:
        assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("service", RUNNING)
def test_a_service_has_a_health_check(service):
    assert SERVICES[service]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_waits_for_those_it_needs_to_be_healthy(service):
    needed = SERVICES[service].get("depends_on", {})
    assert all(how == {"condition": "service_healthy"} for how in needed.values())


def test_what_a_service_stores_is_on_a_volume_of_its_own():
    mounted = [mount.split(":")[0] for each in RUNNING.values() for mount in each["volumes"]]
    assert sorted(mounted) == sorted(COMPOSE["volumes"])


@pytest.mark.parametrize(("service", "name", "value"), ENVIRONMENT)
def test_a_secret_has_no_default(service, name, value):
    if re.search(r"TOKEN|PASSWORD|SECRET|KEY$", name):
        match = INTERPOLATED.fullmatch(value)
        assert match, f"{service}: {name} stands in the file"
        assert match[2] == "?", f"{service}: {name} has a default"


@pytest.mark.parametrize("service", ["worker", "provision"])
def test_bpstream_has_no_more_rights_than_it_needs(service):
    definition = SERVICES[service]
    assert instructions("USER") == [[definition["user"]]]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", definition["user"])
    assert definition["read_only"]
    assert definition["tmpfs"] == ["/tmp"]
    assert definition["cap_drop"] == ["ALL"]


def test_elasticsearch_and_kibana_are_provisioned_once_they_are_healthy():
    program, *arguments = PROVISION["command"]
    assert (program, arguments) == ("bpstream", ["provision", "--keep"])
    assert CliRunner().invoke(cli, [*arguments, "--help"]).exit_code == 0
    settings = Settings.from_env(PROVISION["environment"])
    assert settings.elasticsearch_url == WORKER["environment"]["BPSTREAM_ELASTICSEARCH_URL"]
    assert settings.kibana_url == "http://kibana:5601"
    assert SERVICES["kibana"]["ports"] == ["127.0.0.1:5601:5601"]
    assert set(PROVISION["depends_on"]) == {"elasticsearch", "kibana"}


def test_what_runs_once_is_not_waited_for_and_run_by_its_name():
    makefile = (ROOT / "Makefile").read_text()
    up = re.search(r"^up:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert up is not None
    first, second = up[1].splitlines()
    assert first.endswith("up --build --detach --wait")
    assert second.endswith(" run --build --rm provision")
    assert [name for name in SERVICES if name not in RUNNING] == ["provision"]
    assert PROVISION["profiles"] == ["provision"]


def test_the_image_and_the_stack_ask_the_worker_the_same_question():
    (check,) = instructions("HEALTHCHECK")
    asked = WORKER["healthcheck"]["test"][-1]
    assert "/health/live" in asked
    assert asked in next(line for line in DOCKERFILE if "/health/live" in line)
    assert f"--interval={WORKER['healthcheck']['interval']}" in check


def test_nothing_is_installed_without_its_hash():
    installs = [line for line in DOCKERFILE if "pip" in line and " install " in line]
    assert len(installs) == 2
    assert "--require-hashes -r requirements.lock" in installs[0]
    assert "--no-deps --no-build-isolation ." in installs[1]


def test_the_build_is_sent_what_it_copies_and_nothing_else():
    copied = {
        source.rstrip("/")
        for arguments in instructions("COPY")
        if not arguments[0].startswith("--from")
        for source in arguments[:-1]
    }
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == copied


def test_kafka_takes_the_same_messages_in_docker_as_locally():
    properties = (ROOT / "compose" / "services" / "kafka" / "server.properties").read_text()
    local = dict(re.findall(r"^([\w.]+)=(.*)$", properties, re.MULTILINE))
    environment = SERVICES["kafka"]["environment"]
    for name in (
        "auto.create.topics.enable",
        "num.partitions",
        "message.max.bytes",
        "replica.fetch.max.bytes",
    ):
        assert str(environment["KAFKA_" + name.upper().replace(".", "_")]) == local[name]


@pytest.mark.skipif(not HAS_COMPOSE, reason="docker compose is not installed")
@pytest.mark.parametrize("missing", ["", "BPSTREAM_WEB_TOKEN", "KIBANA_ENCRYPTION_KEY"])
def test_docker_takes_the_file_where_both_secrets_are_set(missing):
    secrets = {"BPSTREAM_WEB_TOKEN": "t" * 32, "KIBANA_ENCRYPTION_KEY": "k" * 32}
    outside = {name: value for name, value in os.environ.items() if name not in secrets}
    secrets.pop(missing, None)
    done = subprocess.run(
        ["docker", "compose", "-f", str(COMPOSE_FILE), "--env-file", os.devnull, "config", "-q"],
        env=outside | secrets,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == (not missing)
    assert missing in done.stderr
