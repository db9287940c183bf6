"""A storage of a really older schema: upgraded by one command, by several at once, and through kills."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from runs import open_store
from runs.errors import OlderSchema
from tests.fakes.drivers import ROOT, injected
from tests.fakes.ledgers import write_ledger

pytestmark = pytest.mark.faults

# The next version of the schema, as a program: this version's migrations and one more, which moves data.
FUTURE = '''
import runpy, shutil, sys, tempfile
from pathlib import Path
import runs.migrate, runs.schema
folder = Path(tempfile.mkdtemp(dir=sys.argv[1])) / "migrations"
shutil.copytree(Path(runs.migrate.__file__).parent / "migrations", folder)
newest = runs.schema.SCHEMA_VERSION
(folder / "versions" / "v9999_test.py").write_text(f"""
import sqlalchemy as sa
from alembic import op
revision, down_revision = "{newest + 1}", "{newest}"
def upgrade():
    op.add_column("study", sa.Column("colour", sa.Text(), nullable=True))
    op.execute("update study set colour = 'blue ' || name")
    for k in range(5):
        op.create_table(f"extra_{{k}}", sa.Column("id", sa.Integer(), primary_key=True))
""")
runs.migrate.SCHEMA_VERSION = newest + 1
runs.migrate.MIGRATIONS = folder
sys.argv = ["nas", *sys.argv[2:]]
from nas.cli import main
main()
'''


def upgrade(tmp_path: Path, url: str, *before: str) -> subprocess.Popen[str]:
    words = ["db", "upgrade", "--backed-up", "--json", "--storage", url]
    return subprocess.Popen(
        [*before, sys.executable, "-c", FUTURE, str(tmp_path), *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def old(url: str) -> Iterator[str]:
    """A ledger of this version, which is old to the program above."""
    write_ledger(url)
    yield url


def colours(url: str) -> list[tuple[str, str]]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(sa.text("select name, colour from study"))]
    engine.dispose()
    return found


def is_old(url: str) -> bool:
    with open_store(url) as store:
        return store.check() == []


def test_an_older_ledger_is_refused_with_the_command_that_upgrades_it(tmp_path: Path, old: str) -> None:
    program = FUTURE.replace("from nas.cli import main\nmain()", "import runs\nruns.open_store(sys.argv[1])")
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), old],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert OlderSchema.__name__ in done.stderr and "nas db upgrade --storage" in done.stderr
    assert is_old(old), "nothing was written"
    done_upgrade = upgrade(tmp_path, old)
    _, errors = done_upgrade.communicate(timeout=240)
    assert done_upgrade.returncode == 0, errors
    assert colours(old) == [("s", "blue s")]


def test_four_upgrades_at_once_make_one(tmp_path: Path, old: str) -> None:
    processes = [upgrade(tmp_path, old) for _ in range(4)]
    ends = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, "".join(errors for _, errors in ends)
    assert colours(old) == [("s", "blue s")]


@pytest.mark.parametrize(
    "when", [4, 9, *(pytest.param(when, marks=pytest.mark.long) for when in range(1, 30, 2))]
)
def test_an_upgrade_killed_at_any_write_leaves_the_old_schema_or_the_new_one(
    tmp_path: Path, strace: Path, when: int
) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    write_ledger(url)
    killed = upgrade(tmp_path, url, *injected(strace, "pwrite64", f"signal=KILL:when={when}"))
    _, errors = killed.communicate(timeout=240)
    assert killed.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), f"the fault did not fire: {errors}"
    again = upgrade(tmp_path, url)
    _, errors = again.communicate(timeout=240)
    assert again.returncode == 0, errors
    assert colours(url) == [("s", "blue s")]
