"""Write run configurations as PyCharm itself writes them: its elements, in its order, with no final newline.

The same text as `templates/macros/run_configuration.jinja` gives a generated project; a test holds the two together.
"""

from __future__ import annotations

import json

from scaffolder.pycharm.run_configuration import PYTHON, SHELL, TESTS
from scaffolder.pycharm.xml_edit import quoted

_COMMON = """\
  <configuration default="false" name={name} type="{type}" factoryName="{factory}">
    <module name={module} />
    <option name="ENV_FILES" value="" />
    <option name="INTERPRETER_OPTIONS" value="" />
    <option name="PARENT_ENVS" value="true" />
    <envs>
      <env name="PYTHONUNBUFFERED" value="1" />
    </envs>
    <option name="SDK_HOME" value="" />
    <option name="WORKING_DIRECTORY" value={folder} />
    <option name="IS_MODULE_SDK" value="true" />
    <option name="ADD_CONTENT_ROOTS" value="true" />
    <option name="ADD_SOURCE_ROOTS" value="true" />
    <EXTENSION ID="PythonCoverageRunConfigurationExtension" runner="coverage.py" />
"""

_HEAD = '<component name="ProjectRunConfigurationManager">\n'
_FOOT = '    <method v="2" />\n  </configuration>\n</component>'


def script(name: str, target: str, *, module: str, parameters: str = "", folder: str = "$PROJECT_DIR$") -> str:
    """A script: `target` is its path, beginning with `$PROJECT_DIR$/`."""
    return _python(name, target, parameters, "false", module=module, folder=folder)


def python_module(name: str, target: str, *, module: str, parameters: str = "", folder: str = "$PROJECT_DIR$") -> str:
    """`python -m target parameters`."""
    return _python(name, target, parameters, "true", module=module, folder=folder)


def tests(name: str, target: str, *, module: str, folder: str = "$PROJECT_DIR$") -> str:
    """pytest over a folder; its own fields hold JSON."""
    fields = {
        "_new_keywords": "",
        "_new_parameters": "",
        "_new_additionalArguments": "",
        "_new_target": target,
        "_new_targetType": "PATH",
    }
    options = "".join(_option(key, json.dumps(value, ensure_ascii=False)) for key, value in fields.items())
    return _HEAD + _common(name, TESTS, "py.test", module, folder) + options + _FOOT


def shell(name: str, command: str, *, folder: str = "$PROJECT_DIR$") -> str:
    """A command line for PyCharm's terminal, where the project's environment is active."""
    fields = {
        "SCRIPT_TEXT": command,
        "INDEPENDENT_SCRIPT_PATH": "true",
        "SCRIPT_PATH": "",
        "SCRIPT_OPTIONS": "",
        "INDEPENDENT_SCRIPT_WORKING_DIRECTORY": "true",
        "SCRIPT_WORKING_DIRECTORY": folder,
        "INDEPENDENT_INTERPRETER_PATH": "true",
        "INTERPRETER_PATH": "",  # a command line runs in the person's own shell
        "INTERPRETER_OPTIONS": "",
        "EXECUTE_IN_TERMINAL": "true",
        "EXECUTE_SCRIPT_FILE": "false",
    }
    options = "".join(_option(key, value) for key, value in fields.items())
    opening = f'  <configuration default="false" name={quoted(name)} type="{SHELL}">\n'
    return f"{_HEAD}{opening}{options}    <envs />\n{_FOOT}"


def _python(name: str, target: str, parameters: str, module_mode: str, *, module: str, folder: str) -> str:
    fields = {
        "SCRIPT_NAME": target,
        "PARAMETERS": parameters,
        "SHOW_COMMAND_LINE": "false",
        "EMULATE_TERMINAL": "true",
        "MODULE_MODE": module_mode,
        "REDIRECT_INPUT": "false",
        "INPUT_FILE": "",
    }
    options = "".join(_option(key, value) for key, value in fields.items())
    return _HEAD + _common(name, PYTHON, "Python", module, folder) + options + _FOOT


def _common(name: str, kind: str, factory: str, module: str, folder: str) -> str:
    return _COMMON.format(name=quoted(name), type=kind, factory=factory, module=quoted(module), folder=quoted(folder))


def _option(name: str, value: str) -> str:
    return f"    <option name={quoted(name)} value={quoted(value)} />\n"
