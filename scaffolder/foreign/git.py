"""git for other people's repositories: with the person's own credentials and proxies, and nothing that runs code.

`quiet_git` is deaf to the person's configuration; here it must be heard, or private repositories and company proxies
would not work. What a repository could use against the person is turned off one by one instead.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scaffolder import console
from scaffolder.answers import nearest, shown
from scaffolder.errors import NewmodelError
from scaffolder.foreign.address import Address
from scaffolder.foreign.limits import LIMITS, TooMuchError, watch
from scaffolder.messages import _

#: Of the environment, only what says how to reach and to authenticate: no folders, indexes or attributes.
_KEPT = re.compile(
    r"GIT_(SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|PROXY_COMMAND|EXEC_PATH|HTTP_.*|SSL_.*|CURL_VERBOSE|TRACE.*"
    r"|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+))"
)

_SETTINGS = (
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",
    "core.autocrlf=false",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "core.attributesFile=",
    "transfer.bundleURI=false",
    "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
    "http.followRedirects=initial",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
)


class GitSaysNoError(Exception):
    """git failed; the text is what it said, without passwords."""


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """What was fetched.

    Attributes:
        commit: In full.
        tag: One that points there, the newest of several; empty if none does.
        submodules: Whether the repository has parts that were not fetched.
    """

    commit: str
    tag: str
    submodules: bool


@dataclass(frozen=True)
class Refs:
    """What a repository offers: commits by the names of its references."""

    by_name: dict[str, str]

    @property
    def tags(self) -> dict[str, str]:
        found = {}
        for name, commit in self.by_name.items():
            if name.startswith("refs/tags/"):
                # the line with ^{} names the commit behind an annotated tag, and comes after the tag's own
                found[name.removeprefix("refs/tags/").removesuffix("^{}")] = commit
        return found

    @property
    def branches(self) -> dict[str, str]:
        prefix = "refs/heads/"
        return {name.removeprefix(prefix): commit for name, commit in self.by_name.items() if name.startswith(prefix)}

    def tag_at(self, commit: str) -> str:
        """The newest tag that points to `commit`, or an empty text."""
        return newest([tag for tag, at in self.tags.items() if at == commit]) if commit else ""


def fetch(address: Address, folder: Path, *, version: str | None = None) -> Checkout:
    """Bring one version of a repository into the new folder `folder`, without its history and without `.git`.

    Args:
        version: A tag, branch or commit; what the repository shows by itself if None.

    Raises:
        NewmodelError: If it cannot be fetched, or has no such version.
    """
    refs = references(address)
    reference, tag = _choose(refs, version, address)
    folder.mkdir()
    try:
        _run("init", "--quiet", "--template=", folder=folder, address=address)
        try:
            _fetch(address, folder, reference, "--depth=1", "--no-tags")
        except GitSaysNoError:
            if version is None or not _is_commit(version):
                raise
            # not every server gives a single commit by its number
            _fetch(address, folder, "+refs/heads/*:refs/remotes/origin/*", "--tags")
        wanted = "FETCH_HEAD" if not _is_commit(version or "") or reference.startswith("refs/") else str(version)
        commit = _run("rev-parse", "--verify", f"{wanted}^{{commit}}", folder=folder).strip()
        _run("checkout", "--quiet", "--detach", commit, folder=folder, address=address)
    except GitSaysNoError as error:
        raise _failure(address, str(error)) from None
    submodules = (folder / ".gitmodules").is_file()
    _remove(folder / ".git")
    return Checkout(commit=commit, tag=tag or refs.tag_at(commit), submodules=submodules)


def references(address: Address) -> Refs:
    """The branches and tags of a repository.

    Raises:
        NewmodelError: If it cannot be reached.
    """
    try:
        text = _run("ls-remote", "--", address.text, address=address)
    except GitSaysNoError as error:
        raise _failure(address, str(error)) from None
    lines = (line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    return Refs({name: commit for commit, name in lines})


def newest(tags: Sequence[str]) -> str:
    """The highest of some tags by their version numbers, releases before others; an empty text if there is none."""
    from packaging.version import InvalidVersion, Version

    def rank(tag: str) -> tuple[bool, bool, Version, str]:
        try:
            version = Version(tag)
        except InvalidVersion:
            return False, False, Version("0"), tag
        return True, not version.is_prerelease, version, tag

    return max(tags, key=rank, default="")


def newest_release(address: Address) -> str:
    """The highest tag that is a release's number; an empty text if there is none."""
    from packaging.version import InvalidVersion, Version

    def is_release(tag: str) -> bool:
        try:
            return not Version(tag).is_prerelease
        except InvalidVersion:
            return False

    return newest([tag for tag in references(address).tags if is_release(tag)])


def working_files(folder: Path) -> list[Path]:
    """The files of a person's own checkout, new ones with them, those that git ignores without.

    Raises:
        NewmodelError: If git does not want to look at it.
    """
    try:
        text = _run(
            f"--git-dir={folder / '.git'}",
            f"--work-tree={folder}",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            folder=folder,
        )
    except GitSaysNoError as error:
        raise NewmodelError(_("git does not read {path}: {reason}").format(path=folder, reason=error)) from None
    names = sorted({Path(name) for name in text.split("\0") if name})
    return [name for name in names if os.path.lexists(folder / name)]


def _fetch(address: Address, folder: Path, reference: str, *options: str) -> None:
    _run(
        "fetch",
        "--quiet",
        "--no-recurse-submodules",
        "--no-write-commit-graph",
        *options,
        "--",
        address.text,
        reference,
        folder=folder,
        address=address,
    )


def _choose(refs: Refs, version: str | None, address: Address) -> tuple[str, str]:
    """The reference to ask for, and the tag that it is."""
    if not refs.by_name:
        raise NewmodelError(_("The repository {address} is empty.").format(address=address.public))
    if version is None:
        if "HEAD" not in refs.by_name:
            raise NewmodelError(
                _("The repository {address} has no main branch; name a version with --to{near}").format(
                    address=address.public, near=nearest("", [*refs.tags, *refs.branches])
                )
            )
        return "HEAD", ""
    if version in refs.tags:
        return f"refs/tags/{version}", version
    if version in refs.branches:
        return f"refs/heads/{version}", ""
    if _is_commit(version):
        whole = [commit for commit in refs.by_name.values() if commit.startswith(version.lower())]
        return (whole[0] if whole else version), ""
    known = [*sorted(refs.tags)[-8:], *sorted(refs.branches)[:4]]
    raise NewmodelError(
        _("{address} has no version “{version}”{nearest}").format(
            address=address.public, version=shown(version), nearest=nearest(version, known)
        )
    )


def _is_commit(text: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F]{7,64}", text) is not None


def _run(*arguments: str, folder: Path | None = None, address: Address | None = None) -> str:
    """Run git; what it says goes into the exception, its questions for a password to the terminal."""
    executable = shutil.which("git")
    if executable is None:
        raise NewmodelError(_("Fetching a template needs git: install it and try again."))
    asks = console.interactive()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or _KEPT.fullmatch(name)}
    environment = {
        **kept,
        "GIT_ALLOW_PROTOCOL": ":".join(address.protocols) if address is not None else "",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_TERMINAL_PROMPT": "1" if asks else "0",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TEMPLATE_DIR": "",
        "LC_ALL": "C",
    }
    # where there is no repository of its own, git must not find another one, and its settings, further up
    place = folder or Path(tempfile.gettempdir()).resolve()
    if folder is None:
        environment["GIT_CEILING_DIRECTORIES"] = str(place.parent)
        environment["GIT_DIR"] = os.devnull
    command = [executable]
    for setting in _SETTINGS:
        command += ["-c", setting]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=place if place.is_dir() else None,
            env=environment,
            stdin=None if asks else subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            # without a terminal of its own, ssh cannot wait for a password that nobody will type
            start_new_session=not asks,
        )
        try:
            code = watch(process, folder or Path(os.devnull), limits=LIMITS, seconds=LIMITS.fetch_s)
        except TooMuchError as error:
            raise NewmodelError(
                _("git was stopped at {address}: {reason}.").format(
                    address=address.public if address else folder, reason=error
                )
            ) from None
        out.seek(0)
        err.seek(0)
        if code != 0:
            raise GitSaysNoError(_plain(err.read().decode("utf-8", "replace"), address))
        return out.read().decode("utf-8", "surrogateescape")


def _plain(text: str, address: Address | None) -> str:
    """The last thing that git said, on one line, without a password."""
    if address is not None:
        text = text.replace(address.text, address.public)
    text = re.sub(r"(https?://)[^\s/@]+@", r"\1", text)
    lines = [line.strip() for line in text.splitlines()]
    lines = [re.sub(r"^(fatal|error|remote|ERROR): *", "", line) for line in lines]
    said = [line for line in lines if line and not line.startswith("hint:")]
    return shown("; ".join(said[:3]), 300).rstrip(".")


def _failure(address: Address, said: str) -> NewmodelError:
    if re.search(r"terminal prompts disabled|could not read (Username|Password)|Authentication failed", said):
        return NewmodelError(
            _(
                "{address} is not there, or private: sign in to it with git once (a credential helper, a token or an "
                "ssh key), so that “git ls-remote {address}” works, and try again."
            ).format(address=address.public)
        )
    if re.search(r"transport '.*' not allowed|Protocol .* (not supported|disabled)|not supported or disabled", said):
        return NewmodelError(
            _("{address} leads on to another kind of address, which is not followed.").format(address=address.public)
        )
    return NewmodelError(
        _("{address} could not be fetched: {reason}.").format(address=address.public, reason=said or _("git failed"))
    )


def _remove(folder: Path) -> None:
    """Remove git's own folder, whose objects are read-only."""

    def writable(_function: object, path: str, _info: object) -> None:
        Path(path).chmod(0o700)
        Path(path).unlink()

    if sys.version_info >= (3, 12):
        shutil.rmtree(folder, onexc=writable)
    else:
        shutil.rmtree(folder, onerror=writable)
