"""The original's four alert rules, and the connector that writes their alerts to Kibana's log.

They run once a minute and look at what Elasticsearch holds by then: a second view.  The alarms
that do not wait are bpstream's own.  Source of the parameters:
x-pack/platform/plugins/shared/stack_alerts/server/rule_types in Kibana 8.19.
"""

import json
from typing import Any, NamedTuple

from bpstream.kibana.conditions import ANOMALOUS, CRITICAL, DIASTOLIC, SYSTOLIC, Above
from bpstream.kibana.ids import Ids
from bpstream.kibana.saved import TIME

CONNECTOR = "server-log-bp"
SPIKE_RULE = "Alerte - Pic anomalies BP"
CRITICAL_RULE = "Alerte BP — Cas critique (systolique + diastolique)"
DIASTOLIC_RULE = "Alerte BP — Hypertension diastolique"
SYSTOLIC_RULE = "Alerte — Hypertension systolique"

# As the original had them.
_SPIKE_ABOVE, _SPIKE_MINUTES = 20, 5
_WINDOW_MINUTES = 1
_EVERY = "1m"
_RUNS_TO_FIRE = 1

# No document, and so no patient, gets into the log: the count says enough.
_NO_HITS = 0


class Held(NamedTuple):
    """A rule or a connector: its id, and the body of the request that makes it."""

    id: str
    body: dict[str, Any]

    @property
    def name(self) -> str:
        """What a person knows it by."""
        return str(self.body["name"])


def connector(ids: Ids) -> Held:
    """Writes to Kibana's log."""
    body = {
        "connector_type_id": ".server-log",
        "name": CONNECTOR,
        "config": {},
        "secrets": {},
    }
    return Held(ids.of("connector server-log-bp"), body)


def rules(ids: Ids) -> list[Held]:
    """All four, each with an action when it fires and one when it recovers."""
    log = connector(ids).id
    spike = {
        "index": [ids.alias],
        "timeField": TIME,
        "aggType": "count",
        "groupBy": "all",
        "filterKuery": ANOMALOUS,
        "timeWindowSize": _SPIKE_MINUTES,
        "timeWindowUnit": "m",
        "thresholdComparator": ">",
        "threshold": [_SPIKE_ABOVE],
    }
    return [
        _rule(ids.of("rule spike"), SPIKE_RULE, ".index-threshold", spike, log, level="warn"),
        _query_rule(ids, "rule critical", CRITICAL_RULE, CRITICAL, log, level="error"),
        _query_rule(ids, "rule diastolic", DIASTOLIC_RULE, DIASTOLIC, log, level="warn"),
        _query_rule(ids, "rule systolic", SYSTOLIC_RULE, SYSTOLIC, log, level="warn"),
    ]


def _query_rule(ids: Ids, key: str, name: str, condition: Above, log: str, *, level: str) -> Held:
    params = {
        "searchType": "esQuery",
        "index": [ids.alias],
        "timeField": TIME,
        "esQuery": json.dumps({"query": condition.query}),
        "size": _NO_HITS,
        "timeWindowSize": _WINDOW_MINUTES,
        "timeWindowUnit": "m",
        "thresholdComparator": ">",
        "threshold": [0],
        "aggType": "count",
        "groupBy": "all",
        "excludeHitsFromPreviousRun": False,
    }
    return _rule(ids.of(key), name, ".es-query", params, log, level=level)


_FIRES = {".index-threshold": "threshold met", ".es-query": "query matched"}


def _rule(
    rule_id: str, name: str, kind: str, params: dict[str, Any], log: str, *, level: str
) -> Held:
    found = "{{rule.name}}: {{context.value}} ({{context.conditions}}), {{context.date}}"
    body = {
        "name": name,
        "rule_type_id": kind,
        "consumer": "stackAlerts",
        "enabled": True,
        "tags": ["bpstream"],
        "schedule": {"interval": _EVERY},
        "params": params,
        "alert_delay": {"active": _RUNS_TO_FIRE},
        "actions": [
            _action(_FIRES[kind], log, level, found),
            _action("recovered", log, "info", "{{rule.name}}: recovered, {{context.date}}"),
        ],
    }
    return Held(rule_id, body)


def _action(group: str, log: str, level: str, message: str) -> dict[str, Any]:
    """Log `message` whenever the rule goes over to `group`, and not again while it stays."""
    return {
        "group": group,
        "id": log,
        "params": {"level": level, "message": message},
        "frequency": {"summary": False, "notify_when": "onActionGroupChange", "throttle": None},
    }
