"""The order store: what it gives back, and what it refuses to guess at."""

import os
from dataclasses import replace

import pytest
from trading import IDENTITY, WALL_NS, D

from capture.errors import StoreBusy, StoreFailed
from capture.trading.orders import OrderState, Side, new_order
from capture.trading.store import OrderStore

ORDER = new_order(
    cl_ord_id=7, symbol="BTC/USD", side=Side.SELL, quantity=D("0.10"), price=D("25000.5"), placed_ns=WALL_NS
)


def test_what_was_kept_comes_back(tmp_path):
    """Orders with their last state, the highest ClOrdID of any request, the highest nonce."""
    changed = replace(ORDER, state=OrderState.NEW, order_id="O1", text="né\n")
    with OrderStore(tmp_path / "deep" / "orders", IDENTITY) as store:
        store.placed(ORDER)
        store.changed(changed)
        store.requested(9, b"F")
        nonce = store.next_nonce(WALL_NS)

    with OrderStore(tmp_path / "deep" / "orders", IDENTITY) as store:
        assert (store.orders, store.last_cl_ord_id, store.last_nonce) == ({7: changed}, 9, nonce)
        assert store.next_nonce(0) == nonce + 1


def test_only_its_owner_can_read_it(tmp_path):
    """Orders are nobody else's affair."""
    with OrderStore(tmp_path / "private" / "orders", IDENTITY):
        assert (tmp_path / "private" / "orders").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700


def test_one_process_at_a_time(tmp_path):
    """Two would give out one ClOrdID twice."""
    with OrderStore(tmp_path / "orders", IDENTITY), pytest.raises(StoreBusy) as caught:
        OrderStore(tmp_path / "orders", IDENTITY)
    assert caught.value.exit_code == 75


def test_wherever_it_is_cut_what_stands_before_is_good(tmp_path):
    """A torn tail is a request that did not go out; what comes after it can be written and read."""
    path = tmp_path / "orders"
    with OrderStore(path, IDENTITY) as store:
        header = path.stat().st_size
        store.placed(ORDER)
    whole = path.read_bytes()

    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with OrderStore(path, IDENTITY) as store:
            assert store.orders == {}
            store.requested(5, b"q")
        with OrderStore(path, IDENTITY) as store:
            assert store.last_cl_ord_id == 5
    assert header < len(whole)


def test_damage_is_not_guessed_at(tmp_path):
    """A wrong byte in a whole line refuses the store and names the line."""
    path = tmp_path / "orders"
    with OrderStore(path, IDENTITY) as store:
        store.placed(ORDER)
        store.requested(9, b"F")
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"25000")] ^= 1
    path.write_bytes(damaged)

    with pytest.raises(StoreFailed, match="line 2 is damaged"):
        OrderStore(path, IDENTITY)


def test_a_store_of_another_identity_is_refused(tmp_path):
    """STO-5: its orders would be asked after at the wrong venue."""
    OrderStore(tmp_path / "orders", "OTHER").__exit__()

    with pytest.raises(StoreFailed, match="it is of OTHER"):
        OrderStore(tmp_path / "orders", IDENTITY)


def test_a_symbolic_link_is_refused(tmp_path):
    """Who made it could point it anywhere."""
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreFailed):
        OrderStore(tmp_path / "link", IDENTITY)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_failed_write_is_taken_back_and_the_last_one(tmp_path, monkeypatch, call):
    """After a failure nobody knows what the disk holds: nothing more goes out from this process."""
    with OrderStore(tmp_path / "orders", IDENTITY) as store:
        monkeypatch.setattr(os, call, lambda *args: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(StoreFailed, match="No space left"):
            store.placed(ORDER)
        monkeypatch.undo()
        with pytest.raises(StoreFailed, match="No space left on device before"):
            store.requested(8, b"F")

    with OrderStore(tmp_path / "orders", IDENTITY) as store:
        assert (store.orders, store.last_cl_ord_id) == ({}, 0)
