"""What the tests of the sinks share: entries to store, and a disk and a node that fail on order."""

import errno
import gzip
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

from bpstream.clinical.models.early_warning import Reason
from bpstream.document import (
    Comparators,
    Coordinates,
    Document,
    EarlyWarning,
    Entry,
    Found,
    ModelName,
    Removal,
    iso,
)

TAKEN_AT = 1769722371619300  # 2026-01-29T21:32:51.619300Z


def a_document(number: int = 0, *, taken_at: int = TAKEN_AT, **changes: Any) -> Document:
    """A document with every field, but for what `changes` say."""
    every = {
        "timestamp": iso(taken_at),
        "patient_id": "PAT-003",
        "systolic_pressure": 176.5,
        "diastolic_pressure": 88.0,
        "anomaly_type": "hypertension",
        "anomaly_details": ["hypertension_systolic"],
        "ml_risk_score": 0.9712,
        "at_timestamp": iso(taken_at),
        "ml_prediction": 1,
        "mean_arterial_pressure": 117.5,
        "pulse_pressure": 88.5,
        "category": "stage_2",
        "severity": "high",
        "kind": "reading",
        "series": "cuff",
        "flags": ["late"],
        "document_id": f"{number:08x}" * 4,
        "version": 1,
        "kafka": Coordinates("blood_pressure_fhir", 2, 41 + number),
        "original_time": "2026-01-29T22:32:51.6193+01:00",
        "ingested_at": iso(taken_at + 1_000_000),
        "observation_id": f"obs-{number}",
        "practitioner_id": "PRAC-01",
        "model": ModelName("risk", "1.0.0"),
        "early_warning": EarlyWarning(0.01, 0.02, 0.9),
        "early_warning_reasons": [Reason("severe", "systolic", 171.0, 1.25)],
        "device": "cuff-7",
        "body_site": "368209003",
        "security_labels": ["R"],
        "period": ["2026-01-29T00:00:00Z", "2026-01-30T00:00:00Z"],
        "comparators": Comparators(systolic=">", diastolic="<", mean=">="),
        "source": "urn:ward-7",
        "identifier": "urn:acc|77",
    }
    return Document(**every | changes)


def an_entry(number: int = 0, *, taken_at: int = TAKEN_AT, **changes: Any) -> Entry:
    """The entry of `a_document`."""
    document = a_document(number, taken_at=taken_at, **changes)
    return Entry(
        document.document_id,
        document.version,
        document.patient_id,
        document.practitioner_id,
        taken_at,
        msgspec.json.encode(document),
    )


def removal_of(entry: Entry, *, version: int | None = None) -> Removal:
    """What takes `entry` out: that version of it, its own if none is given."""
    by = entry.version if version is None else version
    return Removal(entry.document_id, by, entry.patient_id, entry.taken_at)


def found_of(entry: Entry) -> Found:
    """What a store that holds `entry` knows of it."""
    document = msgspec.json.decode(entry.body, type=Document)
    return Found(
        entry.document_id,
        entry.version,
        entry.patient_id,
        entry.taken_at,
        tuple(document.anomaly_details),
        document.kind,
    )


def a_line(number: int) -> bytes:
    """A short line of a segment."""
    return b'{"n":%d}\n' % number


def archived_lines(folder: Path) -> list[bytes]:
    """Every line a reader finds: that of the sealed file, where an open one lies beside it."""
    found = []
    for path in sorted(folder.glob("partition=*/*.jsonl*")):
        if path.suffix == ".gz":
            found += gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        elif path.suffix == ".jsonl" and not path.with_suffix(".jsonl.gz").exists():
            found += path.read_bytes().splitlines(keepends=True)
    return found


def a_certificate(folder: Path, name: str) -> Path:
    """A new certificate of 127.0.0.1 that signs itself, and its key beside it."""
    path = folder / f"{name}.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    names = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-out", str(path), "-keyout", str(path.with_suffix(".key"))]
    subprocess.run([*request, *names, *files], check=True, capture_output=True)
    return path


class Disk:
    """Opens real files, and fails as it is told: full after `room` bytes, or broken."""

    def __init__(self) -> None:
        self.mend()

    def mend(self) -> None:
        self.room: int | None = None
        self.syncs = self.truncates = True

    def __call__(self, path: Path, mode: str) -> FileIO:
        return _DiskFile(path, mode, self)


class _DiskFile(FileIO):
    def __init__(self, path: Path, mode: str, disk: Disk) -> None:
        self._disk = disk
        super().__init__(path, mode)

    def write(self, data: Any, /) -> int:
        room = self._disk.room
        if room is None:
            return super().write(data)
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = super().write(data[:room])
        self._disk.room = room - written
        return written

    def truncate(self, size: int | None = None, /) -> int:
        if not self._disk.truncates:
            raise OSError(errno.EIO, "Input/output error")
        return super().truncate(size)

    def fileno(self) -> int:
        """What fsync asks for first."""
        if not self._disk.syncs:
            raise OSError(errno.EIO, "Input/output error")
        return super().fileno()


@dataclass
class Answer:
    """An answer of :class:`ScriptedNode`; `items` are the statuses of a bulk request's items."""

    status: int = 200
    body: Any = None
    items: Iterable[int] | None = None
    headers: dict[str, str] = field(default_factory=lambda: {"X-Elastic-Product": "Elasticsearch"})
    cut: bool = False
    """Close the connection instead of answering."""
    release: Any = None
    """An event to wait for before answering."""


@dataclass
class ScriptedNode:
    """A server on the loopback which says what the test tells it, one answer a request.

    Out of answers, it stores what it is sent.
    """

    answers: list[Answer] = field(default_factory=list)
    bulks: list[list[str]] = field(default_factory=list)
    """The ids of each bulk request."""
    url: str = ""
    ssl_context: Any = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.ssl_context)
        await site.start()
        scheme = "https" if self.ssl_context else "http"
        self.url = f"{scheme}://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        actions: list[dict[str, Any]] = []
        if request.path == "/_bulk":
            lines = map(json.loads, (await request.read()).splitlines())
            for action in lines:
                actions.append(action)
                if "index" in action:
                    next(lines)  # the document
            self.bulks.append([each["_id"] for action in actions for each in action.values()])
        answer = self.answers.pop(0) if self.answers else Answer()
        if answer.release is not None:
            await answer.release.wait()
        if answer.cut:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        body = answer.body
        if request.path == "/_bulk" and body is None:
            statuses = answer.items if answer.items is not None else [201] * len(actions)
            body = _judged(statuses, actions[0])
        text = body if isinstance(body, str) else json.dumps(body or {})
        kind = "text/html" if isinstance(body, str) else "application/json"
        headers = {"Content-Type": kind, **answer.headers}
        return web.Response(status=answer.status, text=text, headers=headers)


def _judged(statuses: Iterable[int], actions: Iterable[str]) -> dict[str, Any]:
    (action,) = actions
    items = []
    for status in statuses:
        item: dict[str, Any] = {"status": status}
        if status >= 400:
            item["error"] = {"type": _TYPES.get(status, "other"), "reason": f"because of {status}"}
        items.append({action: item})
    return {"errors": any("error" in item[action] for item in items), "items": items}


_TYPES = {
    400: "document_parsing_exception",
    403: "security_exception",
    404: "index_not_found_exception",
    409: "version_conflict_engine_exception",
    429: "es_rejected_execution_exception",
}
