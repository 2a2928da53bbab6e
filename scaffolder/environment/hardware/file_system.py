"""What the project's file system does: on another machine, blind to capitals, or copied to the internet."""

from __future__ import annotations

from scaffolder.environment.facts import Command, Finding, command
from scaffolder.environment.hardware.mounts import Mount
from scaffolder.environment.system import System
from scaffolder.messages import _

#: File systems whose files are on another machine, or go through a translator: each small file costs a round trip.
_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "webdav", "davfs", "ncpfs", "9p", "drvfs", "virtiofs"}
_REMOTE |= {"fuse.sshfs", "osxfuse", "macfuse", "fuse.s3fs", "fuse.rclone", "fuse.grpcfuse", "fuse.gvfsd-fuse"}
_REMOTE |= {"fakeowner", "vboxsf", "prl_fs", "fuse.vmhgfs-fuse", "vmhgfs"}
#: A cluster's: fast for large files, slow for many small ones.
_CLUSTER = {"lustre", "gpfs", "beegfs", "ceph", "fuse.ceph", "fuse.glusterfs", "glusterfs", "panfs", "wekafs"}
_CASE_SENSITIVE = {"ext4", "ext3", "ext2", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "f2fs", "nfs", "nfs4"}


def synchronised(path: str) -> str:
    """The service that copies this folder to the internet, by the names that their programs give to folders."""
    for part in path.replace("\\", "/").split("/"):
        name = part.casefold()
        for beginning, service in (
            ("onedrive", "OneDrive"),
            ("dropbox", "Dropbox"),
            ("com~apple~clouddocs", "iCloud"),
            ("iclouddrive", "iCloud"),
            ("googledrive", "Google Drive"),
            ("google drive", "Google Drive"),
            ("my drive", "Google Drive"),
            ("box-box", "Box"),
            ("nextcloud", "Nextcloud"),
            ("nutstore", "Nutstore"),
            ("我的坚果云", "Nutstore"),
            ("baidusyncdisk", "Baidu"),
        ):
            if name == beginning or name.startswith((f"{beginning} ", f"{beginning}-", f"{beginning}(")):
                return service
    return ""


def case_sensitive(system: System, project: str, where: Mount | None) -> bool | None:
    """Whether `Data` and `data` are two files there; None where nobody can tell without writing."""
    if system.platform == "win32":
        return False
    if system.platform == "linux" and where is not None and where.kind in _CASE_SENSITIVE:
        return True
    parent, _, name = project.rpartition("/")
    if not system.exists(project) or name.swapcase() == name:
        return None
    return not system.exists(f"{parent}/{name.swapcase()}")


def remote(system: System, project: str, where: Mount | None) -> list[Finding]:
    """Whether every file that the project opens comes from another machine."""
    what = ""
    advice = _("Put the project on a disk of this machine; large data may stay where it is.")
    commands: tuple[Command, ...] = ()
    kind = where.kind if where else ""
    if system.platform == "win32":
        what = _windows_share(system, project)
        if what.startswith("wsl"):
            what = _("The project is inside the Windows Subsystem for Linux, and newmodel runs in Windows.")
            advice = _("Run newmodel inside the subsystem (wsl), or put the project on a disk of Windows.")
        elif what:
            what = _("The project is on a network drive ({name}).").format(name=what)
    elif kind == "drvfs" or (kind == "9p" and where is not None and _of_windows(where)):
        what = _("The project is on a disk of Windows ({path}), seen from the Linux subsystem.").format(path=project)
        advice = _("Move it into the subsystem's own disk; Windows sees it there as \\\\wsl.localhost.")
        commands = (command(system, "mv", project, f"{system.home}/"),)
    elif kind in _REMOTE:
        what = _("The project is on a network or shared file system ({kind}).").format(kind=kind)
    elif kind in _CLUSTER:
        what = _("The project is on a cluster's shared file system ({kind}).").format(kind=kind)
        advice = _(
            "Keep the environment and small files on the node's own disk (UV_PROJECT_ENVIRONMENT, $SLURM_TMPDIR), "
            "and read data from few large files, such as Parquet or tar."
        )
    if not what:
        return []
    return [
        Finding(
            code="NM307",
            severity="slows",
            what=what,
            meaning=_(
                "Every small file costs a round trip: imports, installations, data of many files and PyCharm's "
                "indexing take several times as long."
            ),
            advice=advice,
            commands=commands,
        )
    ]


def _of_windows(mount: Mount) -> bool:
    return "aname=drvfs" in mount.options or mount.source[1:2] == ":" or mount.source == "drvfs"


def _windows_share(system: System, project: str) -> str:
    """The server of a network path or drive, `wsl…` for the subsystem's, empty for a disk of this machine."""
    path = project.replace("/", "\\")
    if path.startswith("\\\\"):
        return path.lstrip("\\").split("\\")[0].casefold()
    if path[1:2] == ":":
        key = f"HKCU\\Network\\{path[0]}"
        answer = system.run(["reg", "query", key, "/v", "RemotePath"], timeout=2.0)
        words = answer.stdout.split()
        return words[-1] if answer.ok and "REG_SZ" in words else ""
    return ""


def capitals(system: System, sensitive: bool | None) -> list[Finding]:
    """Whether two names that differ in capitals are one file, where people do not expect it."""
    # usual, and known to everybody, on Windows and macOS
    if sensitive is not False or system.platform != "linux":
        return []
    return [
        Finding(
            code="NM308",
            severity="note",
            what=_("The project's file system does not tell upper case from lower case."),
            meaning=_(
                "Two files or class folders such as “Cat” and “cat” are one here and two on another Linux: code and "
                "data may work on one machine only."
            ),
            advice=_("Use lower case for the names of files and folders."),
        )
    ]


def cloud(service: str, project: str) -> list[Finding]:
    """Whether a program copies the project to the internet while it is worked on."""
    if not service:
        return []
    return [
        Finding(
            code="NM314",
            severity="slows",
            what=_("{service} copies this folder to the internet ({path}).").format(service=service, path=project),
            meaning=_(
                "It would send thousands of files of the environment and every checkpoint, and locks files while it "
                "reads them: installations and saving fail now and then."
            ),
            advice=_("Put the project in a folder that is not synchronised, and keep its history with git."),
        )
    ]
