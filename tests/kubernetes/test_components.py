"""What stands beside the workers on Kubernetes: scaling by lag, scraping, provisioning."""

from click.testing import CliRunner

from bpstream import __version__
from bpstream.commands import cli
from bpstream.settings import Settings
from bpstream.web.routes import Routes
from tests.kubernetes.manifests import FOLDER, JOB_POD, PODS, WORKERS, one, read, settings


def test_no_more_workers_than_partitions():
    scaled = one("ScaledObject")["spec"]
    partitions = settings(FOLDER / "overlays" / "example").partitions
    assert WORKERS["spec"]["replicas"] <= scaled["maxReplicaCount"] == partitions
    assert scaled["scaleTargetRef"]["name"] == WORKERS["metadata"]["name"]
    assert scaled["scaleTargetRef"]["kind"] == WORKERS["kind"]


def test_lag_is_asked_of_the_group_and_the_topic_of_the_workers():
    patch = read(FOLDER / "overlays" / "example" / "autoscaling.yaml")
    for each in (one("ScaledObject"), *patch):
        (trigger,) = each["spec"]["triggers"]
        assert trigger["metadata"]["consumerGroup"] == Settings().app_id
        assert trigger["metadata"]["topic"] == Settings().topic
    (authentication,) = {trigger["authenticationRef"]["name"]}
    asked = one("TriggerAuthentication", authentication)["spec"]["secretTargetRef"]
    assert {each["name"] for each in asked} == {"bpstream"}
    found = settings(FOLDER / "overlays" / "example")
    assert found.bootstrap_servers == trigger["metadata"]["bootstrapServers"]
    assert {each["key"] for each in asked} == {
        "BPSTREAM_BROKER_USERNAME",
        "BPSTREAM_BROKER_PASSWORD",
    }


def test_prometheus_scrapes_every_worker_as_the_job_its_rules_know():
    spec = one("ServiceMonitor")["spec"]
    service = one("Service", "bpstream-workers")
    assert spec["selector"] == {"matchLabels": service["metadata"]["labels"]}
    assert service["metadata"]["labels"][spec["jobLabel"]] == "bpstream"
    (endpoint,) = spec["endpoints"]
    assert endpoint["port"] in {each["name"] for each in service["spec"]["ports"]}
    assert endpoint["path"] in {each.path for each in Routes(None).table() if hasattr(each, "path")}
    assert endpoint["authorization"]["credentials"] == {
        "name": "bpstream",
        "key": "BPSTREAM_WEB_TOKEN",
    }


def test_what_is_provisioned_is_a_command_of_ours():
    (container,) = JOB_POD["spec"]["containers"]
    program, *arguments = container["args"]
    assert program == "bpstream"
    assert CliRunner().invoke(cli, [*arguments, "--help"]).exit_code == 0


def test_the_example_runs_this_version():
    (kustomization,) = read(FOLDER / "overlays" / "example" / "kustomization.yaml")
    (image,) = kustomization["images"]
    assert image["newTag"] == __version__
    assert {
        container["image"] for pod in PODS.values() for container in pod["spec"]["containers"]
    } == {image["name"]}
