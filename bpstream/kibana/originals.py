"""The original system's views, by their original titles."""

from bpstream.kibana import lens
from bpstream.kibana.columns import average, count, over_time, ranges, top
from bpstream.kibana.conditions import ANOMALOUS, CRITICAL
from bpstream.kibana.saved import TIME, Panel, Row, Search

TITLE = "Blood pressure anomalies"
DESCRIPTION = "The views of the original system, on anomalous readings alone."

_TYPES = "Répartition des types d'anomalies de pression artérielle"
# hypertension, hypotension
_SIZE = 5
_TENTHS = [tenth / 10 for tenth in range(10)]

CRITICAL_CASES = Search(
    title="Cas Critiques - alertes BP",
    description="Readings with both pressures high, as the critical rule finds them.",
    columns=[
        "timestamp",
        "patient_id.keyword",
        "systolic_pressure",
        "diastolic_pressure",
        "anomaly_details",
        "ml_risk_score",
    ],
    query=CRITICAL.kuery,
)

PATIENTS = Search(
    title="Liste des patients présentant des anomalies de pression artérielle",
    description="Every anomalous reading with its patient, the newest first.",
    columns=[
        "patient_id.keyword",
        "systolic_pressure",
        "diastolic_pressure",
        "anomaly_details",
        "ml_risk_score",
    ],
    query=ANOMALOUS,
)

SEARCHES = [CRITICAL_CASES, PATIENTS]


def rows() -> list[Row]:
    """The dashboard, row by row."""
    readings = count("Readings")
    by_type = {
        "type": top("anomaly_type.keyword", "Type", by="readings", size=_SIZE),
        "readings": readings,
    }
    time = over_time(TIME)
    return [
        Row(
            12,
            [
                Panel(
                    _TYPES,
                    "How many anomalous readings there are of each type.",
                    lens.bars(by_type, query=ANOMALOUS),
                    24,
                ),
                Panel(
                    _TYPES,
                    "The share of each type in the anomalous readings.",
                    lens.pie(by_type, query=ANOMALOUS),
                    24,
                ),
            ],
        ),
        Row(
            12,
            [
                Panel(
                    "Évolution temporelle des anomalies de pression artérielle",
                    "How many anomalous readings were taken in each interval.",
                    lens.lines({"time": time, "readings": readings}, query=ANOMALOUS),
                    24,
                ),
                Panel(
                    "Évolution temporelle des différents types d'anomalies de pression artérielle",
                    "The anomalous readings of each interval, by type.",
                    lens.areas({"time": time, **by_type}, query=ANOMALOUS),
                    24,
                ),
            ],
        ),
        Row(
            12,
            [
                Panel(
                    "Distribution des scores de risque ML",
                    "How many readings the model gave a score in each tenth, from 0 to 1.",
                    lens.bars(
                        {
                            "score": ranges("ml_risk_score", "Risk score", _TENTHS),
                            "readings": readings,
                        },
                        query=ANOMALOUS,
                    ),
                    24,
                ),
                Panel(
                    "Évolution du risque ML au cours du temps",
                    "The model's mean risk score in each interval.",
                    lens.lines(
                        {"time": time, "risk": average("ml_risk_score", "Mean risk score")},
                        query=ANOMALOUS,
                    ),
                    24,
                ),
            ],
        ),
        Row(
            16,
            [
                Panel(PATIENTS.title, PATIENTS.description, PATIENTS, 24),
                Panel(
                    "Cas critiques récents de pression artérielle",
                    CRITICAL_CASES.description,
                    CRITICAL_CASES,
                    24,
                ),
            ],
        ),
    ]
