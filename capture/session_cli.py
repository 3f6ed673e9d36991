"""Commands of the bare session: for conformance tools, and to see whether a counterparty answers.

Layer: command line. Parses, calls, prints; imports what is heavy on use.
"""

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from capture.cli_support import Commands, reporting_errors

if TYPE_CHECKING:
    from capture.initiator import BareInitiator, Connect, Request
    from capture.session.rollover_window import RolloverWindow
    from capture.session.session import SessionSettings

TARGETS = {"md": "KRAKEN-MD", "trading": "KRAKEN-TRD"}
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
CONNECT_S = 15.0


class TimeOfDay(click.ParamType[int]):
    """A UTC time of day, as seconds since midnight."""

    name = "HH:MM:SS"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds."""
        try:
            at = datetime.strptime(str(value), "%H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            self.fail(f"{value!r} is no time of day; write it like 22:00:00", param, ctx)
        return at.hour * 3600 + at.minute * 60 + at.second


@click.group(cls=Commands)
def session() -> None:
    """Open a bare FIX session: no market data, no journal."""


@session.command()
@click.argument("host")
@click.argument("port", type=click.IntRange(1, 65535))
@click.option("--profile", type=click.Choice(list(TARGETS)), default="md", show_default=True,
              help="Whom to expect; trading logs on with a key and a signature.")  # fmt: skip
@click.option("--sender", default="CLIENT", show_default=True, help="SenderCompID(49).")
@click.option("--target", help="TargetCompID(56); the profile's if not given.")
@click.option("--heartbeat", type=click.IntRange(0, 3600), default=60, show_default=True, help="HeartBtInt(108) in s.")
@click.option("--reset/--no-reset", default=True, show_default=True, help="Log on with ResetSeqNumFlag(141)=Y.")
@click.option("--store", type=click.Path(file_okay=False, path_type=Path),
              help="Directory to keep numbers and messages in; for one process at a time.")  # fmt: skip
@click.option("--ca", type=click.Path(dir_okay=False, path_type=Path), help="PEM file to verify the other side by.")
@click.option("--plain", is_flag=True, help="No TLS; loopback addresses only.")
@click.option("--rollover", type=TimeOfDay(),
              help="Daily roll-over of the numbers, in UTC; with --no-reset no Logon says so.")  # fmt: skip
@click.option("--send", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="File of messages to send after each logon, one a line: 35=x|320=1|559=4")  # fmt: skip
@click.option("--credentials", type=click.Path(dir_okay=False, path_type=Path),
              help="Trading: file of mode 0600, instead of FIXTAPE_API_KEY and FIXTAPE_API_SECRET.")  # fmt: skip
@reporting_errors
def connect(host: str, port: int, **options: Any) -> None:
    """Log on as initiator and print one JSON line for each thing that happens.

    It stays until Ctrl-C or SIGTERM, which log out and end it with 0, and connects again by itself. Secrets are shown
    as stars.

    \b
    Example:
      fixtape session connect 127.0.0.1 4010 --plain --sender TW44 --target ISLD
    """
    from capture.client import run
    from capture.initiator import BareInitiator
    from capture.session.session import Session
    from capture.session_store import FileStore, store_path

    if options["plain"] and host not in LOOPBACK:
        raise click.UsageError(f"--plain sends everything readable: {host} is no loopback address")
    settings = _settings(options)
    requests = _requests(options["send"])
    with ExitStack() as stack:
        store = None
        if options["store"] is not None:
            options["store"].mkdir(mode=0o750, parents=True, exist_ok=True)
            path = store_path(options["store"], settings.sender, settings.target)
            store = stack.enter_context(FileStore(path, path.stem))
        initiator_session = Session(settings, store)

        async def main() -> None:
            await _run(BareInitiator(initiator_session, _connector(host, port, options), _print, requests))

        run(main())


def _print(event: dict[str, Any]) -> None:
    line = {"at_ns": time.time_ns(), **event}
    click.echo(json.dumps(line, default=lambda value: value.decode("utf-8", "backslashreplace")))
    sys.stdout.flush()


async def _run(initiator: "BareInitiator") -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, initiator.stop)
    await initiator.run()


def _connector(host: str, port: int, options: dict[str, Any]) -> "Connect":
    from capture.connect import Endpoint, open_connection, tls_context
    from capture.errors import VenueUnavailable

    if not options["plain"]:
        context = tls_context(options["ca"])
        return lambda protocol: open_connection(Endpoint(host, port, host, options["ca"]), context, protocol)

    async def plain(protocol: Any) -> Any:
        try:
            async with asyncio.timeout(CONNECT_S):
                return (await asyncio.get_running_loop().create_connection(protocol, host, port))[1]
        except OSError as error:
            reason = error.strerror or str(error) or f"no answer within {CONNECT_S:.0f} s"
            raise VenueUnavailable(f"{host}:{port}: {reason}; check the address") from None

    return plain


def _settings(options: dict[str, Any]) -> "SessionSettings":
    from capture.session.session import Role, SessionSettings

    sender, target = options["sender"].encode(), (options["target"] or TARGETS[options["profile"]]).encode()
    return SessionSettings(
        Role.INITIATOR,
        sender=sender,
        target=target,
        heartbeat_s=options["heartbeat"],
        reset=options["reset"],
        hold_unsent=True,
        # An order that is asked for again may be stale; a request for data is not.
        resent_types=frozenset() if options["profile"] == "trading" else None,
        rollover=_window(options["rollover"], reset=options["reset"]),
        logon_fields=_signature(sender, target, options) if options["profile"] == "trading" else None,
    )


def _window(at_s: int | None, *, reset: bool) -> "RolloverWindow | None":
    from capture.session.rollover_window import RolloverWindow

    return None if at_s is None else RolloverWindow(at_s=at_s, reset_flag=reset)


def _signature(sender: bytes, target: bytes, options: dict[str, Any]) -> Any:
    """Return what makes the signed fields of a trading Logon, with a nonce that keeps rising."""
    from capture.trading.credentials import load
    from capture.wire import tags

    credentials = load(os.environ, options["credentials"])
    last = 0

    def fields(msg_seq_num: int) -> tuple[tuple[int, bytes], ...]:
        nonlocal last
        last = max(time.time_ns() // 1_000_000, last + 1)
        password = credentials.password(msg_seq_num=msg_seq_num, sender=sender, target=target, nonce=last)
        return (
            (tags.USERNAME, credentials.username),
            (tags.PASSWORD, password),
            (tags.NONCE, b"%d" % last),
        )

    return fields


def _requests(path: Path | None) -> "tuple[Request, ...]":
    """Return the messages of a file. Errors: UsageError naming the line that is none."""
    if path is None:
        return ()
    requests = []
    for place, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip() or line.startswith(b"#"):
            continue
        parts = [part.partition(b"=") for part in line.strip().strip(b"|\x01").replace(b"\x01", b"|").split(b"|")]
        if not all(tag.isdigit() and value for tag, _, value in parts) or parts[0][0] != b"35":
            raise click.UsageError(f"{path}:{place}: no message; write it like 35=x|320=1|559=4")
        requests.append((parts[0][2], tuple((int(tag), value) for tag, _, value in parts[1:])))
    return tuple(requests)
