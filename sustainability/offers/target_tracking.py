"""How target tracking of Application Auto Scaling works, as AWS documents and others observe.

Source: the alarms that a policy makes, Application Auto Scaling user guide; the lower alarm's
quarter of an hour and nine tenths as seen by others.
"""

from __future__ import annotations

OUT_DATAPOINTS = 3
"""Datapoints above the target after which copies are added."""
IN_SECONDS = 900
"""How long the metric stays low until copies are taken away. This is also how long a queue is empty
until an asynchronous endpoint sleeps."""
IN_THRESHOLD = 0.9
"""Share of the target below which the metric is low."""
