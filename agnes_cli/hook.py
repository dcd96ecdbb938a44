"""What Claude Code runs at the start and end of a session and after each turn.

It says nothing, never fails and never waits: it starts an uploader that goes on without Claude Code
and looks at everything itself, whatever the hook was told.
"""

from __future__ import annotations

import os
import sys


def main() -> int:
    try:
        _wake()
    except Exception:
        # Nothing that goes wrong here may disturb a session; `agnes status` tells what did.
        if os.environ.get("AGNES_DEBUG_HOOK"):
            raise
    return 0


def _wake() -> None:
    folder = agnes_folder()
    if not os.path.exists(f"{folder}/credentials.json") and not os.environ.get("AGNES_TOKEN"):
        return
    # An uploader that is at work already looks again when this is newer than its last look.
    marker = f"{folder}/wake"
    with open(marker, "ab"):
        os.utime(marker)
    spawn(["push", "--background"])


def agnes_folder() -> str:
    """As folders.agnes_folder tells it, which would take longer to import than to run."""
    named = os.environ.get("AGNES_HOME")
    if named:
        return os.path.expanduser(named)
    if os.name == "nt":
        local = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/AppData/Local")
    else:
        local = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(local, "agnes")


def spawn(arguments: list[str]) -> None:
    """This client once more, in a session of its own, without a terminal."""
    where = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from agnes_cli.__main__ import main; "
    command = [sys.executable, "-I", "-c", code + "sys.exit(main())", where, *arguments]
    if os.name == "nt":
        _start_on_windows(command)
        return
    nowhere = os.open(os.devnull, os.O_RDWR)
    streams = [(os.POSIX_SPAWN_DUP2, nowhere, number) for number in range(3)]
    try:
        os.posix_spawn(command[0], command, os.environ, file_actions=streams, setsid=True)
    except NotImplementedError:  # an older system
        _start(command, start_new_session=True)


def _start_on_windows(command: list[str]) -> None:
    detached = 0x00000008 | 0x00000200
    breakaway = 0x01000000
    try:
        # Out of the job that ends with Claude Code.
        _start(command, creationflags=detached | breakaway)
    except OSError:
        _start(command, creationflags=detached)


def _start(command: list[str], **options: object) -> None:
    import subprocess

    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(  # type: ignore[call-overload]  # noqa: S603 - our own command
        command, stdin=nowhere, stdout=nowhere, stderr=nowhere, **options
    )
    # It is left alone on purpose, so it is no child whose end was forgotten.
    process.returncode = 0
