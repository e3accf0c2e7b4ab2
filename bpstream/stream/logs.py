"""How the log is written: one line an event, as text or as JSON."""

from typing import Any

_TEXT = "%(asctime)s %(levelname)-7s %(message)s"
_JSON = "%(asctime)s %(levelname)s %(name)s %(message)s"

_QUIET = {
    # What Faust and its driver do from moment to moment is theirs; what goes wrong is ours.
    "faust": "WARNING",
    "mode": "WARNING",
    "aiokafka": "ERROR",
    "elastic_transport": "ERROR",
    "opentelemetry": "ERROR",
    "urllib3": "ERROR",
    # Faust's services, ours among them, announce each start and stop.
    "bpstream.stream.app": "WARNING",
    "bpstream.stream.delivery": "WARNING",
    "bpstream.stream.followed": "WARNING",
    "bpstream.stream.notifier": "WARNING",
    "bpstream.stream.reminders": "WARNING",
    "bpstream.stream.tables": "WARNING",
    "bpstream.stream.ward": "WARNING",
    "bpstream.stream.worker": "WARNING",
    "bpstream.web.server": "WARNING",
}


def config(form: str) -> dict[str, Any]:
    """The part of a `logging.config` dictionary that Faust's own is merged with.

    `form` is text or json.  The level is the worker's (`-l info`).
    """
    formatter: dict[str, Any] = {"format": _TEXT}
    if form == "json":
        formatter = {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": _JSON,
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        }
    return {
        "merge": True,
        "formatters": {"bpstream": formatter},
        "handlers": {
            "default": {
                "class": "logging.StreamHandler",
                "formatter": "bpstream",
                "stream": "ext://sys.stderr",
            }
        },
        "loggers": {name: {"level": level} for name, level in _QUIET.items()},
    }
