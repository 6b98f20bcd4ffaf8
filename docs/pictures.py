"""Make the README's picture of the report with headless Chromium (Debian's package ``chromium``).

Run: make picture
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from cprmodel import Job, plan

HERE = Path(__file__).parent
QUIET = "--disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update"


def main() -> None:
    """Write docs/_static/report.png."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        plan(Job.from_file(HERE.parent / "examples" / "production-dlrm.toml")).save_report(page)
        command = ["chromium", "--headless", "--no-sandbox", *QUIET.split(), "--disable-sync", "--hide-scrollbars"]
        command += [f"--user-data-dir={folder}/profile", "--virtual-time-budget=8000", "--window-size=1000,1480"]
        command += [f"--screenshot={HERE / '_static' / 'report.png'}", page.as_uri()]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
