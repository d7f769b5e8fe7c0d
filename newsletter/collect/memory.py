"""What was made of files before: so that whoever looks at a site again and again reads only what has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from pathlib import Path

MAX_KEPT: Final = 50_000  # beyond it everything is made anew once, which costs a moment and not the memory

T = TypeVar("T")


class Memory:
    """Values made of files, given back for as long as the files are the same. For one thread at a time.

    What tells a file apart is its inode, its size and its times, so that nothing has to be opened. Where these can lag
    behind (two writings within one tick of the clock), whoever watches the files says ``forget``.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Path], tuple[Hashable, Any]] = {}

    def recall(self, kind: str, path: Path, make: Callable[[], T], *, mark: Hashable = None) -> T:
        """The value of this kind, made now or before; what ``make`` raises is raised and not kept.

        ``mark`` is what the value depends on, where that is more or less than the file itself.
        """
        mark = mark or file_mark(path)
        kept = self._kept.get((kind, path))
        if kept and mark and kept[0] == mark:
            value: T = kept[1]
            return value
        made = make()
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[kind, path] = (mark, made)
        return made

    def forget(self, paths: Iterable[Path]) -> None:
        """Make everything of these files anew, whatever their times say."""
        gone = frozenset(paths)
        self._kept = {key: kept for key, kept in self._kept.items() if key[1] not in gone}


def file_mark(path: Path) -> Hashable:
    """What changes when the file does; None, which is like nothing, where nobody can tell."""
    try:
        state = path.lstat()
    except OSError:
        return None
    return state.st_mode, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
