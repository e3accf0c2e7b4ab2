"""The journal: what Kafka has confirmed is left out by the next call."""

import os
import sqlite3

import pytest

from bpstream.errors import StartError
from bpstream.ingest.files import STDIN, File, Kind
from bpstream.ingest.journal import Journal


def journal(tmp_path, target="cluster/topic", options="start=0"):
    return Journal(tmp_path / "made" / "ingest.sqlite", target=target, options=options)


def a_file(tmp_path, kind=Kind.LINES):
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"1\n2\n3\n")
    return File(path, kind)


def test_what_was_saved_is_known_to_the_next_call(tmp_path):
    file = a_file(tmp_path)
    with journal(tmp_path) as first:
        sent = first.of(file)
        assert (sent.done, sent.complete) == (0, False)
        sent.note(2)
        first.save()
        sent.note(3)
    with journal(tmp_path) as second:
        sent = second.of(file)
        assert (sent.done, sent.complete) == (2, False)
        sent.note(3, complete=True)
        second.save()
        second.save()
    with journal(tmp_path) as third:
        assert third.of(file).complete
        assert third.of(file, resume=False).done == 0


def test_a_file_that_changed_is_unknown(tmp_path):
    file = a_file(tmp_path)
    with journal(tmp_path) as kept:
        kept.of(file).note(2)
        kept.save()
        os.utime(file.path, ns=(0, 0))
        assert kept.of(file).done == 0


@pytest.mark.parametrize(
    ("kind", "changed", "done"),
    [
        (Kind.LINES, {"target": "cluster/other"}, 0),
        (Kind.LINES, {"options": "start=1"}, 2),
        (Kind.CSV, {"options": "start=1"}, 0),
    ],
)
def test_another_topic_is_another_and_so_are_other_options_for_a_table(
    tmp_path, kind, changed, done
):
    file = a_file(tmp_path, kind)
    with journal(tmp_path) as kept:
        kept.of(file).note(2)
        kept.save()
    with journal(tmp_path, **changed) as other:
        assert other.of(file).done == done


def test_stdin_and_what_is_gone_are_not_remembered(tmp_path):
    with journal(tmp_path) as kept:
        for file in (File(STDIN, None), File(tmp_path / "gone.json", Kind.WHOLE)):
            kept.of(file).note(1, complete=True)
            kept.save()
            assert kept.of(file).done == 0


@pytest.mark.parametrize("content", [None, b"no database at all, by far"])
def test_a_journal_that_cannot_be_written_is_told(tmp_path, content):
    path = tmp_path / "made" / "ingest.sqlite"
    if content is None:
        (tmp_path / "made").touch()
    else:
        path.parent.mkdir()
        path.write_bytes(content * 100)
    with pytest.raises(StartError, match=r"ingest\.sqlite cannot be written"):
        journal(tmp_path).__enter__()


def test_two_calls_may_write_at_the_same_time(tmp_path):
    files = [a_file(tmp_path), File(tmp_path / "b.json", Kind.WHOLE)]
    files[1].path.touch()
    with journal(tmp_path) as one, journal(tmp_path) as other:
        for kept, file in zip((one, other), files, strict=True):
            kept.of(file).note(1)
            kept.save()
        assert one.of(files[1]).done == other.of(files[0]).done == 1
    rows = sqlite3.connect(tmp_path / "made" / "ingest.sqlite")
    assert rows.execute("SELECT count(*) FROM sent").fetchone() == (2,)
    rows.close()
