"""A replay played in a terminal, as a ladder: paused, stepped through, and at any speed.

Layer: queries, over frames. `Player` decides what is shown when and reads no clock; `watch` owns the terminal.
Source: design section 7, `replay`.
"""

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from queries.frames import Frame
from queries.text import number_text, shown
from queries.times import iso

HELP: Final = "space pause   n or right arrow: step   + and - speed   q quit"
SPEED_LEAST: Final = 0.001
SPEED_MOST: Final = 1e9
KEY_BYTES: Final = 32  # Of one look at the keyboard.
WAIT_S_MOST: Final = 0.25  # Between two looks at it.
BAR_WIDTH: Final = 16
_PAUSE, _STEP, _QUIT, _FASTER, _SLOWER = "pause", "step", "quit", "faster", "slower"
KEYS: Final = {
    b" ": _PAUSE,
    b"n": _STEP,
    b"\x1b[C": _STEP,  # Right arrow, as terminals send it in both of their modes.
    b"\x1bOC": _STEP,
    b"q": _QUIT,
    b"\x03": _QUIT,
    b"+": _FASTER,
    b"-": _SLOWER,
}


@dataclass(slots=True)
class Player:
    """Which frame is shown at which moment of a monotonic clock. Units: seconds; frames bear nanoseconds.

    speed: seconds of tape in one of the clock. Frames that are behind are passed over, never shown late.
    """

    frames: Iterator[Frame]
    speed: float
    paused: bool = False
    over: bool = False
    frame: Frame | None = None
    _next: Frame | None = field(init=False)
    _anchor: tuple[float, int] | None = None  # A moment of the clock, and the one of the tape that it stands for.

    def __post_init__(self) -> None:
        self._next = next(self.frames, None)

    def press(self, key: str, now_s: float) -> None:
        """Obey a key: one of KEYS' meanings."""
        if key == _QUIT:
            self.over = True
        elif key == _STEP:
            self.paused = True
            self._show_next()
        elif key == _PAUSE:
            self.paused = not self.paused
        elif key in (_FASTER, _SLOWER):
            factor = 2 if key == _FASTER else 0.5
            self.speed = min(max(self.speed * factor, SPEED_LEAST), SPEED_MOST)
        self._stand_at(now_s)

    def due(self, now_s: float) -> Frame | None:
        """Return the frame to be shown now; None before the first, and at the end the last one stays."""
        if self.frame is None:
            self._show_next()
            self._stand_at(now_s)
        while not self.paused and self._next is not None and self._to_next_ns(now_s) <= 0:
            self._show_next()
        return self.frame

    def wait_s(self, now_s: float) -> float:
        """Return how long nothing changes by itself, at most WAIT_S_MOST."""
        if self.paused or self._next is None:
            return WAIT_S_MOST
        return min(max(self._to_next_ns(now_s) / 1e9 / self.speed, 0.0), WAIT_S_MOST)

    @property
    def at_end(self) -> bool:
        """Whether there is no further frame."""
        return self._next is None

    def _stand_at(self, now_s: float) -> None:
        """Let the frame shown be that of now: from here on the tape goes on."""
        self._anchor = None if self.frame is None else (now_s, self.frame.at_ns)

    def _show_next(self) -> None:
        if self._next is not None:
            self.frame, self._next = self._next, next(self.frames, None)

    def _to_next_ns(self, now_s: float) -> float:
        """Return how much tape lies before the next frame; differences alone are floats, moments do not fit one."""
        assert self._anchor is not None, "a frame is shown, so its moment is known"
        assert self._next is not None, "there is a next frame"
        return self._next.at_ns - self._anchor[1] - (now_s - self._anchor[0]) * self.speed * 1e9


def keys(data: bytes) -> list[str]:
    """Return what the bytes of a keyboard mean, unknown ones left out."""
    found = []
    while data:
        key = next((key for key in KEYS if data.startswith(key)), None)
        if key is not None:
            found.append(KEYS[key])
        data = data[len(key or data[:1]) :]
    return found


def watch(symbol: str, frames: Iterator[Frame], depth: int, speed: float) -> None:
    """Play frames on the terminal until they or the person end it."""
    player = Player(frames, speed)
    console = Console()
    with _keyboard() as descriptor, Live(console=console, screen=True, auto_refresh=False) as live:
        while not player.over:
            frame = player.due(time.monotonic())
            if frame is None:
                return
            live.update(picture(symbol, frame, depth, player), refresh=True)
            ready, _, _ = select.select([descriptor], [], [], player.wait_s(time.monotonic()))
            for key in keys(os.read(descriptor, KEY_BYTES)) if ready else ():
                player.press(key, time.monotonic())


def picture(symbol: str, frame: Frame, depth: int, player: Player) -> Group:
    """Return one frame as it is drawn: offers above, bids below, prices meeting in the middle."""
    state = "[paused]" if player.paused else "[the end]" if player.at_end else f"x{player.speed:g}"
    head = Text.assemble((shown(symbol), "bold"), f"  {iso(frame.at_ns)}  ", (state, "bold yellow"))
    most = max((level.size for level in (*frame.bids, *frame.offers)), default=Decimal(0))
    ladder = Table(box=None, padding=(0, 1), pad_edge=False)
    for name, right in (("", True), ("bid size", True), ("price", True), ("offer size", True), ("", False)):
        ladder.add_column(name, justify="right" if right else "left", no_wrap=True)
    for place in reversed(range(depth)):
        level = frame.offers[place] if place < len(frame.offers) else None
        price, size = ("", "") if level is None else map(number_text, level)
        ladder.add_row(" " * BAR_WIDTH, "", Text(price, "red"), size, Text(_bar(level and level.size, most), "red"))
    for place in range(depth):
        level = frame.bids[place] if place < len(frame.bids) else None
        price, size = ("", "") if level is None else map(number_text, level)
        ladder.add_row(Text(_bar(level and level.size, most), "green"), size, Text(price, "green"), "", "")
    return Group(head, ladder, Text(_standing(frame)), Text(HELP, "dim"))


def _standing(frame: Frame) -> str:
    if frame.receive_ns is None:
        return "no book stands"
    age_ms = (frame.at_ns - frame.receive_ns) / 1e6
    trust = "SUSPECT" if frame.suspect else "proven" if frame.proven else "not proven"
    return f"MsgSeqNum {frame.msg_seq_num}, {age_ms:,.0f} ms old, {trust}"


def _bar(size: Decimal | None, most: Decimal) -> str:
    """Return a size as a bar, in halves of a character, the largest as long as there is room."""
    halves = int(size * 2 * BAR_WIDTH / most) if size and most else 0
    return "█" * (halves // 2) + "▌" * (halves % 2)


@contextmanager
def _keyboard() -> Iterator[int]:
    """Give the terminal's keys as they are pressed, without an echo."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
