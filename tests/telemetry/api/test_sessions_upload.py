"""POST /api/sessions: what is taken, what is refused and how, and what the answer tells."""

import gzip
import hashlib
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from accounts.models import User
from benchmarks.transcript_lines import answer, encode, prompt, result, tool_use
from telemetry import transcript_blobs
from telemetry.identity import identity_key
from telemetry.models import (
    IdentityKey,
    Session,
    Tombstone,
    TranscriptFile,
    TranscriptRevision,
    UsageSessionSummary,
)
from telemetry.tombstones import leave_tombstone, session_digest
from tests.telemetry.api.uploading import CONTENT, NAME, SID, Upload, error, token, uploader
from tests.telemetry.counting import MAIN, after, thread
from tests.telemetry.database_dump import process
from tests.telemetry.transcript_lines import line, session_of, transcript

pytestmark = pytest.mark.django_db


def test_an_upload_is_stored_and_answered(upload: Upload) -> None:
    answer = upload().json()

    assert answer == {
        "status": "new",
        "name": NAME,
        "session_ids": [SID],
        "lines": 10,
        "bad_lines": 0,
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "held_elsewhere": 0,
        "erased_sessions": [],
        "missing_files": [],
        "queued": True,
    }
    assert Session.objects.get().session_id == SID


@pytest.mark.django_db(transaction=True)
def test_an_upload_is_queued_for_processing_at_once(upload: Upload) -> None:
    upload()

    assert OrmQ.objects.count() == 1


def test_the_same_upload_again_changes_nothing(upload: Upload) -> None:
    upload()

    answer = upload().json()

    assert (answer["status"], answer["queued"]) == ("unchanged", False)
    assert TranscriptRevision.objects.count() == 1


@pytest.mark.parametrize(
    "name",
    [
        ".jsonl",
        "/etc/passwd.jsonl",
        "../a.jsonl",
        "a/../../b.jsonl",
        "a/./b.jsonl",
        "a//b.jsonl",
        "..\\a.jsonl",
        "C:\\a.jsonl",
        "c:a.jsonl",
        "a\x00.jsonl",
        "a\n.jsonl",
        "a\x1b[31m.jsonl",
        "a\u202e.jsonl",
        "a.json",
        "a/b",
        "a" * 256 + ".jsonl",
        "/".join(["subagents"] + ["a" * 200] * 3) + ".jsonl",
        "x/subagents/" + "/".join(["a" * 200] * 3) + ".jsonl",
    ],
)
def test_a_name_that_plays_tricks_is_refused(upload: Upload, name: str) -> None:
    if name.startswith("subagents"):  # a folder of that name alone is only a folder
        assert upload(name=name).status_code == 200
        return

    assert error(upload(name=name), 400)["code"] == "name_refused"
    assert not TranscriptFile.objects.exists()


@pytest.mark.parametrize("method", ["post", "get"])
def test_a_name_in_invalid_utf_8_is_refused(ada: User, method: str) -> None:
    path = "/api/sessions" if method == "post" else "/api/sessions/state"
    answer = Client().generic(
        method.upper(),
        path,
        CONTENT,
        content_type="application/x-ndjson",
        headers={"Authorization": f"Bearer {token(ada, 'push')}"},
        QUERY_STRING="name=p/%FF%FE.jsonl",
    )

    assert error(answer, 400)["code"] == "name_refused"
    assert not TranscriptFile.objects.exists()


def test_what_was_added_to_nothing_is_the_whole_file(upload: Upload) -> None:
    answer = upload(offset=0, base_sha256=hashlib.sha256(b"").hexdigest())

    assert (answer.status_code, answer.json()["status"]) == (200, "new")
    assert error(upload(offset=0, base_sha256="0" * 64), 409)["code"] == "different_base"


def test_a_name_is_needed(upload: Upload) -> None:
    assert error(upload(name=None), 422)["code"] == "invalid_request"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"-home-ada-till/{SID}.jsonl", f"{SID}.jsonl"),
        (f"-home-ada-till/{SID}/subagents/agent-1a.jsonl", f"{SID}/agent-1a.jsonl"),
        (f"{SID}/agent-1a.jsonl", f"{SID}/agent-1a.jsonl"),
        ("-home-ada-till/agent-1a.jsonl", "agent-1a.jsonl"),
        (
            f"p/{SID}/subagents/workflows/wf_1/agent-2.jsonl",
            f"{SID}/workflows/wf_1/agent-2.jsonl",
        ),
        (f"{SID}/workflows/wf_1/agent-2.jsonl", f"{SID}/workflows/wf_1/agent-2.jsonl"),
        (f"p/{SID}.jsonl.superseded-1", f"{SID}.jsonl"),
        (f"p/{SID}.jsonl.orphaned", f"{SID}.jsonl"),
    ],
)
def test_a_path_is_stored_under_what_matters_of_it(upload: Upload, path: str, name: str) -> None:
    upload(name=path)

    assert TranscriptFile.objects.get().name == name


def test_another_programs_file_is_refused_by_its_name(upload: Upload) -> None:
    told = error(upload(b'{"type":"session_meta","payload":{"id":"x"}}\n'), 422)

    assert told["code"] == "foreign_transcript"
    assert "codex" in told["message"]


def test_an_erased_session_is_refused(ada: User, upload: Upload) -> None:
    digest = session_digest(ada.pk, SID)
    leave_tombstone(Tombstone.Kind.SESSION, digest, now=datetime(2026, 3, 1, tzinfo=UTC))

    assert error(upload(), 410)["code"] == "session_erased"


def test_a_person_who_opted_out_is_refused(ada: User, upload: Upload) -> None:
    User.objects.update(telemetry_opt_out=True)

    assert error(upload(), 403)["code"] == "opted_out"


def test_a_token_without_the_scope_is_refused(ada: User) -> None:
    assert error(uploader(token(ada, "read"))(), 403)["code"] == "missing_scope"


def test_nobody_uploads_without_signing_in() -> None:
    response = Client().post("/api/sessions?name=a.jsonl", CONTENT, content_type="text/plain")

    assert error(response, 401)["code"] == "not_signed_in"


def test_bad_lines_are_counted_and_skipped(upload: Upload) -> None:
    answer = upload(CONTENT + b"{oops\n").json()

    assert (answer["lines"], answer["bad_lines"]) == (11, 1)


def test_only_what_was_added_is_sent_and_stored(upload: Upload) -> None:
    upload()
    added = transcript(SID, range(10, 13))

    answer = upload(
        gzip.compress(added),
        encoding="gzip",
        offset=len(CONTENT),
        base_sha256=hashlib.sha256(CONTENT).hexdigest(),
    ).json()

    assert (answer["status"], answer["size"]) == ("grown", len(CONTENT + added))
    assert answer["sha256"] == hashlib.sha256(CONTENT + added).hexdigest()
    stored = b"".join(transcript_blobs.read_revision(TranscriptRevision.objects.get()))
    assert stored == CONTENT + added


def test_a_tail_sent_twice_changes_nothing_the_second_time(upload: Upload) -> None:
    upload()
    base = {"offset": len(CONTENT), "base_sha256": hashlib.sha256(CONTENT).hexdigest()}
    upload(transcript(SID, range(10, 13)), **base)

    again = upload(transcript(SID, range(10, 13)), **base)

    told = error(again, 409)
    assert told["details"]["revisions"][0]["size"] == len(transcript(SID, range(13)))
    assert TranscriptRevision.objects.count() == 1


def test_a_tail_of_something_else_is_refused_with_what_the_server_has(upload: Upload) -> None:
    upload()

    told = error(upload(b"x", offset=5, base_sha256="0" * 64), 409)

    digest = hashlib.sha256(CONTENT).hexdigest()
    assert told["details"]["revisions"] == [{"size": len(CONTENT), "sha256": digest}]


def test_offset_and_hash_belong_together(upload: Upload) -> None:
    assert error(upload(offset=5), 422)["code"] == "incomplete_base"


def test_the_server_tells_what_it_has_of_a_file(ada: User, upload: Upload) -> None:
    upload()
    headers = {"Authorization": f"Bearer {token(ada, 'push')}"}

    known = Client().get("/api/sessions/state", {"name": f"p/{NAME}"}, headers=headers)
    unknown = Client().get("/api/sessions/state", {"name": "other.jsonl"}, headers=headers)

    digest = hashlib.sha256(CONTENT).hexdigest()
    assert known.json()["revisions"] == [{"size": len(CONTENT), "sha256": digest}]
    assert unknown.json()["revisions"] == []


def test_what_another_person_brought_first_is_counted_in_the_answer(upload: Upload) -> None:
    bob = User.objects.create_user("bob@example.org")
    now = timezone.now()
    theirs = Session.objects.create(
        user=bob, session_id="s", session_file="s.jsonl", created_at=now, uploaded_at=now
    )
    keys = [identity_key("line", session_of(f"{SID} {number}")) for number in (2, 3, 4)]
    IdentityKey.objects.bulk_create(IdentityKey(key=key, session_pk=theirs.pk) for key in keys)

    answer = upload().json()

    assert (answer["status"], answer["held_elsewhere"]) == ("new", 3)


@pytest.mark.parametrize(
    ("body", "fix"),
    [
        (gzip.compress(CONTENT), "Send it with Content-Encoding: gzip"),
        (b"PK\x03\x04" + bytes(range(256)), "Unpack it"),
    ],
)
def test_a_packed_body_is_told_how_to_be_sent(upload: Upload, body: bytes, fix: str) -> None:
    refused = error(upload(body), 422)
    assert refused["code"] == "packed_transcript"
    assert refused["fix"].startswith(fix)


def test_the_answer_and_the_summary_tell_the_same_number(upload: Upload) -> None:
    on = thread()
    said = answer(on, tool_use("toolu_1", "Bash"), at=after(10))
    content = encode(
        [prompt(on, "One", at=after(0)), said, result(on, "toolu_1", "ok", at=after(20))]
    )
    bob = User.objects.create_user("bob@example.org")
    uploader(token(bob, "push"))(content, name=MAIN)
    process(timezone.now())

    told = upload(content, name=MAIN).json()
    process(timezone.now())

    summary = UsageSessionSummary.objects.get(user__email="ada@example.org")
    # Three lines; what stands in them is not counted beside them.
    assert told["held_elsewhere"] == summary.held_elsewhere == 3


def test_a_copy_of_another_persons_transcript_touches_nothing_of_theirs(upload: Upload) -> None:
    bob = User.objects.create_user("bob@example.org")
    uploader(token(bob, "push"))()
    before = Session.objects.values().get(user=bob)

    upload(CONTENT + line(SID, 11))

    assert Session.objects.values().get(user=bob) == before
    assert Session.objects.get(user__username="ada").session_file == f"{SID}@ada.jsonl"
