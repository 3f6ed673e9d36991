"""A trading session without sockets: our end, and the session core in the venue's role at the other."""

from decimal import Decimal

from capture.session.session import Role, Session, SessionSettings
from capture.trading.credentials import Credentials
from capture.trading.orders import Side
from capture.trading.session import TradingSession, TradingSettings
from capture.trading.store import OrderStore
from capture.wire.message import parse

KEY, SECRET = "PLANTEDKEY", "UExBTlRFRC1TRUNSRVQ="
ENVIRONMENT = {"FIXTAPE_API_KEY": KEY, "FIXTAPE_API_SECRET": SECRET}
IDENTITY = "CLIENT KRAKEN-TRD test"
WALL_NS = 1_700_000_000_000_000_000
D = Decimal


class Desk:
    """Both ends of one trading session; `step` carries what either has to say until neither has more."""

    def __init__(self, folder, *, settings=None):
        self.folder = folder
        self.settings = settings or TradingSettings(sender=b"CLIENT")
        self.wall_ns, self.mono_ns = WALL_NS, 0
        self.asked = []  # Application messages that came to the venue.
        self.frames = []  # Every frame of ours.
        self.store = None
        self.start()

    def start(self):
        """Begin as a new process does, with what the store holds."""
        self.store = OrderStore(self.folder / "orders", IDENTITY)
        self.ours = TradingSession(self.settings, Credentials(KEY, SECRET), self.store)

    def restart(self):
        """End without a word, and begin anew."""
        self.store.__exit__()
        self.start()

    def connect(self):
        """Open a connection and log on."""
        self.venue = Session(SessionSettings(Role.ACCEPTOR, sender=b"KRAKEN-TRD", target=b"CLIENT"))
        self.venue.opened(self.mono_ns)
        self.ours.opened(self.mono_ns)
        self.step()
        return self

    def disconnect(self):
        """Pull the cable."""
        self.ours.closed()

    def step(self):
        """Carry messages until there are none."""
        moved = True
        while moved:
            moved = False
            while (frame := self.ours.next_frame(self.wall_ns)) is not None:
                moved = True
                self.ours.sent(frame, self.mono_ns)
                self.frames.append(frame)
                self.asked += [it.message for it in self.venue.receive(parse(frame), self.wall_ns, self.mono_ns)]
            while (frame := self.venue.next_frame(self.wall_ns)) is not None:
                moved = True
                self.venue.sent(parse(frame), self.mono_ns)
                self.ours.received(frame, self.wall_ns, self.mono_ns)

    def say(self, msg_type, **fields):
        """The venue sends a message; fields as t11="…"."""
        body = tuple((int(tag[1:]), str(value).encode()) for tag, value in fields.items())
        self.venue.send(msg_type, body)
        self.step()

    def report(self, cl_ord_id, status, *, order_id="O1", exec_type="0", exec_id=None, cum="0", **more):
        """The venue sends an ExecutionReport."""
        self.reports = getattr(self, "reports", 0) + 1
        exec_id = exec_id or f"E{self.reports}"
        self.say(b"8", t11=cl_ord_id, t14=cum, t17=exec_id, t37=order_id, t39=status, t150=exec_type, **more)

    def buy(self, quantity="0.01", price="1000", symbol="BTC/USD"):
        """Place a limit order, and let it reach the venue."""
        order = self.ours.place_limit(symbol, Side.BUY, D(quantity), D(price), self.wall_ns)
        self.step()
        return order.cl_ord_id

    def state(self, cl_ord_id):
        """The state of an order."""
        return self.ours.orders[cl_ord_id].state

    def events(self, kind):
        """The events of a kind since the last call; the others are forgotten."""
        return [it for it in self.ours.take_events() if isinstance(it, kind)]
