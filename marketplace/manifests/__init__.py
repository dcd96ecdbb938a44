"""What catalogues and plugins say about themselves: plain Python over a tree of files.

Hostile input is expected: nothing raises, each problem is a finding, names and texts are bounded.
"""

from marketplace.manifests.catalogue import Catalogue, PluginEntry, read_catalogue
from marketplace.manifests.front_matter import Document, read_document
from marketplace.manifests.hooks import Hook
from marketplace.manifests.items import Item
from marketplace.manifests.plugin import PluginContents, read_plugin
from marketplace.manifests.sources import GitSource, LocalSource, UnsupportedSource

__all__ = [
    "Catalogue",
    "Document",
    "GitSource",
    "Hook",
    "Item",
    "LocalSource",
    "PluginContents",
    "PluginEntry",
    "UnsupportedSource",
    "read_catalogue",
    "read_document",
    "read_plugin",
]
