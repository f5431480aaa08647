"""The table of precisions pairs runs by seed."""

import importlib.util
from pathlib import Path

import pytest

from robot_il.learning.runs import RunFolder
from robot_il.learning.trainer import Job, train
from tests.learning.pendulum import saved
from tests.learning.test_training import SHORT

TOOL = Path(__file__).parents[1] / "tools" / "bench_precision.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("bench_precision", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def found(*pairs: tuple[float, float]) -> list[dict[str, float]]:
    return [{"nll": nll, "survived": survived} for nll, survived in pairs]


def test_differences_are_taken_seed_by_seed(tool):
    """Seeds that differ by 10 from each other but by 0.5 each between precisions: the interval is about the 0.5."""
    results = {"highest": found((1.0, 9.0), (11.0, 4.0)), "medium": found((1.5, 9.0), (11.5, 4.0))}
    cells = [cell.strip() for cell in tool.row("bc", results).split("|")[1:-1]]
    assert cells[0] == "`bc`"
    assert cells[3] == "+5.0e-01 ± 0.0e+00"
    assert cells[6] == "+0.0e+00 ± 0.0e+00"
    assert cells[1].startswith("6.0000 ± ")


@pytest.mark.parametrize("precision", ["highest", "medium"])
def test_a_job_may_name_its_matmul_precision_and_the_run_says_so(precision, tmp_path):
    folder = saved(tmp_path / "data")
    train(Job("bc", folder, tmp_path / "run", 0, SHORT, precision=precision))
    assert RunFolder(tmp_path / "run").config()["matmul_precision"] == precision
