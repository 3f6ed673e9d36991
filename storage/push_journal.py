"""Sealed and compressed segments of a journal copied into another place, each read again there.

Layer: storage, above journal and stores.
Source: docs/decisions/0025-object-stores.md; design section 4.
Left to others: compressing (`storage.journal.compress`), printing (`push_cli`).

A segment's name is a time and no hash, so beside each copy stands `SEGMENT.pcapng.zst.sha256`, as sha256sum writes it,
put once the copy was read again. A copy without one is read again; one with it is left alone. A segment with a fault of
its own is not sent.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage.journal.packed import check_packed
from storage.journal.segments import is_packed, segment_paths
from storage.push import COPY_BYTES
from storage.stores import LocalStore, Store
from storage.tape_layout import JOURNAL
from storage.verify import REMEDY_COPY, Checked, Finding, Scope

SUM_SUFFIX: Final = ".sha256"


@dataclass(frozen=True, slots=True)
class PushedSegment:
    """What became of one segment. sent: False where an earlier push had sent it; fault: empty where all is well."""

    name: str
    bytes: int
    sent: bool
    fault: str = ""


def push_segments(
    root: Path,
    target: Store,
    *,
    date: str = "",
    again: bool = False,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[PushedSegment]:
    """Copy the compressed segments of a tape; yield each that was not there as it is.

    date: what the day of their directory begins with. again: those with a sum are read again too. target: of the tape;
    the journal goes to `journal/` in it.
    Errors: JournalError; OSError of a store.
    """
    into = target.below(JOURNAL)
    there = {it.name: it.size for it in into.list()}
    for path in segment_paths(root):
        name = f"{path.parent.name}/{path.name}"
        if not (is_packed(path) and name.startswith(date)):
            continue
        size, has_sum = path.stat().st_size, f"{name}{SUM_SUFFIX}" in there
        if has_sum and not (again and not dry_run):
            continue
        if dry_run:
            yield PushedSegment(name, size, sent=there.get(name) != size)
        else:
            yield _pushed(path, into, name, there.get(name) == size, progress)


def verify_sums(tape: Store, scope: Scope, checked: Checked, progress: Callable[[int], None]) -> Iterator[Finding]:
    """Yield which copies of segments are not those that were sent, by the sums beside them."""
    store = tape.below(JOURNAL)
    there = {it.name: it.size for it in store.list() if it.name.startswith(scope.date)}
    for name in sorted(name.removesuffix(SUM_SUFFIX) for name in there if name.endswith(SUM_SUFFIX)):
        checked.segments += 1
        expected = store.read(f"{name}{SUM_SUFFIX}").decode("ascii", "replace").partition(" ")[0]
        received = store.sha256(name) if name in there else "no file"
        if received != expected:
            yield Finding(f"{JOURNAL}/{name}", "SHA-256 of the segment", expected, received, REMEDY_COPY)
        progress(there.get(name, 0))


def _pushed(path: Path, into: Store, name: str, there: bool, progress: Callable[[int], None]) -> PushedSegment:
    size = path.stat().st_size
    with path.open("rb") as file:
        for offset, fault in check_packed(path, file.fileno()):
            what = f"at {offset}: {fault.what}: expected {fault.expected}, received {fault.received}"
            return PushedSegment(name, size, sent=False, fault=what)
    sha256 = LocalStore(path.parent).sha256(path.name)
    sent = not there or into.sha256(name) != sha256
    if sent:
        with path.open("rb") as file, into.stage(path.parent.name, path.name) as staged:
            while data := file.read(COPY_BYTES):
                staged.write(data)
                progress(len(data))
            staged.publish(name)
        received = into.sha256(name)
        if received != sha256:
            return PushedSegment(name, size, sent=True, fault=f"sent with SHA-256 {sha256}, read again with {received}")
    into.put_new(f"{name}{SUM_SUFFIX}", f"{sha256}  {path.name}\n".encode())
    return PushedSegment(name, size, sent=sent)
