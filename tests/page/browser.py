"""Where a Chromium is. As a program: sees to it that there is one, where it may."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


def chromium() -> str | None:
    """The path of one: `LAMPORT_CHROMIUM`, or what the machine has."""
    names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    found = (shutil.which(name) for name in names)
    return os.environ.get("LAMPORT_CHROMIUM") or next((path for path in found if path), None)


def main() -> int:
    """Installs one on a machine of CI's; people are told to."""
    may_install = os.environ.get("CI") == "true" and os.geteuid() == 0 and shutil.which("apt-get")
    if not chromium() and may_install:
        subprocess.run(["apt-get", "-qq", "update"], check=True)
        subprocess.run(["apt-get", "-qqy", "install", "chromium"], check=True)
    if chromium():
        return 0
    print("NO CHROMIUM: install one, or name it in LAMPORT_CHROMIUM", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
