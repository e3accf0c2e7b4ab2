"""A worker whose partitions stand still, with nothing that it could tell: a restart would help."""

import json
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.integration.workers import Worker, until

# What is judged is never stored, and nobody says that it cannot be.
_STUCK = """
import asyncio
from bpstream.__main__ import main
from bpstream.stream import app, movement
from bpstream.stream.storing import Storing

async def store(self, items):
    await asyncio.Event().wait()

Storing.store = store
movement.STUCK_AFTER, app._LOOK_EVERY = 1.0, 0.25
main()
"""


def reasons(asked: Worker) -> list[str]:
    """Why it is not alive."""
    try:
        with urlopen(asked.url + "/health/live", timeout=5) as answer:
            return list(json.load(answer)["reasons"])
    except HTTPError as refused:
        with refused:
            return list(json.load(refused)["reasons"])


def test_a_worker_whose_partitions_stand_still_is_ready_and_not_alive(tmp_path: Path) -> None:
    stuck = Worker(tmp_path, {"BPSTREAM_SIMULATE_INTERVAL": "0.2"})
    stuck.start(sys.executable, "-c", _STUCK, "demo")
    try:
        stuck.ready()
        why = until(lambda: reasons(stuck), 30, stuck.told)
        assert all(each.startswith("blood_pressure_fhir ") for each in why)
        assert why[0].endswith(" has messages and does not move")
        assert stuck.status("/health/live") == 503
        assert stuck.status("/health/ready") == 200
        assert "a restart would help" in stuck.log.read_text()
    finally:
        if not stuck.ended():
            stuck.kill()
