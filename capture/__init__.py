"""From bytes on a socket to proven books: wire, session, market, book, and the client that owns the socket."""
