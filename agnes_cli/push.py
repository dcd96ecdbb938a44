"""Everything that grew since the last push goes to the server, except what is private."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agnes_cli.credentials import Credentials
from agnes_cli.errors import ClientError, NotSignedIn, Refused, TryLater
from agnes_cli.ledger import Entry, Ledger, ledger_file, pause_after
from agnes_cli.private_list import PrivateList
from agnes_cli.private_marks import mark_project_sessions, tell_server
from agnes_cli.server import Server
from agnes_cli.transcript_files import Transcript, find_transcripts
from agnes_cli.upload import send

WORKERS = 4
PRIVATE_CODES = frozenset({"session_private"})
STOPPING = frozenset({"opted_out", "missing_scope", "person_erased", "not_found", "forbidden"})
"""Refusals that concern the person or the server, not the file."""

OPT_OUT_LASTS = 6 * 3600.0
"""Seconds until a server that refused for the person's opt-out is asked again by a hook."""


class _Private(Exception):
    """Something in the file is private; the text is the session."""


@dataclass
class Report:
    """What a push came to. `stopped` is why it ended before its end, None when it did not."""

    sent: int = 0
    bytes_sent: int = 0
    unchanged: int = 0
    private: int = 0
    waiting: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    masked: Counter[str] = field(default_factory=Counter)
    stopped: ClientError | None = None

    def numbers(self) -> dict[str, Any]:
        return {
            "sent": self.sent,
            "bytes_sent": self.bytes_sent,
            "unchanged": self.unchanged,
            "private": self.private,
            "waiting": [{"file": file, "why": why} for file, why in self.waiting],
            "refused": [{"file": file, "why": why} for file, why in self.refused],
            "masked": dict(sorted(self.masked.items())),
        }


class Push:
    """One run; the caller holds the lock."""

    def __init__(
        self,
        credentials: Credentials,
        projects: Path,
        *,
        patient: bool = False,
        progress: Callable[[Report], None] = lambda report: None,
    ) -> None:
        """`patient`: what failed lately waits for its time, as when a hook pushes."""
        self.credentials = credentials
        self.projects = projects
        self.patient = patient
        self.progress = progress
        self.ledger = Ledger(ledger_file(credentials))
        self.private = PrivateList()
        self.report = Report()
        self._lock = threading.Lock()
        self._local = threading.local()
        self._servers: list[Server] = []

    def run(self) -> Report:
        now = time.time()
        try:
            if self._is_opted_out(now):
                return self.report
            transcripts = list(find_transcripts(self.projects))
            mark_project_sessions(self.private, transcripts)
            tell_server(self._server(), self.private)
            self._send_all([one for one in transcripts if self._is_wanted(one, now)])
            # What a window marked while its session was on the way.
            self.private.reload()
            tell_server(self._server(), self.private)
        except ClientError as error:
            self._stop(error)
        finally:
            for server in self._servers:
                server.close()
            self._note(time.time())
            self.ledger.save()
        return self.report

    def _is_opted_out(self, now: float) -> bool:
        told = self.ledger.notes.get("opted_out_at")
        if not self.patient or not isinstance(told, (int, float)):
            return False
        return 0 <= now - told < OPT_OUT_LASTS

    def _is_wanted(self, transcript: Transcript, now: float) -> bool:
        entry = self.ledger.get(transcript.name)
        same = entry.looks(transcript.size, transcript.mtime_ns)
        if entry.state == "private" and same and entry.checked == self.private.version:
            self.report.private += 1
            return False
        if entry.state == "sent" and same and entry.checked == self.private.version:
            self.report.unchanged += 1
            return False
        if entry.state == "refused" and same:
            self.report.refused.append((transcript.name, entry.message))
            return False
        if entry.state == "waiting" and self.patient and not entry.is_due(now):
            self.report.waiting.append((transcript.name, entry.message))
            return False
        return True

    def _send_all(self, wanted: list[Transcript]) -> None:
        # The newest first: what somebody is waiting to see.
        wanted.sort(key=lambda one: -one.mtime_ns)
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="push") as pool:
            for _ in pool.map(self._send_one, wanted):
                self.progress(self.report)

    def _send_one(self, transcript: Transcript) -> None:
        entry = self.ledger.get(transcript.name)
        try:
            if self.report.stopped:
                raise self.report.stopped
            self._refuse_private(transcript, entry)
            same = entry.looks(transcript.size, transcript.mtime_ns)
            if entry.state == "sent" and same:
                self._keep(transcript, entry)
                return
            # What was private may have been removed there, so nothing is taken for granted.
            base = Entry() if entry.state == "private" else entry
            sent = send(
                self._server(),
                transcript,
                base,
                refuse_private=lambda at: self._refuse_private(transcript, entry, at),
            )
            self._keep(transcript, sent.entry, sent.bytes_sent)
        except _Private as private:
            self._keep_private(transcript, entry, str(private))
        except Refused as error:
            self._keep_refused(transcript, entry, error)
        except ClientError as error:
            self._keep_waiting(transcript, entry, error)
        except OSError as error:
            why = TryLater(f"It cannot be read: {error.strerror}.", fix="Look at its permissions.")
            self._keep_waiting(transcript, entry, why)

    def _refuse_private(self, transcript: Transcript, entry: Entry, at: int = 0) -> None:
        """Looks only at what is new, unless the list of what is private changed since."""
        with self._lock:
            self.private.reload()
            version = self.private.version
        start = max(at, entry.read) if entry.checked == version else at
        session = self.private.why_private(transcript, start)
        project = "" if session else self.private.private_project(transcript)
        if session or project:
            raise _Private(session or project)

    def _keep(self, transcript: Transcript, entry: Entry, size: int = 0) -> None:
        entry = entry._replace(checked=self.private.version, at=time.time())
        self.ledger.put(transcript.name, entry)
        with self._lock:
            if size:
                self.report.sent += 1
                self.report.bytes_sent += size
                self.report.masked.update(dict(entry.masked))
            else:
                self.report.unchanged += 1

    def _keep_private(self, transcript: Transcript, entry: Entry, session: str) -> None:
        """A fork, or a subagent's file, of a private session is private as well."""
        home = transcript.home_session
        with self._lock:
            self.report.private += 1
            if home and home not in self.private.sessions:
                with self.private.changing():
                    known = self.private.sessions.get(session)
                    because = (known.because if known else "") or session
                    self.private.mark(home, [], because=because)
        entry = entry._replace(
            size=transcript.size,
            mtime_ns=transcript.mtime_ns,
            state="private",
            code="",
            message=f"belongs to the private session {session}",
            checked=self.private.version,
        )
        self.ledger.put(transcript.name, entry)

    def _keep_refused(self, transcript: Transcript, entry: Entry, error: Refused) -> None:
        if error.code in STOPPING:
            self._stop(error)
            self._keep_waiting(transcript, entry, error)
            return
        state = "private" if error.code in PRIVATE_CODES else "refused"
        self.ledger.put(
            transcript.name,
            entry._replace(
                size=transcript.size,
                mtime_ns=transcript.mtime_ns,
                state=state,
                code=error.code,
                message=error.message,
                checked=self.private.version,
                at=time.time(),
            ),
        )
        with self._lock:
            if state == "private":
                self.report.private += 1
            else:
                self.report.refused.append((transcript.name, error.message))

    def _keep_waiting(self, transcript: Transcript, entry: Entry, error: ClientError) -> None:
        if isinstance(error, NotSignedIn) or error.code == "unreachable":
            self._stop(error)
        attempts = entry.attempts + 1
        # What stopped the whole push is no fault of this file, which need not wait for long.
        pause = 0.0 if self.report.stopped else pause_after(attempts)
        self.ledger.put(
            transcript.name,
            entry._replace(
                size=-1,
                state="waiting",
                code=error.code,
                message=error.message,
                attempts=attempts,
                next_at=time.time() + pause,
            ),
        )
        with self._lock:
            self.report.waiting.append((transcript.name, error.message))

    def _stop(self, error: ClientError) -> None:
        """Nothing else is tried in this run: it would come to the same."""
        self.report.stopped = self.report.stopped or error

    def _note(self, now: float) -> None:
        stopped = self.report.stopped
        opted_out = stopped is not None and stopped.code == "opted_out"
        self.ledger.note(
            pushed_at=now,
            opted_out_at=now if opted_out else None,
            problem=stopped.message if stopped else "",
            problem_fix=stopped.fix if stopped else "",
        )

    def _server(self) -> Server:
        server = getattr(self._local, "server", None)
        if server is None:
            server = self._local.server = Server(self.credentials)
            self._servers.append(server)
        return server
