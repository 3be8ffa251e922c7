"""``python -m omlzoo`` is the command ``omlzoo``."""

import sys

from omlzoo.cli import main

if __name__ == "__main__":
    sys.exit(main())
