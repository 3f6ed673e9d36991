"""The journal of raw bytes and the lake of Parquet tables made from it."""
