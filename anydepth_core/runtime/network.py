# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a backend is given: a network from a weights file, or from an ONNX file made of one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
import hashlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from anydepth_core import depth
from anydepth_core.errors import AnyDepthError, BackendError, WeightsError
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.models.weights import (
    ModelInfo,
    check_weights,
    file_hash,
    load_weights,
    resolve_weights,
)

if TYPE_CHECKING:
    import onnx

    from anydepth_core.runtime.export.file import FileInfo

ONNX_SUFFIX = '.onnx'
INSTALL_ONNX = "ONNX files need the package onnx; pip install 'anydepth_ros[onnxruntime]'"


@dataclass(frozen=True)
class Network:
    """One network at one input size; it is loaded, or exported, when a backend asks for it.

    Attributes:
        info: what the file says about itself, with the input size that is used.
        weights_hash: SHA-256 of the weights file in hexadecimal.
        depths: every depth it can run at.
        decoding: how raw predictions become detections.
        loaded: the model; None if the file is an ONNX file.
        graph: the ONNX file; None if the file is a weights file.
    """

    info: ModelInfo
    weights_hash: str
    depths: depth.DepthSpace
    decoding: Literal['nms', 'top_k']
    loaded: AnyDepthModel | None = None
    graph: onnx.ModelProto | None = None

    @property
    def model(self) -> AnyDepthModel:
        """The model; BackendError if all there is is an ONNX file."""
        if self.loaded is None:
            raise BackendError("backend 'torch' runs weights (.safetensors), not ONNX files")
        return self.loaded

    @cached_property
    def onnx(self) -> onnx.ModelProto:
        """The any-depth graph: the file itself, or from the cache, or exported now and cached.

        Raises:
            BackendError: the package onnx is not installed.
            WeightsError: the exported graph does not compute what the model computes.
        """
        return self.graph if self.graph is not None else _cached(self)


def of_model(model: AnyDepthModel, info: ModelInfo, weights_hash: str,
             input_size: tuple[int, int] | None = None) -> Network:
    """Return the network of a model in memory; AnyDepthError if it cannot take the input size."""
    return Network(_resized(info, model.stride, input_size), weights_hash, model.depths,
                   model.decoding, loaded=model)


def open_network(weights: str | Path, input_size: tuple[int, int] | None = None) -> Network:
    """Return the network of packaged weights, of a weights file or of an ONNX file.

    Raises:
        WeightsError: the file is missing, damaged or does not fit.
        AnyDepthError: it cannot take that input size.
    """
    path = resolve_weights(weights)
    if path.suffix.lower() != ONNX_SUFFIX:
        model, info = load_weights(path)
        return of_model(model, info, file_hash(path), input_size)
    graph, said = _read_any_depth(path, input_size)
    return Network(said.info, said.weights_hash, said.depths, said.decoding, graph=graph)


@dataclass(frozen=True)
class Header:
    """What a file says before it is loaded.

    Attributes:
        path: of the file.
        info: what the file says about itself.
        depths: every depth it can run at.
        weights_bytes: what its weights take as float32.
        said_hash: the hash of the weights, where the file says it.
    """

    path: Path
    info: ModelInfo
    depths: depth.DepthSpace
    weights_bytes: int
    said_hash: str = ''

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 of the weights in hexadecimal, for which a weights file is read once."""
        return self.said_hash or file_hash(self.path)


def read_header(weights: str | Path, input_size: tuple[int, int] | None = None) -> Header:
    """Return what a file says, after making sure that it fits the model that it names.

    Takes no memory and little time, see `check_weights`; an ONNX file is read as a whole.

    Args:
        weights: as `open_network` takes it.
        input_size: (height, width) to use instead of the one in the file.

    Raises:
        WeightsError: the file is missing, damaged or does not fit.
        BackendError: an ONNX file without the package onnx.
        AnyDepthError: it cannot take that input size.
    """
    path = resolve_weights(weights)
    if path.suffix.lower() == ONNX_SUFFIX:
        said = _read_any_depth(path, input_size)[1]
        return Header(path, said.info, said.depths, path.stat().st_size, said.weights_hash)
    model, info = check_weights(path)
    info = _resized(info, model.stride, input_size)
    return Header(path, info, model.depths, 4 * sum(each.numel() for each in model.parameters()))


def _resized(info: ModelInfo, stride: int, input_size: tuple[int, int] | None) -> ModelInfo:
    """Return `info` with another input size, if one is wanted that the network can take."""
    size = input_size or info.input_size
    if min(size) < 1 or any(side % stride for side in size):
        raise AnyDepthError(f'input size {size[0]}x{size[1]} (height x width) must be multiples '
                            f'of {stride} pixels')
    return replace(info, input_size=size)


def _read_any_depth(path: Path, input_size: tuple[int, int] | None,
                    ) -> tuple[onnx.ModelProto, FileInfo]:
    try:
        from anydepth_core.runtime.export.file import read_onnx
    except ImportError as error:
        raise BackendError(INSTALL_ONNX) from error
    graph, said = read_onnx(path)
    if said.depth:
        raise WeightsError(f'{path}: holds depth {said.depth!r} alone; export it without --depth')
    size = said.info.input_size
    if input_size not in (None, size):
        raise AnyDepthError(f'{path}: takes {size[0]}x{size[1]} (height x width) pixels and '
                            'nothing else; export it at the size you want')
    return graph, said


def cache_folder() -> Path:
    """Return where exported graphs are kept."""
    root = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(root) / 'anydepth'


def _cached(network: Network) -> onnx.ModelProto:
    try:
        import onnx

        from anydepth_core.runtime.export.check import depths_to_check, require_equal
        from anydepth_core.runtime.export.file import (
            GRAPH_VERSION,
            describe,
            read_onnx,
            write_onnx,
        )
        from anydepth_core.runtime.export.graph import any_depth_graph
    except ImportError as error:
        raise BackendError(INSTALL_ONNX) from error
    log = logging.getLogger(__name__)
    model, size = network.model, network.info.input_size
    said = describe(model, network.info, network.weights_hash, input_size=size)
    made_by = f'{GRAPH_VERSION} {torch.__version__} {onnx.__version__}'
    key = hashlib.sha256(f'{network.weights_hash} {size} {made_by}'.encode()).hexdigest()
    path = cache_folder() / f'{network.info.model}-{size[0]}x{size[1]}-{key[:20]}{ONNX_SUFFIX}'
    if path.is_file():
        try:
            graph, found = read_onnx(path)
            if found == said:
                return graph
        except WeightsError as error:
            log.warning('%s; it is made anew', error)
    log.info('exporting %s to ONNX, once', network.info.model)
    graph = any_depth_graph(model, size, said.metadata())
    require_equal(model, graph, depths_to_check(model, 1))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_onnx(path, graph)
    except (OSError, WeightsError) as error:
        log.warning('%s; the next start exports again', error)
    return graph
