"""QuickFIX as a client of a venue: logs on, asks for the list and every symbol, counts, validates, logs out.

Runs in the peers' environment. Prints one JSON line: messages by type, rejects that QuickFIX sent, and why.

    quickfix_initiator.py PORT DICTIONARY FOLDER SECONDS
"""

import json
import sys
import threading
import time
from pathlib import Path

import quickfix as fix

CONFIG = """\
[DEFAULT]
ConnectionType=initiator
ReconnectInterval=1
FileStorePath={folder}/store
StartTime=00:00:00
EndTime=00:00:00
HeartBtInt=2
ResetOnLogon=Y
UseDataDictionary=Y
DataDictionary={dictionary}
ValidateFieldsOutOfOrder=Y
ValidateFieldsHaveValues=Y
ValidateUserDefinedFields=Y
AllowUnknownMsgFields=N
CheckLatency=Y
[SESSION]
BeginString=FIX.4.4
SenderCompID=QUICKFIX
TargetCompID=KRAKEN-MD
SocketConnectHost=127.0.0.1
SocketConnectPort={port}
"""


class Client(fix.Application):
    """Counts what comes, and asks for everything there is."""

    def __init__(self):
        super().__init__()
        self.received, self.sent, self.rejects = {}, {}, []
        self.logged_on, self.logged_out = threading.Event(), threading.Event()
        self.last = time.monotonic()

    def onCreate(self, session_id):
        self.session_id = session_id

    def onLogon(self, session_id):
        self.logged_on.set()
        request = _message("x", [(320, "L1"), (263, "1"), (559, "4")])
        fix.Session.sendToTarget(request, session_id)

    def onLogout(self, session_id):
        self.logged_out.set()

    def toAdmin(self, message, session_id):
        self._count(self.sent, message)
        if _type(message) == "3":
            self.rejects.append(message.toString().replace("\x01", "|"))

    def fromAdmin(self, message, session_id):
        self._count(self.received, message)

    def toApp(self, message, session_id):
        self._count(self.sent, message)

    def fromApp(self, message, session_id):
        self._count(self.received, message)
        if _type(message) == "y":
            for number, symbol in enumerate(_symbols(message)):
                fix.Session.sendToTarget(_subscription(f"M{number}", symbol), session_id)

    def _count(self, counts, message):
        self.last = time.monotonic()
        counts[_type(message)] = counts.get(_type(message), 0) + 1


def _type(message):
    return message.getHeader().getField(35)


def _message(msg_type, fields):
    message = fix.Message()
    message.getHeader().setField(fix.StringField(35, msg_type))
    for tag, value in fields:
        message.setField(fix.StringField(tag, value))
    return message


def _symbols(message):
    symbols = []
    for place in range(1, int(message.getField(146)) + 1):
        group = fix.Group(146, 55)
        message.getGroup(place, group)
        symbols.append(group.getField(55))
    return symbols


def _subscription(md_req_id, symbol):
    message = _message("V", [(262, md_req_id), (263, "1"), (264, "1000"), (265, "1")])
    for kind in "012":
        group = fix.Group(267, 269)
        group.setField(fix.StringField(269, kind))
        message.addGroup(group)
    group = fix.Group(146, 55)
    group.setField(fix.StringField(55, symbol))
    message.addGroup(group)
    return message


def main():
    """Run until nothing but heartbeats came for a while, then log out."""
    port, dictionary, folder, seconds = sys.argv[1:5]
    config = Path(folder) / "initiator.cfg"
    config.write_text(CONFIG.format(port=port, dictionary=dictionary, folder=folder))
    client = Client()
    settings = fix.SessionSettings(str(config))
    initiator = fix.SocketInitiator(client, fix.MemoryStoreFactory(), settings, fix.FileLogFactory(str(folder)))
    initiator.start()
    assert client.logged_on.wait(15), "no logon"
    time.sleep(float(seconds))
    fix.Session.lookupSession(client.session_id).logout("done")
    client.logged_out.wait(10)
    initiator.stop()
    print(json.dumps({"received": client.received, "sent": client.sent, "rejects": client.rejects}), flush=True)


main()
