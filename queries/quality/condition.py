"""A day's condition, symbol by symbol: complete, usable, suspect or missing, and why.

Layer: queries, above coverage and findings. Data in, data out.
Source: design section 7, "the score, the day's condition".

The score is the part of the seconds meant to be recorded that is known: active, or proven quiet.
missing: nothing of it is known. suspect: an error concerns it, or its score is below USABLE_LEAST.
usable: a warning of its own concerns it, or its score is below COMPLETE_LEAST. complete: none of these.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from queries.quality.coverage import SymbolCoverage
from queries.quality.findings import Finding, Severity

USABLE_LEAST: Final = 0.95
COMPLETE_LEAST: Final = 0.999


class Condition(StrEnum):
    """What a symbol's day is good for, the best first."""

    COMPLETE = "complete"
    USABLE = "usable"
    SUSPECT = "suspect"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class SymbolCondition:
    """The condition of a symbol, its score from 0 to 1, and why it is no better."""

    symbol: str
    condition: Condition
    score: float
    reason: str
    expected_s: int
    active_s: int
    quiet_s: int
    unknown_s: int

    def as_dict(self) -> dict[str, str | int | float]:
        """Return its fields."""
        return {
            "symbol": self.symbol,
            "condition": self.condition.value,
            "score": round(self.score, 6),
            "reason": self.reason,
            "expected_s": self.expected_s,
            "active_s": self.active_s,
            "quiet_s": self.quiet_s,
            "unknown_s": self.unknown_s,
        }


def conditions(coverage: Sequence[SymbolCoverage], findings: Iterable[Finding]) -> list[SymbolCondition]:
    """Return the condition of every symbol, the worst first."""
    errors: dict[str | None, list[Finding]] = defaultdict(list)
    warnings: dict[str | None, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.severity is not Severity.INFO:
            (errors if finding.severity is Severity.ERROR else warnings)[finding.symbol].append(finding)
    found = []
    for it in coverage:
        wrong = [*errors[it.symbol], *errors[None]]
        condition, reason = _judged(it, wrong, warnings[it.symbol])
        quiet = it.expected_s - it.active_s - it.unknown_s
        found.append(
            SymbolCondition(it.symbol, condition, it.score, reason, it.expected_s, it.active_s, quiet, it.unknown_s)
        )
    order = list(Condition)
    return sorted(found, key=lambda it: (-order.index(it.condition), it.score, it.symbol))


def _judged(it: SymbolCoverage, errors: Sequence[Finding], warnings: Sequence[Finding]) -> tuple[Condition, str]:
    unknown = f"{it.unknown_s:,} of {it.expected_s:,} s unknown"
    if it.unknown_s and it.unknown_s == it.expected_s:
        return Condition.MISSING, "nothing of it is known"
    if errors:
        return Condition.SUSPECT, _told(errors)
    if it.score < USABLE_LEAST:
        return Condition.SUSPECT, unknown
    if warnings:
        return Condition.USABLE, _told(warnings)
    if it.score < COMPLETE_LEAST:
        return Condition.USABLE, unknown
    return Condition.COMPLETE, unknown if it.unknown_s else "every second known"


def _told(findings: Sequence[Finding]) -> str:
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return f"{findings[0].check}: {findings[0].text}{more}"
