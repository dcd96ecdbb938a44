"""Publishing in tests, as somebody and at some time."""

from datetime import UTC, datetime
from typing import Any

from accounts.audit import Door
from accounts.models import User
from accounts.permissions import is_admin
from marketplace.models import FleaItem, FleaVersion
from marketplace.store import Upload, add_version, publish
from marketplace.store_states import change_state
from tests.marketplace.uploads import SKILL, skill_zip

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def put(by: User, content: bytes | None = None, **fields: Any) -> FleaVersion:
    """A new item, by default the skill `chase-invoices`."""
    upload = Upload(skill_zip() if content is None else content, **fields)
    return publish(upload, by=by, now=NOW, door=Door.API)


def renew(item: FleaItem, by: User, content: bytes | None = None, **fields: Any) -> FleaVersion:
    """A further version, by default of the same skill with one more line."""
    text = SKILL + "And be kind.\n"
    upload = Upload(skill_zip(text) if content is None else content, **fields)
    item.refresh_from_db()
    return add_version(item, upload, by=by, now=NOW, door=Door.API)


def act(item: FleaItem, action: str, by: User, reason: str = "") -> FleaItem:
    """As an admin where they are one."""
    return change_state(
        item, action, by=by, as_admin=is_admin(by), now=NOW, door=Door.API, reason=reason
    )
