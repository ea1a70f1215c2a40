"""
Sphinx's configuration; it also makes the pages that come from the source.
"""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

from sphinx.util import logging

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
GENERATED = DOCS / "_build" / "generated"

sys.path[:0] = [str(ROOT), str(DOCS)]

from inventories import PYTHON, TWISTED, writeInventories  # noqa: E402

from twisted_cluster._run.plugin import Options  # noqa: E402
from twisted_cluster._supervision.lifecycle import TRANSITIONS  # noqa: E402

_setup = configparser.ConfigParser()
_setup.read(ROOT / "setup.cfg")

project = "twisted-cluster"
author = _setup["metadata"]["author"]
copyright = f"2026, {author}"
release = version = _setup["metadata"]["version"]

extensions = ["sphinx.ext.intersphinx"]
exclude_patterns = ["_build"]
nitpicky = True
html_theme = "alabaster"
html_theme_options = {
    "description": _setup["metadata"]["description"],
    "fixed_sidebar": True,
}
html_show_sourcelink = False


# -- the API documentation: docstrings are epytext, so pydoctor reads them


def _documentAPI(html: Path) -> None:
    """
    Run pydoctor, and make what it complains about warnings of Sphinx.
    """
    twisted, python = GENERATED / "twisted.inv", GENERATED / "python.inv"
    writeInventories(ROOT / "twisted_cluster", twisted, python)
    # In a process of its own: it changes docutils, which Sphinx uses as well.
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "pydoctor",
            # Once more, and it would not tell of broken references either.
            "--quiet",
            "--make-html",
            "--make-intersphinx",
            "--docformat=epytext",
            "--theme=readthedocs",
            f"--project-name={project}",
            f"--project-version={release}",
            "--project-url=../index.html",
            f"--project-base-dir={ROOT}",
            f"--intersphinx-file={twisted}::{TWISTED}",
            f"--intersphinx-file={python}::{PYTHON}",
            f"--html-output={html}",
            str(ROOT / "twisted_cluster"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    for line in finished.stdout.splitlines():
        # It does not read Twisted's source, and so does not know that what
        # inherits from one of Twisted's interfaces is an interface.
        if not line.endswith("is not an interface"):
            logging.getLogger(__name__).warning("pydoctor: %s", line)


# -- the table of a worker's life


def _tabulateLifecycle(page: Path) -> None:
    """
    Write the table of transitions as reStructuredText.
    """
    lines = [
        ".. list-table::",
        "   :header-rows: 1",
        "",
        "   * - a worker that is",
        "     - when",
        "     - becomes",
    ]
    for state, entries in TRANSITIONS.items():
        for happening, after in entries.items():
            outcome = "stays so" if after is state else f"**{after.value}**"
            lines += [
                f"   * - {state.value}",
                f"     - {happening.value}",
                f"     - {outcome}",
            ]
    page.write_text("\n".join(lines) + "\n")


# -- the options, as the command itself explains them


def _explainOptions(page: Path) -> None:
    """
    Write the command's help, as a terminal of 80 columns shows it.
    """
    options = Options(environment={})
    usage = options.getUsage(width=80).lstrip()
    page.write_text(f"Usage: twistd [options] cluster {options.synopsis}\n{usage}")


GENERATED.mkdir(parents=True, exist_ok=True)
_documentAPI(GENERATED / "html" / "api")
_tabulateLifecycle(GENERATED / "lifecycle.inc")
_explainOptions(GENERATED / "options.txt")

html_extra_path = ["_build/generated/html"]
intersphinx_mapping = {
    "twisted_cluster": ("api/", str(GENERATED / "html" / "api" / "objects.inv")),
    "twisted": (TWISTED, str(GENERATED / "twisted.inv")),
    "python": (PYTHON, str(GENERATED / "python.inv")),
}
