"""`git upload-pack` for those who clone and fetch: the only git program that is reachable."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, ClassVar, Final

from accounts.errors import AgnesError

MOST_AT_ONCE: Final = 4
"""Of one server process; each takes a core while it packs."""

PATIENCE: Final = 15.0
SECONDS: Final = 300.0
"""After which a fetch that goes on is broken off."""

LARGEST_BODY: Final = 4 * 1024**2
"""What a client says it wants and has; a real one has some kilobytes."""

CHUNK: Final = 64 * 1024
PROTOCOL: Final = re.compile(r"version=[0-2]")
WANT: Final = re.compile(rb"want ([0-9a-f]{40})\b")
_turns = threading.BoundedSemaphore(MOST_AT_ONCE)


class TooManyFetches(AgnesError):
    code: ClassVar[str] = "too_many_fetches"
    status: ClassVar[int] = 503

    def __init__(self) -> None:
        super().__init__("Too many fetch at once.", fix="Try again in a minute.")


class FetchRefused(AgnesError):
    code: ClassVar[str] = "fetch_refused"
    status: ClassVar[int] = 400


class LengthMissing(AgnesError):
    code: ClassVar[str] = "length_required"
    status: ClassVar[int] = 411

    def __init__(self) -> None:
        super().__init__(
            "This server takes no request of unknown length.",
            fix="Set it with: git config --global http.postBuffer 8388608",
        )


class GitMissing(AgnesError):
    code: ClassVar[str] = "git_missing"
    status: ClassVar[int] = 503

    def __init__(self) -> None:
        super().__init__("There is no git on the server.", fix="Install git where Agnes runs.")


def read_body(read: Callable[[int], bytes], *, encoding: str) -> IO[bytes]:
    """The body, unpacked, as a file that is gone when it is closed. Raises FetchRefused."""
    # Without a buffer, as git reads on from where the file itself is.
    body: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  the caller closes it
    unpack = zlib.decompressobj(31) if encoding in {"gzip", "x-gzip"} else None
    size = 0
    try:
        while chunk := read(CHUNK):
            part = unpack.decompress(chunk, LARGEST_BODY + 1 - size) if unpack else chunk
            size += len(part)
            if size > LARGEST_BODY:
                raise FetchRefused("The request is too large.", fix="Clone again.")
            body.write(part)
    except zlib.error as error:
        body.close()
        raise FetchRefused("The request's gzip is broken.", fix="Try again.") from error
    except BaseException:
        body.close()
        raise
    body.seek(0)
    return body


def wanted_objects(body: IO[bytes]) -> list[str]:
    """The ids of the objects that the client asks for, each once."""
    found = WANT.findall(body.read(LARGEST_BODY))
    body.seek(0)
    return [one.decode() for one in dict.fromkeys(found)]


class UploadPack:
    """The output of one run, in chunks. Whatever happens, `close` ends it and frees its turn."""

    def __init__(
        self,
        folder: Path,
        *,
        body: IO[bytes] | None,
        protocol: str,
        client: socket.socket | None = None,
    ) -> None:
        """Without a body it tells what there is. `client` is cut off when its time is up.

        Raises TooManyFetches, GitMissing.
        """
        if not _turns.acquire(timeout=PATIENCE):
            raise TooManyFetches
        self._is_open = True
        self._ending = threading.Lock()
        self._body = body
        self._client = client
        arguments = ["--stateless-rpc"] if body else ["--stateless-rpc", "--advertise-refs"]
        try:
            self._process = subprocess.Popen(  # noqa: S603
                ["git", "-c", f"safe.directory={folder}", "upload-pack", *arguments, str(folder)],  # noqa: S607
                stdin=body or subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(protocol),
                # A group of its own, to end with it the programs that it starts.
                start_new_session=True,
            )
        except OSError as error:
            _turns.release()
            self._close_body()
            if isinstance(error, FileNotFoundError):
                raise GitMissing from error
            raise
        self._end = threading.Timer(SECONDS, self._break_off)
        self._end.daemon = True
        self._end.start()

    def __iter__(self) -> "UploadPack":
        return self

    def __next__(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101  asked for above
        # Whatever is there, so that the client sees progress.
        chunk = self._process.stdout.read1(CHUNK) if self._is_open else b""  # type: ignore[attr-defined]
        if not chunk:
            self.close()
            raise StopIteration
        return bytes(chunk)

    def close(self) -> None:
        if not self._is_open:
            return
        self._end.cancel()
        self._stop()
        if self._process.stdout:
            self._process.stdout.close()
        self._close_body()

    def _stop(self) -> None:
        """End the programs and free the turn, once, whoever calls it, and also while the reader
        is stuck: the lock is never given back."""
        if self._ending.acquire(blocking=False):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            _turns.release()
        self._process.wait()

    def _break_off(self) -> None:
        self._stop()
        if self._client is not None and self._is_open:
            # Else a thread would wait for ever for a client that does not read on.
            with contextlib.suppress(OSError):
                self._client.shutdown(socket.SHUT_RDWR)

    def _close_body(self) -> None:
        self._is_open = False
        if self._body is not None:
            self._body.close()


def _environment(protocol: str) -> dict[str, str]:
    """Nothing of the server's own: neither its settings nor its secrets."""
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }
    if PROTOCOL.fullmatch(protocol):
        environment["GIT_PROTOCOL"] = protocol
    return environment
