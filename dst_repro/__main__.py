"""`python -m dst_repro`."""

from dst_repro.cli import main

raise SystemExit(main())
