"""Facts in, rows and findings out: each kind of row, lists and refusals, and the life of a session."""

import pytest
from feeds import LEVELS, LIST, FeedPlay, flags, standing
from fix import SECOND, T0, frame, listing, refresh, seal, snapshot

from capture.columns import Action, Flag, Proof, Verdict
from capture.findings import BookSuspect, InstrumentsListed, ListFailed, SubscriptionRejected
from capture.session.states import State


@pytest.fixture
def play() -> FeedPlay:
    """A feed with one subscription whose snapshot is in."""
    return standing()


def test_garbled_message_is_told_and_its_number_missing(play: FeedPlay) -> None:
    """A wrong CheckSum, or a field that is none, is an event; the next good message reveals the gap."""
    play.bytes(frame(snapshot(*LEVELS) + " 10=000", seq=4), frame("35=0", seq=6))
    play.bytes(seal(b"35=X\x01nonsense\x01"))

    reasons = [row["text"].partition(" (")[0] for row in play.events("garbled")]
    assert (
        reasons == ["CheckSum(10) is wrong", "garbled message: a field is not tag=value: b'nonsense'"][:1] + reasons[1:]
    )
    assert "a field is not tag=value" in reasons[1]
    assert [row["count"] for row in play.events("gap")] == [2]


def test_trades_are_rows_of_their_own(play: FeedPlay) -> None:
    """Trades bear their id, taker and order type, the place in their message, and no checksum."""
    play.venue(refresh("trade 100.0 1", "new bid 98.0 5", "trade 100.5 2"))

    first, second = play.rows("trades")
    assert (first["entry_index"], second["entry_index"]) == (0, 2)
    assert (first["entry_id"], first["aggressor_side"], first["order_type"]) == ("T100.0", 1, 2)
    assert (flags(first), flags(second)) == (Flag(0), Flag.LAST_ENTRY)
    assert first["proof"] == Proof.SEQUENCE | Proof.INVARIANTS
    assert play.rows("messages")[-1]["entries"] == 3


def test_local_cut_is_a_row(play: FeedPlay) -> None:
    """A level pushed out of the depth is a row without an entry, after the entries of its message."""
    play.subscribe("M2", "ETH/USD")
    deep = [f"bid {price}.0 1" for price in range(50, 60)]
    play.venue(snapshot(*deep, symbol="ETH/USD", md_req_id="M2"))
    play.venue(refresh("new bid 60.0 2", symbol="ETH/USD", md_req_id="M2"))

    entry, cut = play.rows("book_changes")[-2:]
    assert (cut["entry_index"], cut["action"], cut["price"]) == (-1, Action.EVICT, 500)
    assert (cut["size"], cut["remaining_size"], cut["entry_ms"]) == (0, 10**8, None)
    assert (flags(entry), flags(cut)) == (Flag(0), Flag.LAST_ENTRY)


def test_empty_snapshot_is_one_row_of_nulls(play: FeedPlay) -> None:
    """A cleared book is told by one row without side, price and size."""
    play.venue(snapshot())

    row = play.rows("book_changes")[-1]
    assert (row["action"], row["side"], row["price"], row["size"]) == (Action.CLEAR, -1, None, None)


def test_rejected_subscription_is_told(play: FeedPlay) -> None:
    """A reject is an event with its reason and text under the symbol that the venue does not name."""
    play.subscribe("M2", "ETH/USD")
    play.venue("35=Y 262=M2 281=5 58=Unsupported market depth: 10")

    (event,) = play.events("subscription_rejected")
    assert (event["symbol"], event["received"], event["text"]) == ("ETH/USD", "5", "Unsupported market depth: 10")
    assert play.found(SubscriptionRejected) == [
        SubscriptionRejected("ETH/USD", "M2", "5", "Unsupported market depth: 10")
    ]
    assert list(play.feed.by_symbol) == ["BTC/USD"]


def test_reject_of_a_live_subscription_does_not_end_it(play: FeedPlay) -> None:
    """A reject that names a subscription whose book stands leaves it."""
    play.venue("35=Y 262=M1 281=1 58=Duplicate MDReqID")
    play.venue(play.proven("new bid 98.0 5"))

    assert play.rows("messages")[-1]["verdict"] == Verdict.VERIFIED


def test_list_in_fragments_is_one_list() -> None:
    """Instruments become rows as they come, and the list is told when it is whole."""
    play = FeedPlay()
    play.open()
    play.venue(listing("A/B", extra="393=2 893=N "))
    assert play.found(InstrumentsListed) == []

    play.venue(listing("C/D", extra="393=2 893=Y "))

    assert play.found(InstrumentsListed) == [InstrumentsListed(("A/B", "C/D"))]
    assert [row["symbol"] for row in play.rows("instruments")] == ["A/B", "C/D"]
    assert [row["count"] for row in play.events("instruments")] == [2]


def test_refused_list_is_told() -> None:
    """A list that the venue refuses is an event and a finding."""
    play = FeedPlay()
    play.open()
    play.venue("35=y 320=L1 560=4 58=try later")

    assert len(play.found(ListFailed)) == 1
    assert "try later" in play.events("malformed")[0]["text"]


def test_malformed_instrument_is_told_and_the_others_are_taken() -> None:
    """One bad entry of the list is an event under its symbol."""
    play = FeedPlay()
    play.open()
    play.venue(listing("A/B", "C/D").replace("55=A/B 562=0.00000001 5010=8", "55=A/B 562=0.00000001 5010=x"))

    assert [row["symbol"] for row in play.events("malformed")] == ["A/B"]
    assert list(play.feed.instruments) == ["C/D"]


def test_disconnect_marks_from_the_last_good_message_and_the_next_session_heals(play: FeedPlay) -> None:
    """A book's hole lasts from its last good message to the snapshot of the next session."""
    good = play.after(1)
    play.venue(play.proven("new bid 98.0 5"))
    play.after(10)
    play.close()
    play.after(5)
    play.open(listed=LIST)
    play.subscribe("M1")
    back = play.after(1)
    play.venue(snapshot(*LEVELS))

    (event,) = play.events("healed")
    assert (event["from_ns"], event["to_ns"]) == (good, back)
    sessions = {row["session_id"] for row in play.rows("book_changes")}
    assert len(sessions) == 2


def test_message_cut_by_the_end_is_told_and_forgotten(play: FeedPlay) -> None:
    """Half a message is an event at the end of its connection; the next one begins clean."""
    play.bytes(frame(snapshot(*LEVELS), seq=4)[:-9])
    play.close()
    play.open()

    (event,) = play.events("garbled")
    assert event["text"] == "the connection ended within a message"
    assert play.session.inbound.expected == 2


def test_frame_over_the_limit_ends_the_session(play: FeedPlay) -> None:
    """A claim of more than the limit is a violation and a Logout; whatever comes after it is not read."""
    play.bytes(seal(b"35=0\x01", length=2**24 + 1), frame("35=0", seq=4))

    (event,) = play.events("violation")
    assert event["text"] == f"BodyLength(9) is {2**24 + 1}, the limit is {2**24}"
    assert play.session.state is State.LOGOUT_SENT
    assert play.events("heartbeat") == []


def test_message_row_says_where_its_bytes_are(play: FeedPlay) -> None:
    """A message's place is the journal block that holds its first byte, however it was cut."""
    whole = frame(refresh("new bid 98.0 5"), seq=4) + frame(refresh("new bid 97.0 5"), seq=5)
    before = play._received
    play.bytes(whole[:50], whole[50:60], whole[60:-20], whole[-20:])

    first, second = play.rows("messages")[-2:]
    assert first["segment_offset"] == before
    assert second["segment_offset"] == before + 60
    assert first["bytes"] + second["bytes"] == len(whole)
    assert play.feed._places == []


def test_session_s_life_is_in_the_events(play: FeedPlay) -> None:
    """Connect, logon, requests, heartbeats, logout and disconnect are rows, each with its number."""
    play.venue("35=0 112=T1")
    play.venue("35=5 58=rollover")
    play.close("closed by the venue")

    kinds = [row["kind"] for row in play.rows("events")]
    assert kinds == ["connect", "logon", "instruments", "subscribe", "snapshot", "heartbeat", "logout", "disconnect"]
    heartbeat = play.events("heartbeat")[0]
    assert (heartbeat["msg_seq_num"], heartbeat["text"]) == (4, "T1")
    assert play.events("logout")[0]["text"] == "rollover"
    assert play.events("connect")[0]["text"] == "venue.example 10.0.0.2:4000 TLSv1.3"


def test_unknown_message_is_an_event(play: FeedPlay) -> None:
    """A message of another kind, or a business reject, is told with its type and text."""
    play.venue("35=f 335=T", "35=j 45=3 372=V 380=3 58=Unsupported message type")

    assert [row["text"] for row in play.events("unknown_message", "reject")] == [
        "35=f",
        "35=j Unsupported message type",
    ]


def test_note_is_an_event(play: FeedPlay) -> None:
    """What a recorder found outside the stream is kept beside it."""
    play._each("noted", play.now_ns, "lag", "3 s behind")

    (event,) = play.events("note")
    assert (event["expected"], event["text"]) == ("lag", "3 s behind")


def test_lag_is_measured(play: FeedPlay) -> None:
    """The distance from SendingTime to the read is kept for whoever watches."""
    data = frame(refresh("new bid 98.0 5"), seq=4, at_ns=play.now_ns - SECOND // 4)
    play.bytes(data)

    assert play.feed.counters.last_sending_lag_ms == 250


def test_rows_of_a_message_whose_time_is_off_say_so(play: FeedPlay) -> None:
    """SendingTime too far from the read is an event, and a flag on the rows, which are kept as they came."""
    data = frame(refresh("new bid 98.0 5"), seq=4, at_ns=play.now_ns - 121 * SECOND)
    play.bytes(data)

    assert flags(play.rows("book_changes")[-1]) & Flag.BAD_TIME
    assert flags(play.rows("messages")[-1]) & Flag.BAD_TIME
    assert [event["count"] for event in play.events("time_off")] == [-121_000]


# What is missing and comes again.

PROVEN = Proof.SEQUENCE | Proof.CHECKSUM | Proof.INVARIANTS


def in_a_row(play: FeedPlay, *entries: str) -> list[str]:
    """Return one refresh for each entry, each with the checksum that is right after those before it."""
    sums = [play.proven(*entries[: count + 1]).rpartition("5041=")[2] for count in range(len(entries))]
    return [refresh(entry, checksum=value) for entry, value in zip(entries, sums, strict=True)]


def test_what_is_sent_again_goes_on_where_the_book_stood(play: FeedPlay) -> None:
    """Replayed messages are applied and verified in their turn, marked as such; nothing is there twice or asked for."""
    good = play.after(1)
    first, lost, also_lost, kept = in_a_row(
        play, "new bid 98.0 5", "new bid 97.0 5", "delete bid 98.0 0", "new bid 96.0 1"
    )
    play.venue(first)
    play.after(1)
    play.venue(kept, seq=7)
    marked = play.feed.books_proven
    healed = play.after(1)

    for text, seq in ((lost, 5), (also_lost, 6), (kept, 7)):
        play.venue(f"{text} 43=Y", seq=seq)

    before, recovered, also_recovered, held = play.rows("book_changes")[4:]
    assert [row["msg_seq_num"] for row in (before, recovered, also_recovered, held)] == [4, 5, 6, 7]
    assert {row["proof"] for row in (before, recovered, also_recovered, held)} == {PROVEN}
    again = Flag.RECOVERED | Flag.POSSIBLE_DUPLICATE | Flag.LAST_ENTRY
    assert [flags(it) for it in (recovered, also_recovered, held)] == [again, again, Flag.LAST_ENTRY]
    assert [flags(it) for it in play.rows("messages")[-3:]] == [again & ~Flag.LAST_ENTRY] * 2 + [Flag(0)]
    book = play.feed.by_symbol["BTC/USD"].book
    assert book is not None
    assert [it.price for it in book.bids.levels()] == [1000, 990, 970, 960]
    assert (marked, play.feed.books_proven, play.feed.counters.verified) == (0, 1, 4)
    assert play.found(BookSuspect) == []
    (suspect,), (event,) = play.events("suspect"), play.events("healed")
    assert (suspect["from_ns"], suspect["text"]) == (good, "MsgSeqNum 5 to 6 are missing")
    assert (event["from_ns"], event["to_ns"], event["text"]) == (good, healed, "by resend")
    assert [row["text"].partition(" (")[0] for row in play.events("garbled")] == ["possible duplicate of MsgSeqNum 7"]


def test_book_without_a_message_in_the_gap_stands_again_with_the_others(play: FeedPlay) -> None:
    """Every number is accounted for, so a symbol that none of them was about has lost nothing."""
    play.subscribe("M2", "ETH/USD")
    play.venue(snapshot("bid 10.0 1", symbol="ETH/USD", md_req_id="M2"))
    text = play.proven("new bid 98.0 5")
    play.venue("35=0", seq=6)
    play.after(1)
    play.venue(f"{text} 43=Y", seq=5)

    assert {(row["symbol"], row["from_ns"], row["text"]) for row in play.events("healed")} == {
        ("BTC/USD", T0, "by resend"),
        ("ETH/USD", T0, "by resend"),
    }
    assert play.found(BookSuspect) == []


def test_what_is_sent_again_and_does_not_agree_is_a_mismatch(play: FeedPlay) -> None:
    """A replay is believed no more than anything else: the hole lasts from before the gap to the new snapshot."""
    good = play.after(1)
    play.venue(play.proven("new bid 98.0 5"))
    play.after(1)
    play.venue("35=0", seq=6)
    play.after(1)
    play.venue(refresh("new bid 97.0 5", checksum=5) + " 43=Y", seq=5)

    assert [it.symbol for it in play.found(BookSuspect)] == ["BTC/USD"]
    assert play.events("healed") == []
    (mismatch,) = play.events("mismatch")
    assert (mismatch["from_ns"], mismatch["to_ns"]) == (good, play.now_ns)

    play.subscribe("M2")
    healed = play.after(1)
    play.venue(snapshot(*LEVELS, md_req_id="M2"))

    (event,) = play.events("healed")
    assert (event["from_ns"], event["to_ns"], event["text"]) == (good, healed, None)


def test_gap_that_is_filled_over_stays_a_hole(play: FeedPlay) -> None:
    """Of a range that comes half again and half filled over, the half is applied, then the books wait for snapshots."""
    good = play.after(1)
    first, again, _, after = in_a_row(play, "new bid 98.0 5", "new bid 97.0 5", "new bid 95.0 1", "delete bid 98.0 0")
    play.venue(first)
    play.after(1)
    play.venue(after, seq=7)
    play.after(1)
    play.venue(f"{again} 43=Y", seq=5)
    play.venue("35=4 43=Y 123=Y 36=7", seq=6)

    recovered, held = play.rows("book_changes")[-2:]
    assert (recovered["proof"], Flag.SUSPECT_BOOK in flags(recovered)) == (PROVEN, False)
    assert (held["proof"] & Proof.SEQUENCE, Flag.SUSPECT_BOOK in flags(held)) == (0, True)
    assert [(row["msg_seq_num"], row["count"]) for row in play.events("gap_fill")] == [(6, 1)]
    assert [it.symbol for it in play.found(BookSuspect)] == ["BTC/USD"]

    play.subscribe("M2")
    healed = play.after(1)
    play.venue(snapshot(*LEVELS, md_req_id="M2"))

    (event,) = play.events("healed")
    assert (event["from_ns"], event["to_ns"], event["text"]) == (good, healed, None)


def test_lost_snapshot_comes_again_like_any_message() -> None:
    """A snapshot within the gap begins its book when it is replayed."""
    play = FeedPlay()
    play.open(listed=LIST)
    play.subscribe("M1")
    play.venue("35=0", seq=4)
    play.venue(snapshot(*LEVELS) + " 43=Y", seq=3)
    play.venue(play.proven("new bid 98.0 5"))

    assert [flags(row) & Flag.RECOVERED for row in play.rows("book_changes")] == [Flag.RECOVERED] * 4 + [Flag(0)]
    assert play.rows("book_changes")[-1]["proof"] == PROVEN


def test_connection_that_ends_within_a_gap_leaves_the_hole_open(play: FeedPlay) -> None:
    """What did not come again is healed by the next session's snapshot, from the last good message before the gap."""
    good = play.after(1)
    play.venue(play.proven("new bid 98.0 5"))
    play.after(1)
    play.venue("35=0", seq=9)
    play.close()
    play.open(listed=LIST)
    play.subscribe("M1")
    healed = play.after(1)
    play.venue(snapshot(*LEVELS))

    (event,) = play.events("healed")
    assert (event["from_ns"], event["to_ns"], event["text"]) == (good, healed, None)


def test_message_kept_behind_a_gap_says_where_its_own_bytes_are(play: FeedPlay) -> None:
    """The place of a message is that of its bytes, not of the message that let it have its turn."""
    kept_at = play._received
    first, second = in_a_row(play, "new bid 98.0 5", "new bid 97.0 5")
    play.venue(second, seq=5)
    again_at = play._received
    play.venue(f"{first} 43=Y", seq=4)

    assert [row["segment_offset"] for row in play.rows("messages")[-2:]] == [again_at, kept_at]
