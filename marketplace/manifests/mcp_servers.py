"""MCP servers of a plugin: their names and how they are reached; environments are never kept."""

from typing import Any, Final

from marketplace.file_tree import FileTree
from marketplace.findings import Finding, blocking, warning
from marketplace.manifests.items import Item
from marketplace.manifests.json_files import read_json
from marketplace.manifests.sources import BadSource, folder_path
from marketplace.manifests.texts import name_problem, shown
from telemetry.event_names import mcp_server_name
from telemetry.taxonomy import ItemKind

DEFAULT: Final = ".mcp.json"


def read_mcp_servers(
    files: FileTree, declared: list[Any], plugin: str, found: list[Finding]
) -> list[Item]:
    """The servers of what is declared: None for the usual file, a path, or servers themselves."""
    items: list[Item] = []
    for value in declared:
        path = "" if isinstance(value, dict) else _path(value, files, found)
        if path is None:
            continue
        servers = value
        if path:
            file = read_json(files, path, files.whole_path(path))
            found += file.findings
            servers = file.value or {}
        servers = servers.get("mcpServers", servers)
        if not isinstance(servers, dict):
            where = files.whole_path(path)
            found.append(warning("mcp-form", where, "The mcpServers are no object.", 1))
            continue
        for name, server in servers.items():
            items += _server(name, server, plugin, path, files.whole_path(path), found)
    return items


def _path(value: Any, files: FileTree, found: list[Finding]) -> str | None:
    if value is None:
        return DEFAULT if DEFAULT in files else None
    try:
        path = folder_path(value) if isinstance(value, str) else ""
    except BadSource as error:
        text = f"An entry of mcpServers {error}."
        found.append(warning("mcp-path", files.whole_path(""), text))
        return None
    if path in files:
        return path
    text = f"An entry of mcpServers names {shown(value)}, which is not there."
    found.append(warning("component-missing", files.whole_path(""), text))
    return None


def _server(
    name: str, server: Any, plugin: str, path: str, where: str, found: list[Finding]
) -> list[Item]:
    problem = name_problem(name)
    if problem:
        text = f"The MCP server cannot be called {shown(name)}: the name {problem}."
        found.append(blocking("mcp-name", where, text))
        return []
    if not isinstance(server, dict):
        found.append(warning("mcp-form", where, f"The MCP server {shown(name)} is no object."))
        return []
    how = "stdio" if server.get("command") else server.get("type") or "http"
    about = f"MCP server ({how})" if isinstance(how, str) and len(how) <= 30 else "MCP server"
    return [Item(ItemKind.MCP, mcp_server_name(plugin, name), path, name, about)]
