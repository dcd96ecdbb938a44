"""`agnes`, `python -m agnes_cli`, and the .pyz."""

from __future__ import annotations

import sys


def main() -> int:
    arguments = sys.argv[1:]
    if arguments[:1] == ["hook"]:
        # Before anything else is imported: a hook has to be over before somebody notices it.
        from agnes_cli.hook import main as hook

        return hook()
    from agnes_cli.commands import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
