"""Live carbon signals with the interface :class:`sustainability.plan.clean_hours.Signal`.

The environment decides which one is used: ``ELECTRICITY_MAPS_TOKEN`` (average intensity),
``WATTTIME_USERNAME`` and ``WATTTIME_PASSWORD`` (marginal intensity), otherwise the static profile.
Average and marginal values have different meanings and are never mixed.
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sustainability.errors import UserError
from sustainability.offers.region_map import Coordinates, place
from sustainability.plan.clean_hours import Intensity, Signal, StaticProfile, whole_hours

_ELECTRICITY_MAPS = "https://api.electricitymaps.com/v3/carbon-intensity/forecast"
_WATTTIME = "https://api.watttime.org"
_GRAMS_PER_POUND = 453.59237
_KWH_PER_MWH = 1000
_TIMEOUT_S = 10

Fetch = Callable[[str, Mapping[str, str]], Any]
"""Sends a GET request to a URL with headers and returns the parsed JSON."""


class SignalError(UserError):
    """A live signal did not return the requested values."""


def fetch_json(url: str, headers: Mapping[str, str]) -> Any:
    """Send a GET request and parse the answer.

    Raises
    ------
    SignalError
        If the service rejects the request, does not answer, or does not return JSON.
    """
    host = urllib.parse.urlsplit(url).netloc
    try:
        request = urllib.request.Request(url, headers=dict(headers))
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            return json.load(response)
    except (OSError, ValueError) as error:
        raise SignalError(f"{host}: {error}") from error


@dataclass(frozen=True)
class ElectricityMaps:
    """The forecast of Electricity Maps: average life-cycle intensity, by coordinates."""

    token: str
    coordinates: Coordinates
    fetch: Fetch = fetch_json

    @property
    def source(self) -> str:
        """What a report names."""
        return "Electricity Maps forecast, average intensity"

    def hours(self, start: datetime, end: datetime) -> Sequence[Intensity]:
        """Return the forecast of each hour."""
        query = urllib.parse.urlencode(
            {"lat": self.coordinates.latitude, "lon": self.coordinates.longitude}
        )
        answer = self.fetch(f"{_ELECTRICITY_MAPS}?{query}", {"auth-token": self.token})
        return _by_hour(
            self.source,
            _points(self.source, answer, "forecast", "datetime", "carbonIntensity"),
            start,
            end,
        )


@dataclass(frozen=True)
class WattTime:
    """The forecast of WattTime: marginal operating emissions rate, by coordinates."""

    username: str
    password: str
    coordinates: Coordinates
    fetch: Fetch = fetch_json

    @property
    def source(self) -> str:
        """What a report names."""
        return "WattTime forecast, marginal intensity"

    def hours(self, start: datetime, end: datetime) -> Sequence[Intensity]:
        """Return the forecast of each hour, the mean of its five-minute values."""
        basic = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        login = self.fetch(f"{_WATTTIME}/login", {"Authorization": f"Basic {basic}"})
        token = {"Authorization": f"Bearer {_field(self.source, login, 'token')}"}
        where = urllib.parse.urlencode(
            {
                "latitude": self.coordinates.latitude,
                "longitude": self.coordinates.longitude,
                "signal_type": "co2_moer",
            }
        )
        region = self.fetch(f"{_WATTTIME}/v3/region-from-loc?{where}", token)
        what = urllib.parse.urlencode(
            {"region": _field(self.source, region, "region"), "signal_type": "co2_moer"}
        )
        answer = self.fetch(f"{_WATTTIME}/v3/forecast?{what}", token)
        points = _points(self.source, answer, "data", "point_time", "value")
        grams = [(moment, value * _GRAMS_PER_POUND / _KWH_PER_MWH) for moment, value in points]
        return _by_hour(self.source, grams, start, end)


def choose_signal(region: str, environment: Mapping[str, str]) -> Signal:
    """Return the live signal for which ``environment`` has a key, otherwise the static profile."""
    coordinates = place(region).coordinates
    if token := environment.get("ELECTRICITY_MAPS_TOKEN"):
        return ElectricityMaps(token, coordinates)
    username, password = (environment.get(f"WATTTIME_{name}") for name in ("USERNAME", "PASSWORD"))
    if username and password:
        return WattTime(username, password, coordinates)
    return StaticProfile(region)


def _field(source: str, answer: Any, name: str) -> Any:
    if not isinstance(answer, dict) or name not in answer:
        raise SignalError(f"{source}: the answer has no {name!r}")
    return answer[name]


def _points(
    source: str, answer: Any, name: str, moment: str, value: str
) -> list[tuple[datetime, float]]:
    try:
        return [
            (datetime.fromisoformat(point[moment]).astimezone(UTC), float(point[value]))
            for point in _field(source, answer, name)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise SignalError(f"{source}: an entry of {name!r} has no {moment} and {value}") from error


def _by_hour(
    source: str, points: Sequence[tuple[datetime, float]], start: datetime, end: datetime
) -> list[Intensity]:
    by_hour: dict[datetime, list[float]] = {}
    for moment, value in points:
        by_hour.setdefault(moment.replace(minute=0, second=0, microsecond=0), []).append(value)
    found = []
    for hour in whole_hours(start, end):
        if hour not in by_hour:
            raise SignalError(
                f"{source}: no value for {hour:%Y-%m-%d %H:%M} UTC; shorten the deadline"
            )
        found.append(Intensity(hour, sum(by_hour[hour]) / len(by_hour[hour])))
    return found
