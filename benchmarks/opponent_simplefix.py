"""simplefix: fields as tag and value, one framed message a call, which is the fastest way to use it.

It checks neither BodyLength(9) nor CheckSum(10), and makes no numbers.
"""

from importlib.metadata import version

import simplefix
from contender import Material, Work, contend


def work(material: Material) -> Work:
    """Return the parsing of every refresh."""
    frames = material.refreshes()

    def run() -> int:
        parser, count = simplefix.FixParser(), 0
        for frame in frames:
            parser.append_buffer(frame)
            count += parser.get_message() is not None
        assert count == len(frames), "a message was lost"
        return count

    return Work(f"simplefix {version('simplefix')}", run, note="fields, one framed message a call")


if __name__ == "__main__":
    contend(work)
