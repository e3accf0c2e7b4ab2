"""A disk that is full or broken under the archive: nothing is committed past it, nothing torn."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.faults import disk
from tests.faults.loads import Hospital
from tests.faults.oracle import Found
from tests.faults.run import Run
from tests.integration.workers import Worker, until

pytestmark = pytest.mark.services

RATE = 200
NOT_READY_WITHIN, MENDED_WITHIN = 30.0, 60.0

LAYOUTS = pytest.mark.parametrize("layout", ["segments", "files"])


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A disk of that size, in memory.  The test is skipped where none may be mounted."""
    folder.mkdir()
    mounted = _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    if mounted.returncode:
        pytest.skip(f"only root may mount a small disk: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)


@LAYOUTS
def test_a_full_disk_stops_the_intake_also_over_a_crash_until_there_is_room(
    layout: str, kafka: str, elasticsearch: str, tmp_path: Path
) -> None:
    folder = tmp_path / "small"
    with (
        small_disk(folder, "256k"),
        Run(
            tmp_path,
            kafka=kafka,
            elasticsearch=elasticsearch,
            BPSTREAM_ARCHIVE_DIR=str(folder / "archive"),
            BPSTREAM_ARCHIVE_LAYOUT=layout,
            BPSTREAM_BATCH_SIZE="100",
        ) as run,
    ):
        worker, hospital = run.worker(), Hospital(seed=5)
        run.send(hospital.take(100))
        run.drained()
        # More than fits, also once the next worker has sealed what is there.
        run.send(hospital.take(4000))
        stands(run, worker, "No space left on device")
        worker.kill()
        run.bury()

        worker = run.worker(ready=False)
        until(lambda: "No space left on device" in worker.log.read_text(), 60, worker.told)
        stands(run, worker, "No space left on device")
        assert _mount("-o", "remount,size=64m", str(folder)).returncode == 0
        goes_on(run, worker)


@LAYOUTS
def test_a_broken_disk_stops_the_intake_until_it_is_mended(
    layout: str, kafka: str, elasticsearch: str, tmp_path: Path
) -> None:
    with Run(
        tmp_path,
        kafka=kafka,
        elasticsearch=elasticsearch,
        BPSTREAM_ARCHIVE_LAYOUT=layout,
        BPSTREAM_BATCH_SIZE="100",
    ) as run:
        worker = Worker(tmp_path, run.settings).start(sys.executable, str(Path(disk.__file__)))
        run.workers.append(worker)
        worker.ready()
        hospital = Hospital(seed=6)
        broken, struck = tmp_path / disk.BROKEN, tmp_path / disk.STRUCK
        for part in ("write", "fsync"):
            with run.sending(hospital, rate=RATE):
                until(lambda: run.archive.exists() and list(run.archive.rglob("*.json*")), 30)
                broken.write_text(part)
                stands(run, worker, "Input/output error")
                assert part in struck.read_text().split()
                broken.unlink()
            goes_on(run, worker)


def stands(run: Run, worker: Worker, reason: str) -> None:
    """Return once the worker says why it stands; nothing that is not archived is committed."""
    until(lambda: any(reason in each for each in reasons(worker)), NOT_READY_WITHIN, worker.told)
    assert any(str(run.archive) in each for each in reasons(worker))
    assert worker.status("/health/live") == 200
    assert run.lag()
    done = committed(run)
    there = set(whole_entries(run.archive))
    should = {
        each.document_id
        for each in run.expected().archived
        if each.offset < done[each.partition] and is_under_its_own_key(each)
    }
    assert should <= there


def committed(run: Run) -> dict[int, int]:
    """The offset behind what is committed, by partition of the input topic."""
    consumer = Consumer({"bootstrap.servers": run.kafka, "group.id": run.group})
    try:
        found = consumer.committed([TopicPartition(run.topic, n) for n in range(4)], timeout=10)
    finally:
        consumer.close()
    return {each.partition: each.offset for each in found}


def is_under_its_own_key(reading: Found) -> bool:
    """Else it is sent home first, and archived there (see `loads.Hospital`)."""
    return int(reading.patient_id.removeprefix("PAT-")) % 5 > 0


def whole_entries(folder: Path) -> Iterator[str]:
    """The ids in the archive now.  A line without its end is not one of them."""
    for path in folder.rglob("*"):
        if path.suffix == ".json":
            yield json.loads(path.read_bytes())["document_id"]
        elif path.suffix == ".jsonl":
            whole, _, _ = path.read_bytes().rpartition(b"\n")
            yield from (json.loads(line)["document_id"] for line in whole.splitlines())
        elif path.name.endswith(".jsonl.gz"):
            for line in gzip.decompress(path.read_bytes()).splitlines():
                yield json.loads(line)["document_id"]


def goes_on(run: Run, worker: Worker) -> None:
    """All drains, and is equal: an entry that is torn, lost or there twice would not be."""
    until(lambda: worker.status("/health/ready") == 200, MENDED_WITHIN, worker.told)
    run.drained()
    run.check(worker)


def reasons(worker: Worker) -> list[str]:
    """Why the worker is not ready."""
    try:
        worker.get("/health/ready")
    except HTTPError as refused:
        with refused as answer:
            return list(json.load(answer)["reasons"])
    except OSError:  # It does not answer yet.
        pass
    return []
