"""Which files an import finds in a folder or a zip, under which names, and what it refuses."""

import os
import stat
import zipfile
from pathlib import Path

import pytest

from telemetry import import_sources
from telemetry.import_sources import Found, Skipped, UnusableSource, find_files
from tests.telemetry.transcript_lines import line, session_of

SID = session_of("found")


def put(root: Path, path: str, content: bytes = b"x") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def names(source: Path) -> dict[str, str]:
    return {found.path: found.name for found in find_files(source, Skipped())}


def refused(source: Path) -> dict[str, str]:
    return {found.path: found.refused for found in find_files(source, Skipped()) if found.refused}


def test_every_layout_of_a_projects_folder_is_found(tmp_path: Path) -> None:
    layouts = {
        f"-home-ada/{SID}.jsonl": f"{SID}.jsonl",
        f"-home-ada/{SID}/subagents/agent-1a.jsonl": f"{SID}/agent-1a.jsonl",
        f"-home-ada/{SID}/subagents/workflows/wf_1/agent-2.jsonl": (
            f"{SID}/workflows/wf_1/agent-2.jsonl"
        ),
        "-home-ada/agent-3c.jsonl": "agent-3c.jsonl",
        f"-home-ada/{SID}.jsonl.orphaned-1": f"{SID}.jsonl",
        f"-home-ada/{SID}.jsonl.superseded": f"{SID}.jsonl",
    }
    for path in layouts:
        put(tmp_path, path)

    assert names(tmp_path) == layouts


def test_a_subagents_folder_given_by_itself_keeps_its_session(tmp_path: Path) -> None:
    put(tmp_path, f"{SID}/subagents/agent-1a.jsonl")

    assert names(tmp_path / SID / "subagents") == {"agent-1a.jsonl": f"{SID}/agent-1a.jsonl"}


def test_a_single_file_is_found(tmp_path: Path) -> None:
    file = put(tmp_path, f"{SID}/subagents/agent-1a.jsonl")

    assert names(file) == {"agent-1a.jsonl": f"{SID}/agent-1a.jsonl"}


def test_what_is_no_transcript_is_passed_over_and_counted(tmp_path: Path) -> None:
    for path in ("a.meta.json", "s/tool-results/1.txt", "wf_1.json", "history.jsonl", "._a.jsonl"):
        put(tmp_path, path)
    skipped = Skipped()

    assert list(find_files(tmp_path, skipped)) == []
    assert skipped == {"not a transcript": 5}


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    secret = put(tmp_path, "outside/secret.jsonl")
    root = tmp_path / "root"
    put(root, "a.jsonl")
    (root / "file.jsonl").symlink_to(secret)
    (root / "folder").symlink_to(secret.parent)
    (root / "loop").symlink_to(root)
    (root / "inside.jsonl").symlink_to(root / "a.jsonl")
    skipped = Skipped()

    found = [file.path for file in find_files(root, skipped)]

    assert found == ["a.jsonl", "inside.jsonl"]
    assert skipped == {"link out of the folder": 1, "linked folder": 2}


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")

    assert refused(tmp_path) == {"a.jsonl": "not a regular file"}


def test_a_name_with_control_characters_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "a\x1b[31m.jsonl")

    assert "control characters" in next(iter(refused(tmp_path).values()))


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.jsonl"))).write_bytes(b"x")

    assert "invalid UTF-8" in next(iter(refused(tmp_path).values()))


@pytest.mark.parametrize("path", ["missing", "notes.txt", "a.tar.gz"])
def test_a_source_that_is_nothing_of_that_kind_is_refused(tmp_path: Path, path: str) -> None:
    put(tmp_path, "notes.txt")
    put(tmp_path, "a.tar.gz")

    with pytest.raises(UnusableSource, match=path):
        find_files(tmp_path / path, Skipped())


def archive(tmp_path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    path = tmp_path / "transcripts.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for entry, content in entries:
            opened.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return path


def read(found: Found) -> bytes:
    assert found.content is not None
    return b"".join(found.content.chunks())


def test_a_zip_is_read_like_a_folder(tmp_path: Path) -> None:
    content = line(SID, 0)
    path = archive(
        tmp_path, (f"projects/p/{SID}/subagents/agent-1a.jsonl", content), ("notes.txt", b"x")
    )
    skipped = Skipped()

    (found,) = find_files(path, skipped)

    assert (found.name, read(found)) == (f"{SID}/agent-1a.jsonl", content)
    assert b"".join(found.content.chunks(7)) == content[7:] if found.content else False
    assert skipped == {"not a transcript": 1}


@pytest.mark.parametrize(
    "name",
    ["../a.jsonl", "p/../../a.jsonl", "/etc/a.jsonl", "..\\a.jsonl", "C:/a.jsonl", "p//a.jsonl"],
)
def test_a_path_that_leaves_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path, (name, b"x"), ("good.jsonl", b"x"))

    assert list(refused(path)) == [name]


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("a.jsonl")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16

    assert refused(archive(tmp_path, (entry, b"/etc/passwd"))) == {
        "a.jsonl": "a link in an archive"
    }


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, ("a.jsonl", b"x"))
    packed = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(mark) + flags] |= 1
    path.write_bytes(packed)

    assert "encrypted" in refused(path)["a.jsonl"]


def test_a_path_that_stands_twice_in_an_archive_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive(tmp_path, ("a.jsonl", b"x"), ("a.jsonl", b"y"))

    assert "more than once" in refused(path)["a.jsonl"]


def test_an_entry_that_unpacks_like_a_bomb_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, ("a.jsonl", bytes(20 * 1024**2)))

    assert "bombs" in refused(path)["a.jsonl"]


def test_an_archive_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_sources, "MOST_BYTES", 3)
    path = archive(tmp_path, ("a.jsonl", b"xx"), ("b.jsonl", b"xx"))

    with pytest.raises(UnusableSource, match="Unpack it yourself"):
        find_files(path, Skipped())


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path, "a.zip", b"PK\x03\x04 and then nothing")

    with pytest.raises(UnusableSource, match="not a readable zip"):
        find_files(path, Skipped())
