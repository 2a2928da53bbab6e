"""Weights & Biases (https://docs.wandb.ai): online where you are logged in, else in the folder wandb/.

`wandb login` sends later runs to your account, `wandb sync` those that are in the folder already. The run
configuration W&B runs shows them here, without an account. The environment variables WANDB_MODE (online,
offline, disabled), WANDB_PROJECT and WANDB_ENTITY say otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

NAME = "Weights & Biases"
SECONDS_TO_CONNECT = 30


class Tracker:
    """One run in Weights & Biases."""

    def __init__(
        self, project: str, name: str, *, group: str, config: Mapping[str, object], known: str
    ) -> None:
        """Begin a run, or go on with the one whose id is `known`."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # its makers need not know of this training
        # Here, so that a script starts quickly, and without it as well.
        import wandb

        offline = not os.environ.get("WANDB_MODE") and not logged_in()
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or project,
            name=name,
            group=group,
            config=dict(config),
            id=known or None,
            resume="allow" if known and not offline else None,
            mode="offline" if offline else None,
            reinit="create_new",
            # What is printed stays where it is: a progress bar in a log file is a thousand lines.
            settings=wandb.Settings(console="off", init_timeout=SECONDS_TO_CONNECT),
        )
        self.run.define_metric("*", step_metric="step")
        self.id = self.run.id

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Hand over the metrics after so many steps. The step is a metric: W&B's own can never go back."""
        self.run.log({**metrics, "step": step})

    def finish(self, whole: bool) -> None:
        """Send the rest and end the run."""
        self.run.finish(exit_code=0 if whole else 1)


def logged_in() -> bool:
    """Whether there is a key, where `wandb login` puts it or in the environment."""
    import wandb
    from requests.utils import get_netrc_auth

    return bool(os.environ.get("WANDB_API_KEY") or get_netrc_auth(wandb.Settings().base_url))
