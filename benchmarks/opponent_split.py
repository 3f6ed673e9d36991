"""The best decoder that plain Python allows without a compiler: `bytes.split`, and nothing done twice.

It frames by searching for the next BeginString(8), and believes it: BodyLength(9) and CheckSum(10) are not verified,
which is in its favour. Fields are found by their tag, wherever they stand. It makes what a book and a row need:
MsgSeqNum(34), SendingTime(52) and MDEntryTime(273) in milliseconds, symbol, checksum, and each entry's action, side,
price and size as exact integers scaled by the instrument's precision.
"""

import sys
from datetime import UTC, datetime
from typing import Final

from contender import Material, Work, contend

READ_BYTES: Final = 64 * 1024
DAY_MS: Final = 86_400_000
AHEAD_LIMIT_MS: Final = 5_000  # MDEntryTime(273) further ahead of SendingTime(52) belongs to the day before.
CACHE_LIMIT: Final = 4096
BEGIN: Final = b"8=FIX.4.4\x019="
SOH: Final = b"\x01"
Entry = tuple[bytes, bytes, int, int, int]  # Action, type, price, size, time.
Refresh = tuple[int, int, bytes, int, list[Entry]]  # MsgSeqNum, SendingTime, symbol, checksum, entries.


class Decoder:
    """Decodes a stream given in reads; keeps what is not whole for the next one."""

    def __init__(self, precisions: dict[bytes, tuple[int, int]]) -> None:
        self._precisions = precisions
        self._powers = [10**place for place in range(19)]
        self._rest = b""
        self._days: dict[bytes, int] = {}
        self._times: dict[bytes, int] = {}

    def feed(self, data: bytes) -> list[Refresh]:
        """Return the messages that are whole now."""
        data = self._rest + data
        parts = data.split(BEGIN)
        last = parts.pop()
        if last[-8:-4] == b"\x0110=" and last[-1:] == b"\x01":
            parts.append(last)
            self._rest = b""
        else:
            self._rest = BEGIN + last if parts else last
        decode = self._decode
        return [decode(part) for part in parts if part]

    def _decode(self, part: bytes) -> Refresh:
        header, *groups = part.split(b"\x01279=")
        number = int(header.split(b"\x0134=", 1)[1].split(SOH, 1)[0])
        symbol = header.split(b"\x0155=", 1)[1].split(SOH, 1)[0]
        sending_ms = self._sending_ms(header.split(b"\x0152=", 1)[1].split(SOH, 1)[0])
        price_scale, size_scale = self._precisions[symbol]
        powers, times = self._powers, self._times
        midnight = sending_ms - sending_ms % DAY_MS
        entries: list[Entry] = []
        for group in groups:
            whole, _, decimals = group.split(b"\x01270=", 1)[1].split(SOH, 1)[0].partition(b".")
            price = int(whole + decimals) * powers[price_scale - len(decimals)]
            whole, _, decimals = group.split(b"\x01271=", 1)[1].split(SOH, 1)[0].partition(b".")
            size = int(whole + decimals) * powers[size_scale - len(decimals)]
            time = group.split(b"\x01273=", 1)[1].split(SOH, 1)[0]
            at = midnight + (times[time] if time in times else self._time_ms(time))
            if at > sending_ms + AHEAD_LIMIT_MS:
                at -= DAY_MS
            entries.append((group[:1], group.split(b"\x01269=", 1)[1][:1], price, size, at))
        checksum = groups[-1].split(b"\x015041=", 1)[1:]
        return number, sending_ms, symbol, int(checksum[0].split(SOH, 1)[0]) if checksum else -1, entries

    def _sending_ms(self, value: bytes) -> int:
        day = self._days.get(value[:8])
        if day is None:
            date = datetime.strptime(value[:8].decode(), "%Y%m%d").replace(tzinfo=UTC)
            day = self._days[value[:8]] = int(date.timestamp()) * 1000
        return day + self._time_ms(value[9:])

    def _time_ms(self, value: bytes) -> int:
        ms = self._times.get(value)
        if ms is None:
            if len(self._times) >= CACHE_LIMIT:
                self._times.clear()
            ms = ((int(value[:2]) * 60 + int(value[3:5])) * 60 + int(value[6:8])) * 1000 + int(value[9:])
            self._times[value] = ms
        return ms


def work(material: Material) -> Work:
    """Return the decoding of every refresh, in reads as of a socket."""
    precisions = {symbol.encode(): (it[0], it[1]) for symbol, it in material.facts()["precisions"].items()}
    frames = material.refreshes()
    data = b"".join(frames)
    reads = [data[at : at + READ_BYTES] for at in range(0, len(data), READ_BYTES)]

    def run() -> int:
        decoder, count = Decoder(precisions), 0
        for read in reads:
            count += len(decoder.feed(read))
        assert count == len(frames), "a message was lost"
        return count

    python = ".".join(map(str, sys.version_info[:3]))
    return Work(
        f"bytes.split, Python {python}", run, note="entries with exact integers; BodyLength, CheckSum unchecked"
    )


if __name__ == "__main__":
    contend(work)
