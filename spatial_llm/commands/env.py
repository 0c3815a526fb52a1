"""Versions and devices, for a bug report.

spatial-llm env
"""

import platform
from collections.abc import Sequence

import torch

from spatial_llm.commands.arguments import Parser
from spatial_llm.provenance import provenance


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    Parser("env", script or __doc__).parse_args(argv)
    record = provenance()
    print(f"python {platform.python_version()} on {platform.system()}")
    for name, version in record["versions"].items():
        print(f"{name} {version}")
    print(f"git {record['git_hash']}")
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    print(f"devices: {', '.join(devices) or 'CPU only'}, {torch.get_num_threads()} threads")
