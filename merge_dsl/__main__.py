"""`python -m merge_dsl` is `awase`."""

import sys

from merge_dsl.cli import main

sys.exit(main())
