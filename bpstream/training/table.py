"""A file's columns as numpy arrays: Parquet, CSV and .csv.gz, of whatever types they are."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.errors import FileError

PATIENT, TIME, SOURCE = "patient_id", "t_minutes", "source"
SYSTOLIC, DIASTOLIC = "sbp", "dbp"

_NEEDED = (PATIENT, TIME, SYSTOLIC, DIASTOLIC)
_TEXTS = (PATIENT, SOURCE)
_WANTED = (*_NEEDED, SOURCE)
_DECIMALS = 4  # of mmHg, which 32 bits hold up to 500
_CSV, _PARQUET = (".csv", ".csv.gz"), ".parquet"


class Texts(NamedTuple):
    """A column of text, each different one kept once."""

    codes: NDArray[np.int64]
    """Shape ``(n,)``: where each row's text stands in `names`."""
    names: NDArray[np.str_]
    """Sorted; "" is where the file has none."""


class Table(NamedTuple):
    """The columns that are used; shape ``(n,)``, in the file's order, NaN where there is none."""

    patient: Texts
    t_minutes: NDArray[np.float64]
    source: Texts | None
    """None: the file has no such column.  In upper case."""
    systolic: NDArray[np.float64]
    diastolic: NDArray[np.float64]


def read(path: Path) -> Table:
    """The table in the file `path`; columns that are not wanted are not read.

    Raises :class:`FileError` when there is no such file, when it is not what its name says,
    when it lacks a column, or where text stands in a column of numbers.
    """
    import pyarrow as pa  # noqa: PLC0415 - large, and a worker needs none of it

    try:
        columns = _columns(path)
        texts = {name: _texts(columns[name]) for name in _TEXTS if name in columns}
        numbers = {
            name: _numbers(name, column) for name, column in columns.items() if name not in _TEXTS
        }
    except FileError as error:
        raise FileError(f"{path}: {error}") from None
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from None
    except pa.ArrowException as error:
        kind = "Parquet" if _is_parquet(path) else "CSV"
        said = " ".join(str(error).split())
        raise FileError(f"{path} is no {kind} that can be read: {said}") from None
    source = texts.get(SOURCE)
    return Table(
        patient=texts[PATIENT],
        t_minutes=numbers[TIME],
        source=source and _upper(source),
        systolic=numbers[SYSTOLIC],
        diastolic=numbers[DIASTOLIC],
    )


def _is_parquet(path: Path) -> bool:
    return path.name.lower().endswith(_PARQUET)


def _columns(path: Path) -> dict[str, Any]:
    """The wanted columns, as pyarrow has them, by name."""
    from pyarrow import csv, parquet  # noqa: PLC0415

    if _is_parquet(path):
        with parquet.ParquetFile(path) as file:
            wanted = _wanted(file.schema_arrow.names)
            table = file.read(columns=[*wanted])
    elif path.name.lower().endswith(_CSV):
        with csv.open_csv(path) as file:
            wanted = _wanted(file.schema.names)
        # An id stays as it is written: 007 is not 7.
        as_text = {name: "string" for name, known in wanted.items() if known in _TEXTS}
        options = csv.ConvertOptions(
            include_columns=[*wanted], column_types=as_text, strings_can_be_null=True
        )
        table = csv.read_csv(path, convert_options=options)
    else:
        endings = ", ".join((*_CSV, _PARQUET))
        raise FileError(f"of no kind that is read: {endings} would do")
    return {known: table.column(name) for name, known in wanted.items()}


def _wanted(names: Iterable[str]) -> dict[str, str]:
    """What each wanted column is called in the file, and here."""
    found: dict[str, str] = {}
    for name in names:
        known = name.strip().lower()
        if known in _WANTED and known not in found.values():
            found[name] = known
    missing = [name for name in _NEEDED if name not in found.values()]
    if missing:
        raise FileError(
            f"no column {', '.join(missing)}; its columns are {', '.join(names) or 'none'}"
        )
    return found


def _texts(column: Any) -> Texts:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import compute  # noqa: PLC0415

    if pa.types.is_floating(column.type):  # integers become so where one of them is missing
        column = compute.if_else(compute.is_finite(column), column, None)
        if compute.all(compute.equal(column, compute.trunc(column))).as_py():
            column = column.cast(pa.int64())
    encoded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
    found = [*encoded.dictionary.to_pylist(), ""]
    codes = encoded.indices.fill_null(len(found) - 1).to_numpy(zero_copy_only=False)
    return _sorted(Texts(codes, np.array([name.strip() for name in found])))


def _upper(texts: Texts) -> Texts:
    return _sorted(Texts(texts.codes, np.char.upper(texts.names)))


def _sorted(texts: Texts) -> Texts:
    """The same, with names that are sorted, different and in use."""
    names, place = np.unique(texts.names, return_inverse=True)
    used, codes = np.unique(place[texts.codes], return_inverse=True)
    return Texts(codes.astype(np.int64), names[used])


def _numbers(name: str, column: Any) -> NDArray[np.float64]:
    import pyarrow as pa  # noqa: PLC0415

    try:
        # Not safe: an integer beyond 2^53 loses digits, and no pressure or minute has so many.
        numbers = column.cast(pa.float64(), safe=False).to_numpy()
    except pa.ArrowException as error:
        said = " ".join(str(error).split())
        raise FileError(f"column {name} is {column.type}, and not numbers: {said}") from None
    if pa.types.is_float32(column.type):  # 49.33, and not 49.33000183: what a CSV would say
        numbers = np.round(numbers, _DECIMALS)
    return np.where(np.isfinite(numbers), numbers, np.nan)
