"""Tool calls and their results, sized and failing as in real transcripts."""

import random
from dataclasses import dataclass, field
from typing import Any

from benchmarks import calibration as measured
from benchmarks.prose import Prose
from benchmarks.transcript_lines import Block, Line

OVERHEAD_BYTES = 560
"""What a result line weighs before any content."""

DOCUMENTS = 6
"""How many source files a session works on; their text comes back with each edit."""


@dataclass(frozen=True)
class Answered:
    """A tool's result before it becomes a line."""

    outcome: str
    content: str | list[Block]
    structured: object = None
    fields: Line = field(default_factory=dict)


class Workbench:
    """The files a session works on, and what its tools say about them."""

    def __init__(self, rng: random.Random, prose: Prose, cwd: str) -> None:
        self.rng = rng
        self.prose = prose
        self.paths = [
            f"{cwd}/src/{prose.take(rng, 6).strip() or 'a'}_{n}.py" for n in range(DOCUMENTS)
        ]
        self.documents = [prose.take(rng, 120_000) for _ in self.paths]

    def arguments(self, tool: str) -> Line:
        """The tool's input; its size follows the tool's measured distribution."""
        rng = self.rng
        size = int(measured.draw(rng, measured.of_tool(measured.INPUT_BYTES, tool)))
        if tool == "Bash":
            return {"command": self.prose.take(rng, size), "description": self.prose.take(rng, 24)}
        if tool == "Read":
            return {"file_path": rng.choice(self.paths)}
        if tool == "Edit":
            old = self.prose.take(rng, size // 2)
            new = old[: size // 3] + self.prose.take(rng, size // 4)
            return {"file_path": rng.choice(self.paths), "old_string": old, "new_string": new}
        if tool == "Write":
            return {"file_path": rng.choice(self.paths), "content": self.prose.take(rng, size)}
        if tool in ("Grep", "Glob"):
            return {"pattern": self.prose.take(rng, 18), "path": rng.choice(self.paths)}
        return {"text": self.prose.take(rng, size)}

    def answer(self, tool: str, arguments: Line) -> Answered:
        """What came of a call: outcome and size as the tool usually has them."""
        rng = self.rng
        chance = rng.random()
        known = "mcp" if tool.startswith("mcp__") else tool
        if (chance := chance - measured.REJECTED.get(known, 0.0)) < 0:
            return rejected()
        if (chance := chance - measured.INTERRUPTED) < 0:
            return Answered("interrupted", "[Request interrupted by user for tool use]")
        if chance < measured.FAILED.get(known, 0.01):
            return self.failure(tool)
        size = (
            int(measured.draw(rng, measured.of_tool(measured.RESULT_BYTES, tool))) - OVERHEAD_BYTES
        )
        return self.success(tool, arguments, max(size, 20))

    def failure(self, tool: str) -> Answered:
        words = self.prose.take(self.rng, self.rng.randrange(40, 900))
        if tool == "Bash":
            return Answered("failed", f"Exit code 1\n{words}", f"Error: Exit code 1\n{words}")
        return Answered("failed", f"<tool_use_error>{words}</tool_use_error>", f"Error: {words}")

    def success(self, tool: str, arguments: Line, size: int) -> Answered:
        """Content and Claude Code's own copy of it share the size as they do in real lines."""
        if tool == "Read":
            return self.read(arguments, size)
        if tool == "Edit":
            return self.edited(arguments, size)
        if tool == "Bash":
            said = self.prose.take(self.rng, size // 2)
            structured = {"stdout": said, "stderr": "", "interrupted": False, "isImage": False}
            return Answered("ok", said, structured)
        if tool == "Write":
            made: Line = {
                "type": "create",
                "filePath": arguments["file_path"],
                "structuredPatch": [],
            }
            made["content"] = arguments["content"]
            return Answered("ok", f"File created successfully at: {arguments['file_path']}", made)
        said = self.prose.take(self.rng, size // 2)
        return Answered("ok", said, {"content": said, "numLines": said.count("\n")})

    def read(self, arguments: Line, size: int) -> Answered:
        if self.rng.random() < measured.IMAGE_SHARE:
            data = self.prose.noise(self.rng, self.rng.randrange(20_000, 200_000))
            source = {"type": "base64", "media_type": "image/png", "data": data}
            shown = {"type": "image", "file": {"base64": data, "type": "image/png"}}
            return Answered("ok", [{"type": "image", "source": source}], shown)
        words = self.prose.take(self.rng, size * 9 // 20)
        numbered = "\n".join(f"{n:6}\u2192{line}" for n, line in enumerate(words.split("\n"), 1))
        file: Line = {"filePath": arguments["file_path"], "content": words, "startLine": 1}
        return Answered("ok", numbered, {"type": "text", "file": file})

    def edited(self, arguments: Line, size: int) -> Answered:
        path = arguments["file_path"]
        whole = self.documents[self.paths.index(path)]
        snippet = whole[: min(900, size // 4)]
        structured = {
            "filePath": path,
            "oldString": arguments["old_string"],
            "newString": arguments["new_string"],
            "originalFile": whole[: max(size - len(snippet) - 1_200, 0)],
            "structuredPatch": [{"oldStart": 1, "oldLines": 9, "lines": snippet.split("\n")[:12]}],
            "userModified": False,
            "replaceAll": False,
        }
        return Answered("ok", f"The file {path} has been updated.\n{snippet}", structured)


def rejected() -> Answered:
    words = "The user doesn't want to proceed with this tool use. The tool use was rejected."
    fields: dict[str, Any] = {"toolDenialKind": "user-rejected"}
    return Answered("rejected", words, "User rejected tool use", fields)
