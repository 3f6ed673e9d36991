"""The files of a journal: how they are named and found.

Layer: journal, above `times`.
Source: design section 4.
Left to others: what is in them (`format`), writing them (`appending`), when one ends (`writer`).
"""

from pathlib import Path
from typing import Final

from storage.access import make_directories
from storage.errors import JournalUncreatable, JournalUnreadable
from storage.journal.times import name_of

SUFFIX: Final = ".pcapng"
PACKED_SUFFIX: Final = ".pcapng.zst"  # Of a segment that was sealed and then compressed.
DIRECTORY_NAME: Final = "journal"  # Of the journal inside a tape.

_DAY_PATTERN: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


def journal_directory(root: Path) -> Path:
    """Return the journal of a tape, or the directory itself where it is the journal."""
    inside = root / DIRECTORY_NAME
    return inside if inside.is_dir() else root


def segment_name(path: Path) -> str:
    """Return the name of a segment, whichever form the file has."""
    return path.name.removesuffix(PACKED_SUFFIX).removesuffix(SUFFIX)


def is_packed(path: Path) -> bool:
    """Return whether a file is a compressed segment."""
    return path.name.endswith(PACKED_SUFFIX)


def other_form(path: Path) -> Path:
    """Return where the same segment stands in its other form, if it does."""
    return path.with_name(segment_name(path) + (SUFFIX if is_packed(path) else PACKED_SUFFIX))


def present_form(path: Path) -> Path:
    """Return the path, or that of the other form where only that is there."""
    other = other_form(path)
    return other if other.exists() and not path.exists() else path


def segment_paths(root: Path) -> list[Path]:
    """Return the segments of a tape or a journal, oldest first: their names are their times.

    Where one stands there in both forms, as a compression that was killed leaves it, it is the plain one that counts.
    """
    packed = {segment_name(path): path for path in _found(root, PACKED_SUFFIX)}
    plain = {segment_name(path): path for path in plain_paths(root)}
    return [path for _, path in sorted((packed | plain).items())]


def paths_between(root: Path, begin_ns: int | None, end_ns: int | None) -> list[Path]:
    """Return the segments that may hold records between two times: by their names, and the one before the first."""
    paths = segment_paths(root)
    if begin_ns is not None:
        before = sum(segment_name(path) <= name_of(begin_ns) for path in paths)
        paths = paths[max(0, before - 1) :]
    return paths if end_ns is None else [path for path in paths if segment_name(path) < name_of(end_ns)]


def plain_paths(root: Path) -> list[Path]:
    """Return the segments that are not compressed, oldest first."""
    return sorted(_found(root, SUFFIX))


def _found(root: Path, suffix: str) -> list[Path]:
    try:
        return list(journal_directory(root).glob(f"{_DAY_PATTERN}/[!.]*{suffix}"))
    except OSError as error:
        raise JournalUnreadable(root, doing="list the segments", cause=error) from error


def make_root(root: Path) -> None:
    """Make the journal's directory where it is missing.

    Errors: JournalUncreatable.
    """
    try:
        make_directories(root)
    except OSError as error:
        raise JournalUncreatable(root, doing="create the directory", cause=error) from error
