"""Commands of trading: buy, sell, cancel, cancel-all, orders.

Layer: command line. Parses, calls, prints; imports what is heavy on use.
Source: style guide section 8; faults D6, D7, D10.

Each command is one session: connect, log on, act, print what the venue reports, log out. Key and secret come from the
environment or a file of mode 0600; there is no option for either.
"""

import functools
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from capture.cli_support import Commands, reporting_errors

if TYPE_CHECKING:
    from capture.trade_actions import Desk, Options

PORT: Final = 4001
TARGET: Final = "KRAKEN-TRD"
WAIT_S: Final = 10.0


class Number(click.ParamType[Decimal]):
    """An exact decimal above 0."""

    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Return the number; never by way of a float."""
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal(0)
        if not number.is_finite() or number <= 0:
            self.fail(f"{value!r} is no number above 0; write it as 0.001", param, ctx)
        return number


NUMBER: Final = Number()


def session_options(command: Callable[..., Any]) -> Callable[..., None]:
    """Take the options that every command of trading has, as one value."""

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        from capture.trade_actions import Options

        own = {name: given.pop(name) for name in list(given) if name not in Options.__dataclass_fields__}
        command(Options(**given), **own)

    path = click.Path(dir_okay=False, path_type=Path)
    for option in reversed(
        (
            click.option("--host", required=True, envvar="FIXTAPE_VENUE_HOST", show_envvar=True,
                         help="Host of the venue."),
            click.option("--port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="Its port."),
            click.option("--ca", type=path, envvar="FIXTAPE_VENUE_CA_FILE", show_envvar=True,
                         help="PEM file to verify the venue by."),
            click.option("--server-name", help="Name that the certificate must prove; the host if not given."),
            click.option(
                "--sender",
                required=True,
                envvar="FIXTAPE_SESSION_SENDER_COMP_ID", show_envvar=True,
                help="SenderCompID(49) that the venue assigned to you.",
            ),
            click.option("--target", default=TARGET, show_default=True, help="TargetCompID(56) of the venue."),
            click.option("--client-id", default="", help="ClientID(109), the same on your market-data session."),
            click.option(
                "--credentials",
                type=path,
                help="File of mode 0600 with API key and secret as two lines or TOML, instead of FIXTAPE_API_KEY and"
                " FIXTAPE_API_SECRET.",
            ),
            click.option(
                "--store", type=path, help="Order store.  [default: a file for this venue in ~/.local/state/fixtape]"
            ),
            click.option("--wait", type=click.FloatRange(0.1, 3600), default=WAIT_S, show_default=True,
                         help="Seconds to wait for the venue's reports."),
            click.option(
                "--cancel-on-disconnect",
                is_flag=True,
                help="Let the venue cancel orders when the connection is lost (8674=0). Without it an order outlives"
                " the command (8674=1).",
            ),
            click.option("--yes", is_flag=True, help="Really do it at a venue that is not on this machine."),
            click.option("--format", "form", type=click.Choice(["table", "json"]), default="table",
                         show_default=True, help="How to print orders; json is one object a line."),
        )
    ):  # fmt: skip
        option(wrapped)
    return wrapped


@click.group(cls=Commands)
def trade() -> None:
    """Place, cancel and list orders.

    Each command is a session of its own. An order that is live outlives it: the Logon asks the venue to leave orders
    when the connection ends (8674=1). `fixtape trade cancel-all` takes them all down.
    """


def _order_command(side: str) -> Callable[..., None]:
    def command(options: "Options", quantity: Decimal, symbol: str, limit: Decimal | None, market: bool) -> None:
        if (limit is None) != market:
            raise click.UsageError("say either --limit PRICE or --market")
        from capture.trading.orders import Side

        _run(options, lambda desk: desk.place(Side[side.upper()], quantity, symbol, limit))

    command.__doc__ = f"""Place an order to {side}, and print what becomes of it.

    QUANTITY is in the base currency. It ends when the order is closed or live, or after --wait seconds; exit 3 if the
    venue refused the order. A live order outlives the command (8674=1) unless --cancel-on-disconnect is given.

    \b
    Example:
      fixtape trade {side} 0.001 BTC/USD --limit 25000 --host 127.0.0.1 --ca venue-ca.pem --sender CLIENT
      fixtape trade {side} 0.001 BTC/USD --market --host 127.0.0.1 --ca venue-ca.pem --sender CLIENT
    """
    for option in reversed(
        (
            click.argument("quantity", type=NUMBER),
            click.argument("symbol"),
            click.option("--limit", type=NUMBER, help="Place a limit order at this price, good till cancelled."),
            click.option("--market", is_flag=True, help="Place a market order."),
        )
    ):
        option(command)
    return command


trade.command("buy")(session_options(reporting_errors(_order_command("buy"))))
trade.command("sell")(session_options(reporting_errors(_order_command("sell"))))


@trade.command("cancel")
@click.argument("order_ids", nargs=-1, required=True)
@session_options
@reporting_errors
def cancel_command(options: "Options", order_ids: tuple[str, ...]) -> None:
    """Cancel orders by ClOrdID or OrderID.

    The venue reaches only orders that were placed on the same FIX session so; whether a new connection still is the
    same one, it does not say. What it refuses (exit 3), `fixtape trade cancel-all` reaches.

    \b
    Example:
      fixtape trade cancel OAAAAA-AAAAA-AAAAAB --host 127.0.0.1 --ca venue-ca.pem --sender CLIENT
    """
    _run(options, lambda desk: desk.cancel(order_ids))


@trade.command("cancel-all")
@session_options
@reporting_errors
def cancel_all_command(options: "Options") -> None:
    """Cancel every open order of this SenderCompID, whoever placed it (MassCancelRequestType 7).

    The venue once described it as every open order of the whole account; expect that it is.

    \b
    Example:
      fixtape trade cancel-all --host 127.0.0.1 --ca venue-ca.pem --sender CLIENT
    """
    _run(options, lambda desk: desk.cancel_all())


@trade.command("orders")
@click.option("--all", "everything", is_flag=True, help="Also those that are closed.")
@click.option("--offline", is_flag=True, help="As the store has them, without asking the venue.")
@session_options
@reporting_errors
def orders_command(options: "Options", *, everything: bool, offline: bool) -> None:
    """List orders as the venue says they stand.

    An order in state unknown was open when the last connection ended, and the venue never gave it an OrderID to ask
    by: look at the venue, or cancel it.

    \b
    Example:
      fixtape trade orders --host 127.0.0.1 --ca venue-ca.pem --sender CLIENT
    """
    if offline:
        from capture.trade_actions import Printer, open_store, print_orders

        with open_store(options) as store:
            print_orders(store.orders.values(), Printer(options.form), everything=everything)
        return
    _run(options, lambda desk: desk.ask(everything=everything))


def _run(options: "Options", act: "Callable[[Desk], Awaitable[int]]") -> None:
    """Do it, and end with its exit code."""
    from capture.trade_actions import run

    code = run(options, act)
    if code:
        sys.exit(code)
