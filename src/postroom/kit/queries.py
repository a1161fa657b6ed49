"""SQL lives in `.sql` files named by verb; this reads a folder of them."""

from importlib.resources import files
from types import SimpleNamespace


def load(package: str, folder: str = "queries") -> SimpleNamespace:
    """The texts of `folder/*.sql` beside a package's modules, as attributes named like the files."""
    texts = {
        entry.name.removesuffix(".sql"): entry.read_text(encoding="utf-8").strip()
        for entry in files(package).joinpath(folder).iterdir()
        if entry.name.endswith(".sql")
    }
    return SimpleNamespace(**texts)
