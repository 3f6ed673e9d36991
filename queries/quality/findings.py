"""What a check finds, and what a check is.

Layer: queries, lowest of quality. Data only.
Source: design sections 6 and 7.
Left to others: the checks (`quality.checks`), what findings make of a symbol (`quality.condition`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from queries.times import iso

if TYPE_CHECKING:
    from queries.quality.day import Day

FINDINGS_LIMIT: Final = 500  # Of one check of a day, that are told one by one; all are counted.


class Severity(StrEnum):
    """How bad it is.

    info: worth knowing, nothing is lost. warning: something is missing or doubtful, and the tape says so itself.
    error: something is wrong, and a reader of the rows alone would not know.
    """

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found.

    symbol: None of what concerns a session, a file or the whole day. Units: from_ns and to_ns of receive time, UTC.
    count: of what the text says. session_id, msg_seq_num: of the first message it is about, where there is one.
    evidence: its place in the journal, `segment @ offset`, or the file it is about.
    """

    check: str
    severity: Severity
    symbol: str | None
    from_ns: int
    to_ns: int
    count: int
    text: str
    session_id: str | None = None
    msg_seq_num: int | None = None
    evidence: str | None = None

    def as_dict(self) -> dict[str, str | int | float | None]:
        """Return its fields, times as text too."""
        return {
            "severity": self.severity.value,
            "check": self.check,
            "symbol": self.symbol,
            "from_time": iso(self.from_ns),
            "to_time": iso(self.to_ns),
            "count": self.count,
            "text": self.text,
            "evidence": self.evidence,
            "from_ns": self.from_ns,
            "to_ns": self.to_ns,
            "session_id": self.session_id,
            "msg_seq_num": self.msg_seq_num,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check came to: findings, a sentence about the whole day, and its figures."""

    summary: str
    findings: Iterable[Finding] = ()
    figures: Mapping[str, int | float | None] = field(default_factory=dict)


class Check(Protocol):
    """A module of `quality.checks`."""

    @property
    def name(self) -> str:
        """What it is called in findings."""

    @property
    def title(self) -> str:
        """What people read."""

    def run(self, day: "Day") -> Outcome:
        """Look at a day. Errors: FilesDamaged, StatementFailed of what it reads."""


def counted(count: int, what: str) -> str:
    """Return a count with its word, `1 gap` or `1,234 gaps`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
