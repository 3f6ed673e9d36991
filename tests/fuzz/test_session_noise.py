"""Messages of any kind in any order: the session never fails, what it says is whole, and its follower agrees."""

from dataclasses import replace

from fix import CLIENT, SECOND, T0, VENUE, framed, seal
from hypothesis import given, settings
from hypothesis.strategies import booleans, integers, just, lists, one_of, sampled_from, tuples

from capture.errors import MessageGarbled
from capture.session.rollover_window import KRAKEN_ROLLOVER
from capture.session.session import Role, Session, SessionSettings
from capture.session.store import RecentFrames
from capture.wire.message import parse
from capture.wire.values import timestamp_text

TYPES = ["0", "1", "2", "3", "4", "5", "A", "X", "D", "V", "ZZ", ""]
_TAGS = "0 -1 7 16 34 36 43 49 52 56 58 97 98 108 112 115 122 123 141 146 267 268 269 55 789 9999"
TAGS = [int(tag) for tag in _TAGS.split()]
VALUES = ["", "0", "1", "2", "3", "9", "Y", "N", "x", "-1", "99999999999999999999", "20260301-12:00:00.000", "CLIENT"]
HEADERS = ["", "34", "49", "52", "56"]
messages = tuples(
    sampled_from(TYPES),
    integers(-2, 4),  # From the expected number.
    sampled_from(HEADERS),  # Left out.
    lists(tuples(sampled_from(TAGS), sampled_from(VALUES)), max_size=5),
)
steps = lists(
    one_of(messages, just("closed"), just("tick"), just("log_out"), just("reset"), just("restart")), max_size=30
)


def copied(store: RecentFrames) -> RecentFrames:
    """The numbers of a store, for a follower."""
    copy = RecentFrames()
    copy.next_out, copy.expected, copy.day = store.next_out, store.expected, store.day
    return copy


@settings(max_examples=300, deadline=None)
@given(steps=steps, acceptor=booleans(), strict=booleans(), hours=sampled_from([0.0, 9.997, 10.0]))
def test_session_survives_anything(  # noqa: C901 - one case for each kind of step
    steps: list, acceptor: bool, strict: bool, hours: float
) -> None:
    """No error leaves the session, and a follower that is told the same facts sees the same."""
    us, them = (VENUE, CLIENT) if acceptor else (CLIENT, VENUE)
    agreed = SessionSettings(
        Role.ACCEPTOR if acceptor else Role.INITIATOR,
        us.encode(),
        them.encode(),
        reset=not strict,
        strict_time=strict,
        strict_content=strict,
        next_expected=strict,
        resent_types=None,
        supported=frozenset({b"D", b"X"}) if strict else None,
        rollover=KRAKEN_ROLLOVER,
    )
    store = RecentFrames()
    sessions = (Session(agreed, store), Session(replace(agreed, answers=False)))
    facts: tuple[list, list] = ([], [])
    mono_ns, begin_ns = 0, T0 + round(hours * 3600) * SECOND

    def flush() -> None:
        collect()
        while (data := sessions[0].next_frame(begin_ns + mono_ns)) is not None:
            frames, skipped = framed(data)
            assert len(frames) == 1
            assert not skipped
            for session in sessions:
                session.sent(parse(data), mono_ns)
            collect()

    def collect() -> None:
        for session, told in zip(sessions, facts, strict=True):
            told.extend(session.take_events())

    def opened() -> None:
        for session in sessions:
            session.opened(mono_ns, begin_ns + mono_ns)
        flush()

    opened()
    logon = ("A", 0, "", [(98, "0"), (108, "30"), (141, "Y")])
    for step in [logon, *steps]:
        match step:
            case "closed":
                for session in sessions:
                    session.closed(begin_ns + mono_ns)
                opened()
            case "restart":  # What a process that is killed leaves is its store.
                sessions = (Session(agreed, store), Session(replace(agreed, answers=False), copied(store)))
                opened()
            case "tick":
                mono_ns += 11 * SECOND
                sessions[0].tick(mono_ns, begin_ns + mono_ns)
            case "log_out":
                sessions[0].log_out("bye")
            case "reset":
                if sessions[0].state.value == "active":
                    sessions[0].reset_numbers()
            case (kind, offset, left_out, body):
                number = 1 if kind == "A" else max(0, sessions[0].inbound.expected + offset)
                header = {34: str(number), 49: them, 52: timestamp_text(begin_ns + mono_ns).decode(), 56: us}
                given_fields = [(35, kind), *((t, v) for t, v in header.items() if str(t) != left_out), *body]
                data = seal("".join(f"{tag}={value}\x01" for tag, value in given_fields).encode())
                try:
                    message = parse(data)
                except MessageGarbled:
                    continue
                for session, told in zip(sessions, facts, strict=True):
                    told.extend(session.receive(message, begin_ns + mono_ns, mono_ns))
                    told.extend(session.take_events())
        flush()
        sessions[0].handled()
        if acceptor and sessions[0].close_reason is not None:  # An acceptor hears nothing after it closed.
            for session in sessions:
                session.closed(begin_ns + mono_ns)
            opened()

    assert facts[0] == facts[1]
    assert sessions[0].state is sessions[1].state
    assert (sessions[0].next_out, sessions[0].inbound.expected) == (sessions[1].next_out, sessions[1].inbound.expected)
