"""Runs in the folder that cookiecutter has made, and fills it with what `newmodel init` makes of the same answers.

cookiecutter renders this file with the answers before it runs it. Where it fails, cookiecutter removes the folder.
"""

import json
import sys
from pathlib import Path

ANSWERS = json.loads({{cookiecutter | jsonify | tojson}})

try:
    from scaffolder.cookiecutter_front import fill
except ImportError:
    sys.exit(
        "This template needs newmodel in the Python that runs cookiecutter, which is "
        f'{sys.executable}; install it there: "{sys.executable}" -m pip install newmodel'
    )

sys.exit(fill(Path.cwd(), ANSWERS))
