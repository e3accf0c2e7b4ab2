"""Alarm rules: those that are shipped, what a file may say, and what a bad one is told."""

from itertools import count
from zlib import crc32

import pytest

from bpstream.clinical.alarm_rules import (
    SHIPPED,
    SLOTS,
    Delay,
    Kind,
    Scope,
    Severe,
    load,
    of_patients,
)
from bpstream.clinical.categories import Severity
from bpstream.clinical.conditions import parse
from bpstream.errors import StartError

RULE = """\
[[rule]]
name = "high"
title = "High"
severity = "medium"
when = "systolic > 140"
"""
WARD = RULE.replace("systolic > 140", "anomalies > 20")
SILENT = RULE.replace("systolic > 140", "silence >= 30 and missed >= 4")
SEVERE = """\
[rule.severe]
when = "systolic >= 180"
severity = "critical"
"""


@pytest.fixture
def rules_of(tmp_path):
    """Loads a text, or bytes, as a file of rules."""

    def load_it(text):
        path = tmp_path / "rules.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path)

    return load_it


def test_the_shipped_rules_are_these():
    assert [(rule.name, str(rule.kind), rule.severity.name.lower()) for rule in load()] == [
        ("critical", "physiological", "high"),
        ("systolic_hypertension", "physiological", "medium"),
        ("diastolic_hypertension", "physiological", "medium"),
        ("hypotension", "physiological", "high"),
        ("artefact", "technical", "low"),
        ("personal_deviation", "physiological", "low"),
        ("early_warning", "physiological", "medium"),
        ("stale_patient", "technical", "low"),
        ("anomaly_spike", "physiological", "medium"),
    ]


def test_the_shipped_critical_rule_needs_both_pressures():
    critical = load()[0]
    assert critical.when == parse("systolic > 140 and diastolic > 90")


@pytest.mark.parametrize(
    ("name", "severe"),
    [
        ("systolic_hypertension", "systolic >= 180"),
        ("diastolic_hypertension", "diastolic >= 120"),
        ("hypotension", "systolic < 80 or mean < 55"),
    ],
)
def test_the_shipped_rules_do_not_wait_for_a_severe_reading(name, severe):
    rule = next(rule for rule in load() if rule.name == name)
    assert rule.severe == Severe(parse(severe), Severity.CRITICAL)


def test_a_rule_has_defaults_for_all_but_what_it_needs(rules_of):
    (rule,) = rules_of(RULE)
    assert (rule.name, rule.title, rule.severity) == ("high", "High", Severity.MEDIUM)
    assert (rule.kind, rule.delay, rule.clear) == (Kind.PHYSIOLOGICAL, Delay(1, 0), 1)
    assert (rule.deadband, rule.severe) == (0.0, None)
    assert (rule.until, rule.latch, rule.within) == (None, False, 0)


def test_a_rule_may_say_until_when_and_whether_it_latches(rules_of):
    (rule,) = rules_of(f'{RULE}until = "systolic < 130"\nlatch = true\n')
    assert (rule.until, rule.latch) == (parse("systolic < 130"), True)


def test_a_rule_takes_what_the_file_says(rules_of):
    more = 'kind = "technical"\nfor = "3 readings"\nclear = "2 readings"\ndeadband = 2.5\n'
    (rule,) = rules_of(RULE + more + SEVERE)
    assert (rule.kind, rule.delay, rule.clear) == (Kind.TECHNICAL, Delay(3, 0), 2)
    assert rule.deadband == 2.5
    assert rule.severe == Severe(parse("systolic >= 180"), Severity.CRITICAL)
    assert rule.groups == parse("systolic >= 180 or systolic > 140")


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("1 reading", Delay(1, 0)),
        ("255 readings", Delay(255, 0)),
        ("30 s", Delay(1, 30)),
        ("5 min", Delay(1, 300)),
        ("1440 min", Delay(1, 86400)),
    ],
)
def test_a_delay_is_told_in_readings_or_in_time(rules_of, text, delay):
    (rule,) = rules_of(f'{RULE}for = "{text}"\n')
    assert rule.delay == delay


def many(count):
    return "".join(RULE.replace("high", f"high{nth}") for nth in range(count))


def test_there_is_room_for_as_many_rules_of_patients_as_slots_and_for_one_of_the_ward(rules_of):
    rules = rules_of(f'{WARD}within = "5 min"\n{many(SLOTS)}')
    assert of_patients(rules) == rules[1:]
    assert len(rules[1:]) == SLOTS


@pytest.mark.parametrize(
    ("text", "scope"),
    [(RULE, Scope.READINGS), (SILENT, Scope.SILENCE), (f'{WARD}within = "5 min"\n', Scope.WARD)],
)
def test_a_rule_judges_what_its_measures_are_of(rules_of, text, scope):
    rule, *_ = rules_of(text + RULE.replace("high", "another"))
    assert rule.scope is scope


def same_mark(name):
    """Another name whose hash has the same 16 bits."""
    names = (f"rule{nth}" for nth in count())
    return next(
        each for each in names if (crc32(each.encode()) ^ crc32(name.encode())) & 0xFFFF == 0
    )


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (f"{RULE}[[rule\n", 6, "not TOML"),
        (f"{RULE}clear = \n", 6, "not TOML"),
        (f'{RULE}name = "again"\n', 6, "not TOML: Cannot overwrite a value"),
        (f'{RULE}clear = "2', 6, "not TOML"),
        (f"# é\n{RULE}".encode("latin-1"), 1, "not UTF-8"),
        ("", 1, "there is no rule; a [[rule]] table would do"),
        ("rule = 3\n", 1, "there is no rule"),
        ("\nrule = [3]\n", 2, "there is no rule"),
        (f"{RULE}[[rules]]\n", 6, "`rules` is unknown; [[rule]] tables would do"),
        (f"\nversion = 1\n{RULE}", 2, "`version` is unknown"),
        (f"{RULE}colour = 1\n", 6, "`colour` is unknown; name, title, "),
        (f"{RULE}latch = 1\n", 6, "`latch`: 1 is neither; true or false would do"),
        (f'{RULE}until = "sistolic < 1"\n', 6, "`until`: 'sistolic' is no measure"),
        (
            f'{RULE}deadband = 5\nuntil = "systolic < 130"\n',
            6,
            "`deadband` means nothing beside `until`; one would do",
        ),
        (f'{RULE}within = "5 min"\n', 6, "`within` means nothing to this rule"),
        (WARD, 5, "`within` is missing; a line `within = ...` would do"),
        (f'{WARD}within = "5 hours"\n', 6, "`within`: '5 hours' is no such time; `5 min` (to 30)"),
        (f'{WARD}within = "31 min"\n', 6, "'31 min' is no such time"),
        (
            f'{WARD}within = "15 s"\n',
            6,
            "'15 s' is no such time; `5 min` (to 30) or `90 s` (by 10)",
        ),
        (f'{WARD}within = "5 min"\nlatch = true\n', 7, "`latch` means nothing to this rule"),
        (f'{WARD}within = "5 min"\n', 1, "no rule is of patients; one more would do"),
        (f'{SILENT}for = "2 readings"\n', 6, "`for` means nothing to this rule"),
        (f'{SILENT}clear = "2 readings"\n', 6, "`clear` means nothing to this rule"),
        (
            RULE.replace("140", "140 and silence > 30"),
            5,
            "`when`: systolic beside silence; a rule of its own would do",
        ),
        (f'{RULE}cleer = "1 reading"\n', 6, "`cleer` is unknown; did you mean clear?"),
        (f"{RULE}[rule.other]\nwhen = 1\n", 6, "`other` is unknown"),
        (f"{RULE}{SEVERE}for = 1\n", 9, "`for` is unknown; when, severity would do"),
        (RULE.replace("when", "wenn"), 5, "`wenn` is unknown; did you mean when?"),
        (f'{RULE}\n[[rule]]\nname = "b"\n', 7, "`title` is missing"),
        (f'{RULE}[rule.severe]\nwhen = "mean < 55"\n', 6, "`severity` is missing"),
        (f"{RULE}severe = 1\n", 6, "`severe` is 1; a [rule.severe] table would do"),
        (f"{RULE}severe = {{ when = 3 }}\n", 6, "`when`: 3 is no text"),
        (RULE.replace('"high"', '"High"'), 2, "`name`: 'High' is no name; small letters"),
        (RULE.replace('"high"', "3"), 2, "`name`: 3 is no text"),
        (RULE.replace('"High"', '" "'), 3, "`title`: ' ' is no text"),
        (f'{RULE}kind = "human"\n', 6, "`kind`: 'human' is no kind; physiological, techn"),
        (RULE.replace("medium", "none"), 4, "`severity`: 'none' is no severity; low, medium, "),
        (RULE.replace("medium", "hihg"), 4, "'hihg' is no severity; did you mean high?"),
        (RULE.replace("systolic", "sistolic"), 5, "'sistolic' is no measure; did you mean sys"),
        (RULE.replace(">", "=>"), 5, "`when`: '=>' is no operator"),
        (RULE.replace("140", "o"), 5, "`when`: 'o' is no number; 140 or 92.5 would do"),
        (f"{RULE}{SEVERE.replace('180', 'x')}", 7, "`when`: 'x' is no number"),
        (f"{RULE}{SEVERE.replace('critical', 'low')}", 8, "low is below the rule's own; medium"),
        (f"{RULE}for = 2\n", 6, "`for`: 2 is no delay; `2 readings` (to 255), `30 s` or `5 min`"),
        (f'{RULE}for = "0 readings"\n', 6, "'0 readings' is no delay"),
        (f'{RULE}for = "256 readings"\n', 6, "'256 readings' is no delay"),
        (f'{RULE}for = "0 s"\n', 6, "'0 s' is no delay"),
        (f'{RULE}for = "1441 min"\n', 6, "'1441 min' is no delay"),
        (f'{RULE}for = "5 hours"\n', 6, "'5 hours' is no delay"),
        (f'{RULE}clear = "30 s"\n', 6, "`clear`: '30 s' is no number of readings; `2 readings`"),
        (f'{RULE}clear = "0 readings"\n', 6, "'0 readings' is no number of readings"),
        (f'{RULE}clear = "256 readings"\n', 6, "'256 readings' is no number of readings"),
        (f"{RULE}deadband = -1\n", 6, "`deadband`: -1 is no deadband; 0 to 50 (mmHg) would do"),
        (f"{RULE}deadband = 51\n", 6, "51 is no deadband"),
        (f"{RULE}deadband = nan\n", 6, "nan is no deadband"),
        (f"{RULE}deadband = true\n", 6, "True is no deadband"),
        (f'{RULE}deadband = "5"\n', 6, "'5' is no deadband"),
        (RULE + RULE, 7, "'high' has the name of the rule 'high'; another name would do"),
        (
            RULE + RULE.replace("high", same_mark("high")),
            7,
            "has the 16-bit mark of the rule 'high'; another name would do",
        ),
        (many(SLOTS + 1), 5 * SLOTS + 1, f"{SLOTS + 1} rules of patients; at most {SLOTS} would"),
    ],
)
def test_a_bad_file_is_refused_with_its_line_and_what_would_do(rules_of, text, line, reason):
    with pytest.raises(StartError) as refused:
        rules_of(text)
    assert f"rules.toml, line {line}: " in str(refused.value)
    assert reason in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StartError, match=r"none\.toml: No such file .*alarm rules would do"):
        load(tmp_path / "none.toml")


def test_the_shipped_file_lies_in_the_package():
    assert SHIPPED.parent.name == "clinical"
    assert load(SHIPPED) == load()
