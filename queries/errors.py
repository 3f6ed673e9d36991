"""What can go wrong with a question, and what each failure is called outside.

Layer: below everything in queries.
Source: style guide section 6. Every text of the user or the venue is escaped before it gets into a message.

    QueryError                  1
    ├── NotALake                2  the path holds no lake
    ├── TimeNotUnderstood       2  a time without a zone, or no time at all
    ├── DurationNotUnderstood   2  a length of time that is none
    ├── WindowReversed          2  a window that ends before it begins
    ├── Misused                 2  arguments that do not go together, or are beyond a limit
    ├── UnknownSymbol           1  a symbol that the lake has never seen
    ├── EmptyWindow             1  a window outside what the lake covers
    ├── HoleInWindow            3  a strict question about a time of which not all is known
    ├── NoSnapshot              1  no book can be rebuilt at that moment
    ├── BeyondInt64             1  a price or size too large for its book's scale
    ├── DoesNotFit              1  a number that a format cannot hold
    ├── ManifestDamaged         1  an export.json that cannot be read
    ├── PeerFailed              1  another library's process that did not do its part
    ├── FilesDamaged            3  files that are needed cannot be read
    └── StatementFailed         1  SQL that is refused, or fails
        └── StatementTimedOut   1  SQL that took longer than allowed
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import ClassVar, Final

from queries.text import shown
from storage.errors import SendableError

SUGGESTIONS: Final = 3
SYMBOL_CHARACTERS: Final = 40


class QueryError(SendableError):
    """Base of the errors of queries; `exit_code` is what the command ends with when one gets that far."""

    exit_code: ClassVar[int] = 1


class NotALake(QueryError):
    """A path that holds neither a lake nor a tape with one."""

    exit_code = 2

    def __init__(self, path: Path | str) -> None:
        super().__init__(f"{shown(str(path))}: no lake here; give the directory that `fixtape record` writes")
        self.path = path


class TimeNotUnderstood(QueryError):
    """A time without a zone, or a text that is no time."""

    exit_code = 2

    def __init__(self, received: str, *, reason: str) -> None:
        super().__init__(f"time {shown(received[:SYMBOL_CHARACTERS])!r}: {reason}")
        self.received, self.reason = received, reason


class DurationNotUnderstood(QueryError):
    """A text or a number that is no length of time."""

    exit_code = 2

    def __init__(self, received: str) -> None:
        super().__init__(
            f"length of time {shown(received[:SYMBOL_CHARACTERS])!r}: write a whole number above zero"
            " and one of ns, us, ms, s, m, h, d, e.g. 250ms or 1m"
        )
        self.received = received


class Misused(QueryError):
    """Arguments that do not go together, or a number beyond its limit; the text says which and what to use."""

    exit_code = 2

    def __init__(self, text: str) -> None:
        super().__init__(shown(text))


class WindowReversed(QueryError):
    """A window that holds no moment."""

    exit_code = 2

    def __init__(self, window: str) -> None:
        super().__init__(f"window from {window} holds no moment; it runs from its start to before its end")
        self.window = window


class UnknownSymbol(QueryError):
    """A symbol that no message of the lake bears."""

    def __init__(self, symbol: str, known: Sequence[str]) -> None:
        near = get_close_matches(symbol.upper(), known, n=SUGGESTIONS, cutoff=0.5)
        remedy = (
            f"did you mean {' or '.join(near)}?" if near else f"it holds {len(known)} others; see `fixtape coverage`"
        )
        super().__init__(f"symbol {shown(symbol[:SYMBOL_CHARACTERS])!r} is not in the lake; {shown(remedy)}")
        self.symbol, self.near = symbol, tuple(near)


class EmptyWindow(QueryError):
    """A window outside what the lake covers; a quiet window inside it is no error."""

    def __init__(self, window: str, *, covered: str | None) -> None:
        holds = "holds nothing until its first batch is committed" if covered is None else f"covers {covered}"
        super().__init__(f"window from {window} is outside the lake, which {holds}")
        self.window, self.covered = window, covered


class HoleInWindow(QueryError):
    """A strict question about a time of which not all is known."""

    exit_code = 3

    def __init__(self, symbol: str, at: str, *, reason: str) -> None:
        super().__init__(f"{shown(symbol)}: at {at} {shown(reason)}; see `fixtape why`, or ask without strict")
        self.symbol, self.at, self.reason = symbol, at, reason


class NoSnapshot(QueryError):
    """No snapshot to rebuild a book from at or before a moment."""

    def __init__(self, symbol: str, at: str, *, reason: str) -> None:
        super().__init__(f"{shown(symbol)}: no book at {at}: {shown(reason)}")
        self.symbol, self.at, self.reason = symbol, at, reason


class BeyondInt64(QueryError):
    """A price or size that does not fit 64 bits once it has as many decimals as others of its book."""

    def __init__(self, symbol: str) -> None:
        super().__init__(
            f"{shown(symbol)}: prices or sizes do not fit 64 bits at one scale; `fixtape changes` has them as they came"
        )
        self.symbol = symbol


class DoesNotFit(QueryError):
    """A number, or a recording, that a format of others cannot hold; it is refused, never rounded."""

    def __init__(self, received: str, *, limit: str) -> None:
        super().__init__(f"{shown(received)} does not fit: {limit}; use another format, `parquet` and `csv` hold all")
        self.received, self.limit = received, limit


class ManifestDamaged(QueryError):
    """The manifest of an output directory is not one of ours, or of another version."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{shown(str(path))}: {shown(reason)}; name another directory, or remove the file")
        self.path, self.reason = path, reason


class PeerFailed(QueryError):
    """A process of another library, in an environment of its own, that ended with an error."""

    def __init__(self, program: str, *, reason: str) -> None:
        super().__init__(f"{shown(program)}: {shown(reason)}")
        self.program, self.reason = program, reason


class FilesDamaged(QueryError):
    """Files of the lake that a question needs and that cannot be read; by place, what is wrong with each."""

    exit_code = 3

    def __init__(self, troubles: Mapping[str, str]) -> None:
        place, reason = next(iter(troubles.items()))
        others = f" (and {len(troubles) - 1} more)" if len(troubles) > 1 else ""
        super().__init__(
            f"{shown(place)}: {shown(reason)}{others}; rebuild it from the journal,"
            " or leave such files out to be answered without their rows"
        )
        self.troubles = dict(troubles)


class StatementFailed(QueryError):
    """SQL that is refused before it runs, or fails as it runs."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"statement failed: {shown((reason.splitlines() or ['no reason given'])[0])}")
        self.reason = reason


class StatementTimedOut(StatementFailed):
    """SQL that was stopped because its time was over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"stopped after {seconds:g} s; ask for less, or give it more with --timeout")
        self.seconds = seconds
