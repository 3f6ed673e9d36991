"""Rows in a file: text as `queries.render` prints it, Parquet, or an Arrow file; and a text as it is.

Layer: queries, above rendering. Knows one relation and one path.
Source: style guide section 8; faults E3: the tape is never written to.

A file appears under its name when it is whole, and takes the place of one that was there.
"""

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from queries.errors import Misused, StatementFailed
from queries.render import BATCH_ROWS, Format, emit

BinaryFormat = Literal["parquet", "arrow"]
BINARY: Final[tuple[BinaryFormat, ...]] = ("parquet", "arrow")
FILE_MODE: Final = 0o640


def write_rows(
    rows: duckdb.DuckDBPyRelation,
    form: Format | BinaryFormat,
    path: Path,
    *,
    tape: Path | str,
    limit: int | None = None,
    columns: Sequence[str] | None = None,
) -> None:
    """Write the rows of a relation to a file that is not in the tape's directory.

    limit, columns: as `emit` has them. Errors: Misused, OSError; StatementFailed where Arrow has no such type.
    """
    _require_elsewhere(path, tape)
    with _replacing(path) as file:
        if form in BINARY:
            reader = (rows.limit(limit) if limit else rows).to_arrow_reader(BATCH_ROWS)
            try:
                _write_batches(reader, form, file)
            except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
                raise StatementFailed(f"{form}: {error}") from error
            return
        assert form in ("table", "csv", "json"), "the formats of text"
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        emit(rows, form, limit=limit, columns=columns, file=text)
        text.flush()
        text.detach()


def write_text(text: str, path: Path, *, tape: Path | str) -> None:
    """Write text to a file that is not in the tape's directory. Errors: Misused, OSError."""
    _require_elsewhere(path, tape)
    with _replacing(path) as file:
        file.write(text.encode("utf-8"))


def _require_elsewhere(path: Path, tape: Path | str) -> None:
    if isinstance(tape, Path) and path.resolve().is_relative_to(tape.resolve()):
        raise Misused(f"{path} lies in the tape, which is read only; name a file elsewhere")


def _write_batches(reader: pa.RecordBatchReader, form: str, file: BinaryIO) -> None:
    if form == "arrow":
        with pa.ipc.new_file(file, reader.schema) as arrow:
            for batch in reader:
                arrow.write_batch(batch)
        return
    with pq.ParquetWriter(file, reader.schema, compression="zstd", write_page_checksum=True) as parquet:
        for batch in reader:
            parquet.write_batch(batch)


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write that gets its name at the end; after an error nothing is left of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
