"""Plugins that come with PyCharm and that a training project does not need: `disabled_plugins.txt`.

One id a line, as `PluginStringSetFile` in JetBrains/intellij-community reads it. Only plugins that others do not build
on are offered: what belongs to Python, notebooks, Git, remote machines, Docker and databases stays.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from scaffolder.messages import N_

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaffolder.environment.facts import PyCharm
    from scaffolder.environment.system import System

#: Id to what it is for.
NOT_NEEDED = {
    "AngularJS": N_("web pages with Angular"),
    "org.jetbrains.plugins.vue": N_("web pages with Vue"),
    "com.intellij.react": N_("web pages with React"),
    "intellij.nextjs": N_("web pages with Next.js"),
    "intellij.vitejs": N_("web pages with Vite"),
    "intellij.webpack": N_("web pages with webpack"),
    "com.intellij.tailwindcss": N_("Tailwind style sheets"),
    "com.intellij.stylelint": N_("checks of style sheets"),
    "org.intellij.plugins.postcss": N_("PostCSS style sheets"),
    "org.jetbrains.plugins.less": N_("Less style sheets"),
    "org.jetbrains.plugins.sass": N_("Sass style sheets"),
    "com.intellij.plugins.webcomponents": N_("web components"),
    "intellij.prettierJS": N_("formatting of web pages"),
    "tslint": N_("checks of TypeScript"),
    "jshint": N_("checks of JavaScript"),
    "Karma": N_("tests of JavaScript"),
    "com.jetbrains.plugins.jade": N_("Pug templates"),
    "com.dmarcotte.handlebars": N_("Handlebars templates"),
    "com.intellij.plugins.html.instantEditing": N_("live preview of web pages"),
    "com.intellij.swagger": N_("descriptions of web services"),
    "org.jetbrains.plugins.vagrant": N_("Vagrant machines"),
    "org.jetbrains.plugins.node-remote-interpreter": N_("Node.js on other machines"),
    "hg4idea": N_("Mercurial version control"),
    "Subversion": N_("Subversion version control"),
    "PerforceDirectPlugin": N_("Perforce version control"),
}


def file_of(installation: PyCharm) -> Path:
    return Path(installation.configuration) / "disabled_plugins.txt"


def offered(installation: PyCharm, system: System) -> list[str]:
    """Ids of plugins that this installation brings, a training project does not need, and that are switched on."""
    folder = (PureWindowsPath if system.platform == "win32" else PurePosixPath)(installation.folder)
    inner = folder / "Contents" / "Resources" if system.platform == "darwin" else folder
    try:
        product = json.loads(system.read_text(str(inner / "product-info.json")) or "")
        bundled = set(product.get("bundledPlugins") or ())
        bundled |= {one["name"] for one in product.get("layout") or () if one.get("kind") == "plugin"}
    except (ValueError, AttributeError, KeyError, TypeError):
        return []
    off = _ids(system.read_text(file_of(installation)) or "")
    return [name for name in NOT_NEEDED if name in bundled and name not in off]


def with_disabled(content: bytes | None, names: Sequence[str]) -> bytes:
    """The file with these ids added, every other byte as it was."""
    text = content or b""
    newline = b"\r\n" if b"\r\n" in text else b"\n"
    known = _ids(text.decode("utf-8", errors="replace"))
    if text and not text.endswith(b"\n"):
        text += newline
    return text + b"".join(name.encode() + newline for name in names if name not in known)


def without_disabled(content: bytes, names: Sequence[str]) -> bytes:
    """The file without these ids."""
    gone = {name.encode() for name in names}
    return b"".join(line for line in content.splitlines(keepends=True) if line.strip() not in gone)


def _ids(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines()} - {""}
