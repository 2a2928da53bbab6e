"""The command line of every script: a thin layer over jsonargparse.

Configuration files are read in order, then each `--config FILE`, then each `--section.field value`.
What comes later wins. With `--training.resume`, the run's own settings stand in place of the first files.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .config_file import PROJECT, Given, convert, make_config, read_settings, to_yaml, unknown
from .console import print_error, say
from .errors import UserError
from .run_selection import run_to_resume
from .settings import NOT_SET, Setting, describe_type, settings_of

Config = TypeVar("Config")
PROFILE = "configs/profile.yaml"  # what `--profile` is short for
SWITCHES = {"-h": "help", "--help": "help", "--print_config": "print_config"}


def parse(
    config_class: type[Config],
    *,
    description: str,
    config_files: Sequence[str],
    argv: Sequence[str] | None = None,
    stage: str = "",
) -> Config:
    """Return an instance of `config_class`, filled from files and the command line.

    Args:
        config_class: a frozen dataclass whose fields are values or further dataclasses (the sections).
        description: first lines of `--help`.
        config_files: YAML files that are always read, relative to the project's folder; later ones win.
        argv: arguments without the program's name. None takes the real command line, and makes the project's
            folder the working directory, so that `data/table.csv` means the same wherever it was started.
        stage: whose runs `training.resume` means; one that is resumed brings its own settings.

    Raises:
        UserError: for a file, name or value that is wrong.
        SystemExit: after `--help` or `--print_config`.
    """
    if argv is None:
        argv = sys.argv[1:]
        os.chdir(PROJECT)
    settings = settings_of(config_class)
    options = list(split_arguments(argv, settings))
    asked = {option.name for option in options}
    files = [PROJECT / name for name in config_files]
    written = [one for file in files for one in read_settings(file, settings)]
    files = [find_config(option.value) for option in options if option.name == "config"]
    asked_for = [one for file in files for one in read_settings(file, settings)]
    asked_for += [option for option in options if option.name in settings]
    if "help" in asked:
        given = [*written, *asked_for]
        print_help(description, settings, {one.name: convert(one, settings[one.name]) for one in given})
        raise SystemExit(0)
    resume = [one for one in (*written, *asked_for) if one.name == "training.resume"][-1:]
    if stage and resume and resume[0].value:
        run = run_to_resume(stage, resume[0].value)
        written = [*read_settings(run.folder / "config.yaml", settings), *resume]
    config = make_config(config_class, [*written, *asked_for])
    if "print_config" in asked:
        say(to_yaml(config))
        raise SystemExit(0)
    return config


def split_arguments(argv: Sequence[str], settings: dict[str, Setting]) -> Iterator[Given]:
    """Cut a command line into options: `--name value`, `--name=value`, or `--name` alone for a switch."""
    words = list(argv)
    while words:
        word = words.pop(0)
        name, equals, value = word[2:].partition("=")
        if word in SWITCHES:
            yield Given(SWITCHES[word], None, "command line")
            continue
        if word == "--profile" and "training.profile" in settings:
            yield Given("config", PROFILE, "command line")
            continue
        if not word.startswith("--"):
            is_file = os.path.exists(word)  # noqa: PTH110 - pathlib refuses names that are too long
            quotes = ", and a name with * in quotes" if is_file else ""
            raise UserError(
                f"command line: {word!r} stands alone; write --name value, such as --config FILE{quotes}."
            )
        if name != "config" and name not in settings:
            raise UserError(f"command line: {unknown(name, ['config', *settings], dashes='--')}")
        if not equals and words and not words[0].startswith("--"):
            value = words.pop(0)
        elif not equals and name in settings and settings[name].type is bool:
            value = "true"
        elif not equals:
            raise UserError(f"command line: --{name} needs a value after it.")
        yield Given(name, value, "command line")


def find_config(name: str) -> Path:
    """Find the file of `--config`: from the working directory, else from the project's folder."""
    return Path(name) if Path(name).exists() else PROJECT / name


def print_help(description: str, settings: dict[str, Setting], values: dict[str, Any]) -> None:
    """Print every setting with its meaning, its type and the value it has now."""
    program = Path(sys.argv[0]).name
    usage = f"{program} [--config FILE] [--NAME VALUE ...]"
    parser = argparse.ArgumentParser(prog=program, description=description, usage=usage)
    parser.add_argument("--config", metavar="FILE", help="a YAML file whose values replace those in configs/")
    parser.add_argument(
        "--print_config", action="store_true", help="print the configuration that results, and end"
    )
    if "training.profile" in settings:
        text = f"a few steps: where does the time go? Short for --config {PROFILE}"
        parser.add_argument("--profile", action="store_true", help=text)
    groups: dict[str, Any] = {}
    for name, setting in settings.items():
        section = name.rpartition(".")[0]
        if section not in groups:
            groups[section] = parser.add_argument_group(section or "general")
        value = values.get(name, setting.default)
        state = "required" if value is NOT_SET else f"now: {value!r}"
        text = f"{setting.description} [{describe_type(setting.type)}; {state}]".strip().replace("%", "%%")
        groups[section].add_argument(f"--{name}", metavar="VALUE", help=text)
    parser.print_help()


def run(main: Callable[[], object]) -> int:
    """Run a stage and return its exit code: 0 fine, 2 the person must mend something, 130 interrupted.

    Any other exception is a mistake in the code and passes through: its traceback is what helps.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a console that lacks a character shows ? instead of failing
            stream.reconfigure(errors="replace")
    try:
        main()
    except UserError as error:
        print_error(str(error))
        return 2
    except KeyboardInterrupt as interruption:
        print_error(" ".join(["Interrupted.", *map(str, interruption.args)]))
        return 130
    except OSError as error:
        place = error.filename or Path.cwd()
        if error.errno == errno.ENOSPC:
            print_error(f"The disk is full ({place}): delete old folders in runs/ and start again.")
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR):
            print_error(
                f"{place} cannot be written or read ({error.strerror}): close it in other programs, or see "
                "who may write there."
            )
        else:
            raise
        return 2
    except Exception as error:
        if type(error).__name__ not in ("OutOfMemoryError", "ResourceExhaustedError"):
            raise
        print_error(
            "Out of memory. In training, halve training.batch_size and double training.accumulation_steps; "
            "otherwise take a smaller batch_size or model, or end what else uses the memory."
        )
        return 2
    return 0
