"""What brings a tape back after a fault: the commands that a person has, called in this process."""

import checker

from storage.rebuild import rebuild

SOFTWARE = "fixtape faults"


def recover(root):
    """Bring the tape under a root back into order."""
    if checker.paths_under(root):
        rebuild(root / "journal", root / "lake", software=SOFTWARE)


def rebuilt(root, into):
    """A lake made of the journal alone."""
    rebuild(root / "journal", into, software=SOFTWARE)
    return into
