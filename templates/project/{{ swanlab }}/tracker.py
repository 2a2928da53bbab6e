"""SwanLab (https://docs.swanlab.cn): online where you are logged in, else in the folder swanlog/.

`swanlab login` sends later runs to your account. The run configuration SwanLab shows those in the folder. The
environment variable SWANLAB_MODE (online, local, offline, disabled) says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

NAME = "SwanLab"


class Tracker:
    """One run in SwanLab."""

    def __init__(
        self, project: str, name: str, *, group: str, config: Mapping[str, object], known: str
    ) -> None:
        """Begin a run, or go on with the one whose id is `known`: online; in the folder it is a new one."""
        # Here, so that a script starts quickly, and without it as well.
        import swanlab

        mode = os.environ.get("SWANLAB_MODE") or ("online" if swanlab.Settings().api_key else "local")
        going_on = known and mode in ("online", "cloud")
        self.run = swanlab.init(
            project=project,
            name=name,
            group=group,
            config=dict(config),
            id=known if going_on else None,
            resume="allow" if going_on else None,
            mode=mode,
            reinit=True,
            # What is printed stays where it is: a progress bar in a log file is a thousand lines.
            settings=swanlab.Settings(terminal={"proxy_type": "none"}),
        )
        self.id = self.run.id

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Hand over the metrics after so many steps."""
        self.run.log(dict(metrics), step=step)

    def finish(self, whole: bool) -> None:
        """Send the rest and end the run."""
        self.run.finish("success" if whole else "aborted")
