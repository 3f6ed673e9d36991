"""Every conversation in this folder, played against our session in its role, or against the echo."""

from pathlib import Path

import pytest
from conversation import Surprise
from players import play
from session_player import SessionPlayer

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_session_speaks_as_written(path: Path) -> None:
    """What is sent and what happens is what the file says, and nothing else; a follower sees the same."""
    play(path)


LOGON = [(1, "> 35=A 34=1"), (2, "< 35=A 98=0 108=60 141=Y"), (3, "! LoggedOn heartbeat_s=60")]


@pytest.mark.parametrize(
    ("lines", "surprise"),
    [
        ([(1, "> 35=A 34=2")], "tag 34 is 1"),
        ([(1, "> 35=A 141=-")], "tag 141 is Y"),
        ([(1, "> 35=A 999=*")], "tag 999 is -"),
        ([(1, "> 35=A"), (2, "> 35=0")], "nothing was sent"),
        ([(1, "@ +1s")], "also sent: 8=FIX.4.4"),
        ([*LOGON[:2], (3, "! LoggedOn heartbeat_s=30")], "what happened is LoggedOn heartbeat_s=60"),
        ([*LOGON[:2], (3, "! LoggedOut")], "what happened is LoggedOn"),
        (LOGON[:2], "also happened: LoggedOn"),
        ([*LOGON, (4, "@ +30s")], "also sent"),
        ([(1, "? what")], "begin a line with one of"),
    ],
)
def test_player_notices(lines: list[tuple[int, str]], surprise: str) -> None:
    """A conversation that says otherwise than the session does is a failure, in both directions."""
    with SessionPlayer("told wrongly", {}) as player, pytest.raises(Surprise, match=surprise.replace("?", "[?]")):
        player.play(lines)
