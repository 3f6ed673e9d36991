"""The quality of a day: ten checks over a tape, the condition of each symbol, and a page of it all."""
