"""From bytes on a socket to proven books: wire, session, market, book, and the client that owns the socket."""

from capture import kernels

kernels.install()  # Here, so that no kernel can be imported before it.
