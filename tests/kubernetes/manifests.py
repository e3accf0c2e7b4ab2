"""The manifests in compose/kubernetes, read as they stand: no kustomize is needed."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from bpstream.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "compose" / "kubernetes"
KUSTOMIZATIONS = sorted(FOLDER.rglob("kustomization.yaml"))
DOCKERFILE = (ROOT / "compose" / "Dockerfile").read_text()
# Of operators: Kubernetes' own client does not know them.
CUSTOM = {"ScaledObject", "TriggerAuthentication", "ServiceMonitor"}

Manifest = dict[str, Any]


def read(path: Path) -> list[Any]:
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


@cache
def resources(folder: Path) -> tuple[Manifest, ...]:
    """Every manifest that a kustomization's folder names, and those that it builds on."""
    (kustomization,) = read(folder / "kustomization.yaml")
    found: list[Manifest] = []
    for name in [*kustomization.get("resources", []), *kustomization.get("components", [])]:
        path = (folder / name).resolve()
        found += resources(path) if path.is_dir() else read(path)
    return tuple(found)


BASE = resources(FOLDER / "base")
EXAMPLE = resources(FOLDER / "overlays" / "example")


def one(kind: str, name: str = "bpstream") -> Manifest:
    (found,) = (
        each for each in EXAMPLE if (each["kind"], each["metadata"]["name"]) == (kind, name)
    )
    return found


WORKERS = one("StatefulSet")
POD = WORKERS["spec"]["template"]
JOB_POD = one("Job", "bpstream-provision")["spec"]["template"]
PODS = {"worker": POD, "provision": JOB_POD}
(CONTAINER,) = POD["spec"]["containers"]
PORTS = {each["name"]: each["containerPort"] for each in CONTAINER["ports"]}


def told(folder: Path) -> dict[str, str]:
    """The settings in the ConfigMap of a kustomization, those it builds on included."""
    (kustomization,) = read(folder / "kustomization.yaml")
    settings: dict[str, str] = {}
    for name in kustomization.get("resources", []):
        if (folder / name).is_dir():
            settings |= told((folder / name).resolve())
    for generator in kustomization.get("configMapGenerator", []):
        assert generator["name"] == "bpstream"
        settings |= dict(each.split("=", 1) for each in generator["literals"])
    return settings


def settings(folder: Path) -> Settings:
    """What a worker is told, with the secrets that the kustomization's comment says to make."""
    comment = (folder / "kustomization.yaml").read_text()
    secrets = dict.fromkeys(re.findall(r"--from-literal=(\w+)=", comment), "a-secret")
    return Settings.from_env({"BPSTREAM_WEB_TOKEN": "a-secret"} | secrets | told(folder))
