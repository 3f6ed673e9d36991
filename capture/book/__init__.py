"""One book: its sides, its checksum, and what entries do to it."""
