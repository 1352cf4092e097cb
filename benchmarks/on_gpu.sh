#!/usr/bin/env bash
# Tests, speed and the paper's rows on a GPU node, for so many minutes: `benchmarks/on_gpu.sh --help`.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec python3 "$root/benchmarks/on_gpu.py" "$@"
