"""The server hands out its client, the same bytes each time, ready to run."""

import os
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from django.test import Client

from agnes_cli import __version__, packing

WHEEL = packing.wheel_name()


def run(*command: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True)


def test_the_pyz_runs_by_itself_and_installs_hooks_that_run(client: Client, tmp_path: Path) -> None:
    pyz = tmp_path / "agnes.pyz"
    pyz.write_bytes(client.get("/cli/agnes.pyz").content)
    told = run(sys.executable, "-I", str(pyz), "--version", home=tmp_path)
    assert told.stdout == f"agnes {__version__}\n"
    assert run(sys.executable, "-I", str(pyz), "init", home=tmp_path).returncode == 0
    pyz.unlink()
    copy = tmp_path / ".config" / "agnes" / "client"
    told = run(sys.executable, "-I", str(copy), "--version", home=tmp_path)
    assert told.stdout == f"agnes {__version__}\n"


def test_the_wheel_holds_what_it_says_and_needs_nothing(client: Client) -> None:
    with zipfile.ZipFile(BytesIO(client.get(f"/cli/{WHEEL}").content)) as wheel:
        assert wheel.testzip() is None
        names = wheel.namelist()
        record = wheel.read(f"agnes_cli-{__version__}.dist-info/RECORD").decode()
        metadata = wheel.read(f"agnes_cli-{__version__}.dist-info/METADATA").decode()
    assert [line.split(",")[0] for line in record.splitlines()] == names
    assert "Requires-Dist" not in metadata
    assert "agnes_cli/rules/gitleaks.json" in names
    assert not [name for name in names if name.endswith(".toml")]


def test_the_bytes_are_the_same_whoever_makes_them(client: Client, tmp_path: Path) -> None:
    packing.build_wheel(str(tmp_path))
    assert (tmp_path / WHEEL).read_bytes() == client.get(f"/cli/{WHEEL}").content
    etag = client.get("/cli/agnes.pyz").headers["ETag"]
    assert client.get("/cli/agnes.pyz", headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize("name", ["agnes_cli-9.9.9-py3-none-any.whl", "settings.py", ".."])
def test_nothing_else_is_handed_out(client: Client, name: str) -> None:
    assert client.get(f"/cli/{name}").status_code == 404
