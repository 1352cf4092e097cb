#!/usr/bin/env bash
# What a node with a GPU is for, within so many minutes: the GPU tests, the speed, and with the rest the pipeline.
#
#   benchmarks/on_gpu.sh --minutes 9 --data FOLDER      in a clone or a copy of it; FOLDER has SVHN's .mat files
#   benchmarks/on_gpu.sh --minutes 3 --device cpu --tiny                                         the rehearsal
#
# OUT (--out, else build/gpu) becomes a project of --preset (else svhn_small) for `vlac work`; the same command resumes.
# At home, in a clone with the same params.yaml, `cat OUT/home.tar.* | tar x; vlac download; vlac prepare`, and then
# `snakemake --cores 2`, which takes what is finished. A part has at most 16 MiB. The node needs no engine, no network.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

minutes='' data='' preset=svhn_small device=auto out=build/gpu
while (($#)); do
    case $1 in
        --tiny) preset=tiny && shift ;;
        --minutes | --data | --preset | --device | --out) printf -v "${1#--}" %s "${2:?$1 needs a value}" && shift 2 ;;
        *) sed -n '2,9s/^# \?//p' "$0" >&2 && exit 2 ;;
    esac
done
[[ $minutes =~ ^[1-9][0-9]*$ ]] || { echo "error: give --minutes as a whole number" >&2 && exit 2; }
[ -z "$data" ] || { VLAC_DATA=$(realpath "$data") && export VLAC_DATA; }
[ "$device" != cpu ] || export CUDA_VISIBLE_DEVICES=
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"

# Without MPS a GPU runs the kernels of one process at a time.
if [ "$device" != cpu ] && nvidia-cuda-mps-control -d; then
    trap 'echo quit | nvidia-cuda-mps-control' EXIT
fi

mkdir -p "$out"/{results,reports,logs,checkpoints}
out=$(realpath "$out")
cp "$root/presets/$preset.yaml" "$out/params.yaml"
cd "$root"
if [ ! -e "$out/speed.md" ]; then
    mapfile -t marked < <(grep -l mark.gpu tests/test_*.py)
    timeout "$((12 * minutes))" python3 -m pytest -q -m gpu -p no:cacheprovider "${marked[@]}" >"$out/tests.txt" 2>&1 ||
        echo "exit status $? (124: out of time, 5: no GPU)" >>"$out/tests.txt"
    echo "GPU tests: $(tail -n 1 "$out/tests.txt")"
    timeout "$((20 * minutes))" python3 benchmarks/training_speed.py --presets "$preset" --device "$device" |
        tee "$out/speed.md.part" || echo "Not measured to the end." >>"$out/speed.md.part"
    mv "$out/speed.md.part" "$out/speed.md"
fi
cd "$out"
rest=$((60 * minutes - SECONDS - 15)) # seconds, without those of packing
rest=$((rest > 1 ? rest : 1))
minutes=$(printf '%d.%02d' $((rest / 60)) $((rest % 60 * 100 / 60)))
python3 -m vlac work --minutes "$minutes" --jobs "$(nproc)" || status=$?
rm -f home.tar.*
tar c --exclude=checkpoints/features results reports logs checkpoints | split --bytes 16M --numeric-suffixes - home.tar.
python3 -m vlac plan | tee plan.txt
exit "${status:-0}"
