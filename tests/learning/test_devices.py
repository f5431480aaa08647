"""Where training computes: the choice of a device, and that a step stays on it and asks the CPU for nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from robot_il.cli.main import main
from robot_il.errors import ConfigError
from robot_il.learning.devices import choose_device, random_normal, random_rows, restore_generator, seeded_generator
from robot_il.learning.registry import METHODS
from robot_il.learning.runs import RunFolder
from robot_il.learning.trainer import Job
from robot_il.spec import LABELS
from tests.learning.pendulum import pendulum_dataset, saved
from tests.learning.test_methods import fresh, small_settings, train

CPU, META = torch.device("cpu"), torch.device("meta")
ON_DEVICE = [name for name, method in METHODS.items() if method.learner.uses_device]
VARIANTS = [
    *[(name, {}) for name in ON_DEVICE],
    ("valuedice", {"variant": "model"}),
    ("uniq", {"objective": "critics", "v0": "0.1"}),
    ("contradice", {"objective": "official"}),
    ("oril", {"reward": "log-ratio", "reward_sees": "state-action"}),
    ("reward_model", {"extraction": "weighted_bc"}),
    ("iq_learn", {"regularise_policy": "false"}),
]
RANDOM = ("rand", "randn", "randint")


@pytest.fixture(scope="module")
def dataset():
    return pendulum_dataset(dict.fromkeys(LABELS, 6), rows=40)


class NothingFetched(TorchDispatchMode):
    """Refuses whatever brings a tensor of the CPU's to the device, and draws random numbers there, as on a GPU."""

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        options, name = options or {}, function.overloadpacket.__name__
        if name in RANDOM:
            options = {key: value for key, value in options.items() if key != "generator"}
            return function.overloadpacket(*arguments, **options | {"device": META})
        result = function(*arguments, **options)
        if name in ("_to_copy", "copy_"):
            source = arguments[-1] if name == "_to_copy" else arguments[1]
            fetched = source.device.type == "cpu" and result.device.type != "cpu" and source.ndim > 0
            assert not fetched, f"{name} of {source.shape}"
        return result


@pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter")
@pytest.mark.parametrize(("name", "settings"), VARIANTS, ids=lambda value: str(value))
def test_a_step_stays_on_its_device_and_asks_for_no_value(name, settings, dataset):
    """On the meta device, tensors have a place and a size and no values.

    Products of two devices, ``item``, a selection by a condition and everything else whose size depends on values are
    refused there; a checkpoint of the CPU's is what the learner starts from.
    """
    prepared = fresh(name, dataset, settings=settings)
    prepared.prepare(lambda what, done, most: None)
    for _ in range(2):
        prepared.step()
    learner = fresh(name, dataset, settings=settings, device=META)
    learner.restore(prepared.state())
    places = [part.device for module in learner.modules.values() for part in module.state_dict().values()]
    assert set(places) == {META}
    with FakeTensorMode(allow_non_fake_inputs=True):
        learner.move()  # the first ones are taken as they are, and may fetch constants
        with NothingFetched():
            losses = learner.move()
    assert {loss.device for loss in losses.values()} == {META}
    assert {loss.shape for loss in losses.values()} == {torch.Size([])}


def test_a_step_that_leaves_its_device_or_asks_for_a_value_is_noticed(dataset):
    """The test above can fail: a loss is spoiled in each of the ways that it is to find."""
    spoilers = {
        "two devices": lambda batch: batch.action.sum() + torch.zeros(len(batch), 1).sum(dim=0),
        "a value": lambda batch: batch.action.sum() * batch.action.sum().item(),
        "a condition": lambda batch: batch.action[batch.action > 0].sum(),
        "fetched": lambda batch: batch.action.sum() + torch.ones(3).to(batch.action.device).sum(),
    }
    for spoil in spoilers.values():
        batch = fresh("bc", dataset, device=META).draw()
        noticed = pytest.raises((RuntimeError, AssertionError))
        with FakeTensorMode(allow_non_fake_inputs=True), NothingFetched(), noticed:
            spoil(batch)


@pytest.mark.parametrize("name", ON_DEVICE)
def test_the_cpu_named_is_the_cpu_by_default(name, dataset):
    learners = [fresh(name, dataset), fresh(name, dataset, device=torch.device("cpu"))]
    for learner in learners:
        learner.prepare(lambda what, done, most: None)
    assert learners[0].step() == learners[1].step()


def test_a_gpu_is_taken_where_there_is_one_and_refused_by_name_where_there_is_none():
    present = torch.cuda.is_available()
    assert choose_device("cpu") == CPU
    assert choose_device("auto").type == ("cuda" if present else "cpu")
    if present:
        assert choose_device("cuda").type == "cuda"
    else:
        with pytest.raises(ConfigError, match=r"a GPU that torch can use.*--device cpu"):
            choose_device("cuda")
    with pytest.raises(ConfigError, match="auto, cpu, cuda"):
        choose_device("tpu")


def test_the_command_takes_a_device_and_the_run_says_where_it_was(tmp_path, capsys):
    folder = saved(tmp_path / "data")
    words = ["train", "bc", "--data", str(folder), "--out", str(tmp_path / "run"), "--steps", "20"]
    words += ["--set", "policy_hidden=8", "evaluate_every=10", "checkpoint_every=10"]
    assert main([*words, "--device", "tpu"]) == 1
    assert "auto, cpu, cuda" in capsys.readouterr().err
    assert main([*words, "--device", "cpu"]) in (0, None)
    config = RunFolder(tmp_path / "run").config()
    assert (config["device"], config["stepping"]) == ("cpu", "plain")


def test_a_run_of_another_device_goes_on_where_there_is_one(tmp_path):
    """Begun on a GPU that is not here any more: under ``auto`` the run goes on, and its random numbers are others."""
    folder = saved(tmp_path / "data", episodes=dict.fromkeys(LABELS, 4))
    job = Job("dmil", folder, tmp_path / "run", 0, small_settings("dmil"))
    count = iter(range(1000))
    assert train(job, stop=lambda: next(count) == 30) is None
    run = RunFolder(tmp_path / "run")
    run.amend({"device": "cuda", "stepping": "captured"})
    state = run.load_checkpoint()
    state["learner"]["generator"] = torch.arange(16, dtype=torch.uint8)  # as long as that of a GPU's generator
    state.pop("metrics_bytes")
    run.save_checkpoint(state)
    summary = train(replace(job, settings=None, resume=True, device="auto" if not torch.cuda.is_available() else "cpu"))
    assert summary["steps"] == 60
    assert np.isfinite(summary["held_out"]["nll"])


def test_a_generator_is_restored_bit_for_bit_and_seeded_alike_from_another_kinds_state():
    one, other = seeded_generator(CPU, 3), seeded_generator(CPU, 4)
    restore_generator(other, one.get_state())
    assert torch.equal(random_normal((5,), one, CPU), random_normal((5,), other, CPU))
    foreign = torch.arange(16, dtype=torch.uint8)
    drawn = []
    for generator in (seeded_generator(CPU, 1), seeded_generator(CPU, 2)):
        restore_generator(generator, foreign)
        drawn.append(random_rows(1000, 8, generator, CPU))
    assert torch.equal(*drawn)
