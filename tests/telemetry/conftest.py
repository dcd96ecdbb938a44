"""The people in tests of telemetry; a module whose people are special makes its own."""

import pytest

from accounts.models import User


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada@example.org")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob@example.org")
