"""The echo: what comes back, what does not, and one connection for each name."""

import asyncio

from fix import SECOND, T0, fields, frame, framed

from capture import clock
from capture.venue.echo import Echo, EchoSettings
from capture.venue.echo_server import EchoServer
from capture.wire.message import Message, parse

ORDER = "35=D 11=ID1 21=1 40=1 54=1 55=INTC 60=20260301-12:00:00.000"


class Play:
    """One connection to an echo."""

    def __init__(self, **settings: object) -> None:
        self.echo = Echo(EchoSettings(b"ISLD", **settings))  # type: ignore[arg-type]
        self.echo.opened(T0, 0)
        self._next = 1

    def say(self, text: str, **header: object) -> list[Message]:
        """Say something; return what comes back."""
        data = frame(text, **{"seq": self._next, "sender": "TW44", "target": "ISLD", **header})  # type: ignore[arg-type]
        self._next += 1
        self.echo.received(data, T0, 0)
        return [parse(it.data) for it in framed(self.echo.take_bytes())[0]]


def logged_on(**settings: object) -> Play:
    """A connection after both Logons."""
    play = Play(**settings)
    (logon,) = play.say("35=A 98=0 108=30")
    assert logon.msg_type == b"A"
    assert logon.get(141) is None
    return play


def test_order_comes_back_as_it_was() -> None:
    """Every field below the header stands in the answer."""
    (back,) = logged_on().say(ORDER)

    told = [(tag, value.decode()) for tag, value in back.fields if tag not in {8, 9, 34, 49, 52, 56, 10}]
    assert told == fields(ORDER)


def test_definition_with_an_empty_group_comes_back() -> None:
    """A count of zero is an empty group, and is sent back as one."""
    (back,) = logged_on().say("35=d 320=r 322=s 323=4 55=INTC 555=0")

    assert back.get(555) == b"0"


def test_possible_resend_of_a_known_order_is_dropped() -> None:
    """97=Y with a ClOrdID seen before is dropped; with another it comes back, marked."""
    play = logged_on()
    play.say(ORDER)

    assert play.say(ORDER.replace("35=D", "35=D 97=Y")) == []
    (back,) = play.say(ORDER.replace("35=D", "35=D 97=Y").replace("ID1", "ID2"))
    assert (back.get(97), back.get(11)) == (b"Y", b"ID2")


def test_other_types_are_unsupported_or_invalid() -> None:
    """A type of FIX 4.4 is refused by 35=j, one of no version by 35=3."""
    play = logged_on()

    assert [it.get(380) for it in play.say("35=AE 571=1")] == [b"3"]
    assert [it.get(373) for it in play.say("35=ZZ")] == [b"11"]


def test_orders_go_again_when_asked_for() -> None:
    """A ResendRequest gets the Logon filled over and the orders again."""
    play = logged_on()
    play.say(ORDER)

    answer = play.say("35=2 7=1 16=0")

    assert [(it.msg_type, it.get(34), it.get(43)) for it in answer] == [(b"4", b"1", b"Y"), (b"D", b"2", b"Y")]


def test_refusal_can_be_silent() -> None:
    """An invalid Logon is answered by a Logout, or by nothing where so set."""
    loud, silent = Play(), Play(refuse_silently=True)

    assert [it.msg_type for it in loud.say("35=A 98=1 108=30")] == [b"5"]
    assert silent.say("35=A 98=1 108=30") == []
    assert silent.echo.close_reason is not None


def test_silence_is_tested_by_the_text_given() -> None:
    """Some definitions want their TestReqID spelled as they do."""
    play = logged_on(test_req_id=b"TEST")

    play.echo.tick(T0 + 37 * SECOND, 37 * SECOND)

    (test,) = framed(play.echo.take_bytes())[0]
    assert parse(test.data).get(112) == b"TEST"


def test_second_connection_of_a_name_is_dropped_and_the_first_goes_on() -> None:
    """A message to the newcomer would use a number of the session that lives (LON-17)."""

    async def main() -> tuple[bytes, bytes, bytes]:
        async with EchoServer(EchoSettings(b"ISLD")) as server:
            first, second = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
            logon = frame("35=A 98=0 108=30", sender="TW44", target="ISLD", at_ns=clock.read().wall_ns)
            first[1].write(logon)
            answered = await first[0].readuntil(b"\x0110=")
            await first[0].readuntil(b"\x01")
            second[1].write(logon)
            dropped = await second[0].read()
            first[1].write(frame("35=1 112=HI", seq=2, sender="TW44", target="ISLD", at_ns=clock.read().wall_ns))
            alive = await first[0].readuntil(b"112=HI\x01")
            for _, writer in (first, second):
                writer.close()
                await writer.wait_closed()
        return answered, dropped, alive

    answered, dropped, alive = asyncio.run(main())

    assert b"\x0135=A\x01" in answered
    assert dropped == b""
    assert b"\x0135=0\x01" in alive
