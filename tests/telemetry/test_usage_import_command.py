"""manage.py usage_import: whose files, what it says about each, and going on where it stopped."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import AuditEvent, User
from telemetry import preparation, preparers
from telemetry.models import (
    ImportedFile,
    ProcessorState,
    Session,
    Tombstone,
    TranscriptFile,
    UsageSessionSummary,
)
from telemetry.tombstones import leave_tombstone, person_digest
from tests.telemetry.importing import contents, put, run, words
from tests.telemetry.transcript_lines import line, session_of, transcript

pytestmark = pytest.mark.django_db


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    root = tmp_path / "projects"
    for number in range(6):
        sid = session_of(f"corpus {number}")
        put(root, f"-p/{sid}.jsonl", transcript(sid, range(3 + number)))
        put(root, f"-p/{sid}/subagents/agent-{number}.jsonl", line(sid, 100))
    return root


def test_it_asks_whose_files_these_are_and_guesses_nothing(corpus: Path) -> None:
    with pytest.raises(CommandError, match=r"--user .* or --users-from-folders"):
        run(corpus)

    assert not User.objects.exists()


def test_both_ways_to_name_people_at_once_are_told_so(corpus: Path) -> None:
    with pytest.raises(CommandError, match="Both --user and --users-from-folders were given"):
        run(corpus, "--user", "ada", "--users-from-folders")


def test_what_another_person_brought_first_is_told(corpus: Path) -> None:
    call_command("usage_import", str(corpus), "--user", "bob", stdout=io.StringIO())
    out = io.StringIO()

    call_command("usage_import", str(corpus), "--user", "ada", stdout=out)

    summaries = UsageSessionSummary.objects.filter(user__username="ada")
    held = sum(summaries.values_list("held_elsewhere", flat=True))
    assert f"held by another person: {held:,} lines" in out.getvalue()
    assert held > 0


@pytest.mark.parametrize("name", ["ada@example.org", "ADA@example.org", "ada"])
def test_files_go_to_a_person_who_is_there(corpus: Path, name: str) -> None:
    ada = User.objects.create_user("ada@example.org")

    told = run(corpus, "--user", name)

    assert told["counts"] == {"new": 12}
    assert set(Session.objects.values_list("user", flat=True)) == {ada.pk}
    assert told["totals"]["sessions"] == 6


def test_an_unknown_person_is_created_without_sign_in_and_the_output_says_so(
    corpus: Path,
) -> None:
    out = io.StringIO()

    call_command("usage_import", str(corpus), "--user", "ada", "--no-process", stdout=out)

    assert "created ada, a person without sign-in" in out.getvalue()
    event = AuditEvent.objects.get(action="user.create")
    assert (event.subject, event.door) == (User.objects.get(username="ada"), "command")
    assert event.details == {"sign_in": False}
    assert not User.objects.get(username="ada").has_usable_password()


@pytest.mark.parametrize("name", ["Ada Lovelace", "ada@", "a" * 65, "../ada"])
def test_a_name_that_no_person_can_have_is_an_error_with_the_fix(corpus: Path, name: str) -> None:
    with pytest.raises(CommandError, match=r"[Uu]se |Give "):
        run(corpus, "--user", name)

    assert not User.objects.exists()


def test_an_erased_person_is_not_created_anew(corpus: Path) -> None:
    digest = person_digest("ada@example.org")
    leave_tombstone(Tombstone.Kind.PERSON, digest, now=timezone.now())

    with pytest.raises(CommandError, match="was erased") as refused:
        run(corpus, "--user", "ada@example.org")

    fix = "usage_erase --user ada@example.org --lift --yes"
    assert fix in str(refused.value)
    shown = io.StringIO()
    call_command("usage_erase", "--user", "ada@example.org", "--lift", stdout=shown)
    assert "It was erased and is refused since" in shown.getvalue()
    call_command(*fix.split(), stdout=io.StringIO())
    assert run(corpus, "--user", "ada@example.org")["counts"] == {"new": 12}


def test_folders_name_their_people(tmp_path: Path) -> None:
    User.objects.create_user("bob@example.org")
    for folder in ("ada", "bob@example.org"):
        sid = session_of(folder)
        put(tmp_path, f"{folder}/-p/{sid}.jsonl", transcript(sid, range(2)))
    put(tmp_path, "stray.jsonl", line("stray", 0))
    put(tmp_path, "Not A Person/notes.txt", b"x")

    told = run(tmp_path, "--users-from-folders")

    owners = dict(Session.objects.values_list("user__username", "session_id"))
    assert owners == {"ada": session_of("ada"), "bob": session_of("bob@example.org")}
    assert words(told)["stray.jsonl"] == "refused: it lies in no person's folder"


def test_a_folder_that_can_be_no_person_stops_the_import_before_it_begins(tmp_path: Path) -> None:
    put(tmp_path, "ada/a.jsonl", line("a", 0))
    put(tmp_path, "Bob Stone/b.jsonl", line("b", 0))

    with pytest.raises(CommandError, match="'bob-stone'"):
        run(tmp_path, "--users-from-folders")
    assert not User.objects.exists()


def test_it_says_what_it_did_with_each_file(tmp_path: Path) -> None:
    sid = session_of("growing")
    main = put(tmp_path, f"{sid}.jsonl", transcript(sid, range(5)))
    put(tmp_path, "empty.jsonl", b"")
    put(tmp_path, "summary.jsonl", b'{"type":"summary","summary":"x","leafUuid":"y"}\n')
    put(tmp_path, "codex.jsonl", b'{"type":"session_meta","payload":{"id":"x"}}\n')
    put(tmp_path, "a.meta.json", b"{}")
    first = run(tmp_path, "--user", "ada")
    main.write_bytes(transcript(sid, range(7)))
    grown = run(tmp_path, "--user", "ada")
    main.write_bytes(transcript(sid, range(4)))
    older = run(tmp_path, "--user", "ada")
    main.write_bytes(transcript(sid, [0, 9]))
    revised = run(tmp_path, "--user", "ada")

    assert words(first) == {
        main.name: "new",
        "empty.jsonl": "nothing to count: empty",
        "summary.jsonl": "nothing to count: no conversation lines",
        "codex.jsonl": "refused: written by codex",
    }
    assert first["skipped"] == {"not a transcript": 1}
    said = [words(told)[main.name] for told in (grown, older, revised)]
    assert said == ["grown", "older copy", "revised"]
    assert contents() == {transcript(sid, range(7)), transcript(sid, [0, 9])}


def test_a_second_import_reads_no_unchanged_file(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(corpus, "empty.jsonl", b"")
    run(corpus, "--user", "ada")

    def unread(*_: object, **__: object) -> None:
        raise AssertionError("a file was read")

    monkeypatch.setattr(preparers, "prepare", unread)
    told = run(corpus, "--user", "ada")

    assert told["counts"] == {"unchanged": 12, "nothing to count": 1}


def test_verify_reads_every_file_again(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(corpus, "--user", "ada")
    read = []
    prepare = preparation.prepare

    def counted(*arguments: Any, **named: Any) -> Any:
        read.append(named["name"])
        return prepare(*arguments, **named)

    monkeypatch.setattr(preparers, "prepare", counted)
    told = run(corpus, "--user", "ada", "--verify")

    assert (told["counts"], len(read)) == ({"unchanged": 12}, 12)


def test_a_file_rewritten_in_its_size_is_seen(tmp_path: Path) -> None:
    sid = session_of("same size")
    file = put(tmp_path, f"{sid}.jsonl", line(sid, 1))
    run(tmp_path, "--user", "ada")
    file.write_bytes(line(sid, 2))

    assert run(tmp_path, "--user", "ada")["counts"] == {"revised": 1}


def test_a_file_that_is_no_longer_stored_is_read_again(corpus: Path) -> None:
    run(corpus, "--user", "ada")
    TranscriptFile.objects.all().delete()

    assert run(corpus, "--user", "ada")["counts"] == {"new": 12}


def test_without_its_ledger_an_import_recognises_everything(corpus: Path) -> None:
    run(corpus, "--user", "ada")
    ImportedFile.objects.all().delete()

    assert run(corpus, "--user", "ada")["counts"] == {"unchanged": 12}


def test_files_of_the_same_name_are_revisions_of_one_file(tmp_path: Path) -> None:
    sid = session_of("copies")
    for folder, numbers in (("a", range(3)), ("b", range(6)), ("c", [0, 8])):
        put(tmp_path, f"{folder}/{sid}.jsonl", transcript(sid, numbers))
    put(tmp_path, f"d/{sid}.jsonl.superseded-1", transcript(sid, range(5)))

    run(tmp_path, "--user", "ada")

    assert TranscriptFile.objects.count() == 1
    assert contents() == {transcript(sid, range(6)), transcript(sid, [0, 8])}


def test_a_zip_is_imported_and_known_again(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in corpus.rglob("*.jsonl"):
            archive.write(file, file.relative_to(corpus))

    assert run(path, "--user", "ada")["counts"] == {"new": 12}
    assert run(path, "--user", "ada")["counts"] == {"unchanged": 12}
    assert run(corpus, "--user", "ada")["counts"] == {"unchanged": 12}


def test_a_damaged_entry_of_a_zip_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    sid = session_of("zipped")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bad.jsonl", line(sid, 0))
        archive.writestr(f"{sid}.jsonl", line(sid, 1))
    damaged = line(sid, 0).replace(b"hello", b"jelly")
    path.write_bytes(path.read_bytes().replace(line(sid, 0), damaged))

    told = run(path, "--user", "ada")

    assert told["counts"] == {"refused": 1, "new": 1}
    assert "damaged archive entry" in words(told)["bad.jsonl"]


def test_a_file_that_cannot_be_read_stops_nothing(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = preparation.prepare

    def broken(content: Any, **named: Any) -> Any:
        if named["name"].endswith("agent-3.jsonl"):
            raise PermissionError(13, "Permission denied")
        return prepare(content, **named)

    monkeypatch.setattr(preparers, "prepare", broken)

    told = run(corpus, "--user", "ada")

    assert told["counts"] == {"new": 11, "refused": 1}
    assert "refused: not readable: Permission denied" in words(told).values()


def test_nothing_is_kept_of_a_person_who_opted_out(corpus: Path) -> None:
    run(corpus, "--user", "ada")
    User.objects.update(telemetry_opt_out=True)

    told = run(corpus, "--user", "ada")

    assert told["counts"] == {"refused": 12}
    assert "opted out" in next(iter(words(told).values()))


def test_a_path_cannot_write_on_the_terminal(tmp_path: Path) -> None:
    put(tmp_path, "a\x1b[2J.jsonl", b"x")
    out = io.StringIO()

    with pytest.raises(CommandError, match="every file was refused"):
        call_command("usage_import", str(tmp_path), "--user", "ada", "--no-process", stdout=out)

    assert "\x1b" not in out.getvalue()
    assert "1 files: 1 refused" in out.getvalue()


def test_a_terminal_sees_progress_and_a_pipe_none(corpus: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, pipe = Terminal(), io.StringIO()
    for err in (terminal, pipe):
        arguments = ["usage_import", str(corpus), "--user", "ada", "--no-process", "--verify"]
        call_command(*arguments, stdout=io.StringIO(), stderr=err)

    assert "of 12 files" in terminal.getvalue()
    assert pipe.getvalue() == ""


@pytest.mark.django_db(transaction=True)
def test_an_import_goes_on_to_the_figures(corpus: Path) -> None:
    out = io.StringIO()

    arguments = ["usage_import", str(corpus), "--user", "ada", "--json", "--processes", "1"]
    call_command(*arguments, stdout=out)

    told = json.loads(out.getvalue())
    assert (told["processed"]["failed"], told["processed"]["quarantined"]) == (0, 0)
    assert UsageSessionSummary.objects.filter(user__username="ada").count() == 6
    due = ProcessorState.objects.filter(due_at__isnull=False)
    assert set(due.values_list("processor", flat=True)) == {"verification"}
    assert told["processed"]["left_to_the_worker"] == due.count() == 6
