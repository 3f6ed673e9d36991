"""A compressed segment: one zstd frame of which any part can be read, and of which no bit can change unseen.

Layer: journal, above `format`. Knows a descriptor to read from; writes nothing.
Source: RFC 8878 (Zstandard); docs/decisions/0020-compressed-segments.md.
Left to others: files, names and their order on disk (`compress`), the blocks inside (`blocks`).

    frame header | piece | piece | ... | index, in a raw block of its own, the frame's last | checksum of the frame

A piece is so many bytes of the segment, compressed without reference to any piece before it: with a frame header before
it and an empty last block after it, it is a frame by itself. The index is a pcapng block (`format.Index`), so that the
whole, decompressed by any tool, is the segment and one block that every reader of pcapng passes over. It states where
each piece stands and its CRC32, the SHA-256 of the segment, and that of the file before the index.

Why one frame and not many: Wireshark reads a file up to the end of its first frame and takes the rest for garbage.
"""

import hashlib
import io
import os
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from struct import Struct
from typing import Any, Final, NamedTuple
from zlib import crc32

import zstandard

from storage.errors import JournalDamaged, JournalTooNew
from storage.journal.format import BLOCK_BYTES_MIN, Fault, Index, block_length, decode_block, index_block

VERSION: Final = 1  # Of this layout; a reader refuses a higher one.
PIECE_BYTES: Final = 2**20  # Of less than 2**19 zstd makes one job, whatever it is told.
PIECES_LIMIT: Final = 2**13  # The index then fits into one zstd block; a larger segment has larger pieces.
PIECE_BYTES_LIMIT: Final = 2**26
READ_BYTES: Final = 2**20
REMEDY_PACKED: Final = "restore the segment from a copy; `zstd -d` may still read it, and the plain form then counts"

_HEAD: Final = Struct("<IIQ32s32s")  # Version, bytes of a piece, of the segment, its SHA-256, that of the pieces.
_PIECE: Final = Struct("<II")  # Compressed size, CRC32 of what it decompresses to.
_CHECKSUM_BYTES: Final = 4
_BLOCK_HEAD_BYTES: Final = 3
_RAW_LAST: Final = 1  # Of a zstd block: the last one, its bytes as they are.
_EMPTY_LAST: Final = bytes((_RAW_LAST, 0, 0))
_SINGLE: Final = b"\x28\xb5\x2f\xfd\xa0"  # Of a frame whose content's size, in four bytes, is its window.
_FRAME_HEAD_BYTES_LIMIT: Final = 18
_FILLER: Final = b"\xff"  # Stands for what cannot be read: no block begins like that, and no torn tail looks like it.


class Piece(NamedTuple):
    """Where a piece stands in the file, and the CRC32 of what it decompresses to."""

    offset: int
    size: int
    crc: int


class PackedIndex(NamedTuple):
    """What the index of a compressed segment says. offset: where the index's zstd block begins in the file."""

    piece_bytes: int
    size: int
    sha256: bytes
    pieces_sha256: bytes
    pieces: tuple[Piece, ...]
    offset: int


def piece_bytes_for(size: int) -> int:
    """Return how many bytes of a segment of a size make a piece."""
    piece = PIECE_BYTES
    while -(-size // piece) > PIECES_LIMIT:
        piece *= 2
    return piece


class Packer:
    """Makes the bytes of a compressed segment: `piece` for each of its pieces in turn, then `end`."""

    def __init__(self, size: int, level: int) -> None:
        self.piece_bytes = piece_bytes_for(size)
        self._size = size
        parameters = zstandard.ZstdCompressionParameters.from_level(
            level,
            window_log=self.piece_bytes.bit_length() - 1,
            threads=1,  # It is the compressor of several threads that ends a job where it is told to,
            job_size=self.piece_bytes,
            overlap_log=1,  # and begins the next one without reference to it.
            write_checksum=True,
            write_content_size=True,
        )
        count = -(-size // self.piece_bytes)
        whole = size + len(index_block(bytes(_HEAD.size + count * _PIECE.size)))
        self._compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj(size=whole)
        self._segment_hash, self._pieces_hash = hashlib.sha256(), hashlib.sha256()
        self._pieces: list[bytes] = []

    def piece(self, data: bytes) -> bytes:
        """Return the next piece compressed; all but the last have `piece_bytes`."""
        packed = self._compressor.compress(data) + self._compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        self._segment_hash.update(data)
        self._pieces_hash.update(packed)
        self._pieces.append(_PIECE.pack(len(packed), crc32(data)))
        return packed

    def end(self) -> bytes:
        """Return the index and the end of the frame."""
        head = _HEAD.pack(
            VERSION, self.piece_bytes, self._size, self._segment_hash.digest(), self._pieces_hash.digest()
        )
        index = index_block(head + b"".join(self._pieces))
        # The compressor is told the index too: it computes the frame's checksum. Its own way of writing it is not used.
        checksum = (self._compressor.compress(index) + self._compressor.flush())[-_CHECKSUM_BYTES:]
        return (len(index) << 3 | _RAW_LAST).to_bytes(_BLOCK_HEAD_BYTES, "little") + index + checksum


class PackedReader:
    """Reads a compressed segment by offsets of the plain one; keeps the piece that it read last.

    Errors: JournalDamaged where the index is not as it was written; JournalTooNew; OSError.
    """

    def __init__(self, path: Path, fd: int, stored_bytes: int) -> None:
        self._fd = fd
        self.index = read_index(path, fd, stored_bytes)
        self._number, self._data = -1, b""
        self._faults: dict[int, Fault] = {}
        self._decompressor = zstandard.ZstdDecompressor()

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes of the segment; where a piece cannot be read, bytes that are nothing stand for it."""
        piece_bytes = self.index.piece_bytes
        parts: list[bytes] = []
        end = offset + size
        while offset < end:
            number, start = divmod(offset, piece_bytes)
            part = self._piece(number)[start : start + end - offset]
            parts.append(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def around(self, offset: int, size: int) -> tuple[int, bytes]:
        """Return the piece that holds these bytes and where it begins, or just the bytes where no single one does."""
        if size <= 0:
            return offset, b""
        number, start = divmod(offset, self.index.piece_bytes)
        piece = self._piece(number)
        return (offset - start, piece) if start + size <= len(piece) else (offset, self.read(offset, size))

    def check(self) -> Iterator[tuple[int, Fault]]:
        """Yield what is wrong with any piece read by itself, and where it stands."""
        for number, piece in enumerate(self.index.pieces):
            self._read_piece(number)
            if number in self._faults:
                yield piece.offset, self._faults[number]

    def fault_within(self, start: int, end: int) -> Fault | None:
        """Return the fault of the first piece, of those that hold these bytes, that could not be read."""
        numbers = range(start // self.index.piece_bytes, -(-end // self.index.piece_bytes))
        return next((self._faults[it] for it in sorted(self._faults) if it in numbers), None)

    def _piece(self, number: int) -> bytes:
        if number != self._number:
            self._data = self._read_piece(number)
            self._number = number
        return self._data

    def _read_piece(self, number: int) -> bytes:
        piece = self.index.pieces[number]
        size = min(self.index.piece_bytes, self.index.size - number * self.index.piece_bytes)
        packed = os.pread(self._fd, piece.size, piece.offset)
        what = f"compressed piece at {piece.offset} of the file"
        try:
            data = self._decompressor.decompress(_SINGLE + size.to_bytes(4, "little") + packed + _EMPTY_LAST)
        except zstandard.ZstdError as error:
            self._faults[number] = Fault(0, what, f"{size} bytes", str(error))
            return _FILLER * size
        if crc32(data) != piece.crc:
            self._faults[number] = Fault(0, what, f"CRC32 {piece.crc:#010x}", f"{crc32(data):#010x}")
            return _FILLER * size
        return data


def read_index(path: Path, fd: int, stored_bytes: int) -> PackedIndex:
    """Return the index of a compressed segment. Errors: JournalDamaged; JournalTooNew; OSError."""

    def damaged(what: str, expected: str, received: str) -> JournalDamaged:
        return JournalDamaged(
            path, offset=stored_bytes, what=what, expected=expected, received=received, remedy=REMEDY_PACKED
        )

    head = os.pread(fd, _FRAME_HEAD_BYTES_LIMIT, 0)
    tail = os.pread(fd, 4, max(0, stored_bytes - _CHECKSUM_BYTES - 4))
    length = block_length(bytes(4) + tail)
    if not BLOCK_BYTES_MIN <= length <= stored_bytes - _CHECKSUM_BYTES - _BLOCK_HEAD_BYTES:
        raise damaged("end of the compressed segment", "the length of its index", tail.hex())
    offset = stored_bytes - _CHECKSUM_BYTES - length - _BLOCK_HEAD_BYTES
    raw = os.pread(fd, _BLOCK_HEAD_BYTES + length, offset)
    block = decode_block(raw[_BLOCK_HEAD_BYTES:])
    if not isinstance(block, Index) or len(block.data) < _HEAD.size:
        received = block.what if isinstance(block, Fault) else "another block"
        raise damaged("index of the compressed segment", "as it was written", received)
    version, piece_bytes, size, sha256, pieces_sha256 = _HEAD.unpack_from(block.data)
    if version > VERSION:
        raise JournalTooNew(path, expected=VERSION, received=version)
    try:
        begin = zstandard.frame_header_size(head)
    except zstandard.ZstdError as error:
        raise damaged("head of the compressed segment", "that of a zstd frame", str(error)) from error
    if not 0 < piece_bytes <= PIECE_BYTES_LIMIT or (len(block.data) - _HEAD.size) % _PIECE.size:
        raise damaged("index of the compressed segment", f"pieces of at most {PIECE_BYTES_LIMIT}", f"{piece_bytes}")
    pairs = list(_PIECE.iter_unpack(block.data[_HEAD.size :]))
    ends = list(accumulate(packed for packed, _ in pairs))
    # The first piece's size is told with the frame's header: it came out of the compressor with it.
    starts = [begin, *ends[:-1]]
    if len(pairs) != -(-size // piece_bytes) or not ends or ends[-1] != offset or begin > ends[0]:
        raise damaged("pieces of the compressed segment", f"{size} bytes up to {offset}", f"{len(pairs)} pieces")
    pieces = tuple(Piece(a, b - a, crc) for a, b, (_, crc) in zip(starts, ends, pairs, strict=True))
    return PackedIndex(piece_bytes, size, sha256, pieces_sha256, pieces, offset)


def check_packed(path: Path, fd: int) -> Iterator[tuple[int, Fault]]:
    """Yield what is wrong with a compressed segment as a file, and where in it: every bit of it is looked at.

    Errors: as of `read_index`.
    """
    stored_bytes = os.fstat(fd).st_size
    index = read_index(path, fd, stored_bytes)
    length = stored_bytes - _CHECKSUM_BYTES - _BLOCK_HEAD_BYTES - index.offset
    head = os.pread(fd, _BLOCK_HEAD_BYTES, index.offset)
    if head != (wanted := (length << 3 | _RAW_LAST).to_bytes(_BLOCK_HEAD_BYTES, "little")):
        yield index.offset, Fault(0, "zstd block of the index", wanted.hex(), head.hex())
    file, segment, size = _Hashing(fd, index.offset), hashlib.sha256(), 0
    try:
        # As much comes out as is asked for, whatever the file claims to hold.
        with zstandard.ZstdDecompressor(max_window_size=PIECE_BYTES_LIMIT).stream_reader(
            io.BufferedReader(file, READ_BYTES)
        ) as reader:
            while data := reader.read(READ_BYTES):  # The last call finds the checksum.
                segment.update(data[: max(0, index.size - size)])
                size += len(data)
                if size > index.size + length:
                    break
    except zstandard.ZstdError as error:
        yield 0, Fault(0, "zstd frame", "one that can be decompressed", str(error))
    else:
        if size != index.size + length:
            yield 0, Fault(0, "bytes decompressed", str(index.size + length), str(size))
        elif segment.digest() != index.sha256:
            yield 0, Fault(0, "SHA-256 of the segment", index.sha256.hex(), segment.hexdigest())
    if (digest := file.digest()) != index.pieces_sha256:
        yield 0, Fault(0, "SHA-256 of the compressed pieces", index.pieces_sha256.hex(), digest.hex())


class _Hashing(io.RawIOBase):
    """A file as zstandard reads it; keeps the hash of what stands before an offset."""

    def __init__(self, fd: int, until: int) -> None:
        super().__init__()
        self._fd, self._until, self._at = fd, until, 0
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        """See io."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes; return how many."""
        view = memoryview(buffer)
        count = os.preadv(self._fd, [view], self._at)
        self._hash.update(view[: min(count, max(0, self._until - self._at))])
        self._at += count
        return count

    def digest(self) -> bytes:
        """Return the hash, what was not asked for so far included."""
        while self._at < self._until and self.readinto(bytearray(READ_BYTES)):
            pass
        return self._hash.digest()
