"""The model of the benchmark: the original's risk, which every peer works out, and our warnings."""

from dataclasses import replace

from bpstream.clinical.models.model import Model, load
from bpstream.clinical.models.risk import Logistic
from bpstream.resources import shipped
from bpstream.settings import Settings


def original_risk() -> Logistic:
    """What the original system's logistic regression scores."""
    risk = load(shipped("models") / "bp_logreg").risk
    assert isinstance(risk, Logistic)
    return risk


def measured_model() -> Model:
    """Bpstream's default, whose early warnings no peer has, with the risk of the peers."""
    return replace(load(shipped("models") / Settings().model), risk=original_risk())
