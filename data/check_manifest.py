"""Check manifests and scene files: every line, every file they name, and that train and eval share nothing.

python data/check_manifest.py --files '[DATA/train.jsonl, DATA/eval.jsonl]' [--png DATA/check.png]
python data/check_manifest.py --config data/configs/check_manifest.yaml
"""

from spatial_llm.commands import load
from spatial_llm.door import door

if __name__ == "__main__":
    with door("check_manifest"):
        load("check").main(script=__doc__)
