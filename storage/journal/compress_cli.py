"""`fixtape journal compress`: what was sealed, compressed at once instead of beside a recorder.

Layer: journal, command line. Parses, calls, prints.
"""

import sys
from pathlib import Path

import click

from capture.cli_support import EXIT_FINDINGS, reporting_errors


@click.command("compress")
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--level", type=click.IntRange(1, 19), help="Of zstd.  [default: 9]")
@reporting_errors
def compress_journal(root: Path, level: int | None) -> None:
    """Compress the sealed segments of a tape or a journal.

    Each becomes NAME.pcapng.zst, about a sixth of its size, which zstd, Wireshark and every command here read; the
    plain file goes once the other one is durable and was read back. A recorder does the same by itself, unless
    storage.compress is off. Segments that were never sealed are told on standard error and left alone. What does not
    read back the same is told there too, and kept; the exit code is then 3.

    \b
    Example:
      fixtape journal compress ./tape
    """
    from storage.errors import JournalDamaged
    from storage.journal.compress import LEVEL, compress_segment
    from storage.journal.segments import plain_paths
    from storage.status import bytes_text
    from storage.tape_layout import locked, tape_of

    before = after = count = found = 0
    with locked(tape_of(root)):
        for path in plain_paths(root):
            try:
                done = compress_segment(path, level=level or LEVEL)
            except JournalDamaged as damage:
                found += 1
                click.echo(f"fixtape: {damage}", err=True)
                continue
            if done is None:
                click.echo(f"{path}: not sealed, left as it is", err=True)
                continue
            before, after, count = before + done.bytes, after + done.stored_bytes, count + 1
    ratio = f", {before / after:.2f} times smaller" if after else ""
    click.echo(f"compressed {count} segments, {bytes_text(before)} to {bytes_text(after)}{ratio}")
    if found:
        sys.exit(EXIT_FINDINGS)
