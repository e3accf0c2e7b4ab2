"""The ward: alerts about all patients together, as a sudden rise of anomalous readings is one.

Every owner counts the anomalous readings of its partition, in buckets of event time that stand
in the partition's checkpoint; one judge, of whatever partitions and workers, adds them up.  What
an owner counts again after a crash it counts to the same number: of two counts of a bucket the
higher is the later.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from bpstream.alert import CHANGED, FIRING, PENDING, RECOVERED, Alert, technical_id
from bpstream.checkpoint import RuleName
from bpstream.clinical.alarm_rule import BUCKET, SLOTS, Rule
from bpstream.clinical.alarms import SLOT, Engine, State
from bpstream.clinical.anomaly_counts import BUCKET_MICROSECONDS, bucket_of
from bpstream.clinical.categories import SEVERITY_NAMES
from bpstream.clinical.conditions import Measures
from bpstream.document import iso
from bpstream.telling import of_edge, said

_SECOND = 1_000_000  # µs
_STATES = (FIRING, CHANGED, RECOVERED)


class Standing(msgspec.Struct, frozen=True):
    """What the judge has to remember of one rule."""

    rule: RuleName
    slot: bytes
    """One of `alerts.SLOT`."""


class Judgement(msgspec.Struct, kw_only=True):
    """What the judge knows, but for the counts: the next judge goes on with it."""

    epoch: int = 0
    """Of the ownership under which it was written; of two the one of the later counts."""
    until: int = 0
    """The last bucket that was judged."""
    standing: list[Standing] = []
    unsaid: list[Alert] = []
    """What is to be published: it stands here before it is, so that a crash does not lose it,
    nor say it under another id."""


class Ward:
    """The judge: adds the partitions' counts up, and moves one alert for each rule."""

    def __init__(self, rules: Sequence[Rule], *, name: str) -> None:
        """`name` is the ward's: alerts of two have two ids."""
        self._rules, self._name = rules, name
        self._engines = {rule.name: Engine([rule]) for rule in rules}
        self._slots: dict[str, NDArray[np.void]] = {
            rule.name: np.zeros((1, SLOTS), SLOT) for rule in rules
        }
        self._left: list[Standing] = []
        self._until = 0
        self._has_new = True
        """Whether anything was learned since the last judgement."""
        self._counts: defaultdict[int, dict[int, int]] = defaultdict(dict)

    @property
    def within(self) -> int:
        """Seconds over which any of the rules counts; 0 where there are none."""
        return max((rule.within for rule in self._rules), default=0)

    def add(self, partition: int, anomalies: Mapping[int, int]) -> None:
        """Take a partition's counts."""
        held = self._counts[partition]
        for bucket, found in anomalies.items():
            if found > held.get(bucket, 0):
                held[bucket], self._has_new = found, True

    def go_on(self, judgement: Judgement) -> None:
        """Begin where another judge ended."""
        self._until, self._has_new = judgement.until, True
        for each in judgement.standing:
            if each.rule.name in self._slots:
                self._slots[each.rule.name][0, 0] = _slot(each)
            else:
                self._left.append(each)

    def judgement(self, *, epoch: int, unsaid: Sequence[Alert] = ()) -> Judgement:
        """What the next judge has to know."""
        standing = [
            Standing(RuleName(rule.name, rule.title, str(rule.kind)), slot.tobytes())
            for rule in self._rules
            if (slot := self._slots[rule.name][0, 0])["state"] != State.NORMAL
        ]
        return Judgement(epoch=epoch, until=self._until, standing=standing, unsaid=[*unsaid])

    def judge(self, now: int) -> list[Alert]:
        """What changed up to `now` (µs since 1970 UTC), which is where the last window ends.

        Windows end with a bucket: the last one, which is not over yet, is judged again when
        there is more in it.
        """
        last, width = bucket_of(now), self.within // BUCKET
        if last <= self._until and not self._has_new:
            return []
        self._has_new = False
        first = min(last, max(self._until, last - width) if self._until else last)
        self._until = max(last, self._until)
        alerts = [_removed(each, now) for each in self._left if _is_firing(each)]
        self._left = []
        oldest = first - width
        for held in self._counts.values():
            for bucket in [bucket for bucket in held if bucket <= oldest]:
                del held[bucket]
        total = np.zeros(last - oldest + 1, np.int64)
        for held in self._counts.values():
            for bucket, found in held.items():
                if oldest < bucket <= last:
                    total[bucket - oldest] += found
        summed = np.cumsum(total)
        windows = np.arange(first, last + 1) - oldest
        for rule in self._rules:
            counts = summed[windows] - summed[windows - rule.within // BUCKET]
            alerts += self._moved(rule, windows + oldest, counts)
        return alerts

    def shown(self) -> list[dict[str, Any]]:
        """The alerts that are pending or firing, as the web shows them."""
        return [
            {
                "alert_id": f"{int(slot['alert']):016x}",
                "patient_id": None,
                "rule": rule.name,
                "title": rule.title,
                "kind": str(rule.kind),
                "state": FIRING if slot["state"] == State.FIRING else PENDING,
                "severity": SEVERITY_NAMES[int(slot["severity"])],
                "since": iso(int(slot["since"]) * _SECOND),
            }
            for rule in self._rules
            if (slot := self._slots[rule.name][0, 0])["state"] != State.NORMAL
        ]

    def _moved(
        self, rule: Rule, buckets: NDArray[np.intp], counts: NDArray[np.int64]
    ) -> list[Alert]:
        identity = [int(technical_id(self._name, bucket), 16) for bucket in buckets.tolist()]
        edges = self._engines[rule.name].advance(
            self._slots[rule.name],
            np.zeros(len(buckets), np.intp),
            np.array(identity, np.uint64),
            buckets * BUCKET_MICROSECONDS,
            Measures.only(len(buckets), {"anomalies": counts.astype(np.float64)}),
        )
        alerts = []
        for nth, at in enumerate(edges.reading.tolist()):
            alert = of_edge(rule, edges, nth, taken_at=int(buckets[at]) * BUCKET_MICROSECONDS)
            crossed = "over" if alert.limit is None else f"limit {alert.limit:g}"
            lasts = f"{rule.within / 60:g} min"
            message = f"{rule.title}: {counts[at]} anomalies in {lasts}, {crossed}"
            alerts.append(replace(alert, message=message))
        return alerts


def _slot(standing: Standing) -> np.void:
    slot: np.void = np.frombuffer(standing.slot, SLOT)[0]
    return slot


def _is_firing(standing: Standing) -> bool:
    return bool(_slot(standing)["state"] == State.FIRING)


def _removed(standing: Standing, now: int) -> Alert:
    message = f"{standing.rule.title}: over; its rule was removed"
    return replace(said(standing.rule, _slot(standing), RECOVERED, message), taken_at=iso(now))
