"""The docs say what the code says: links lead somewhere, quoted lines and tests exist, the reference is current."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PROJECT = ROOT / "templates" / "project"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in ROOT.glob("docs/**/*.md"):
        assert page.relative_to(ROOT / "docs").as_posix() in navigation


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "tutorial" / "index.html").is_file()


def test_the_command_reference_is_current() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "docs" / "reference.py"), "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0, "run: python docs/reference.py"


def test_quoted_lines_are_in_the_templates() -> None:
    text = (ROOT / "docs" / "mistakes.md").read_text(encoding="utf-8")
    quotes = re.findall(r"<!-- from: (.+?) -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert len(quotes) >= 8
    for source, lines in quotes:
        assert lines in (PROJECT / source).read_text(encoding="utf-8"), f"{source} no longer has:\n{lines}"


def test_named_tests_exist() -> None:
    text = (ROOT / "docs" / "mistakes.md").read_text(encoding="utf-8")
    existing = "\n".join(path.read_text(encoding="utf-8") for path in PROJECT.glob("*tests*/test_*.jinja"))
    for name in re.findall(r"`(test_\w+)`", text):
        assert f"def {name}(" in existing, name


def test_named_modules_exist() -> None:
    modules = {path.name.removesuffix(".jinja") for path in PROJECT.rglob("*") if path.is_file()}
    for page in (ROOT / "docs" / "cells").glob("*.md"):
        for name in re.findall(r"`(\w+\.(?:py|yaml))`", page.read_text(encoding="utf-8")):
            assert name in modules, f"{page.name} names {name}"
