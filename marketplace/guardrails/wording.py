"""Security: secrets that were left in, text that cannot be seen, and text that turns the model."""

import re
from collections.abc import Iterator
from typing import Final

from marketplace.findings import Finding
from marketplace.guardrails.patterns import Pattern, find, pattern
from marketplace.guardrails.submission import Submission, blocks
from marketplace.manifests.texts import shown

SECRET = blocks("secret", "A key, token or password is in the bundle.")
HIDDEN_TEXT = blocks("hidden-text", "Text cannot be seen, or is shown in another order.")
INJECTION = blocks("prompt-injection", "The model is told to ignore its rules or to keep secrets.")
RULES = (SECRET, HIDDEN_TEXT, INJECTION)

HIDDEN: Final = re.compile(
    "[\u202a-\u202e\u2066-\u2069\u200b\u2060-\u2064\u206a-\u206f\ufeff\U000e0000-\U000e007f]"
)
"""Turns of direction, blanks without width and tags. Joiners stay: emoji and many scripts need
them. So does the flag of a region, which is made of tags behind a black flag."""

FLAG: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007f]+")
SECRETS: Final[tuple[Pattern, ...]] = tuple(
    Pattern(
        SECRET,
        f"{what} is in the bundle: remove it and make it invalid.",
        tuple(words.split()),
        (re.compile(form),),
    )
    for what, words, form in (
        ("A private key", "private", r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"),
        ("An AWS key", "akia asia", r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
        ("A key of Anthropic's API", "sk-ant-", r"\bsk-ant-[A-Za-z0-9_-]{20}"),
        ("A key of OpenAI's API", "sk-", r"\bsk-(proj-)?[A-Za-z0-9]{32}"),
        ("A GitHub token", "gh", r"\b(gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40})"),
        ("A GitLab token", "glpat-", r"\bglpat-[A-Za-z0-9_-]{20}"),
        ("A Slack token", "xox", r"\bxox[abeprs]-[A-Za-z0-9-]{10}"),
        ("A Google key", "aiza", r"\bAIza[A-Za-z0-9_-]{35}"),
        ("An npm token", "npm_", r"\bnpm_[A-Za-z0-9]{36}"),
        ("A PyPI token", "pypi-", r"\bpypi-[A-Za-z0-9_-]{50}"),
        ("A Stripe key", "k_live_", r"\b[sr]k_live_[A-Za-z0-9]{20}"),
        ("An access token of Agnes", "agn_", r"\bagn_[0-9A-Za-z]{49}\b"),
        (
            "A password in an address",
            "://",
            r"\b[a-z]{2,10}://[^\s:/@$<{]{1,60}:"
            r"(?!(?i:pass|pw|secret|change|example|your|token|xxx|test|user))"
            r"[^\s:/@$<{*]{6,60}@[\w.-]{3}",
        ),
    )
)
RULES_WORDS: Final = (
    r"(all\s+)?(of\s+)?(the\s+|your\s+|any\s+)?(previous|prior|earlier|above|preceding|existing|system)"
    r"\s+(instruction|prompt|rule|message|guideline|direction)"
)
INJECTIONS: Final[tuple[Pattern, ...]] = (
    pattern(
        INJECTION,
        "The model is told to ignore its instructions.",
        "ignore disregard forget override bypass",
        rf"\b(ignore|disregard|forget|override|bypass)\s+{RULES_WORDS}",
    ),
    pattern(
        INJECTION,
        "The model is told to hide something from people.",
        "tell inform alert notify mention reveal show",
        r"\b(do not|don't|never|must not)\s+(ever\s+)?(tell|inform|alert|notify|"
        r"(mention|reveal|show)\s+(this|it)\s+to)\s+(the\s+)?(user|human|person|developer)",
    ),
    pattern(
        INJECTION,
        "The model is told to act behind people's backs.",
        "without hide conceal secretly",
        r"\b(without\s+(telling|informing|notifying|alerting)|hide\s+(this|it)\s+from|"
        r"conceal\s+(this|it)\s+from|secretly)\b",
        r"\b(the\s+)?(user|human|person|developer)\b",
    ),
    pattern(
        INJECTION,
        "The model is told to be without limits.",
        "you jailbreak <system </system",
        r"\byou\s+are\s+now\s+(in\s+)?(DAN|jailbroken|unrestricted|developer\s+mode)|"
        r"\bjailbreak\s+mode\b|</?(system|system-reminder|system_prompt)>",
    ),
)


def check_secrets(submission: Submission) -> Iterator[Finding]:
    yield from find(SECRETS, submission)


def check_hidden_text(submission: Submission) -> Iterator[Finding]:
    for line in submission.lines():
        text = line.text.removeprefix("\ufeff") if line.number == 1 else line.text
        found = HIDDEN.search(FLAG.sub("", text))
        if found:
            what = f"A sign stands here that cannot be seen: {shown(found[0])}."
            yield HIDDEN_TEXT.at(line.file, what, line.number)


def check_injection(submission: Submission) -> Iterator[Finding]:
    yield from find(INJECTIONS, submission)
