"""Rows of a recorder made odd: what a venue says once in a million messages, here in every tenth."""

from random import Random

from capture.columns import NULL, Action, Columns, Flag, Verdict

_FLAGS = (Flag.BAD_TIME, Flag.POSSIBLE_DUPLICATE, Flag.RECOVERED, Flag.BAD_TIME | Flag.RECOVERED)


def make_odd(columns: Columns, said: int, own: Random, often: float) -> Columns:
    """Change some messages: what the venue said of them by `said`, so at every recorder alike, the rest by `own`."""
    changes, messages = columns.book_changes.arrays, columns.messages.arrays
    types = columns.names["msg_type"].values
    rows: dict[int, list[int]] = {}
    for row in range(columns.book_changes.count):
        if changes["entry_index"][row] >= 0:
            rows.setdefault(changes["msg_seq_num"][row], []).append(row)
    lost = []
    for message in range(columns.messages.count):
        of_message = rows.get(messages["msg_seq_num"][message], [])
        if of_message and types[messages["msg_type"][message]] == "X":
            alike = Random(f"{said} {changes['entry_ms'][of_message[0]]}")  # noqa: S311
            _say(columns, message, of_message, alike, often)
        if of_message and own.random() < 0.02 * often:
            lost.append(of_message[0])
        if own.random() < 0.02 * often:
            messages["verdict"][message] = Verdict.MALFORMED
        if own.random() < 0.2 * often:
            messages["flags"][message] |= own.choice(_FLAGS)
        if own.random() < 0.2 * often:
            messages["proof"][message] &= own.choice([1, 3, 5])
    for row in lost:
        changes["entry_index"][row] = -1
    return columns


def _say(columns: Columns, message: int, rows: list[int], random: Random, often: float) -> None:
    """Say something else: a wrong checksum, the same again, more decimals, a crossed book, what is not held, trades."""
    changes, messages = columns.book_changes.arrays, columns.messages.arrays
    first = rows[0]
    if random.random() < 0.05 * often and messages["checksum_received"][message] != NULL:
        messages["checksum_received"][message] += 1
    if random.random() < 0.2 * often:
        messages["checksum_received"][message] = NULL
    if random.random() < 0.3 * often:
        for row in rows:
            changes["entry_ms"][row] = NULL
    if random.random() < 0.03 * often:
        changes["price_scale"][first] += 1
    if random.random() < 0.03 * often:
        changes["price"][first] += 500
    if random.random() < 0.05 * often:
        changes["action"][first] = random.choice([Action.NEW, Action.CHANGE, Action.DELETE, Action.EVICT])
    if random.random() < 0.3 * often:
        for _ in range(random.randrange(1, 4)):
            _trade(columns, message, first, random)


def _trade(columns: Columns, message: int, row: int, random: Random) -> None:
    """Add a trade at a message's end."""
    messages, changes = columns.messages.arrays, columns.book_changes.arrays
    head = [messages[name][message] for name in ("receive_ns", "sending_ms", "session_id", "msg_seq_num", "symbol")]
    name = random.choice([None, "T1", f"trade-{random.randrange(99)}"])
    numbers = (random.randrange(3), random.randrange(3), 1000 + random.randrange(9), 10**7 * random.randrange(1, 9))
    scales = (changes["price_scale"][row], changes["size_scale"][row] + (random.random() < 0.1))
    columns.trades.append(
        (*head, 5, 0, messages["entries"][message], name, *numbers, *scales, changes["entry_ms"][row])
    )
    messages["entries"][message] += 1
