"""Questions to a lake: ticks, books of any instant, SQL."""
