"""From an upload to what is checked, and to what is served under the public name."""

import json
import re
from typing import ClassVar, Final

import yaml

from accounts.errors import AgnesError
from marketplace.bundles import Bundle
from marketplace.file_tree import FileTree
from marketplace.findings import Finding, blocking
from marketplace.guardrails import Submission
from marketplace.guardrails.submission import documents
from marketplace.manifests import PluginContents, read_document, read_plugin
from marketplace.manifests.items import SKILL_FILE
from marketplace.manifests.plugin import PATH as PLUGIN_FILE
from marketplace.manifests.texts import decode
from marketplace.names import FLEA_PLUGIN, public_name
from telemetry.taxonomy import ItemKind

KINDS: Final = (ItemKind.SKILL, ItemKind.AGENT, ItemKind.PLUGIN)
COMPONENTS: Final = ("skills/", "agents/", "commands/", "hooks/", ".mcp.json", PLUGIN_FILE)
HEAD: Final = re.compile(r"\A---\n(.*?)^---[ \t]*$", re.MULTILINE | re.DOTALL)
DIFFERS: Final = "plugin-name-differs"
"""A finding of the manifests' reader that says only that the owner is not in the name."""


class UnknownKind(AgnesError):
    code: ClassVar[str] = "unknown_kind"
    status: ClassVar[int] = 422


def read_submission(bundle: Bundle, *, kind: str, name: str, owner: str) -> Submission:
    """What is to be checked. An empty `kind` or `name` is told from the files.

    `owner` is a username. Raises UnknownKind.
    """
    chosen = _kind(bundle, kind)
    if chosen is ItemKind.SKILL:
        bundle = _as_skill(bundle)
    named = Submission(chosen, name, bundle, _nothing(name))
    name = (name or _own_name(named)).strip()
    # What somebody downloaded, changed and uploads again carries the public name.
    name = name.removesuffix(public_name("", owner)) or name
    if chosen is ItemKind.PLUGIN:
        contents, found = read_plugin(bundle.files, public_name(name, owner))
        return Submission(chosen, name, bundle, contents, _without_owner(found))
    found = [one for _, each in documents(named) for one in each.findings]
    return Submission(chosen, name, bundle, _nothing(name), tuple(found))


def served_bundle(submission: Submission, public: str) -> Bundle:
    """The files as they are served: they call themselves by the public name."""
    bundle = submission.bundle
    if submission.kind is ItemKind.PLUGIN:
        return bundle.replacing({PLUGIN_FILE: _plugin_file(submission, public)})
    (path, _), *_ = documents(submission)
    content = _named_document(bundle.files[path], public)
    if submission.kind is ItemKind.AGENT:
        return Bundle.of({f"{public}.md": content})
    return bundle.replacing({path: content})


def naming_findings(submission: Submission, public: str) -> list[Finding]:
    """Whether a skill or agent says the same as before once it calls itself by its public name.

    Front matter can be valid and yet have no place for a name, such as `{description: …}`.
    """
    if submission.kind is ItemKind.PLUGIN:
        return []
    (path, before), *_ = documents(submission)
    try:
        named = _named_document(submission.bundle.files[path], public)
    except yaml.YAMLError:
        return [_unnameable(path)]
    after = read_document(named, path)
    fields = {**before.fields, "name": public}
    same = after.fields == fields and after.body == before.body and not after.findings
    return [] if same else [_unnameable(path)]


def _unnameable(path: str) -> Finding:
    text = "The name cannot be set: write the front matter as `key: value` lines at the margin."
    return blocking("front-matter-form", path, text, 1)


def placed(kind: ItemKind, public: str, bundle: Bundle) -> Bundle:
    """A served bundle where it lies in its plugin's folder: a skill or agent in the flea plugin."""
    folder = {ItemKind.SKILL: f"skills/{public}/", ItemKind.AGENT: "agents/"}.get(kind, "")
    files = {folder + path: bundle.files[path] for path in bundle.files}
    return Bundle.of(files, frozenset(folder + path for path in bundle.executables))


def served_contents(kind: ItemKind, public: str, bundle: Bundle) -> PluginContents:
    """The items of a served bundle under the names that transcripts carry."""
    plugin = public if kind is ItemKind.PLUGIN else FLEA_PLUGIN
    return read_plugin(placed(kind, public, bundle).files, plugin)[0]


def _kind(bundle: Bundle, kind: str) -> ItemKind:
    if kind:
        if kind not in KINDS:
            raise UnknownKind(f"There is no kind {kind!r}.", fix=_CHOOSE)
        return ItemKind(kind)
    if PLUGIN_FILE in bundle.files:
        return ItemKind.PLUGIN
    if SKILL_FILE in bundle.files:
        return ItemKind.SKILL
    if any(path.startswith(COMPONENTS) for path in bundle.files):
        return ItemKind.PLUGIN
    raise UnknownKind(
        "The files do not tell whether this is a skill, agent or plugin.", fix=_CHOOSE
    )


_CHOOSE: Final = "Say kind=skill, kind=agent or kind=plugin."


def _as_skill(bundle: Bundle) -> Bundle:
    """A single Markdown file of any name is the skill's own."""
    paths = list(bundle.files)
    if len(paths) != 1 or not paths[0].endswith(".md"):
        return bundle
    return Bundle.of({SKILL_FILE: bundle.files[paths[0]]})


def _own_name(submission: Submission) -> str:
    if submission.kind is ItemKind.PLUGIN:
        return read_plugin(submission.bundle.files, "plugin")[0].manifest_name
    return next((document.text("name") for _, document in documents(submission)), "")


def _nothing(name: str) -> PluginContents:
    return PluginContents(name, "", "", "", "", (), ())


def _without_owner(found: list[Finding]) -> tuple[Finding, ...]:
    return tuple(finding for finding in found if finding.rule != DIFFERS)


def _plugin_file(submission: Submission, public: str) -> bytes:
    files: FileTree = submission.bundle.files
    value = json.loads(files[PLUGIN_FILE].decode("utf-8-sig")) if PLUGIN_FILE in files else {}
    return (json.dumps({**value, "name": public}, indent=2, ensure_ascii=False) + "\n").encode()


def _named_document(content: bytes, public: str) -> bytes:
    """The Markdown with `public` as the name in its front matter and `\\n` as line ends,
    everything else as it was."""
    text = decode(content)
    found = HEAD.match(text)
    if found is None:
        return f"---\nname: {public}\n---\n{text}".encode()
    head = found[1]
    node = yaml.compose(head, Loader=yaml.SafeLoader)
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    spans = [
        (key.start_mark.index, value.end_mark.index) for key, value in pairs if key.value == "name"
    ]
    for start, end in reversed(spans):
        head = head[:start] + f"name: {public}\n" + head[end:].lstrip("\r\n")
    if not spans:
        head = f"name: {public}\n{head}"
    return (text[: found.start(1)] + head + text[found.end(1) :]).encode()
