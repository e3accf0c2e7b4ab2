"""The ward at a glance: who is in trouble, who may be next, and how fast it is known."""

from bpstream.kibana import latency, lens
from bpstream.kibana.columns import (
    average,
    count,
    distinct,
    highest,
    lowest,
    matching,
    newest,
    over_time,
    top,
)
from bpstream.kibana.conditions import ANOMALOUS, CRITICAL, DIASTOLIC, SYSTOLIC
from bpstream.kibana.rules import CRITICAL_RULE, DIASTOLIC_RULE, SYSTOLIC_RULE
from bpstream.kibana.saved import TIME, Panel, Row, Vega

TITLE = "Ward overview"
DESCRIPTION = (
    "Severity, alert conditions, early warning, patients and latency of what is indexed: "
    "anomalies, or every reading with BPSTREAM_INDEX_READINGS=all."
)

_PATIENT = "patient_id.keyword"
_MOST_PATIENTS = 50
_SEVERITIES = 5

_ALERT_CONDITIONS = {
    CRITICAL_RULE: CRITICAL.kuery,
    DIASTOLIC_RULE: DIASTOLIC.kuery,
    SYSTOLIC_RULE: SYSTOLIC.kuery,
}

_WARNINGS = {
    "hypotension": ("early_warning.hypotension", "Hypotension"),
    "low-map": ("early_warning.low_map", "Low mean pressure"),
    "severe": ("early_warning.severe", "Severe hypertension"),
}


def rows(alias: str) -> list[Row]:
    """The dashboard, row by row."""
    return [
        Row(7, _numbers()),
        Row(12, _over_time()),
        Row(12, _early_warning()),
        Row(14, [_patients(), _latency(alias)]),
    ]


def _numbers() -> list[Panel]:
    return [
        Panel(
            "Anomalous readings",
            "Readings the rules call anomalous.",
            lens.metric(count("Anomalous readings"), query=ANOMALOUS),
            12,
        ),
        Panel(
            "Patients with anomalies",
            "Patients with at least one anomalous reading.",
            lens.metric(distinct(_PATIENT, "Patients with anomalies"), query=ANOMALOUS),
            12,
        ),
        Panel(
            "Critical readings",
            "Readings of the highest severity.",
            lens.metric(count("Critical readings", query='severity : "critical"')),
            12,
        ),
        Panel(
            "Highest risk score",
            "The model's highest risk score, from 0 to 1.",
            lens.metric(highest("ml_risk_score", "Highest risk score")),
            12,
        ),
    ]


def _over_time() -> list[Panel]:
    readings = count("Readings")
    return [
        Panel(
            "Readings by severity",
            "The readings of each interval, by severity.",
            lens.bars(
                {
                    "time": over_time(TIME),
                    "severity": top("severity", "Severity", by="readings", size=_SEVERITIES),
                    "readings": readings,
                },
                stacked=True,
            ),
            24,
        ),
        Panel(
            "Alerts: readings that meet a rule",
            "How many readings of each interval meet the condition of each Kibana rule; "
            "a critical one meets all three.",
            lens.bars(
                {
                    "time": over_time(TIME),
                    "rule": matching("Rule", _ALERT_CONDITIONS),
                    "readings": readings,
                }
            ),
            24,
        ),
    ]


def _early_warning() -> list[Panel]:
    means = {each: average(field, label) for each, (field, label) in _WARNINGS.items()}
    highs = {each: highest(field, label) for each, (field, label) in _WARNINGS.items()}
    return [
        Panel(
            "Early warning over time",
            "The mean probability that a patient's next reading is in trouble, by trouble.",
            lens.lines({"time": over_time(TIME), **means}),
            24,
        ),
        Panel(
            "Early warning by patient",
            "Each patient's highest probability of trouble at the next reading, "
            "the most likely hypotension first.",
            lens.table(
                {
                    "patient": top(_PATIENT, "Patient", by="hypotension", size=_MOST_PATIENTS),
                    **highs,
                },
                query="early_warning.hypotension : *",
            ),
            24,
        ),
    ]


def _patients() -> Panel:
    return Panel(
        "Patients",
        "Each patient's readings and extremes (mmHg), the most readings first.",
        lens.table(
            {
                "patient": top(_PATIENT, "Patient", by="readings", size=_MOST_PATIENTS),
                "readings": count("Readings"),
                "critical": count("Critical", query='severity : "critical"'),
                "systolic-max": highest("systolic_pressure", "Highest systolic"),
                "systolic-min": lowest("systolic_pressure", "Lowest systolic"),
                "diastolic-max": highest("diastolic_pressure", "Highest diastolic"),
                "risk": highest("ml_risk_score", "Highest risk score"),
                "last": newest(TIME, "Last reading"),
            }
        ),
        28,
    )


def _latency(alias: str) -> Panel:
    return Panel(
        "Latency: reading to index",
        "Mean seconds from when a reading was taken (timestamp) until bpstream wrote it "
        "(ingested_at), of all readings and of those that were not late.",
        Vega(latency.spec(alias)),
        20,
    )
