"""The files of a repository, a folder in it, or a bundle, wherever their bytes are."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Protocol, Self


class FileReader(Protocol):
    """What gives the bytes of a file by its path; raises KeyError for one it does not have."""

    def __getitem__(self, path: str, /) -> bytes: ...


class FileTree(Mapping[str, bytes]):
    """Regular files by their path below `base`: forward slashes, no `.` or `..` parts.

    Iteration is in the order of the paths. A tree below a folder shares everything with the whole,
    so a thousand of them cost no more than one; bytes are read when they are asked for.
    """

    def __init__(
        self,
        reader: FileReader,
        paths: list[str],
        base: str = "",
        programs: frozenset[str] = frozenset(),
    ) -> None:
        """`paths` are those of the whole, sorted; `base` is empty or ends with a slash. `programs`
        are those of the whole that may be run."""
        self._programs = programs
        self._reader = reader
        self._paths = paths
        self.base = base
        self._first = bisect_left(paths, base)
        # The first path that sorts behind all that begin with `base`; "0" follows "/".
        self._end = bisect_left(paths, f"{base[:-1]}0") if base else len(paths)

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Self:
        return cls(files, sorted(files))

    def below(self, folder: str) -> Self:
        """The tree in a folder; empty when there is no such folder. The empty one is this tree."""
        folder = folder.strip("/")
        return type(self)(
            self._reader,
            self._paths,
            f"{self.base}{folder}/" if folder else self.base,
            self._programs,
        )

    def is_program(self, path: str) -> bool:
        """Whether the file may be run."""
        return self.base + path in self._programs

    def whole_path(self, path: str) -> str:
        """The path in the repository or bundle, as findings name it."""
        return self.base + path

    def has_folder(self, folder: str) -> bool:
        return len(self.below(folder)) > 0

    def __getitem__(self, path: str) -> bytes:
        if path not in self:
            raise KeyError(path)
        return self._reader[self.base + path]

    def __contains__(self, path: object) -> bool:
        if not isinstance(path, str):
            return False
        place = bisect_left(self._paths, self.base + path, self._first, self._end)
        return place < self._end and self._paths[place] == self.base + path

    def __iter__(self) -> Iterator[str]:
        skip = len(self.base)
        return (self._paths[place][skip:] for place in range(self._first, self._end))

    def __len__(self) -> int:
        return self._end - self._first
