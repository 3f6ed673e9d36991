"""The venue's own status, as 35=h says it."""

import pytest
from fix import message

from capture.errors import ValueMalformed
from capture.market.trading_status import read_trading_status


@pytest.mark.parametrize(
    ("fields", "status", "name"),
    [
        ("340=0", 0, "unknown"),
        ("340=1", 1, "maintenance"),
        ("340=2", 2, "online"),
        ("340=101", 101, "cancel-only"),
        ("340=102", 102, "post-only"),
        ("340=7", 7, "7"),
        ("", 0, "unknown"),
    ],
)
def test_status_is_a_number_with_a_name(fields: str, status: int, name: str) -> None:
    """Kraken's numbers have names; another number is its own, and none is unknown."""
    read = read_trading_status(message(f"35=h 335=S1 336=SESSION {fields}"))

    assert (read.status, read.name, read.refusal) == (status, name, "")


@pytest.mark.parametrize(("reason", "words"), [("103", "already subscribed"), ("9", "TradSesStatusRejReason(567) 9")])
def test_refusal_is_no_status(reason: str, words: str) -> None:
    """A request that was refused says why, and its 340 says nothing."""
    read = read_trading_status(message(f"35=h 335=S1 336=SESSION 340=0 567={reason}"))

    assert (read.status, read.name, read.refusal) == (None, "", words)


def test_status_that_is_no_number_is_malformed() -> None:
    """What cannot be read is told by its bytes."""
    with pytest.raises(ValueMalformed, match="an integer"):
        read_trading_status(message("35=h 335=S1 336=SESSION 340=open"))
