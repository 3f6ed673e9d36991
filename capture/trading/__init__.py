"""Orders at the venue: credentials, what was asked for and what became of it, a durable store, a sans-I/O core."""
