"""Kubernetes manifests against the models of its own client: unknown and missing fields."""

import re
from typing import Any

from kubernetes import client

_LIST, _DICT = re.compile(r"List\[(.+)\]"), re.compile(r"Dict\[str, (.+)\]")
_PLAIN = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object}


def problems(manifest: dict[str, Any]) -> list[str]:
    """What is wrong with a manifest of one of Kubernetes' own kinds, a sentence each."""
    version = manifest["apiVersion"].rpartition("/")[2]
    return list(_of(manifest, version.capitalize() + manifest["kind"], manifest["kind"]))


def _of(value: Any, kind: str, path: str) -> list[str]:
    if match := _LIST.fullmatch(kind):
        if not isinstance(value, list):
            return [f"{path} is no list"]
        items = [_of(each, match[1], f"{path}[{n}]") for n, each in enumerate(value)]
        return [problem for item in items for problem in item]
    if match := _DICT.fullmatch(kind):
        if not isinstance(value, dict):
            return [f"{path} is no object"]
        items = [_of(each, match[1], f"{path}.{name}") for name, each in value.items()]
        return [problem for item in items for problem in item]
    if kind in _PLAIN:
        right = isinstance(value, _PLAIN[kind]) and isinstance(value, bool) == (kind == "bool")
        return [] if right or kind == "object" else [f"{path} is {value!r}, and no {kind}"]
    return _of_model(value, getattr(client, kind), path)


def _of_model(value: Any, model: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path} is no object"]
    names = {json_name: name for name, json_name in model.attribute_map.items()}
    found = [f"{path}.{each} is unknown" for each in value if each not in names]
    known = {names[each]: value[each] for each in value if each in names}
    try:
        model(**known)
    except ValueError as error:  # a required field is missing
        found.append(f"{path}: {error}")
    for name, each in known.items():
        found += _of(each, model.openapi_types[name], f"{path}.{model.attribute_map[name]}")
    return found
