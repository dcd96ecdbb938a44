"""The project's settings over a data folder of the test run's own.

pytest-django reads the settings before any conftest.py, so the environment is prepared here.
"""

import atexit
import os
import secrets
import shutil
import tempfile
from pathlib import Path

if "TEST_FOLDER" not in os.environ:
    # The first process removes it; xdist's workers end without their exit handlers.
    _folder = Path(tempfile.gettempdir()) / f"agnes-tests-{secrets.token_hex(8)}"
    os.environ["TEST_FOLDER"] = str(_folder)
    atexit.register(shutil.rmtree, _folder, ignore_errors=True)
_own = Path(os.environ["TEST_FOLDER"]) / os.environ.get("PYTEST_XDIST_WORKER", "main")
# The type checker reads this file too, and needs no folder.
if "PYTEST_VERSION" in os.environ:
    _own.mkdir(parents=True, exist_ok=True)
for _name in list(os.environ):
    if _name.startswith(("AGNES_", "USAGE_", "SCHEDULER_")) and _name != "AGNES_TEST_DB":
        del os.environ[_name]
os.environ["AGNES_DATA_DIR"] = str(_own / "data")
os.environ["AGNES_SECRET_KEY"] = "only-for-tests-0123456789-0123456789-0123456789-01"
os.environ["AGNES_LOG_LEVEL"] = "WARNING"
os.environ.pop("DATABASE_URL", None)
if os.environ.get("AGNES_TEST_DB") == "postgres":
    if "TEST_POSTGRES_URL" not in os.environ:
        # The first process starts the one server; xdist's workers inherit its address and make a
        # database each.
        from tests.postgres import PostgresServer

        _server = PostgresServer()
        _server.start()
        atexit.register(_server.stop)
        os.environ["TEST_POSTGRES_URL"] = _server.url("postgres")
    os.environ["DATABASE_URL"] = os.environ["TEST_POSTGRES_URL"]

from agnes_project.settings import *  # noqa: E402, F403
from agnes_project.settings import DATABASES  # noqa: E402

DATABASES["default"]["TEST"] = (
    {"NAME": "test_agnes"}
    if "DATABASE_URL" in os.environ
    # A file, not memory: locks, WAL and other processes then behave as they do for real.
    else {"NAME": str(_own / "test.sqlite3")}
)
# Argon2 is slow by intent.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
