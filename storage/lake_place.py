"""Where the lake of a tape stands where that is not beside its journal, and that it is this tape's alone.

Layer: storage, above stores, below the lake. Asks the store of the address only.
Source: docs/decisions/0027-a-lake-in-an-object-store.md.
Left to others: the lock of the tape's root (`storage.tape_layout`), which whoever calls `settled` holds.

Two notes say so. `ROOT/.lake.json` names the address, so that every command that is given ROOT finds the lake, and the
tape by a name drawn at random. `ADDRESS/_tape.json` names the tape that took the address. It is put if absent, so of
recorders that begin at once one has it and the others are told whose it is. The note at the root comes first: killed
between the two, a recorder takes the address at its next start.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from storage.errors import LakeDamaged, LakeElsewhere, LakeTaken
from storage.object_settings import parse_address
from storage.object_store import open_store
from storage.stores import LocalStore, Store
from storage.tape_layout import LAKE

NOTE: Final = ".lake.json"
CLAIM: Final = "_tape.json"
SCHEMA: Final = 1


class _Note(msgspec.Struct, frozen=True):
    schema: int
    lake: str
    tape: str


class _Claim(msgspec.Struct, frozen=True):
    """Host and root are for people: the tape's when it took the address."""

    schema: int
    tape: str
    host: str
    root: str


@dataclass(frozen=True, slots=True)
class LakePlace:
    """Where the lake of a tape stands. tape: its name at an address; empty where the lake is beside its journal."""

    root: Path
    store: Store
    tape: str = ""

    def claim(self) -> None:
        """Make sure that the place is this tape's, for good. Errors: LakeTaken; StoreError."""
        if not self.tape:
            return
        ours = _Claim(SCHEMA, self.tape, os.uname().nodename, str(self.root.resolve()))
        found = _claim_at(self.store)
        if found is None:
            first = next(self.store.list(), None)
            if first is not None and first.name != CLAIM:
                raise LakeTaken(self.store.location, f"there are files that no recorder put, such as {first.name}")
            if self.store.put_new(CLAIM, msgspec.json.encode(ours)):
                return
            found = _claim_at(self.store)
        if found is None or found.tape != self.tape:
            raise LakeTaken(self.store.location, _owner(found))


def place_of(root: Path) -> LakePlace:
    """Return where the lake of a tape stands; nothing is asked yet. Errors: LakeDamaged; StoreUnusable, StoreDenied."""
    note = _read(root)
    if note is None:
        return LakePlace(root, LocalStore(root / LAKE))
    return LakePlace(root, open_store(note.lake), note.tape)


def settled(root: Path, address: str) -> LakePlace:
    """Return where a recorder's lake stands, and note it at the root where that is new and the address can be had.

    address: as it is set; empty for where the lake is, by default beside the journal. The caller holds the root's lock.
    Errors: LakeElsewhere; LakeTaken; LakeDamaged; OSError; StoreError, of an address that is not new StoreUnusable and
        StoreDenied alone.
    """
    wanted = str(parse_address(address)) if address else ""
    note = _read(root)
    if note is not None:
        if wanted and wanted != note.lake:
            raise LakeElsewhere(root, expected=note.lake, received=wanted)
        return place_of(root)
    if not wanted:
        return place_of(root)
    if (root / LAKE).exists():
        raise LakeElsewhere(root, expected=str(root / LAKE), received=wanted)
    place = LakePlace(root, open_store(wanted), secrets.token_hex(16))
    local = LocalStore(root)
    local.put_new(NOTE, msgspec.json.encode(_Note(SCHEMA, wanted, place.tape)) + b"\n")
    try:
        place.claim()
    except BaseException:
        local.delete(NOTE)
        raise
    return place


def is_taken(store: Store) -> bool:
    """Return whether a recorder has a place for its lake. Errors: StoreError."""
    return _claim_at(store) is not None


def refuse_taken(store: Store) -> None:
    """Raise where a recorder has a place for its lake. Errors: LakeTaken; StoreError."""
    found = _claim_at(store)
    if found is not None:
        raise LakeTaken(store.location, _owner(found))


def _read(root: Path) -> _Note | None:
    try:
        note = msgspec.json.decode((root / NOTE).read_bytes(), type=_Note)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LakeDamaged(root / NOTE, f"it does not say where the lake is: {error}") from None
    return note


def _claim_at(store: Store) -> _Claim | None:
    try:
        data = store.read(CLAIM)
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(data, type=_Claim)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Claim(SCHEMA, "", "an unknown host", "an unknown root")


def _owner(claim: _Claim | None) -> str:
    return "it was another's a moment ago" if claim is None else f"it is the lake of {claim.root} on {claim.host}"
