# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX files of ours: what they say about themselves, writing and reading them.

A file is data from strangers: it is read without following references to other files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
import json
from pathlib import Path
import re
from typing import Literal, cast

from google.protobuf.message import DecodeError
import onnx

from anydepth_core.depth import STAGES, DepthSpace
from anydepth_core.errors import AnyDepthError, WeightsError
from anydepth_core.files import whole_file
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.models.model_info import ModelInfo, read_metadata, write_metadata
from anydepth_core.runtime.export.parts import tensors_of

SUFFIX = '.onnx'
# Raise it when the graph of a file changes; what a cache holds of another number is made anew.
GRAPH_VERSION = 4


@dataclass(frozen=True, kw_only=True)
class FileInfo:
    """What an ONNX file says about itself.

    Attributes:
        info: as in the weights file, with the input size of this file.
        depths: every depth of the model.
        depth: text of the one depth the file holds; empty if it holds all.
        decoding: how raw predictions become detections.
        stride: sides of the input are multiples of it.
        weights_hash: SHA-256 of the weights file it was made from, in hexadecimal.
    """

    info: ModelInfo
    depths: DepthSpace
    depth: str
    decoding: Literal['nms', 'top_k']
    stride: int
    weights_hash: str

    def metadata(self) -> dict[str, str]:
        """Return it as flat text, for the file."""
        return {**write_metadata(self.info), 'graph_version': str(GRAPH_VERSION),
                'stages': json.dumps(self.depths.stages),
                'decoder_layers': json.dumps(self.depths.decoder_layers), 'depth': self.depth,
                'decoding': self.decoding, 'stride': str(self.stride),
                'weights_hash': self.weights_hash}


def describe(model: AnyDepthModel, info: ModelInfo, weights_hash: str, *,
             input_size: tuple[int, int] | None = None, depth: str = '') -> FileInfo:
    """Return what a file made from these weights says.

    Raises:
        AnyDepthError: the model cannot take that input size.
    """
    size = input_size or info.input_size
    if min(size) < 1 or any(side % model.stride for side in size):
        raise AnyDepthError(f'input size {size[0]}x{size[1]} (height x width) must be multiples '
                            f'of {model.stride} pixels')
    return FileInfo(info=replace(info, input_size=size), depths=model.depths, depth=depth,
                    decoding=model.decoding, stride=model.stride, weights_hash=weights_hash)


def write_onnx(path: Path, graph: onnx.ModelProto) -> None:
    """Write a file that appears whole or not at all; WeightsError if it cannot be written."""
    with whole_file(path, WeightsError) as file:
        file.write(graph.SerializeToString())


def read_onnx(path: Path) -> tuple[onnx.ModelProto, FileInfo]:
    """Return the graph of a file and what it says about itself.

    Raises:
        WeightsError: it is damaged, not ours, refers to other files, or takes or gives something
            else than what it says about itself.
    """
    try:
        graph = onnx.load(str(path), load_external_data=False)
    except (OSError, DecodeError, ValueError) as error:
        raise WeightsError(f'{path}: is truncated, damaged or no ONNX file') from error
    if graph.functions or graph.training_info or not _is_plain(graph.graph):
        raise WeightsError(f'{path}: holds functions, lists of graphs or sparse weights; those of '
                           "'anydepth export' never do")
    if any(each.data_location == onnx.TensorProto.EXTERNAL for each in tensors_of(graph.graph)):
        raise WeightsError(f'{path}: keeps its weights in other files; those of '
                           "'anydepth export' are whole")
    said = _info(path, {each.key: each.value for each in graph.metadata_props})
    if not _fits(graph.graph, said):
        raise WeightsError(f"{path}: its inputs and outputs are not those of an ONNX file of "
                           "'anydepth export'; make it again")
    return graph, said


def _info(path: Path, metadata: Mapping[str, str]) -> FileInfo:
    if 'graph_version' not in metadata:
        raise WeightsError(f"{path}: not an ONNX file of 'anydepth export'")
    if metadata['graph_version'] != str(GRAPH_VERSION):
        raise WeightsError(f"{path}: made by another version of 'anydepth export'; make it again")
    info = read_metadata(path, metadata)
    try:
        stages, layers = (json.loads(metadata[key]) for key in ('stages', 'decoder_layers'))
        stride, digest, decoding = (metadata[key] for key in ('stride', 'weights_hash',
                                                               'decoding'))
        if (not isinstance(stages, list) or not set(stages) <= set(STAGES)
                or not (layers is None or (type(layers) is int and 1 <= layers <= 100))
                or not re.fullmatch('[1-9][0-9]{0,3}', stride)
                or not re.fullmatch('[0-9a-f]{64}', digest)
                or decoding not in ('nms', 'top_k')):
            raise ValueError
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: the metadata of the ONNX file is damaged; "
                           "'anydepth export' makes it anew") from error
    return FileInfo(info=info, depths=DepthSpace(tuple(stages), layers),
                    depth=metadata.get('depth', ''), stride=int(stride), weights_hash=digest,
                    decoding=cast(Literal['nms', 'top_k'], decoding))


def _is_plain(graph: onnx.GraphProto) -> bool:
    """Tell whether all that a graph stores lies where `tensors_of` looks."""
    attributes = [each for node in graph.node for each in node.attribute]
    return not graph.sparse_initializer and not any(
        each.tensors or each.graphs or each.sparse_tensors or each.HasField('sparse_tensor')
        or (each.HasField('g') and not _is_plain(each.g)) for each in attributes)


def _fits(graph: onnx.GraphProto, said: FileInfo) -> bool:
    """Tell whether a graph takes and gives what a file says, see docs/export.md."""
    height, width = said.info.input_size
    inputs = {'images': (onnx.TensorProto.FLOAT, [1, 3, height, width])}
    if not said.depth:
        inputs['full_stages'] = (onnx.TensorProto.BOOL, [len(said.depths.stages)])
        if said.depths.decoder_layers is not None:
            inputs['decoder_layers'] = (onnx.TensorProto.INT64, [1])
    given = _described(graph.output)
    _, sides = given.get('boxes', (0, []))
    count = max(1, sides[1]) if len(sides) == 3 else 1
    return _described(graph.input) == inputs and given == {
        'logits': (onnx.TensorProto.FLOAT, [1, count, len(said.info.class_names)]),
        'boxes': (onnx.TensorProto.FLOAT, [1, count, 4])}


def _described(values: Iterable[onnx.ValueInfoProto]) -> dict[str, tuple[int, list[int]]]:
    """Return element type and sides of inputs or outputs by name."""
    return {each.name: (each.type.tensor_type.elem_type,
                        [side.dim_value for side in each.type.tensor_type.shape.dim])
            for each in values}
