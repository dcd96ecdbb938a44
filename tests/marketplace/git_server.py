"""A real HTTP server that serves real repositories by git's own http-backend."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


@dataclass
class GitServer:
    """Serves the repositories in `root`. `asked` are (path, Authorization header) in order."""

    root: Path
    url: str
    token: str = ""
    redirect_to: str = ""
    stalls: bool = False
    speaks_new_protocol: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def lets_in(self, header: str) -> bool:
        expected = base64.b64encode(f"x-access-token:{self.token}".encode()).decode()
        return not self.token or header == f"Basic {expected}"


class Handler(BaseHTTPRequestHandler):
    server: "Listener"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        git = self.server.git
        header = self.headers.get("Authorization", "")
        git.asked.append((self.path, header))
        if git.stalls:
            git.released.wait(30)
            return
        if git.redirect_to:
            self.send_response(302)
            self.send_header("Location", git.redirect_to + self.path)
            self.end_headers()
        elif not git.lets_in(header):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._run_backend(git)

    def _run_backend(self, git: GitServer) -> None:
        parts = urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", "") * git.speaks_new_protocol,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        done = subprocess.run(
            ["git", "http-backend"], env=environment, input=body, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = [line.partition(": ") for line in head.decode().split("\r\n")]
        status = next((value for name, _, value in fields if name == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for name, _, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    git: GitServer


@contextmanager
def serving(root: Path) -> Iterator[GitServer]:
    listener = Listener(("127.0.0.1", 0), Handler)
    listener.git = GitServer(root, f"http://127.0.0.1:{listener.server_address[1]}")
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield listener.git
    finally:
        listener.git.released.set()
        listener.shutdown()
        thread.join()
        listener.server_close()
