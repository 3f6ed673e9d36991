"""QuickFIX's parser, C++ behind Python: a Message from text, without a data dictionary, as for an unknown message.

It checks BodyLength(9) and CheckSum(10) and makes fields; groups need a dictionary, which costs it more. The text is
decoded from bytes beforehand. Runs in the environment of the peers.
"""

from importlib.metadata import version

import quickfix
from contender import Material, Work, contend


def work(material: Material) -> Work:
    """Return the parsing of every refresh."""
    texts = [frame.decode() for frame in material.refreshes()]
    parse = quickfix.Message

    def run() -> int:
        for text in texts:
            parse(text)  # It raises where a check fails.
        return len(texts)

    assert parse(texts[0]).getField(55) in material.facts()["precisions"], "QuickFIX read another symbol"
    return Work(f"QuickFIX {version('quickfix')}", run, note="fields, both checks, no dictionary")


if __name__ == "__main__":
    contend(work)
