"""How wide a page is in headless Chromium, at several widths of the window."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
TELL = """
<script>
const buttons = [...document.querySelectorAll("#profiles ~ .wide thead button")];
const total = buttons.find((one) => one.textContent === "Time in all");
total.click(); total.click();
const place = buttons.indexOf(total);
const aside = (one) => one.offsetParent &&
  one.getBoundingClientRect().bottom > one.closest("table").tHead.getBoundingClientRect().top + 1;
const rows = [...total.closest("table").tBodies[0].rows];
parent.postMessage([innerWidth, document.documentElement.scrollWidth,
  document.querySelectorAll("thead button").length,
  [...document.querySelectorAll("caption")].filter(aside).map((one) => one.textContent),
  rows.map((row) => Number(row.children[place].dataset.sort))], "*");
</script>
"""
WRAPPER = """<!DOCTYPE html><body><pre id="said"></pre><script>
const said = [];
onmessage = (e) => { said.push(e.data);
  document.getElementById("said").textContent = JSON.stringify(said); };
</script>%s</body>"""


def measure(html: str, widths: tuple[int, ...], folder: Path) -> list[list[Any]]:
    """At each width: that of the window and of the page, buttons that sort, captions that do not
    stand above their table, and the times of all profiles after two clicks on theirs.
    """
    (folder / "inner.html").write_text(html.replace("</body>", f"{TELL}</body>"))
    frames = "".join(
        f'<iframe src="inner.html" width="{w}" height="900" style="border:0"></iframe>'
        for w in widths
    )
    (folder / "outer.html").write_text(WRAPPER % frames)
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=2000,1000",
        f"--user-data-dir={folder / 'browser'}",
        "--virtual-time-budget=20000",
        "--dump-dom",
        (folder / "outer.html").as_uri(),
    ]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    return sorted(json.loads(re.search(r'id="said">(.*?)</pre>', found)[1]))
