"""Bytes to frames, frames to fields, fields to values, and back. No state of any session."""
