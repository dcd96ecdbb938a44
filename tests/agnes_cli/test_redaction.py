"""Secrets are masked, ids and all other bytes stay, and a beginning stays a beginning."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnes_cli.redaction import redact_lines, redact_text, redacted
from agnes_cli.rules import convert
from agnes_cli.secrets_found import find_secrets, keywords, rules_by_keyword

# Put together here, so that nothing in the repository looks like a secret itself.
GITHUB = "ghp_" + "x9Kd83jfkDls02kfjdkwlsAq93kdlsi20sQz"
AWS = "AKIA" + "Y7QWERTZUIOPASDF"
ANTHROPIC = "sk-ant-" + "api03-" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY" * 3
SLACK = "xoxb-" + "283746510293-283746510294-aBcDeFgHiJkLmNoPqRsTuVwX"
KEY = (
    "-----BEGIN RSA PRIVATE "
    + "KEY-----\n"
    + "\n".join(
        "MIIEpAIBAAKCAQEA7c9kd83jfkDls02kfjdkwlsAq93kdlsi20sQzMIIEpAIBAAKC" for _ in range(12)
    )
    + "\n-----END RSA PRIVATE KEY-----"
)
SECRETS = {
    "github-pat": GITHUB,
    "aws-access-token": AWS,
    "slack-bot-token": SLACK,
    "private-key": KEY,
}


def record(content: object, **more: object) -> dict[str, Any]:
    return {
        "type": "user",
        "uuid": "0a1e0001-0000-4000-8000-000000000001",
        "sessionId": "5e550001-0000-4000-8000-00000000000a",
        "message": {"role": "user", "content": content},
        **more,
    }


def raw(data: object, **options: Any) -> bytes:
    return json.dumps(data, **options).encode("utf-8", "surrogatepass") + b"\n"


def masked(line: bytes) -> tuple[bytes, dict[str, int]]:
    counts: Counter[str] = Counter()
    return redact_lines(line, counts), dict(counts)


@pytest.mark.parametrize(("rule", "secret"), SECRETS.items())
@pytest.mark.parametrize("around", ["{}", "first line\n{}\nlast line", 'say "{}"', "é {} \t"])
@pytest.mark.parametrize("ascii", [True, False])
def test_a_secret_is_masked_in_json_wherever_it_stands(
    rule: str, secret: str, around: str, ascii: bool
) -> None:
    line, counts = masked(raw(record(around.format(secret)), ensure_ascii=ascii))
    assert counts == {rule: 1}
    assert json.loads(line) == record(around.format(f"[REDACTED:{rule}]"))


def test_an_anthropic_key_is_masked() -> None:
    line, counts = masked(raw(record(f"ANTHROPIC_API_KEY={ANTHROPIC}")))
    assert ANTHROPIC.encode() not in line
    assert counts == {"anthropic-api-key": 1}


def test_a_token_of_agnes_is_masked() -> None:
    assert masked(raw(record("agn_" + "0aB" * 16 + "9")))[1] == {"agnes-token": 1}


def test_a_value_is_known_by_the_name_it_has_in_json() -> None:
    value = "kd93jf02ls8fjq7xnvbA2"
    line, counts = masked(raw(record([{"type": "tool_use", "input": {"api_key": value}}])))
    assert counts == {"generic-api-key": 1}
    assert json.loads(line)["message"]["content"][0]["input"]["api_key"] == (
        "[REDACTED:generic-api-key]"
    )
    assert masked(raw(record([{"input": {"colour": value}}])))[1] == {}


def test_everything_else_of_the_line_stays_byte_for_byte() -> None:
    line = (
        b'{ "type":"user" ,"uuid":"0a1e0001-0000-4000-8000-000000000001", "n": 1.50e+3,\t'
        b'"token_count":12,"a":"\\u00e9\\/\\ud83d", "b":"' + GITHUB.encode() + b'" }\r\n'
    )
    assert masked(line)[0] == line.replace(GITHUB.encode(), b"[REDACTED:github-pat]")


def test_ids_are_never_touched() -> None:
    ids = {
        "uuid": "0a1e0001-0000-4000-8000-000000000001",
        "requestId": GITHUB,  # whatever they look like
        "api_token": "toolu_01AbCdEfGhIjKlMnOpQrStUv",
        "secret": "0a1e0001-0000-4000-8000-0000000000ab",
    }
    assert masked(raw(ids)) == (raw(ids), {})


def test_damaged_lines_are_masked_as_they_stand_and_stay_damaged() -> None:
    cut = raw(record(f"first {GITHUB} then"))[:-8]
    line, counts = masked(cut + b"\n")
    assert (GITHUB.encode() in line, counts) == (False, {"github-pat": 1})
    bad = b'{"a":"\xff\xfe ' + AWS.encode() + b'"}\n'
    assert masked(bad)[0] == b'{"a":"\xff\xfe [REDACTED:aws-access-token]"}\n'
    lone = b'{"a":"\\ud83d ' + AWS.encode() + b'"}\n'
    assert json.loads(masked(lone)[0]) == {"a": "\ud83d [REDACTED:aws-access-token]"}


def test_images_are_left_alone() -> None:
    line = raw(record([{"source": {"data": "A" * 2000 + AWS + "A" * 2000}}]))
    assert masked(line)[0] == line


def test_ordinary_text_is_left_alone() -> None:
    texts = [
        "the password is asked for at the prompt",
        "token = os.environ['GITHUB_TOKEN']",
        "api_key: ${{ secrets.API_KEY }}",
        "password = 'changeme'",
        "commit 5f0c4f7e52b14f2fa1b33f1f2f0f8a11aa22bb33",
    ]
    for text in texts:
        assert masked(raw(record(text))) == (raw(record(text)), {})


def test_what_a_beginning_became_stays_the_beginning_of_what_the_whole_becomes() -> None:
    lines = [raw(record(f"{number} {GITHUB if number % 3 else AWS}")) for number in range(30)]
    whole = redact_lines(b"".join(lines), Counter())
    for end in range(0, 30, 7):
        assert whole.startswith(redact_lines(b"".join(lines[:end]), Counter()))


def test_chunks_may_end_anywhere() -> None:
    data = b"".join(raw(record(f"{number} {GITHUB}")) for number in range(40))
    chunks = [data[at : at + 37] for at in range(0, len(data), 37)]
    assert b"".join(redacted(chunks, Counter())) == redact_lines(data, Counter())


def test_a_secret_deep_in_a_long_text_is_found() -> None:
    text = "x y " * 20_000 + GITHUB + " z" * 20_000
    assert GITHUB not in redact_text(text, Counter())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(JSON, st.booleans())
def test_json_stays_json_and_without_secrets_the_same(data: object, ascii: bool) -> None:
    line = raw({"token": data, "key": "api secret"}, ensure_ascii=ascii)
    assert masked(line)[0] == line


def test_the_rules_are_the_published_ones() -> None:
    source = next(convert.HERE.glob("gitleaks-*.toml"))
    made = convert.convert(source.read_text(encoding="utf-8"))
    assert made == json.loads((convert.HERE / "gitleaks.json").read_text(encoding="utf-8"))
    assert len(made["rules"]) > 200


def test_every_rule_can_be_run() -> None:
    for rule in {rule.id: rule for rules in rules_by_keyword().values() for rule in rules}.values():
        assert list(rule.find("nothing of that kind")) == []
    assert find_secrets(" ".join(keywords())) is not None


@pytest.mark.parametrize(
    ("go", "python"),
    [
        (r"\b(p8e-(?i)[a-z0-9]{32})(?:\z)", r"\b(p8e-(?i:[a-z0-9]{32}))(?:\Z)"),
        (r"a(?i)b|c", r"a(?i:b)|(?i:c)"),
        (r"(?i)a[)(]b", r"(?i)a[)(]b"),
        (r"x[[:alnum:]]+\)", r"x[A-Za-z0-9]+\)"),
    ],
)
def test_flags_in_the_middle_hold_for_the_rest_of_their_group(go: str, python: str) -> None:
    assert convert.to_python(go) == python


@pytest.mark.skipif(
    not Path("/root/.pyenv/versions/3.9.18/bin/python").exists(), reason="no Python 3.9 is here"
)
def test_it_runs_on_the_oldest_python_that_is_promised() -> None:
    code = (
        "import sys; sys.path.insert(0, '.'); from collections import Counter; "
        "from agnes_cli.redaction import redact_text; import agnes_cli.commands; "
        f"sys.exit({GITHUB!r} in redact_text('a {GITHUB} b', Counter()))"
    )
    root = str(Path(convert.HERE).parents[1])
    old = "/root/.pyenv/versions/3.9.18/bin/python"
    done = subprocess.run([old, "-W", "error", "-c", code], cwd=root, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert sys.version_info >= (3, 11)
