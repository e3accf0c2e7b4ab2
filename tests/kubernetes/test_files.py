"""Every Kubernetes manifest is one that a cluster takes, and part of a kustomization."""

from copy import deepcopy
from typing import Any

import pytest

from bpstream.settings import Settings
from tests.kubernetes.manifests import CUSTOM, EXAMPLE, FOLDER, KUSTOMIZATIONS, WORKERS, read, told
from tests.kubernetes.schema import problems


@pytest.mark.parametrize("manifest", EXAMPLE, ids=lambda each: each["kind"])
def test_a_manifest_is_what_kubernetes_takes(manifest):
    if manifest["kind"] not in CUSTOM:
        assert problems(manifest) == []


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("spec", "replica"), 2),
        (("spec", "replicas"), "two"),
        (("spec", "template", "spec", "containers", 0, "ports", 0, "containerPort"), None),
        (("spec", "template", "spec", "containers", 0, "readinessProbe", "httpget"), {}),
    ],
)
def test_the_check_sees_a_field_that_is_wrong(path, wrong):
    manifest = deepcopy(WORKERS)
    at: Any = manifest
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = wrong
    assert problems(manifest)


def test_every_file_is_part_of_a_kustomization():
    named = set()
    for path in KUSTOMIZATIONS:
        (kustomization,) = read(path)
        listed = [*kustomization.get("resources", []), *kustomization.get("components", [])]
        listed += [each["path"] for each in kustomization.get("patches", []) if "path" in each]
        for name in listed:
            there = (path.parent / name).resolve()
            assert there.exists(), f"{path}: {name}"
            named.add(there / "kustomization.yaml" if there.is_dir() else there)
    top = FOLDER / "overlays" / "example" / "kustomization.yaml"
    assert {each.resolve() for each in FOLDER.rglob("*.yaml")} == named | {top.resolve()}


def test_a_patch_is_of_something_that_is_there():
    there = {(each["kind"], each["metadata"]["name"]) for each in EXAMPLE}
    for path in KUSTOMIZATIONS:
        (kustomization,) = read(path)
        for patch in kustomization.get("patches", []):
            if target := patch.get("target"):
                aimed = (target["kind"], target["name"])
            else:
                (body,) = read(path.parent / patch["path"])
                aimed = (body["kind"], body["metadata"]["name"])
            assert aimed in there


def test_no_secret_stands_in_a_file():
    assert not [each for each in EXAMPLE if each["kind"] == "Secret"]
    for path in KUSTOMIZATIONS:
        (kustomization,) = read(path)
        assert "secretGenerator" not in kustomization
    secret = {
        f"BPSTREAM_{name.upper()}"
        for name, each in Settings.__dataclass_fields__.items()
        if each.metadata.get("secret")
    }
    assert not secret & set(told(FOLDER / "overlays" / "example"))
