"""Tables: CSV and Parquet of readings, a row each, as Observations.

Columns: patient_id; t_minutes (from a start) or timestamp; sbp, dbp and mbp (mmHg) as far as
they are there; source, ART (arterial line) or NIBP (cuff).  Others are left alone.
"""

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import TextIOWrapper
from itertools import islice
from typing import Any

from bpstream.errors import FileError
from bpstream.fhir import rebuild
from bpstream.fhir.identity import digest, joined
from bpstream.ingest.files import File, Kind, opened
from bpstream.ingest.items import Item, Message, Problem
from bpstream.reading import NOT_MEASURED, Details, Reading, Series

SOURCES = {"NIBP": Series.CUFF, "ART": Series.ARTERIAL}
_PATIENT, _MINUTES, _TIMESTAMP, _SOURCE = "patient_id", "t_minutes", "timestamp", "source"
_PRESSURES = ("sbp", "dbp", "mbp")
_ABSENT = frozenset({"", "na", "nan", "null", "none"})
_LONGEST_LINE = 1 << 20
_BATCH = 10_000
_ID = "row-"

Row = Sequence[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Reads tables whose minute 0 is `start` (aware), of one of `SOURCES` or of all ("").

    A row's Observation has an id of its patient, time, source and pressures: a row that is
    read again is the same reading.
    """

    start: datetime
    source: str = ""

    def items(self, file: File, *, done: int = 0) -> Iterator[Item]:
        """The items of the rows behind the first `done`.

        Raises :class:`FileError` for a table without the columns, and what `Documents` does.
        """
        return (self._csv if file.kind is Kind.CSV else self._parquet)(file, done)

    def _csv(self, file: File, done: int) -> Iterator[Item]:
        with (
            opened(file) as (content, raw),
            TextIOWrapper(content, encoding="utf-8-sig", newline="") as text,
        ):
            # A file without line ends comes in pieces, and is not held as a whole.
            reader = csv.reader(iter(lambda: text.readline(_LONGEST_LINE), ""))
            try:
                columns = self._columns(next(reader, []))
                for row, cells in islice(enumerate(reader, 1), done, None):
                    if cells:
                        yield from self._item(columns, cells, row, reader.line_num, raw.tell())
            except (csv.Error, UnicodeDecodeError) as error:
                line = reader.line_num + 1
                raise FileError(f"line {line} is no CSV in UTF-8: {error}") from None

    def _parquet(self, file: File, done: int) -> Iterator[Item]:
        import pyarrow.parquet  # noqa: PLC0415 - large, and only Parquet needs it

        size, row = file.size(), 0
        try:
            with pyarrow.parquet.ParquetFile(file.path) as table:
                names = [name for name in table.schema_arrow.names if name.lower() in _WANTED]
                columns, count = self._columns(names), table.metadata.num_rows
                for batch in table.iter_batches(_BATCH, columns=names):
                    for number, cells in enumerate(_rows(batch, names), row + 1):
                        if number > done:
                            read = size * number // count
                            yield from self._item(columns, cells, number, number, read)
                    row += batch.num_rows
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            said = " ".join(str(error).split())
            raise FileError(f"no Parquet that can be read: {said}") from None

    @staticmethod
    def _columns(names: Iterable[str]) -> dict[str, int]:
        """Where each column is.  Raises :class:`FileError` if one is missing."""
        found = {name.strip().lower(): place for place, name in enumerate(names)}
        columns = {name: place for name, place in found.items() if name in _WANTED}
        timed = columns.keys() & {_MINUTES, _TIMESTAMP}
        if _PATIENT not in columns or not timed or not columns.keys() & {*_PRESSURES}:
            raise FileError(
                f"its columns are {', '.join(found) or 'none'}: {_PATIENT}, {_TIMESTAMP} or "
                f"{_MINUTES}, and {', '.join(_PRESSURES)} (or some of them) would do"
            )
        return columns

    def _item(
        self, columns: dict[str, int], cells: Row, row: int, line: int, read: int
    ) -> Iterator[Item]:
        try:
            reading = self._reading({name: cells[at] for name, at in columns.items()})
        except IndexError:
            yield Problem(line, f"{len(cells)} cells are fewer than the columns")
        except ValueError as error:
            yield Problem(line, str(error))
        else:
            if reading is not None:
                yield Message(reading.patient_id, rebuild.observation(reading), row, read)

    def _reading(self, cells: dict[str, Any]) -> Reading | None:
        """The row's reading; None if it is of another source.  Raises ValueError."""
        source = _text(cells.get(_SOURCE)).upper()
        if source and source not in SOURCES:
            raise ValueError(f"source is {source!r}: {' or '.join(SOURCES)} would do")
        if self.source and source != self.source:
            return None
        patient = _text(cells[_PATIENT])
        if not patient:
            raise ValueError(f"{_PATIENT} is empty")
        systolic, diastolic, mean = (_number(cells.get(name), name) for name in _PRESSURES)
        if math.isnan(systolic) and math.isnan(diastolic) and math.isnan(mean):
            raise ValueError(f"none of {', '.join(_PRESSURES)} has a number")
        time = self._time(cells)
        name = joined((patient, time, source, *map(repr, (systolic, diastolic, mean))))
        return Reading(
            patient_id=rebuild.key_of_id(patient),
            taken_at=0,  # Its text below is what is written.
            systolic=systolic,
            diastolic=diastolic,
            mean=mean,
            series=SOURCES.get(source, Series.UNKNOWN),
            document_id="",
            details=Details(time, f"{_ID}{digest(name)}"),
        )

    def _time(self, cells: dict[str, Any]) -> str:
        if (stamp := cells.get(_TIMESTAMP)) is not None:
            text = stamp.isoformat() if isinstance(stamp, datetime) else _text(stamp)
            if text:
                return text
        minutes = _number(cells.get(_MINUTES), _MINUTES)
        if math.isnan(minutes):
            raise ValueError(f"neither {_TIMESTAMP} nor {_MINUTES} has a value")
        try:
            return (self.start + timedelta(minutes=minutes)).isoformat()
        except OverflowError:
            raise ValueError(f"{_MINUTES} is {minutes}: farther than times go") from None


_WANTED = frozenset({_PATIENT, _MINUTES, _TIMESTAMP, _SOURCE, *_PRESSURES})


def _rows(batch: Any, names: list[str]) -> Iterator[Row]:
    return zip(*(batch.column(name).to_pylist() for name in names), strict=True)


def _text(cell: object) -> str:
    return "" if cell is None else str(cell).strip()


def _number(cell: object, name: str) -> float:
    """The cell as a number, NaN where it has none.  Raises ValueError for anything else."""
    text = _text(cell)
    if text.lower() in _ABSENT:
        return NOT_MEASURED
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}, and no number") from None
    if math.isinf(number):
        raise ValueError(f"{name} is {text!r}, and no number")
    return number
