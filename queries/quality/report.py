"""The report of a day: every check run, findings with their places, conditions.

Layer: queries, top of quality but for what prints it.
Source: design section 7.
Left to others: a page (`quality.page`), lines and exit codes (`quality_cli`).

A check that cannot be run is an error of the day, and the others run all the same.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from queries.engine import Engine
from queries.errors import QueryError
from queries.quality.checks import CHECKS
from queries.quality.condition import SymbolCondition, conditions
from queries.quality.coverage import SymbolCoverage
from queries.quality.day import Day
from queries.quality.findings import FINDINGS_LIMIT, Check, Finding, Outcome, Severity
from queries.quality.sessions import Session
from queries.times import iso

THRESHOLD: Final = 0.99  # Of a symbol's score, unless asked otherwise.
_PARTS: Final = re.compile(r" ?\b(Says|Computed|Thresholds|Source): ")
_NAMED: Final = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b")
_ORDER: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True)
class Ran:
    """One check, and what it came to. about: what it says, how and by which thresholds, from its docstring."""

    name: str
    title: str
    about: Mapping[str, str]
    severity: Severity | None  # Of its worst finding.
    summary: str
    findings: tuple[Finding, ...]
    figures: Mapping[str, int | float | None]


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be said of a day. from_ns, until_ns: what the tape holds of it."""

    date: str
    place: str
    from_ns: int
    until_ns: int
    checks: tuple[Ran, ...]
    conditions: tuple[SymbolCondition, ...]
    coverage: tuple[SymbolCoverage, ...]
    sessions: tuple[Session, ...]

    @property
    def findings(self) -> list[Finding]:
        """Every finding, the worst first, then by time."""
        found = [finding for check in self.checks for finding in check.findings]
        return sorted(found, key=lambda it: (_ORDER[it.severity], it.from_ns))

    @property
    def score(self) -> float:
        """The part of all symbols' seconds that is known."""
        expected = sum(it.expected_s for it in self.coverage)
        return 1.0 - sum(it.unknown_s for it in self.coverage) / expected if expected else 1.0

    def passes(self, threshold: float) -> bool:
        """Return whether nothing is an error and every symbol's score reaches the threshold."""
        worst = min((it.score for it in self.conditions), default=1.0)
        return worst >= threshold and not any(it.severity is Severity.ERROR for it in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {
            "date": self.date,
            "from_time": iso(self.from_ns),
            "until_time": iso(self.until_ns),
            "score": round(self.score, 6),
            "conditions": [it.as_dict() for it in self.conditions],
            "checks": [
                {
                    "check": it.name,
                    "worst": None if it.severity is None else it.severity.value,
                    "summary": it.summary,
                    **it.figures,
                }
                for it in self.checks
            ],
            "findings": [it.as_dict() for it in self.findings],
            "coverage": [
                {
                    "symbol": it.symbol,
                    "hour": cell.hour,
                    "active": cell.active,
                    "quiet": cell.quiet,
                    "unknown": cell.unknown,
                }
                for it in self.coverage
                for cell in it.cells
                if cell.expected
            ],
            "sessions": [
                {
                    "session_id": it.session_id,
                    "begin_time": iso(it.begin_ns),
                    "end_time": iso(it.end_ns),
                    "ending": it.ending.value,
                    "words": it.words,
                }
                for it in self.sessions
            ],
        }

    def to_arrow(self) -> pa.Table:
        """Return the findings as a table, a row each."""
        return pa.Table.from_pylist([it.as_dict() for it in self.findings], schema=_FINDINGS)


_FINDINGS: Final = pa.schema(
    [
        *((column, pa.string()) for column in ("severity", "check", "symbol", "from_time", "to_time")),
        ("count", pa.int64()),
        *((column, pa.string()) for column in ("text", "evidence")),
        *((column, pa.int64()) for column in ("from_ns", "to_ns")),
        ("session_id", pa.string()),
        ("msg_seq_num", pa.int64()),
    ]
)


def report(
    engine: Engine,
    place: Path | str,
    date: str,
    *,
    full: bool,
    by: Callable[[list[str]], Iterable[Ran]] | None = None,
) -> Report:
    """Return the report of a UTC date. Errors: TimeNotUnderstood; EmptyWindow; QueryError.

    by: runs checks by their names elsewhere, in their order; here, if not given.
    """
    day = Day(engine, place, date, full=full)
    names = [check.name for check in CHECKS]
    ran = _placed(day, list((partial(map, partial(run_check, day)) if by is None else by)(names)))
    findings = [finding for it in ran for finding in it.findings]
    return Report(
        date=date,
        place=str(place),
        from_ns=day.from_ns,
        until_ns=day.until_ns,
        checks=tuple(ran),
        conditions=tuple(conditions(day.coverage, findings)),
        coverage=tuple(day.coverage),
        sessions=tuple(day.own_sessions),
    )


def run_check(day: Day, name: str) -> Ran:
    """Return what a check comes to; one that cannot be run is an error of the day."""
    (check,) = (it for it in CHECKS if it.name == name)
    try:
        outcome = check.run(day)
        findings = _limited(check.name, outcome)
    except (QueryError, duckdb.Error) as error:
        text = f"the check could not be run: {error}"
        failed = Finding(check.name, Severity.ERROR, None, day.from_ns, day.until_ns, 1, text)
        outcome, findings = Outcome("could not be run"), [failed]
    worst = min((it.severity for it in findings), key=_ORDER.__getitem__, default=None)
    return Ran(check.name, check.title, _about(check), worst, outcome.summary, tuple(findings), outcome.figures)


def _about(check: Check) -> dict[str, str]:
    """Return the parts of a check's docstring, each on one line, thresholds with their values; none under `-OO`."""
    text = _NAMED.sub(lambda found: _valued(check, found[0]), " ".join((check.__doc__ or "").split()))
    parts = _PARTS.split(text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _valued(check: Check, name: str) -> str:
    value = getattr(check, name, None)
    if not isinstance(value, int | float):
        return name
    return f"{name} ({value // 10**9} s)" if name.endswith("_NS") or "_NS_" in name else f"{name} ({value})"


def _limited(name: str, outcome: Outcome) -> list[Finding]:
    """Return the findings, the worst of them where there are too many, and how many more there were."""
    found = sorted(outcome.findings, key=lambda it: (_ORDER[it.severity], it.from_ns))
    more = found[FINDINGS_LIMIT:]
    if more:
        severity = more[0].severity
        text = f"{len(more)} more findings; `fixtape why` tells each"
        begin, end = min(it.from_ns for it in more), max(it.to_ns for it in more)
        return [*islice(found, FINDINGS_LIMIT), Finding(name, severity, None, begin, end, len(more), text)]
    return found


def _placed(day: Day, ran: list[Ran]) -> list[Ran]:
    """Return the same with the place in the journal of each finding that is about a message."""
    wanted = {
        (it.session_id, it.msg_seq_num)
        for of_check in ran
        for it in of_check.findings
        if it.session_id is not None and it.msg_seq_num is not None
    }
    if not wanted:
        return ran
    pairs = sorted(wanted)
    rows = day.ask("quality_places", "messages", session_ids=[it[0] for it in pairs], numbers=[it[1] for it in pairs])
    places = {(session, seq): f"{segment} @ {offset}" for session, seq, segment, offset in rows}
    return [
        replace(
            of_check,
            findings=tuple(
                replace(it, evidence=it.evidence or places.get((it.session_id or "", it.msg_seq_num or 0)))
                for it in of_check.findings
            ),
        )
        for of_check in ran
    ]
