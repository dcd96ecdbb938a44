"""What is looked at before an upload goes live: small functions, each from an upload to findings.

They know nothing of each other, of the database or of who uploads. docs/flea-market.md lists the
rules; a blocking finding refuses the upload, a warning is shown beside the item.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from marketplace.findings import Finding
from marketplace.guardrails import code, commands, content, form, wording
from marketplace.guardrails.patterns import MOST_OF_A_RULE
from marketplace.guardrails.submission import Rule, Submission

__all__ = ["CHECKS", "RULES", "Submission", "run_checks"]

CHECKS: Final[tuple[Callable[[Submission], Iterator[Finding]], ...]] = (
    form.check_name,
    form.check_form,
    form.check_amount,
    form.check_manifests,
    form.check_text,
    form.check_json,
    content.check_descriptions,
    content.check_bodies,
    content.check_tools,
    code.check_code,
    code.check_encoded,
    commands.check_mcp_commands,
    commands.check_hook_commands,
    code.check_hooks,
    code.check_own_hooks,
    code.check_package_scripts,
    code.check_binaries,
    wording.check_secrets,
    wording.check_hidden_text,
    wording.check_injection,
)
RULES: Final[tuple[Rule, ...]] = (
    *form.RULES,
    *content.RULES,
    *code.RULES,
    *commands.RULES,
    *wording.RULES,
)


def run_checks(submission: Submission) -> list[Finding]:
    """All findings, blocking ones first, then by file and line; at most 20 of a rule."""
    found = {finding for check in CHECKS for finding in check(submission)}
    ordered = sorted(found, key=lambda one: (one.severity, one.file, one.line or 0, one.rule))
    told: Counter[str] = Counter()
    kept = []
    for finding in ordered:
        told[finding.rule] += 1
        if told[finding.rule] <= MOST_OF_A_RULE:
            kept.append(finding)
    return kept
