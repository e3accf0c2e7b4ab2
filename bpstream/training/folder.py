"""A model's folder, as `bpstream train` writes it and `bpstream evaluate` reads it.

model.json, manifest.json    what is served, and what vouches for it: see `clinical.models.model`
patients.json   the fingerprints of the patients it was trained on
folds.json      the models of its cross-validation, and who was set apart from which
*.joblib        what it was made from, for users of the library; never loaded here
"""

import platform
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import joblib
import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.models.model import (
    MANIFEST_FILE,
    MANIFEST_FORMAT,
    MODEL_FILE,
    AnyEarlyWarning,
    Distribution,
    Form,
)
from bpstream.errors import ModelError
from bpstream.training.fingerprints import BYTES

PATIENTS_FILE, PATIENTS_FORMAT = "patients.json", "bpstream-patients/1"
FOLDS_FILE, FOLDS_FORMAT = "folds.json", "bpstream-folds/1"
JOBLIB_FILE = "early_warning.joblib"
VERSION = "1.0.0"
"""The first part of every model's version; the second comes from its numbers."""

MOST_PICKLED = 1_000_000
"""Bytes: a larger joblib is left out.  Whoever wants it trains anew."""

MOST_FOLDS = 300_000
"""Bytes: of a family whose models are larger those of the folds are left out, and trained anew
when they are needed."""

_BINS = 10
# Of an edge: what follows differs from one processor to the next.
_DIGITS = 9
_COMPRESSION = 3
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "joblib")


class _Patients(msgspec.Struct, frozen=True):
    format: str
    fingerprints: bytes
    """Ascending, `fingerprints.BYTES` each, the most significant byte first."""


class _Folds(msgspec.Struct, frozen=True):
    format: str
    early_warnings: list[AnyEarlyWarning]
    """Of each fold, what was learned from the patients of all the others."""
    fold: bytes
    """Of each fingerprint in patients.json."""


def write(
    folder: Path,
    *,
    name: str,
    form: Form,
    files: Mapping[str, bytes],
    about: Mapping[str, Any],
) -> None:
    """Write the model into `folder`, with its `files` and what is to be said `about` it.

    It holds no time of day: the same model gives the same bytes.  The manifest is written
    last: a crash leaves a folder that `clinical.models.model.load` refuses.  Files of an
    earlier model, which the new one does not have, are removed.
    """
    files = {MODEL_FILE: msgspec.json.encode(form) + b"\n", **files}
    manifest = {
        "format": MANIFEST_FORMAT,
        "name": name,
        "version": f"{VERSION}+{sha256(files[MODEL_FILE]).hexdigest()[:8]}",
        **about,
        "versions": {
            "python": platform.python_version(),
            **about.get("versions", {}),
            **{library: version(library) for library in _LIBRARIES},
        },
        "sha256": {name: sha256(body).hexdigest() for name, body in files.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    for stale in (PATIENTS_FILE, FOLDS_FILE, JOBLIB_FILE):
        if stale not in files:
            (folder / stale).unlink(missing_ok=True)
    for file, body in files.items():
        (folder / file).write_bytes(body)
    (folder / MANIFEST_FILE).write_bytes(as_json(manifest))


def as_json(value: object) -> bytes:
    """JSON for people to read, as every manifest is."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def pickled(estimator: object, *, compress: int = _COMPRESSION) -> bytes:
    """An estimator as joblib has it."""
    file = BytesIO()
    joblib.dump(estimator, file, compress=compress)
    return file.getvalue()


def patients_file(fingerprints: NDArray[np.uint64]) -> bytes:
    """patients.json of patients with these fingerprints."""
    big_endian = np.unique(fingerprints).astype(">u8").view(np.uint8).reshape(-1, 8)
    body = _Patients(PATIENTS_FORMAT, big_endian[:, -BYTES:].tobytes())
    return msgspec.json.encode(body) + b"\n"


def folds_file(
    early_warnings: Sequence[AnyEarlyWarning], fingerprints: Sequence[NDArray[np.uint64]]
) -> bytes:
    """folds.json: what was learned without each fold, and the fingerprints of its patients."""
    prints = np.concatenate(fingerprints)
    fold = np.repeat(np.arange(len(fingerprints)), [len(each) for each in fingerprints])
    _, first = np.unique(prints, return_index=True)
    body = _Folds(FOLDS_FORMAT, list(early_warnings), fold[first].astype(np.uint8).tobytes())
    return msgspec.json.encode(body) + b"\n"


def distribution(values: NDArray[np.float64]) -> Distribution:
    """Between which values the tenths of the training data lie.

    Where many values are equal there are fewer bins, and they are larger.
    """
    tenths = np.quantile(values, np.arange(1, _BINS) / _BINS, method="lower")
    edges = np.unique(tenths.round(_DIGITS))
    shares = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1) / len(values)
    return Distribution(edges.tolist(), shares.tolist())


class Folds(NamedTuple):
    """The models of a cross-validation."""

    early_warnings: list[AnyEarlyWarning]
    fold: NDArray[np.int64]
    """Of each fingerprint, from which model its patient was set apart."""


class Held(NamedTuple):
    """What a folder holds."""

    form: Form
    about: dict[str, Any]
    """The manifest, without what `write` puts there by itself."""
    family: str
    """Of the early warning."""
    patients: NDArray[np.uint64]
    """The fingerprints of those it was trained on, ascending."""
    folds: Folds | None
    """None where the folder does not hold them."""
    files: dict[str, bytes]
    """Those of the early warning, as they are: patients.json, and what there is of the others."""


class _EarlyWarning(msgspec.Struct, frozen=True):
    family: str


class _Manifest(msgspec.Struct, frozen=True):
    """What cannot be done without."""

    sha256: dict[str, str]
    early_warning: _EarlyWarning


def read(folder: Path) -> Held:
    """What `write` wrote into `folder`.

    Raises :class:`ModelError` when a file is missing or damaged, or is not the one that the
    manifest vouches for.
    """
    body = _read(folder / MANIFEST_FILE)
    manifest = _decoded(folder / MANIFEST_FILE, body, _Manifest)
    files = {}
    for name in (MODEL_FILE, PATIENTS_FILE, FOLDS_FILE, JOBLIB_FILE):
        if name in (FOLDS_FILE, JOBLIB_FILE) and name not in manifest.sha256:
            continue
        files[name] = _read(folder / name)
        if sha256(files[name]).hexdigest() != manifest.sha256.get(name):
            raise ModelError(f"{folder / name} is not what {folder / MANIFEST_FILE} vouches for")
    form = _decoded(folder / MODEL_FILE, files.pop(MODEL_FILE), Form)
    about = msgspec.json.decode(body)
    for key in ("format", "name", "version", "sha256"):
        about.pop(key, None)
    patients = _patients(folder / PATIENTS_FILE, files[PATIENTS_FILE])
    folds = None
    if FOLDS_FILE in files:
        folds = _folds(folder / FOLDS_FILE, files[FOLDS_FILE], len(patients))
    return Held(form, about, manifest.early_warning.family, patients, folds, files)


def _patients(path: Path, body: bytes) -> NDArray[np.uint64]:
    held = _decoded(path, body, _Patients)
    if held.format != PATIENTS_FORMAT or len(held.fingerprints) % BYTES:
        raise ModelError(f"{path} is not of the format {PATIENTS_FORMAT}")
    padded = np.zeros((len(held.fingerprints) // BYTES, 8), np.uint8)
    padded[:, -BYTES:] = np.frombuffer(held.fingerprints, np.uint8).reshape(-1, BYTES)
    return padded.view(">u8")[:, 0].astype(np.uint64)


def _folds(path: Path, body: bytes, patients: int) -> Folds:
    held = _decoded(path, body, _Folds)
    fold = np.frombuffer(held.fold, np.uint8).astype(np.int64)
    if held.format != FOLDS_FORMAT or len(fold) != patients:
        raise ModelError(f"{path} is not of the format {FOLDS_FORMAT}, or of other patients")
    if fold.max(initial=0) >= len(held.early_warnings):
        raise ModelError(f"{path} has {len(held.early_warnings)} folds, and patients in others")
    return Folds(held.early_warnings, fold)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error


_T = TypeVar("_T")


def _decoded(path: Path, body: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} does not tell where the model is from ({error})") from error
