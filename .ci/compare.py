"""Compare the declared outputs of two project folders byte by byte: python .ci/compare.py ONE OTHER."""

import sys
from pathlib import Path

from vlac.files import sha256
from vlac.params.load import load_params
from vlac.workflow.jobs import jobs


def main() -> int:
    one, other = map(Path, sys.argv[1:])
    outputs = [path for job in jobs(load_params(one / "params.yaml")) for path in job.outputs]
    different = [path for path in outputs if sha256(one / path) != sha256(other / path)]
    for path in different:
        print(f"{path} differs between {one} and {other}")
    print(f"{len(outputs) - len(different)} of {len(outputs)} declared outputs are equal")
    return 1 if different or not outputs else 0


sys.exit(main())
