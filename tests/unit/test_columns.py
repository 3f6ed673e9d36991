"""Columns that take over the memory of others."""

import pytest
from lake_rows import add

from capture.columns import Columns


@pytest.fixture
def before() -> Columns:
    """Columns of two batches before, let go of, with rows in every long table."""
    columns = Columns()
    for table in ("book_changes", "messages", "trades"):
        for seq in range(50):
            add(columns, table, msg_seq_num=seq)
    return columns


def rows_added(columns: Columns) -> list[object]:
    """Return what the columns hold once three trades were added."""
    for seq in range(3):
        add(columns, "trades", msg_seq_num=100 + seq, entry_id=f"t{seq}" if seq else None)
    trades = columns.trades.columns
    return [len(columns.trades), trades["msg_seq_num"].tolist(), trades["entry_id"]]


def test_memory_let_go_of_is_used_again(before: Columns) -> None:
    """The batch after the next has the same arrays, empty, and its rows read as any."""
    present = before.successor()
    for seq in range(50):
        add(present, "trades", msg_seq_num=seq)
    before.let_go()

    after = present.successor()

    assert after.trades.arrays["msg_seq_num"] is before.trades.arrays["msg_seq_num"]
    assert rows_added(after) == [3, [100, 101, 102], [None, "t1", "t2"]]
    assert len(before.trades) == 50, "what a batch came to can still be told"


def test_memory_of_a_batch_that_waits_is_not(before: Columns) -> None:
    """Without being let go of, columns keep their rows."""
    present = before.successor()

    after = present.successor()

    assert after.trades.arrays["msg_seq_num"] is not before.trades.arrays["msg_seq_num"]
    assert before.trades.columns["msg_seq_num"].tolist() == list(range(50))


def test_memory_that_is_looked_at_is_not(before: Columns) -> None:
    """A view of one column keeps the whole table: no row of it changes below whoever looks."""
    present = before.successor()
    for seq in range(50):
        add(present, "trades", msg_seq_num=seq)
    before.let_go()

    with memoryview(before.trades.arrays["price"]):
        after = present.successor()

    assert after.trades.arrays["price"] is not before.trades.arrays["price"]
    assert rows_added(after) == [3, [100, 101, 102], [None, "t1", "t2"]]


def test_memory_of_another_size_is_not(before: Columns) -> None:
    """A quiet batch after a loud one does not hold on to the loud one's memory."""
    for seq in range(5000):
        add(before, "trades", msg_seq_num=seq)
    present = before.successor()
    before.let_go()

    after = present.successor()

    assert after.trades.capacity < 100
