"""The report of a day as one HTML page that needs nothing else: no script, no font, no request.

Layer: queries, over a report. Knows no tape; `page.html.j2` beside it is the page, this is what it shows.
Source: design section 7; faults D10: text of the venue is escaped, once as text and once as HTML.

Times on the page's axis are the hours of the day that the tape covers. A session is drawn as slices of the axis, each
with the worst that its seconds have, so that a page is no larger for a day of many changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import resources
from itertools import groupby
from operator import attrgetter
from pathlib import PurePath
from typing import Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from queries.quality.checks import coverage
from queries.quality.condition import Condition
from queries.quality.coverage import Cell
from queries.quality.day import DAY_NS, clock
from queries.quality.findings import Finding, Severity, counted
from queries.quality.report import Ran, Report
from queries.quality.sessions import SECOND_NS, Ending, Session
from queries.quality.spans import Span, common, seconds
from queries.text import shown

ROWS_LIMIT: Final = 500  # Symbols in the map and the table, the worst first.
SLICES: Final = 720  # Of the axis; a slice is two minutes of a day.
ROLLOVER_HOUR: Final = 22
WIDTH: Final = 1000.0  # Of the axis, in units of the drawing.
LEAST: Final = 3.0  # Nothing is drawn narrower.
TICKS_LIMIT: Final = 12
NARROWEST: Final = 14.0  # Per cent of a cell of the map.
_UNITS_S: Final = (3600, 600, 60)
_STEPS_S: Final = (5, 10, 30, 60, 300, 600, 1800, 3600, 7200)
_MARKS: Final = {Severity.ERROR: "✕", Severity.WARNING: "!", Severity.INFO: "i", None: "✓"}


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of the axis: from where, how wide, of what kind, and what it says when pointed at."""

    x: float
    width: float
    kind: str
    says: str


@dataclass(frozen=True, slots=True)
class Square:
    """One cell of the map: how far up it is unknown, how far active on top, how wide it is; all in per cent."""

    unknown: float
    known: float
    width: float
    label: str
    says: str
    is_meant: bool


class Axis:
    """The part of the day that a page shows: whole hours, or whole minutes of a tape that is shorter."""

    def __init__(self, report: Report) -> None:
        midnight = report.from_ns // DAY_NS * DAY_NS
        lasts_s = (report.until_ns - report.from_ns) // SECOND_NS
        unit_ns = next((unit for unit in _UNITS_S if unit <= lasts_s + 1), _UNITS_S[-1]) * SECOND_NS
        self.begin_ns = report.from_ns // unit_ns * unit_ns
        self.end_ns = min(max(-(-report.until_ns // unit_ns) * unit_ns, self.begin_ns + unit_ns), midnight + DAY_NS)
        rolls_ns = midnight + ROLLOVER_HOUR * 3600 * SECOND_NS
        self.rollover = self.x(rolls_ns) if self.begin_ns < rolls_ns < self.end_ns else None

    def x(self, ns: int) -> float:
        """Return where a moment lies."""
        share = (min(max(ns, self.begin_ns), self.end_ns) - self.begin_ns) / (self.end_ns - self.begin_ns)
        return round(share * WIDTH, 2)

    def bar(self, from_ns: int, to_ns: int, kind: str, says: str) -> Bar:
        """Return a stretch, wide enough to be seen and inside the axis."""
        x = self.x(from_ns)
        width = max(self.x(to_ns) - x, LEAST)
        return Bar(min(x, WIDTH - width), round(width, 2), kind, says)

    def ticks(self) -> list[tuple[float, str]]:
        """Return moments to write under it."""
        lasts_s = (self.end_ns - self.begin_ns) // SECOND_NS
        step_s = next(step for step in _STEPS_S if lasts_s <= step * TICKS_LIMIT)
        cut = len("12:00") if step_s >= 60 else len("12:00:00")
        moments = range(
            -(-self.begin_ns // (step_s * SECOND_NS)) * step_s * SECOND_NS, self.end_ns + 1, step_s * SECOND_NS
        )
        return [(self.x(at), "24:00" if at % DAY_NS == 0 and at > self.begin_ns else clock(at)[:cut]) for at in moments]


def page(report: Report, threshold: float) -> str:
    """Return the page."""
    axis = Axis(report)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        shown=lambda text: shown(str(text)), clock=clock, lasted=lasted, percent=percent, coded=coded
    )
    template = environment.from_string(
        resources.files("queries.quality").joinpath("page.html.j2").read_text(encoding="utf-8")
    )
    told = report.conditions[:ROWS_LIMIT]
    cells = {it.symbol: it.cells for it in report.coverage}
    counts = {kind: sum(it.condition is kind for it in report.conditions) for kind in Condition}
    return template.render(
        report=report,
        name=PurePath(report.place).name or report.place,
        passes=report.passes(threshold),
        threshold=threshold,
        counts=counts,
        severities={kind: sum(it.severity is kind for it in report.findings) for kind in Severity},
        symbols=told,
        hidden=len(report.conditions) - len(told),
        hours=range(24),
        heat=[(it, [_square(it.symbol, cell) for cell in cells[it.symbol]]) for it in sorted(told, key=_by_symbol)],
        axis=axis,
        sessions=[_drawn(axis, it, report.until_ns) for it in report.sessions],
        between=[bar for it in report.sessions for bar in _after(axis, it, report.until_ns)],
        lanes=[(check, _lane(axis, _told(report, check))) for check in report.checks],
        marks=_MARKS,
        counted=counted,
    )


_by_symbol: Final = attrgetter("symbol")


def _square(symbol: str, cell: Cell) -> Square:
    hour = f"{cell.hour:02}:00 to {cell.hour + 1:02}:00"
    if not cell.expected:
        return Square(0, 0, 0, "", f"{symbol}, {hour}: not meant to be recorded", is_meant=False)
    says = (
        f"{symbol}, {hour}: {cell.active:,} s active, {cell.quiet:,} s proven quiet, {cell.unknown:,} s unknown"
        f" of {cell.expected:,} s"
    )
    return Square(
        unknown=round(100 * cell.unknown / cell.expected, 2),
        known=round(100 * (cell.unknown + cell.active) / cell.expected, 2),
        width=max(round(100 * cell.expected / 3600, 2), NARROWEST),
        label=short(cell.unknown).partition(" ")[0] if cell.unknown else "",
        says=says,
        is_meant=True,
    )


def _drawn(axis: Axis, session: Session, until_ns: int) -> tuple[Session, list[Bar]]:
    """Return a session as bars of one state each, the worst of a slice."""
    step_s = max((axis.end_ns - axis.begin_ns) // SECOND_NS // SLICES, 1)
    begin = max(session.live.begin, axis.begin_ns // SECOND_NS)
    end = min(session.live.end, axis.end_ns // SECOND_NS, until_ns // SECOND_NS + 1)
    slices = [Span(at, min(at + step_s, end)) for at in range(begin // step_s * step_s, end, step_s)]
    bars = []
    for state, run in groupby(slices, key=lambda it: _worst(session, it)):
        first, *rest = run
        from_s, to_s = max(first.begin, begin), (rest[-1] if rest else first).end
        says = f"{clock(from_s * SECOND_NS)[:8]} to {clock(to_s * SECOND_NS)[:8]}: {state}"
        x = axis.x(from_s * SECOND_NS)
        bars.append(Bar(x, round(axis.x(to_s * SECOND_NS) - x, 2), state, says))
    return session, bars


def _worst(session: Session, span: Span) -> str:
    for state in ("unknown", "active"):
        if seconds(common([span], session.states.get(state, []))):
            return state
    return "quiet"


def _after(axis: Axis, session: Session, until_ns: int) -> Iterator[Bar]:
    """Yield the time between the end of a session and the next."""
    to_ns = session.next_ns or until_ns
    if session.ending is Ending.OPEN or to_ns <= axis.begin_ns or session.end_ns >= axis.end_ns:
        return
    if session.next_ns is None and session.ending is not Ending.LOST:
        return
    kind = {Ending.LOST: "hole", Ending.ROLLOVER: "rollover"}.get(session.ending, "stopped")
    says = f"{clock(session.end_ns)} to {clock(to_ns)}: {session.words}"
    yield axis.bar(session.end_ns, to_ns, kind, shown(says))


def _told(report: Report, check: Ran) -> list[Finding]:
    """Return what a check's lane shows: its findings, of coverage the stretches that they sum up."""
    if check.name != coverage.name:
        return list(check.findings)
    summed = {it.symbol: it for it in check.findings if it.symbol is not None}
    stretches = [
        replace(found, from_ns=span.begin * SECOND_NS, to_ns=span.end * SECOND_NS, text="unknown")
        for it in report.coverage
        if (found := summed.get(it.symbol)) is not None
        for span in it.unknown
    ]
    return [*stretches, *(it for it in check.findings if it.symbol is None and it.severity is not Severity.INFO)]


def _lane(axis: Axis, told: list[Finding]) -> list[Bar]:
    """Return findings on the axis, the worst drawn last, equal ones once."""
    order = [Severity.INFO, Severity.WARNING, Severity.ERROR]
    bars = [
        axis.bar(it.from_ns, it.to_ns, it.severity.value, _pointed_at(it))
        for it in sorted(told, key=lambda it: (order.index(it.severity), it.from_ns))
    ]
    return [next(same) for _, same in groupby(bars, key=lambda it: (it.x, it.width, it.kind))]


def _pointed_at(it: Finding) -> str:
    whom = f"{it.symbol}: " if it.symbol else ""
    return shown(f"{clock(it.from_ns)} to {clock(it.to_ns)}, {whom}{it.text}")


def coded(text: str) -> Markup:
    """Return text with what stands in backticks as code, all of it escaped."""
    parts = text.split("`")
    return Markup("").join(  # Every part is escaped.
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def lasted(it: Finding) -> str:
    """Return how long a finding's bounds are apart, for people."""
    ns = it.to_ns - it.from_ns
    if ns < SECOND_NS:
        return f"{ns / 1e6:,.0f} ms"
    if ns < 60 * SECOND_NS:
        return f"{ns / 1e9:.1f} s"
    return short(ns // SECOND_NS)


def short(count: int) -> str:
    """Return seconds in the largest two units that they have."""
    if count < 60:
        return f"{count}s"
    if count < 3600:
        return f"{count // 60}m{f' {count % 60}s' if count % 60 and count < 600 else ''}"
    return f"{count // 3600}h{f' {count % 3600 // 60}m' if count % 3600 >= 60 else ''}"


def percent(share: float) -> str:
    """Return a share in per cent, rounded down, so that only the whole of it is 100 %."""
    return f"{int(share * 10_000) / 100:.2f} %" if share < 1 else "100 %"
