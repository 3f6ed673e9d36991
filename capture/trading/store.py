"""The order store: what was asked for, on the disk before it is sent; and what the venue said of it.

Layer: trading. Owns one file and no protocol rule.
Source: session cases STO-1, STO-4, STO-5, STO-6.
Left to others: what a record means for a session (`trading.session`).

One line a record: eight hexadecimal digits of CRC-32, a blank, JSON. The file is only ever appended to. What goes out
is on the disk first (fsync), so a crash leaves a ClOrdID unused or an order in state UNKNOWN, and nothing in here is
ever sent again. What comes in is written without waiting: losing it costs a question to the venue.

A last line cut short was being written as the process died, so its request did not go out: it is cut off. Anything
else that is wrong is not guessed at: the store is refused. It holds no secret.
"""

import contextlib
import fcntl
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, NoReturn, Self

from capture.errors import StoreBusy, StoreFailed
from capture.trading.orders import Order, OrderState, OrdType, Side

FORMAT: Final = 1
STORE_BYTES_LIMIT: Final = 1 << 30
FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
MILLISECOND_NS: Final = 1_000_000
CRC_DIGITS: Final = 8


class OrderStore:
    """The orders of one session identity; a context manager, held by one process at a time.

    identity: whose orders these are, such as `CLIENT KRAKEN-TRD host:port`; a store of another is refused.
    """

    def __init__(self, path: Path, identity: str) -> None:
        """Open or make the store. Errors: StoreBusy, StoreFailed."""
        self.path = path
        self.orders: dict[int, Order] = {}
        self.last_cl_ord_id = 0
        self.last_nonce = 0
        self._failed = ""
        try:
            path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(path, flags, FILE_MODE)
        except OSError as error:
            raise StoreFailed(f"{path}: {error.strerror}; name a directory of your own with --store") from None
        try:
            self._lock()
            self._load(identity)
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        os.close(self._file)

    # What goes out: durable when the call returns, or it must not go out.

    def next_nonce(self, wall_ns: int) -> int:
        """Return the next Nonce(5025): current milliseconds, or one more than the last. Errors: StoreFailed."""
        nonce = max(self.last_nonce + 1, wall_ns // MILLISECOND_NS)
        self._append({"k": "nonce", "nonce": nonce}, durable=True)
        self.last_nonce = nonce
        return nonce

    def placed(self, order: Order) -> None:
        """Keep an order that is about to be sent. Errors: StoreFailed; it is not to be sent then."""
        self._append({"k": "placed", **_fields(order)}, durable=True)
        self.last_cl_ord_id = order.cl_ord_id
        self.orders[order.cl_ord_id] = order

    def requested(self, cl_ord_id: int, msg_type: bytes) -> None:
        """Keep the ClOrdID of any other request that is about to be sent. Errors: StoreFailed."""
        self._append({"k": "requested", "cl_ord_id": cl_ord_id, "msg_type": msg_type.decode("ascii")}, durable=True)
        self.last_cl_ord_id = cl_ord_id

    # What comes in.

    def changed(self, order: Order) -> None:
        """Keep what became of an order; in memory in any case. Errors: StoreFailed."""
        self.orders[order.cl_ord_id] = order
        self._append({"k": "changed", **_changing_fields(order)}, durable=False)

    # Helpers.

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreBusy(f"{self.path}: another process trades with it; wait for it to end") from None

    def _load(self, identity: str) -> None:
        data = self._read()
        good = data.rfind(b"\n") + 1
        records = self._records(data[:good])
        header = next(records, None)
        if header is None:
            os.ftruncate(self._file, 0)
            self._append({"k": "store", "format": FORMAT, "identity": identity}, durable=True)
            _sync_directory(self.path.parent)
            return
        if header.get("k") != "store" or header.get("format") != FORMAT:
            self._refuse(f"format {header.get('format')}, this fixtape reads {FORMAT}")
        if header.get("identity") != identity:
            self._refuse(f"it is of {header.get('identity')}, not of {identity}")
        try:
            for record in records:
                self._apply(record)
        except (KeyError, ValueError, TypeError, InvalidOperation) as error:
            self._refuse(f"a record that cannot be read: {type(error).__name__} {error}")
        if good < len(data):
            os.ftruncate(self._file, good)
            os.fsync(self._file)

    def _read(self) -> bytes:
        if os.fstat(self._file).st_size > STORE_BYTES_LIMIT:
            self._refuse(f"it is larger than {STORE_BYTES_LIMIT} bytes")
        parts = []
        while part := os.read(self._file, 1 << 20):
            parts.append(part)
        return b"".join(parts)

    def _records(self, data: bytes) -> Iterator[dict[str, Any]]:
        for number, line in enumerate(data.splitlines(), 1):
            check, _, text = line.partition(b" ")
            if check != b"%08x" % zlib.crc32(text):
                self._refuse(f"line {number} is damaged")
            try:
                record = json.loads(text)
            except ValueError:
                record = None
            if not isinstance(record, dict):
                self._refuse(f"line {number} is no record")
            yield record

    def _apply(self, record: dict[str, Any]) -> None:
        match record["k"]:
            case "nonce":
                self.last_nonce = max(self.last_nonce, int(record["nonce"]))
            case "placed":
                order = _order(record)
                self.orders[order.cl_ord_id] = order
                self.last_cl_ord_id = max(self.last_cl_ord_id, order.cl_ord_id)
            case "requested":
                self.last_cl_ord_id = max(self.last_cl_ord_id, int(record["cl_ord_id"]))
            case "changed":
                order = self.orders[record["cl_ord_id"]]
                self.orders[order.cl_ord_id] = _changed(order, record)
            case kind:
                raise ValueError(kind)

    def _append(self, record: dict[str, Any], *, durable: bool) -> None:
        if self._failed:
            raise StoreFailed(f"{self.path}: {self._failed} before; no order goes out until fixtape is started anew")
        text = json.dumps(record, separators=(",", ":")).encode()
        line = b"%08x %b\n" % (zlib.crc32(text), text)
        end = os.fstat(self._file).st_size
        try:
            _write(self._file, line)
            if durable:
                os.fsync(self._file)
        except OSError as error:
            # What the disk holds now is not known, so nothing is written behind it; and the record is taken back, so
            # that a later start does not take a request for sent that was not. Cutting may fail as well: then the
            # order comes back as UNKNOWN, which is safe.
            self._failed = error.strerror or str(error)
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, end)
            raise StoreFailed(f"{self.path}: {self._failed}; no order goes out any more") from None

    def _refuse(self, problem: str) -> NoReturn:
        raise StoreFailed(
            f"{self.path}: {problem}; look at the venue for what is open, then move the file away or name another"
        )


def _fields(order: Order) -> dict[str, Any]:
    return {
        "symbol": order.symbol,
        "side": order.side.value,
        "ord_type": order.ord_type.value,
        "quantity": str(order.quantity),
        "price": None if order.price is None else str(order.price),
        "placed_ns": order.placed_ns,
        **_changing_fields(order),
    }


def _changing_fields(order: Order) -> dict[str, Any]:
    return {
        "cl_ord_id": order.cl_ord_id,
        "state": order.state.name,
        "order_id": order.order_id,
        "cum_qty": str(order.cum_qty),
        "avg_px": str(order.avg_px),
        "text": order.text,
    }


def _order(record: dict[str, Any]) -> Order:
    price = record["price"]
    order = Order(
        cl_ord_id=int(record["cl_ord_id"]),
        symbol=str(record["symbol"]),
        side=Side(record["side"]),
        ord_type=OrdType(record["ord_type"]),
        quantity=Decimal(record["quantity"]),
        price=None if price is None else Decimal(price),
        placed_ns=int(record["placed_ns"]),
    )
    return _changed(order, record)


def _changed(order: Order, record: dict[str, Any]) -> Order:
    return replace(
        order,
        state=OrderState[record["state"]],
        order_id=str(record["order_id"]),
        cum_qty=Decimal(record["cum_qty"]),
        avg_px=Decimal(record["avg_px"]),
        text=str(record["text"]),
    )


def _write(descriptor: int, line: bytes) -> None:
    """Write all of a line. Errors: OSError also where the disk took a part of it."""
    written = os.write(descriptor, line)
    if written < len(line):
        raise OSError(0, f"only {written} of {len(line)} bytes were written")


def _sync_directory(path: Path) -> None:
    """Make a new file's name durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
