"""Verdicts: what the conditions of all rules make of readings, at once.

Comparison by comparison there would be ten times as many arrays, and their number is what a chunk
of few readings costs.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.alarm_rule import Rule
from bpstream.clinical.conditions import (
    PRESSURES,
    Bools,
    Condition,
    Floats,
    Measures,
    Positions,
)

_ABOVE, _STRICT = (">", ">="), ("<", ">")


class Verdicts:
    """The conditions of rules, in columns."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.measures = sorted({name for rule in rules for name in rule.measures})
        column = {name: at for at, name in enumerate(self.measures)}
        self.when = _Conditions([(rule.groups, rule.deadband) for rule in rules], column)
        ends = [(at, rule.until) for at, rule in enumerate(rules) if rule.until is not None]
        self.ends = np.array([at for at, _ in ends], np.intp)
        """The rules that have an `until`."""
        self.until = _Conditions([(until, 0.0) for _, until in ends], column)
        self.looks_at = _table([[column[name] for name in rule.measures] for rule in rules])

    def of(self, measures: Measures) -> "Verdict":
        """What they make of these readings."""
        return Verdict(self, measures)


class Verdict:
    """What rules make of ``n`` readings; all it tells has shape ``(rules, n)``."""

    def __init__(self, rules: Verdicts, measures: Measures) -> None:
        self._rules, self._limits = rules, measures.limits
        low = high = np.array([measures.low[name] for name in rules.measures])
        if measures.high is not measures.low:
            high = np.array([measures.high[name] for name in rules.measures])
        self._nearest = np.concatenate((low, -high))
        self._farthest = self._nearest if high is low else np.concatenate((high, -low))
        self._known = low == low  # noqa: PLR0124 - NaN is not

    def holds(self) -> NDArray[np.int8]:
        """Position of the rule's first group that surely holds; -1 where none does."""
        return self._rules.when.first(self._nearest, self._limits)

    def known(self) -> Bools:
        """Where any measure is that the rule looks at."""
        return _joined(np.logical_or, self._known, self._rules.looks_at)

    def clear(self) -> Bools:
        """Where every group of which a measure is known is clear: any of its comparisons is.

        A comparison is where it surely does not hold, and a pressure is back by the deadband.
        So a patient of whom one pressure is ever measured can recover.  True where nothing is
        known.  Of a rule that has an `until`: where that surely holds.
        """
        rules = self._rules
        clear = rules.when.clear(self._farthest, self._known, self._limits)
        if len(rules.ends):
            clear[rules.ends] = rules.until.any(self._nearest, self._limits)
        return clear


class _Conditions:
    """Conditions as tables: of each its groups, and of each group its comparisons.

    A comparison from below is one from above of what is negated, and `>=` is `>` the number
    before: one holds where its value is above its edge.  Values stand in two rows a measure,
    `column` tells which: as they are, and negated.
    """

    def __init__(
        self, conditions: Sequence[tuple[Condition, float]], column: Mapping[str, int]
    ) -> None:
        """`conditions`: each with its deadband, mmHg."""
        of = [(group, back) for condition, back in conditions for group in condition]
        atoms = [(atom, back) for group, back in of for atom in group]
        self._groups = _table(_numbered([len(condition) for condition, _ in conditions]))
        # The first has the highest weight; no weight: none holds.
        most = self._groups.shape[1]
        self._weights = np.arange(most, 0, -1, dtype=np.int8)[:, None]
        self._positions = np.array([-1, *reversed(range(most))], np.int8)
        self._comparisons = _table(_numbered([len(group) for group, _ in of]))
        self._measures = _table([{column[atom.measure] for atom in group} for group, _ in of])
        self._limits = [atom.limit for atom, _ in atoms]
        is_above = np.array([atom.operator in _ABOVE for atom, _ in atoms], np.bool_)
        measure = np.array([column[atom.measure] for atom, _ in atoms], np.intp)
        self._row = np.where(is_above, measure, measure + len(column))
        # Of shape (comparisons, 1).
        self._sign = np.where(is_above, 1.0, -1.0)[:, None]
        self._strict = np.array([[atom.operator in _STRICT] for atom, _ in atoms], np.bool_)
        self._back = np.array([[back * (atom.measure in PRESSURES)] for atom, back in atoms])
        self._bound = np.array([[atom.bound] for atom, _ in atoms])
        self._edge, self._clear_at = self._edges(self._bound)

    def first(self, nearest: Floats, limits: Mapping[str, Floats]) -> NDArray[np.int8]:
        """Position of the first group that holds, of each condition; -1 where none does."""
        holds = _padded(self._holding(nearest, limits), np.False_).view(np.int8)
        weight = np.maximum.reduce(holds[self._groups] * self._weights, axis=1)
        found: NDArray[np.int8] = self._positions[weight]
        return found

    def any(self, nearest: Floats, limits: Mapping[str, Floats]) -> Bools:
        """Where any group holds, of each condition."""
        return _joined(np.logical_or, self._holding(nearest, limits), self._groups)

    def clear(self, farthest: Floats, known: Bools, limits: Mapping[str, Floats]) -> Bools:
        """Where every group is clear, of each condition."""
        _, clear_at = self._edges_for(limits)
        clear = _joined(np.logical_or, farthest[self._row] <= clear_at, self._comparisons)
        clear |= ~_joined(np.logical_or, known, self._measures)
        return _joined(np.logical_and, clear, self._groups)

    def _holding(self, nearest: Floats, limits: Mapping[str, Floats]) -> Bools:
        """Where each group of any condition holds."""
        edge, _ = self._edges_for(limits)
        return _joined(np.logical_and, nearest[self._row] > edge, self._comparisons)

    def _edges_for(self, limits: Mapping[str, Floats]) -> tuple[Floats, Floats]:
        """The edges for all readings, or of each where patients have `limits` of their own."""
        own = [(at, limits[name]) for at, name in enumerate(self._limits) if name in limits]
        if not own:
            return self._edge, self._clear_at
        bound = np.repeat(self._bound, len(own[0][1]), axis=1)
        for at, values in own:
            np.copyto(bound[at], values, where=~np.isnan(values))
        return self._edges(bound)

    def _edges(self, bound: Floats) -> tuple[Floats, Floats]:
        """Above the first a comparison holds, up to the second it is clear."""
        signed = self._sign * bound
        edge = np.where(self._strict, signed, np.nextafter(signed, -np.inf))
        return edge, np.where(self._back > 0, signed - self._back, edge)


def _numbered(sizes: Iterable[int]) -> list[range]:
    """Positions in a list of lists that are joined, list by list."""
    ends = np.cumsum([0, *sizes]).tolist()
    return [range(start, end) for start, end in pairwise(ends)]


def _table(rows: Sequence[Collection[int]]) -> Positions:
    """Positions, row by row; what is missing in a shorter one is -1."""
    table = np.full((len(rows), max(map(len, rows), default=0)), -1, np.intp)
    for row, positions in zip(table, rows, strict=True):
        row[: len(positions)] = [*positions]
    return table


def _joined(join: np.ufunc, values: Bools, table: Positions) -> Bools:
    """Of each row of `table` what `join` makes of the rows of `values` that it names."""
    found: Bools = join.reduce(_padded(values, np.bool_(join.identity))[table], axis=1)
    return found


def _padded(values: Bools, missing: np.bool_) -> Bools:
    """The rows, and behind them one that stands for what is missing."""
    rows = np.empty((len(values) + 1, values.shape[1]), np.bool_)
    rows[:-1], rows[-1] = values, missing
    return rows
