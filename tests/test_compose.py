"""The Docker stack fits the code and the local services, and keeps to itself."""

import json
import re
import shlex
from dataclasses import fields
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft7Validator

from bpstream import __version__
from bpstream.commands import cli
from bpstream.settings import Settings
from bpstream.web.routes import Routes

ROOT = Path(__file__).parents[1]
COMPOSE_FILE = ROOT / "compose" / "docker-compose.yml"
COMPOSE = yaml.safe_load(COMPOSE_FILE.read_text())
SERVICES = COMPOSE["services"]
WORKERS = {name: each for name, each in SERVICES.items() if name.startswith("worker-")}
WORKER, PROVISION = SERVICES["worker-1"], SERVICES["provision"]
OURS = [*WORKERS, "provision"]
PROMETHEUS = yaml.safe_load((ROOT / "compose" / "prometheus.yml").read_text())
# Those that stay; the others run once, when they are asked to.
RUNNING = {name: each for name, each in SERVICES.items() if "profiles" not in each}
# One instruction a line, its continuations joined.
DOCKERFILE = (ROOT / "compose" / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
ENVIRONMENT = [
    (service, name, str(value))
    for service, definition in SERVICES.items()
    for name, value in definition.get("environment", {}).items()
]
INTERPOLATED = re.compile(r"\$\{(\w+):([?-])([^}]*)\}")


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


def test_the_file_is_what_the_compose_specification_allows():
    # That package is installed for its schemas alone, and never imported.
    schemas = distribution("check-jsonschema").locate_file("check_jsonschema/builtin_schemas")
    schema = json.loads(Path(str(schemas), "vendor", "compose-spec.json").read_text("utf-8"))
    assert [error.message for error in Draft7Validator(schema).iter_errors(COMPOSE)] == []
    assert list(Draft7Validator(schema).iter_errors(COMPOSE | {"servics": {}}))


def settings_of(worker: str) -> Settings:
    """What the worker is told where each secret is set to `a-secret`, and nothing else."""

    def chosen(match: re.Match[str]) -> str:
        return match[3] if match[2] == "-" else "a-secret"

    told = SERVICES[worker]["environment"].items()
    return Settings.from_env({name: INTERPOLATED.sub(chosen, str(value)) for name, value in told})


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_can_read_its_settings(worker):
    settings = settings_of(worker)
    assert settings.bootstrap_servers == "kafka:19092"
    assert settings.web_token == "a-secret"
    assert settings.web_url == f"http://{worker}:{settings.web_port}"
    assert settings.simulate == 0


def test_two_workers_share_one_archive_and_differ_in_address_and_simulation_alone():
    assert len(WORKERS) == 2
    first, second = (
        {name: value for name, value in each.items() if name not in ("ports", "environment")}
        for each in WORKERS.values()
    )
    assert first == second
    assert first["volumes"] == ["data:/data"]
    told = [settings_of(worker) for worker in WORKERS]
    assert {each.broker for each in told} == {told[0].broker}
    assert [("BPSTREAM_SIMULATE" in each["environment"]) for each in WORKERS.values()] == [
        True,
        False,
    ]


@pytest.mark.parametrize("service", ["prometheus", "grafana"])
def test_what_watches_is_pinned_to_one_version(service):
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", SERVICES[service]["image"])


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


def test_what_a_service_stores_is_on_a_named_volume():
    mounted = [mount.split(":")[0] for each in RUNNING.values() for mount in each["volumes"]]
    named = [each for each in mounted if not each.startswith(".")]
    assert set(named) == set(COMPOSE["volumes"])
    # All but the workers have one of their own.
    assert len(named) == len(COMPOSE["volumes"]) + len(WORKERS) - 1


def test_a_file_that_is_mounted_is_there_and_cannot_be_changed():
    mounts = [mount.split(":") for each in RUNNING.values() for mount in each["volumes"]]
    files_of = [mount for mount in mounts if mount[0].startswith(".")]
    assert len(files_of) == 5
    for source, _target, mode in files_of:
        assert (COMPOSE_FILE.parent / source).is_file()
        assert mode == "ro"


@pytest.mark.parametrize(("service", "name", "value"), ENVIRONMENT)
def test_a_secret_has_no_default(service, name, value):
    if re.search(r"TOKEN|PASSWORD|SECRET|KEY$", name):
        match = INTERPOLATED.fullmatch(value)
        assert match, f"{service}: {name} stands in the file"
        assert match[2] == "?", f"{service}: {name} has a default"


@pytest.mark.parametrize("service", OURS)
def test_bpstream_has_no_more_rights_than_it_needs(service):
    definition = SERVICES[service]
    assert instructions("USER") == [[definition["user"]]]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", definition["user"])
    assert definition["read_only"]
    assert definition["tmpfs"] == ["/tmp"]
    assert definition["cap_drop"] == ["ALL"]
    assert definition["security_opt"] == ["no-new-privileges:true"]


def test_the_image_writes_where_a_volume_is_mounted():
    (data,) = instructions("VOLUME")
    assert [f"data:{data[0]}"] == WORKER["volumes"]
    assert [f"BPSTREAM_DATA_DIR={data[0]}"] == [
        each for each in instructions("ENV")[0] if each.startswith("BPSTREAM_")
    ]
    assert instructions("WORKDIR")[-1] == data


def test_the_image_says_what_it_is():
    labels = dict(each.split("=", 1) for each in instructions("LABEL")[0])
    names = {name.removeprefix("org.opencontainers.image."): labels[name] for name in labels}
    assert names["version"] == __version__
    assert names["licenses"] == "Apache-2.0"
    assert names["revision"] == "$REVISION"
    assert {"title", "description"} <= set(names)


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
    secrets, first, second = up[1].splitlines()
    assert secrets.endswith("compose/make_secrets.py")
    assert first.endswith("up --build --detach --wait")
    assert second.endswith(" run --build --rm provision")
    assert [name for name in SERVICES if name not in RUNNING] == ["provision"]
    assert PROVISION["profiles"] == ["provision"]


def test_the_image_asks_whether_it_lives_and_the_stack_whether_it_is_ready():
    served = {each.path for each in Routes(None).table() if hasattr(each, "path")}
    (check,) = instructions("HEALTHCHECK")
    line = next(line for line in DOCKERFILE if line.startswith("HEALTHCHECK"))
    assert "/health/live" in line
    for worker in WORKERS.values():
        asked = worker["healthcheck"]["test"][-1]
        assert "/health/ready" in asked
        assert f"--interval={worker['healthcheck']['interval']}" in check
    assert {"/health/live", "/health/ready"} <= served


def test_prometheus_scrapes_every_worker_with_the_token():
    (job,) = PROMETHEUS["scrape_configs"]
    (targets,) = job["static_configs"]
    assert targets["targets"] == [
        urlsplit(settings_of(worker).web_url).netloc for worker in WORKERS
    ]
    # By this name the rules and the dashboard know them.
    assert job["job_name"] == "bpstream"
    secret = job["authorization"]["credentials_file"].removeprefix("/run/secrets/")
    assert SERVICES["prometheus"]["secrets"] == [secret]
    assert COMPOSE["secrets"] == {secret: {"environment": "BPSTREAM_WEB_TOKEN"}}


def test_prometheus_judges_our_rules():
    mounted = dict(mount.split(":")[1::-1] for mount in SERVICES["prometheus"]["volumes"])
    (rules,) = PROMETHEUS["rule_files"]
    assert mounted[f"/etc/prometheus/{rules}"] == "../dashboards/prometheus-rules.yml"


def test_grafana_has_our_dashboard_and_where_its_numbers_are():
    folder = ROOT / "compose" / "grafana"
    (source,) = yaml.safe_load((folder / "datasources.yml").read_text())["datasources"]
    dashboard = json.loads((ROOT / "dashboards" / "grafana-bpstream.json").read_text())
    (asked,) = dashboard["templating"]["list"]
    assert (asked["type"], asked["query"]) == ("datasource", source["type"])
    assert source["isDefault"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((folder / "dashboards.yml").read_text())["providers"]
    mounted = dict(mount.split(":")[1::-1] for mount in SERVICES["grafana"]["volumes"])
    shown = [
        source
        for target, source in mounted.items()
        if target.startswith(provider["options"]["path"] + "/")
    ]
    assert shown == ["../dashboards/grafana-bpstream.json"]


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
