"""A client that speaks to an acceptor directly: text out, messages back, time as an argument."""

from fix import CLIENT, T0, VENUE, frame

from capture.venue.acceptor import FAST, Acceptor
from capture.venue.settings import VenueSettings
from capture.wire.framer import Frame, Framer
from capture.wire.message import Message, parse


class Peer:
    """One connection to a venue."""

    def __init__(self, source, *, settings=None, listing=None, register=None, log_on=True, at_ns=T0, **switches):
        self.acceptor = Acceptor(source, settings or VenueSettings(**{"speed": FAST, **switches}), listing, register)
        self.framer = Framer()
        self.seq = 0
        self.now_ns = at_ns
        self.acceptor.opened(self.now_ns, 0)
        self.log = self.say("35=A 98=0 108=60 141=Y") if log_on else []

    @property
    def mono_ns(self):
        """Monotonic time, from zero."""
        return self.now_ns - T0

    def messages(self, frames):
        """Frames as messages; each must be one by the framer's rules."""
        items = list(self.framer.feed(b"".join(frames)))
        assert all(isinstance(it, Frame) for it in items), items
        return [parse(it.data) for it in items]

    def say(self, text):
        """Send a message; return what is answered."""
        self.acceptor.received(self.frame(text), self.now_ns, self.mono_ns)
        return self.messages(self.acceptor.take_frames())

    def frame(self, text):
        """The next message as bytes."""
        self.seq += 1
        return frame(text, seq=self.seq, sender=CLIENT, target=VENUE, at_ns=self.now_ns)

    def pushed(self):
        """What the venue says without being asked."""
        return self.messages(self.acceptor.take_frames())

    def play(self, count):
        """Up to so many messages of market data."""
        return self.messages(self.acceptor.playback(self.now_ns, self.mono_ns, count_limit=count))

    def pass_by(self, seconds):
        """Time passes; return what the venue says."""
        self.now_ns += int(seconds * 1e9)
        self.acceptor.tick(self.now_ns, self.mono_ns)
        return self.pushed()


def told(message: Message) -> str:
    """A message without its header, framing and times, as text."""
    skipped = {8, 9, 10, 34, 49, 52, 56, 322}
    return " ".join(f"{tag}={value.decode()}" for tag, value in message.fields if tag not in skipped)
