"""The journal: every byte of every connection, before anything interprets it, in files that Wireshark opens.

Layer: storage, beside the lake and below the recorder. Imports of capture `sinks` and what reads bytes of the wire.
Source: design section 4; the pcapng draft (draft-ietf-opsawg-pcapng).

    format    pcapng blocks, bytes to objects        packets   the synthetic TCP conversation inside them
    mask      credentials out of the bytes           segments  names, directories, descriptors
    writer    the `Journal` of `capture.sinks`       blocks    a segment's blocks, past damage and up to a torn tail
    reader    records of a segment, of a journal     verify    what holds and what does not
    lines     records as a classic FIX log           tail      records from one on, while it is being written
    excerpt   messages from one block on             cli       ls, cat, verify
"""
