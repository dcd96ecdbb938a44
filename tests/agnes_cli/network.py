"""A network that misbehaves: a TCP proxy whose next connections break as they are told."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ANSWER_500 = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Network:
    """In front of a port. `plan` holds what becomes of the next connections: `500` answers so,
    `up:N` and `down:N` cut after N bytes to or from the server; without a plan all pass."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.plan: list[str] = []
        self.sent = bytearray()
        self.connections = 0
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with self._lock:
                plan = self.plan.pop(0) if self.plan else ""
                self.connections += 1
            threading.Thread(target=self._serve, args=(client, plan), daemon=True).start()

    def _serve(self, client: socket.socket, plan: str) -> None:
        way, _, limit = plan.partition(":")
        with contextlib.suppress(OSError), client:
            if way == "500":
                client.settimeout(0.3)
                with contextlib.suppress(TimeoutError):
                    while client.recv(65536):
                        pass
                client.sendall(ANSWER_500)
                return
            with socket.create_connection(("127.0.0.1", self.target)) as server:
                up = int(limit) if way == "up" else None
                down = int(limit) if way == "down" else None
                back = threading.Thread(target=self._pump, args=(server, client, down, False))
                back.start()
                self._pump(client, server, up, True)
                back.join()

    def _pump(
        self, source: socket.socket, target: socket.socket, limit: int | None, record: bool
    ) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                if limit is not None and passed + len(part) > limit:
                    target.sendall(part[: limit - passed])
                    for one in (source, target):
                        one.shutdown(socket.SHUT_RDWR)
                    return
                passed += len(part)
                if record:
                    self.sent += part
                target.sendall(part)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextmanager
def network(port: int) -> Iterator[Network]:
    made = Network(port)
    try:
        yield made
    finally:
        made.close()
