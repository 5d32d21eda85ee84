"""``python -m joulebench`` is the ``joulebench`` command."""

from __future__ import annotations

from joulebench.cli import main

if __name__ == "__main__":
    main()
