"""Plays conversations against a session, with a follower of it beside that is told the same facts.

Left to others: the language (`conversation`), the disk of a session that is durable (`session_disk`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from conversation import OtherSide, Script, told_delivery, told_event
from fix import CLIENT, SECOND, VENUE, fields, framed
from session_disk import Disk

from capture.backoff import Backoff, ending_of
from capture.session.events import LoggedOn, LogonRefused
from capture.session.intake import Intake
from capture.session.rollover_window import RolloverWindow
from capture.session.session import Delivery, Role, Session, SessionSettings
from capture.wire.message import parse


class Died(Exception):
    """The process ends here, as the conversation says."""


class SessionPlayer(Script):
    """One session, its clock, and the follower that is told the same facts; a context manager."""

    def __init__(self, name: str, settings: dict[str, str]) -> None:
        super().__init__(name, settings)
        acceptor = settings.get("role") == "acceptor"
        us, them = (VENUE, CLIENT) if acceptor else (CLIENT, VENUE)
        self._agreed = SessionSettings(
            Role.ACCEPTOR if acceptor else Role.INITIATOR,
            sender=us.encode(),
            target=them.encode(),
            heartbeat_s=int(settings.get("heartbeat", 60)),
            reset=settings.get("reset") != "no",
            strict_time="strict_time" in settings,
            strict_content="strict_content" in settings,
            refuse_silently="refuse_silently" in settings,
            resent_types=None if "resend" in settings else frozenset(),
            resend_span=int(settings.get("resend_span", 0)),
            test_req_id=settings.get("test_req_id", "").encode(),
            silence_s_limit=int(settings.get("silence", 0)),
            hold_unsent="hold_unsent" in settings,
            prove_numbers="prove_numbers" in settings,
            next_expected="next_expected" in settings,
            rollover=_window(settings),
            supported=frozenset(settings["supported"].encode().split()) if "supported" in settings else None,
        )
        self._disk = Disk(f"{us}@{them}") if "durable" in settings else None
        self._dies_at = ""
        self._dead = False
        self._backoff = Backoff(lambda _low, _high: 1.0) if "backoff" in settings else None
        self._venue_away = False
        self._opened_ns, self._connect_ns = 0, None
        self._logged_on, self._refusal = False, None
        self._facts: tuple[list[object], list[object]] = ([], [])
        self._other = OtherSide(us, them)
        self._begin()
        self._opened()

    def __exit__(self, *_: object) -> None:
        if self._disk is not None:
            self._disk.vanish()

    def play(self, lines: list[tuple[int, str]]) -> None:
        """Play the lines; raise Surprise at the first that does not come true."""
        super().play(lines)
        assert self._facts[0] == self._facts[1], f"{self.name}: a follower saw other facts"

    # What moves the session.

    def receive(self, label: str, rest: str) -> None:
        """The other side sends."""
        assert not label, "a session has one connection"
        data = self._other.say(rest, self.wall_ns)
        with self._mortal():
            for message in self._intake.messages(data, self.now_ns):
                for session, facts in self._both():
                    delivered = session.receive(message, self.wall_ns, self.now_ns)
                    self._take_events(session, facts)
                    for delivery in delivered:
                        facts.append(delivery)
                        if session is self.session:
                            self.happened[""].append(told_delivery(delivery))
                self._may_die("received")
                # An initiator flushes after each read, a venue after each message.
                if self._agreed.role is Role.ACCEPTOR:
                    self._answer()
            self._answer()

    def tick(self) -> None:
        """Some time has passed."""
        with self._mortal():
            if not self._dead and self._connect_ns is None:
                self.session.tick(self.now_ns, self.wall_ns)
                self._flush()
        if self._connect_ns is not None and self.now_ns >= self._connect_ns:
            self._connect_ns = None
            self._wait() if self._venue_away else self._opened()

    def own(self, label: str, rest: str) -> None:
        """The owner does something, or something happens to it."""
        assert not label, "a session has one connection"
        what, _, rest = rest.partition(" ")
        with self._mortal():
            getattr(self, f"_own_{what}")(rest)
            if not self._dead:
                self._flush()

    def _own_log_out(self, text: str) -> None:
        self.session.log_out(text)

    def _own_send(self, text: str) -> None:
        (_, msg_type), *body = fields(text)
        self.session.send(msg_type.encode(), tuple((tag, value.encode()) for tag, value in body))

    def _own_reset_numbers(self, _: str) -> None:
        self.session.reset_numbers()

    def _own_refuse(self, rest: str) -> None:
        """The application refuses what it was handed last."""
        reason, _, why = rest.partition(" ")
        last = [it for it in self._facts[0] if isinstance(it, Delivery)][-1]
        for session, facts in self._both():
            session.refuse(last.message, int(reason), why)
            self._take_events(session, facts)

    def _own_stall(self, span: str) -> None:
        """The process stood still: the clock went on, nothing was done."""
        self.now_ns += round(float(span.removesuffix("s")) * SECOND)
        self.session.tick(self.now_ns, self.wall_ns)

    def _own_closed(self, _: str) -> None:
        for session, facts in self._both():
            session.closed(self.wall_ns)
            self._take_events(session, facts)
        if self._backoff is not None:
            self._wait()

    def _own_opened(self, _: str) -> None:
        self._opened()

    def _own_away(self, _: str) -> None:
        """From now on no connection is to be had."""
        self._venue_away = True

    def _own_back(self, _: str) -> None:
        self._venue_away = False

    # The process and its disk.

    def _own_kill(self, _: str) -> None:
        raise Died

    def _own_kill_at(self, step: str) -> None:
        self._dies_at = step

    def _own_disk(self, state: str) -> None:
        assert self._disk is not None, "only a session that is durable has a disk"
        self._disk.become(state)

    def _own_restart(self, _: str) -> None:
        assert self._dead, "kill it first"
        self._begin()
        self._opened(counting_on=True)

    def _may_die(self, step: str) -> None:
        if self._dies_at == step:
            self._dies_at = ""
            raise Died

    @contextmanager
    def _mortal(self) -> Iterator[None]:
        """Within it the process may die: what is not on the disk is gone."""
        try:
            yield
        except Died:
            self._dead = True
            self.happened[""].append("Died")
            if self._disk is not None:
                self._disk.close()

    def _begin(self) -> None:
        """Begin a process, with what the disk says."""
        self._dead = False
        store, copy = (None, None) if self._disk is None else self._disk.open()
        self.session = Session(self._agreed, store)
        self._follower = Session(replace(self._agreed, answers=False), copy)

    def _opened(self, *, counting_on: bool = False) -> None:
        """Have a connection. counting_on: the other side goes on with its own numbers, whatever we think of them."""
        self._intake = Intake(self)
        self._close_reason: str | None = None
        self._opened_ns, self._logged_on, self._refusal = self.now_ns, False, None
        for session, _ in self._both():
            session.opened(self.now_ns, self.wall_ns)
        if self.session.resets:
            self._other.next_out = 1
        elif not counting_on:
            self._other.next_out = self.session.inbound.expected
        self._flush()

    def _wait(self) -> None:
        """Wait as long as the back-off says, then connect again."""
        assert self._backoff is not None, "a conversation about it says so: backoff"
        window = self._agreed.rollover
        rolling_over = window is not None and window.moment(self.wall_ns) is not None
        ending = ending_of(logged_on=self._logged_on, refusal=self._refusal, rolling_over=rolling_over)
        delay_s = self._backoff.after(ending, (self.now_ns - self._opened_ns) / SECOND)
        self._connect_ns = self.now_ns + round(delay_s * SECOND)
        self._logged_on, self._refusal = False, None
        self.happened[""].append(f"Waiting seconds={delay_s:g}")

    # What the intake tells.

    def ignored(self, reason: str, mono_ns: int) -> None:
        """A frame is no message."""
        for session, facts in self._both():
            session.ignored(reason, mono_ns)
            self._take_events(session, facts)

    def overrun(self, text: str) -> None:
        """A frame is past the limit."""
        for session, facts in self._both():
            session.overrun(text)
            self._take_events(session, facts)

    # What comes of it.

    def _both(self) -> list[tuple[Session, list[object]]]:
        return list(zip((self.session, self._follower), self._facts, strict=True))

    def _answer(self) -> None:
        self._flush()
        self._may_die("answered")
        self.session.handled()
        self._take_events(self.session, self._facts[0])

    def _flush(self) -> None:
        self._take_events(self.session, self._facts[0])
        while (data := self.session.next_frame(self.wall_ns)) is not None:
            self._may_die("stored")
            frames, skipped = framed(data)
            assert not skipped, "what we send is framed well"
            message = parse(frames[0].data)
            self.sent[""].append(message)
            for session, facts in self._both():
                session.sent(message, self.now_ns)
                self._take_events(session, facts)
            self._may_die("sent")
        self._take_events(self.session, self._facts[0])
        reason = self.session.close_reason
        if reason is not None and reason != self._close_reason:
            self.happened[""].append(f"Close {reason}")
        self._close_reason = reason

    def _take_events(self, session: Session, facts: list[object]) -> None:
        for event in session.take_events():
            if type(event).__name__ != "StoreFailed":  # A follower has no store.
                facts.append(event)
            if session is self.session:
                self.happened[""].append(told_event(event))
                self._logged_on = self._logged_on or isinstance(event, LoggedOn)
                if isinstance(event, LogonRefused):
                    self._refusal = event.text


def _window(settings: dict[str, str]) -> RolloverWindow | None:
    """Return the roll-over at 22:00:00, by a Logon that says so or, where it is `daily`, that does not."""
    if "rollover" not in settings:
        return None
    return RolloverWindow(reset_flag=settings["rollover"] != "daily")
