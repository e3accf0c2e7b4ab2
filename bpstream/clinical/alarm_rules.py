"""Alarm rules, read from a TOML file: each mistake is told with its line, and what would do."""

import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, cast

from bpstream.clinical.alarm_rule import (
    AT_ONCE,
    BUCKET,
    MOST_READINGS,
    SLOTS,
    Delay,
    Kind,
    Rule,
    Scope,
    Severe,
)
from bpstream.clinical.categories import SEVERITY_NAMES, Severity
from bpstream.clinical.conditions import OF_SILENCE, OF_THE_WARD, Condition, one_of, parse
from bpstream.errors import StartError

__all__ = ["SHIPPED", "SLOTS", "Delay", "Kind", "Rule", "Scope", "Severe", "load", "of_patients"]

SHIPPED = Path(__file__).with_name("alarm_rules.toml")
"""The rules that hold where no other file is named."""

# A longer delay or a wider deadband (mmHg) than these is a mistake.
_MOST_SECONDS, _MOST_DEADBAND = 24 * 60 * 60, 50

_MOST_WITHIN = 30 * 60


def load(path: Path | None = None) -> tuple[Rule, ...]:
    """The rules of the TOML file at `path`, or the shipped ones, in the file's order.

    Raises :class:`StartError` that names the file, the line, what was found and what would
    do: a rule that is not understood must not become a rule that never fires.
    """
    path = path or SHIPPED
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise StartError(f"{path}, line {line}: not UTF-8; UTF-8 would do") from None
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}; a file of alarm rules would do") from None
    return _File(path, text).rules()


def of_patients(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Those that judge a patient; each has its place in the patient's row, in this order."""
    return tuple(rule for rule in rules if rule.scope is not Scope.WARD)


# What a person may write, key by key.  Each reader returns what the key means, or raises
# ValueError with what was found and what would do.


def _text(found: object) -> str:
    if not isinstance(found, str) or not found.strip():
        raise ValueError(f"{found!r} is no text; words between quotes would do")
    return found


def _when(found: object) -> Condition:
    return parse(_text(found))


def _name(found: object) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", _text(found)):
        raise ValueError(f"{found!r} is no name; small letters, digits and _ would do")
    return str(found)


def _kind(found: object) -> Kind:
    if found not in list(Kind):
        raise ValueError(f"{found!r} is no kind; {one_of(Kind, found)}")
    return Kind(str(found))


def _severity(found: object) -> Severity:
    names = SEVERITY_NAMES[Severity.LOW :]
    if found not in names:
        raise ValueError(f"{found!r} is no severity; {one_of(names, found)}")
    return Severity(SEVERITY_NAMES.index(str(found)))


def _delay(found: object) -> Delay:
    read = re.fullmatch(r"(\d{1,6}) (readings?|s|min)", str(found), re.ASCII)
    number, unit = (int(read[1]), read[2]) if read else (0, "")
    seconds = number * {"s": 1, "min": 60}.get(unit, 0)
    delay = Delay(seconds=seconds) if seconds else Delay(readings=number)
    if not (1 <= delay.readings <= MOST_READINGS and seconds <= _MOST_SECONDS):
        wanted = f"`2 readings` (to {MOST_READINGS}), `30 s` or `5 min` (to a day) would do"
        raise ValueError(f"{found!r} is no delay; {wanted}")
    return delay


def _clear(found: object) -> int:
    read = re.fullmatch(r"(\d{1,3}) readings?", str(found), re.ASCII)
    if not read or not 1 <= int(read[1]) <= MOST_READINGS:
        wanted = f"`2 readings` (to {MOST_READINGS}) would do"
        raise ValueError(f"{found!r} is no number of readings; {wanted}")
    return int(read[1])


def _deadband(found: object) -> float:
    # A bool is an int to isinstance.
    width = cast(float, found) if type(found) in (int, float) else -1
    if not 0 <= width <= _MOST_DEADBAND:
        raise ValueError(f"{found!r} is no deadband; 0 to {_MOST_DEADBAND} (mmHg) would do")
    return float(width)


def _latch(found: object) -> bool:
    if not isinstance(found, bool):
        raise ValueError(f"{found!r} is neither; true or false would do")
    return found


def _within(found: object) -> int:
    read = re.fullmatch(r"(\d{1,4}) (s|min)", str(found), re.ASCII)
    seconds = int(read[1]) * {"s": 1, "min": 60}[read[2]] if read else 0
    if not BUCKET <= seconds <= _MOST_WITHIN or seconds % BUCKET:
        wanted = f"`5 min` (to {_MOST_WITHIN // 60}) or `90 s` (by {BUCKET}) would do"
        raise ValueError(f"{found!r} is no such time; {wanted}")
    return seconds


_Readers = dict[str, Callable[[object], Any]]
_SEVERE: _Readers = {"when": _when, "severity": _severity}
_RULE: _Readers = {
    "name": _name,
    "title": _text,
    "kind": _kind,
    "severity": _severity,
    "when": _when,
    "for": _delay,
    "clear": _clear,
    "deadband": _deadband,
    "until": _when,
    "latch": _latch,
    "within": _within,
}
_NEEDED = ("name", "title", "severity", "when")

_HEADER = re.compile(r"\s*\[\[?\s*([\w.-]+)\s*\]\]?\s*(#.*)?")
_KEY = re.compile(r"""\s*["']?([\w-]+)["']?\s*=""")


class _File:
    """One file of rules, and the line where each key stands, which tomllib does not tell."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._text = path, text
        self._lines: dict[tuple[int, str], int] = {}
        rules, at, prefix = 0, -1, ""
        for number, line in enumerate(text.split("\n"), 1):
            if header := _HEADER.fullmatch(line):
                rules += header[1] == "rule"
                first, _, inner = header[1].partition(".")
                at, table = (rules - 1, inner) if first == "rule" else (-1, header[1])
                prefix = f"{table}." if table else ""
                self._lines.setdefault((at, table), number)
            elif key := _KEY.match(line):
                self._lines.setdefault((at, prefix + key[1]), number)

    def rules(self) -> tuple[Rule, ...]:
        """Every rule, or StartError."""
        try:
            content = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            reason, _, place = str(error).partition(" (at ")
            found = re.match(r"line (\d+)", place)
            line = found[1] if found else len(self._text.rstrip("\n").split("\n"))
            raise StartError(
                f"{self._path}, line {line}: not TOML: {reason}; [[rule]] tables would do"
            ) from None
        for key in content:
            if key != "rule":
                self._refuse(-1, key, f"`{key}` is unknown; [[rule]] tables would do")
        tables = content.get("rule")
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            self._refuse(-1, "rule", "there is no rule; a [[rule]] table would do")
        rules: list[Rule] = []
        for nth, table in enumerate(tables):
            rule = self._rule(nth, table)
            for other in rules:
                if rule.mark == other.mark:
                    what = "name" if rule.name == other.name else "16-bit mark"
                    reason = f"{rule.name!r} has the {what} of the rule {other.name!r}"
                    self._refuse(nth, "name", f"{reason}; another name would do")
            rules.append(rule)
            count = len(of_patients(rules))
            if count > SLOTS:
                self._refuse(nth, "", f"{count} rules of patients; at most {SLOTS} would do")
        if not of_patients(rules):
            self._refuse(0, "", "no rule is of patients; one more would do")
        return tuple(rules)

    def _rule(self, nth: int, table: dict[str, Any]) -> Rule:
        severe = table.pop("severe", None)
        values = self._values(nth, table, _RULE, _NEEDED)
        rule = Rule(delay=values.pop("for", AT_ONCE), **values)
        if rule.until and rule.deadband:
            self._refuse(nth, "deadband", "`deadband` means nothing beside `until`; one would do")
        if severe is None:
            return self._of_one_scope(nth, rule, table)
        if not isinstance(severe, dict):
            self._refuse(nth, "severe", f"`severe` is {severe!r}; a [rule.severe] table would do")
        more = Severe(**self._values(nth, severe, _SEVERE, tuple(_SEVERE), prefix="severe."))
        if more.severity < rule.severity:
            found, least = SEVERITY_NAMES[more.severity], SEVERITY_NAMES[rule.severity]
            reason = f"`severity`: {found} is below the rule's own; {least} or higher would do"
            self._refuse(nth, "severe.severity", reason)
        return self._of_one_scope(nth, replace(rule, severe=more), table)

    def _of_one_scope(self, nth: int, rule: Rule, keys: Iterable[str]) -> Rule:
        """The rule, if it has what its measures need, and nothing that means nothing to them."""
        alone = {Scope.SILENCE: {*OF_SILENCE}, Scope.WARD: {*OF_THE_WARD}}.get(rule.scope)
        if alone and (others := sorted(rule.measures - alone)):
            what = f"{', '.join(others)} beside {', '.join(sorted(rule.measures & alone))}"
            self._refuse(nth, "when", f"`when`: {what}; a rule of its own would do")
        if rule.scope is Scope.WARD and not rule.within:
            self._refuse(nth, "when", "`within` is missing; a line `within = ...` would do")
        unfit = {"within"} if rule.scope is not Scope.WARD else set()
        unfit |= {"for", "clear", "latch"} if alone else set()
        for key in (key for key in keys if key in unfit):
            self._refuse(nth, key, f"`{key}` means nothing to this rule; a rule without would do")
        return rule

    def _values(
        self,
        nth: int,
        table: dict[str, Any],
        readers: _Readers,
        needed: tuple[str, ...],
        prefix: str = "",
    ) -> dict[str, Any]:
        values = {}
        for key, found in table.items():
            if key not in readers:
                self._refuse(nth, prefix + key, f"`{key}` is unknown; {one_of(readers, key)}")
            try:
                values[key] = readers[key](found)
            except ValueError as error:
                self._refuse(nth, prefix + key, f"`{key}`: {error}")
        for key in needed:
            if key not in values:
                self._refuse(nth, prefix, f"`{key}` is missing; a line `{key} = ...` would do")
        return values

    def _refuse(self, nth: int, key: str, reason: str) -> NoReturn:
        """At the line of the nth rule's key, or of the table it is in."""
        places = ((nth, key), (nth, key.rpartition(".")[0]), (nth, ""))
        line = next((self._lines[place] for place in places if place in self._lines), 1)
        raise StartError(f"{self._path}, line {line}: {reason}")
