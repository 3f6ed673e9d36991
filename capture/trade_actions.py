"""What the commands of trading do, once options are parsed: one session each, and how orders are printed.

Layer: between the command line and the trader. Source: style guide section 8; faults D10.
Left to others: options and help (`trade_cli`), the connection (`trader`).
"""

import ipaddress
import json
import os
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

import click

from capture.cli_support import EXIT_FINDINGS, escaped
from capture.client import run as run_loop
from capture.connect import Endpoint
from capture.errors import MisuseError
from capture.session.events import PeerLoggedOut, Violated
from capture.trader import Trader
from capture.trading.credentials import Credentials, load
from capture.trading.events import (
    OrderChanged,
    ReportUnmatched,
    RequestRefused,
    StoreUnwritten,
    TradingEvent,
)
from capture.trading.orders import LIVE, Order, OrderState, Side, decimal_text, open_orders
from capture.trading.reports import STATUS, ExecutionReport
from capture.trading.requests import CancelScope
from capture.trading.session import TradingSession, TradingSettings
from capture.trading.store import OrderStore

SETTLE_S: Final = 0.5  # After an order is live: one that crosses is filled right behind its first report.
QUIET_S: Final = 2.0  # Without a report: the venue has no word for "that was all".
EXIT_FAILED: Final = 1
COLUMNS: Final = ("state", "side", "quantity", "symbol", "price", "filled", "average", "order_id", "cl_ord_id", "text")
WIDTHS: Final = (16, 4, 12, 9, 12, 12, 12, 20, 16, 0)


@dataclass(frozen=True, slots=True)
class Options:
    """What every command of trading takes."""

    host: str
    port: int
    ca: Path | None
    server_name: str | None
    sender: str
    target: str
    client_id: str
    credentials: Path | None
    store: Path | None
    wait: float
    cancel_on_disconnect: bool
    yes: bool
    form: str


class OrderUnknown(MisuseError):
    """A name that no open order of the store has."""

    exit_code = 1

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} {problem}; list them: fixtape trade orders --all")
        self.name = name


class Printer:
    """Prints orders as rows or as JSON lines, and takes note of what was refused.

    watched: ClOrdIDs of the orders to print as they change; None is all.
    """

    def __init__(self, form: str) -> None:
        self.form = form
        self.watched: set[int] | None = set()
        self.refused: set[int] = set()
        self.reports_count = 0
        self._headed = form == "json"

    def order(self, order: Order) -> None:
        """Print one order as it stands."""
        price = "market" if order.price is None else decimal_text(order.price)
        average = decimal_text(order.avg_px) if order.cum_qty else ""
        row = (
            order.state.value, order.side.name.lower(), decimal_text(order.quantity), order.symbol, price,
            decimal_text(order.cum_qty), average, order.order_id, str(order.cl_ord_id), order.text,
        )  # fmt: skip
        if self.form == "json":
            click.echo(json.dumps(dict(zip(COLUMNS, row, strict=True))))
            return
        if not self._headed:
            self._headed = True
            click.echo(_aligned(COLUMNS))
        click.echo(_aligned(tuple(map(escaped, row))))

    def happened(self, happened: list[TradingEvent]) -> None:
        """Print what is worth it."""
        for event in happened:
            match event:
                case OrderChanged(order, report):
                    self.reports_count += report is not None
                    if self._is_news(order, report):
                        self.order(order)
                case RequestRefused(msg_type, _, refusal):
                    self.refused.add(refusal.cl_ord_id)
                    self.say(f"the venue refused 35={msg_type}: {refusal.text}")
                case ReportUnmatched(msg_type, reason, text):
                    self.reports_count += 1
                    self.say(f"35={msg_type}: {reason} {text}")
                case StoreUnwritten(text):
                    self.say(text)
                case PeerLoggedOut(text):
                    self.say(f"the venue logged out: {text or 'it gave no reason'}")
                case Violated(text):
                    self.say(f"the session was ended: {text}")

    def _is_news(self, order: Order, report: ExecutionReport | None) -> bool:
        if self.watched is not None and order.cl_ord_id not in self.watched:
            return False
        # Every open order is unknown once a connection has ended, and the first thing after a Logon is to ask.
        told = report is not None and report.exec_type == STATUS and order.open
        return order.state is not OrderState.UNKNOWN and not told

    def say(self, text: str) -> None:
        """Print words, to standard error."""
        click.echo(f"fixtape: {escaped(text)}", err=True)


class Desk:
    """One command's session."""

    def __init__(self, options: Options, credentials: Credentials, store: OrderStore, printer: Printer) -> None:
        settings = TradingSettings(
            sender=options.sender.encode(),
            target=options.target.encode(),
            client_id=options.client_id.encode(),
            cancel_on_disconnect=options.cancel_on_disconnect,
        )
        endpoint = Endpoint(options.host, options.port, options.server_name or options.host, options.ca)
        self.options, self.printer = options, printer
        self.trading = TradingSession(settings, credentials, store)
        self.trader = Trader(endpoint, self.trading, printer.happened)

    async def place(self, side: Side, quantity: Decimal, symbol: str, limit: Decimal | None) -> int:
        """Place an order and wait until it is closed, or live; return the exit code."""
        trading = self.trading
        self.printer.watched = None

        def send(wall_ns: int) -> Order:
            if limit is None:
                order = trading.place_market(symbol, side, quantity, wall_ns)
            else:
                order = trading.place_limit(symbol, side, quantity, limit, wall_ns)
            self.printer.watched = {order.cl_ord_id}
            return order

        cl_ord_id = self.trader.act(send).cl_ord_id

        def state() -> OrderState:
            return trading.orders[cl_ord_id].state

        def closed() -> bool:
            return not trading.orders[cl_ord_id].open

        await self.trader.until(lambda: closed() or (limit is not None and state() in LIVE), self.options.wait)
        if state() in LIVE:
            await self.trader.until(closed, SETTLE_S)
        if state() is OrderState.REJECTED:
            return EXIT_FINDINGS
        if state() in LIVE or state() in {OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED}:
            return 0
        return self._unanswered(f"what became of the order: {state().value}")

    async def cancel(self, names: tuple[str, ...]) -> int:
        """Cancel orders by name and wait for the venue's word on each; return the exit code."""
        orders = [named(self.trading.orders.values(), it) for it in names]
        self.printer.watched = {it.cl_ord_id for it in orders}
        asked: dict[int, int] = {}
        for order in orders:
            request = self.trader.act(lambda wall_ns, it=order: self.trading.cancel(it, wall_ns))  # type: ignore[misc]
            asked[request] = order.cl_ord_id

        def answered() -> bool:
            return all(
                not self.trading.orders[order].open or request in self.printer.refused
                for request, order in asked.items()
            )

        if not await self.trader.until(answered, self.options.wait):
            return self._unanswered("whether every order is canceled")
        return EXIT_FINDINGS if self.printer.refused & set(asked) else 0

    async def cancel_all(self) -> int:
        """Cancel what this SenderCompID has open, and print until the venue is quiet; return the exit code."""
        self.printer.watched = None
        request = self.trader.act(lambda wall_ns: self.trading.cancel_all(CancelScope.SENDER, wall_ns))
        await self._until_quiet()
        if request in self.printer.refused:
            return EXIT_FINDINGS
        left = open_orders(self.trading.orders.values())
        if left:
            return self._unanswered(f"whether {len(left)} orders of the store are canceled")
        return 0

    async def ask(self, *, everything: bool) -> int:
        """Print orders once the venue has said how those stand that were open; return the exit code."""
        asked = {it.cl_ord_id for it in open_orders(self.trading.orders.values()) if it.order_id}
        orders = self.trading.orders
        await self.trader.until(lambda: all(orders[it].state is not OrderState.UNKNOWN for it in asked), self._patience)
        print_orders(orders.values(), self.printer, everything=everything)
        return 0

    @property
    def _patience(self) -> float:
        return min(self.options.wait, QUIET_S)

    async def _until_quiet(self) -> None:
        heard = -1
        while heard != self.printer.reports_count:
            heard = self.printer.reports_count
            await self.trader.until(lambda: self.printer.reports_count != heard, self._patience)  # noqa: B023

    def _unanswered(self, what: str) -> int:
        self.printer.say(f"the venue has not said {what}; ask: fixtape trade orders")
        return EXIT_FAILED


def run(options: Options, act: Callable[[Desk], Awaitable[int]]) -> int:
    """Log on, act, log out; return the exit code. Errors: what reaches a person as one line."""
    if not options.yes and not is_loopback(options.host):
        raise MisuseError(f"{options.host} is not this machine: orders there are real; add --yes if they are meant")
    printer = Printer(options.form)
    codes: list[int] = []
    # Credentials before the store: a command that may not trade leaves nothing behind.
    credentials = load(os.environ, options.credentials)
    with open_store(options) as store:
        desk = Desk(options, credentials, store, printer)

        async def session() -> None:
            try:
                await desk.trader.log_on()
                codes.append(await act(desk))
            finally:
                await desk.trader.log_out()

        run_loop(session())
    return codes[0]


def open_store(options: Options) -> OrderStore:
    """Return the store of this SenderCompID at this venue. Errors: StoreBusy, StoreFailed."""
    identity = f"{options.sender} {options.target} {options.host}:{options.port}"
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    name = re.sub(r"[^A-Za-z0-9.-]", "_", identity)
    return OrderStore(options.store or state / "fixtape" / f"{name}.orders", identity)


def print_orders(orders: Iterable[Order], printer: Printer, *, everything: bool) -> None:
    """Print those that are open, or all of them, oldest first."""
    for order in sorted(orders, key=lambda it: it.cl_ord_id) if everything else open_orders(orders):
        printer.order(order)


def named(orders: Iterable[Order], name: str) -> Order:
    """Return the open order that a ClOrdID or OrderID names. Errors: OrderUnknown."""
    for order in orders:
        if name in {str(order.cl_ord_id), order.order_id}:
            if not order.open:
                raise OrderUnknown(name, f"is {order.state.value} already")
            return order
    raise OrderUnknown(name, "is no order of this store")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, without asking anybody."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _aligned(row: tuple[str, ...]) -> str:
    return "  ".join(text.ljust(width) for text, width in zip(row, WIDTHS, strict=True)).rstrip()
