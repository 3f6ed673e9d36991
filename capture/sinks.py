"""What a recorder implements so that the client can hand over bytes before interpreting them.

Layer: below the client, beside the core. Names no storage: `storage.recorder` implements these.
Source: design section 3, "bytes are journalled before they are interpreted".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Position(NamedTuple):
    """Where a journal block stands: the segment's name and the byte offset of the block within it."""

    segment: str
    offset: int


@dataclass(frozen=True, slots=True)
class Connection:
    """One transport connection, as both ends would name it.

    Addresses are numeric; `host` is the name that was asked for. None of it is secret.
    """

    host: str
    local_address: str
    local_port: int
    peer_address: str
    peer_port: int
    sender_comp_id: str
    target_comp_id: str
    tls: str


class NoRoom(OSError):
    """What a journal was given is not kept, because there is no room for it at present.

    The caller ends the connection, whose end it tells once `has_room` says so. kind, why: for people.
    """

    kind: str = "no room"
    why: str = ""


class Journal(Protocol):
    """Where bytes go first. Each call returns after write(2): what it was given survives the process.

    Errors: NoRoom, after which nothing but `closed` is told of the connection; any other OSError from the file system:
    the caller stops, it does not go on unjournalled.
    """

    def has_room(self) -> bool:
        """Return whether it takes more, after it had no room."""

    def opened(self, at_ns: int, connection: Connection) -> Position:
        """Begin a connection; every record until `closed` belongs to it."""

    def received(self, at_ns: int, data: bytes) -> Iterable[tuple[Position, bytes]]:
        """Write one socket read; return it in the pieces in which it was written, which a rebuild will see."""

    def sent(self, at_ns: int, data: bytes) -> Position:
        """Write one send, credentials masked."""

    def closed(self, at_ns: int, reason: str, *, reset: bool) -> Position:
        """End the connection: in order, or by a reset."""

    def note(self, at_ns: int, kind: str, fields: dict[str, str | int | None]) -> Position:
        """Write something a reader should know that is in no byte of the stream."""
