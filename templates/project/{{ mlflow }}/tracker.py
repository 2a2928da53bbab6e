"""MLflow (https://mlflow.org/docs/latest/ml/tracking): on your team's server, or in this folder.

The environment variable MLFLOW_TRACKING_URI names the server; without it runs are kept in mlflow.db, and the
run configuration MLflow UI shows them. MLFLOW_EXPERIMENT_NAME changes the name that they stand under.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

NAME = "MLflow"
SECONDS_BETWEEN_SENDINGS = 5.0
"""A server may be far away: several points travel together."""
PARAMETERS_AT_ONCE = 100
"""MLflow takes no more."""


class Tracker:
    """One run in MLflow."""

    def __init__(
        self, project: str, name: str, *, group: str, config: Mapping[str, object], known: str
    ) -> None:
        """Begin a run, or go on with the one whose id is `known`."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # its makers need not know of this training
        # MLflow itself would wait for minutes for a server that does not answer.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        from mlflow import MlflowClient  # here, so that a script starts quickly, and without it as well
        from mlflow.entities import Metric, Param

        self.make_metric = Metric
        self.waiting: list[Metric] = []
        self.sent = time.monotonic()
        self.client = MlflowClient()
        if known:
            self.id = known
            self.client.update_run(known, status="RUNNING")
            return
        experiment = self.experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME") or project)
        self.id = self.client.create_run(experiment, run_name=name, tags={"group": group}).info.run_id
        parameters = [Param(key, str(value)) for key, value in config.items()]
        for first in range(0, len(parameters), PARAMETERS_AT_ONCE):
            self.client.log_batch(self.id, params=parameters[first : first + PARAMETERS_AT_ONCE])

    def experiment(self, name: str) -> str:
        """The id of the experiment of that name, which is made if it is missing."""
        found = self.client.get_experiment_by_name(name)
        return found.experiment_id if found else self.client.create_experiment(name)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Note the metrics after so many steps."""
        now = round(1000 * time.time())
        self.waiting += [self.make_metric(name, value, now, step) for name, value in metrics.items()]
        if time.monotonic() - self.sent >= SECONDS_BETWEEN_SENDINGS:
            self.send()

    def send(self) -> None:
        """Send what was noted."""
        self.client.log_batch(self.id, metrics=self.waiting)
        self.waiting, self.sent = [], time.monotonic()

    def finish(self, whole: bool) -> None:
        """Send the rest and end the run."""
        self.send()
        self.client.set_terminated(self.id, "FINISHED" if whole else "KILLED")
