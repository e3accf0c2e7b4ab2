"""Models that score a reading, loaded from `models/` without running foreign code."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.errors import ModelError

MANIFEST_FORMAT = "bpstream-manifest/1"
LOGISTIC_FORMAT = "bpstream-logistic/1"
MANIFEST_FILE, MODEL_FILE = "manifest.json", "model.json"
FEATURES = ("systolic", "diastolic")
"""What a model is given, in this order, in mmHg."""


@dataclass(frozen=True, slots=True)
class RiskModel(ABC):
    """A model that scores readings; every document names the one that scored it."""

    name: str
    version: str

    @abstractmethod
    def score(
        self, systolic: NDArray[np.float64], diastolic: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The probability, 0..1, that each reading is anomalous.

        The arrays have shape ``(n,)`` and are mmHg.  A reading that lacks a pressure (NaN)
        has no score (NaN).
        """


@dataclass(frozen=True, slots=True)
class LogisticRegression(RiskModel):
    """A straight line between normal and anomalous readings: it sees one side of a range.

    >>> model = LogisticRegression("line", "1", intercept=-12.0, systolic=0.1, diastolic=0.0)
    >>> model.score(np.array([120.0, np.nan]), np.array([80.0, 80.0]))
    array([0.5, nan])
    """

    intercept: float
    systolic: float
    diastolic: float

    def score(
        self, systolic: NDArray[np.float64], diastolic: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The logistic function of the weighted sum."""
        logit = self.intercept + self.systolic * systolic + self.diastolic * diastolic
        # The same as 1 / (1 + exp(-logit)), which overflows far from the line.
        return 0.5 * (1 + np.tanh(logit / 2))


class _Manifest(msgspec.Struct):
    """The part of manifest.json that is needed to serve; the rest is for people."""

    format: str
    name: str
    version: str
    sha256: dict[str, str]


class _Header(msgspec.Struct):
    format: str


class _Logistic(msgspec.Struct):
    features: list[str]
    intercept: float
    coefficients: list[float]


def load(path: Path) -> RiskModel:
    """The model in the folder `path`: its manifest.json, and the model.json it vouches for.

    Raises :class:`ModelError` when a file is missing, is not as it was when the manifest was
    written, or is of a kind this version does not serve.
    """
    manifest_path, model_path = path / MANIFEST_FILE, path / MODEL_FILE
    manifest = _decode(manifest_path, _read(manifest_path), _Manifest)
    if manifest.format != MANIFEST_FORMAT:
        raise _unknown_format(manifest_path, manifest.format, MANIFEST_FORMAT)
    body = _read(model_path)
    found, expected = sha256(body).hexdigest(), manifest.sha256.get(MODEL_FILE)
    if found != expected:
        raise ModelError(
            f"{model_path} has SHA-256 {found}, but {manifest_path} says {expected}: "
            "restore both files, or make them anew with `bpstream train`"
        )
    model_format = _decode(model_path, body, _Header).format
    if model_format not in _READERS:
        raise _unknown_format(model_path, model_format, *_READERS)
    return _READERS[model_format](manifest, model_path, body)


def _logistic(manifest: _Manifest, path: Path, body: bytes) -> LogisticRegression:
    model = _decode(path, body, _Logistic)
    if tuple(model.features) != FEATURES:
        raise ModelError(
            f"{path} wants the features {', '.join(model.features) or '(none)'}; "
            f"a model served here is given {', '.join(FEATURES)}, in this order"
        )
    if len(model.coefficients) != len(FEATURES):
        raise ModelError(
            f"{path} has {len(model.coefficients)} coefficients; "
            f"its {len(FEATURES)} features need one each"
        )
    systolic, diastolic = model.coefficients
    return LogisticRegression(
        manifest.name,
        manifest.version,
        intercept=model.intercept,
        systolic=systolic,
        diastolic=diastolic,
    )


_READERS: dict[str, Callable[[_Manifest, Path, bytes], RiskModel]] = {
    LOGISTIC_FORMAT: _logistic,
}


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


def _unknown_format(path: Path, found: str, *served: str) -> ModelError:
    return ModelError(
        f"{path} is of format {found!r}; this version of bpstream serves {', '.join(served)}"
    )
