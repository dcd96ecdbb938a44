#!/usr/bin/env python
"""Run a management command of Agnes."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agnes_project.settings")
    try:
        from django.core.management import execute_from_command_line

        from agnes_project.start import sentence_instead_of_traceback
    except ImportError as error:
        raise SystemExit(
            "Django is not installed here. Run `make env`, then use .venv/bin/python manage.py."
        ) from error
    with sentence_instead_of_traceback(exit_code=2):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
