"""Plays a file of a conversation against whom its role names: a session in either role, or the echo."""

from pathlib import Path

from conversation import OtherSide, Script, told_event
from fix import CLIENT, VENUE, framed
from session_player import SessionPlayer

from capture.venue.conversation import read
from capture.venue.echo import Echo, EchoSettings
from capture.wire.message import parse


class EchoPlayer(Script):
    """An echo and the connections of its client, each opened by the first line that bears its label."""

    def __init__(self, name: str, settings: dict[str, str]) -> None:
        super().__init__(name, settings)
        self._settings = EchoSettings(VENUE.encode(), heartbeat_s=int(settings.get("silence", 0)))
        self._connections: dict[str, tuple[Echo, OtherSide]] = {}
        self._closed: set[str] = set()

    def receive(self, label: str, rest: str) -> None:
        """The other side sends on a connection."""
        if label not in self._connections:
            echo = Echo(self._settings, lambda: [it for key, (it, _) in self._connections.items() if key != label])
            echo.opened(self.wall_ns, self.now_ns)
            self._connections[label] = echo, OtherSide(VENUE, CLIENT)
        echo, other = self._connections[label]
        echo.received(other.say(rest, self.wall_ns), self.wall_ns, self.now_ns)
        self._take(label)

    def tick(self) -> None:
        """Some time has passed."""
        for label, (echo, _) in self._connections.items():
            echo.tick(self.wall_ns, self.now_ns)
            self._take(label)

    def own(self, label: str, rest: str) -> None:
        """The owner ends a connection: `= closed`, with its label behind the sign."""
        assert rest == "closed", f"an echo's owner does nothing but close: {rest}"
        self._connections.pop(label)[0].closed(self.wall_ns)
        self._closed.discard(label)

    def _take(self, label: str) -> None:
        echo, _ = self._connections[label]
        self.sent[label].extend(parse(it.data) for it in framed(echo.take_bytes())[0])
        told, echo.happened = echo.happened, []
        self.happened[label].extend(told_event(event) for event in told)
        if echo.close_reason is not None and label not in self._closed:
            self._closed.add(label)
            self.happened[label].append(f"Close {echo.close_reason}")


def play(path: Path) -> None:
    """Play a file. Errors: Surprise."""
    settings, lines = read(path)
    player = EchoPlayer if settings.get("role") == "echo" else SessionPlayer
    with player(path.name, settings) as stage:
        stage.play(lines)
