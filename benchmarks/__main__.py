"""``python -m benchmarks [NAME …] [--json]``: run all measurements, or those of these names."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from dataclasses import asdict

import benchmarks
from benchmarks.measurement import table

NAMES = sorted(
    module.name
    for module in pkgutil.iter_modules(benchmarks.__path__)
    if module.name not in ("__main__", "measurement", "pairs", "peers", "traces")
)


def main() -> int:
    """Run benchmarks one after the other; each module's ``run`` returns its measurements."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    measured = {}
    for name in options.names or NAMES:
        print(f"{name} …", file=sys.stderr)
        module = importlib.import_module(f"benchmarks.{name}")
        measured[name] = module.run()
        if not options.json:
            heading = module.__doc__.splitlines()[0]
            print(f"\n{heading}\n{table(measured[name])}", flush=True)
    if options.json:
        rows = {name: [asdict(item) for item in items] for name, items in measured.items()}
        print(json.dumps(rows, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
