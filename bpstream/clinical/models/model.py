"""A model as it is served: loaded from its folder in `models/` without running foreign code.

models/NAME/manifest.json   what it is and where it is from, and the SHA-256 of each file
model.json      the numbers that are served
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES, VERSION
from bpstream.clinical.models.additive import AdditiveForm
from bpstream.clinical.models.drift import Reference
from bpstream.clinical.models.early_warning import EarlyWarning
from bpstream.clinical.models.linear import LinearForm, QuadraticForm
from bpstream.clinical.models.recurrent import RecurrentForm
from bpstream.clinical.models.risk import Distance, Logistic, QuadraticRisk, Risk
from bpstream.clinical.models.trees import TreesForm, TreesRisk
from bpstream.errors import ModelError

MANIFEST_FORMAT = "bpstream-manifest/2"
MODEL_FORMAT = "bpstream-model/2"
MANIFEST_FILE, MODEL_FILE = "manifest.json", "model.json"

AnyRisk = Distance | Logistic | QuadraticRisk | TreesRisk
AnyEarlyWarning = AdditiveForm | LinearForm | QuadraticForm | TreesForm | RecurrentForm


class Distribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one column was distributed in the training data."""

    edges: list[float]
    shares: list[float]

    def reference(self) -> Reference:
        """Ready to be compared with.  Raises ValueError where it makes no sense."""
        if len(self.shares) != len(self.edges) + 1 or sorted(self.edges) != self.edges:
            raise ValueError(
                f"{len(self.edges)} edges and {len(self.shares)} shares: edges have to ascend, "
                "and there is one more share"
            )
        return Reference(np.array(self.edges), np.array(self.shares))


class Manifest(msgspec.Struct, frozen=True):
    """The part of manifest.json that is needed to serve; the rest is for people."""

    format: str
    name: str
    version: str
    sha256: dict[str, str]
    distributions: dict[str, Distribution] = {}
    """Of what the model is given and says, in the training data."""


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """model.json."""

    format: str
    feature_version: int
    """Of the features that the early warning is given."""
    features: list[str]
    """Those it uses."""
    risk: AnyRisk
    early_warning: AnyEarlyWarning


class _Header(msgspec.Struct):
    format: str


@dataclass(frozen=True, slots=True)
class Model:
    """What scores readings; every document names the one that scored it."""

    name: str
    version: str
    risk: Risk
    early_warning: EarlyWarning
    distributions: Mapping[str, Reference]


def load(path: Path) -> Model:
    """The model in the folder `path`: its manifest.json, and the model.json it vouches for.

    Raises :class:`ModelError` when a file is missing, is not as it was when the manifest was
    written, or is of a kind this version does not serve.
    """
    manifest_path, model_path = path / MANIFEST_FILE, path / MODEL_FILE
    body = _read(manifest_path)
    _check_format(manifest_path, body, MANIFEST_FORMAT)
    manifest = _decode(manifest_path, body, Manifest)
    body = _read(model_path)
    found, expected = sha256(body).hexdigest(), manifest.sha256.get(MODEL_FILE)
    if found != expected:
        raise ModelError(
            f"{model_path} has SHA-256 {found}, but {manifest_path} says {expected}: "
            "restore both files, or make them anew with `bpstream train`"
        )
    _check_format(model_path, body, MODEL_FORMAT)
    form = _decode(model_path, body, Form)
    _check_features(model_path, form)
    try:
        early_warning = form.early_warning.served()
    except (ValueError, KeyError, IndexError) as error:
        raise ModelError(f"{model_path} cannot be served: {error}") from error
    try:
        distributions = {name: each.reference() for name, each in manifest.distributions.items()}
    except ValueError as error:
        raise ModelError(f"{manifest_path}: {error}") from error
    return Model(manifest.name, manifest.version, form.risk, early_warning, distributions)


def named(name: str, models: Path) -> Path:
    """The folder of a model: `name` is one in `models`, else the path of any folder.

    Raises :class:`ModelError` for one that is not there, with those that are.
    """
    known = sorted(path.parent.name for path in models.glob(f"*/{MANIFEST_FILE}"))
    folder = models / name if name in known else Path(name)
    if not (folder / MANIFEST_FILE).exists():
        raise ModelError(
            f"there is no model {name!r}: {', '.join(known)} would do, or the path of a folder "
            "that `bpstream train` made"
        )
    return folder


def _check_features(path: Path, form: Form) -> None:
    if form.feature_version != VERSION:
        raise ModelError(
            f"{path} wants features of version {form.feature_version}; this version of bpstream "
            f"makes version {VERSION}: train the model anew with `bpstream train`"
        )
    unknown = [name for name in form.features if name not in FEATURES]
    if unknown:
        raise ModelError(
            f"{path} wants the features {', '.join(unknown)}, which this version of bpstream "
            f"does not make; it makes {', '.join(FEATURES)}"
        )
    missing = set(TARGETS) ^ set(form.early_warning.prevalence)
    if missing or not all(0 < each < 1 for each in form.early_warning.prevalence.values()):
        raise ModelError(
            f"{path} must have a prevalence between 0 and 1 for each of {', '.join(TARGETS)}, "
            f"not {form.early_warning.prevalence}"
        )


def _check_format(path: Path, body: bytes, served: str) -> None:
    found = _decode(path, body, _Header).format
    if found != served:
        raise ModelError(f"{path} is of format {found!r}; this version of bpstream serves {served}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror}): a model is a folder with "
            f"{MANIFEST_FILE} and {MODEL_FILE}; `bpstream train` makes one"
        ) from error


_T = TypeVar("_T")


def _decode(path: Path, body: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{path} is not the JSON of a model ({error}): restore it, or make it anew "
            "with `bpstream train`"
        ) from error
