"""The texts of a project's files in `.idea/`, as PyCharm itself writes them."""

from __future__ import annotations

from collections.abc import Sequence

from scaffolder.pycharm import module_file, xml_edit
from scaffolder.pycharm.xml_edit import quoted

GITIGNORE = """\
# Files of one person or one machine
/shelf/
/workspace.xml
# The interpreter of this machine
/misc.xml
# Editor-based HTTP Client requests
/httpRequests/
# Datasource local storage ignored files
/dataSources/
/dataSources.local.xml
"""

VCS = """\
<?xml version="1.0" encoding="UTF-8"?>
<project version="4">
  <component name="VcsDirectoryMappings">
    <mapping directory="" vcs="Git" />
  </component>
</project>"""

#: What starts an entry point that has no file of its own: PyCharm runs files and modules, no functions.
STARTER_CODE = '''\
"""Starts an entry point as its installed command would.

run_entry_point.py PACKAGE.MODULE:FUNCTION ARGUMENTS

Without `:FUNCTION` the module is run as with `python -m`. The run configurations of
this folder use it, because PyCharm runs files and modules, but no functions.
"""

import functools
import importlib
import os
import runpy
import sys

if __name__ == "__main__":
    here = os.path.dirname(os.path.realpath(__file__))
    if sys.path and os.path.realpath(sys.path[0]) == here:
        sys.path[0] = os.getcwd()  # as `python -m` has it
    module, _, function = sys.argv.pop(1).partition(":")
    if function:
        sys.argv[0] = module.partition(".")[0]
        start = importlib.import_module(module)
        sys.exit(functools.reduce(getattr, function.split("."), start)())
    runpy.run_module(module, run_name="__main__", alter_sys=True)
'''

_MODULE = """\
<?xml version="1.0" encoding="UTF-8"?>
<module type="PYTHON_MODULE" version="4">
  <component name="NewModuleRootManager">
    <content url="file://$MODULE_DIR$">
{folders}    </content>
    <orderEntry type="inheritedJdk" />
    <orderEntry type="sourceFolder" forTests="false" />
  </component>
{runner}</module>"""

_RUNNER = """\
  <component name="TestRunnerService">
    <option name="PROJECT_TEST_RUNNER" value="py.test" />
  </component>
"""


def modules(name: str) -> str:
    """`modules.xml` with one module."""
    path = f"$PROJECT_DIR$/.idea/{name}.iml"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<project version="4">\n  <component name="ProjectModuleManager">\n'
        f"    <modules>\n      <module fileurl={quoted(f'file://{path}')} filepath={quoted(path)} />\n"
        "    </modules>\n  </component>\n</project>"
    )


def module(roots: Sequence[str], tests: Sequence[str], excluded: Sequence[str], *, pytest: bool) -> str:
    """A module file whose content is the project's folder."""
    folders = [_source(root, test=False) for root in roots] + [_source(root, test=True) for root in tests]
    folders += [f"      <excludeFolder url={quoted(_url(folder))} />\n" for folder in excluded]
    return _MODULE.format(folders="".join(folders), runner=_RUNNER if pytest else "")


def extended(text: str, roots: Sequence[str], tests: Sequence[str], excluded: Sequence[str]) -> str:
    """A module file with what it lacks; every other character stays.

    Roots of a kind are added only where the file has none of that kind: a person who has chosen some has chosen.

    Raises:
        DamagedXmlError: If it is not a module's file.
    """
    root = xml_edit.parse(text)
    chosen = list(root.all("sourceFolder"))
    urls = {element.attributes.get("url", "") for element in chosen}
    for folders, test in ((roots, False), (tests, True)):
        kind = "true" if test else "false"
        if any(element.attributes.get("isTestSource", "false") == kind for element in chosen):
            continue
        for folder in folders:
            content = next((one for one in xml_edit.parse(text).all("content") if _is_project(one)), None)
            if content is not None and _url(folder) not in urls:
                text = xml_edit.insert_child(text, content, _source(folder, test=test))
    kept = [url for url in urls if url]
    wanted = [folder for folder in excluded if not any(f"{url}/".startswith(f"{_url(folder)}/") for url in kept)]
    known = [element.attributes.get("url", "") for element in root.all("excludeFolder")]
    wanted = [folder for folder in wanted if not any(f"{_url(folder)}/".startswith(f"{url}/") for url in known if url)]
    return module_file.exclude(text, wanted)


def _is_project(content: xml_edit.Element) -> bool:
    return content.attributes.get("url", "").rstrip("/") in ("file://$MODULE_DIR$", "file://$PROJECT_DIR$")


def _source(folder: str, *, test: bool) -> str:
    return f'      <sourceFolder url={quoted(_url(folder))} isTestSource="{str(test).lower()}" />\n'


def _url(folder: str) -> str:
    return f"file://$MODULE_DIR$/{folder}" if folder else "file://$MODULE_DIR$"
