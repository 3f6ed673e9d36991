"""A simulated Kraken: the session core as acceptor, recordings as the market. For demos, tests and replays."""
