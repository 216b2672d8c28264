# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Two processes, of one machine or of two, train as one: started by torchrun, over gloo."""

from __future__ import annotations

from collections.abc import Sequence
import os
from pathlib import Path
import socket
import subprocess
import sys

import pytest
from tiny_runs import ROOT, recipe, silent, values
import torch
import yaml

from anydepth_core.data.batches import training_batches
from anydepth_core.errors import RecipeError
from anydepth_core.models import create_model
from anydepth_core.train import step_detr
from anydepth_core.train.checkpoint import load_checkpoint
from anydepth_core.train.distributed import World
from anydepth_core.train.ema import Averaged
from anydepth_core.train.inputs import drawn_seed, to_inputs
from anydepth_core.train.setup import train_mode
from anydepth_core.train.trainer import CHECKPOINT, Trainer

# Norms see the images of their own process, so they stand still where the two are compared.
COMMON = {'batch': 4, 'iterations': 3, 'frozen_norms': True,
          'optimizer': {'name': 'sgd', 'learning_rate': 0.01, 'warm_up': 1}}


def torchrun(machines: int, processes: int, recipe_path: Path, out: Path, *words: str,
             status: int = 0, folders: Sequence[Path | None] = (None, None)) -> list[str]:
    """Run training/train.py in so many processes on each machine, here one torchrun each.

    Returns:
        What each machine wrote; each is in a folder of its own where these are given.
    """
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    command = [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', str(processes),
               '--nnodes', str(machines), '--master-addr', '127.0.0.1', '--master-port', str(port)]
    script = [str(ROOT / 'training/train.py'), str(recipe_path), str(out), *words]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT),
                   'GLOO_SOCKET_IFNAME': 'lo'}
    started = [subprocess.Popen([*command, '--node-rank', str(rank), *script], env=environment,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                cwd=folder)
               for rank, folder in zip(range(machines), folders)]
    try:
        told = [each.communicate(timeout=100)[0] for each in started]
    finally:
        for each in started:
            each.kill()
    assert [each.returncode for each in started] == [status] * machines, told
    return told


@pytest.mark.slow
@pytest.mark.parametrize(('model', 'machines'),
                         [('anydepth-yolo-tiny', 1), ('anydepth-detr-tiny', 2)])
def test_two_processes_learn_what_one_does(model: str, machines: int, tmp_path: Path) -> None:
    changes = {**COMMON, 'model': model}
    if model == 'anydepth-detr-tiny':
        changes['loss'] = {'denoising_queries': 0}  # each process draws its own noise
    path = tmp_path / 'recipe.yaml'
    path.write_text(yaml.safe_dump(values(**changes)))
    torchrun(machines, 2 // machines, path, tmp_path / 'two')
    alone = Trainer(recipe(**changes), tmp_path / 'one', silent)
    before = {k: v.clone() for k, v in alone.step.model.state_dict().items()}
    alone.run()
    one = load_checkpoint(tmp_path / 'one' / CHECKPOINT)
    two = load_checkpoint(tmp_path / 'two' / CHECKPOINT)
    assert one['iteration'] == two['iteration'] == 3
    moved = max((one['model'][k] - before[k]).abs().max() for k in before
                if before[k].is_floating_point())
    assert moved > 1e-3
    for name, value in one['model'].items():
        torch.testing.assert_close(two['model'][name], value, msg=name, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_two_processes_learn_from_the_noise_that_each_draws(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With denoising queries: the mean of the two gradients, worked out here one by one."""
    changes = {**COMMON, 'model': 'anydepth-detr-tiny', 'iterations': 2}
    path = tmp_path / 'recipe.yaml'
    path.write_text(yaml.safe_dump(values(**changes)))
    torchrun(1, 2, path, tmp_path / 'two')
    alone = Trainer(recipe(**changes), tmp_path / 'one', silent)
    options = alone.recipe
    size = options.input_size
    shares = [training_batches(
        alone.data, options.augmentation, input_size=size, resize=options.resize, batch=4,
        workers=0, seed=options.seed, first=0, last=8, rank=rank, world=2) for rank in range(2)]
    for alone.iteration in range(2):
        train_mode(alone.step, options)
        parts = [to_inputs(next(share), size, torch.device('cpu')) for share in shares]
        objects = torch.tensor(sum(len(t.labels) for part in parts for t in part.targets) / 2)
        monkeypatch.setattr(step_detr, 'normaliser', lambda _, mean=objects: mean)
        for rank, part in enumerate(parts):
            torch.manual_seed(drawn_seed(options.seed, alone.iteration, 0, rank))
            terms = alone.step(part.images, part.targets)
            assert terms['full/denoising'] > 0
            (torch.stack(list(terms.values())).sum() / 2).backward()
        alone._descend([])
    two = load_checkpoint(tmp_path / 'two' / CHECKPOINT)
    for name, value in alone.step.model.state_dict().items():
        torch.testing.assert_close(two['model'][name], value, msg=name, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_machines_that_do_not_hold_the_same_checkpoint_are_told(tmp_path: Path) -> None:
    path, folders = tmp_path / 'recipe.yaml', [tmp_path / 'a', tmp_path / 'b']
    path.write_text(yaml.safe_dump(values(**COMMON)))
    for folder in folders:
        folder.mkdir()
    Trainer(recipe(**COMMON), folders[0] / 'run', silent).run()
    told = torchrun(2, 1, path, Path('run'), '--resume', status=1, folders=folders)
    assert all('run does not hold the same checkpoint on every machine' in each for each in told)


def test_synchronised_norms_share_what_the_norms_before_shared() -> None:
    model = create_model('anydepth-detr-tiny', 3)
    average = Averaged(model, 0.9, 1.0)
    before = {name: tensor.data_ptr() for name, tensor in model.state_dict().items()}
    torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    norms = [each for each in model.modules() if isinstance(each, torch.nn.SyncBatchNorm)]
    assert norms
    assert before == {name: each.data_ptr() for name, each in model.state_dict().items()}
    for norm in norms:
        norm.running_mean.fill_(7.0)
    average.update_parameters()
    seen = [each for name, each in average.module.named_buffers() if name.endswith('running_mean')]
    assert sum(bool(each.all()) for each in seen) >= len({id(n.running_mean) for n in norms})


def test_synchronised_norms_need_gpus(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match='sync_norms: needs CUDA devices'):
        Trainer(recipe(device='auto', sync_norms=True), tmp_path, silent,
                world=World(0, 2, torch.device('cpu')))


def test_images_that_do_not_divide_among_processes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match='3 images per pass do not divide among 2'):
        Trainer(recipe(batch=3), tmp_path, silent, world=World(0, 2, torch.device('cpu')))


@pytest.mark.skipif(torch.cuda.is_available(), reason='asks for CUDA where there is none')
def test_a_missing_gpu_is_told(tmp_path: Path) -> None:
    path = tmp_path / 'recipe.yaml'
    path.write_text(yaml.safe_dump(values(device='cuda')))
    result = subprocess.run([sys.executable, str(ROOT / 'training/train.py'), str(path),
                             str(tmp_path / 'run')], capture_output=True, text=True, check=False,
                            env={**os.environ, 'PYTHONPATH': str(ROOT)})
    assert result.returncode == 2
    assert result.stderr.startswith('train: error: device: cuda')
    assert result.stderr.count('\n') == 1
