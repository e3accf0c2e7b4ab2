"""What the alarms ought to do: one reading after the other, in plain Python."""

import math
import operator
from collections import defaultdict
from dataclasses import dataclass
from zlib import crc32

COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
BITS = 2**64
HOLDS, CLEAR, NEITHER, UNKNOWN = "holds", "clear", "neither", "unknown"


def alert_id(name, identity):
    mixed = identity ^ (crc32(name.encode()) * 0x9E3779B97F4A7C15 % BITS)
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % BITS
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % BITS
    return (mixed ^ mixed >> 31) or 1


def judge_atom(atom, deadband, values):
    low, high = values[atom.measure]
    if math.isnan(low):
        return UNKNOWN
    at_the_ends = {COMPARE[atom.operator](end, atom.bound) for end in (low, high)}
    if at_the_ends == {True}:
        return HOLDS
    back = 0 if atom.measure == "artefact" else deadband
    above = atom.operator.startswith(">")
    far = high <= atom.bound - back if above else low >= atom.bound + back
    return CLEAR if at_the_ends == {False} and far else NEITHER


def judge_group(group, deadband, values):
    found = {judge_atom(atom, deadband, values) for atom in group}
    if found in ({HOLDS}, {UNKNOWN}):
        return found.pop()
    return CLEAR if CLEAR in found else NEITHER


def judge(rule, values):
    """What a reading is to a rule, its severity, what it crossed, and whether it is severe."""
    severe = rule.severe.when if rule.severe else ()
    groups = severe + rule.when
    found = [judge_group(group, rule.deadband, values) for group in groups]
    if HOLDS in found:
        which = found.index(HOLDS)
        at_once = which < len(severe)
        severity = rule.severe.severity if at_once else rule.severity
        return HOLDS, int(severity), groups[which][0], at_once
    known = set(found) - {UNKNOWN}
    if rule.until:
        until = [judge_group(group, 0, values) for group in rule.until]
        if set(until) | set(found) == {UNKNOWN}:
            return UNKNOWN, 0, None, False
        return CLEAR if HOLDS in until else NEITHER, 0, None, False
    what = UNKNOWN if not known else CLEAR if known == {CLEAR} else NEITHER
    return what, 0, None, False


@dataclass
class Alert:
    alert: int
    since: int
    severity: int = 0
    firing: bool = False
    count: int = 0
    released: bool = False


class Oracle:
    def __init__(self, rules):
        self.rules = rules
        self.alerts = defaultdict(lambda: None)

    def read(self, patient, identity, taken_at, values):
        """The edges of one reading: (rule, change, severity, alert, since, crossed)."""
        return [
            (nth, *edge)
            for nth, rule in enumerate(self.rules)
            for edge in self.follow(nth, rule, patient, identity, taken_at // 1_000_000, values)
        ]

    def follow(self, nth, rule, patient, identity, second, values):
        what, severity, atom, at_once = judge(rule, values)
        alert = self.alerts[patient, nth]
        if what == HOLDS:
            if alert is None:
                alert = Alert(alert_id(rule.name, identity), second)
                self.alerts[patient, nth] = alert
            rose = severity > alert.severity
            alert.released &= not rose
            alert.severity = max(alert.severity, severity)
            crossed = (atom.measure, atom.bound)
            told = (alert.severity, alert.alert, alert.since, crossed)
            if alert.firing:
                alert.count = 0
                if rose:
                    yield "CHANGED", *told
                return
            alert.count = min(255, alert.count + 1)
            waited = second - alert.since >= rule.delay.seconds or not rule.delay.seconds
            if at_once or (waited and alert.count >= rule.delay.readings):
                alert.firing, alert.count = True, 0
                yield "FIRING", *told
        elif alert is not None and what != UNKNOWN:
            if not alert.firing:
                self.alerts[patient, nth] = None
                return
            alert.count = min(255, alert.count + 1) if what == CLEAR else 0
            if alert.count >= rule.clear and (alert.released or not rule.latch):
                self.alerts[patient, nth] = None
                yield "RECOVERED", alert.severity, alert.alert, alert.since, None

    def acknowledge(self, patient, alert):
        """Somebody did; whether it recovers with that."""
        for (who, nth), held in self.alerts.items():
            if who == patient and held is not None and held.firing and held.alert == alert:
                held.released, rule = True, self.rules[nth]
                if rule.latch and held.count >= rule.clear:
                    self.alerts[who, nth] = None
                    return True
        return False
