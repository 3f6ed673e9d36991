"""What can go wrong in capture, and what each failure is called outside.

Layer: below everything in capture.
Source: style guide section 6; exit codes after sysexits.h.

    CaptureError
    ├── MisuseError              ours: a call or a setting that cannot be meant
    │   ├── SettingInvalid         78  a configuration value outside what the venue or fixtape allows
    │   ├── OrderInvalid            2  an order that cannot be meant
    │   └── CredentialsRefused     77  an API key or secret that is missing, malformed, or not kept safe
    ├── StoreFailed            74  a store cannot be written or believed; no order goes out without
    │   └── StoreBusy              75  another process holds it
    ├── WireError                the venue's bytes
    │   ├── ValueMalformed             a value that does not parse as its type
    │   └── MessageGarbled             a frame that is no message; ignored by the session
    ├── SessionError             ours: a signal that the state table does not know
    ├── CannotListen             ours: an address that the simulated venue cannot have; 73
    └── VenueError               the venue, or the way to it
        ├── VenueUnavailable       69  unknown host, refused port, time-out
        ├── ProtocolFailed         76  TLS or FIX spoken otherwise than agreed
        ├── CertificateRefused     77  the venue's certificate does not prove its name
        ├── LogonRefused           77  the venue answered the Logon with a Logout or a close
        └── SymbolUnknown          78  a symbol that the venue does not list
"""

from typing import ClassVar


class CaptureError(Exception):
    """Base of capture's errors; `exit_code` is what the command ends with when one gets that far."""

    exit_code: ClassVar[int] = 1


class MisuseError(CaptureError):
    """A call or setting of ours that cannot be meant."""

    exit_code = 2


class SettingInvalid(MisuseError):
    """A configuration value that cannot be used."""

    exit_code = 78

    def __init__(self, *, where: str, received: object, allowed: str) -> None:
        super().__init__(f"{where} is {received}; use {allowed}")
        self.where, self.received, self.allowed = where, received, allowed


class OrderInvalid(MisuseError):
    """An order that cannot be meant."""

    def __init__(self, *, what: str, received: object, allowed: str) -> None:
        super().__init__(f"{what} is {received}; use {allowed}")
        self.what, self.received, self.allowed = what, received, allowed


class CredentialsRefused(MisuseError):
    """An API key or secret that is missing, malformed, or not kept safe; its text never shows one."""

    exit_code = 77


class StoreFailed(CaptureError):
    """A store cannot be written, or not be believed; no order goes out without its store."""

    exit_code = 74


class StoreBusy(StoreFailed):
    """Another process holds a store, of orders or of a session."""

    exit_code = 75


class WireError(CaptureError):
    """Bytes of the venue that are not what they should be."""

    exit_code = 76


class ValueMalformed(WireError):
    """A value that does not parse as its type."""

    def __init__(self, *, expected: str, received: bytes) -> None:
        super().__init__(f"expected {expected}, received {received[:40]!r}")
        self.expected, self.received = expected, received


class MessageGarbled(WireError):
    """A frame whose fields cannot be told apart; FIX ignores it and does not count it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"garbled message: {reason}")
        self.reason = reason


class SessionError(CaptureError):
    """A signal that cannot happen in the present state; a bug of ours."""

    def __init__(self, *, state: str, signal: str) -> None:
        super().__init__(f"{signal} cannot happen in state {state}")
        self.state, self.signal = state, signal


class CannotListen(CaptureError):
    """An address that the simulated venue cannot listen on."""

    exit_code = 73

    def __init__(self, *, host: str, port: int, reason: str) -> None:
        super().__init__(f"{host}:{port}: cannot listen: {reason}; name another with --host or --port (0 picks one)")
        self.host, self.port, self.reason = host, port, reason


class VenueError(CaptureError):
    """The venue, or the way to it, failed us."""


class VenueUnavailable(VenueError):
    """No connection could be had."""

    exit_code = 69


class ProtocolFailed(VenueError):
    """The other side speaks TLS or FIX otherwise than agreed."""

    exit_code = 76


class CertificateRefused(VenueError):
    """The venue's certificate does not prove its name; no FIX byte was sent."""

    exit_code = 77


class LogonRefused(VenueError):
    """The venue did not accept the Logon."""

    exit_code = 77


class SymbolUnknown(VenueError):
    """A symbol to record that the venue does not list."""

    exit_code = 78
