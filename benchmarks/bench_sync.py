"""A large marketplace synced: at first, again without a change, and after one."""

import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import instance
from benchmarks.measures import Measure, timed

PLUGINS = {"smoke": 40, "full": 1_000}
SKILLS = 6
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
BODY = "\n".join(["Read the notes, then write down what is open.", ""] * 40)


def run(size: str) -> list[Measure]:
    """Real git, a repository on this disk, the default database."""
    instance.start()
    with tempfile.TemporaryDirectory(prefix="agnes-sync-") as folder:
        repository = Path(folder) / "large.git"
        subprocess.run(["git", "init", "--bare", "--quiet", str(repository)], check=True)  # noqa: S603, S607
        commit(repository, catalogue_files(PLUGINS[size]))
        floor = raw_seconds(repository, Path(folder) / "floor.git")
        marketplace = register(repository)
        first = synced(marketplace)
        if first[1].items != PLUGINS[size] * SKILLS:
            raise RuntimeError(f"{first[1].items} items were stored")
        unchanged = synced(marketplace)
        if unchanged[1].changed:
            raise RuntimeError("nothing changed, but something was written")
        commit(repository, {"plugins/plugin-7/skills/new/SKILL.md": skill("new")})
        changed = synced(marketplace)
        if changed[1].changes.items_added != 1:
            raise RuntimeError("the new skill was not stored")
    floors = {"git fetch and raw read": floor}
    return [
        Measure(f"first sync of {PLUGINS[size]} plugins", first[0], "s", "less", 15, floors),
        Measure("unchanged", unchanged[0], "s", "less", 1),
        Measure("one skill more", changed[0], "s", "less", 10, floors),
    ]


def skill(name: str) -> str:
    return f"---\nname: {name}\ndescription: Keeps the {name} in order. Use it daily.\n---\n{BODY}"


def catalogue_files(plugins: int) -> dict[str, str]:
    """A marketplace of so many plugins with SKILLS skills each, by path."""
    files: dict[str, str] = {}
    entries: list[dict[str, Any]] = []
    for number in range(plugins):
        name = f"plugin-{number}"
        entries.append({"name": name, "source": f"./plugins/{name}", "category": "made-up"})
        manifest = {"name": name, "version": f"1.{number}.0", "description": "Made up."}
        base = f"plugins/{name}"
        files[f"{base}/.claude-plugin/plugin.json"] = msgspec.json.encode(manifest).decode()
        for each in range(SKILLS):
            files[f"{base}/skills/skill-{each}/SKILL.md"] = skill(f"skill-{each}")
    value = {"name": "large", "owner": {"name": "Benchmark"}, "plugins": entries}
    files[".claude-plugin/marketplace.json"] = msgspec.json.encode(value).decode()
    return files


def commit(repository: Path, files: dict[str, str]) -> None:
    """Add the files on top of what is there, by one process however many they are."""
    lines = ["commit refs/heads/master", "committer Made Up <made@example.org> 1700000000 +0000"]
    lines += ["data 6", "change"]
    there = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", "refs/heads/master"],  # noqa: S607
        cwd=repository,
        stdout=subprocess.PIPE,
        check=False,
    )
    if there.returncode == 0:
        lines.append("from refs/heads/master^0")
    for path, text in files.items():
        lines += [f"M 100644 inline {path}", f"data {len(text.encode())}", text]
    stream = ("\n".join(lines) + "\n").encode()
    subprocess.run(["git", "fast-import", "--quiet"], cwd=repository, input=stream, check=True)  # noqa: S607
    head = ["git", "symbolic-ref", "HEAD", "refs/heads/master"]
    subprocess.run(head, cwd=repository, check=True)  # noqa: S603


def raw_seconds(repository: Path, copy: Path) -> float:
    """What git alone needs to bring the files here and to read each."""
    with timed() as clock:
        clone = [
            "git",
            "clone",
            "--quiet",
            "--bare",
            "--depth=1",
            f"file://{repository}",
            str(copy),
        ]
        subprocess.run(clone, check=True)  # noqa: S603
        listing = subprocess.run(
            ["git", "ls-tree", "-r", "--format=%(objectname)", "HEAD"],  # noqa: S607
            cwd=copy,
            stdout=subprocess.PIPE,
            check=True,
        )
        subprocess.run(
            ["git", "cat-file", "--batch"],  # noqa: S607
            cwd=copy,
            input=listing.stdout,
            stdout=subprocess.DEVNULL,
            check=True,
        )
    return clock.seconds


def register(repository: Path) -> Any:
    from django.conf import settings

    from marketplace.models import Marketplace

    settings.AGNES_MARKETPLACE_ALLOW_FILE = True
    return Marketplace.objects.create(slug="large", url=f"file://{repository}", created_at=NOW)


def synced(marketplace: Any) -> tuple[float, Any]:
    """Seconds, and the report."""
    from accounts import audit
    from marketplace.sync import sync_marketplace

    marketplace.refresh_from_db()
    with timed() as clock:
        report = sync_marketplace(marketplace, by=None, door=audit.Door.SYSTEM, now=NOW)
    return clock.seconds, report
