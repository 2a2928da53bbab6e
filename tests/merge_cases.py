"""Random projects, and what a person and a new template version do to them; for the tests of the merge.

A tree is a dictionary of contents by path. Both sides edit it with the same means, so that they meet often: there are
few files, few places in them and few names. What a person writes has `mine` in it, what the template writes has `new`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import yaml
from hypothesis import strategies as st

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Tree = dict[str, bytes]


def _python(name: str) -> str:
    lines = [f'"""{name}: what it does."""', "", "import os", "import sys", ""]
    for number in range(1, 5):
        lines += [
            f"def {name}_{number}(value):",
            f"    first = value + {number}",
            f"    return first * {number}",
            "",
            "",
        ]
    return "\n".join(lines)


def _configuration(name: str, script: str) -> str:
    return f"""\
<component name="ProjectRunConfigurationManager">
  <configuration default="false" name="{name}" type="PythonConfigurationType" factoryName="Python">
    <module name="demo" />
    <option name="ENV_FILES" value="" />
    <option name="PARENT_ENVS" value="true" />
    <envs>
      <env name="PYTHONUNBUFFERED" value="1" />
    </envs>
    <option name="SCRIPT_NAME" value="$PROJECT_DIR$/{script}" />
    <option name="PARAMETERS" value="" />
    <method v="2" />
  </configuration>
</component>"""


MODULE = """\
<?xml version="1.0" encoding="UTF-8"?>
<module type="PYTHON_MODULE" version="4">
  <component name="NewModuleRootManager">
    <content url="file://$MODULE_DIR$">
      <sourceFolder url="file://$MODULE_DIR$/tests" isTestSource="true" />
      <excludeFolder url="file://$MODULE_DIR$/.venv" />
      <excludeFolder url="file://$MODULE_DIR$/runs" />
    </content>
    <orderEntry type="inheritedJdk" />
    <orderEntry type="sourceFolder" forTests="false" />
  </component>
</module>"""

BASE: dict[str, str] = {
    "train.py": _python("train"),
    "demo/__init__.py": "",
    "demo/model.py": _python("model"),
    "demo/data.py": _python("data"),
    "configs/train.yaml": "".join(f"key_{n}: {n}\ngroup_{n}:\n  first: {n}\n  second: {n}\n" for n in range(1, 5)),
    "configs/tiny.yaml": "seed: 1\nepochs: 2\nlayers:\n  - 16\n  - 32\n",
    "pyproject.toml": "".join(f'[part-{n}]\nname-{n} = "{n}"\nvalue-{n} = {n}\n\n' for n in range(1, 5)),
    "schema.json": json.dumps({f"field_{n}": {"type": "string", "default": n} for n in range(1, 5)}, indent=2) + "\n",
    "icon.svg": "<svg>\n" + "".join(f'  <rect id="r{n}" width="{n}" />\n' for n in range(1, 6)) + "</svg>\n",
    "README.md": "".join(f"# Part {n}\n\nWords about {n}.\n说明 {n}\n\n" for n in range(1, 5)),
    "notes": "".join(f"note {n}\n" for n in range(1, 9)),
    "docs/guide.md": "".join(f"guide {n}\n" for n in range(1, 9)),
    "data.bin": "",
    ".gitignore": "runs/\n",
    ".idea/.gitignore": "/workspace.xml\n/misc.xml\n",
    ".idea/demo.iml": MODULE,
    ".idea/runConfigurations/Train.xml": _configuration("Train", "train.py"),
    ".idea/runConfigurations/Predict.xml": _configuration("Predict", "predict.py"),
}
PATHS = sorted(BASE)

#: Where a renamed or new file may go; some are files or folders of the base, or differ from one in case only.
PLACES = [
    "extra.py", "demo/extra.py", "demo/network.py", "Train.py", "configs/new.yaml", "configs/Tiny.yaml", "readme.md",
    "notes/first.md", "docs", "docs/guide.md/inner.md", "train.py/part.py", ".idea/runConfigurations/Own.xml",
    "with space.txt", "中文.md", 'quo"te\\s.txt', "demo/model.py", "configs/tiny.yaml", ".idea/demo2.iml",
]  # fmt: skip


def _line(path: str, word: str) -> str:
    """A line that fits such a file."""
    suffix = PurePosixPath(path).suffix
    return {
        ".py": f"{word} = 1",
        ".yaml": f"{word}: 1",
        ".toml": f"{word} = 1",
        ".json": f'  "{word}": 1,',
        ".svg": f'  <rect id="{word}" />',
        ".xml": f'    <option name="{word}" value="1" />',
        ".iml": f'      <excludeFolder url="file://$MODULE_DIR$/{word}" />',
        ".md": f"{word} 文字",
    }.get(suffix, word)


def _whole(path: str, word: str) -> bytes:
    suffix = PurePosixPath(path).suffix
    text = {
        ".json": f'{{\n  "{word}": 1\n}}\n',
        ".svg": f'<svg>\n  <rect id="{word}" />\n</svg>\n',
        ".xml": _configuration(word, "x.py"),
        ".iml": MODULE.replace("runs", word),
    }.get(suffix)
    return (text or "".join(f"{_line(path, f'{word}_{n}')}\n" for n in range(4))).encode()


@dataclass(frozen=True)
class Step:
    """One thing that somebody does to a tree; what is not possible is not done."""

    kind: str
    file: int
    place: int
    number: int

    def apply(self, tree: Tree, word: str) -> None:
        if not tree:
            return
        path = sorted(tree)[self.file % len(tree)]
        _KINDS[self.kind](tree, path, self, f"{word}_{self.number}")


def _edit(change: Callable[[list[bytes], int, bytes], None]) -> Callable[[Tree, str, Step, str], None]:
    def apply(tree: Tree, path: str, step: Step, word: str) -> None:
        lines = tree[path].split(b"\n")
        change(lines, step.place % len(lines), _line(path, word).encode())
        tree[path] = b"\n".join(lines)

    return apply


def _insert(lines: list[bytes], place: int, line: bytes) -> None:
    lines.insert(place, line)


def _replace(lines: list[bytes], place: int, line: bytes) -> None:
    lines[place] = line


def _remove(lines: list[bytes], place: int, _line: bytes) -> None:
    del lines[place : place + 1 + len(_line) % 3]


def _indent(lines: list[bytes], place: int, line: bytes) -> None:
    lines[place] = b"  " + lines[place] + b"  # " + line if lines[place] else line


def _value(tree: Tree, path: str, step: Step, word: str) -> None:
    """Change one value in place, as in a configuration."""
    found = list(re.finditer(rb'(?<=value=")[^"]*|(?<=: )\d+|(?<= = )\d+|(?<=isTestSource=")\w+', tree[path]))
    if found:
        match = found[step.place % len(found)]
        tree[path] = tree[path][: match.start()] + str(1000 + step.number).encode() + tree[path][match.end() :]


def _same_key(tree: Tree, path: str, step: Step, word: str) -> None:
    """Add what the other side may add as well, at another place."""
    path = ("pyproject.toml", "schema.json", "configs/train.yaml")[step.file % 3]
    line = {
        "pyproject.toml": f'shared = "{word}"',
        "schema.json": f'  "shared": "{word}",',
        "configs/train.yaml": f"shared: {word}",
    }[path].encode()
    if path in tree:
        lines = tree[path].split(b"\n")
        # inside a table of TOML, at the top level of the other two
        places = [number for number, text in enumerate(lines) if re.match(rb'name-|  "field|key_', text)]
        if places:
            lines.insert(places[step.place % len(places)], line)
            tree[path] = b"\n".join(lines)


def _group(tree: Tree, _path: str, step: Step, word: str) -> None:
    """Put a group around some elements, which may cross one of the other side's."""
    lines = tree.get("icon.svg", b"").split(b"\n")
    first, count = 1 + step.place % 4, 1 + step.file % 2
    if len(lines) > first + count + 1:
        lines.insert(first, f'<g id="{word}">'.encode())
        lines.insert(first + count + 1, b"</g>")
        tree["icon.svg"] = b"\n".join(lines)


def _delete(tree: Tree, path: str, _step: Step, _word: str) -> None:
    del tree[path]


def _rename(tree: Tree, path: str, step: Step, _word: str) -> None:
    put(tree, PLACES[step.place % len(PLACES)], tree.pop(path))


def _copy(tree: Tree, path: str, step: Step, _word: str) -> None:
    put(tree, PLACES[step.place % len(PLACES)], tree[path])


def _case(tree: Tree, path: str, _step: Step, _word: str) -> None:
    put(tree, path.swapcase(), tree.pop(path))


def _add(tree: Tree, _path: str, step: Step, word: str) -> None:
    place = PLACES[step.place % len(PLACES)]
    put(tree, place, _whole(place, word))


def _folder_for_file(tree: Tree, path: str, step: Step, _word: str) -> None:
    put(tree, f"{path}/part{step.place % 2}.py", tree.pop(path))


def _file_for_folder(tree: Tree, path: str, _step: Step, word: str) -> None:
    folder = PurePosixPath(path).parts[0]
    for inside in [other for other in tree if other.startswith(f"{folder}/")]:
        del tree[inside]
    put(tree, folder, _whole("notes", word))


def _windows_lines(tree: Tree, path: str, _step: Step, _word: str) -> None:
    tree[path] = tree[path].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _mixed_lines(tree: Tree, path: str, step: Step, _word: str) -> None:
    lines = tree[path].split(b"\n")
    tree[path] = b"\n".join(
        line + b"\r" if (number + step.place) % 3 == 0 and number < len(lines) - 1 else line
        for number, line in enumerate(lines)
    )


def _no_last_newline(tree: Tree, path: str, _step: Step, _word: str) -> None:
    tree[path] = tree[path].rstrip(b"\r\n")


def _last_newline(tree: Tree, path: str, _step: Step, _word: str) -> None:
    tree[path] += b"\n"


def _encoding(tree: Tree, path: str, step: Step, _word: str) -> None:
    encoding = ("utf-8-sig", "gbk", "utf-16", "utf-16-be")[step.place % 4]
    try:
        tree[path] = tree[path].decode("utf-8").encode(encoding)
    except UnicodeError:
        return


def _binary(tree: Tree, path: str, _step: Step, word: str) -> None:
    tree[path] = b"\0\1" + word.encode() + b"\n\0"


def _pycharm(tree: Tree, path: str, _step: Step, word: str) -> None:
    """PyCharm saves one of its files in its own way, with a field more."""
    content = tree[path]
    if not content.startswith((b"<component", b"<?xml")) or b"<!DOCTYPE" in content:
        return
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError:
        return
    for element in root.iter():
        element.attrib = dict(sorted(element.attrib.items()))
        element[:] = sorted(element, key=lambda child: (child.tag, child.get("name", "")))
    ElementTree.SubElement(root[0] if len(root) else root, "option", {"name": f"{word}_default", "value": ""})
    ElementTree.indent(root, "    ")
    tree[path] = b'<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, short_empty_elements=False)


_KINDS: dict[str, Callable[[Tree, str, Step, str], None]] = {
    "insert": _edit(_insert),
    "replace": _edit(_replace),
    "remove lines": _edit(_remove),
    "indent": _edit(_indent),
    "value": _value,
    "same key": _same_key,
    "group": _group,
    "delete": _delete,
    "rename": _rename,
    "copy": _copy,
    "case": _case,
    "add": _add,
    "folder for file": _folder_for_file,
    "file for folder": _file_for_folder,
    "no last newline": _no_last_newline,
    "last newline": _last_newline,
    "binary": _binary,
    "Windows lines": _windows_lines,
    "mixed lines": _mixed_lines,
    "encoding": _encoding,
    "pycharm": _pycharm,
}
_EDITS = ["insert", "insert", "replace", "remove lines", "value", "value", "same key", "group"]
_FILES = ["delete", "rename", "copy", "add", "folder for file", "file for folder", "case"]
PERSON = [*_EDITS, *_EDITS, *_FILES, "indent", "no last newline", "last newline", "binary", "Windows lines",
           "mixed lines", "encoding", "pycharm", "pycharm"]  # fmt: skip
TEMPLATE = [*_EDITS, *_EDITS, *_FILES, "no last newline", "binary"]


def put(tree: Tree, path: str, content: bytes) -> None:
    """Put a file there, and take away what cannot be beside it."""
    for other in list(tree):
        if other.startswith(f"{path}/") or path.startswith(f"{other}/"):
            del tree[other]
    tree[path] = content


def base_tree(paths: Mapping[str, str] = BASE) -> Tree:
    tree = {path: text.encode() for path, text in paths.items()}
    tree["data.bin"] = b"\0\1\2base\n\3"
    return tree


def steps(kinds: list[str], most: int = 10) -> st.SearchStrategy[list[Step]]:
    step = st.builds(
        Step, kind=st.sampled_from(kinds), file=st.integers(0, 17), place=st.integers(0, 24), number=st.integers(0, 3)
    )
    return st.lists(step, min_size=1, max_size=most)


@dataclass(frozen=True)
class Case:
    """What a person and a template do to the same project."""

    person: list[Step]
    template: list[Step]

    @property
    def ours(self) -> Tree:
        return _after(self.person, "mine")

    @property
    def theirs(self) -> Tree:
        return _after(self.template, "new")


def _after(done: list[Step], word: str) -> Tree:
    tree = base_tree()
    for step in done:
        step.apply(tree, word)
    return tree


cases = st.builds(Case, person=steps(PERSON), template=steps(TEMPLATE))


# --- what must be so ----------------------------------------------------------------------------------------


def write_tree(folder: Path, tree: Tree) -> Path:
    for path, content in tree.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


def read_tree(folder: Path) -> Tree:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] != ".git"
    }


def is_idea(path: str) -> bool:
    return path.startswith(".idea/") and path.endswith((".xml", ".iml"))


def pieces(tree: Tree) -> set[bytes]:
    """What a person would miss: every line, and of PyCharm's files every value (they are laid out anew)."""
    found = set()
    for path, content in tree.items():
        if is_idea(path) and b"\0" not in content and content.lstrip(b"\xef\xbb\xbf").startswith(b"<"):
            found |= set(re.findall(rb'[\w.-]+="[^"]*"', content))
        else:
            found |= {line.strip(b"\r") for line in content.split(b"\n")}
    return found


def lost(base: Tree, ours: Tree, merged: Tree) -> set[bytes]:
    """What the person had added or changed and is nowhere in the merged tree."""
    own = pieces(ours) - pieces(base)
    if not own:
        return set()
    whole = b"\n".join(merged.values())
    return {piece for piece in own if piece not in whole}


def parses(path: str, content: bytes) -> bool:
    try:
        match PurePosixPath(path).suffix:
            case ".py":
                compile(content, path, "exec", dont_inherit=True)
            case ".yaml":
                yaml.safe_load(content)
            case ".toml":
                tomllib.loads(content.decode())
            case ".json":
                json.loads(content)
            case ".svg" | ".xml" | ".iml":
                ElementTree.fromstring(content)
    except (ValueError, SyntaxError, yaml.YAMLError):
        return False
    return True


def unusable(ours: Tree, theirs: Tree, merged: Tree, conflicts: set[str]) -> list[str]:
    """Merged files that no longer are what both sides were, and are not marked."""
    found = []
    for path, content in merged.items():
        if path in conflicts or content in (ours.get(path), theirs.get(path)):
            continue
        origins = []
        for side, other in ((ours, theirs), (theirs, ours)):
            # where the other side renamed it, it is one of those that the other no longer has
            renamed = [content for name, content in side.items() if name not in other]
            origins += [side[path]] if path in side else renamed
        if all(parses(path, origin) for origin in origins) and not parses(path, content):
            found.append(path)
    return found
