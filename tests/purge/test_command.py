"""`bpstream purge`: what it says and asks, and how it ends."""

import asyncio
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bpstream.commands import cli
from bpstream.sinks import purges
from bpstream.sinks.local import LocalIndex
from bpstream.sinks.segment_files import SegmentName, open_path
from tests.purge.helpers import BEFORE, a_new, a_sealed, an_old, lines_of, written

DAY = "2026-01-30"


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """Of a house with two old and two new readings in the local index and in the archive."""
    data, archive = tmp_path / "var", tmp_path / "archive"

    async def fill() -> None:
        async with LocalIndex(data / "index.sqlite") as index:
            await index.write([an_old(0), an_old(1), a_new(2), a_new(3)])

    asyncio.run(fill())
    a_sealed(archive / "partition=1", 0, [an_old(4), an_old(5), a_new(6), a_new(7)])
    return {"BPSTREAM_DATA_DIR": str(data), "BPSTREAM_ARCHIVE_DIR": str(archive)}


def purge(settings: dict[str, str], *options: str) -> Result:
    return CliRunner().invoke(cli, ["purge", *options], env=settings, prog_name="bpstream")


def stored(settings: dict[str, str]) -> int:
    async def indexed() -> int:
        async with LocalIndex(Path(settings["BPSTREAM_DATA_DIR"]) / "index.sqlite") as index:
            return len(await index.search())

    archive = Path(settings["BPSTREAM_ARCHIVE_DIR"])
    return asyncio.run(indexed()) + sum(
        len(lines_of(path)) for path in archive.glob("partition=*/*.gz")
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "Missing option '--before'"),
        (["--before", "yesterday"], "'yesterday' is no time such as"),
        (["--before", "9999-01-01"], "is still to come"),
        (["--before", "0001-01-01"], "no reading is of before 1900"),
        (["--before", DAY], "there is no terminal to ask at: give --yes, or --dry-run"),
    ],
)
def test_wrong_usage_has_the_status_2_and_removes_nothing(settings, options, told):
    done = purge(settings, *options)
    assert (done.exit_code, stored(settings)) == (2, 8)
    assert told in done.stderr


def test_a_dry_run_says_what_would_go_and_changes_nothing(settings):
    data, archive = settings["BPSTREAM_DATA_DIR"], settings["BPSTREAM_ARCHIVE_DIR"]
    done = purge(settings, "--before", DAY, "--dry-run")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "readings taken before 2026-01-30T00:00:00+00:00",
        f"would remove 2 readings from the local index {data}/index.sqlite",
        f"would remove 2 readings from the archive's segments {archive} "
        "(0 segments whole, 1 in part)",
        f"would remove 0 readings from the archive's files {archive}",
        "left: the topics blood_pressure_fhir, blood_pressure_rekeyed, "
        "blood_pressure_dead_letter, blood_pressure_alerts: Kafka's retention ends them",
        "left: patients' counters, last readings and alerts: they are the workers' state",
        "a dry run: nothing was removed",
    ]
    assert stored(settings) == 8
    assert purges.noted(Path(archive)) == []


def test_with_yes_they_go_and_the_note_says_so(settings):
    for removed in (2, 0):
        done = purge(settings, "--before", DAY, "--yes")
        assert done.exit_code == 0, done.output
        lines = done.stdout.splitlines()
        assert lines[1].startswith(f"removed {removed} readings from the local index")
        assert lines[2].startswith(f"removed {removed} readings from the archive's segments")
        assert stored(settings) == 4
    (noted,) = purges.noted(Path(settings["BPSTREAM_ARCHIVE_DIR"]))
    assert noted.before == BEFORE
    assert noted.ended


@pytest.mark.parametrize(
    ("before", "zone", "left"),
    [
        (DAY, "UTC", 4),
        ("2026-01-29T23:00", "UTC", 8),
        ("2026-01-29T23:00:00.001", "UTC", 4),
        (DAY, "Europe/Berlin", 8),
        ("2026-01-30T01:00:00", "Europe/Berlin", 4),
        ("2026-01-29T19:00-05:00", "Europe/Berlin", 4),
        ("2026-01-30T00:00:00.001Z", "UTC", 0),
        ("2026-01-30T00:00:00.000999Z", "UTC", 4),
    ],
)
def test_the_time_is_of_its_zone_and_of_whole_milliseconds(settings, before, zone, left):
    done = purge({**settings, "BPSTREAM_TIMEZONE": zone}, "--before", before, "--yes")
    assert done.exit_code == 0, done.output
    assert stored(settings) == left


def test_an_open_segment_is_named_and_is_no_failure(settings):
    folder = Path(settings["BPSTREAM_ARCHIVE_DIR"]) / "partition=0"
    folder.mkdir()
    path = open_path(folder, SegmentName("run", 1, 0))
    path.write_bytes(written([an_old(8)]))
    done = purge(settings, "--before", DAY, "--yes")
    assert done.exit_code == 0
    assert (
        f"    left: 1 readings in partition=0/{path.name}: an open segment that nobody seals: "
        "the next worker does, at its start"
    ) in done.stdout.splitlines()


def test_what_needs_somebodys_help_has_the_status_1(settings):
    (Path(settings["BPSTREAM_ARCHIVE_DIR"]) / "notes.json").write_text("{}")
    done = purge(settings, "--before", DAY, "--yes")
    assert done.exit_code == 1
    assert "names do not tell when a reading was taken" in done.stdout
    assert stored(settings) == 4


def test_another_apps_archive_and_none_at_all_are_refused(settings, tmp_path):
    (Path(settings["BPSTREAM_ARCHIVE_DIR"]) / ".app").write_text("another")
    done = purge(settings, "--before", DAY, "--yes")
    assert (done.exit_code, stored(settings)) == (1, 8)
    assert "is the archive of the app 'another'" in done.stderr
    done = purge({**settings, "BPSTREAM_ARCHIVE_DIR": str(tmp_path / "no")}, "--before", DAY)
    assert done.exit_code == 2
    done = purge(
        {**settings, "BPSTREAM_ARCHIVE_DIR": str(tmp_path / "no")}, "--before", DAY, "--yes"
    )
    assert done.exit_code == 1
    assert f"there is no archive at {tmp_path / 'no'} (BPSTREAM_ARCHIVE_DIR)" in done.stderr


def test_where_elasticsearch_is_away_nothing_goes(settings):
    away = {**settings, "BPSTREAM_ELASTICSEARCH_URL": "http://127.0.0.1:9"}
    done = purge(away, "--before", DAY, "--yes")
    assert (done.exit_code, stored(settings)) == (1, 8)
    assert done.stderr.splitlines()[-1].startswith("bpstream: http://127.0.0.1:9 cannot be reached")


def test_ctrl_c_ends_it_and_the_same_command_goes_on(settings, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("bpstream.purge.segments.without", interrupted)
        done = purge(settings, "--before", DAY, "--yes")
    assert done.exit_code == 130
    assert "what is gone is gone, the same command goes on" in done.stderr
    assert stored(settings) == 6
    (noted,) = purges.noted(Path(settings["BPSTREAM_ARCHIVE_DIR"]))
    assert noted.ended is None
    assert purge(settings, "--before", DAY, "--yes").exit_code == 0
    assert stored(settings) == 4


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of one."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(("answer", "status", "left"), [("y", 0, 4), ("n", 0, 8)])
def test_at_a_terminal_it_shows_what_would_go_and_asks(settings, terminal, answer, status, left):
    ours, theirs = terminal
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(
        [sys.executable, "-m", "bpstream", "purge", "--before", DAY],
        stdin=theirs,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, stored(settings)) == (status, left), done.stderr
    assert "would remove 2 readings from the local index" in done.stdout
    assert "Remove them for good? [y/N]:" in done.stderr
    assert ("nothing was removed" in done.stdout) == (answer == "n")


def test_its_note_is_for_people_too(settings):
    purge(settings, "--before", DAY, "--yes")
    note = Path(settings["BPSTREAM_ARCHIVE_DIR"]) / ".purged"
    (line,) = json.loads(note.read_text())
    assert line["before"] == "2026-01-30T00:00:00.000000Z"
