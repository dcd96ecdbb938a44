"""Uploads become trees in memory; whatever else an archive can do is refused by name."""

import stat
import warnings
import zipfile

import pytest

from marketplace import bundle_uploads
from marketplace.bundle_uploads import BadBundle, read_upload
from marketplace.bundles import Bundle, pack, unpack
from tests.marketplace.zips import unix_entry, zipped, zipped_entries

SKILL = b"---\nname: greet\ndescription: Greets people by name.\n---\nSay hello.\n"


def refusal(content: bytes, file_name: str = "") -> BadBundle:
    with pytest.raises(BadBundle) as caught:
        read_upload(content, file_name=file_name)
    assert caught.value.fix
    return caught.value


def rule(content: bytes, file_name: str = "") -> str:
    return str(refusal(content, file_name).details["rule"])


def test_a_zip_is_its_files_by_path() -> None:
    bundle = read_upload(zipped({"SKILL.md": SKILL, "notes/a.txt": "a"}))

    assert dict(bundle.files) == {"SKILL.md": SKILL, "notes/a.txt": b"a"}


def test_a_markdown_file_is_a_bundle_of_one() -> None:
    assert dict(read_upload(SKILL, file_name="C:\\docs\\greet.md").files) == {"greet.md": SKILL}
    assert list(read_upload(SKILL).files) == ["SKILL.md"]


def test_the_one_folder_around_everything_is_left_out() -> None:
    bundle = read_upload(zipped({"greet/": "", "greet/SKILL.md": SKILL, "greet/a/b.txt": "b"}))

    assert list(bundle.files) == ["SKILL.md", "a/b.txt"]


def test_a_folder_that_means_something_stays() -> None:
    assert list(read_upload(zipped({"skills/greet/SKILL.md": SKILL})).files) == [
        "skills/greet/SKILL.md"
    ]


def test_what_operating_systems_leave_behind_is_left_out() -> None:
    files: dict[str, bytes | str] = {
        "greet/SKILL.md": SKILL,
        "__MACOSX/greet/._SKILL.md": "x",
        "greet/.DS_Store": "x",
    }

    assert list(read_upload(zipped(files)).files) == ["SKILL.md"]


def test_the_right_to_be_run_is_kept() -> None:
    content = zipped_entries(
        (unix_entry("SKILL.md", stat.S_IFREG | 0o644), SKILL),
        (unix_entry("run.sh", stat.S_IFREG | 0o755), b"#!/bin/sh\n"),
    )

    assert read_upload(content).executables == {"run.sh"}


def test_packing_depends_on_the_content_only() -> None:
    one = read_upload(zipped({"b.txt": "b", "SKILL.md": SKILL}))
    other = read_upload(zipped({"SKILL.md": SKILL, "b.txt": "b"}, zipfile.ZIP_STORED))

    assert pack(one) == pack(other)
    assert one.digest() == other.digest()
    assert dict(unpack(pack(one)).files) == dict(one.files)


def test_the_digest_tells_content_paths_and_modes_apart() -> None:
    bundles = [
        Bundle.of({"a": b"1"}),
        Bundle.of({"a": b"2"}),
        Bundle.of({"b": b"1"}),
        Bundle.of({"a": b"1"}, frozenset({"a"})),
        Bundle.of({"a": b"1", "b": b""}),
    ]

    assert len({bundle.digest() for bundle in bundles}) == len(bundles)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("../evil.md", "traversal"),
        ("a/../../evil.md", "traversal"),
        ("/etc/evil.md", "absolute-path"),
        ("~/evil.md", "absolute-path"),
        ("C:/evil.md", "path"),
        ("a\\..\\evil.md", "path"),
        ("a//evil.md", "path"),
        ("./evil.md", "path"),
        ("evil .md/ x", "path"),
        ("evil\x1b[2J.md", "control-characters"),
        ("evil\u202edm.md", "control-characters"),
        ("evil\u200b.md", "control-characters"),
        (".git/hooks/post-checkout", "git-folder"),
        (".GIT./config", "git-folder"),
        (".gitmodules", "git-folder"),
        ("a/.GitModules", "git-folder"),
        (".gitattributes", "git-folder"),
        ("a/.LFSconfig", "git-folder"),
        ("GITMOD~1", "git-folder"),
        ("gi7eba~2", "git-folder"),
        ("git~2/config", "git-folder"),
        ("aux.md", "windows-name"),
        ("scripts/CON", "windows-name"),
        ("nul.tar.txt", "windows-name"),
        ("com1 .md", "windows-name"),
        ("what?.md", "windows-name"),
        ("a|b.md", "windows-name"),
        ("<a>/b.md", "windows-name"),
        ('"a".md', "windows-name"),
        ("ends./b.md", "windows-name"),
        ("d/" * 12 + "evil.md", "depth"),
        ("漢" * 90 + ".txt", "long-path"),
        ("x" * 101 + ".md", "long-path"),
        ("/".join(["y" * 60] * 5), "long-path"),
    ],
)
def test_a_path_that_is_not_plain_is_refused(path: str, expected: str) -> None:
    assert rule(zipped({"SKILL.md": SKILL, path: b"x"})) == expected


@pytest.mark.parametrize(
    "path",
    [
        ".gitignore",
        "console.md",
        "auxiliary/x.md",
        "com.md",
        "notes~1.md",
        "漢" * 80 + ".txt",
        "a.b",
    ],
)
def test_a_plain_path_is_taken(path: str) -> None:
    assert path in read_upload(zipped({"SKILL.md": SKILL, path: b"x"})).files


def test_accents_in_two_spellings_are_one_name() -> None:
    files: dict[str, bytes | str] = {"SKILL.md": SKILL, "caf\u00e9.md": "1", "cafe\u0301.md": "2"}

    assert rule(zipped(files)) == "duplicate"
    assert rule(zipped({**files, "cafe\u0301.md": SKILL, "CAF\u00c9.md": "3"})) == "duplicate"


def test_a_name_that_hides_behind_a_nul_is_refused() -> None:
    content = zipped({"SKILL.md": SKILL, "abcd.md": "x"}).replace(b"abcd.md", b"abc\0.md")

    assert rule(content) == "control-characters"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_special_files_are_refused(kind: int) -> None:
    content = zipped_entries((unix_entry("link", kind | 0o777), b"/etc/passwd"))

    assert rule(content) == "symlink"


def test_the_same_name_twice_is_refused_in_any_spelling() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twice = zipped_entries((unix_entry("a.md", 0o644), b"1"), (unix_entry("a.md", 0o644), b"2"))
    assert rule(twice) == "duplicate"
    assert rule(zipped({"a.md": "1", "A.md": "2"})) == "duplicate"
    assert rule(zipped({"a": "1", "a/b.md": "2"})) == "duplicate"


def test_an_encrypted_file_is_refused() -> None:
    content = bytearray(zipped({"SKILL.md": SKILL}))
    content[content.index(b"PK\x01\x02") + 8] |= 1

    assert rule(bytes(content)) == "encrypted"


def test_an_unusual_compression_is_refused() -> None:
    assert rule(zipped({"SKILL.md": SKILL}, zipfile.ZIP_LZMA)) == "compression"


@pytest.mark.parametrize("inner", ["inner.zip", "picture.png"])
def test_an_archive_in_the_archive_is_refused_by_name_or_content(inner: str) -> None:
    assert rule(zipped({"SKILL.md": SKILL, inner: zipped({"a": "a"})})) == "nested-archive"
    assert rule(zipped({"SKILL.md": SKILL, "data.tar.gz": "harmless"})) == "nested-archive"


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    refused = refusal(zipped({"SKILL.md": SKILL, "zeros": bytes(3 * 1024**2)}))

    assert (refused.details["rule"], refused.status) == ("zip-bomb", 413)


def test_a_size_that_is_a_lie_is_refused() -> None:
    content = bytearray(zipped({"SKILL.md": bytes(range(256)) * 40}))
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = (10).to_bytes(4, "little")

    assert rule(bytes(content)) == "broken-zip"


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        rule(zipped({f"{n}.md": "x" for n in range(bundle_uploads.MOST_FILES + 1)}))
        == "too-many-files"
    )
    monkeypatch.setattr(bundle_uploads, "LARGEST_FILE", 100)
    monkeypatch.setattr(bundle_uploads, "LARGEST_TREE", 150)
    assert rule(zipped({"a.md": "x" * 101})) == "file-too-large"
    assert rule(b"x" * 101, "a.md") == "file-too-large"
    assert rule(zipped({"a.md": "x" * 99, "b.md": "y" * 99})) == "too-large"
    monkeypatch.setattr(bundle_uploads, "LARGEST_UPLOAD", 10)
    assert refusal(SKILL).status == 413


def test_a_hundred_thousand_entries_are_refused_unread() -> None:
    entry = b"PK\x01\x02" + bytes(42)

    assert rule(b"PK\x03\x04" + entry * 100_000) == "too-many-files"


@pytest.mark.parametrize(
    ("content", "file_name", "expected"),
    [
        (b"", "", "empty"),
        (b" \n", "a.md", "empty"),
        (zipped({}), "", "empty"),
        (zipped({"folder/": ""}), "", "empty"),
        (b"\x1f\x8b\x08\x00abc", "a.tar.gz", "wrong-type"),
        (b"\x00" * 257 + b"ustar", "a.md", "wrong-type"),
        (b"\x7fELF\x02\x01\x00", "a.md", "wrong-type"),
        (b"caf\xe9", "a.md", "wrong-type"),
        (b"print('hello')", "run.py", "wrong-type"),
        (b"PK\x03\x04 but no zip", "", "broken-zip"),
        (zipped({"SKILL.md": SKILL})[:-30], "", "broken-zip"),
        (SKILL, "..md\x00.md", "control-characters"),
    ],
)
def test_what_is_no_bundle_is_refused(content: bytes, file_name: str, expected: str) -> None:
    assert rule(content, file_name) == expected


def test_a_damaged_file_is_refused() -> None:
    content = bytearray(zipped({"SKILL.md": SKILL * 9}, zipfile.ZIP_STORED))
    content[60] ^= 0xFF

    assert rule(bytes(content)) == "broken-zip"
