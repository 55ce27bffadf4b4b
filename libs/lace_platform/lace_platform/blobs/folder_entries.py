"""Files that others put below a folder of the blob store: listed and opened without ever following a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from lace_platform.blobs.port import BlobEntry, not_found


def entries_below(bucket: Path, prefix: str) -> Iterator[BlobEntry]:
    """The regular files below the bucket's folder whose keys begin with the prefix, in no order; none that is hidden,
    or whose name is no text.
    """
    folder, _, _ = prefix.rpartition("/")
    if any(path.is_symlink() for path in _from_first(bucket, folder)):
        return
    for place, folders, names in os.walk(bucket / folder, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            key = Path(place, name).relative_to(bucket).as_posix()
            if key.startswith(prefix) and not name.startswith(".") and _is_text(key):
                yield from _entry(Path(place, name), key)


def open_beneath(bucket: Path, key: str) -> BinaryIO:
    """The file under a key, folder by folder, so that a link put there meanwhile leads nowhere.

    Raises LaceError BLOB_NOT_FOUND.
    """
    *folders, name = key.split("/")
    held: list[int] = []
    try:
        held.append(os.open(bucket, os.O_RDONLY | os.O_DIRECTORY))
        for folder in folders:
            held.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=held[-1]))
        # Without waiting: what became a pipe would keep its reader for ever.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=held[-1])
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise not_found(f"{bucket.name}/{key}")
        return os.fdopen(descriptor, "rb")
    except (OSError, ValueError):
        raise not_found(f"{bucket.name}/{key}") from None
    finally:
        for one in held:
            os.close(one)


def _from_first(bucket: Path, folder: str) -> Iterator[Path]:
    place = bucket
    for part in folder.split("/"):
        place = place / part
        yield place


def _entry(path: Path, key: str) -> Iterator[BlobEntry]:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return  # gone since the folder was read
    if stat.S_ISREG(found.st_mode):
        at = datetime.fromtimestamp(found.st_mtime, UTC)
        yield BlobEntry(key, found.st_size, at, f"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
