"""The documents name only what exists, and what they show works."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import btccxt
from btccxt.cli import COMMANDS, load_command
from btccxt.cli.config_page import REGENERATE, page
from btccxt.cli.init import STRATEGY, config_text
from btccxt.config import StoreConfig
from btccxt.exchange.profile.profile import load_profile
from btccxt.store.config_file import load_options, profile_names
from btccxt.store.startup import market_type_of

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PROMISES = (DOCS / "promises.md").read_text(encoding="utf-8")
PAGES = sorted(DOCS.rglob("*.md"))
# For those who run bots; the others are for those who build btccxt.
FOR_USERS = [
    DOCS / f"{name}.md"
    for name in (
        "index", "start", "concepts", "config", "testing-your-strategy", "production", "windows", "troubleshooting",
        "faq", "from-other-stores", "risk", "notebook", "page",
    )
]  # fmt: skip


def blocks(kind: str, pages: list[Path] = PAGES) -> list[tuple[str, str]]:
    """Each fenced block of that kind, dedented, with its page's name. ``kind`` '': those without a language."""
    found = []
    for path in pages:
        fences = re.finditer(
            rf"^( *)```{kind}\n(.*?)^\1```$", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        )
        found += [(path.name, re.sub(rf"^{each[1]}", "", each[2], flags=re.MULTILINE)) for each in fences]
    return found


@pytest.mark.parametrize(("file", "name"), re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PROMISES))
def test_every_test_that_a_promise_names_exists(file, name):
    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_leads_to_a_file_and_a_heading(page):
    for link, anchor in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8")):
        target = page.parent / link if link else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in headings(target), f"{link}#{anchor}"


def headings(path: Path) -> set[str]:
    lines = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", line).strip().lower()) for line in lines}


def test_every_promise_names_a_proof():
    rows = re.findall(r"^\| (\d+) \|.*$", PROMISES, re.MULTILINE)
    numbers = [int(row) for row in rows]
    assert numbers == sorted(set(numbers))
    assert set(range(1, 11)) <= set(numbers) <= set(range(1, 16))
    assert all("::" in line for line in PROMISES.splitlines() if re.match(r"\| \d+ \|", line))


# ------------------------------------------------------------------ the site


def _leaves(node: object) -> list[str]:
    if isinstance(node, str):
        return [node]
    return [leaf for each in (node.values() if isinstance(node, dict) else node) for leaf in _leaves(each)]


def test_every_page_is_in_the_navigation_once():
    navigation = _leaves(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    assert sorted(navigation) == sorted(path.relative_to(DOCS).as_posix() for path in PAGES)


@pytest.mark.parametrize("page", FOR_USERS, ids=lambda page: page.name)
def test_pages_for_users_name_no_tests_and_nobodys_machine(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"tests/\w|test_\w+\.py::|/home/\w|/root/|/tmp/", text)


def test_every_public_name_is_in_the_reference_once():
    shown = re.findall(r"^::: btccxt\.(\w+)$", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(shown) == sorted(set(btccxt.__all__) - {"__version__"})


# ------------------------------------------------------------------ options


def test_the_page_of_options_is_the_one_that_is_generated():
    assert (DOCS / "config.md").read_text(encoding="utf-8") == page(), f"run {REGENERATE}"


def test_every_option_says_what_it_is():
    rows = re.findall(r"^\| `(\w+)` \| `BTCCXT_\w+` \| .+ \| (.*) \|$", page(), re.MULTILINE)
    assert [name for name, _ in rows] == list(StoreConfig.model_fields)
    assert [name for name, about in rows if len(about) < 8] == []


def test_the_sample_file_is_right(tmp_path):
    ((_, sample),) = blocks("yaml", [DOCS / "config.md"])
    assert sample == config_text("binance")
    assert _exchanges_of(sample, tmp_path) == {"binance"}


@pytest.mark.parametrize(("page", "text"), blocks("yaml"))
def test_every_config_file_is_right(page, text, tmp_path):
    if "profiles:" in text:
        assert _exchanges_of(text, tmp_path), page
    else:
        assert yaml.safe_load(text), page


def _exchanges_of(text: str, folder: Path) -> set[str]:
    file = folder / "btccxt.yaml"
    file.write_text(text, encoding="utf-8")
    stores = [StoreConfig(**load_options(file, name, {})) for name in profile_names(file)]
    for store in stores:
        load_profile(store.exchange, market_type_of(store.exchange, store.market_type), store.overrides)
    return {store.exchange for store in stores}


# ------------------------------------------------------------------ code


@pytest.mark.parametrize(("page", "code"), blocks("python"))
def test_every_piece_of_python_is_python(page, code):
    compile(code.replace("…", "..."), page, "exec")


RUNNING = [(page, code) for page, code in blocks("python", FOR_USERS) if "btccxt_sim" not in code]


@pytest.mark.parametrize(("page", "code"), RUNNING, ids=[page for page, _ in RUNNING])
def test_python_of_the_pages_for_users_runs(page, code, tmp_path):
    done = _python(["-c", code], tmp_path)
    assert done.returncode == 0, done.stderr
    if "print(f" in code or "asyncio.run" in code:
        assert re.search(r"\d", done.stdout), "it says nothing"


@pytest.mark.slow
def test_the_tests_that_the_page_shows_pass(tmp_path):
    ((_, code),) = [each for each in blocks("python", FOR_USERS) if "btccxt_sim" in each[1]]
    (tmp_path / "strategy.py").write_text(STRATEGY, encoding="utf-8")
    (tmp_path / "test_strategy.py").write_text(code, encoding="utf-8")
    done = _python(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "test_strategy.py"], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def _python(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True, text=True, timeout=280, cwd=folder, env=environment, check=False,
    )  # fmt: skip


# ------------------------------------------------------------------ commands


def _commands() -> list[tuple[str, str]]:
    lines = {
        (page, line.strip())
        for page, text in blocks("")
        for line in re.findall(r"^(?:\$ |sudo .*/|py -m )?(btccxt [^#\n]*)", text, re.MULTILINE)
    }
    quoted = {
        (path.name, command)
        for path in FOR_USERS
        for command in re.findall(r"`(btccxt [^`]+)`", path.read_text(encoding="utf-8"))
    }
    return sorted(lines | quoted)


@pytest.mark.parametrize(("page", "line"), _commands())
def test_every_command_and_its_options_exist(page, line):
    words = re.split(r" [|;] |   ", line)[0]  # a remark follows three spaces
    rest = shlex.split(words.replace("…", ""))[1:]
    if not rest or rest[0] == "--version":
        return
    assert rest[0] in COMMANDS, f"{page}: {line}"
    command = load_command(rest.pop(0))
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"{page}: {line}"
        command = command.commands[rest.pop(0)]
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
    for word in rest:
        if re.match(r"--?[a-z]", word):
            assert word.partition("=")[0] in known, f"{page}: {line}: {word}"
