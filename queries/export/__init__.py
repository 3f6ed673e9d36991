"""Recorded days in the formats of other tools: one module a format, and a runner that writes them safely.

Layer: queries, over the engine and its row source. `docs/export.md` says what each format can and cannot hold.
"""
