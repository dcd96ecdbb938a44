"""Front matter is read as it is written in practice, broken or not."""

from typing import Any

import pytest

from marketplace.findings import Severity
from marketplace.manifests import read_document


def read(text: str | bytes) -> Any:
    return read_document(text if isinstance(text, bytes) else text.encode(), "skills/a/SKILL.md")


def test_scalars_stay_the_text_they_are() -> None:
    document = read("---\nname: on\nversion: 1.10\ndate: 2026-05-01\nempty: null\n---\nBody\n")
    assert document.fields == {
        "name": "on",
        "version": "1.10",
        "date": "2026-05-01",
        "empty": "null",
    }
    assert (document.body, document.body_line, document.findings) == ("Body\n", 7, ())


def test_blocks_lists_and_quotes_are_yaml() -> None:
    document = read('---\ndescription: >\n  Two\n  lines.\ntools: [Read, "Bash(x:*)"]\n---\n')
    assert document.text("description") == "Two lines."
    assert document.fields["tools"] == ["Read", "Bash(x:*)"]
    assert document.text("tools") == ""


@pytest.mark.parametrize(
    ("head", "description"),
    [
        ("description: Use when: the tide is low", "Use when: the tide is low"),
        ("description: @mention them", "@mention them"),
        ("description: `tick` it", "`tick` it"),
        ('description: "half quoted" and: more', '"half quoted" and: more'),
        ("description: one: two\n  and three", "one: two and three"),
        ("tools: [a\ndescription: fine", "fine"),
        ("tools:\n\t- x\ndescription: 'fine: here", "'fine: here"),
    ],
)
def test_broken_yaml_is_read_line_by_line(head: str, description: str) -> None:
    document = read(f"---\nname: tide\n{head}\n---\nBody\n")

    assert document.text("name") == "tide"
    assert document.text("description") == description
    assert [each.rule for each in document.findings] == ["front-matter-yaml"]
    assert document.findings[0].severity is Severity.WARNING


def test_a_yaml_error_is_reported_on_its_line_of_the_file() -> None:
    document = read("---\nname: tide\ndescription: a: b\n---\n")
    assert document.findings[0].line == 3


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("# Only a body\n", "front-matter-missing"),
        ("", "front-matter-missing"),
        ("---\nname: x\nnever closed\n", "front-matter-open"),
        ("---\n---\nBody\n", "front-matter-empty"),
        ("---\n- a\n- b\n---\n", "front-matter-form"),
        ("---\na: &x [1]\nb: *x\n---\n", "front-matter-alias"),
        ("---\na: " + "x" * 70_000 + "\n---\n", "front-matter-too-large"),
        # The C library would end the process, so these have to be caught before it.
        ("---\na: " + "[" * 30_000 + "\n---\n", "front-matter-nested"),
        ("---\na: " + "[" * 900 + "]" * 900 + "\n---\n", "front-matter-nested"),
        ("---\na:\n " + "- " * 30_000 + "x\n---\n", "front-matter-nested"),
        (b"---\nname: x\n---\n" + b"y" * (4 * 1024**2), "file-too-large"),
    ],
)
def test_what_is_missing_or_hostile_is_one_finding(text: str | bytes, rule: str) -> None:
    document = read(text)
    assert [each.rule for each in document.findings] == [rule]


def test_windows_line_ends_a_mark_and_bad_bytes_do_no_harm() -> None:
    document = read(b"\xef\xbb\xbf---\r\nname: tide\r\ndescription: caf\xff\r\n---\r\nBody\r\n")
    assert document.fields == {"name": "tide", "description": "caf\ufffd"}
    assert document.findings == ()


def test_tags_make_no_objects() -> None:
    document = read("---\nname: !!python/object/apply:os.system ['true']\n---\n")
    assert document.text("name") == ""
