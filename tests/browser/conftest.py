"""One browser and one server for all browser tests; every page visited once.

What a visit finds (requests, errors, accessibility, widths) is kept, so that
each test can ask its own question without loading the page again.
"""

import functools
import http.server
import os
import shutil
import threading

import pytest

from tests.browser.visits import Visits
from tests.built_book import SITE, require_site

# As root, in a container, without calling home.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MISSING = (
    "no Chromium found: install it (Debian: apt install chromium) or name it in the "
    "environment variable CHROMIUM"
)


def pytest_addoption(parser):
    parser.addoption("--screenshots", help="folder for pictures of every page")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def address():
    """Serve the site, and give its address."""
    require_site()
    handler = functools.partial(QuietHandler, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, names)), None
    )
    if path is None:
        stop = pytest.fail if os.environ.get("CI") else pytest.skip
        stop(MISSING)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def visits(address, browser, request):
    folder = request.config.getoption("--screenshots", default=None)
    with Visits(browser, address, folder) as visits:
        yield visits
