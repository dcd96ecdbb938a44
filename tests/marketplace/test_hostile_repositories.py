"""A repository that means harm is refused in a sentence and leaves nothing behind."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from accounts.errors import AgnesError
from accounts.models import AuditEvent, User
from marketplace.models import Item, Marketplace
from marketplace.store_errors import NameTaken
from telemetry.resolver import Resolver
from telemetry.taxonomy import ItemKind, Source
from tests.marketplace.git_server import GitServer
from tests.marketplace.manifests.trees import skill
from tests.marketplace.market import put
from tests.marketplace.repositories import Repository
from tests.marketplace.syncing import CATALOGUE, catalogue, crane_files, register, sync
from tests.marketplace.uploads import plugin_zip

pytestmark = pytest.mark.django_db


@pytest.fixture
def quay(git_server: GitServer) -> Repository:
    return Repository(
        git_server.root / "quay.git", {CATALOGUE: catalogue("crane"), **crane_files()}
    )


def url(git_server: GitServer) -> str:
    return f"{git_server.url}/quay.git"


def refusal(marketplace: Marketplace, settings: Settings) -> AgnesError:
    """The error of a sync, after which there is no file of it."""
    with pytest.raises(AgnesError) as refused:
        sync(marketplace)
    store: Path = settings.AGNES_MARKETPLACES_DIR
    assert [path for path in store.rglob("*") if path.is_file()] == []
    assert not list(store.rglob(".new-*"))
    return refused.value


def rules(slug: str = "quay") -> set[str]:
    return {each["rule"] for each in Marketplace.objects.get(slug=slug).findings}


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc",
        "/etc",
        "../quay.git",
        "ext::sh -c 'touch /tmp/x'",
        "ext::true",
        "ssh://git@git.example/quay.git",
        "git@git.example:quay.git",
        "git://git.example/quay.git",
        "http://git.example/quay.git",
        "https://user:secret@git.example/quay.git",
        "https://git.example/quay.git?x=1",
        "https://git.example\\@127.0.0.1/quay.git",
        "https://git.exa mple/quay.git",
        "https://-oProxyCommand/quay.git",
        "https:///quay.git",
        "https://[::1/quay.git",
        "--upload-pack=touch",
        "",
    ],
)
def test_an_address_that_is_not_https_is_refused(
    address: str, git_server: GitServer, settings: Settings
) -> None:
    assert refusal(register("quay", address), settings).code == "address_refused"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "localhost",
        "0.0.0.0",  # noqa: S104  an address that must be refused
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[fd00::1]",
        "[fe80::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ],
)
def test_private_addresses_are_refused_however_they_are_written(
    host: str, git_server: GitServer, settings: Settings
) -> None:
    settings.AGNES_MARKETPLACE_PRIVATE_HOSTS = []
    error = refusal(register("quay", f"https://{host}/quay.git"), settings)
    assert error.code in {"address_refused", "host_unknown"}
    assert git_server.asked == []


def test_a_redirect_is_not_followed(
    git_server: GitServer, quay: Repository, settings: Settings
) -> None:
    git_server.redirect_to = "http://127.0.0.1:9"
    error = refusal(register("quay", url(git_server)), settings)
    assert error.code == "repository_redirects"


def test_a_repository_larger_than_the_limit_is_refused(
    git_server: GitServer, quay: Repository, settings: Settings
) -> None:
    quay.commit({"big.bin": os.urandom(400_000)})
    settings.AGNES_MARKETPLACE_MAX_BYTES = 100_000
    assert refusal(register("quay", url(git_server)), settings).code == "repository_too_large"


def test_a_server_that_never_answers_is_given_up(
    git_server: GitServer, quay: Repository, settings: Settings
) -> None:
    git_server.stalls = True
    settings.AGNES_MARKETPLACE_SYNC_SECONDS = 1
    assert refusal(register("quay", url(git_server)), settings).code == "repository_took_too_long"


def test_a_token_is_in_no_error_and_goes_to_no_other_host(
    git_server: GitServer, quay: Repository, settings: Settings
) -> None:
    settings.AGNES_MARKETPLACE_TOKENS = {"AGNES_MARKETPLACE_TOKEN_QUAY": "s3cret-t0ken"}
    git_server.token = "another"
    row = register("quay", url(git_server), token_variable="AGNES_MARKETPLACE_TOKEN_QUAY")

    error = refusal(row, settings)

    assert error.code == "repository_access_denied"
    stored = Marketplace.objects.get()
    told = [str(error), stored.error, str(AuditEvent.objects.values())]
    assert not any("s3cret" in text or "eC1hY2Nlc3" in text for text in told)
    assert not any("s3cret" in path for path, _ in git_server.asked)


def test_a_private_repository_is_read_with_its_token(
    git_server: GitServer, quay: Repository, settings: Settings
) -> None:
    settings.AGNES_MARKETPLACE_TOKENS = {"AGNES_MARKETPLACE_TOKEN_QUAY": "s3cret-t0ken"}
    git_server.token = "s3cret-t0ken"
    row = register("quay", url(git_server), token_variable="AGNES_MARKETPLACE_TOKEN_QUAY")
    assert sync(row).items == 4


def limited(quay: Repository, settings: Settings) -> None:
    quay.commit({f"many/{number}": "x" for number in range(3)})
    tree = quay.git("rev-parse", "main:many")
    lines = [f"40000 tree {tree}\tcopy{number}".encode() for number in range(40)]
    quay.commit_tree(quay.tree([line.replace(b"40000", b"040000", 1) for line in lines]))
    settings.AGNES_MARKETPLACE_MAX_FILES = 100


def bomb(quay: Repository, settings: Settings) -> None:
    """Ten folders in ten folders, nine times: a billion files in eleven objects."""
    tree = quay.tree([f"100644 blob {quay.blob(b'x')}\tfile".encode()])
    for _ in range(9):
        tree = quay.tree([f"040000 tree {tree}\td{number}".encode() for number in range(10)])
    quay.commit_tree(tree)


def deep(quay: Repository, settings: Settings) -> None:
    quay.commit({"a/" * 40 + "file": "x"})


@pytest.mark.parametrize("make", [limited, bomb, deep])
def test_too_many_or_too_deep_files_are_refused(
    make: Callable[[Repository, Settings], None],
    git_server: GitServer,
    quay: Repository,
    settings: Settings,
) -> None:
    make(quay, settings)
    row = register("quay", url(git_server))
    with pytest.raises(AgnesError) as refused:
        sync(row)
    assert refused.value.code == "repository_too_large"
    assert Item.objects.count() == 0


def test_symlinks_submodules_and_huge_files_are_left_out_and_said(
    git_server: GitServer, quay: Repository
) -> None:
    link = quay.blob(b"../../../../etc/passwd")
    commit = quay.git("rev-parse", "main")
    quay.commit_entries(
        [
            f"120000 {link}\tplugins/crane/skills/link/SKILL.md",
            f"120000 {link}\tplugins/crane/commands",
            f"160000 {commit}\tplugins/sub",
        ]
    )
    quay.commit({"plugins/crane/skills/big/SKILL.md": b"x" * (11 * 1024**2)})

    sync(register("quay", url(git_server)))

    assert {"symlink", "submodule", "file-too-large"} <= rules()
    names = set(Item.objects.values_list("name", flat=True))
    assert not names & {"crane:link", "crane:big"}


def test_hooks_attributes_and_configuration_of_a_repository_do_nothing(
    git_server: GitServer, quay: Repository, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    hook = quay.folder / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
    hook.chmod(0o755)
    quay.commit(
        {
            ".gitattributes": "* filter=x\n",
            ".lfsconfig": f"[lfs]\n url = {git_server.url}/lfs\n",
            ".gitmodules": f'[submodule "x"]\n path = x\n url = {git_server.url}/other.git\n',
        }
    )

    sync(register("quay", url(git_server)))

    assert not mark.exists()
    assert {path.split("/")[1].split("?")[0] for path, _ in git_server.asked} == {"quay.git"}


@pytest.mark.parametrize(
    ("plugins", "rule"),
    [
        ([{"name": "../up", "source": "./plugins/crane"}], "plugin-name"),
        ([{"name": "a\u0000b", "source": "./plugins/crane"}], "plugin-name"),
        ([{"name": "raft", "source": "../../etc"}], "plugin-source"),
        ([{"name": "flea", "source": "./plugins/crane"}], "plugin-name-reserved"),
        ([{"name": "agnes", "source": "./plugins/crane"}], "plugin-name-reserved"),
        ([{"name": "gone", "source": "./plugins/gone"}], "plugin-folder-missing"),
        (
            [{"name": "npm", "source": {"source": "npm", "package": "x"}}],
            "plugin-source-unsupported",
        ),
        (
            [{"name": "far", "source": {"source": "url", "url": "file:///etc"}}],
            "plugin-not-fetched",
        ),
        (
            [{"name": "far", "source": {"source": "url", "url": "ext::sh -c true"}}],
            "plugin-not-fetched",
        ),
        (
            [{"name": "far", "source": {"source": "url", "url": "https://169.254.169.254/x"}}],
            "plugin-not-fetched",
        ),
    ],
)
def test_a_bad_plugin_is_a_finding_and_harms_no_other(
    plugins: list[Any], rule: str, git_server: GitServer, quay: Repository
) -> None:
    quay.commit({CATALOGUE: catalogue("crane", *plugins)})
    sync(register("quay", url(git_server)))
    assert rule in rules()
    assert Item.objects.live().filter(name="crane:lift").exists()
    assert not Item.objects.exclude(plugin__name="crane").exists()


def test_a_marketplace_of_agness_own_name_is_refused(
    git_server: GitServer, quay: Repository
) -> None:
    quay.commit({CATALOGUE: catalogue("crane", name="agnes")})
    with pytest.raises(AgnesError, match="which is what Agnes's own"):
        sync(register("quay", url(git_server)))


def test_html_and_control_characters_are_kept_as_text_or_left_out(
    git_server: GitServer, quay: Repository
) -> None:
    text = "<script>alert(1)</script>\\u0000\\u202e"
    quay.commit({"plugins/crane/skills/lift/SKILL.md": skill(description=f'"{text}"')})
    sync(register("quay", url(git_server)))
    assert Item.objects.get(name="crane:lift").description == "<script>alert(1)</script>"


def test_a_repository_of_this_machine_is_read_only_where_that_is_allowed(
    git_server: GitServer, quay: Repository, settings: Settings
) -> None:
    row = register("quay", quay.file_url)
    assert "AGNES_MARKETPLACE_ALLOW_FILE" in str(refusal(row, settings))
    settings.AGNES_MARKETPLACE_ALLOW_FILE = True
    assert sync(row).items == 4


def test_a_catalogue_from_the_network_never_leads_to_this_machines_files(
    git_server: GitServer, quay: Repository, settings: Settings
) -> None:
    settings.AGNES_MARKETPLACE_ALLOW_FILE = True
    far = {"name": "far", "source": {"source": "url", "url": quay.file_url}}
    quay.commit({CATALOGUE: catalogue(far)})
    sync(register("quay", url(git_server)))
    assert rules() == {"plugin-not-fetched"}


@pytest.mark.parametrize("name", ["flea", "agnes", "books-by-ada"])
def test_a_plugin_that_calls_itself_as_another_takes_nothing_of_it(
    name: str, git_server: GitServer, quay: Repository, ada: User, folder: Path
) -> None:
    put(ada)
    put(ada, plugin_zip())
    skills = ("chase-invoices-by-ada", "close-month")
    taken = {f"plugins/crane/skills/{each}/SKILL.md": skill(each) for each in skills}
    quay.commit({"plugins/crane/.claude-plugin/plugin.json": {"name": name}, **taken})

    sync(register("quay", url(git_server)))

    spelled = [alias for each in Item.objects.values_list("aliases", flat=True) for alias in each]
    assert [each for each in spelled if name in each] == []
    assert Item.objects.filter(name="crane:close-month").exists()
    assert "plugin-name-foreign" in rules()
    resolver = Resolver.load()
    for used in ("flea:chase-invoices-by-ada", "books-by-ada:close-month"):
        assert resolver.resolve(ItemKind.SKILL, used).source == Source.FLEA


def test_a_flea_item_cannot_take_a_name_that_a_curated_plugin_calls_itself(
    git_server: GitServer, quay: Repository, ada: User, folder: Path
) -> None:
    quay.commit({"plugins/crane/.claude-plugin/plugin.json": {"name": "books-by-ada"}})
    sync(register("quay", url(git_server)))

    with pytest.raises(NameTaken, match="A curated plugin is called books-by-ada"):
        put(ada, plugin_zip())
