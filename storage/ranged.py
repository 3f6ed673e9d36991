"""Parquet files of an object store as one Arrow dataset: footers first, then the row groups that a filter leaves.

Layer: storage, above stores and schemas. Knows files as the log lists them; nothing of DuckDB.
Source: docs/decisions/0025-object-stores.md; pyarrow, `FileSystemHandler`.
Left to others: which files (`queries.engine`), what is asked of them (DuckDB, which hands down columns and filters).
"""

from collections.abc import Sequence
from typing import Any, Final, NoReturn

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from storage.lake import FileInfo
from storage.schemas import SCHEMAS

_FORMAT: Final = ds.ParquetFileFormat()


def dataset(table: str, files: Sequence[FileInfo]) -> Any:
    """Return a dataset of some files of a table; a column that an older file lacks is null there."""
    system = fs.PyFileSystem(_Files(files))
    fragments = [_FORMAT.make_fragment(file.place, system) for file in files]
    return ds.FileSystemDataset(fragments, SCHEMAS[table], _FORMAT, system)


class _Files(fs.FileSystemHandler):  # type: ignore[misc]  # pyarrow is not typed.
    """A file system of these files, by their places, and of nothing else; to be read."""

    def __init__(self, files: Sequence[FileInfo]) -> None:
        self._files = {file.place: file for file in files}

    def get_type_name(self) -> str:
        return "fixtape"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: Sequence[str]) -> list[Any]:
        return [fs.FileInfo(path, fs.FileType.File, size=self._files[path].size) for path in paths]

    def open_input_file(self, path: str) -> Any:
        file = self._files[path]
        return pa.PythonFile(file.store.open(file.name), mode="r")

    def open_input_stream(self, path: str) -> Any:
        return self.open_input_file(path)

    def _refuse(self, *_arguments: object, **_options: object) -> NoReturn:
        raise NotImplementedError("these files are only read")

    get_file_info_selector = create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = _refuse
    delete_file = move = copy_file = open_output_stream = open_append_stream = _refuse
