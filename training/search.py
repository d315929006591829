"""A search for the learning rate and the rank, only when asked, and within a number of trials.

Bayesian (TPE), with Hyperband to end hopeless trials early: every trial costs energy.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from transformers import TrainerCallback

from training.data import Example
from training.job import JobError

_RATES = (1e-5, 2e-3)
_RANKS = (4, 8, 16)


def best(
    asked: argparse.Namespace, examples: Sequence[Example], device: str, folder: Path
) -> dict[str, Any]:
    """Return the settings whose validation loss was least.

    Raises
    ------
    JobError
        If nothing is held back to compare by.
    """
    from training.train import Run, run_identity

    if not asked.patience:
        raise JobError("search-trials: needs patience above 0, for trials are judged by their loss")

    def objective(trial: optuna.Trial) -> float:
        settings = {"learning_rate": trial.suggest_float("learning_rate", *_RATES, log=True)}
        if asked.method == "lora":
            settings["rank"] = trial.suggest_categorical("rank", _RANKS)
        tried = argparse.Namespace(**vars(asked) | settings)
        watch = _Watch(trial)
        run = Run(tried, examples, device)
        run.train(folder / "trials" / run_identity(tried, examples), [watch])
        if watch.hopeless:
            raise optuna.TrialPruned
        return watch.least

    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=asked.seed),
        pruner=optuna.pruners.HyperbandPruner(max_resource=asked.checks),
    )
    study.optimize(objective, n_trials=asked.search_trials)
    chosen: dict[str, Any] = study.best_params
    return chosen


class _Watch(TrainerCallback):  # type: ignore[misc]
    """Tells the study each loss, and ends a trial that the pruner gives up."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial
        self._checks = 0
        self.hopeless = False
        self.least = float("inf")

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any, **_: Any) -> None:
        """Report a loss."""
        loss = metrics["eval_loss"]
        self._checks += 1
        self.least = min(self.least, loss)
        self._trial.report(loss, self._checks)
        if self._trial.should_prune():
            self.hopeless = control.should_training_stop = True
