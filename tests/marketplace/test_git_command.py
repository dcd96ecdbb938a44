"""How git is run: the token is in no argument, the checked address is the one it connects to."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pytest_django.fixtures import Settings

from accounts.errors import AgnesError
from marketplace.addresses import Rules, is_public, read_address
from marketplace.git_command import Access
from marketplace.git_errors import failure, scrub
from marketplace.git_source import Wanted, source_for
from tests.marketplace.git_server import GitServer
from tests.marketplace.manifests.trees import skill
from tests.marketplace.repositories import Repository

TOKEN = "s3cret-t0ken"


@pytest.fixture
def quay(git_server: GitServer) -> Repository:
    return Repository(git_server.root / "quay.git", {"skills/a/SKILL.md": skill()})


def running_commands() -> Iterator[str]:
    """The command lines of all processes that this one started and that still run."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # ended meanwhile, or a zombie
            yield " ".join(child.cmdline())


def test_a_token_is_never_an_argument(git_server: GitServer, quay: Repository) -> None:
    git_server.stalls = True
    source = source_for("quay", f"{git_server.url}/quay.git", TOKEN, seconds=10)
    wanted = Wanted(f"{git_server.url}/quay.git")

    def ask() -> None:
        with pytest.raises(AgnesError):
            source.commit_of(wanted)

    thread = threading.Thread(target=ask)
    thread.start()
    while not git_server.asked:
        time.sleep(0.01)
    lines = list(running_commands())
    git_server.released.set()
    thread.join()

    header = git_server.asked[0][1]
    assert header.startswith("Basic ")
    assert any("ls-remote" in line for line in lines)
    assert not any(TOKEN in line or header.removeprefix("Basic ") in line for line in lines)


def test_git_connects_to_the_address_that_was_checked(
    git_server: GitServer,
    quay: Repository,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The name means nothing to git's own resolver, so only what was pinned can lead there."""
    name = "quay.invalid"
    settings.AGNES_MARKETPLACE_HTTP_HOSTS = settings.AGNES_MARKETPLACE_PRIVATE_HOSTS = [name]
    real = socket.getaddrinfo

    def answer(host: Any, *arguments: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host == name else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    url = git_server.url.replace("127.0.0.1", name) + "/quay.git"

    commit = source_for("quay", url, "", seconds=10).commit_of(Wanted(url))

    assert commit == quay.git("rev-parse", "main")


def test_a_host_with_one_private_address_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [(2, 1, 6, "", (ip, 443)) for ip in ("93.184.216.34", "10.0.0.7")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    source = source_for("quay", "https://git.example/quay.git", "", seconds=1)
    with pytest.raises(AgnesError, match="lies in a private network"):
        source.access("https://git.example/quay.git")


@pytest.mark.parametrize(
    ("ip", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("192.0.2.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("2002:0a00:0001::1", False),
        ("64:ff9b::a00:1", False),
        ("not an address", False),
    ],
)
def test_only_the_internets_addresses_are_public(ip: str, public: bool) -> None:
    assert is_public(ip) is public


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("HTTPS://Git.Example:443/Dock/quay.git", "https://git.example/Dock/quay.git"),
        (" https://git.example/a%20b.git ", "https://git.example/a%20b.git"),
        ("https://git.example:8443/quay", "https://git.example:8443/quay"),
        ("https://git.example./quay", "https://git.example/quay"),
    ],
)
def test_an_address_is_written_in_one_form(given: str, understood: str) -> None:
    assert read_address(given, Rules()).url == understood


def test_what_git_says_is_told_without_secrets() -> None:
    said = f"fatal: unable to access 'https://u:{TOKEN}@git.example/x': {TOKEN}\x1b[31m odd"
    assert TOKEN not in str(failure(said, [TOKEN]))
    assert scrub("//user:pw@host", []) == "//***@host"


def test_the_token_of_a_pair_is_a_secret_alone_too() -> None:
    access = Access(read_address("https://git.example/quay", Rules()), token="bot:s3cret-part")

    told = str(failure("fatal: remote error: s3cret-part has expired", access.secrets()))

    assert "s3cret-part" not in told


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("fatal: could not read Username for 'https://x'", "repository_access_denied"),
        ("error: The requested URL returned error: 403", "repository_access_denied"),
        ("fatal: repository 'https://x/' not found", "repository_not_found"),
        ("fatal: unable to update url base from redirection:", "repository_redirects"),
        ("fatal: remote error: upload-pack: not our ref 00ff", "ref_unknown"),
        ("fatal: fsck error in packed object", "git_failed"),
        ("", "git_failed"),
    ],
)
def test_what_git_says_is_understood(said: str, code: str) -> None:
    assert failure(said, []).code == code


def test_a_host_that_gives_no_commit_by_its_id_is_asked_for_the_branch(
    git_server: GitServer, quay: Repository
) -> None:
    """The old protocol, where only what was advertised may be wanted."""
    git_server.speaks_new_protocol = False
    url = f"{git_server.url}/quay.git"
    quay.git("config", "uploadpack.allowAnySHA1InWant", "false")
    source = source_for("quay", url, "", seconds=10)
    first = quay.git("rev-parse", "main")
    quay.commit({"README.md": "On."})

    copy = source.copy_at(Wanted(url), source.commit_of(Wanted(url)))

    assert copy.folder.is_dir()
    with pytest.raises(AgnesError, match="no such branch, tag or commit"):
        source.copy_at(Wanted(url, sha=first), first)


def test_a_git_that_cannot_be_held_to_an_address_is_refused(
    git_server: GitServer, quay: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho git version 2.30.2\n")
    old.chmod(0o755)
    url = f"{git_server.url}/quay.git"
    source = source_for("quay", url, "", seconds=10)

    monkeypatch.setenv("PATH", str(old.parent))
    with pytest.raises(AgnesError, match=r"git 2\.30 is too old\. Install git 2\.37"):
        source.commit_of(Wanted(url))
    old.unlink()
    with pytest.raises(AgnesError, match="git is not installed"):
        source.commit_of(Wanted(url))
