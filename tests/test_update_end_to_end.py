"""60 random projects, updated end to end: nothing is lost, a second update is nothing, undo restores every byte.

`make soak` does the same 2,000 times with fresh randomness (tests/soak.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from merge_cases import Step, base_tree
from update_cases import World, check_end_to_end, make_world, person_steps, random_trees, scratch_cache

CASES = 60
SHARDS = 6

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with scratch_cache(folder):
        yield make_world(folder, random_trees(6))


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_projects(shard: int, world: World) -> None:
    @seed(shard)
    @settings(
        max_examples=CASES // SHARDS,
        derandomize=False,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(person_steps, st.integers(1, len(world.versions) - 1))
    def one(person: list[Step], version: int) -> None:
        check_end_to_end(world, person, version)

    one()


def test_undo_brings_folders_back_whose_parent_is_gone_after_the_first_files(tmp_path: Path) -> None:
    """The new version has one file in .idea, which undo removes first, and .idea with it, as it is then empty."""
    with scratch_cache(tmp_path):
        new = {path: content for path, content in base_tree().items() if not path.startswith(".idea/")}
        world = make_world(tmp_path, trees=[base_tree(), new | {".idea/new.xml": b"<project />"}])
        check_end_to_end(world, [], 1)
