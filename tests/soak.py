"""Update thousands of random projects end to end, with fresh randomness: `make soak`, `python tasks.py soak [CASES]`.

    python tests/soak.py 2000               so many cases
    python tests/soak.py 25 --seed 123      the batch of 25 that failed with this seed, once more

A batch has its own released versions. Exit code 1 if a case failed; each failure is shown as small as hypothesis can
make it, with the seed that brings it back.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from merge_cases import Step
from update_cases import MEMORY, World, check_end_to_end, make_world, person_steps, random_trees, scratch_cache

BATCH = 25


@dataclass
class Soak:
    """What has been tried so far."""

    wanted: int
    started: float = field(default_factory=time.monotonic)
    cases: int = 0
    conflicts: int = 0
    in_conflict: int = 0
    failed: list[int] = field(default_factory=list)

    def batch(self, number: int, cases: int) -> None:
        """Some cases with one set of released versions."""
        with tempfile.TemporaryDirectory(dir=MEMORY) as name, scratch_cache(Path(name)):
            world = make_world(Path(name), random_trees(number))
            try:
                self._cases(world, number, cases)
            except Exception:
                self.failed.append(number)
                print(f"\n{traceback.format_exc()}\nFailed: python tests/soak.py {cases} --seed {number}", flush=True)

    def _cases(self, world: World, number: int, cases: int) -> None:
        tried = 0

        @seeded(number)
        @settings(
            max_examples=cases,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(person_steps, st.integers(1, len(world.versions) - 1))
        def one(person: list[Step], version: int) -> None:
            nonlocal tried
            conflicts = check_end_to_end(world, person, version)
            if tried < cases:  # beyond that a failure is being made smaller
                tried += 1
                self.cases += 1
                self.conflicts += conflicts
                self.in_conflict += bool(conflicts)
                self.show()

        one()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def show(self) -> None:
        if not sys.stdout.isatty() and self.cases % BATCH:
            return
        left = self.seconds / self.cases * (self.wanted - self.cases)
        line = f"{self.cases} of {self.wanted} cases, {self.in_conflict} with conflicts, "
        line += f"{len(self.failed)} batches failed, {left / 60:.0f} min left"
        print(f"\r{line}" if sys.stdout.isatty() else line, end="" if sys.stdout.isatty() else "\n", flush=True)

    def summary(self) -> str:
        each = self.seconds / max(self.cases, 1)
        lines = [
            f"{self.cases} cases in {self.seconds / 60:.1f} min, {each:.2f} s each",
            f"{self.in_conflict} with conflicts, {self.conflicts} files in conflict",
            f"{len(self.failed)} of the batches failed" + "".join(f"\n  --seed {number}" for number in self.failed),
        ]
        return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=int, nargs="?", default=2_000, help="how many, 2000 by default")
    parser.add_argument("--seed", type=int, help="of a batch that failed")
    arguments = parser.parse_args()
    soak = Soak(arguments.cases)
    try:
        if arguments.seed is not None:
            soak.batch(arguments.seed, arguments.cases)
        else:
            begun = 0
            while begun < arguments.cases:
                size = min(BATCH, arguments.cases - begun)
                soak.batch(int.from_bytes(os.urandom(4), "big"), size)
                begun += size
    except KeyboardInterrupt:
        print("\nInterrupted.")
    print(f"\n{soak.summary()}")
    return 1 if soak.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
