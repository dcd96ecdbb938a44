"""Imported once by the server that a pool's processes are forked from: they then start at once.

Opens nothing. What goes wrong here goes wrong again in the process that needs it, which tells it.
"""

import contextlib
import gc
from importlib import import_module

with contextlib.suppress(Exception):
    import django

    django.setup()
    import_module("telemetry.processors")
    gc.freeze()
