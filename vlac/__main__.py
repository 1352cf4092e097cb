"""`python -m vlac`: the command line."""

import sys

# On a cluster the first Python met is often the system's, which may be too old to read the rest of the package.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit("error: vlac needs Python 3.11 or later, and this is %d.%d." % sys.version_info[:2])  # noqa: UP031

try:
    from vlac.cli import main
except KeyboardInterrupt:  # before `main` is there to say so
    print("interrupted: nothing was begun.", file=sys.stderr)
    sys.exit(130)

sys.exit(main())
