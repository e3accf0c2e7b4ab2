"""The state of several workers as one."""

from collections.abc import Sequence

from bpstream.web.worker import Json

SUMS = ("lag", "readings", "anomalies", "dead_letters")
"""What every worker tells, and is added up."""


def status_of(parts: Sequence[Json], missing: Sequence[str]) -> Json:
    """The states of workers as one; `missing` are those whose state is not known."""
    whole: Json = {name: sum(part[name] for part in parts) for name in SUMS}
    whole["partitions"] = sorted({each for part in parts for each in part["partitions"]})
    for store in ("index", "archive", "webhook", "alertmanager"):
        troubles = {part.get(store, "ok") for part in parts} - {"ok"}
        whole[store] = "; ".join(sorted(troubles)) or "ok"
    whole["since"] = min(part["since"] for part in parts)
    whole["workers"] = len(parts) + len(missing)
    return whole | ({"missing": [*missing]} if missing else {})
