"""What Claude Code runs at the start and end of a session and after each turn.

It says nothing, never fails and never waits: it starts an uploader that goes on without Claude Code
and looks at everything itself, whatever the hook was told.
"""

from __future__ import annotations

import os
import sys
from typing import Any


def main() -> int:
    try:
        _wake()
    except Exception:
        # Nothing that goes wrong here may disturb a session; `agnes status` tells what did.
        if os.environ.get("AGNES_DEBUG_HOOK"):
            raise
    return 0


def _wake() -> None:
    from agnes_cli.folders import agnes_folder

    folder = agnes_folder()
    if not os.path.exists(folder / "credentials.json") and not os.environ.get("AGNES_TOKEN"):
        return
    # An uploader that is at work already looks again when this is newer than its last look.
    (folder / "wake").touch()
    spawn(["push", "--background"])


def spawn(arguments: list[str]) -> None:
    """This client once more, in a session of its own, without a terminal."""
    where = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from agnes_cli.__main__ import main; "
    command = [sys.executable, "-I", "-c", code + "sys.exit(main())", where, *arguments]
    if os.name != "nt":
        _start(command, start_new_session=True)
        return
    detached = 0x00000008 | 0x00000200
    breakaway = 0x01000000
    try:
        # Out of the job that ends with Claude Code.
        _start(command, creationflags=detached | breakaway)
    except OSError:
        _start(command, creationflags=detached)


def _start(command: list[str], **options: Any) -> None:
    import subprocess

    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(  # noqa: S603 - the command is our own
        command,
        stdin=nowhere,
        stdout=nowhere,
        stderr=nowhere,
        cwd=os.path.expanduser("~"),
        **options,
    )
    # It is left alone on purpose, so it is no child whose end was forgotten.
    process.returncode = 0
