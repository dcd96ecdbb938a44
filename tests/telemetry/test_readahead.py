"""Sessions read while their files are stored say what they say when read from the store."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from benchmarks.table_dump import Rows
from telemetry import preparers
from telemetry.content_hashes import file_digest, session_digest
from telemetry.events import derive
from telemetry.extracts import SourceFile, extract
from telemetry.models import ProcessorState, UsageResponse, UsageSessionSummary
from telemetry.preparation import SMALL, BytesContent
from telemetry.processing import process_due
from telemetry.processors.arrivals import Arrivals
from telemetry.readahead import ReadableFile, SessionRead, prepare_and_keep, read_sessions
from telemetry.surveys import survey, survey_lines
from telemetry.transcripts import Tally, decode_lines
from tests.reference.strategies import Corpus, corpora
from tests.telemetry.database_dump import NOW, figures, upload
from tests.telemetry.importing import put
from tests.telemetry.processed_sessions import turns
from tests.telemetry.profiles import thorough
from tests.telemetry.test_damaged_input import raw_lines
from tests.telemetry.transcript_lines import line, session_of, transcript

FIRST, SECOND = session_of("first"), session_of("second")


def prepared(files: Corpus, folder: str = "") -> list[ReadableFile]:
    return [
        prepare_and_keep(BytesContent(content), name=name, known=(), folder=folder)
        for name, content in files.items()
    ]


def read_ahead(files: Corpus) -> dict[str, SessionRead]:
    return {one.session_id: one for one in read_sessions(prepared(files))}


@thorough
@given(corpora())
def test_a_session_read_ahead_is_the_session_read_from_its_files(corpus: Corpus) -> None:
    found = read_ahead(corpus)

    sources: dict[str, list[SourceFile]] = {}
    for name, content in sorted(corpus.items()):
        seen = survey([content], name)
        for session_id in seen.session_ids if seen.verdict == "claude" else ():
            chunks = [content[:1000], content[1000:]]
            sources.setdefault(session_id, []).append(SourceFile(name, [chunks.copy]))
    assert found.keys() == sources.keys()
    for session_id, files in sources.items():
        one, other = found[session_id].rows, derive([extract(files, session_id)])[0]
        for field in one.__struct_fields__:
            assert getattr(one, field) == getattr(other, field), field


@thorough
@given(st.lists(raw_lines, max_size=6), st.sampled_from(["notes.jsonl", f"{FIRST}.jsonl"]))
def test_decoded_lines_are_surveyed_like_a_file_that_is_only_looked_at(
    lines: list[bytes], name: str
) -> None:
    content = b"\n".join(lines)
    tally = Tally(too_long=[])
    decoded = list(decode_lines([content], tally))

    assert survey_lines(decoded, tally, name) == survey([content], name)


def test_the_hash_tells_which_files_a_session_was_read_from() -> None:
    files = {f"{FIRST}.jsonl": transcript(FIRST, range(3)), "agent-a.jsonl": line(FIRST, 9)}
    one, other = (ready.prepared.sha256 for ready in prepared(files))

    assert read_ahead(files)[FIRST].content_hash == session_digest(
        [("agent-a.jsonl", file_digest([other])), (f"{FIRST}.jsonl", file_digest([one]))]
    )


def test_a_session_with_a_file_that_is_too_long_to_keep_is_not_read_ahead(tmp_path: Path) -> None:
    long = line(FIRST, 1, "x" * (SMALL + 1))
    files = {f"{FIRST}.jsonl": long, "agent-a.jsonl": line(FIRST, 9), f"{SECOND}.jsonl": b""}
    files[f"{SECOND}.jsonl"] = line(SECOND, 1)

    assert [one.session_id for one in read_sessions(prepared(files, str(tmp_path)))] == [SECOND]


# --- Stored ------------------------------------------------------------------------------------


def usage_states() -> dict[str, str]:
    states = ProcessorState.objects.filter(processor="usage")
    return dict(states.values_list("session__session_id", "status"))


def stored(user: User, files: Corpus) -> list[SessionRead]:
    for name, content in files.items():
        assert upload(user, name, content)
    return list(read_ahead(files).values())


@pytest.mark.django_db
def test_what_was_read_ahead_is_counted_without_reading_again(ada: User) -> None:
    arrivals = Arrivals()
    arrivals.store(ada, stored(ada, {f"{FIRST}.jsonl": transcript(FIRST, range(3))}))

    assert usage_states() == {FIRST: "done"}
    assert UsageSessionSummary.objects.get().prompts == 3
    assert arrivals.report.sessions == 1


@pytest.mark.django_db
def test_a_session_that_grew_meanwhile_stays_due(ada: User) -> None:
    read = stored(ada, {f"{FIRST}.jsonl": transcript(FIRST, range(3))})
    upload(ada, f"{FIRST}.jsonl", transcript(FIRST, range(4)))

    Arrivals().store(ada, read)

    assert usage_states() == {FIRST: "due"}
    assert not UsageSessionSummary.objects.exists()


@pytest.mark.django_db
def test_sessions_that_overlap_stay_due_and_are_counted_once_in_the_end(ada: User) -> None:
    copied = transcript(FIRST, range(2)).replace(FIRST.encode(), SECOND.encode())
    files = {f"{FIRST}.jsonl": transcript(FIRST, range(3)), f"{SECOND}.jsonl": copied}
    arrivals = Arrivals()

    arrivals.store(ada, stored(ada, files))

    assert sorted(usage_states().values()) == ["done", "due"]
    assert not arrivals.leave_others()
    process_due()
    assert sum(UsageSessionSummary.objects.values_list("prompts", flat=True)) == 3


@pytest.mark.django_db
def test_another_persons_session_that_waits_is_counted_first(ada: User, bob: User) -> None:
    content = transcript(FIRST, range(3))
    upload(bob, f"{FIRST}.jsonl", content, NOW - timedelta(days=1))
    arrivals = Arrivals()

    arrivals.store(ada, stored(ada, {f"{FIRST}.jsonl": content}))

    assert set(usage_states().values()) == {"due"}
    assert arrivals.leave_others()
    process_due()
    prompts = dict(UsageSessionSummary.objects.values_list("username", "prompts"))
    assert prompts == {bob.username: 3, ada.username: 0}


# --- Imported ----------------------------------------------------------------------------------


def imported(root: Path, *options: str) -> dict[str, Rows]:
    told = StringIO()
    call_command("usage_import", str(root), "--users-from-folders", "--json", *options, stdout=told)
    assert json.loads(told.getvalue())["counts"].keys() <= {"new", "older copy", "revised"}
    return figures()


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Three people: subagents of both layouts, a fork, a backup, one session held by two."""
    root = tmp_path / "people"
    for user in ("ada", "bob", "cyd"):
        days = [NOW - timedelta(days=number) for number in range(3)]
        sid = session_of(f"{user} main")
        content = b"".join(json.dumps(one).encode() + b"\n" for one in turns(sid, days))
        put(root, f"{user}/-p/{sid}.jsonl", content)
        put(root, f"{user}/-p/{sid}/subagents/agent-1.jsonl", line(sid, 100))
        put(root, f"{user}/-p/agent-2.jsonl", line(sid, 200))
        put(root, f"{user}/-backup/{sid}.jsonl", content[: len(content) // 2])
        fork = content.replace(sid.encode(), session_of(f"{user} fork").encode(), 3)
        put(root, f"{user}/-p/{session_of(f'{user} fork')}.jsonl", fork)
        put(root, f"{user}/-p/{FIRST}.jsonl", transcript(FIRST, range(4)))
    return root


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_import_counts_what_storing_and_processing_apart_count(
    people: Path, processes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparers, "WORTH_PROCESSES", 1)
    together = imported(people, "--processes", processes)
    call_command("flush", interactive=False)

    imported(people, "--no-process", "--processes", "1")
    assert not UsageResponse.objects.exists()
    process_due()

    assert together == figures()
    assert not ProcessorState.objects.filter(processor="usage").exclude(status="done").exists()
