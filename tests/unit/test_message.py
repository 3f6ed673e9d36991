"""Fields, groups, and the two ways from a frame to a message."""

import gzip
from pathlib import Path

import pytest
import simplefix
from fix import frame, framed, message, seal

from capture.errors import MessageGarbled, ValueMalformed
from capture.wire import tags
from capture.wire.message import SIMPLEFIX_BYTES_LIMIT, Message, parse, split

RECORDINGS = sorted((Path(__file__).parents[2] / "capture/venue/recordings").glob("*.fix.gz"))
GUIDE = Path(__file__).parents[1] / "data/guide-example.fix"


def by_simplefix(data: bytes) -> list[tuple[int, bytes]]:
    """The fields of a frame as simplefix has them."""
    parser = simplefix.FixParser()
    parser.append_buffer(data)
    return [(int(tag), value) for tag, value in parser.get_message().pairs]


@pytest.mark.parametrize("path", [*RECORDINGS, GUIDE], ids=lambda path: path.name.partition(".")[0])
def test_split_and_parse_agree_with_simplefix_on_real_messages(path: Path) -> None:
    """Both ways of reading give the fields that simplefix gives, for every recorded message."""
    frames, skipped = framed(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())

    assert not skipped
    for it in frames:
        assert split(it.data).fields == parse(it.data).fields == by_simplefix(it.data)


def test_field_is_found_by_tag_and_the_first_counts() -> None:
    """A message gives the first value of a tag, or what stands for its absence."""
    it = message("35=X 58=first 58=second 55=BTC/USD")

    assert it.get(58) == b"first"
    assert it.get(999) is None
    assert it.text(55) == "BTC/USD"
    assert it.text(999) == ""
    assert it.msg_type == b"X"
    assert "35=X" in repr(it)


def test_typed_fields() -> None:
    """Integers and booleans are read where they are needed, and refused where they are none."""
    it = message("35=4 36=17 123=Y 43=x 7=-1")

    assert it.integer(36) == 17
    assert it.flag(123)
    assert not it.flag(141)
    for read, tag in ((it.integer, 7), (it.integer, 999), (it.flag, 43), (it.need, 999)):
        with pytest.raises(ValueMalformed):
            read(tag)


def test_missing_field_is_named() -> None:
    """The error for an absent field says which one, and in which message."""
    with pytest.raises(ValueMalformed, match="tag 262 in 35=W"):
        message("35=W 55=BTC/USD").need(262)


def test_bytes_that_are_no_text_stay_visible() -> None:
    """A text in another encoding is not lost and not an error."""
    it = split(seal(b"35=5\x0158=caf\xe9\x01"))

    assert it.text(58) == "caf\\xe9"


def test_group_entries_run_from_delimiter_to_delimiter() -> None:
    """Each entry has its fields in any order; what belongs to the message is not in the last one."""
    it = message("35=X 268=2 279=0 270=1 269=0 279=2 269=1 271=5 5041=77 58=end")

    entries = list(it.group(279, {5041, 58, tags.CHECK_SUM}))

    assert entries == [{279: b"0", 270: b"1", 269: b"0"}, {279: b"2", 269: b"1", 271: b"5"}]


def test_group_keeps_unknown_fields_and_skips_outer_ones_in_the_middle() -> None:
    """A field that nobody knows stays with its entry; one of the message is passed over wherever it stands."""
    it = message("35=X 279=0 269=0 5041=5 9999=own 279=1 269=1")

    entries = list(it.group(279, {5041, tags.CHECK_SUM}))

    assert entries == [{279: b"0", 269: b"0", 9999: b"own"}, {279: b"1", 269: b"1"}]


def test_message_without_the_group_has_no_entries() -> None:
    """No delimiter, no entry."""
    assert list(message("35=X 268=0 5041=0").group(279, {5041})) == []


@pytest.mark.parametrize("read", [split, parse])
@pytest.mark.parametrize(
    "body",
    [
        b"35=0\x01nonsense\x01",
        b"35=0\x01x=1\x01",
        b"35=0\x01+34=1\x01",
        b"35=0\x01 34=1\x01",
        b"35=0\x013_4=1\x01",
        b"35=0\x01=1\x01",
        b"35=0\x01\x01",
        b"35=0\x01" + b"1" * 5000 + b"=1\x01",
        b"35=0\x01" + b"1" * 19 + b"=1\x01",
    ],
)
def test_field_that_is_not_tag_and_value_garbles_its_message(read: object, body: bytes) -> None:
    """A field without `=`, or whose tag is no number, makes the frame no message, whichever way it is read."""
    assert callable(read)
    with pytest.raises(MessageGarbled):
        read(seal(body))


def test_data_field_is_taken_by_its_length() -> None:
    """A data field may hold SOH and what looks like fields; they do not count."""
    it = parse(seal(b"35=B\x0195=12\x0196=a\x0134=9\x0110=00\x0158=text\x01"))

    assert it.get(96) == b"a\x0134=9\x0110=00"
    assert it.get(34) is None
    assert it.text(58) == "text"


@pytest.mark.parametrize(
    "body", [b"35=0\x0110=000\x0158=after\x01", b"35=B\x0195=500\x0196=short\x01", b"35=B\x0195=x\x0196=short\x01"]
)
def test_check_sum_within_or_data_past_the_end_garbles(body: bytes) -> None:
    """A second CheckSum, or a data field that is longer than its message, makes the frame no message."""
    with pytest.raises(MessageGarbled):
        parse(seal(body))


def test_number_of_fields_is_bounded() -> None:
    """A message of more fields than any that is worth reading is none; it is refused before it is taken apart."""
    with pytest.raises(MessageGarbled, match="more than 1000000 fields"):
        parse(seal(b"35=0\x01" + b"1=\x01" * 1_000_000))


def test_empty_value_is_kept() -> None:
    """A tag without a value is read as such; whether that is allowed is another's matter."""
    for read in (split, parse):
        assert read(seal(b"35=0\x01112=\x01")).get(112) == b""


def test_long_message_is_read_in_one_go() -> None:
    """Above the size where simplefix turns quadratic, a message is split; the fields are the same."""
    text = " ".join(f"55=S{number}/USD 5010=8 2349=1" for number in range(2000))
    data = frame(f"35=y 146=2000 {text}")

    it = parse(data)

    assert isinstance(it, Message)
    assert len(data) > SIMPLEFIX_BYTES_LIMIT
    assert sum(1 for _ in it.group(55, ())) == 2000
