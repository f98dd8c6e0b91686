"""JupyterLab on loopback with the explorer open in a browser, for the tests."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from .conftest import ROOT

TOKEN = "a-token-for-the-tests"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def explored(folder, browser_arguments, picture=None):
    """Run 1_explore, move its severity to the end; gives the cost before and after, and the page's errors."""
    from playwright.sync_api import sync_playwright

    shutil.copy(ROOT / "notebooks" / "1_explore.ipynb", folder)
    address = f"http://127.0.0.1:{(port := free_port())}"
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.ip=127.0.0.1",
         f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}", "--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(f"{address}/api?token={TOKEN}")
        with sync_playwright() as p:
            browser = p.chromium.launch(**browser_arguments)
            page = browser.new_page(viewport={"width": 1400, "height": 1500})
            errors: list[str] = []
            page.on("pageerror", lambda e: errors.append(str(e)))
            page.goto(f"{address}/lab/tree/1_explore.ipynb?token={TOKEN}")
            page.locator(".jp-Notebook").wait_for(timeout=60_000)
            page.get_by_text("| Idle").wait_for(timeout=60_000)  # cells run before the kernel is ready are lost
            page.get_by_text("Run", exact=True).first.click()
            page.locator(".lm-Menu-itemLabel:text-is('Run All Cells')").click()
            costs = page.locator(".jp-OutputArea table")
            costs.first.wait_for(timeout=120_000)
            before = page.locator(".jp-OutputArea").last.inner_text()
            if picture:
                page.screenshot(path=picture)
            slider = page.locator(".widget-slider .noUi-handle").first
            slider.focus()
            slider.press("End")
            page.wait_for_function(
                "before => [...document.querySelectorAll('.jp-OutputArea')].at(-1).innerText != before",
                arg=before,
                timeout=60_000,
            )
            time.sleep(2)
            after = page.locator(".jp-OutputArea").last.inner_text()
            browser.close()
        return before, after, errors
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(address, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return urllib.request.urlopen(address, timeout=5).read()
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
