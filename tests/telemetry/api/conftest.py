"""Ada, who uploads."""

import pytest

from accounts.models import User
from tests.telemetry.api.uploading import Upload, token, uploader


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.org")


@pytest.fixture
def upload(ada: User) -> Upload:
    """Sends a body as Ada, with a token for uploads."""
    return uploader(token(ada, "push"))
