"""The CloudWatch of the embedded AWS within a test, with the evaluation of alarms as on AWS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ministack.core.responses import set_request_region
from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

from local import alarms


@contextmanager
def evaluating() -> Iterator[None]:
    """Evaluate alarms within the block; nothing of it is left behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cloudwatch, "_evaluate_alarm", cloudwatch._evaluate_alarm)
        patch.setattr(provisioners, "_cw_metric_alarm_record", provisioners._cw_metric_alarm_record)
        set_request_region("eu-north-1")
        alarms.replace_evaluation()
        yield
        cloudwatch.reset()
        set_request_region(None)
