"""The places of Regions and users: cities, areas, distances and network time."""

from __future__ import annotations

import csv
import math
import re
import zoneinfo
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sustainability.errors import UserError, choose
from sustainability.facts.lookup import DATA, Facts
from sustainability.facts.ranges import Estimate

_EARTH_RADIUS_KM = 6371
_TABLE = "zone.tab"
_COORDINATES = re.compile(r"([+-])(\d{2,3})(\d{2})(?:\d{2})?([+-])(\d{3})(\d{2})(?:\d{2})?")


class PlaceError(UserError):
    """An unknown Region. The message has the nearest, or lists the known ones."""


@dataclass(frozen=True)
class Coordinates:
    """Degrees north and east."""

    latitude: float
    longitude: float

    def km_to(self, other: Coordinates) -> float:
        """Return the great-circle distance in km."""
        north, east = math.radians(self.latitude), math.radians(self.longitude)
        other_north, other_east = math.radians(other.latitude), math.radians(other.longitude)
        half_chord = (
            math.sin((other_north - north) / 2) ** 2
            + math.cos(north) * math.cos(other_north) * math.sin((other_east - east) / 2) ** 2
        )
        return 2 * _EARTH_RADIUS_KM * math.asin(math.sqrt(half_chord))


@dataclass(frozen=True)
class Place:
    """A Region on the map."""

    region: str
    city: str
    country: str
    """ISO 3166 code with two letters."""
    areas: frozenset[str]
    coordinates: Coordinates

    def within(self, area: str) -> bool:
        """Return whether the Region is in ``area``: a country code, or an area such as EU."""
        return area.upper() in self.areas | {self.country}


@cache
def places() -> dict[str, Place]:
    """Return every commercial Region of ``sustainability/facts/data/places.csv``."""
    with (DATA / "places.csv").open(encoding="utf-8", newline="") as lines:
        return {
            row["region"]: Place(
                row["region"],
                row["city"],
                row["country"],
                frozenset(row["areas"].split()),
                Coordinates(float(row["latitude"]), float(row["longitude"])),
            )
            for row in csv.DictReader(lines)
        }


def place(region: str) -> Place:
    """Return one Region.

    Raises
    ------
    PlaceError
        If the Region does not exist.
    """
    try:
        return places()[region]
    except KeyError:
        raise PlaceError(
            f"{region} is not a known Region; {choose(region, sorted(places()))}"
        ) from None


@cache
def areas() -> frozenset[str]:
    """Return the areas and countries that have a Region, as ``footprint.within`` names them."""
    return frozenset(name for entry in places().values() for name in entry.areas | {entry.country})


def timezone_coordinates(timezone: str) -> Coordinates | None:
    """Return the coordinates of the main city of a time zone; ``None`` if it has none, as UTC."""
    for folder in zoneinfo.TZPATH:
        table = Path(folder) / _TABLE
        if table.is_file():
            for line in table.read_text(encoding="utf-8").splitlines():
                fields = line.split("\t")
                if len(fields) > 2 and fields[2] == timezone:
                    return _parse_coordinates(fields[1])
    return None


def _parse_coordinates(text: str) -> Coordinates | None:
    match = _COORDINATES.fullmatch(text)
    if match is None:
        return None
    north, degrees, minutes, east, other_degrees, other_minutes = match.groups()
    return Coordinates(
        float(f"{north}1") * (int(degrees) + int(minutes) / 60),
        float(f"{east}1") * (int(other_degrees) + int(other_minutes) / 60),
    )


def round_trip_ms(km: float, facts: Facts) -> Estimate:
    """Return an estimate of the round-trip time over a distance, in milliseconds."""
    return facts("grid/latency_per_1000_km", "ms") * (km / 1000)
