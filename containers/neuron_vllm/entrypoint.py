"""Start the accelerator monitor beside the model server, then become the server.

The server keeps this process: signals reach it, and its exit code is the container's. On Neuron
cores, a start that would compile or download the model is refused.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def refusal(environ: Mapping[str, str]) -> str | None:
    """Why the server would compile or download its model at start, and the cure; None if it won't.

    A compiled model is a folder with what `optimum-cli export neuron` writes, here as of
    optimum-neuron 0.4.5: neuron_config.json, model.pt (the graphs) and *.safetensors (the weights,
    which it writes only if it exports from a local folder).
    """
    if "SM_ON_ALLOW_NON_CACHED_MODEL" in environ:
        return "SM_ON_ALLOW_NON_CACHED_MODEL lets the server compile the model: unset it"
    if not environ.get("SM_ON_MODEL"):
        return "SM_ON_MODEL is not set: set it to the folder of the compiled model, /opt/ml/model"
    folder = Path(environ["SM_ON_MODEL"])
    missing = [name for name in ("neuron_config.json", "model.pt") if not (folder / name).is_file()]
    if missing:
        return (
            f"SM_ON_MODEL={folder} has no {' and no '.join(missing)}, so the server would compile: "
            "put there what `optimum-cli export neuron` wrote"
        )
    if not any(folder.rglob("*.safetensors")):
        return (
            f"SM_ON_MODEL={folder} has no *.safetensors, so the server would download the weights: "
            "export the model from a local folder, not from a Hub id"
        )
    return None


def main() -> None:
    """Check, start the monitor, and replace this process with the server."""
    server = os.environ.get("SERVER_ENTRYPOINT", "")
    executable = shutil.which(server)
    if not executable:
        sys.exit(
            f"SERVER_ENTRYPOINT={server!r} is no executable file: name the base image's entrypoint"
        )
    on_gpu = not shutil.which("neuron-monitor") and shutil.which("nvidia-smi")
    if not on_gpu and (reason := refusal(os.environ)):
        sys.exit(f"refusing to start: {reason}")
    _start_monitor("nvidia-smi" if on_gpu else "neuron-monitor")
    try:
        os.execv(executable, [executable, *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"SERVER_ENTRYPOINT={server!r} cannot be run: {error}")


def _start_monitor(tool: str) -> None:
    """Start the monitor; serve without it if that fails."""
    module = f"{_HERE.name}.accelerator_monitor"
    try:
        subprocess.Popen(
            [sys.executable, "-m", module, str(os.getpid()), tool],
            cwd=_HERE.parent,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        print(f"accelerator monitor: {error}; serving goes on without metrics", file=sys.stderr)


if __name__ == "__main__":
    main()
