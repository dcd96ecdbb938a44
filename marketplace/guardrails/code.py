"""Security: what scripts, hooks and instructions would do where they are installed."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from marketplace.findings import Finding
from marketplace.guardrails.patterns import Pattern, find, pattern
from marketplace.guardrails.submission import Submission, blocks, documents, warns
from marketplace.manifests.texts import line_of, shown

FETCH: Final = r"\b(curl|wget|iwr|irm|invoke-webrequest|invoke-restmethod)\b"
SHELL: Final = (
    r"(sudo\s+)?(env\s+)?(/\S{0,40}/)?((ba|z|da|fi|k)?sh|python[\d.]*|node|perl|ruby|iex)\b"
)
KEYS: Final = (
    r"~?/?\.ssh/(id_|\*|config)|\.aws/credentials|\.netrc\b|\.git-credentials|\.docker/config\.json|"
    r"\.claude/\.credentials|\.config/gcloud|\.kube/config|\.npmrc\b|\.pypirc\b|\.gnupg/|"
    r"/etc/shadow\b|find-(generic|internet)-password|login\.keychain|\.azure/accessTokens"
)
READERS: Final = (
    r"\b(cat|less|head|tail|cp|scp|tar|zip|base64|open|read\w*|grep|type|get-content|source)\b|"
    r"\bsecurity\s+find|@|<"
)

PIPE_TO_SHELL = blocks("pipe-to-shell", "Something fetched from the network is run unread.")
CREDENTIAL_READ = blocks("credential-read", "Keys or passwords kept on a laptop are read.")
EXFILTRATION = blocks("exfiltration", "Files, variables or output are sent somewhere.")
DECODE_AND_RUN = blocks("decode-and-run", "Code is hidden by an encoding, decoded and run.")
DESTRUCTIVE = blocks(
    "destructive", "A whole disk, home folder or system is overwritten or deleted."
)
NO_PERMISSIONS = blocks("permissions-off", "Claude Code is started without asking for permission.")
INSTALL_HOOK = blocks("hook-at-install", "Something runs as soon as it is installed.")
HOOK = warns("hook", "A hook runs by itself at an event of Claude Code.")
EXECUTABLE = blocks("executable", "A compiled program is in the bundle.")
BINARY = warns("binary", "A file is neither text nor a picture, so nobody can read it.")
ENCODED = warns("encoded-block", "A long block of base64 or escapes stands in a text file.")
RULES = (
    PIPE_TO_SHELL,
    CREDENTIAL_READ,
    EXFILTRATION,
    DECODE_AND_RUN,
    DESTRUCTIVE,
    NO_PERMISSIONS,
    INSTALL_HOOK,
    HOOK,
    EXECUTABLE,
    BINARY,
    ENCODED,
)

FETCHERS: Final = "curl wget iwr irm invoke-"
RUN_UNREAD: Final = "What is fetched is run unread."
PATTERNS: Final[tuple[Pattern, ...]] = (
    pattern(PIPE_TO_SHELL, RUN_UNREAD, FETCHERS, FETCH, rf"\|\s*({SHELL})"),
    pattern(PIPE_TO_SHELL, RUN_UNREAD, "<(curl <(wget", r"<\((curl|wget)\b", SHELL),
    pattern(
        PIPE_TO_SHELL,
        RUN_UNREAD,
        "$(curl $(wget `curl `wget",
        r"(\$\(|`)(curl|wget)\b",
        r"\b(eval|exec|source|(ba|z|da)?sh\s+-c)\b",
    ),
    pattern(
        PIPE_TO_SHELL,
        RUN_UNREAD,
        "urlopen requests.get",
        r"\b(exec|eval)\s*\(",
        r"urlopen|requests\.get",
    ),
    pattern(
        CREDENTIAL_READ,
        "Credentials are read.",
        ".ssh/ .aws/ .netrc .git-credentials .docker/ .claude/ gcloud .kube/ .npmrc .pypirc "
        ".gnupg/ /etc/shadow -password login.keychain .azure/",
        KEYS,
        READERS,
    ),
    pattern(
        EXFILTRATION,
        "Something is sent to a collecting service.",
        "webhook requestbin ngrok pipedream transfer.sh api.telegram.org hooks.zapier oast. "
        "interact.sh burpcollaborator",
        r"webhook\.site|requestbin|\.ngrok(-free)?\.(io|app)|pipedream\.net|transfer\.sh|"
        r"discord(app)?\.com/api/webhooks|api\.telegram\.org/bot|hooks\.zapier\.com|"
        r"oast\.(fun|me|pro)|interact\.sh|burpcollaborator",
    ),
    pattern(
        EXFILTRATION,
        "Variables, files or the output of commands are sent.",
        FETCHERS,
        FETCH,
        r"(\s-d|--data\S{0,20}|\s-F|--form|--upload-file|\s-T|--post-(data|file)|-Body)[\s=@\"'$]",
        r"\$\((env|printenv|cat|git|base64|whoami)\b|`(env|printenv|cat)\b|=?@[~/\$.]|\$HOME|"
        r"\$\{?\w{0,40}(TOKEN|SECRET|KEY|PASSWORD)|os\.environ",
    ),
    pattern(
        EXFILTRATION,
        "Variables are sent.",
        "environ process.env",
        r"\b(requests|httpx|urllib|axios|fetch)\b",
        r"\bpost\b|method\s*[:=]\s*['\"]post",
        r"(os\.environ|process\.env)\b(?!\s*[.\[])",
    ),
    pattern(EXFILTRATION, "A shell is opened to another machine.", "/dev/tcp/", r"/dev/tcp/[\w$.]"),
    pattern(
        EXFILTRATION,
        "A shell is opened to another machine.",
        "nc ncat",
        r"\bnc(at)?\s",
        r"\s-e\s+\S{0,40}sh\b",
    ),
    pattern(
        DECODE_AND_RUN,
        "What was encoded is run.",
        "base64 xxd openssl",
        r"base64\s+(-d|--decode)|xxd\s+-r|openssl\s+enc\s+-d",
        rf"\|\s*({SHELL})|\beval\b|\bexec\b",
    ),
    pattern(
        DECODE_AND_RUN,
        "What was encoded is run.",
        "atob b64decode fromhex unhexlify decompress marshal fromcharcode buffer.from codecs",
        r"\b(eval|exec|Function)\s*\(",
        r"\batob\s*\(|b64decode|fromhex|unhexlify|zlib\.decompress|marshal\.loads|fromCharCode|"
        r"Buffer\.from\(|codecs\.decode",
    ),
    pattern(
        DECODE_AND_RUN,
        "What was encoded is run.",
        "powershell pwsh",
        r"\b(powershell|pwsh)",
        r"\s-e(nc|ncodedcommand)?\s",
    ),
    pattern(
        DESTRUCTIVE,
        "Everything is deleted.",
        "rm",
        r"\brm\s",
        r"\s-\w{0,9}r|--recursive",
        r"\s[\"']?(/|~|\$HOME|\$\{HOME\})(/?\*)?(\s|$|[\"';&|`])",
    ),
    pattern(
        DESTRUCTIVE,
        "A disk is overwritten.",
        "mkfs /dev/",
        r"\bmkfs(\.\w{1,9})?\s+/dev/|\bof=/dev/(sd|nvme|disk)",
    ),
    pattern(DESTRUCTIVE, "The machine is brought to a stop.", ":()", r":\(\)\s*\{\s*:\s*\|\s*:"),
    pattern(
        NO_PERMISSIONS,
        "Claude Code is told not to ask.",
        "permission",
        r"--dangerously-skip-permissions|bypassPermissions|--permission-mode[=\s]+bypass",
    ),
)
BLOCK: Final = re.compile(
    r"(?<!base64,)(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{600}|(\\x[0-9a-fA-F]{2}){60}|(\\u[0-9a-f]{4}){60}"
)
SHORTEST_BLOCK: Final = 240
AT_INSTALL: Final = frozenset({"Setup", "PluginInstall", "PostInstall", "Install"})
SCRIPTS: Final = ("preinstall", "install", "postinstall", "prepare")
PROGRAMS: Final = (
    b"\x7fELF",
    b"MZ",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\x00asm",
)


def check_code(submission: Submission) -> Iterator[Finding]:
    yield from find(PATTERNS, submission)


def check_encoded(submission: Submission) -> Iterator[Finding]:
    for line in submission.lines():
        if len(line.text) >= SHORTEST_BLOCK and BLOCK.search(line.text):
            yield ENCODED.at(line.file, "A long encoded block: nobody can read it.", line.number)


def check_hooks(submission: Submission) -> Iterator[Finding]:
    """Hooks run without being asked for, those at installation before anybody could look."""
    for hook in submission.contents.hooks:
        file = hook.path or ".claude-plugin/plugin.json"
        line = line_of(submission.texts.get(file, ""), json.dumps(hook.event))
        text = f"At {shown(hook.event)} this runs by itself: {shown(hook.action)}"
        rule = INSTALL_HOOK if hook.event in AT_INSTALL else HOOK
        yield rule.at(file, text, line)


def check_own_hooks(submission: Submission) -> Iterator[Finding]:
    """Skills and agents may bring hooks in their front matter."""
    for path, document in documents(submission):
        if document.fields.get("hooks"):
            text = "The front matter has hooks, which run by themselves while this is in use."
            yield HOOK.at(path, text, line_of(submission.texts[path], "hooks:"))


def check_package_scripts(submission: Submission) -> Iterator[Finding]:
    """npm runs these when somebody installs the packages that a plugin needs."""
    for path, text in submission.texts.items():
        if path.rpartition("/")[2] != "package.json":
            continue
        scripts = _object(text).get("scripts")
        for name in SCRIPTS:
            if isinstance(scripts, dict) and scripts.get(name):
                what = f"The script {name} runs when the package is installed."
                yield INSTALL_HOOK.at(path, what, line_of(text, json.dumps(name)))


def check_binaries(submission: Submission) -> Iterator[Finding]:
    for path in submission.bundle.files:
        content = submission.bundle.files[path]
        if path in submission.texts and not content.startswith(PROGRAMS[:1]):
            continue
        if content.startswith(PROGRAMS):
            text = "A compiled program: ship the source, or say how to install it."
            yield EXECUTABLE.at(path, text)
        elif not submission.is_picture(path):
            yield BINARY.at(path, "Neither text nor a picture: nobody can read it.")


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
