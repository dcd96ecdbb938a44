"""Bodies of POST /api/sessions: encodings, damage, bombs, caps; nothing is left over."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator

import pytest
import zstandard
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from telemetry import transcript_blobs, upload_bodies
from tests.telemetry.api.uploading import CONTENT, Upload, error, token

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_left_over() -> Iterator[None]:
    yield
    assert not list(transcript_blobs.temp_folder().iterdir())


@pytest.mark.parametrize(
    "type", ["application/x-ndjson", "application/jsonl", "text/plain; charset=utf-8"]
)
def test_a_body_may_come_under_any_type_of_text(upload: Upload, type: str) -> None:
    assert upload(type=type).status_code == 200


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(CONTENT)),
        ("x-gzip", gzip.compress(CONTENT[:500]) + gzip.compress(CONTENT[500:])),
        ("zstd", zstandard.compress(CONTENT)),
        ("zstd", zstandard.compress(CONTENT[:500]) + zstandard.compress(CONTENT[500:])),
        ("identity", CONTENT),
    ],
)
def test_a_compressed_body_is_unpacked(upload: Upload, encoding: str, body: bytes) -> None:
    answer = upload(body, encoding=encoding).json()

    assert answer["sha256"] == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(CONTENT)[:-9]),
        ("gzip", CONTENT),
        ("gzip", gzip.compress(CONTENT) + b"rubbish"),
        ("zstd", zstandard.compress(CONTENT)[:-9]),
        ("zstd", CONTENT),
    ],
)
def test_a_damaged_body_is_refused(upload: Upload, encoding: str, body: bytes) -> None:
    assert error(upload(body, encoding=encoding), 400)["code"] == "broken_body"


def test_an_unknown_encoding_is_refused(upload: Upload) -> None:
    assert error(upload(encoding="br"), 415)["code"] == "unknown_encoding"


@pytest.mark.parametrize("type", ["application/json", "multipart/form-data; boundary=x"])
def test_another_type_is_refused(upload: Upload, type: str) -> None:
    assert error(upload(type=type), 415)["code"] == "wrong_type"


def gzip_bomb(size: int) -> bytes:
    compressor = zlib.compressobj(9, wbits=31)
    packed = b"".join(compressor.compress(bytes(1024**2)) for _ in range(size // 1024**2))
    return packed + compressor.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", gzip_bomb(200 * 1024**2)), ("zstd", zstandard.compress(bytes(200 * 1024**2)))],
)
def test_a_bomb_is_refused_before_it_is_unpacked(
    upload: Upload, monkeypatch: pytest.MonkeyPatch, encoding: str, body: bytes
) -> None:
    unpacked = 0
    check = upload_bodies._check_size

    def counted(size: int, received: int, limit: int) -> None:
        nonlocal unpacked
        unpacked = size
        check(size, received, limit)

    monkeypatch.setattr(upload_bodies, "_check_size", counted)

    assert error(upload(body, encoding=encoding), 413)["code"] == "suspected_bomb"
    assert unpacked < 100 * 1024**2


@pytest.mark.parametrize(
    ("encoding", "body"),
    [(None, CONTENT), ("gzip", gzip.compress(CONTENT)), ("zstd", zstandard.compress(CONTENT))],
)
def test_a_body_over_the_cap_is_refused(
    upload: Upload, settings: Settings, encoding: str | None, body: bytes
) -> None:
    settings.AGNES_UPLOAD_MAX_BYTES = len(CONTENT) - 1

    told = error(upload(body, encoding=encoding), 413)

    assert (told["code"], told["details"]) == ("upload_too_large", {"limit": len(CONTENT) - 1})


def test_a_body_over_djangos_memory_limit_is_taken(upload: Upload, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    assert upload().status_code == 200


def test_a_body_without_a_length_is_refused(ada: User) -> None:
    told = Client().post(
        "/api/sessions?name=a.jsonl",
        CONTENT,
        content_type="text/plain",
        headers={
            "Authorization": f"Bearer {token(ada, 'push')}",
            "Transfer-Encoding": "chunked",
        },
    )

    assert error(told, 411)["code"] == "length_required"


def test_an_empty_body_is_refused(upload: Upload) -> None:
    assert error(upload(b""), 422)["details"] == {"reason": "empty"}
