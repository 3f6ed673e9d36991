"""A feed survives whatever a venue puts inside good frames, and a follower of it sees the same."""

from feeds import LEVELS, standing
from fix import fields, frame, listing, refresh, seal, snapshot
from hypothesis import given, settings
from hypothesis.strategies import SearchStrategy, binary, composite, integers, lists, one_of, sampled_from

TEXTS = [
    snapshot(*LEVELS),
    snapshot(),
    refresh("new bid 98.0 5", "delete offer 101.0 0", "trade 100.0 1", checksum=5),
    refresh("change bid 99.0 3"),
    listing("BTC/USD", "NEW/USD"),
    listing("BTC/USD", extra="393=2 893=N "),
    "35=Y 262=M1 281=0 58=no",
    "35=j 45=2 372=V 380=3 58=no",
    "35=3 45=2 371=55 372=V 373=1 58=no",
    "35=0 112=T1",
    "35=1 112=hello",
    "35=2 7=1 16=0",
    "35=4 123=Y 36=9",
    "35=4 123=N 36=9",
    "35=A 98=0 108=60 141=Y",
    "35=5 58=bye",
    "35=h 335=T 336=SESSION 340=2",
]
VALUES = [
    "", "0", "-1", "1", "2", "9", "127", "128", "255", "99999", "9" * 18, "9" * 19, "9" * 5000, "1e5", "1.5", "0.0",
    "0." + "0" * 20 + "1", "0." + "0" * 140 + "1", "Y", "N", "x", "BTC/USD", "ETH/USD", "M1", "M9", "é", "2349=1",
    "20260301-12:00:00.000", "00010101-00:00:00", "99991231-23:59:60", "23:59:60", "24:00:00", "KRAKEN-MD", "CLIENT",
]  # fmt: skip
TAGS = [7, 8, 9, 10, 16, 34, 35, 36, 43, 49, 52, 55, 56, 98, 108, 112, 122, 123, 141, 146, 262, 268, 269, 270, 271, 273,
        279, 281, 393, 560, 562, 893, 2349, 2446, 5010, 5022, 5032, 5041]  # fmt: skip


@composite
def messages(draw: object) -> str:
    """A good message with some of its fields changed, added or left out."""
    assert callable(draw)
    parts = [(str(tag), value) for tag, value in fields(draw(sampled_from(TEXTS)))]
    for _ in range(draw(integers(0, 3))):
        place = draw(integers(1, len(parts)))
        tag = str(draw(sampled_from(TAGS)))
        value = draw(sampled_from(VALUES))
        match draw(sampled_from(["change", "add", "leave out"])):
            case "change" if place < len(parts):
                parts[place] = (parts[place][0], value)
            case "leave out" if place < len(parts):
                del parts[place]
            case _ if tag not in {"9", "35"} or value.isdigit():
                parts.insert(place, (tag, value))
    return "|".join(f"{tag}={value}" for tag, value in parts)


def bodies() -> SearchStrategy[bytes]:
    """Anything at all behind a MsgType."""
    return binary(max_size=40).map(lambda it: b"35=X\x0134=4\x01" + it)


@settings(deadline=None, max_examples=200)
@given(texts=lists(one_of(messages(), bodies()), max_size=8))
def test_nothing_that_a_venue_says_ends_a_feed(texts: list[str | bytes]) -> None:
    """Each message ends as rows or as an event, never as an exception; a follower's rows are the same."""
    play = standing()

    for text in texts:
        if isinstance(text, bytes):
            play.bytes(seal(text))
            continue
        try:
            data = frame(text, seq=play.session.inbound.expected, at_ns=play.now_ns)
        except ValueError:
            continue  # A BodyLength that is no number cannot be written by the helper.
        play.bytes(data)
        play.after(0.1)
    play.close()

    assert play.rows("events")[-1]["kind"] == "disconnect"
