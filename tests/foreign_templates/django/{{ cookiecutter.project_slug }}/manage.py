#!/usr/bin/env python
import os
import sys
from pathlib import Path


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    from django.core.management import execute_from_command_line

    # the apps lie in a folder of their own
    sys.path.append(str(Path(__file__).parent.resolve() / "{{ cookiecutter.project_slug }}"))
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
