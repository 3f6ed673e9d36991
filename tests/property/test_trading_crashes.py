"""STO-4: whatever is done and wherever it is killed, nothing goes out twice and nothing is forgotten."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis.strategies import lists, sampled_from
from trading import D, Desk

from capture.trading.orders import OrderState, Side
from capture.trading.requests import REQUEST_TYPES, CancelScope
from capture.trading.session import TradingSession
from capture.wire.message import parse

STEPS = (
    "buy",
    "cancel",
    "cancel all",
    "report",
    "send one",
    "send all",
    "disconnect",
    "crash",
    "power cut",
    "clock back",
)


class World:
    """A trading session, the venue's end of it, and a disk that remembers what was synced."""

    def __init__(self, folder):
        self.desk = Desk(folder).connect()
        self.path = folder / "orders"
        self.out = [parse(it) for it in self.desk.frames]

    def take(self, count):
        """Put frames on the wire; the venue says nothing yet."""
        while count and (frame := self.desk.ours.next_frame(self.desk.wall_ns)) is not None:
            self.desk.ours.sent(frame, 0)
            self.out.append(parse(frame))
            count -= 1

    def begin_again(self, *, synced):
        """Start a new process; after a power cut only what was synced is there."""
        if synced is not None:
            os.truncate(self.path, synced)
        before = len(self.desk.frames)
        self.desk.restart()
        self.desk.connect()
        self.out += [parse(it) for it in self.desk.frames[before:]]


@settings(deadline=None, max_examples=150)
@given(steps=lists(sampled_from(STEPS), min_size=3, max_size=25))
def test_nothing_goes_out_twice_and_nothing_is_forgotten(steps):
    """Over crashes, power cuts, lost connections, and a clock that goes back."""
    real_fsync, synced = os.fsync, {}

    def fsync(descriptor):
        real_fsync(descriptor)
        synced["bytes"] = os.fstat(descriptor).st_size

    with TemporaryDirectory() as name:
        os.fsync = fsync
        try:
            world = World(Path(name))
            for step in steps:
                run(world, step, synced)
            world.begin_again(synced=None)
        finally:
            os.fsync = real_fsync
        orders = world.desk.ours.orders
        requests = [it for it in world.out if it.msg_type in REQUEST_TYPES]
        ids = [it.integer(11) for it in requests]

        assert ids == sorted(set(ids))
        assert {it.integer(11) for it in requests if it.msg_type == b"D"} <= set(orders)
        assert all(it.state is OrderState.UNKNOWN for it in orders.values() if it.open)
        nonces = [it.integer(5025) for it in world.out if it.msg_type == b"A"]
        assert nonces == sorted(set(nonces))
        world.desk.store.__exit__()


def run(world, step, synced):
    """Do one step."""
    desk = world.desk
    ours: TradingSession = desk.ours
    still_open = [it for it in ours.orders.values() if it.open]
    match step:
        case "buy":
            ours.place_limit("BTC/USD", Side.BUY, D("1"), D("2"), desk.wall_ns)
        case "cancel" if still_open:
            ours.cancel(still_open[0], desk.wall_ns)
        case "cancel all":
            ours.cancel_all(CancelScope.SENDER, desk.wall_ns)
        case "report" if still_open:
            order = still_open[-1]
            desk.venue.send(b"8", ((11, b"%d" % order.cl_ord_id), (14, b"0"), (17, b"E%d" % len(world.out)),
                                   (37, b"O%d" % order.cl_ord_id), (39, b"0"), (150, b"0")))  # fmt: skip
            frame = desk.venue.next_frame(desk.wall_ns)
            desk.venue.sent(parse(frame), 0)
            ours.received(frame, desk.wall_ns, 0)
        case "send one":
            world.take(1)
        case "send all":
            world.take(1000)
        case "disconnect":
            desk.disconnect()
            before = len(desk.frames)
            desk.connect()
            world.out += [parse(it) for it in desk.frames[before:]]
        case "crash":
            world.begin_again(synced=None)
        case "power cut":
            world.begin_again(synced=synced["bytes"])
        case "clock back":
            desk.wall_ns -= 10**12
