"""The templates and their released versions.

`templates/` is what a new project is rendered from. Every released state of it is also a tag in one committed,
append-only git bundle, `releases/templates.bundle`, so that a project made by any earlier release can be updated
without a network. `releases/releases.json` lists the same versions with a digest of their files: it tells, without git,
whether `templates/` is a release or has been changed since.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from scaffolder.errors import NewmodelError
from scaffolder.messages import _
from scaffolder.quiet_git import GitFailed, identity, quiet_git

#: What a project's answers record as their source. Plain `copier update` works once the bundle is published there.
TEMPLATE_URL = "https://github.com/newmodel-templates/newmodel-templates"

_PACKAGE = Path(__file__).resolve().parent
_BUNDLE_NAME = "templates.bundle"
_MANIFEST_NAME = "releases.json"
#: Write files of the templates that are made from other files.
_GENERATORS = ("scaffolder.environment.builds.compatibility", "scaffolder.cookiecutter_front")
_LEFTOVERS = {"__pycache__", ".ruff_cache", ".mypy_cache", ".pytest_cache", ".DS_Store"}


@dataclass(frozen=True, kw_only=True)
class Release:
    """One released version of the templates.

    Attributes:
        version: PEP 440 version without the leading `v` of its tag.
        commit: Full hash of its commit in the bundle.
        digest: SHA-256 over the names and contents of its files, see `digest`.
    """

    version: str
    commit: str
    digest: str

    @property
    def tag(self) -> str:
        return f"v{self.version}"


@dataclass(frozen=True)
class Releases:
    """A folder that holds a bundle of released templates and its manifest."""

    folder: Path

    @property
    def bundle(self) -> Path:
        return self.folder / _BUNDLE_NAME

    def all(self) -> list[Release]:
        """Every release, oldest first; an empty list where nothing has been released."""
        manifest = self.folder / _MANIFEST_NAME
        if not manifest.is_file():
            return []
        entries = json.loads(manifest.read_text(encoding="utf-8"))
        return sorted((Release(**entry) for entry in entries), key=lambda release: Version(release.version))

    def newest(self) -> Release | None:
        releases = self.all()
        return releases[-1] if releases else None

    def find(self, tag: str) -> Release:
        """The release with this tag.

        Raises:
            NewmodelError: If no such version was released.
        """
        releases = self.all()
        for release in releases:
            if release.tag == tag or release.version == tag:
                return release
        known = ", ".join(release.tag for release in releases) or "-"
        raise NewmodelError(
            _("There is no released template version {version}; the released ones are: {known}.").format(
                version=tag, known=known
            )
        )

    def unpack(self, release: Release, cache: Path | None = None) -> Path:
        """The folder with the files of one release, taken from the bundle at first use and kept in the user's cache.

        Raises:
            NewmodelError: If git is missing or the bundle cannot be read.
        """
        target = (cache or _cache_folder()) / release.commit
        if target.is_dir() and digest(target) == release.digest:
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        # Unpacked beside the target and renamed: a second newmodel, or an interruption, never sees half of it.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpack-") as scratch:
            clone = Path(scratch, "clone")
            _git("clone", "--quiet", "--branch", release.tag, str(self.bundle.resolve()), str(clone))
            shutil.rmtree(clone / ".git")
            if digest(clone) != release.digest:
                raise NewmodelError(
                    _("The template version {version} in {bundle} is damaged; install newmodel again.").format(
                        version=release.tag, bundle=self.bundle
                    )
                )
            if target.exists():
                shutil.rmtree(target)
            clone.rename(target)
        return target


def releases() -> Releases:
    """The releases that came with this newmodel."""
    return Releases(_PACKAGE / "releases")


def templates_folder() -> Path:
    """The templates that new projects are rendered from: the checkout's, or those inside the installed package."""
    installed = _PACKAGE / "templates"
    return installed if installed.is_dir() else _PACKAGE.parent / "templates"


def current_version() -> str:
    """The tag of the release that `templates_folder()` is, or a development version that says what it came after."""
    newest = releases().newest()
    current = digest(templates_folder())
    if newest is None:
        return f"v0.0.0.dev0+{current[:12]}"
    if newest.digest == current:
        return newest.tag
    return f"{newest.tag}.post0.dev0+{current[:12]}"


def is_development(version: str) -> bool:
    """Whether a recorded version is the state of a changed `templates/`, which no release holds."""
    try:
        return Version(version).is_devrelease
    except InvalidVersion:
        return True


def digest(folder: Path) -> str:
    """SHA-256 over the relative path and the content of every file below `folder`, in sorted order."""
    result = hashlib.sha256()
    for path in template_files(folder):
        name = path.relative_to(folder).as_posix().encode()
        content = path.read_bytes()
        result.update(b"%d %s %d\n" % (len(name), name, len(content)))
        result.update(content)
    return result.hexdigest()


def template_files(folder: Path) -> list[Path]:
    """Every file of the templates, sorted; what tools leave behind is left out."""
    found: list[Path] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFTOVERS]
        found += [Path(parent, name) for name in files if name not in _LEFTOVERS and not name.endswith(".pyc")]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def release(version: str, templates: Path, target: Releases) -> Release:
    """Add the present state of `templates` to the bundle as a new version; the earlier ones stay as they are.

    The commit depends on nothing but the files and the release before it: author, committer and date are fixed.

    Raises:
        NewmodelError: If the version is no newer one, nothing has changed since the last release, or the bundle is not
            what the manifest says.
    """
    newest = target.newest()
    current = digest(templates)
    try:
        number = Version(version)
    except InvalidVersion:
        raise NewmodelError(
            _("{version} is not a version number; give one such as 1.2.0.").format(version=version)
        ) from None
    if newest is not None and number <= Version(newest.version):
        raise NewmodelError(
            _("{version} is not newer than the newest release {newest}.").format(version=version, newest=newest.version)
        )
    if newest is not None and newest.digest == current:
        raise NewmodelError(_("Nothing in the templates has changed since {newest}.").format(newest=newest.version))
    target.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        repository = Path(scratch, "templates")
        _git("init", "--quiet", "--initial-branch", "main", str(repository))
        if newest is not None:
            # Only what the manifest lists: a release that was interrupted is in the bundle alone, and is made again.
            tags = [f"refs/tags/{entry.tag}:refs/tags/{entry.tag}" for entry in target.all()]
            _git("fetch", "--quiet", "--no-tags", str(target.bundle.resolve()), *tags, folder=repository)
            _git("update-ref", "refs/heads/main", newest.commit, folder=repository)
        for source in template_files(templates):
            copy = repository / source.relative_to(templates)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)  # with its permission to be run, if it has it
        _git("add", "--all", "--force", folder=repository)
        _git("commit", "--quiet", "--no-verify", "-m", f"Templates {version}", folder=repository)
        commit = _git("rev-parse", "HEAD", folder=repository)
        new = Release(version=version, commit=commit, digest=current)
        _git("tag", new.tag, folder=repository)
        bundle = Path(scratch, _BUNDLE_NAME)
        _git("-c", "pack.threads=1", "bundle", "create", "--quiet", str(bundle), "main", "--tags", folder=repository)
        _refuse_changed_history(bundle, [*target.all(), new])
        manifest = [asdict(entry) for entry in [*target.all(), new]]
        _replace(target.bundle, bundle.read_bytes())
        _replace(target.folder / _MANIFEST_NAME, (json.dumps(manifest, indent=2) + "\n").encode())
    return new


def _refuse_changed_history(bundle: Path, releases: list[Release]) -> None:
    """Projects refer to released versions for good, so none may become another."""
    lines = [line.split(" ", 1) for line in _git("bundle", "list-heads", str(bundle)).splitlines()]
    heads = {name: commit for commit, name in lines}
    for entry in releases:
        if heads.get(f"refs/tags/{entry.tag}") != entry.commit:
            raise NewmodelError(
                _("The bundle would no longer have {version} as it was released; nothing was written.").format(
                    version=entry.tag
                )
            )


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(content)
    temporary.replace(path)


def make_release(version: str, root: Path = _PACKAGE.parent) -> Release:
    """What `make release` does: bring generated files up to date, then release the checkout's templates.

    Raises:
        NewmodelError: If CHANGELOG.md says nothing about this version, a generator fails, or for a reason of `release`.
    """
    from scaffolder.updating.changelog import parse

    changelog = root / "CHANGELOG.md"
    told = parse(changelog.read_text(encoding="utf-8")) if changelog.is_file() else []
    if not any(entry.lines for entry in told if entry.version == version):
        raise NewmodelError(
            _("{file} says nothing about {version}: write below “## {version}” what is new, then release.").format(
                file=changelog, version=version
            )
        )
    for module in _GENERATORS:
        if importlib.util.find_spec(module) is None:
            continue
        done = subprocess.run([sys.executable, "-m", module], cwd=root, check=False)
        if done.returncode:
            raise NewmodelError(
                _("“python -m {module}” failed (exit code {code}); nothing was released.").format(
                    module=module, code=done.returncode
                )
            )
    return release(version, templates_folder(), releases())


def _cache_folder() -> Path:
    from platformdirs import user_cache_path

    return Path(user_cache_path("newmodel", appauthor=False)) / "templates"


def _git(*arguments: str, folder: Path | None = None) -> str:
    try:
        return quiet_git(*arguments, folder=folder, variables=_IDENTITY).strip()
    except GitFailed as error:
        raise NewmodelError(_("git could not read the released templates: {reason}").format(reason=error)) from error


#: Fixed, so that the same templates make the same bundle.
_IDENTITY = identity("templates@newmodel.invalid", "2026-01-01T00:00:00+00:00")


def _main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scaffolder.template_source")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("release", help="add templates/ to the bundle as a new version").add_argument("version")
    commands.add_parser("list", help="list the released versions")
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "release":
            new = make_release(arguments.version)
            print(f"{new.tag} {new.commit}")
        else:
            for entry in releases().all():
                print(f"{entry.tag} {entry.commit}")
    except NewmodelError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
