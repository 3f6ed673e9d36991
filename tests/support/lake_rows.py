"""Rows of the lake by hand: every column has a default, a test names what it is about."""

from typing import Any

from capture.columns import NO_NAME, NO_SIDE, NULL, Action, Columns, Proof, Side, Verdict

SECOND = 1_000_000_000
T0 = 1_795_348_500_123_456_789  # 2026-11-22T11:55:00.123456789Z
PROVEN = Proof.SEQUENCE | Proof.CHECKSUM | Proof.INVARIANTS

_COMMON: dict[str, Any] = {
    "receive_ns": T0,
    "sending_ms": T0 // 1_000_000,
    "session_id": "S1",
    "msg_seq_num": 1,
    "symbol": "BTC/USD",
    "proof": PROVEN,
    "flags": 1,
}
_PRICED: dict[str, Any] = {
    "entry_index": 0,
    "price": 280130,
    "size": 96506,
    "price_scale": 1,
    "size_scale": 8,
    "entry_ms": NULL,
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "book_changes": {**_COMMON, **_PRICED, "side": Side.BID, "action": Action.NEW, "remaining_size": NULL},
    "order_changes": {
        **_COMMON,
        **_PRICED,
        "side": Side.BID,
        "action": Action.NEW,
        "order_id": "OAAAAA-AAAAA-AAAAAB",
        "update_ns": T0,
        "queue_ns": T0,
        "remaining_size": NULL,
    },
    "trades": {**_COMMON, **_PRICED, "entry_id": "T1", "aggressor_side": 1, "order_type": 2},
    "quotes": {
        **_COMMON,
        "bid_price": 280030,
        "bid_size": 100000,
        "bid_total": 100000,
        "offer_price": 280130,
        "offer_size": 96506,
        "offer_total": 96506,
        "price_scale": 1,
        "size_scale": 8,
    },
    "books": {
        **_COMMON,
        "bid_prices": [280030],
        "bid_sizes": [100000],
        "offer_prices": [280130],
        "offer_sizes": [96506],
        "price_scale": 1,
        "size_scale": 8,
        "depth": 10,
        "checksum": 0,
    },
    "messages": {
        **_COMMON,
        "msg_type": "X",
        "bytes": 200,
        "entries": 1,
        "checksum_received": NULL,
        "checksum_computed": NULL,
        "verdict": Verdict.NOT_DUE,
        "segment": "2026-11-22/seg",
        "segment_offset": 128,
    },
    "instruments": {
        **_COMMON,
        "valid_from_ns": T0,
        "price_precision": 1,
        "size_precision": 8,
        "tick_size": "0.1",
        "lot_size": "0.00000001",
        "size_min": "0.0001",
        "size_max": None,
        "cost_min": "0.5",
        "status": 1,
    },
    "events": {
        "receive_ns": T0,
        "session_id": "S1",
        "msg_seq_num": NULL,
        "symbol": None,
        "kind": "logged_on",
        "from_ns": NULL,
        "to_ns": NULL,
        "count": NULL,
        "expected": None,
        "received": None,
        "text": None,
    },
}


def add(columns: Columns, table: str, **values: Any) -> None:
    """Append one row; names are given as strings, or None for null."""
    row = {**DEFAULTS[table], **values}
    target = columns.tables()[table]
    target.append([_cell(columns, kind, row[name]) for name, kind in target.layout])


def _cell(columns: Columns, kind: str, value: Any) -> Any:
    if kind not in columns.names:
        return value
    return NO_NAME if value is None else columns.names[kind].code(value)


def add_snapshot(columns: Columns, *, seq: int, at: int, levels: list[tuple[Side, int, int]], **values: Any) -> None:
    """Append a snapshot: its rows, and its row in `messages`."""
    for index, (side, price, size) in enumerate(levels):
        add(
            columns,
            "book_changes",
            receive_ns=at,
            msg_seq_num=seq,
            entry_index=index,
            side=side,
            price=price,
            size=size,
            action=Action.SNAPSHOT,
            flags=2,
            **values,
        )
    add(columns, "messages", receive_ns=at, msg_seq_num=seq, msg_type="W", **_shared(values))


def add_change(columns: Columns, *, seq: int, at: int, checksum: int = NULL, **values: Any) -> None:
    """Append an incremental refresh of one entry, and its row in `messages`."""
    add(columns, "book_changes", receive_ns=at, msg_seq_num=seq, **values)
    verdict = Verdict.UNVERIFIED if checksum == NULL else Verdict.VERIFIED
    add(
        columns,
        "messages",
        receive_ns=at,
        msg_seq_num=seq,
        checksum_received=checksum,
        checksum_computed=checksum,
        verdict=verdict,
        **_shared(values),
    )


def add_clear(columns: Columns, *, seq: int, at: int, **values: Any) -> None:
    """Append an empty snapshot, and its row in `messages`."""
    null = {"side": NO_SIDE, "price": NULL, "size": NULL}
    add(columns, "book_changes", receive_ns=at, msg_seq_num=seq, action=Action.CLEAR, flags=3, **null, **values)
    add(columns, "messages", receive_ns=at, msg_seq_num=seq, msg_type="W", entries=0, **_shared(values))


def _shared(values: dict[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in ("session_id", "symbol", "sending_ms") if name in values}
