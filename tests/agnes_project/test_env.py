from pathlib import Path

import pytest

from agnes_project.env import Env, EnvError


def test_an_unset_and_an_empty_variable_mean_the_default() -> None:
    for env in (Env({}), Env({"A": ""}), Env({"A": "  "})):
        assert env.text("A", "x") == "x"
        assert env.flag("A", default=True) is True
        assert env.integer("A", default=7) == 7
        assert env.names("A", default=("x",)) == ["x"]
        assert env.folder("A", default=Path("/x")) == Path("/x")
        assert env.optional_folder("A") is None
        assert env.postgres("A") is None


@pytest.mark.parametrize(
    ("raw", "expected"), [("1", True), ("Yes", True), ("off", False), ("FALSE", False)]
)
def test_a_flag_takes_the_usual_words(raw: str, expected: bool) -> None:
    assert Env({"A": raw}).flag("A", default=not expected) is expected


@pytest.mark.parametrize(
    ("reader", "value", "fix"),
    [
        (lambda env: env.flag("A", default=False), "maybe", "true or false"),
        (lambda env: env.integer("A", default=60), "1.5", "whole number such as 60"),
        (lambda env: env.integer("A", default=60, minimum=0), "-1", "at least 0"),
        (lambda env: env.integer("A", default=60, maximum=9), "10", "at most 9"),
        (lambda env: env.choice("A", default="x", choices=("x", "y")), "z", "one of x, y"),
        (lambda env: env.origins("A"), "agnes.example.org", "https://agnes.example.org"),
        (lambda env: env.url("A"), "s3.example.org", "https://s3.example.org"),
        (lambda env: env.postgres("A"), "mysql://host/db", "postgresql://"),
    ],
)
def test_an_error_names_the_variable_the_value_and_the_fix(
    reader: object, value: str, fix: str
) -> None:
    with pytest.raises(EnvError) as caught:
        reader(Env({"A": value}))  # type: ignore[operator]
    assert f"A={value!r}" in str(caught.value)
    assert fix in str(caught.value)


def test_a_postgres_address_becomes_a_database_entry() -> None:
    entry = Env(
        {"A": "postgres://ada:p%40ss@db.example.org:5433/agnes?sslmode=require&connect_timeout=3"}
    ).postgres("A")
    assert entry == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "agnes",
        "USER": "ada",
        "PASSWORD": "p@ss",
        "HOST": "db.example.org",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require", "connect_timeout": "3"},
    }


def test_a_postgres_socket_folder_is_the_host() -> None:
    entry = Env({"A": "postgresql://ada@/agnes?host=/run/postgresql"}).postgres("A")
    assert entry is not None
    assert entry["HOST"] == "/run/postgresql"
    assert entry["OPTIONS"] == {}


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ada:secret@host",
        "postgresql://ada:secret@host/",
        "postgresql://ada:secret@host/one/two",
        "postgresql://ada:secret@host:port/agnes",
        "postgresql://ada:secret@host/agnes?sslmod=require",
        "postgresql://ada:secret@host/agnes?sslmode",
        "postgresql://ada:secret@host/agnes?sslmode=a&sslmode=b",
        "postgresql://ada:secret@host/agnes#1",
        "sqlite://ada:secret@host/agnes",
        "postgresql//ada:secret@host/agnes",
        "postgresql:/ada:secret@host/agnes",
        "postgresql:ada:secret@host/agnes",
        "ada:secret@host/agnes",
        "//ada:a/secret@host/agnes",
        "postgresql://ada:secret",
        "postgresql://host/agnes?user=ada&password=secret",
    ],
)
def test_a_bad_postgres_address_is_refused_without_showing_its_password(address: str) -> None:
    with pytest.raises(EnvError) as caught:
        Env({"DATABASE_URL": address}).postgres("DATABASE_URL")
    assert "DATABASE_URL=" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_variables_of_a_prefix_are_found_when_they_are_set() -> None:
    env = Env({"TOKEN_A": " a ", "TOKEN_B": "  ", "OTHER": "x"})
    assert env.beginning_with("TOKEN_") == {"TOKEN_A": "a"}


def test_a_secret_that_is_too_short_is_refused_unseen_with_a_command_to_make_one() -> None:
    with pytest.raises(EnvError) as caught:
        Env({"KEY": "hushhush"}).secret("KEY", least=32, fix="Make one with: this.")
    assert "shorter than 32 characters. Make one with: this." in str(caught.value)
    assert "hushhush" not in str(caught.value)
    assert Env({"KEY": "x" * 32}).secret("KEY", least=32, fix="") == "x" * 32
    assert Env({}).secret("KEY", least=32, fix="") == ""
