"""Marketplaces registered and synced as tests need them."""

from datetime import UTC, datetime
from typing import Any

from accounts import audit
from marketplace.models import Marketplace
from marketplace.sync import SyncReport, sync_marketplace
from tests.marketplace.manifests.trees import skill

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
LATER = datetime(2026, 6, 4, 12, tzinfo=UTC)
CATALOGUE = ".claude-plugin/marketplace.json"


def catalogue(*plugins: Any, name: str = "quay-tools", **fields: Any) -> dict[str, Any]:
    """A marketplace.json; a plugin given by its name lies in plugins/<name>."""
    entries = [
        {"name": each, "source": f"./plugins/{each}"} if isinstance(each, str) else each
        for each in plugins
    ]
    return {"name": name, "owner": {"name": "Dock"}, "plugins": entries, **fields}


def crane_files(folder: str = "plugins/crane") -> dict[str, Any]:
    """A plugin with one item of each kind."""
    return {
        f"{folder}/.claude-plugin/plugin.json": {"name": "crane", "version": "1.4.0"},
        f"{folder}/skills/lift/SKILL.md": skill(description="Lifts a load."),
        f"{folder}/agents/review/rigger.md": skill(description="Checks the ropes."),
        f"{folder}/commands/lower.md": skill(description="Lowers a load."),
        f"{folder}/.mcp.json": {"mcpServers": {"scales": {"command": "scales"}}},
    }


def register(slug: str, url: str, **fields: Any) -> Marketplace:
    return Marketplace.objects.create(slug=slug, url=url, created_at=NOW, **fields)


def sync(
    marketplace: Marketplace, *, now: datetime = NOW, door: audit.Door = audit.Door.SYSTEM
) -> SyncReport:
    """From what is stored now, as every door does it."""
    row = Marketplace.objects.get(pk=marketplace.pk)
    return sync_marketplace(row, by=None, door=door, now=now)
