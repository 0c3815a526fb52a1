"""`python -m spatial_llm` is `spatial-llm`; `accelerate launch -m spatial_llm finetune ...` trains on several processes."""

import sys

from spatial_llm.cli import main

if __name__ == "__main__":
    sys.exit(main())
