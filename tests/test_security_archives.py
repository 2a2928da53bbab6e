"""Malicious archives and addresses, really tried: refused in one sentence, and nothing around has changed."""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foreign_templates_made import COOKIECUTTER, Surrounding, surrounding_world

__all__ = ["surrounding_world"]


@pytest.fixture
def refused(newmodel: Callable[..., Any], surrounding_world: Surrounding) -> Callable[..., str]:
    """Run `init` with a template and expect one sentence, exit code 2, and a surrounding without any change."""

    def run(template: str | Path, *arguments: str) -> str:
        before = surrounding_world.state()
        result = newmodel("init", "project", f"--template={template}", "--defaults", *arguments)
        assert result.code == 2, result.err + result.out
        assert result.err.removeprefix(f"Fetching {template} …\n").count("\n") == 1, result.err
        assert surrounding_world.state() == before
        return str(result.err)

    return run


def make_zip(path: Path, *more: tuple[str | zipfile.ZipInfo, str | bytes], compress: bool = False) -> Path:
    """A template, and `more` members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        for name, content in (*COOKIECUTTER.items(), *more):
            archive.writestr(name, content)
    return path


def make_tar(path: Path, *more: tarfile.TarInfo, content: bytes = b"") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in COOKIECUTTER.items():
            info = tarfile.TarInfo(name)
            info.size = len(str(text).encode())
            archive.addfile(info, io.BytesIO(str(text).encode()))
        for info in more:
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def zip_link(name: str, target: str) -> tuple[zipfile.ZipInfo, str]:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target


NAMES = [
    "../../canary.txt",
    "a/../../canary.txt",
    "/tmp/evil",
    "//server/share",
    "..\\..\\evil",
    "C:\\evil",
    "C:evil",
    ".git/hooks/post-checkout",
    "sub/.GIT/config",
    "nul",
    "x\u202ey",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ending", ["zip", "whl", "tar.gz"])
def test_zip_slip(name: str, ending: str, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    path = surrounding_world.attack / f"template.{ending}"
    if ending == "tar.gz":
        make_tar(path, member(name), content=b"dead\n")
    else:
        make_zip(path, (name, "dead\n"))
    said = refused(path)
    assert "is refused: " in said
    assert said.endswith("; nothing was written.\n")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../canary.txt", "..", "C:/Windows", "a/../../x"])
@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_links(target: str, ending: str, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    path = surrounding_world.attack / f"template.{ending}"
    if ending == "zip":
        make_zip(path, zip_link("link", target))
    else:
        make_tar(path, member("link", tarfile.SYMTYPE, target))
    assert "it is a link that leads out of the folder" in refused(path)


def test_writing_through_a_link(refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    """A link to a folder inside, and then a file below the link's name."""
    path = make_zip(surrounding_world.attack / "t.zip", zip_link("sub", "."), ("sub/x", "dead"))
    refused(path)
    path = make_tar(surrounding_world.attack / "t.tar.gz", member("sub", tarfile.SYMTYPE, ".."), member("sub/x"))
    refused(path)


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_what_is_no_file(kind: bytes, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    path = make_tar(surrounding_world.attack / "t.tar.gz", member("x", kind, "/etc/passwd"))
    assert "x is refused" in refused(path)


def test_the_same_name_twice(refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    with pytest.warns(UserWarning):
        path = make_zip(surrounding_world.attack / "t.zip", ("cookiecutter.json", "{}"))
    assert "cookiecutter.json is refused: it is there twice" in refused(path)


@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_zip_bomb(ending: str, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    path = surrounding_world.attack / f"bomb.{ending}"
    zeros = bytes(20 * 1024 * 1024)
    if ending == "zip":
        make_zip(path, ("zeros", zeros), compress=True)
    else:
        make_tar(path, member("zeros"), content=zeros)
    assert refused(path) == "The archive unpacks to more than 150 times its size, as a zip bomb does.\n"


def test_zip_that_lies_about_its_size(refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    path = make_zip(surrounding_world.attack / "bomb.zip", ("zeros", bytes(20 * 1024 * 1024)), compress=True)
    content = path.read_bytes()
    # both the local header and the directory say that it has ten bytes
    path.write_bytes(content.replace(struct.pack("<I", 20 * 1024 * 1024), struct.pack("<I", 10)))
    refused(path)


def test_zip_of_many_members(refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    path = make_zip(surrounding_world.attack / "many.zip", *((f"{n}", "") for n in range(20_001)))
    assert refused(path) == "There are more than 20000 files, which is too many for a template.\n"


def test_archives_in_an_archive_stay_packed(newmodel: Callable[..., Any], surrounding_world: Surrounding) -> None:
    inner = make_zip(surrounding_world.attack / "inner.zip", ("zeros", bytes(20 * 1024 * 1024)), compress=True)
    outer = make_zip(surrounding_world.attack / "outer.zip", ("{{cookiecutter.slug}}/inner.zip", inner.read_bytes()))
    assert newmodel("init", "project", "--template", outer, "--defaults").code == 0
    assert (surrounding_world.here / "project" / "inner.zip").read_bytes() == inner.read_bytes()


@pytest.mark.parametrize("ending", ["zip", "tar.gz", "tar", "tar.xz", "tar.bz2"])
@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" + bytes(50), b"\x1f\x8b\x08" + bytes(50)])
def test_damaged(ending: str, content: bytes, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    path = surrounding_world.attack / f"t.{ending}"
    path.write_bytes(content)
    said = refused(path)
    assert "is no archive, or damaged" in said or "This is no template" in said


def test_half_an_archive(refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    path = make_tar(surrounding_world.attack / "t.tar.gz", member("x"), content=bytes(range(256)) * 500)
    path.write_bytes(path.read_bytes()[:-300])
    assert "damaged" in refused(path)


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("ext::sh -c 'touch evil'", "would let git start another program"),
        ("ext::touch% evil", "would let git start another program"),
        ("fd::17/foo", "would let git start another program"),
        ("file::/etc", "would let git start another program"),
        ("--upload-pack=touch evil", "looks like an option"),
        ("-u touch evil", "looks like an option"),
        ("ssh://-oProxyCommand=touch%20evil/x", "names no server"),
        ("ssh://-l@host/x", "names no server"),
        ("ssh://host/-x", "looks like an option"),
        ("git@-oProxyCommand=evil:x/y", "There is no template"),
        ("git@host:--upload-pack=evil", "There is no template"),
        ("https:///x", "names no server"),
        ("https://host:port/x", "no address that can be read"),
        ("http://example.org/x.git", "not encrypted"),
        ("git://example.org/x.git", "not fetched over “git”"),
        ("ftp://example.org/x.zip", "not fetched over “ftp”"),
        ("javascript://x", "not fetched over “javascript”"),
        ("git+ext://x", "not fetched over “ext”"),
        ("file://other-computer/share", "another computer"),
        ("gh:-x/y", "is no repository"),
        ("gh:../../x", "is no repository"),
        ("gh:owner", "is no repository"),
        ("gh:owner/name@v1", "Write the version apart from the address: gh:owner/name --to v1"),
        ("https://x.org/a\nb", "holds a character"),
        ("https://x.org/\u202egnp", "holds a character"),
        ("", "is empty"),
        ("nowhere", "There is no template “nowhere”"),
    ],
)
def test_addresses(address: str, reason: str, refused: Callable[..., str]) -> None:
    assert reason in refused(address)


@pytest.mark.parametrize("version", ["--upload-pack=evil", "-x", "", "a b", "v1\n"])
def test_versions(version: str, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    from foreign_templates_made import repository

    repository(surrounding_world.attack / "repository", COOKIECUTTER)
    said = refused(surrounding_world.attack / "repository", f"--to={version}") if version else ""
    assert not version or "is no version" in said
