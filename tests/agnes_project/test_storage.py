"""The `transcripts` storage of the settings, in both its forms, against real stores."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from moto.server import ThreadedMotoServer
from storages.backends.s3 import S3Storage

from agnes_project import settings as project_settings


@pytest.fixture
def s3_address() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_a_transcript_stored_locally_is_its_owners_alone() -> None:
    storage = storages["transcripts"]
    name = storage.save("ada/session.jsonl.zst", ContentFile(b"lines"))
    path = Path(storage.path(name))
    assert path.read_bytes() == b"lines"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    storage.delete(name)


def test_a_transcript_goes_to_s3_and_comes_back(s3_address: str) -> None:
    options = {
        **project_settings.S3_TRANSCRIPTS["OPTIONS"],
        "bucket_name": "transcripts",
        "endpoint_url": s3_address,
        "region_name": "eu-central-1",
        "access_key": "key",
        "secret_key": "secret",
    }
    boto3.client(
        "s3",
        endpoint_url=s3_address,
        region_name="eu-central-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    ).create_bucket(
        Bucket="transcripts", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    storage = S3Storage(**options)

    name = storage.save("ada/session.jsonl.zst", ContentFile(b"lines"))

    assert storage.exists(name)
    with storage.open(name) as file:
        assert file.read() == b"lines"
    storage.delete(name)
    assert not storage.exists(name)


def test_a_storage_that_does_not_answer_is_not_waited_for_without_end(tmp_path: Path) -> None:
    script = (
        "import django; django.setup()\n"
        "from django.core.files.storage import storages\n"
        "config = storages['transcripts'].connection.meta.client.meta.config\n"
        "print(config.connect_timeout, config.read_timeout)\n"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "agnes_project.settings",
        "AGNES_DATA_DIR": str(tmp_path),
        "AGNES_TRANSCRIPT_STORAGE": "s3",
        "AGNES_S3_BUCKET": "transcripts",
        "AGNES_S3_REGION": "eu-central-1",
        "AGNES_S3_ACCESS_KEY_ID": "key",
        "AGNES_S3_SECRET_ACCESS_KEY": "secret",
    }

    told = subprocess.check_output(
        [sys.executable, "-c", script], env=environment, cwd=settings.BASE_DIR, text=True
    )

    assert told.split() == ["10", "60"]
