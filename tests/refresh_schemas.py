"""Writes configs/schema.json of every cell anew; needed after a change of a configuration class in the templates.

python -m tests.refresh_schemas

A project's own test (test_configs.py) says when this is due.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import tempfile
from pathlib import Path

import copier
import yaml

from tests.environments import framework_environment, tasks

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"


def main() -> None:
    """Render each cell, let the project write its schema, and keep that among the templates."""
    questions = yaml.safe_load((TEMPLATES / "copier.yml").read_text(encoding="utf-8"))
    frameworks = [choice["value"] for choice in questions["framework"]["choices"].values()]
    python = framework_environment("pytorch")  # the classes need no framework, so one environment is enough
    for framework, task in itertools.product(frameworks, tasks()):
        with tempfile.TemporaryDirectory() as folder:
            data = {"framework": framework, "task": task, "package": "model"}
            copier.run_copy(str(TEMPLATES), folder, data=data, defaults=True, quiet=True, unsafe=False)
            subprocess.run([python, "-m", "model.schema"], cwd=folder, check=True)
            target = TEMPLATES / "project" / f"{{{{ {framework}_{task}_configs }}}}" / "schema.json"
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(Path(folder) / "configs" / "schema.json", target)
            print(target.relative_to(TEMPLATES))


if __name__ == "__main__":
    main()
