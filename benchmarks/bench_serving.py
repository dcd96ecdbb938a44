"""What it costs to build what Agnes serves, to find it unchanged, and to clone it."""

import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import instance
from benchmarks.measures import Measure, timed

PLUGINS = {"smoke": 50, "full": 1_000}
SKILLS = 6
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
TEXT = "Look at the open orders first, then write a line for each of them, in plain words.\n" * 20


def run(size: str) -> list[Measure]:
    """A catalogue of plugins with six skills each."""
    instance.start()
    from marketplace.serving.repository import build_current

    count = PLUGINS[size]
    offer(count)
    with timed() as first:
        built = build_current(now=NOW)
    with timed() as unchanged:
        build_current(now=NOW)
    offer(1, begin=count)
    with timed() as one_more:
        built = build_current(now=NOW)
    with tempfile.TemporaryDirectory() as folder, timed() as clone:
        command = ["git", "clone", "--quiet", "--depth", "1", f"file://{built.folder}", folder]
        subprocess.run(command, check=True)  # noqa: S603
    return [
        Measure(f"build {count} plugins", first.seconds, "s", "less", 10),
        Measure("build after one plugin came", one_more.seconds, "s", "less", 10),
        Measure("find nothing new", unchanged.seconds * 1000, "ms", "less", 200),
        Measure("shallow clone", clone.seconds, "s", "less", 5),
        Measure("zip", Path(built.zip_path).stat().st_size / 1e6, "MB", "", None),
    ]


def offer(count: int, *, begin: int = 0) -> None:
    """Curated plugins as a sync leaves them."""
    from marketplace.bundle_store import store_bundle
    from marketplace.bundles import Bundle
    from marketplace.models import Marketplace, Plugin

    market, _ = Marketplace.objects.get_or_create(
        slug="bench", defaults={"url": "https://bench.example", "created_at": NOW}
    )
    plugins = []
    for number in range(begin, begin + count):
        name = f"plugin-{number}"
        files = {
            f"skills/s{each}/SKILL.md": f"---\nname: s{each}\n---\n{name}\n{TEXT}".encode()
            for each in range(SKILLS)
        }
        files[".claude-plugin/plugin.json"] = f'{{"name": "{name}", "version": "1.0.0"}}'.encode()
        plugins.append(
            Plugin(
                marketplace=market,
                name=name,
                ref_id=f"bench/{name}",
                served_name=name,
                version="1.0.0",
                digest=store_bundle(Bundle.of(files)),
                created_at=NOW,
                changed_at=NOW,
            )
        )
    Plugin.objects.bulk_create(plugins)
