"""Masking does not see how the bytes were cut on the way, and never lets a secret through."""

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.journal.mask import Masker

SECRETS = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=8, max_size=40).map(str.encode)
PLAIN = st.sampled_from([b"55=btc/usd", b"270=1.5", b"58=text", b"95=4", b"1553=1", b"10=001", b"8=fix.4.4", b"9=96"])


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[bytes], list[int]]:
    """Return a run of fields in lower case, the secrets in it in upper case, and which of its bytes are secret."""
    data, secrets, hidden = bytearray(), [], []
    for _ in range(draw(st.integers(1, 12))):
        if draw(st.booleans()):
            data += draw(PLAIN) + b"\x01"
            continue
        secret = draw(SECRETS)
        tag = draw(st.sampled_from([b"553=", b"554=", b"96=", b"raw"]))
        if tag == b"raw":
            at = draw(st.integers(0, len(secret) - 1))
            secret = secret[:at] + b"\x01" + secret[at:]
            tag = b"95=%d\x0196=" % len(secret)
        data += tag
        hidden += range(len(data), len(data) + len(secret))
        data += secret + b"\x01"
        secrets.append(secret)
    return bytes(data), secrets, hidden


@given(stream=streams(), data=st.data())
@settings(max_examples=300)
def test_masking_does_not_see_segmentation(stream: tuple[bytes, list[bytes], list[int]], data: st.DataObject) -> None:
    """However the bytes were cut: each read keeps its length, every open byte is as sent, no secret one is."""
    whole, secrets, hidden = stream
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=20)))
    masker = Masker()

    shown = b""
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        masked = masker.feed(whole[start:end])
        assert len(masked.data) == end - start
        shown += masked.data

    secret_bytes = set(hidden)
    assert all(shown[at] == whole[at] for at in range(len(whole)) if at not in secret_bytes)
    uncut = Masker().feed(whole).data
    assert [at for at in range(len(whole)) if at in secret_bytes and shown[at] == 1] == []
    for secret in secrets:
        assert secret not in shown
        assert not any(secret[at : at + 4] in shown for at in range(len(secret) - 3) if secret[at : at + 4].isalpha())
    assert sum(uncut) % 256 == sum(whole) % 256


@given(stream=streams())
def test_byte_by_byte_is_the_hardest_cut(stream: tuple[bytes, list[bytes], list[int]]) -> None:
    """Fed byte by byte, every secret byte is an asterisk, and every other byte is as sent."""
    whole, _, hidden = stream
    masker = Masker()

    shown = b"".join(masker.feed(whole[at : at + 1]).data for at in range(len(whole)))

    expected = bytearray(whole)
    for at in hidden:
        expected[at] = ord("*")
    assert shown == bytes(expected)
