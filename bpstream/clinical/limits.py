"""Limits: bounds of the alarm rules that may be others for one patient.

A limit of a patient goes before one of the patient's profile, and that before the rules' own
bound, for each bound apart.  `systolic_high` is where hypertension begins for the patient; what
begins with `severe_` is where an alarm does not wait.  A severe bound is hard: no limit lies
beyond it, and it may itself only be moved towards what is normal.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.alarm_rule import Kind, Rule
from bpstream.clinical.categories import (
    CRISIS_DIASTOLIC,
    CRISIS_SYSTOLIC,
    CRITICAL_BELOW_MEAN,
    CRITICAL_BELOW_SYSTOLIC,
    HIGH_FROM_DIASTOLIC,
    HIGH_FROM_SYSTOLIC,
)
from bpstream.clinical.conditions import (
    PRESSURES,
    Atom,
    Bools,
    Condition,
    Floats,
    Positions,
    one_of,
)
from bpstream.clinical.history import DIASTOLIC_ANCHOR, SUMS, SYSTOLIC_ANCHOR

_SEVERE = "severe_"
_PLAIN = tuple(f"{measure}_{side}" for measure in PRESSURES for side in ("low", "high"))

NAMES = (*_PLAIN, *(_SEVERE + name for name in _PLAIN))
"""Every limit there may be; mmHg.  Which of them mean anything is for the rules to say."""

HARD: Mapping[str, float] = {
    "systolic_low": CRITICAL_BELOW_SYSTOLIC,
    "systolic_high": CRISIS_SYSTOLIC,
    "diastolic_high": CRISIS_DIASTOLIC,
    "mean_low": CRITICAL_BELOW_MEAN,
}
"""Floors and ceilings: no limit of a patient's lies beyond them."""

_LEAST, _MOST = 20.0, 300.0
"""mmHg.  A limit outside is a slip of the pen."""

# Severe hypertension of pregnancy, to be treated within an hour: ACOG Practice Bulletin 222,
# Obstet Gynecol 2020;135:e237-e260.
_PREGNANCY_SYSTOLIC, _PREGNANCY_DIASTOLIC = 160.0, 110.0
# What intensive care aims at in shock: Evans et al., Surviving Sepsis Campaign 2021, Crit Care
# Med 2021;49:e1063-e1143.
_SHOCK_MEAN = 65.0

ADULT, CHILD = "adult", "child"
PROFILES: Mapping[str, Mapping[str, float]] = {
    ADULT: {},
    "pregnancy": {
        "severe_systolic_high": _PREGNANCY_SYSTOLIC,
        "severe_diastolic_high": _PREGNANCY_DIASTOLIC,
    },
    # Grade 2 in place of grade 1 is bpstream's own choice: a stay is not the time to treat it.
    "intensive_care": {
        "systolic_high": HIGH_FROM_SYSTOLIC,
        "diastolic_high": HIGH_FROM_DIASTOLIC,
        "severe_mean_low": _SHOCK_MEAN,
    },
    CHILD: {},
}
"""Limits by kind of patient.  The rules are for adults: no physiological one judges a child."""


class Own(NamedTuple):
    """Readings of patients who have limits of their own; arrays of shape ``(m,)``."""

    at: Positions
    """Their positions among the readings, ascending."""
    limits: Mapping[str, Floats]
    """By name; NaN where the patient has none of it."""
    unjudged: Bools
    """Where no physiological rule judges the patient."""


def defaults(rules: Iterable[Rule]) -> dict[str, float]:
    """The bounds of `rules` that may be others for a patient, by the limit's name.

    Of several in a condition that is not severe the one nearest to what is normal counts.  Only
    rules about the patient's pressures and nothing else have limits, and no range has one.
    """
    found: dict[str, float] = {}
    for rule in rules:
        if not _has_limits(rule):
            continue
        for atom in _atoms(rule.when):
            name = _name(atom)
            if name in _PLAIN:
                nearer = min if is_high(name) else max
                found[name] = nearer(atom.bound, found.get(name, atom.bound))
        for atom in _atoms(rule.severe.when if rule.severe else ()):
            if HARD.get(_name(atom)) == atom.bound:
                found[_SEVERE + _name(atom)] = atom.bound
    return {name: found[name] for name in NAMES if name in found}


def marked(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules, each comparison with a default telling the limit that may take its place."""
    known = defaults(rules)

    def mark(when: Condition, prefix: str) -> Condition:
        return tuple(
            tuple(
                replace(atom, limit=name)
                if known.get(name) == atom.bound and not _is_range(group, atom)
                else atom
                for atom in group
                for name in (prefix + _name(atom),)
            )
            for group in when
        )

    return tuple(
        rule
        if not _has_limits(rule)
        else replace(
            rule,
            when=mark(rule.when, ""),
            severe=rule.severe and replace(rule.severe, when=mark(rule.severe.when, _SEVERE)),
        )
        for rule in rules
    )


def is_high(name: str) -> bool:
    """Whether the limit is crossed upwards."""
    return name.endswith("_high")


def held_back(name: str, value: float) -> float:
    """`value`, or the floor or ceiling that it lies beyond."""
    hard = HARD.get(name.removeprefix(_SEVERE))
    if hard is None:
        return value
    return min(value, hard) if is_high(name) else max(value, hard)


def check(name: str, value: float, known: Iterable[str]) -> None:
    """Raise ValueError, with what would do, for a limit that nobody may set."""
    if name not in (known := list(known)):
        raise ValueError(f"no alarm rule has the limit {name!r}; {one_of(known, name)}")
    if not _LEAST <= value <= _MOST:
        raise ValueError(f"{name} must be from {_LEAST:g} to {_MOST:g} mmHg, not {value:g}")
    hard = held_back(name, value)
    if hard != value:
        side, most = ("ceiling", "most") if is_high(name) else ("floor", "least")
        raise ValueError(
            f"{name} cannot be {value:g} mmHg: the {side} is {hard:g}, so at {most} {hard:g}"
        )


def check_order(limits: Mapping[str, float]) -> None:
    """Raise ValueError where a low limit is not below its high one, or a severe one is inside."""
    for measure in PRESSURES:
        order = (f"{_SEVERE}{measure}_low", f"{measure}_low", f"{measure}_high")
        there = [name for name in (*order, f"{_SEVERE}{measure}_high") if name in limits]
        for lower, upper in pairwise(there):
            both_of_a_side = is_high(lower) == is_high(upper)
            below, above = limits[lower], limits[upper]
            if below > above or (below == above and not both_of_a_side):
                raise ValueError(
                    f"{lower} would be {below:g} and {upper} {above:g} mmHg: "
                    "they must stand in this order"
                )


# How far from the usual a limit is suggested: two standard deviations, but at least a fifth of
# the mean (limits are customarily set 20 to 30 % from a patient's baseline), to 5 mmHg.
_DEVIATIONS, _SHARE, _STEP = 2.0, 0.2, 5.0
# From 111 on a systolic pressure is nothing to look after: National Early Warning Score 2, Royal
# College of Physicians, 2017.
_SYSTOLIC_LOW_AT_MOST = 110.0
LEAST_WEIGHT = 4.0
"""Readings, weighed by their age, that a suggestion needs."""
_AT = {name: position for position, name in enumerate(SUMS)}


class Usual(NamedTuple):
    """What is usual for a patient: mmHg."""

    mean: float
    sd: float


def usual(sums: NDArray[np.float64]) -> dict[str, Usual]:
    """By pressure, from the sums of one history; empty where it tells too little."""
    of = {name: float(sums[position]) for name, position in _AT.items()}
    weight = of["w"]
    if weight < LEAST_WEIGHT:
        return {}
    found = {}
    for pressure, axis, anchor in (
        ("systolic", "x", SYSTOLIC_ANCHOR),
        ("diastolic", "y", DIASTOLIC_ANCHOR),
    ):
        mean = of[axis] / weight
        variance = max(0.0, of[axis * 2] / weight - mean**2)
        found[pressure] = Usual(anchor + mean, float(np.sqrt(variance)))
    return found


def suggested(usual: Mapping[str, Usual], known: Iterable[str]) -> dict[str, float]:
    """Limits around what is usual, of those in `known`; never beyond a floor or ceiling.

    A person has to set them: what is usual for a patient need not be well.

    >>> suggested({"systolic": Usual(118.0, 8.0)}, ["systolic_low", "systolic_high"])
    {'systolic_low': 95.0, 'systolic_high': 140.0}
    """
    found = {}
    for name in known:
        measure, _, side = name.partition("_")
        if measure not in usual or name not in _PLAIN:
            continue
        mean, sd = usual[measure]
        distance = max(_DEVIATIONS * sd, _SHARE * mean)
        limit = mean + distance if side == "high" else mean - distance
        limit = held_back(name, _STEP * round(limit / _STEP))
        found[name] = min(limit, _SYSTOLIC_LOW_AT_MOST) if name == "systolic_low" else limit
    return found


def _has_limits(rule: Rule) -> bool:
    return rule.kind is Kind.PHYSIOLOGICAL and rule.measures <= frozenset(PRESSURES)


def _atoms(when: Condition) -> Iterable[Atom]:
    return (atom for group in when for atom in group if not _is_range(group, atom))


def _is_range(group: Iterable[Atom], atom: Atom) -> bool:
    """Whether the group compares the measure from the other side as well: it is in between."""
    return any(
        other.measure == atom.measure and other.operator[0] != atom.operator[0] for other in group
    )


def _name(atom: Atom) -> str:
    """The limit a comparison would be; one of no pressure is none of NAMES."""
    return f"{atom.measure}_{'high' if atom.operator.startswith('>') else 'low'}"
