"""Families of models: each learns an early warning from examples, in a form that numpy serves."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the commands want the names, and not numpy
    from bpstream.training.families.family import Family

_LIBRARIES = {
    "additive": ("scikit-learn", "scipy"),
    "logistic": ("scikit-learn", "scipy"),
    "quadratic": ("scikit-learn", "scipy"),
    "forest": ("scikit-learn", "scipy"),
    "xgboost": ("xgboost-cpu", "scikit-learn"),
    "gru": (),
}

FAMILIES = tuple(_LIBRARIES)
"""Their names, the default first; a module each."""


def family_named(name: str) -> "Family":
    """The family of this name, imported when it is asked for: each has libraries of its own.

    Raises :class:`ModelError` where such a library is not installed.
    """
    from bpstream.training.families.family import Family  # noqa: PLC0415

    module = import_module(f"{__name__}.{name}")
    fit_risk = getattr(module, "fit_risk", None)
    return Family(module.fit, fit_risk, module.STEPS, _LIBRARIES[name])
