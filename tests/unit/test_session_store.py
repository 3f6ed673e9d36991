"""What was sent is kept, on disk and in memory: bounded, in order, and believed only where it is whole."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fix import CLIENT, SECOND, T0, VENUE, frame, message
from hypothesis import given, settings
from hypothesis.strategies import integers

from capture.errors import StoreBusy
from capture.session import events
from capture.session.session import Role, Session, SessionSettings
from capture.session.store import RecentFrames, restamped
from capture.session_store import FileStore, store_path
from capture.wire.message import Message, parse
from capture.wire.values import timestamp_text

NAME = "CLIENT@KRAKEN-MD"


def session_on(store: FileStore) -> Session:
    """An initiator that goes on with its numbers and sends everything again when asked."""
    agreed = SessionSettings(Role.INITIATOR, CLIENT.encode(), VENUE.encode(), reset=False, resent_types=None)
    return Session(agreed, store)


def flush(session: Session) -> list[Message]:
    """Send what is due; return it."""
    sent = []
    while (data := session.next_frame(T0)) is not None:
        sent.append(parse(data))
        session.sent(sent[-1], 0)
    return sent


def test_restamped_frame_differs_in_five_fields_only() -> None:
    """BodyLength, CheckSum and SendingTime are new, 43 and 122 are added, every other byte stays."""
    text = "35=D 34=7 11=a 453=2 448=x 447=D 448=y 96=z"
    before = frame(text, sender=CLIENT, target=VENUE)

    after = restamped(before, timestamp_text(T0 + SECOND))

    old, new = parse(before), parse(after)
    assert new.get(43) == b"Y"
    assert new.get(122) == old.get(52)
    assert new.get(52) == timestamp_text(T0 + SECOND)
    volatile = {9, 10, 43, 52, 122}
    assert [it for it in new.fields if it[0] not in volatile] == [it for it in old.fields if it[0] not in volatile]


def test_recent_frames_are_bounded_in_count_and_bytes() -> None:
    """The oldest frames go first, and their numbers are simply not read."""
    store = RecentFrames(frames_limit=3, bytes_limit=25)
    for number in range(1, 6):
        store.put(number, b"x" * 10)
    store.put(6, None)

    assert [number for number, _ in store.read(1, 99)] == [4, 5]
    assert store.next_out == 7


def test_store_survives_a_restart(tmp_path: Path) -> None:
    """Numbers and frames are as they were when each call returned."""
    with FileStore(tmp_path / "s", NAME) as store:
        assert store.lost
        store.put(1, None)
        store.put(2, b"frame")
        store.handled(5)

    with FileStore(tmp_path / "s", NAME) as again:
        assert (again.next_out, again.expected, again.lost) == (3, 5, "")
        assert list(again.read(1, 9)) == [(2, b"frame")]


def test_no_torn_end_is_believed(tmp_path: Path) -> None:
    """Cut anywhere within its last record, a store begins anew: a number in what is gone may have been used."""
    path = tmp_path / "s"
    with FileStore(path, NAME) as store:
        store.begin(0, b"one")
        whole = path.stat().st_size
        store.put(2, b"two")
    data = path.read_bytes()
    for length in range(whole + 1, len(data)):
        path.write_bytes(data[:length])
        with FileStore(path, NAME) as torn:
            assert "torn" in torn.lost
            assert (torn.next_out, torn.expected) == (1, 1)


@settings(deadline=None)
@given(place=integers(0, 10**6), bit=integers(0, 7))
def test_no_flipped_bit_is_believed(place: int, bit: int) -> None:
    """Wherever a bit is flipped, in a length as in a frame, the store begins anew, and says so."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        with FileStore(path, NAME) as store:
            store.begin(0, None)
            store.handled(2)
            store.put(2, b"two")
            store.put(3, None)
        data = bytearray(path.read_bytes())
        data[place % len(data)] ^= 1 << bit
        path.write_bytes(data)

        with FileStore(path, NAME) as damaged:
            assert damaged.lost
            assert (damaged.next_out, damaged.expected, list(damaged.read(1, 9))) == (1, 1, [])


def test_store_of_another_session_is_not_believed(tmp_path: Path) -> None:
    """A session of another name begins anew, with a Logon that says so."""
    with FileStore(tmp_path / "s", NAME) as store:
        store.put(8, None)
    with FileStore(tmp_path / "s", "CLIENT@SOMEBODY") as other:
        session = session_on(other)
        session.opened(0)

        assert "another" in other.lost
        assert session.take_events() == [events.StoreLost(other.lost)]
        assert flush(session)[0].get(141) == b"Y"


def test_store_that_was_begun_and_never_used_is_new(tmp_path: Path) -> None:
    """A process may die before its first number; the next one begins as the first did."""
    for _ in range(2):
        with FileStore(tmp_path / "s", NAME) as store:
            assert "new" in store.lost


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    """While one holds a store nobody else does; the lock ends with the process, however it ends."""
    path = tmp_path / "s"
    script = f"""
import sys
from pathlib import Path
from capture.session_store import FileStore
FileStore(Path({str(path)!r}), {NAME!r})
print("held", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreBusy, match="another process holds this session") as refused:
            FileStore(path, NAME)
        holder.kill()
        holder.wait(timeout=10)

    assert refused.value.exit_code == 75
    with FileStore(path, NAME) as store:
        assert store.next_out == 1


def test_store_path_is_a_file_of_its_folder_whatever_the_names(tmp_path: Path) -> None:
    """CompIDs may hold any character, and two pairs never share a file."""
    pairs = [(b"A", b"B@C"), (b"A@B", b"C"), (b"../A", b"B"), (b"\xff/", b".."), (b"CLIENT", b"KRAKEN-MD")]

    paths = [store_path(tmp_path, ours, theirs) for ours, theirs in pairs]

    assert len(set(paths)) == len(pairs)
    assert {it.parent for it in paths} == {tmp_path}
    assert paths[-1].name == "CLIENT@KRAKEN-MD.session"


def test_file_is_bounded(tmp_path: Path) -> None:
    """Past its limit the file is written anew with what is still kept."""
    path = tmp_path / "s"
    with FileStore(path, NAME, frames_limit=4, file_limit=2000) as store:
        store.begin(20_513, None)
        for number in range(2, 500):
            store.put(number, b"x" * 50)
        store.put(500, None)
        store.handled(77)

    assert path.stat().st_size < 3000
    with FileStore(path, NAME, frames_limit=4) as again:
        assert (again.next_out, again.expected, again.day, again.lost) == (501, 77, 20_513, "")
        assert [number for number, _ in again.read(1, 999)] == [496, 497, 498, 499]


def test_full_disk_stops_a_message_before_it_goes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that cannot be stored is not used; the session goes on receiving, and sends when it can."""
    with FileStore(tmp_path / "s", NAME) as store:
        session = session_on(store)
        session.opened(0)
        flush(session)
        session.receive(message("35=A 98=0 108=60 141=Y"), T0, 0)
        session.send(b"D", ((11, b"1"),))
        session.take_events()

        def full(_file: int, _data: bytes, _at: int) -> int:
            raise OSError(errno.ENOSPC, "no space")

        with monkeypatch.context() as patched:
            patched.setattr(os, "pwrite", full)
            assert session.next_frame(T0) is None

        assert session.take_events() == [events.StoreFailed("no space", "35=D 34=2")]
        assert [it.msg_seq_num for it in session.receive(message("35=X", seq=2), T0, 0)] == [2]
        session.send(b"D", ((11, b"2"),))
        assert flush(session)[0].integer(34) == 2


def test_killed_between_any_two_steps_no_number_is_used_twice(tmp_path: Path) -> None:
    """Restarted after each write, the session never sends a number that the other side may have seen."""
    path = tmp_path / "s"
    seen: set[int] = set()
    for _ in range(5):
        with FileStore(path, NAME) as store:
            session = session_on(store)
            session.opened(0)
            logon = flush(session)[0]
            if logon.get(141) == b"Y":
                seen.clear()
            session.receive(message(f"35=A 98=0 108=60{' 141=Y' if logon.get(141) else ''}", seq=store.expected), T0, 0)
            session.handled()
            session.send(b"D", ((11, b"1"),))
            numbers = [logon.integer(34), *(it.integer(34) for it in flush(session))]
        assert not seen & set(numbers)
        seen |= set(numbers)
    assert seen == set(range(1, 11))


def test_restart_asks_for_what_was_missed_and_gives_what_is_asked(tmp_path: Path) -> None:
    """After a restart the Logon bears the stored number, and frames of the run before go again byte for byte."""
    path = tmp_path / "s"
    with FileStore(path, NAME) as store:
        session = session_on(store)
        session.opened(0)
        flush(session)
        session.receive(message("35=A 98=0 108=60 141=Y"), T0, 0)
        session.handled()
        session.send(b"D", ((11, b"7"),))
        flush(session)

    with FileStore(path, NAME) as store:
        session = session_on(store)
        session.opened(0)
        assert flush(session)[0].integer(34) == 3
        session.receive(message("35=A 98=0 108=60", seq=4), T0, 0)
        (asked,) = flush(session)
        session.receive(message("35=2 7=2 16=2", seq=5), T0, 0)
        (again,) = flush(session)

    assert (asked.msg_type, asked.get(7)) == (b"2", b"2")
    assert (again.get(11), again.get(43), again.integer(34)) == (b"7", b"Y", 2)
