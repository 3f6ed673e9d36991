"""The FIX 4.4 session, sans I/O, in both roles: messages and time in, messages and events out."""
