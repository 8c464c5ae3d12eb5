"""Rows as Parquet, by pyarrow, which is imported when it is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from cxr_gradcam.batch.lines import TableError

if TYPE_CHECKING:
    import pyarrow

_GROUP = 10_000  # rows at a time, so that a table of millions of rows needs little memory


def read(path: Path, columns: Mapping[str, str]) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a table, some thousands at a time.

    Args:
        path: path of the file.
        columns: the columns that the table must have, as `Analysis.columns` returns them.

    Raises:
        TableError: the table has other columns, or the file is not a Parquet file.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            if file.schema_arrow.names != list(columns):
                raise TableError(f"{path} is a table of other columns: name another --table")
            for batch in file.iter_batches(_GROUP):
                yield batch.to_pylist()
    except ArrowException as error:
        raise TableError(f"{path} is no Parquet file ({error}): name another --table") from error


def write(
    file: BinaryIO | str, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]
) -> None:
    """Write rows as one Parquet file.

    Args:
        file: open for writing.
        rows: {column: value}.
        columns: the table's columns, as `Analysis.columns` returns them.

    Raises:
        OSError: the file cannot be written, e.g. on a full disk.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema, waiting = schema_of(columns), iter(rows)
    with ParquetWriter(file, schema) as writer:
        while group := list(islice(waiting, _GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema))


def schema_of(columns: Mapping[str, str]) -> pyarrow.Schema:
    """Return the Arrow schema of the columns that `Analysis.columns` returns."""
    import pyarrow as pa

    kinds = {
        "text": pa.string(),
        "number": pa.float64(),
        "whole number": pa.int64(),
        "true or false": pa.bool_(),
    }
    return pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
