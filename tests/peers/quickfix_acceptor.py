"""QuickFIX as a venue: answers x and V with the messages of the guide, validates all that comes, can lose a number.

Runs in the peers' environment. Prints the port's readiness, then, when told to end by a line on standard input, one
JSON line: messages by type, rejects that QuickFIX sent.

    quickfix_acceptor.py PORT DICTIONARY FOLDER GUIDE [gap]
"""

import json
import os
import sys
import threading
from pathlib import Path

import quickfix as fix

CONFIG = """\
[DEFAULT]
ConnectionType=acceptor
SocketAcceptPort={port}
SocketReuseAddress=Y
FileStorePath={folder}/store
StartTime=00:00:00
EndTime=00:00:00
UseDataDictionary=Y
DataDictionary={dictionary}
ValidateUserDefinedFields=Y
AllowUnknownMsgFields=N
[SESSION]
BeginString=FIX.4.4
SenderCompID=KRAKEN-MD
TargetCompID=CLIENT
"""


class Venue(fix.Application):
    """Serves one instrument, its snapshot and one refresh."""

    def __init__(self, guide, dictionary, *, gap):
        super().__init__()
        self.received, self.sent, self.rejects = {}, {}, []
        self.guide, self.dictionary, self.gap = guide, dictionary, gap
        self.session_id = None
        self.subscribed = threading.Event()

    def onCreate(self, session_id):
        self.session_id = session_id

    def onLogon(self, session_id):
        pass

    def onLogout(self, session_id):
        pass

    def toAdmin(self, message, session_id):
        _count(self.sent, message)
        if _type(message) == "3":
            self.rejects.append(message.toString().replace("\x01", "|"))

    def fromAdmin(self, message, session_id):
        _count(self.received, message)

    def toApp(self, message, session_id):
        _count(self.sent, message)

    def fromApp(self, message, session_id):
        _count(self.received, message)
        if _type(message) == "x":
            self._send(0, 320, message.getField(320))
        elif _type(message) == "V" and message.getField(263) == "1":
            session = fix.Session.lookupSession(session_id)
            if self.gap:
                # As if a message had been lost on the way: its number is used and nothing goes out.
                self.gap = False
                session.setNextSenderMsgSeqNum(session.getExpectedSenderNum() + 1)
            for place in (1, 2):
                self._send(place, 262, message.getField(262))
            self.subscribed.set()

    def _send(self, place, tag, value):
        message = fix.Message(self.guide[place], self.dictionary, False)  # noqa: FBT003 - QuickFIX takes it by place
        message.setField(fix.StringField(tag, value))
        fix.Session.sendToTarget(message, self.session_id)


def _type(message):
    return message.getHeader().getField(35)


def _count(counts, message):
    counts[_type(message)] = counts.get(_type(message), 0) + 1


def main():
    """Serve until a line comes on standard input."""
    port, dictionary, folder, guide = sys.argv[1:5]
    config = Path(folder) / "acceptor.cfg"
    config.write_text(CONFIG.format(port=port, dictionary=dictionary, folder=folder))
    text = Path(guide).read_bytes().decode()
    messages = ["8=FIX.4.4" + part for part in text.split("8=FIX.4.4")[1:]]
    venue = Venue(messages, fix.DataDictionary(dictionary), gap="gap" in sys.argv)
    settings = fix.SessionSettings(str(config))
    acceptor = fix.SocketAcceptor(venue, fix.MemoryStoreFactory(), settings, fix.FileLogFactory(str(folder)))
    acceptor.start()
    print("listening", flush=True)
    sys.stdin.readline()
    acceptor.stop()
    print(json.dumps({"received": venue.received, "sent": venue.sent, "rejects": venue.rejects}), flush=True)
    os._exit(0)  # Its threads may still call what the end of the interpreter takes away, and the process then crashes.


main()
