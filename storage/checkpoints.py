"""Sums of a log's checkpoints, beside them: deltalake writes no checksum into what it makes.

Layer: storage, below commits. Knows names and bytes.
Source: faults section 1, clause 5: a flipped bit is read as data where no sum says otherwise.
Left to others: making a checkpoint (`storage.commits`).

The sums of checkpoint 100 and of the `_last_checkpoint` that was made with it stand in `…100.checkpoint.sha256`, a name
that readers of Delta pass over. A checkpoint without them, of an earlier version or of a moment at which the process
was killed, is held against the entries alone.
"""

import hashlib
import json
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

LAST_CHECKPOINT: Final = "_last_checkpoint"


def sums_name(version: int) -> str:
    """Return the name of the file with the sums of a checkpoint."""
    return f"{version:020}.checkpoint.sha256"


def sums(checkpoint: bytes, pointer: bytes) -> bytes:
    """Return the content of that file: two sums, and a third of these."""
    two = f"{hashlib.sha256(checkpoint).hexdigest()} {hashlib.sha256(pointer).hexdigest()}"
    return f"{two} {hashlib.sha256(two.encode()).hexdigest()}\n".encode()


def checkpoint_fault(path: Path) -> str | None:
    """Return what is wrong with a checkpoint; None if nothing is, as far as it can be known without its entries."""
    version = int(path.name[:20])
    written = _written_sums(path.parent, version)
    if written is not None:
        if not written.hold:
            return f"its sums, {sums_name(version)}, are not as they were written"
        received = hashlib.sha256(path.read_bytes()).hexdigest()
        return (
            None
            if received == written.checkpoint
            else f"checkpoint has SHA-256 {received[:16]}, its sums say {written.checkpoint[:16]}"
        )
    try:
        pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        return f"checkpoint unreadable: {(str(error).splitlines() or ['?'])[0]}"
    return None


def pointer_fault(path: Path, bad: set[Path]) -> str | None:
    """Return what is wrong with the file that names the newest checkpoint; None if nothing is.

    bad: checkpoints that do not hold.
    """
    data = path.read_bytes()
    try:
        version = int(json.loads(data)["version"])
        checkpoint = path.parent / f"{version:020}.checkpoint.parquet"
    except (ValueError, KeyError, TypeError) as error:
        return f"no pointer to a checkpoint: {error}"
    if not checkpoint.exists() or checkpoint in bad:
        return f"it names checkpoint {version}, which is not there or damaged"
    written = _written_sums(path.parent, version)
    received = hashlib.sha256(data).hexdigest()
    if written is not None and received != written.pointer:
        return f"it has SHA-256 {received[:16]}, the sums of its checkpoint say {written.pointer[:16]}"
    return None


class _Sums(NamedTuple):
    checkpoint: str
    pointer: str
    hold: bool


def _written_sums(directory: Path, version: int) -> _Sums | None:
    try:
        text = (directory / sums_name(version)).read_bytes().decode("ascii", "replace")
    except FileNotFoundError:
        return None
    two, _, third = text.removesuffix("\n").rpartition(" ")
    checkpoint, _, pointer = two.partition(" ")
    return _Sums(checkpoint, pointer, third == hashlib.sha256(two.encode()).hexdigest() and text.endswith("\n"))
