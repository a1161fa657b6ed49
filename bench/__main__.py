"""All benchmarks, one after the other, as one page of Markdown with the machine's facts.

`--write` puts the page into bench/README.md, between its markers. Each benchmark is a process of its own; one that
cannot be carried out is shown with its reason, not left out.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from bench.kit import machine, report, spawn

BEGIN: Final = "<!-- table -->"
END: Final = "<!-- /table -->"
PAGE: Final = Path(__file__).with_name("README.md")

QUICK: Final = {
    "bare": ["--rounds", "1", "--messages", "10000", "--singles", "300"],
    "queue": [
        *("--rounds", "1", "--messages", "10000", "--singles", "300", "--backlog", "20000"),
        *("--memory", "50000", "--probes", "30", "--idle-seconds", "1"),
    ],
    "http": ["--rounds", "1", "--seconds", "1"],
    "email": ["--rounds", "1", "--emails", "400"],
    "workflow": ["--rounds", "1", "--messages", "300"],
    "exports": ["--rounds", "1", "--rows", "20000", "--many", "50000"],
    "retention": ["--trail", "20000", "--messages", "2000"],
    "pages": ["--rounds", "1", "--messages", "20000", "--dead", "500", "--requests", "5", "--drained", "500"],
    "cloudflare": ["--rounds", "1", "--messages", "2000"],
    "peers": ["--rounds", "1", "--seconds", "0.3", "--probes", "10"],
}
"""The benchmarks in their order, and sizes that only show whether they work."""


def run(name: str, folder: Path, arguments: list[str]) -> report.Section:
    """Run one benchmark in a process of its own; its failure is a section too."""
    command = spawn.module(f"bench.{name}", "--json", "--dir", folder, *arguments)
    # What it writes to stderr is its progress, and the reason if it fails.
    with tempfile.TemporaryFile("w+") as errors:
        watched = sys.stderr if sys.stderr.isatty() else errors
        done = subprocess.run(command, cwd=spawn.ROOT, stdout=subprocess.PIPE, stderr=watched, text=True)
        errors.seek(0)
        reason = errors.read().strip()
    if done.returncode == 0:
        return msgspec.json.decode(done.stdout.splitlines()[-1], type=report.Section)
    shown = " / ".join(line.strip() for line in reason.splitlines()[-4:])
    return report.Section(
        f"{name}: failed",
        ["command", "exit code"],
        [[f"python -m bench.{name}", str(done.returncode)]],
        [shown],
    )


def page(facts: list[str], sections: list[report.Section]) -> str:
    """The facts and the tables."""
    parts = ["\n".join(f"- {fact}" for fact in facts)]
    parts += [report.render_markdown(section) for section in sections]
    return "\n\n".join(parts)


def write(text: str, path: Path = PAGE) -> None:
    """Replace what stands between the markers of a file; raises ValueError when it has none."""
    whole = path.read_text()
    head, begin, rest = whole.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} lacks the markers {BEGIN} and {END}")
    path.write_text(f"{head}{begin}\n\n{text}\n\n{end}{tail}")


def main() -> int:
    """`python -m bench`; the exit code tells whether every benchmark could be carried out."""
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows whether it works, no more")
    parser.add_argument(
        "--only", action="append", choices=QUICK, help="only this; may be given several times"
    )
    parser.add_argument("--dir", type=Path, default=None, help="folder for the databases")
    parser.add_argument("--write", action="store_true", help=f"put the page into {PAGE.name}")
    given = parser.parse_args()
    if given.write and (given.quick or given.only):
        parser.error("--write is for a whole run: without --quick and --only")
    names = [name for name in QUICK if given.only is None or name in given.only]
    with spawn.scratch(given.dir) as folder:
        facts = machine.facts(folder)
        if given.quick:
            facts.append("QUICK RUN: tiny sizes, figures mean nothing")
        sections = []
        for name in names:
            print(f"\nbench.{name} ...", file=sys.stderr, flush=True)
            sections.append(run(name, folder, QUICK[name] if given.quick else []))
    text = page(facts, sections)
    print(text)
    if given.write:
        write(text)
    return int(any(section.title.endswith(": failed") for section in sections))


if __name__ == "__main__":
    sys.exit(main())
