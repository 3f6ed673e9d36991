"""Credentials: which values are hidden, and what of the message stays as it was."""

import pytest

from storage.journal.mask import MENDING, RAW_DATA_BYTES_LIMIT, Masker, _mending

SOH = b"\x01"


def message(*fields: bytes) -> bytes:
    """Return a whole message around some fields, its BodyLength and CheckSum right."""
    body = b"".join(field + SOH for field in (b"35=A", b"49=CLIENT", *fields))
    head = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    return head + b"10=%03d\x01" % (sum(head) % 256)


def checksum_holds(data: bytes) -> bool:
    return sum(data[:-7]) % 256 == int(data[-4:-1])


def test_what_holds_no_credential_is_handed_on_as_it_is() -> None:
    """Without a credential the very same object comes back: nothing is copied."""
    data = message(b"55=BTC/USD", b"5530=1", b"1554=2", b"196=3")

    masked = Masker().feed(data)

    assert masked.data is data
    assert masked.tags == ()


@pytest.mark.parametrize("tag", [553, 554, 96])
def test_a_credential_is_hidden_byte_for_byte(tag: int) -> None:
    """The value is gone, its length is kept, everything else is as sent, and CheckSum(10) still holds."""
    secret = b"kQH5HW/8p1uGOVjbgWA7"
    data = message(b"98=0", b"%d=%s" % (tag, secret), b"141=Y")

    masked = Masker().feed(data)

    start = data.index(secret)
    assert masked.tags == (tag,)
    assert masked.data[:start] == data[:start]
    assert masked.data[start : start + len(secret) - 3] == b"*" * (len(secret) - 3)
    assert masked.data[start + len(secret) :] == data[start + len(secret) :]
    assert checksum_holds(masked.data)


def test_two_credentials_in_a_row_are_both_hidden() -> None:
    """The SOH that ends one value begins the next field."""
    data = message(b"553=the-api-key", b"554=the-password")

    masked = Masker().feed(data)

    assert masked.tags == (553, 554)
    assert b"api" not in masked.data
    assert b"pass" not in masked.data
    assert checksum_holds(masked.data)


@pytest.mark.parametrize(("secret", "shown"), [(b"", b""), (b"a", b"*"), (b"ab", b"**")])
def test_a_value_too_short_to_mend_is_asterisks(secret: bytes, shown: bytes) -> None:
    """One or two bytes cannot keep their sum without giving themselves away; nothing has nothing to hide."""
    masked = Masker().feed(message(b"554=" + secret))

    assert b"\x01554=" + shown + SOH in masked.data


def test_a_value_whose_sum_is_that_of_asterisks_is_asterisks() -> None:
    """Where asterisks alone keep the sum, nothing else is chosen."""
    masked = Masker().feed(message(b"554=)*+"))

    assert b"\x01554=***\x01" in masked.data


def test_raw_data_is_hidden_to_its_stated_length() -> None:
    """RawData(96) may contain SOH; RawDataLength(95) before it says where it ends."""
    data = message(b"95=11", b"96=sec\x01ret\x01abc", b"58=open")

    masked = Masker().feed(data)

    assert b"ret" not in masked.data
    assert b"abc" not in masked.data
    assert b"\x0158=open\x01" in masked.data
    assert checksum_holds(masked.data)


@pytest.mark.parametrize("length", [3, 200, RAW_DATA_BYTES_LIMIT + 1, 999_999_999])
def test_a_raw_data_length_that_lies_hides_no_more_than_its_field(length: int) -> None:
    """Where no SOH follows at the stated length, the value ends at the first SOH, and what is behind it is kept."""
    data = message(b"95=%d" % length, b"96=secret", b"58=open") + message(b"58=" + b"x" * 250)

    masked = Masker().feed(data)

    assert b"secret" not in masked.data
    assert masked.data.endswith(data[data.index(b"\x0158=open") :])


def test_a_tag_and_a_value_may_be_cut_anywhere() -> None:
    """The cut may be within the tag, at the equals sign, within the value or at its end."""
    data = message(b"554=the-password", b"58=open")

    for cut in range(1, len(data)):
        masker = Masker()
        first, second = masker.feed(data[:cut]), masker.feed(data[cut:])
        shown = first.data + second.data
        assert len(first.data) == cut
        assert len(shown) == len(data)
        assert not any(part in shown for part in (b"the-", b"pass", b"word"))
        assert set(first.tags + second.tags) == {554}


def test_a_value_cut_early_still_keeps_its_sum() -> None:
    """What the first part owes is mended in the last one, where that has three bytes."""
    data = message(b"554=the-password")
    cut = data.index(b"password")
    masker = Masker()

    shown = masker.feed(data[:cut]).data + masker.feed(data[cut:]).data

    assert checksum_holds(shown)


def test_a_credential_at_the_very_start_is_hidden() -> None:
    """The first bytes of a connection need no SOH before them."""
    assert Masker().feed(b"554=hunter2\x01").data[:8] == b"554=****"


@pytest.mark.parametrize("owed", range(256))
def test_every_sum_can_be_mended(owed: int) -> None:
    """For every sum there are three harmless printable bytes."""
    mended = _mending(owed)

    assert sum(mended) % 256 == (3 * ord("*") + owed) % 256
    assert mended == b"***" or all(byte in MENDING for byte in mended)
