"""What is built, and the zip and marketplace.json of it."""

import json
import os
import time
import zipfile
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from marketplace.bundle_store import bundles, store_bundle
from marketplace.bundles import Bundle
from marketplace.models import FleaVersion, Marketplace, Plugin
from marketplace.serving.offer import folder_name, named_bundles
from marketplace.serving.repository import build_current, served
from marketplace.tasks import build_served, keep_served
from telemetry import leases
from telemetry.claimants import this_host
from tests.marketplace.market import NOW, act, put
from tests.marketplace.own_folders import use_own_folders
from tests.marketplace.uploads import AGENT
from tests.telemetry.api.uploading import token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]


def states() -> list[str]:
    return sorted(path.name for path in Path(settings.AGNES_SERVED_DIR).iterdir() if path.is_dir())


def curated(name: str = "crane", files: dict[str, bytes] | None = None, **fields: object) -> Plugin:
    market, _ = Marketplace.objects.get_or_create(
        slug="quay", defaults={"url": "https://quay.example", "created_at": NOW}
    )
    content = files or {"skills/lift/SKILL.md": b"---\nname: lift\n---\n"}
    return Plugin.objects.create(
        marketplace=market,
        name=name,
        ref_id=f"quay/{name}",
        served_name=name,
        digest=store_bundle(Bundle.of(content)),
        created_at=NOW,
        changed_at=NOW,
        **fields,
    )


def listed(body: bytes) -> dict[str, dict[str, object]]:
    return {entry["name"]: entry for entry in json.loads(body)["plugins"]}


def test_building_twice_builds_once(ada: User) -> None:
    put(ada)
    first, second = build_served(), build_served()

    assert (first["new"], second["new"]) == (True, False)
    assert first["commit"] == second["commit"]
    assert states() == [first["commit"]]


def test_another_machine_builds_the_same(ada: User, tmp_path: Path) -> None:
    put(ada)
    curated()
    here = build_current(now=NOW)
    content = here.zip_path.read_bytes()
    bundles_here = settings.STORAGES["bundles"]["OPTIONS"]["location"]
    with use_own_folders(tmp_path / "other"):
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "bundles").symlink_to(bundles_here)
        there = build_current(now=NOW)

        assert there.commit == here.commit
        assert there.zip_path.read_bytes() == content


def test_an_empty_catalogue_is_served_too() -> None:
    built = build_current(now=NOW)

    assert json.loads(built.catalogue_path.read_bytes())["plugins"] == []


def test_a_former_state_goes_when_its_time_is_up(ada: User) -> None:
    first = build_current(now=NOW).commit
    put(ada)
    second = build_current(now=NOW).commit
    assert states() == sorted([first, second])

    long_ago = time.time() - 3_600
    os.utime(Path(settings.AGNES_SERVED_DIR) / first, (long_ago, long_ago))
    (Path(settings.AGNES_SERVED_DIR) / ".building-1-2").mkdir()
    os.utime(Path(settings.AGNES_SERVED_DIR) / ".building-1-2", (long_ago, long_ago))
    build_current(now=NOW)

    assert states() == [second]


def test_while_another_process_builds_the_state_before_is_served(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "PATIENCE", 0.2)
    before = build_current(now=NOW)
    put(ada)
    with leases.lease(f"served:{this_host()}", ttl=timedelta(minutes=1)):
        assert served(now=NOW).commit == before.commit
        assert build_served() == {"busy": True}

    assert served(now=NOW).commit != before.commit


def test_a_state_that_was_damaged_is_built_again(ada: User) -> None:
    built = build_current(now=NOW)
    (Path(settings.AGNES_SERVED_DIR) / "current.json").write_text("{half")

    assert build_current(now=NOW).commit == built.commit


def test_a_plugin_whose_files_are_gone_is_left_out(
    ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    put(ada)
    plugin = curated()
    bundles().delete(f"{plugin.digest[:2]}/{plugin.digest}.zip")

    built = build_current(now=NOW)

    assert list(listed(built.catalogue_path.read_bytes())) == ["flea"]
    assert "crane is left out" in caplog.text


@pytest.mark.parametrize("is_damaged", [True, False])
def test_a_plugin_whose_files_come_back_is_served_again(is_damaged: bool) -> None:
    curated("other", {"skills/a/SKILL.md": b"other"})
    file = Path(bundles().path(f"{(digest := curated().digest)[:2]}/{digest}.zip"))
    content = file.read_bytes()
    file.unlink()
    if is_damaged:
        file.write_bytes(content[:30])
    without = build_current(now=NOW)
    assert list(listed(without.catalogue_path.read_bytes())) == ["other"]
    assert not build_current(now=NOW).is_new

    file.write_bytes(content)

    assert set(listed(build_current(now=NOW).catalogue_path.read_bytes())) == {"crane", "other"}
    assert not build_current(now=NOW).is_new


def manifest(text: str) -> dict[str, bytes]:
    return {".claude-plugin/plugin.json": text.encode(), "skills/a/SKILL.md": b"---\n---\n"}


@pytest.mark.parametrize("text", ['{"keywords": ["\\ud800"]}', '{"size": NaN}', '{"size": 1e999}'])
def test_no_manifest_of_one_plugin_keeps_the_others_from_being_served(text: str) -> None:
    curated()
    curated("hostile", manifest(text))

    built = build_current(now=NOW)

    names = set(listed(built.catalogue_path.read_bytes()))
    assert names - {"hostile"} == {"crane"}
    with zipfile.ZipFile(built.zip_path) as archive:
        kept = [name for name in archive.namelist() if name.endswith("plugin.json")]
        for name in kept:
            assert b"Infinity" not in archive.read(name)


def test_an_entry_says_what_the_catalogue_said() -> None:
    curated(
        strict=False,
        components={"skills": ["./skills/lift"]},
        description="Lifts.",
        tags=["port"],
        category="tools",
        author="Dock",
        display_name="Crane",
    )
    entry = listed(build_current(now=NOW).catalogue_path.read_bytes())["crane"]

    assert entry == {
        "name": "crane",
        "source": "./plugins/crane",
        "description": "Lifts.",
        "version": Plugin.objects.get().digest[:12],
        "displayName": "Crane",
        "category": "tools",
        "tags": ["port"],
        "author": {"name": "Dock"},
        "skills": ["./skills/lift"],
        "strict": False,
    }


def test_what_is_not_offered_is_not_served(ada: User, root: User) -> None:
    put(ada, draft=True)
    act(put(ada, AGENT.encode(), kind="agent", file_name="a.md").item, "remove", root, "no")
    curated(removed_at=NOW)

    assert listed(build_current(now=NOW).catalogue_path.read_bytes()) == {}


@pytest.mark.parametrize("name", ["Crane Tools", "crane_tools", "CON", "ünder", "a" * 99 + "!"])
def test_a_name_that_is_no_folder_everywhere_gets_one_of_its_own(name: str) -> None:
    folder = folder_name(name)

    assert folder.isascii()
    assert folder == folder.lower() != folder_name(name.lower() + "x")
    assert " " not in folder


def test_ordinary_names_are_their_own_folders() -> None:
    assert [folder_name(name) for name in ("crane", "yard--crane")] == ["crane", "yard--crane"]


def test_stored_files_that_nothing_names_are_swept(ada: User) -> None:
    version, plugin = put(ada), curated()
    other = store_bundle(Bundle.of({"a": b"a"}))

    assert named_bundles([version.digest, plugin.digest, other]) == {version.digest, plugin.digest}
    assert keep_served()["swept"] == 0  # younger than a day
    assert FleaVersion.objects.count() == 1


def test_the_zip_is_the_repository_with_an_etag(ada: User) -> None:
    put(ada)
    secret = token(ada, "read")
    answer = Client().get("/marketplace.zip", headers={"Authorization": f"Bearer {secret}"})
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    with zipfile.ZipFile(BytesIO(content)) as archive:
        names = archive.namelist()
        catalogue = archive.read(".claude-plugin/marketplace.json")
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}

    assert "plugins/flea/skills/chase-invoices-by-ada/SKILL.md" in names
    headers = {"Authorization": f"Bearer {secret}", "If-None-Match": answer.headers["ETag"]}
    assert Client().get("/marketplace.zip", headers=headers).status_code == 304
    told = Client().get("/marketplace.json", headers={"Authorization": f"Bearer {secret}"})
    assert (told.content, told.headers["ETag"]) == (catalogue, answer.headers["ETag"])
    put(ada, name="dun")
    changed = Client().get("/marketplace.zip", headers=headers)
    assert changed.status_code == 200
    changed.close()


@pytest.mark.parametrize("path", ["/marketplace.zip", "/marketplace.json"])
def test_only_readers_get_it(path: str, ada: User) -> None:
    assert Client().get(path).status_code == 401
    headers = {"Authorization": f"Bearer {token(ada, 'push')}"}
    assert Client().get(path, headers=headers).status_code == 403
    browser = Client()
    browser.force_login(ada)
    answer = browser.get(path)
    assert answer.status_code == 200
    answer.close()
    assert browser.post(path).status_code == 405
