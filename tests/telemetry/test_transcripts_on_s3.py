"""The transcript store on S3: the same bytes, through the storage that settings choose for it."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from django.core.files.base import ContentFile
from moto import mock_aws
from pytest_django import Settings

from accounts.models import User
from agnes_project.settings import S3_TRANSCRIPTS
from telemetry import transcript_blobs
from telemetry.compaction import MOST_SEGMENTS
from telemetry.models import TranscriptFile, TranscriptRevision, TranscriptSegment
from telemetry.transcript_store import Status, accept, drop_bytes
from tests.telemetry.transcript_lines import line, session_of, transcript

pytestmark = pytest.mark.django_db(transaction=True)

BUCKET = "transcripts"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SID = session_of("s3")
NAME = f"{SID}.jsonl"


@pytest.fixture(autouse=True)
def _bucket(settings: Settings) -> Iterator[None]:
    options = {
        **S3_TRANSCRIPTS["OPTIONS"],
        "bucket_name": BUCKET,
        "region_name": "eu-central-1",
        "access_key": "key",
        "secret_key": "secret",
    }
    with mock_aws():
        place = {"LocationConstraint": "eu-central-1"}
        client = boto3.client("s3", region_name="eu-central-1")
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
        settings.STORAGES = {
            **settings.STORAGES,
            "transcripts": {**S3_TRANSCRIPTS, "OPTIONS": options},
        }
        yield


def blobs() -> set[str]:
    listed = boto3.client("s3", region_name="eu-central-1").list_objects_v2(Bucket=BUCKET)
    return {one["Key"] for one in listed.get("Contents", [])}


def test_a_file_grows_and_is_read_back() -> None:
    ada = User.objects.create_user("ada@example.org")
    for count in range(1, MOST_SEGMENTS + 2):
        accept(user=ada, name=NAME, content=transcript(SID, range(count)), now=NOW)

    stored = b"".join(transcript_blobs.read_revision(TranscriptRevision.objects.get()))

    assert stored == transcript(SID, range(MOST_SEGMENTS + 1))
    assert blobs() == {segment.blob for segment in TranscriptSegment.objects.all()}


def test_a_large_file_goes_there_by_a_file() -> None:
    ada = User.objects.create_user("ada@example.org")
    content = line(SID, 0, random.Random(1).randbytes(6_000_000).hex())

    assert accept(user=ada, name=NAME, content=content, now=NOW).status == Status.NEW
    assert b"".join(transcript_blobs.read_revision(TranscriptRevision.objects.get())) == content
    assert not list(transcript_blobs.temp_folder().iterdir())


def test_dropped_bytes_and_orphans_are_really_gone() -> None:
    ada = User.objects.create_user("ada@example.org")
    accept(user=ada, name=NAME, content=transcript(SID, range(3)), now=NOW)
    transcript_blobs.transcripts().save("9/ab/orphan.zst", ContentFile(b"x"))

    drop_bytes(list(TranscriptFile.objects.all()), now=NOW)
    later = datetime.now(UTC) + timedelta(days=2)
    transcript_blobs.sweep_orphans(older_than=timedelta(days=1), now=later)

    assert blobs() == set()
