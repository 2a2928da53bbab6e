"""What is installed in the project's interpreter? Versions are read, nothing is imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scaffolder.environment.facts import Finding, Frameworks, project_python
from scaffolder.environment.system import System

PACKAGES = ("torch", "tensorflow", "keras", "accelerate", "transformers", "scikit-learn")

_QUESTION = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def probe(system: System, folder: Path) -> tuple[dict[str, Any], list[Finding]]:
    """Versions in the project's `.venv` where there is one, otherwise in an active environment or the PATH's Python."""
    own = str(project_python(folder, system.platform))
    active = system.environ.get("VIRTUAL_ENV") or system.environ.get("CONDA_PREFIX")
    candidates = [own] if system.exists(own) else []
    if active:
        candidates.append(
            str(Path(active, "python.exe" if "CONDA_PREFIX" in system.environ else "Scripts/python.exe"))
            if system.platform == "win32"
            else str(Path(active, "bin", "python"))
        )
    candidates += filter(None, [system.which("python3"), system.which("python")])
    for python in candidates:
        answer = system.run([python, "-I", "-c", _QUESTION, *PACKAGES], timeout=10.0)
        if not answer.ok:
            continue
        try:
            versions = json.loads(answer.stdout)
        except ValueError:
            continue
        if isinstance(versions, dict):
            kept = {str(name): str(version) for name, version in versions.items()}
            return {"frameworks": Frameworks(python=python, versions=kept)}, []
    return {}, []
