"""`python -m scaffolder.install PROJECT`: make or finish the environment of a project that is there."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from scaffolder import console
from scaffolder.errors import NewmodelError
from scaffolder.install import create_environment


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scaffolder.install", description=__doc__)
    parser.add_argument("project", type=Path)
    project = parser.parse_args(arguments).project
    try:
        answers = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8")) or {}
        create_environment(project, package_manager=answers.get("package_manager", "pip"))
    except NewmodelError as error:
        console.fail(str(error))
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
