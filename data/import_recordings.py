"""Import recordings of your own with questions of your own: a CSV becomes manifests to train and to evaluate on.

python data/import_recordings.py --csv my.csv --out DATA
"""

from spatial_llm.commands import load
from spatial_llm.door import door

if __name__ == "__main__":
    with door("import_recordings"):
        load("import").main(script=__doc__)
