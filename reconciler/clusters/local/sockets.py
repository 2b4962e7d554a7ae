"""Where the admin socket is. A Unix socket's path is limited to about 107 bytes; a state folder's is not.

So the folder is opened, and the socket is named through the open folder: `/proc/self/fd/<n>/admin.sock` is short
whatever the folder is called.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "admin.sock"
"""Name of the socket in the state folder."""


class Folder:
    """An open folder; its path is short. Close it when no new connection is made through it any more."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY)

    @property
    def socket(self) -> str:
        """A short path of the admin socket, for this process only."""
        return f"/proc/self/fd/{self._descriptor}/{NAME}"

    def close(self) -> None:
        """Lets go of the folder."""
        os.close(self._descriptor)


@contextmanager
def opened(path: Path) -> Iterator[Folder]:
    """Opens a folder for the time of the context. Raises OSError when there is none."""
    folder = Folder(path)
    try:
        yield folder
    finally:
        folder.close()
