"""The workers on Kubernetes fit the image, the settings and each other."""

import re
from urllib.parse import urlsplit

import pytest

from bpstream.settings import Settings
from bpstream.stream import worker
from bpstream.web.routes import Routes
from tests.kubernetes.manifests import (
    CONTAINER,
    DOCKERFILE,
    FOLDER,
    JOB_POD,
    POD,
    PODS,
    PORTS,
    WORKERS,
    one,
    settings,
)

# The settings.


@pytest.mark.parametrize("folder", ["base", "overlays/example"])
def test_a_worker_can_read_its_settings(folder):
    found = settings(FOLDER / folder)
    assert found.web_token == "a-secret"
    # The probes, and the other workers, come from outside of the pod.
    assert found.web_host == "0.0.0.0"
    assert found.web_port == PORTS["web"]
    assert found.partitions == Settings().partitions


@pytest.mark.parametrize("pod", PODS)
def test_a_container_takes_the_config_map_and_the_secret(pod):
    (container,) = PODS[pod]["spec"]["containers"]
    assert container["envFrom"] == [
        {"configMapRef": {"name": "bpstream"}},
        {"secretRef": {"name": "bpstream"}},
    ]
    named = {each["name"] for each in container["env"] if each["name"].startswith("BPSTREAM_")}
    assert named <= {f"BPSTREAM_{name.upper()}" for name in Settings.__dataclass_fields__}


@pytest.mark.parametrize("pod", PODS)
def test_the_cluster_adds_no_variable_that_is_no_setting(pod):
    assert PODS[pod]["spec"]["enableServiceLinks"] is False


def test_a_worker_is_known_by_a_name_of_its_own():
    env = {each["name"]: each for each in CONTAINER["env"]}
    url = urlsplit(env["BPSTREAM_WEB_URL"]["value"])
    assert url.hostname == f"$(pod_name).{WORKERS['spec']['serviceName']}.$(pod_namespace).svc"
    assert url.port == PORTS["web"]
    # Kubernetes puts in what was told before.
    assert list(env)[:2] == ["POD_NAME", "POD_NAMESPACE"]
    service = one("Service", WORKERS["spec"]["serviceName"])["spec"]
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"]


@pytest.mark.parametrize("folder", ["base", "overlays/example"])
def test_what_a_worker_asks_is_let_out(folder):
    rules = one("NetworkPolicy")["spec"]["egress"]
    anywhere = {port["port"] for rule in rules if "to" not in rule for port in rule["ports"]}
    found = settings(FOLDER / folder)
    brokers = {int(each.rpartition(":")[2]) for each in found.bootstrap_servers.split(",")}
    assert brokers | {urlsplit(found.elasticsearch_url).port} == anywhere


# What fits what.


@pytest.mark.parametrize("name", ["bpstream", "bpstream-workers"])
def test_a_service_finds_the_workers(name):
    spec = one("Service", name)["spec"]
    assert spec["selector"] == POD["metadata"]["labels"]
    assert all(port["targetPort"] in PORTS for port in spec["ports"])


def test_what_selects_workers_selects_all_of_them_and_nothing_else():
    labels = POD["metadata"]["labels"]
    policy = one("NetworkPolicy")["spec"]
    (spread,) = POD["spec"]["topologySpreadConstraints"]
    for selector in (
        WORKERS["spec"]["selector"],
        one("PodDisruptionBudget")["spec"]["selector"],
        policy["podSelector"],
        policy["ingress"][0]["from"][0]["podSelector"],
        spread["labelSelector"],
    ):
        assert selector == {"matchLabels": labels}
    assert JOB_POD["metadata"]["labels"] != labels


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_a_probe_asks_what_the_worker_answers(probe):
    asked = CONTAINER[probe]["httpGet"]
    open_paths = {"/health/live", "/health/ready"}
    served = {each.path for each in Routes(None).table() if hasattr(each, "path")}
    assert asked["path"] in served & open_paths
    assert asked["port"] in PORTS
    # A worker that waits for a store is not to be killed for it.
    assert (asked["path"] == "/health/ready") == (probe == "readinessProbe")


@pytest.mark.parametrize("pod", PODS)
def test_a_pod_has_no_more_rights_than_it_needs(pod):
    spec = PODS[pod]["spec"]
    (container,) = spec["containers"]
    user, group = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.M).groups()
    context = spec["securityContext"]
    assert context["runAsNonRoot"]
    assert (context["runAsUser"], context["runAsGroup"]) == (int(user), int(group))
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    assert spec["serviceAccountName"] == one("ServiceAccount")["metadata"]["name"]
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("pod", PODS)
def test_a_volume_that_is_mounted_is_there(pod):
    spec = PODS[pod]["spec"]
    (container,) = spec["containers"]
    assert {each["name"] for each in container["volumeMounts"]} == {
        each["name"] for each in spec["volumes"]
    }


def test_the_worker_can_write_where_it_does_and_shares_its_archive():
    mounts = {each["mountPath"]: each["name"] for each in CONTAINER["volumeMounts"]}
    data = re.search(r"BPSTREAM_DATA_DIR=(\S+)", DOCKERFILE)[1]
    assert {data, "/tmp"} <= set(mounts)
    archive = Settings.from_env({"BPSTREAM_DATA_DIR": data}).archive
    (volume,) = (each for each in POD["spec"]["volumes"] if each["name"] == mounts[str(archive)])
    claim = one("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_a_worker_has_time_to_end_by_itself():
    assert POD["spec"]["terminationGracePeriodSeconds"] > worker._STOP_WITHIN
