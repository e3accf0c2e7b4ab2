"""The burden of alarm rules: the shipped ones on real cuff readings, and how it is counted."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from bpstream.clinical.alarm_rules import Kind, Rule, Severe, load
from bpstream.clinical.categories import Severity
from bpstream.clinical.conditions import parse
from bpstream.commands.burden import burden as command
from bpstream.resources import shipped
from bpstream.training import burden as burdens
from bpstream.training import readings
from bpstream.training.burden import Burden, measure, measure_files
from tests.pipeline.messages import a_model

SAMPLE = Path(__file__).parents[3] / "shared/data/bp_open_sample500.csv.gz"

HIGH = Rule(
    name="high",
    title="High",
    severity=Severity.MEDIUM,
    when=parse("systolic > 140"),
    severe=Severe(parse("systolic >= 180"), Severity.CRITICAL),
)
LOW = Rule(
    name="low",
    title="Low",
    kind=Kind.TECHNICAL,
    severity=Severity.LOW,
    when=parse("systolic < 90"),
)


def series_of(*patients):
    """The systolic pressures of each patient, an hour apart."""
    columns = [
        (patient, nth * 60.0, systolic)
        for patient, pressures in enumerate(patients)
        for nth, systolic in enumerate(pressures)
    ]
    patient, minutes, systolic = np.array(columns).T
    return readings.Series(
        patient=patient.astype(np.int64),
        t_minutes=minutes,
        systolic=systolic,
        diastolic=systolic * 0.6,
        source=np.full(len(patient), "NIBP"),
        patient_ids=np.array([f"p{nth}" for nth in range(len(patients))]),
        left_out={},
    )


def measured(*patients, rules=(HIGH, LOW)):
    return measure(series_of(*patients), rules, a_model().early_warning)


def test_alarms_are_counted_by_rule_and_patient_day():
    found = measured([150, 150, 120, 150], [120] * 46)
    assert (found.readings, found.patients, found.patient_days) == (50, 2, 2.0)
    high, low = found.rules
    assert (high.alarms, high.per_patient_day, high.patients, high.critical) == (2, 1.0, 1, 0)
    assert low.alarms == 0


def test_technical_alarms_are_no_part_of_the_physiological_ones():
    found = measured([85, 120, 150, 120])
    assert [rule.alarms for rule in found.rules] == [1, 1]
    assert found.physiological == 1


@pytest.mark.parametrize(
    ("patients", "severe", "missed"),
    [
        ([[185]], 1, 0),
        ([[150, 185, 120]], 1, 0),
        ([[75, 120]], 1, 1),  # in a technical alarm only
        ([[185], [75]], 2, 1),  # the alarm of one patient is not the next one's
        ([[120]], 0, 0),
    ],
)
def test_a_severe_reading_is_missed_where_no_physiological_alarm_fires(patients, severe, missed):
    found = measured(*patients, [120, 120])
    assert (found.severe, found.severe_missed) == (severe, missed)


def test_an_alarm_that_becomes_critical_is_counted_as_one():
    (high, _) = measured([150, 185, 190, 120], [120, 120]).rules
    assert (high.alarms, high.critical) == (1, 1)


def test_patients_with_one_reading_each_have_no_days():
    found = measured([150], [120])
    assert (found.patient_days, found.per_patient_day, found.physiological) == (0.0, None, 1)
    assert "physiological alarms per patient-day: -" in burdens.table(found)


def test_rules_that_a_file_tells_nothing_of_are_named():
    stale = Rule(name="stale", title="S", severity=Severity.LOW, when=parse("silence > 30"))
    found = measured([150, 120], rules=(HIGH, stale))
    assert found.not_judged == ["stale"]
    assert "stale                    not judged here" in burdens.table(found)


@pytest.mark.skipif(not SAMPLE.exists(), reason="the sample of cuff readings is not here")
def test_the_shipped_rules_fire_seldom_and_miss_no_severe_reading():
    series = readings.load(SAMPLE)
    found = measure_files(series, rules=None, model="bp_additive", models=shipped("models"))
    assert [rule.rule for rule in found.rules] + found.not_judged == [each.name for each in load()]
    assert found.severe > 500
    assert found.severe_missed == 0
    assert found.per_patient_day is not None
    assert found.per_patient_day <= 2


@pytest.mark.skipif(not SAMPLE.exists(), reason="the sample of cuff readings is not here")
def test_the_command_prints_a_table_or_json():
    options = ["--data", str(SAMPLE), "--model", "bp_additive"]
    table = CliRunner().invoke(command, options)
    as_json = CliRunner().invoke(command, [*options, "--json"])
    found = msgspec.json.decode(as_json.stdout, type=Burden)
    assert burdens.table(found) in table.stdout
    assert as_json.stderr == ""


def test_a_file_of_rules_that_cannot_be_read_is_told_in_one_line(tmp_path):
    data, rules = tmp_path / "data.csv", tmp_path / "rules.toml"
    data.write_text("patient_id,t_minutes,sbp,dbp\np1,0,120,80\np1,1,120,80\n")
    rules.write_text("[[rule]]\nname = 3\n")
    options = ["--data", str(data), "--rules", str(rules), "--model", "bp_additive"]
    done = CliRunner().invoke(command, options)
    assert done.exit_code == 1
    assert f"{rules}, line 2: `name`: 3 is no text" in done.stderr
