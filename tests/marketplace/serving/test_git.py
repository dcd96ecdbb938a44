"""The served marketplace cloned and fetched by the real git, over HTTP, from a live server."""

import gzip
import json
import os
import socket
import subprocess
import urllib.error
import urllib.request
from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from marketplace.serving import upload_pack
from marketplace.serving.repository import served, state_with
from tests.marketplace.git_server import GitServer
from tests.marketplace.market import act, put, renew
from tests.marketplace.repositories import Repository
from tests.marketplace.syncing import CATALOGUE, catalogue, crane_files, register, sync
from tests.marketplace.uploads import SKILL, plugin_zip, skill_zip
from tests.telemetry.api.uploading import token

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("folder")]


class Cloner:
    """Runs git as somebody's laptop would, with a token as the password."""

    def __init__(self, server: LiveServer, folder: Path, secret: str) -> None:
        self.folder = folder
        host = server.url.removeprefix("http://")
        self.url = f"http://ada:{secret}@{host}/marketplace.git"

    def git(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", "-c", "fetch.fsckObjects=true", *arguments],
            cwd=cwd or self.folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_TERMINAL_PROMPT": "0",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def clone(self, name: str, *options: str) -> Path:
        done = self.git("clone", "--quiet", *options, self.url, name)
        assert done.returncode == 0, done.stderr
        return self.folder / name

    def head(self, clone: Path) -> str:
        return self.git("rev-parse", "HEAD", cwd=clone).stdout.strip()


@pytest.fixture
def laptop(live_server: LiveServer, tmp_path: Path, ada: User) -> Cloner:
    put(ada)
    put(ada, plugin_zip())
    folder = tmp_path / "laptop"
    folder.mkdir()
    return Cloner(live_server, folder, token(ada, "read"))


def entries(clone: Path) -> dict[str, Any]:
    value = json.loads((clone / CATALOGUE).read_text())
    assert value["name"] == "agnes"
    return {entry["name"]: entry for entry in value["plugins"]}


def test_a_clone_holds_the_flea_market(laptop: Cloner) -> None:
    clone = laptop.clone("full")

    assert set(entries(clone)) == {"books-by-ada", "flea"}
    skill = clone / "plugins/flea/skills/chase-invoices-by-ada/SKILL.md"
    assert "name: chase-invoices-by-ada\n" in skill.read_text()
    manifest = json.loads((clone / "plugins/flea/.claude-plugin/plugin.json").read_text())
    assert manifest["name"] == "flea"
    books = clone / entries(clone)["books-by-ada"]["source"]
    assert json.loads((books / ".claude-plugin/plugin.json").read_text())["name"] == "books-by-ada"


@pytest.mark.parametrize("options", [["--depth", "1"], ["--filter=blob:none"], ["--single-branch"]])
@pytest.mark.parametrize("version", ["0", "2"])
def test_every_way_to_clone_gives_the_same_files(
    laptop: Cloner, options: list[str], version: str
) -> None:
    whole = laptop.clone("whole")
    protocol = ["-c", f"protocol.version={version}"]
    other = laptop.clone("other", *options, *protocol)

    assert laptop.head(other) == laptop.head(whole)
    listed = [laptop.git("ls-files", "-s", cwd=clone).stdout for clone in (whole, other)]
    assert listed[0] == listed[1] != ""
    assert laptop.git("fsck", "--strict", cwd=other).returncode == 0


def test_a_fetch_of_nothing_new_changes_nothing(laptop: Cloner) -> None:
    clone = laptop.clone("again", "--depth", "1")
    before = laptop.head(clone)

    assert laptop.git("pull", "origin", "HEAD", cwd=clone).returncode == 0
    assert laptop.head(clone) == before


def test_a_change_is_there_at_the_next_fetch_and_what_was_removed_is_gone(
    laptop: Cloner, ada: User, root: User
) -> None:
    clone = laptop.clone("first")
    item = put(ada, name="remind").item
    act(item, "remove", root, "for a moment")
    item = put(ada, name="dun").item

    fetched = laptop.git("fetch", "--quiet", "origin", cwd=clone)
    assert fetched.returncode == 0, fetched.stderr
    skills = laptop.git("ls-tree", "--name-only", "origin/main:plugins/flea/skills", cwd=clone)
    assert skills.stdout.split() == ["chase-invoices-by-ada", "dun-by-ada"]
    # No history: there is nothing to look for what was removed in.
    assert laptop.git("rev-list", "--count", "origin/main", cwd=clone).stdout.strip() == "1"


def test_the_same_content_has_the_same_commit(laptop: Cloner, ada: User, root: User) -> None:
    before = laptop.head(laptop.clone("before"))
    item = put(ada, name="dun").item
    between = laptop.head(laptop.clone("between"))
    act(item, "remove", root, "no")

    assert between != before
    assert laptop.head(laptop.clone("after")) == before


def test_a_new_version_has_a_version_of_its_own(laptop: Cloner, ada: User) -> None:
    before = entries(laptop.clone("before"))
    renew(put(ada, name="dun").item, ada)
    after = entries(laptop.clone("after"))

    assert before["flea"]["version"] != after["flea"]["version"]
    assert before["books-by-ada"] == after["books-by-ada"]


def test_nobody_pushes(laptop: Cloner) -> None:
    clone = laptop.clone("mine")
    pushed = laptop.git("push", "origin", "HEAD:refs/heads/evil", cwd=clone)

    assert pushed.returncode != 0
    assert "evil" not in laptop.git("ls-remote", "origin", cwd=clone).stdout


@pytest.mark.parametrize("scopes", [("push",), ("publish",)])
def test_a_token_needs_the_scope(
    laptop: Cloner, live_server: LiveServer, ada: User, scopes: tuple[str, ...]
) -> None:
    other = Cloner(live_server, laptop.folder, token(ada, *scopes))
    done = other.git("clone", other.url, "denied")

    assert done.returncode != 0
    assert "403" in done.stderr


def test_a_wrong_token_is_asked_for_again(laptop: Cloner, live_server: LiveServer) -> None:
    for secret in ("agn_wrong", ""):
        other = Cloner(live_server, laptop.folder, secret)
        done = other.git("clone", other.url, "denied")
        assert done.returncode != 0
        assert "Authentication failed" in done.stderr or "could not read" in done.stderr
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{live_server.url}/marketplace.git/info/refs?service=x")  # noqa: S310
    with caught.value as refused:
        assert refused.code == 401
        assert refused.headers["WWW-Authenticate"] == 'Basic realm="Agnes"'


def test_curated_plugins_are_served_beside_under_names_of_their_own(
    laptop: Cloner, git_server: GitServer, ada: User
) -> None:
    files = crane_files() | {"plugins/crane/run.sh": "#!/bin/sh\n"}
    for slug in ("quay", "yard"):
        repository = Repository(git_server.root / f"{slug}.git")
        repository.commit({CATALOGUE: catalogue("crane", name=slug), **files})
        blob = repository.blob(b"#!/bin/sh\n")
        repository.commit_entries([f"100755 {blob}\tplugins/crane/run.sh"])
        sync(register(slug, f"{git_server.url}/{slug}.git"))

    clone = laptop.clone("both")

    assert set(entries(clone)) == {"books-by-ada", "flea", "crane", "yard--crane"}
    for name in ("crane", "yard--crane"):
        folder = clone / entries(clone)[name]["source"]
        manifest = json.loads((folder / ".claude-plugin/plugin.json").read_text())
        assert manifest == {"name": name, "version": "1.4.0"}
        assert os.access(folder / "run.sh", os.X_OK)
        assert not os.access(folder / "commands/lower.md", os.X_OK)


def post(server: LiveServer, secret: str, body: bytes | Iterator[bytes], **headers: str) -> Any:
    login = b64encode(f"x:{secret}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310
        f"{server.url}/marketplace.git/git-upload-pack",
        body,
        {
            "Authorization": f"Basic {login}",
            "Content-Type": "application/x-git-upload-pack-request",
            **headers,
        },
    )
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_a_body_that_unpacks_to_too_much_is_refused(
    laptop: Cloner, live_server: LiveServer, ada: User
) -> None:
    bomb = gzip.compress(bytes(upload_pack.LARGEST_BODY + 1))
    secret = token(ada, "read")

    status, text = post(live_server, secret, bomb, **{"Content-Encoding": "gzip"})
    assert (status, text[:14]) == (400, b"The request is")
    status, text = post(live_server, secret, b"not gzip", **{"Content-Encoding": "gzip"})
    assert (status, b"gzip" in text) == (400, True)
    status, _ = post(live_server, secret, b"0000", **{"Content-Type": "text/plain"})
    assert status == 400


def test_a_fetch_too_many_waits_and_is_told_to_come_again(
    laptop: Cloner, live_server: LiveServer, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_pack, "PATIENCE", 0.1)
    taken = [upload_pack._turns.acquire() for _ in range(upload_pack.MOST_AT_ONCE)]
    try:
        status, text = post(live_server, token(ada, "read"), b"0000")
    finally:
        for _ in taken:
            upload_pack._turns.release()

    assert (status, text) == (503, b"Too many fetch at once. Try again in a minute.\n")


def test_a_fetch_that_was_begun_ends_with_what_it_began(
    laptop: Cloner, live_server: LiveServer, ada: User
) -> None:
    head = laptop.head(laptop.clone("before"))
    put(ada, name="dun")
    laptop.clone("after")
    body = clone_request(head)

    status, pack = post(live_server, token(ada, "read"), body)

    assert (status, b"PACK" in pack[:40]) == (200, True)


def test_a_fetch_that_is_broken_off_frees_its_turn(folder: Path, ada: User) -> None:
    put(ada)
    built = served(now=datetime.now(UTC))
    for _ in range(2 * upload_pack.MOST_AT_ONCE):
        upload_pack.UploadPack(built.folder, body=None, protocol="version=2; rm -rf /").close()

    assert upload_pack._turns.acquire(blocking=False)
    upload_pack._turns.release()


def test_a_client_that_stops_reading_loses_its_turn_and_its_connection(
    folder: Path, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_pack, "SECONDS", 0.5)
    noise = "\n".join(b64encode(os.urandom(60)).decode() for _ in range(20_000))
    put(ada, skill_zip(SKILL, {"big.txt": noise}))
    built = served(now=datetime.now(UTC))
    body = upload_pack.read_body(BytesIO(clone_request(built.commit)).read, encoding="")
    server, client = socket.socketpair()
    output = upload_pack.UploadPack(built.folder, body=body, protocol="", client=server)
    left = upload_pack._turns._value

    with client, server:
        with pytest.raises(BrokenPipeError):
            deque(map(server.sendall, output), maxlen=0)

        assert output._process.poll() is not None
        assert upload_pack._turns._value == left + 1
        output.close()
        output.close()
    assert upload_pack._turns._value == left + 1


def test_a_partial_clone_gets_its_files_after_something_else_is_served(
    laptop: Cloner, ada: User
) -> None:
    item = put(ada, name="dun").item
    clone = laptop.clone("part", "--filter=blob:none", "--no-checkout")
    act(item, "remove", ada)
    laptop.clone("newer")

    done = laptop.git("checkout", "main", cwd=clone)

    assert done.returncode == 0, done.stderr
    assert (clone / "plugins/flea/skills/dun-by-ada/SKILL.md").is_file()


def test_what_is_held_nowhere_is_looked_for_in_what_is_served(laptop: Cloner) -> None:
    laptop.clone("first")

    assert state_with([]) is None
    assert state_with(["0" * 40]) is None


def clone_request(wanted: str) -> bytes:
    want = f"want {wanted} no-progress\n"
    return f"{len(want) + 4:04x}{want}00000009done\n".encode()


def test_a_request_in_chunks_is_read_where_the_server_tells_its_end(
    laptop: Cloner, ada: User
) -> None:
    head = laptop.head(laptop.clone("first"))
    body = BytesIO(clone_request(head))
    chunked: Any = {"CONTENT_LENGTH": "", "wsgi.input": body, "wsgi.input_terminated": True}
    answer = Client().post(
        "/marketplace.git/git-upload-pack",
        content_type="application/x-git-upload-pack-request",
        headers={"Authorization": f"Bearer {token(ada, 'read')}", "Transfer-Encoding": "chunked"},
        **chunked,
    )

    assert answer.status_code == 200
    assert b"PACK" in b"".join(answer.streaming_content)[:40]  # type: ignore[attr-defined]


def test_a_request_in_chunks_is_told_what_helps_where_its_end_is_not_known(
    laptop: Cloner, live_server: LiveServer, ada: User
) -> None:
    status, text = post(live_server, token(ada, "read"), iter([b"0000"]))

    assert (status, b"http.postBuffer" in text) == (411, True)
