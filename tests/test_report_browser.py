"""The page in a real browser: from disk, with filters, permalinks and keyboard, without a word on the console or a byte on the network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import records

from faultlab.report import gather
from faultlab.report.page import write

playwright_api = pytest.importorskip("playwright.sync_api", reason="no playwright here: pip install playwright")
CHROMIUM = os.environ.get("FAULTLAB_CHROMIUM") or shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium, or name it in FAULTLAB_CHROMIUM"),
    pytest.mark.filterwarnings("default"),
]
ARGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
ARGS += "--disable-background-networking --disable-component-update --disable-sync"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=ARGS.split())
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    other = [p | {"stack": "linux-6.1.1"} for p in records.mixture()[:6]]
    other[3] = other[3] | {
        "observations": [records.error("connect", "EHOSTUNREACH", "no route")],
        "verdict": "differs",
        "differences": ["step 1 (connect): x"],
    }
    paths = [
        records.save(folder / "a.jsonl", records.record()),
        records.save(folder / "b.jsonl", records.record(other, status=None, kernel="6.1.1", started="2026-02-01T00:00:00+00:00")),
    ]
    write(gather(paths), folder / "report.html")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("faultlab.report.page.INLINE", 3)
        write(gather(paths), folder / "many.html")
        write(gather(paths), folder / "one.html", one_file=True)
    return folder / "report.html"


class Opened:
    """A page with everything it asked for and everything it said."""

    def __init__(self, browser: Any, file: Path, fragment: str = "", **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce", **options})
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda m: self.said.append(m.text))
        self.page.on("pageerror", lambda e: self.said.append(str(e)))
        self.page.on("dialog", self._refuse)
        self.page.on("request", lambda r: self.asked.append(r.url.split("#")[0]))
        self.page.goto(f"file://{file}{fragment}")

    def _refuse(self, dialog: Any) -> None:
        self.said.append("dialog")
        dialog.dismiss()

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        url = self.page.url.split("#")[0]
        self.context.close()
        assert self.said == []
        assert set(self.asked) == {url}

    def until(self, expression: str) -> None:
        """Let frames pass until it is true; wait_for_function() would need eval in the page, which the page forbids."""
        for _ in range(600):
            if self.page.evaluate(expression):
                return
            self.page.evaluate("new Promise(requestAnimationFrame)")
        raise AssertionError(f"never true: {expression}")

    def rows(self) -> list[str]:
        found: list[str] = self.page.eval_on_selector_all(
            ".matrix:not([hidden]) tr[data-s]:not([hidden])", "rows => rows.map(r => r.dataset.s)"
        )
        return list(dict.fromkeys(found))

    def hash(self) -> str:
        return str(self.page.evaluate("location.hash"))


ALL = ["connect-ok", "connect-refused-rst", "read-reset", "keepalive"]


def test_filters_and_the_address(browser: Any, file: Path) -> None:
    with Opened(browser, file) as o:
        assert o.rows() == ALL and o.hash() == ""
        assert o.page.title() == "faultlab: how sockets fail"
        o.page.select_option("[name=phase]", "connect")
        assert o.rows() == ALL[:2] and o.hash() == "#?phase=connect"
        o.page.fill("[name=q]", "econnREFused")
        assert o.rows() == ["connect-refused-rst"] and o.hash() == "#?phase=connect&q=econnREFused"
        assert o.page.inner_text("#count") == "1 of 4 failures"
        assert [s for s in ALL if o.page.is_visible(f"section#{s}")] == ["connect-refused-rst"]
        o.page.click("button[type=reset]")
        o.until("location.hash === '#?'")
        assert o.rows() == ALL
        o.page.select_option("[name=verdict]", "lab-error")
        assert o.rows() == ["read-reset"]
        o.page.select_option("[name=verdict]", "")
        o.page.select_option("[name=only]", "stacks")
        assert o.rows() == ["connect-refused-rst"]
        o.page.select_option("[name=view]", "stacks")
        assert o.page.is_visible("#view-stacks") and not o.page.is_visible("#view-runtimes")
        assert o.hash() == "#?view=stacks&only=stacks"
        o.page.fill("[name=q]", "nothing of the kind")
        assert o.rows() == [] and o.page.is_visible("#none")


def test_permalinks(browser: Any, file: Path) -> None:
    with Opened(browser, file, "#?view=stacks&phase=idle") as o:
        assert o.rows() == ["keepalive"] and o.page.input_value("[name=view]") == "stacks"
        o.page.evaluate("location.hash = '#?phase=established'")
        o.until("document.querySelector('[name=phase]').value === 'established'")
        assert o.rows() == ["read-reset"] and o.page.input_value("[name=view]") == "runtimes"
    with Opened(browser, file, "#read-reset") as o:
        o.until("Math.abs(document.getElementById('read-reset').getBoundingClientRect().top) < 200")
    anchor = "read-reset~java~plain~linux-6.18.1~netns"
    with Opened(browser, file, f"#{anchor}?phase=established") as o:
        assert o.page.is_visible(f'[id="{anchor}"] .ladder') and o.rows() == ["read-reset"]
        assert o.page.evaluate("document.activeElement.parentElement.id") == anchor
    with Opened(browser, file, "#%3Cimg%20src=x%20onerror=alert(1)%3E?view=no&verdict=%22%3E&nonsense=1") as o:
        assert o.rows() == ALL


def test_keyboard(browser: Any, file: Path) -> None:
    with Opened(browser, file) as o:
        keys = o.page.keyboard
        keys.press("Tab")
        assert o.page.evaluate("document.activeElement.className") == "skip"
        keys.press("/")
        assert o.page.evaluate("document.activeElement.name") == "q"
        keys.type("reset")
        stops = 0
        while o.page.evaluate("document.activeElement.closest('tr[data-s]') === null"):
            keys.press("Tab")
            stops += 1
            assert stops < 6
        here = "document.activeElement.closest('td,th').cellIndex + ' ' + document.activeElement.closest('tr').dataset.s"
        assert o.page.evaluate(here) == "0 read-reset"
        keys.press("ArrowRight")
        keys.press("ArrowRight")
        assert o.page.evaluate(here) == "2 read-reset"
        keys.press("Enter")
        o.until("location.hash.startsWith('#read-reset~java')")
        assert o.page.evaluate("document.activeElement.tagName") == "SUMMARY"
        assert o.hash().endswith("?q=reset")
        keys.press("Enter")
        assert not o.page.is_visible("[id^='read-reset~java'] .ladder")


def test_words_are_only_words(browser: Any, file: Path) -> None:
    """Nothing that a message says happens."""
    with Opened(browser, file, "#connect-refused-rst") as o:
        assert o.page.title() == "faultlab: how sockets fail"
        assert o.page.locator("img").count() == 0
        assert "<script>document.title='owned'</script>" in o.page.inner_text("section#connect-refused-rst .seen")
        assert o.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_readable_without_javascript(browser: Any, file: Path) -> None:
    with Opened(browser, file, java_script_enabled=False) as o:
        assert not o.page.is_visible("#filters")
        for table in ("runtimes", "stacks"):
            assert o.page.is_visible(f"#view-{table}")
        # A play of each failure is open, the others open without a script, too.
        assert o.page.locator("section.scenario").count() == o.page.locator("details.play[open]").count() == 4
        closed = "details.play:not([open]):has(.ladder)"
        anchor = o.page.locator(closed).first.get_attribute("id")
        o.page.click(f"{closed} > summary >> nth=0")
        assert o.page.is_visible(f'[id="{anchor}"] .ladder')


def test_views_that_are_drawn_when_asked_for(browser: Any, file: Path) -> None:
    """They say what the tables say that are there from the start, and their links lead to the same places."""
    with Opened(browser, file, "#?view=runtimes-1") as o:
        assert o.rows() == ["connect-ok", "connect-refused-rst"]
        assert o.page.inner_text("#view-runtimes-1 caption") == "Scenarios by runtime, on linux-6.1.1"
        o.page.select_option("[name=view]", "stacks-node")
        assert o.page.locator("#view-stacks-node thead th").all_inner_texts() == ["Failure", "linux-6.1.1", "linux-6.18.1"]
        cells = o.page.locator("#view-stacks-node tr[data-s=connect-refused-rst] td")
        assert cells.nth(0).inner_text().split() == ["·", "not", "played"]
        assert cells.nth(1).locator("b, .word").all_inner_texts() == ["EHOSTUNREACH", "differs"]
        cells.locator("a").click()
        assert o.hash() == "#connect-refused-rst~node~plain~linux-6.18.1~netns?view=stacks-node"
        assert o.page.evaluate("document.activeElement.parentElement.id") == "connect-refused-rst~node~plain~linux-6.18.1~netns"


@pytest.mark.parametrize("width", [1440, 390, 320])
def test_nothing_sticks_out(browser: Any, file: Path, width: int) -> None:
    with Opened(browser, file, viewport={"width": width, "height": 800}) as o:
        o.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        assert o.page.evaluate("document.documentElement.scrollWidth") <= width


def test_print(browser: Any, file: Path) -> None:
    with Opened(browser, file) as o:
        o.page.emulate_media(media="print")
        assert not o.page.is_visible("#filters") and o.page.is_visible("section#keepalive")
        assert o.page.pdf(format="A4").startswith(b"%PDF")


def test_plays_in_the_folder_beside_the_page(browser: Any, file: Path) -> None:
    """From a cell to its play there, opened and in focus, and back to the failure."""
    anchor = "read-reset~java~plain~linux-6.18.1~netns"
    for view in ("runtimes", "runtimes-2"):  # one that is in the page, one that is drawn
        opened = Opened(browser, file.parent / "many.html", f"#?view={view}")
        opened.page.click(f"#view-{view} tr[data-s=read-reset] td:nth-child(3) a")
        opened.page.wait_for_url(f"**/many-plays/read-reset.html#{anchor}")
        opened.until(f"document.activeElement?.parentElement?.id === '{anchor}'")
        assert opened.page.is_visible(f'[id="{anchor}"] .ladder')
        opened.page.click("nav a")
        opened.page.wait_for_url("**/many.html#read-reset")
        assert opened.said == [] and {Path(url).name for url in opened.asked} == {"many.html", "read-reset.html"}
        opened.context.close()


def test_one_file_leads_to_the_words(browser: Any, file: Path) -> None:
    with Opened(browser, file.parent / "one.html") as o:
        o.page.click("#view-runtimes tr[data-s=read-reset] td:nth-child(3) a")
        words = o.page.locator("tr:target")
        assert words.is_visible() and "java" in words.inner_text()


@pytest.mark.parametrize("name", ["report.html", "many.html", "many-plays/read-reset.html"])
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(browser: Any, file: Path, name: str, scheme: str, width: int) -> None:
    package = pytest.importorskip("axe_playwright_python", reason="no axe here: pip install axe-playwright-python")
    axe = (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    with Opened(browser, file.parent / name, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True) as o:
        o.page.add_style_tag(content=".scenario { content-visibility: visible !important }")
        o.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        o.page.evaluate(axe)
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        found = o.page.evaluate("tags => axe.run(document, {runOnly: tags})", tags)
        told = [f"{v['id']}: {n['target']} {n['failureSummary']}" for v in found["violations"] for n in v["nodes"][:3]]
        assert told == []
        assert len(found["passes"]) > 20
