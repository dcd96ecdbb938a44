"""The project's settings over a data folder of the test run's own.

pytest-django reads the settings before any conftest.py, so the environment is prepared here.
"""

import os
import tempfile

_folder = tempfile.TemporaryDirectory(prefix="agnes-tests-")
for _name in list(os.environ):
    if _name.startswith(("AGNES_", "USAGE_", "SCHEDULER_")) and _name != "AGNES_TEST_DB":
        del os.environ[_name]
os.environ["AGNES_DATA_DIR"] = f"{_folder.name}/data"
os.environ["AGNES_SECRET_KEY"] = "only-for-tests-0123456789-0123456789-0123456789-01"
os.environ["AGNES_LOG_LEVEL"] = "WARNING"
os.environ.pop("DATABASE_URL", None)

from agnes_project.settings import *  # noqa: E402, F403
from agnes_project.settings import STORAGES  # noqa: E402

# The two things that would only make tests slow.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
