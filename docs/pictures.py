"""Make the pictures of the report and of the page to play with (headless Chromium, Debian's ``chromium``).

Run: make picture
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from cprmodel import Job, plan
from cprmodel.report.whatif import write_whatif

HERE = Path(__file__).parent
QUIET = "--disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update"


def picture(page: Path, name: str, size: str) -> None:
    """Write docs/_static/NAME."""
    command = ["chromium", "--headless", "--no-sandbox", *QUIET.split(), "--disable-sync", "--hide-scrollbars"]
    command += [f"--user-data-dir={page.parent}/profile", "--virtual-time-budget=8000", f"--window-size={size}"]
    command += [f"--screenshot={HERE / '_static' / name}", page.as_uri()]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    """Write docs/_static/report.png and whatif.png."""
    job = Job.from_file(HERE.parent / "examples" / "production-dlrm.toml")
    with tempfile.TemporaryDirectory() as folder:
        plan(job).save_report(Path(folder) / "report.html")
        picture(Path(folder) / "report.html", "report.png", "1000,1480")
        write_whatif(job, Path(folder) / "whatif.html")
        picture(Path(folder) / "whatif.html", "whatif.png", "1280,1000")


if __name__ == "__main__":
    main()
