"""An upstream that reads a request and answers with whatever bytes it is told, then closes the connection."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PATIENCE = 10.0


class RawUpstream:
    """A listening socket on loopback; `answer` is written to every connection that sent a whole request."""

    def __init__(self, listener: socket.socket) -> None:
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.answer = b""
        self.served = 0
        self._listener = listener
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Stop serving; the connection made here only wakes the server up."""
        self._stopping.set()
        socket.create_connection(self._listener.getsockname(), PATIENCE).close()

    def serve(self) -> None:
        """Serve one connection after the other."""
        while not self._stopping.is_set():
            connection, _ = self._listener.accept()
            # A client that has read enough may be gone before everything is written.
            with connection, suppress(OSError):
                connection.settimeout(PATIENCE)
                _read_request(connection)
                self.served += 1
                connection.sendall(self.answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):  # closing with unread bytes would reset what was written
                    pass


def _read_request(connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0:
        missing -= len(_more(connection))


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionAbortedError
    return data


@contextmanager
def answering() -> Iterator[RawUpstream]:
    """Run such an upstream in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        upstream = RawUpstream(listener)
        thread = threading.Thread(target=upstream.serve, daemon=True)
        thread.start()
        yield upstream
        upstream.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
