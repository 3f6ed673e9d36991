"""cryptofeed's Kraken book path: the text of a WebSocket frame to a book, checksums validated, nobody called back.

Version 2 of cryptofeed reads Kraken's WebSocket version 1, version 3 reads version 2; each is given its own frames.
Runs in the environment of the opponents.
"""

import asyncio
from importlib.metadata import version
from platform import python_version

from contender import Material, Work, contend
from cryptofeed.defines import L2_BOOK
from cryptofeed.exchanges import Kraken
from cryptofeed.symbols import Symbols


def work(material: Material) -> Work:
    """Return the handling of every refresh's frame, upon books as the snapshots left them."""
    release = version("cryptofeed")
    frames = material.json(f"websocket-{1 if release < '3' else 2}.json")
    facts = material.facts()
    names = {symbol.replace("/", "-"): symbol for symbol in facts["precisions"]}
    Symbols.set(Kraken.id, names, {"instrument_type": dict.fromkeys(names, "spot")})
    feed = Kraken(symbols=list(names), channels=[L2_BOOK], checksum_validation=True, max_depth=facts["depth"])
    handler = feed.message_handler

    async def handle(texts: list[str]) -> None:
        for text in texts:
            await handler(text, None, 0.0)

    loop = asyncio.new_event_loop()

    def run() -> int:
        loop.run_until_complete(handle(frames["refreshes"]))
        return len(frames["refreshes"])

    # Version 2 looks for the checksum in the first of a frame's objects, and Kraken puts it into the last.
    unchecked = sum('},{"b"' in text for text in frames["refreshes"]) if release < "3" else 0
    note = "text to book" + (
        f"; {unchecked} of {len(frames['refreshes'])} checksums not looked at" if unchecked else ""
    )
    name = f"cryptofeed {release}, Python {python_version()}"
    return Work(name, run, lambda: loop.run_until_complete(handle(frames["snapshots"])), note)


if __name__ == "__main__":
    contend(work)
