"""Which file systems lie on another machine: what SQLite and locks cannot rely on there is not used."""

from __future__ import annotations

import os
from pathlib import Path

_MOUNTS = "/proc/self/mountinfo"
_NETWORK = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
    }
)
#: Of programs in user space, those that only pass a local disk on.
_LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs", "fuse.lxcfs", "fuse.ntfs-3g", "fuseblk"})


def network_filesystem(path: Path, mounts: str | None = None) -> str:
    """Say which network file system a path is on.

    Args:
        path: Need not exist.
        mounts: What the kernel says of mounts, as in ``/proc/self/mountinfo``; read there by default.

    Returns:
        Its type, such as ``nfs4``; empty for a local one, and where the system does not tell.
    """
    if mounts is None:
        try:
            with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
                mounts = file.read()
        except OSError:
            return ""  # no Linux
        path = Path(os.path.realpath(path))
    best, kind = "", ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        holds = point == "/" or str(path) == point or str(path).startswith(f"{point}/")
        if holds and len(point) >= len(best):
            best, kind = point, after.split(" ")[0]
    is_far = kind in _NETWORK or (kind.startswith("fuse") and kind not in _LOCAL_FUSE)
    return kind if is_far else ""
