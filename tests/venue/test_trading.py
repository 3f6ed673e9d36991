"""`fixtape trade` against the simulated venue, over TLS, as a person types it; and killed in mid-order."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from trading import ENVIRONMENT, KEY, SECRET
from trading_venue import MORTAL, surroundings, trading_venue

from capture.trading.credentials import Credentials
from capture.trading.orders import OrderState
from capture.trading.store import OrderStore
from capture.venue.trading import TradingVenueSettings

pytestmark = pytest.mark.venue


@pytest.fixture
def venue(tmp_path):
    """Order entry on loopback."""
    with trading_venue(tmp_path) as served:
        yield served


def rows(done):
    """The JSON lines that a command printed."""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_order_from_placing_to_its_end(venue):
    """Buy below the market, see it live, cancel it, buy at the market, see the fill."""
    bought = venue.trade("buy", "0.001", "BTC/USD", "--limit", "25000")
    assert bought.returncode == 0, bought.stderr
    assert bought.stdout.splitlines()[0].split() == [
        "state", "side", "quantity", "symbol", "price", "filled", "average", "order_id", "cl_ord_id", "text",
    ]  # fmt: skip
    assert bought.stdout.splitlines()[1].startswith("new               buy   0.001         BTC/USD    25000")

    listed = venue.trade("orders", "--format", "json")
    (live,) = rows(listed)
    assert (live["state"], live["price"]) == ("new", "25000")

    canceled = venue.trade("cancel", live["order_id"], "--format", "json")
    assert (canceled.returncode, rows(canceled)[-1]["state"]) == (0, "canceled")
    assert venue.trade("orders").stdout == ""

    filled = venue.trade("buy", "2.1", "BTC/USD", "--market", "--format", "json")
    states = [it["state"] for it in rows(filled)]
    assert (filled.returncode, states) == (0, ["new", "partially filled", "filled"])
    assert (rows(filled)[-1]["filled"], rows(filled)[-1]["average"]) == ("2.1", "63005.0013021185714")

    everything = rows(venue.trade("orders", "--all", "--offline", "--format", "json"))
    assert [it["state"] for it in everything] == ["canceled", "filled"]
    assert venue.exchange.placed_count == 2


def test_what_the_venue_refuses_ends_with_3(venue):
    """An order beyond the funds, and a symbol that nobody knows."""
    poor = venue.trade("buy", "100", "BTC/USD", "--limit", "25000")
    unknown = venue.trade("sell", "1", "NO/NE", "--market", "--format", "json")

    assert (poor.returncode, unknown.returncode) == (3, 3)
    assert "EOrder:Insufficient funds" in poor.stdout
    assert rows(unknown)[0]["state"] == "rejected"


def test_cancel_all_takes_down_what_several_commands_placed(venue):
    """The widest scope, for each command is a connection of its own."""
    for price in ("25000", "25001"):
        venue.trade("buy", "0.001", "BTC/USD", "--limit", price)

    done = venue.trade("cancel-all", "--format", "json")

    assert (done.returncode, sorted(it["price"] for it in rows(done))) == (0, ["25000", "25001"])
    assert venue.exchange.open_orders(b"CLIENT") == []


def test_a_cancel_that_the_venue_does_not_reach_is_said_to_be_refused(tmp_path):
    """Where a new connection is another session, 35=F does not reach the order; exit 3."""
    with trading_venue(tmp_path, settings=TradingVenueSettings(cancel_reach="session")) as venue:
        placed = rows(venue.trade("buy", "0.001", "BTC/USD", "--limit", "25000", "--format", "json"))[0]

        done = venue.trade("cancel", placed["cl_ord_id"])

    assert done.returncode == 3
    assert "refused 35=F: EOrder:Unknown order" in done.stderr


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({}, "FIXTAPE_API_KEY is not set"),
        ({**ENVIRONMENT, "FIXTAPE_API_SECRET": "d3Jvbmc="}, "authentication failure: invalid signature"),
        ({**ENVIRONMENT, "FIXTAPE_API_SECRET": "%"}, "the API secret is not base64"),
    ],
)
def test_credentials_that_do_not_do_end_with_77(venue, environment, problem):
    """Missing, wrong, malformed: one line, and nothing placed."""
    done = venue.trade("buy", "0.001", "BTC/USD", "--market", environment=environment)

    assert (done.returncode, problem in done.stderr, len(done.stderr.splitlines())) == (77, True, 1)
    assert venue.exchange.placed_count == 0


def test_the_venue_takes_no_orders_without_credentials_to_expect(tmp_path):
    """It ends with 77 as the client does."""
    done = subprocess.run(
        [sys.executable, "-m", "fixtape", "venue", "--profile", "trading", "--port", "0", "--for", "1"],
        capture_output=True, text=True, env=surroundings(), cwd=tmp_path, check=False, timeout=30,
    )  # fmt: skip

    assert (done.returncode, "FIXTAPE_API_KEY is not set" in done.stderr) == (77, True)


def test_ctrl_c_logs_out(venue):
    """What is live stays live, and the venue sees an orderly end."""
    with subprocess.Popen(
        [sys.executable, "-m", "fixtape", *venue.arguments("cancel-all", "--wait", "20")],
        env={**surroundings(), **ENVIRONMENT}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 10
        while not venue.exchange.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=20)

    assert (process.returncode, words) == (130, b"")


def test_a_venue_elsewhere_needs_a_yes(venue):
    """Orders there are real. It is refused before anything is looked up or opened."""
    words = [sys.executable, "-m", "fixtape", "trade", "buy", "1", "BTC/USD", "--market"]
    done = subprocess.run(
        [*words, "--host", "venue.invalid", "--sender", "CLIENT", "--store", str(venue.store)],
        capture_output=True, text=True, env={**surroundings(), **ENVIRONMENT}, check=False, timeout=30,
    )  # fmt: skip

    assert (done.returncode, "--yes" in done.stderr, venue.store.exists()) == (2, True, False)


@pytest.mark.parametrize(
    ("point", "at_the_venue", "after"),
    [("stored", 0, OrderState.UNKNOWN), ("sent", 1, OrderState.UNKNOWN), ("reported", 1, OrderState.NEW)],
)
def test_killed_in_mid_order_nothing_is_sent_twice_and_the_state_is_known(venue, point, at_the_venue, after):
    """Between the store's write and the send, between send and report, after the report."""
    killed = venue.die(point, "buy", "0.001", "BTC/USD", "--limit", "25000")
    assert killed.returncode == -signal.SIGKILL

    (order,) = rows(venue.trade("orders", "--format", "json", "--wait", "1"))
    for _ in range(2):
        venue.trade("orders", "--wait", "1")

    assert order["state"] == after.value
    assert venue.exchange.placed_count == at_the_venue
    assert len(venue.exchange.open_orders(b"CLIENT")) == at_the_venue


def test_an_order_that_was_sent_but_not_reported_can_be_cancelled(venue):
    """By its ClOrdID, for the venue's name of it never came."""
    venue.die("sent", "buy", "0.001", "BTC/USD", "--limit", "25000")
    (order,) = rows(venue.trade("orders", "--format", "json", "--wait", "1"))

    done = venue.trade("cancel", order["cl_ord_id"], "--format", "json")

    assert (done.returncode, rows(done)[-1]["state"]) == (0, "canceled")
    assert venue.exchange.open_orders(b"CLIENT") == []


def test_with_cancel_on_disconnect_a_killed_command_leaves_nothing_live(venue):
    """8674=0: the venue takes the order down, and tells so when asked."""
    venue.die("reported", "buy", "0.001", "BTC/USD", "--limit", "25000", "--cancel-on-disconnect")

    (order,) = rows(venue.trade("orders", "--all", "--format", "json"))

    assert order["state"] == "canceled"
    assert venue.exchange.open_orders(b"CLIENT") == []


def test_two_commands_at_once_do_not_share_a_store(venue):
    """The second one ends with 75 and places nothing."""
    with OrderStore(venue.store, f"CLIENT KRAKEN-TRD 127.0.0.1:{venue.server.port}"):
        done = venue.trade("buy", "0.001", "BTC/USD", "--market")

    assert (done.returncode, venue.exchange.placed_count) == (75, 0)


def test_no_output_no_file_and_no_process_list_shows_a_secret(venue, monkeypatch):
    """Key, secret and password are found in nothing that is written or shown, also where things go wrong."""
    passwords = set()
    original = Credentials.password

    def noting(self, **given):
        password = original(self, **given)
        passwords.add(password.decode())
        return password

    monkeypatch.setattr(Credentials, "password", noting)  # The venue's: it computes each one to compare.
    shown = [venue.trade("buy", "0.001", "BTC/USD", "--limit", "25000"), venue.trade("cancel-all")]
    shown.append(venue.trade("orders", "--all"))
    shown.append(venue.trade("orders", environment={**ENVIRONMENT, "FIXTAPE_API_SECRET": "d3Jvbmc="}))
    kept = venue.folder / "credentials"
    kept.touch(mode=0o644)
    kept.write_text(f"{KEY}\n{SECRET}\n")
    shown.append(venue.trade("orders", "--credentials", str(kept), environment={}))
    shown.append(venue.die("sent", "buy", "0.001", "BTC/USD", "--limit", "25000"))
    texts = [it.stdout + it.stderr for it in shown]
    kept.unlink()
    texts += [path.read_text(errors="replace") for path in venue.folder.rglob("*") if path.is_file()]

    secrets = {KEY, SECRET, *passwords}
    assert len(passwords) >= 4
    assert not [it for it in secrets for text in texts if it in text]


def test_the_process_list_shows_no_secret(venue):
    """Of a command that is at work, in its command line; nor is there an option that would put one there."""
    with subprocess.Popen(
        [sys.executable, "-m", "fixtape", *venue.arguments("cancel-all", "--wait", "2")],
        env={**surroundings(), **ENVIRONMENT}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 10
        while not venue.server.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        with open(f"/proc/{process.pid}/cmdline", "rb") as file:  # noqa: PTH123
            command_line = file.read()
        process.communicate(timeout=20)

    assert b"cancel-all" in command_line
    assert not [it for it in (KEY, SECRET) if it.encode() in command_line]
    assert KEY not in MORTAL
    assert os.environ.get("FIXTAPE_API_SECRET") is None
