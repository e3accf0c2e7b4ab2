"""Features: what a model is told of a reading, from the reading and its patient's history.

None tells how often somebody looks (no gap, count or age): at home and in intensive care that
differs more than the patients do.  Every feature is rounded to a step of its own and cut to a
range, so that a table has one cell for each value, and the last digits of a sum never matter.
"""

from typing import NamedTuple

import numpy as np

from bpstream.clinical.categories import CRISIS_SYSTOLIC
from bpstream.clinical.early_warning_targets import LOW_MEAN_BELOW, TARGETS
from bpstream.clinical.history import DIASTOLIC_ANCHOR, SUMS, SYSTOLIC_ANCHOR, Floats
from bpstream.clinical.rules import HYPOTENSION_SYSTOLIC_BELOW


class Grid(NamedTuple):
    """The values a feature may have: from `least` to `most`, `per_unit` of them to the unit."""

    least: float
    most: float
    per_unit: int

    @property
    def cells(self) -> int:
        """How many values there are."""
        return round((self.most - self.least) * self.per_unit) + 1


_PRESSURE, _MEAN = Grid(10, 350, 2), Grid(10, 350, 4)
_SD, _Z, _SLOPE = Grid(0, 60, 8), Grid(-12, 12, 32), Grid(-60, 60, 8)
_DIFFERENCE, _SHARE = Grid(-100, 100, 4), Grid(0, 1, 128)

GRIDS = {
    # This reading, mmHg, and how near its two pressures are.
    "systolic": _PRESSURE,
    "diastolic": _PRESSURE,
    "mean": _MEAN,
    "pulse": _PRESSURE,
    "diastolic_to_systolic": Grid(0, 1, 256),
    # The decayed means, mmHg: of about an hour, and of about half a day.
    "systolic_hour": _MEAN,
    "diastolic_hour": _MEAN,
    "mean_hour": _MEAN,
    "systolic_usual": _MEAN,
    "diastolic_usual": _MEAN,
    "mean_usual": _MEAN,
    # How much they vary, mmHg, and how far this reading is from what was usual before it, in
    # these standard deviations.
    "systolic_sd": _SD,
    "diastolic_sd": _SD,
    "mean_sd": _SD,
    "systolic_hour_sd": _SD,
    "systolic_deviation": _Z,
    "diastolic_deviation": _Z,
    "mean_deviation": _Z,
    # Where they are going: mmHg an hour, and the last hour less the usual.
    "systolic_slope": _SLOPE,
    "diastolic_slope": _SLOPE,
    "mean_slope": _SLOPE,
    "systolic_trend": _DIFFERENCE,
    "diastolic_trend": _DIFFERENCE,
    # The share of readings that were in a state that a warning is about.
    "hypotension_share": _SHARE,
    "low_map_share": _SHARE,
    "severe_share": _SHARE,
    # How far the state is from where the patient is likely to be next, and from the usual, in
    # standard deviations; negative beyond it.
    "hypotension_margin": _Z,
    "low_map_margin": _Z,
    "severe_margin": _Z,
    "hypotension_usual_margin": _Z,
    "low_map_usual_margin": _Z,
    "severe_usual_margin": _Z,
}
VERSION = 1
"""Of what the features mean: a model that was trained on another one is refused."""

FEATURES = tuple(GRIDS)
"""The names, in the order of the rows of `features`."""

# Between and within patients: what a standard deviation is before a patient's own is known, mmHg,
# and how many readings that is worth.  Of 7,323 adults in intensive care the cuff readings within
# a patient have 13.1 and 9.6 and a correlation of .55 (PhysioNet/CinC Challenge 2012).
_PRIOR_SYSTOLIC_SD, _PRIOR_DIASTOLIC_SD, _PRIOR_CORRELATION = 12.0, 8.0, 0.6
_PRIOR_WEIGHT = 3.0
_PRIOR_HOUR_SD = 10.0
# Regression to the mean: the next reading is about as far from the usual as this, on average.
_NEXT = {"reading": 0.3, "hour": 0.25, "usual": 0.45}
# A slope over less than an hour or so says nothing.
_LEAST_SPREAD = 1.0
_LEAST_WEIGHT = 1e-6

_LEAST = np.array([[grid.least] for grid in GRIDS.values()])
_MOST = np.array([[grid.most] for grid in GRIDS.values()])
_PER_UNIT = np.array([[float(grid.per_unit)] for grid in GRIDS.values()])


def features(sums: Floats, systolic: Floats, diastolic: Floats) -> Floats:
    """The features of readings, shape ``(len(FEATURES), n)``.

    `sums`, of shape ``(len(SUMS), n)``, are those of `history.absorb`, as each reading left them,
    and each reading was the newest of its series.  The pressures have shape ``(n,)`` and are
    mmHg.
    """
    of = dict(zip(SUMS, sums, strict=True))
    weight, hour_weight = of["w"], of["fast_w"]
    x, y = systolic - SYSTOLIC_ANCHOR, diastolic - DIASTOLIC_ANCHOR
    usual_x, usual_y = of["x"] / weight, of["y"] / weight
    variance_x, variance_y, covariance = _moments(of, weight, usual_x, usual_y)
    sd = _Three(
        np.sqrt(variance_x),
        np.sqrt(variance_y),
        np.sqrt(np.maximum(variance_x + 4 * variance_y + 4 * covariance, 0)) / 3,
    )
    reading = _Three.of(systolic, diastolic)
    hour = _Three.of(
        SYSTOLIC_ANCHOR + of["fast_x"] / hour_weight, DIASTOLIC_ANCHOR + of["fast_y"] / hour_weight
    )
    usual = _Three.of(SYSTOLIC_ANCHOR + usual_x, DIASTOLIC_ANCHOR + usual_y)
    # The reading itself has weight 1 in the sums: without it they are what they were before.
    before = weight - 1
    is_known = before > _LEAST_WEIGHT
    known = np.where(is_known, before, 1)
    from_usual = _Three.of(
        np.where(is_known, x - (of["x"] - x) / known, 0),
        np.where(is_known, y - (of["y"] - y) / known, 0),
    )
    slope = _slopes(of, weight)
    likely = _Three.of(
        *(
            _NEXT["reading"] * now + _NEXT["hour"] * lately + _NEXT["usual"] * mostly
            for now, lately, mostly in zip(reading[:2], hour[:2], usual[:2], strict=True)
        )
    )
    hour_x = of["fast_x"] / hour_weight
    hour_variance = np.maximum(of["fast_xx"] / hour_weight - hour_x * hour_x, 0)
    columns = {
        **reading.named(),
        "pulse": systolic - diastolic,
        "diastolic_to_systolic": diastolic / systolic,
        **hour.named("_hour"),
        **usual.named("_usual"),
        **sd.named("_sd"),
        "systolic_hour_sd": np.sqrt(_shrunk(hour_variance, hour_weight, _PRIOR_HOUR_SD**2)),
        **_Three(*(far / one for far, one in zip(from_usual, sd, strict=True))).named("_deviation"),
        **slope.named("_slope"),
        "systolic_trend": hour.systolic - usual.systolic,
        "diastolic_trend": hour.diastolic - usual.diastolic,
        **{f"{target}_share": of[target] / weight for target in TARGETS},
    }
    for name, where in {"": likely, "_usual": usual}.items():
        margins = (
            (where.systolic - HYPOTENSION_SYSTOLIC_BELOW) / sd.systolic,
            (where.mean - LOW_MEAN_BELOW) / sd.mean,
            (CRISIS_SYSTOLIC - where.systolic) / sd.systolic,
        )
        for target, margin in zip(TARGETS, margins, strict=True):
            columns[f"{target}{name}_margin"] = margin
    found = np.array([columns[name] for name in FEATURES])
    np.clip(found, _LEAST, _MOST, out=found)
    found *= _PER_UNIT
    np.rint(found, out=found)
    found /= _PER_UNIT
    return found


class _Three(NamedTuple):
    """Something of the systolic, the diastolic and the mean pressure, each of shape ``(n,)``."""

    systolic: Floats
    diastolic: Floats
    mean: Floats

    @classmethod
    def of(cls, systolic: Floats, diastolic: Floats) -> "_Three":
        """With the mean that follows from the other two."""
        return cls(systolic, diastolic, (systolic + 2 * diastolic) / 3)

    def named(self, ending: str = "") -> dict[str, Floats]:
        return {name + ending: values for name, values in self._asdict().items()}


def _moments(
    of: dict[str, Floats], weight: Floats, mean_x: Floats, mean_y: Floats
) -> tuple[Floats, Floats, Floats]:
    """Variances and covariance within the patient, drawn towards those of most patients."""
    between = _PRIOR_CORRELATION * _PRIOR_SYSTOLIC_SD * _PRIOR_DIASTOLIC_SD
    variance_x = np.maximum(of["xx"] / weight - mean_x * mean_x, 0)
    variance_y = np.maximum(of["yy"] / weight - mean_y * mean_y, 0)
    covariance = of["xy"] / weight - mean_x * mean_y
    return (
        _shrunk(variance_x, weight, _PRIOR_SYSTOLIC_SD**2),
        _shrunk(variance_y, weight, _PRIOR_DIASTOLIC_SD**2),
        _shrunk(covariance, weight, between),
    )


def _shrunk(value: Floats, weight: Floats, prior: float) -> Floats:
    return (weight * value + _PRIOR_WEIGHT * prior) / (weight + _PRIOR_WEIGHT)


def _slopes(of: dict[str, Floats], weight: Floats) -> _Three:
    """Weighted least squares, mmHg an hour; 0 where the readings lie too near each other."""
    spread = weight * of["tt"] - of["t"] * of["t"]
    is_known = spread > _LEAST_SPREAD
    spread = np.where(is_known, spread, 1)
    return _Three.of(
        *(
            np.where(is_known, (weight * of[f"t{name}"] - of["t"] * of[name]) / spread, 0)
            for name in ("x", "y")
        )
    )
