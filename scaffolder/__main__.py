"""`python -m scaffolder` is the `newmodel` command."""

from scaffolder.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
