# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Detections as a rosbag2 recording (MCAP), as the node would have published them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import os
from pathlib import Path
import shutil
from typing import Any

import numpy as np

from anydepth_core.detections import Detections
from anydepth_core.errors import DataError
from anydepth_core.replay.frames import Header

TOPIC, LABELS_TOPIC = '/detector/detections', '/detector/label_info'
# vision_msgs 4.1, as far as needed; a test holds them to the hashes of the originals.
DEFINITIONS = {
    'Point2D': 'float64 x\nfloat64 y',
    'Pose2D': 'vision_msgs/Point2D position\nfloat64 theta',
    'BoundingBox2D': 'vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y',
    'ObjectHypothesis': 'string class_id\nfloat64 score',
    'ObjectHypothesisWithPose': 'vision_msgs/ObjectHypothesis hypothesis\n'
                                'geometry_msgs/PoseWithCovariance pose',
    'Detection2D': 'std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n'
                   'vision_msgs/BoundingBox2D bbox\nstring id',
    'Detection2DArray': 'std_msgs/Header header\nvision_msgs/Detection2D[] detections',
    'VisionClass': 'uint16 class_id\nstring class_name',
    'LabelInfo': 'std_msgs/Header header\nvision_msgs/VisionClass[] class_map\n'
                 'float32 threshold',
}


class BagWriter:
    """Writes one array of detections for each image. `new_bag` makes one."""

    def __init__(self, writer: Any, class_names: Sequence[str], threshold: float) -> None:
        self._writer = writer
        self._store = typestore()
        self._class_names = class_names
        self._threshold = threshold
        self._labels = self._topic(LABELS_TOPIC, 'vision_msgs/msg/LabelInfo', latched=True)
        self._detections = self._topic(TOPIC, 'vision_msgs/msg/Detection2DArray')
        self._labelled = False

    def write(self, found: Detections, header: Header) -> None:
        """Write the detections of an image under its own header and time of recording."""
        if not self._labelled:
            self._put(self._labels, self._label_info(header), header)
            self._labelled = True
        self._put(self._detections, self._array(found, header), header)

    def _topic(self, name: str, kind: str, *, latched: bool = False) -> Any:
        from rosbags.interfaces import (
            Qos,
            QosDurability,
            QosHistory,
            QosLiveliness,
            QosReliability,
            QosTime,
        )

        always = QosTime(9223372036, 854775807)
        durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
        quality = Qos(QosHistory.KEEP_LAST, 1 if latched else 10, QosReliability.RELIABLE,
                      durability, always, always, QosLiveliness.AUTOMATIC, always, False)
        return self._writer.add_connection(name, kind, typestore=self._store,
                                           offered_qos_profiles=[quality])

    def _put(self, connection: Any, message: Any, header: Header) -> None:
        data = self._store.serialize_cdr(message, connection.msgtype)
        self._writer.write(connection, header.recorded_ns, data)

    def _make(self, kind: str, *values: Any) -> Any:
        return self._store.types[kind.replace('/', '/msg/')](*values)

    def _header(self, header: Header) -> Any:
        stamp = self._make('builtin_interfaces/Time', header.sec, header.nanosec)
        return self._make('std_msgs/Header', stamp, header.frame_id)

    def _label_info(self, header: Header) -> Any:
        classes = [self._make('vision_msgs/VisionClass', index, name)
                   for index, name in enumerate(self._class_names)]
        return self._make('vision_msgs/LabelInfo', self._header(header), classes, self._threshold)

    def _array(self, found: Detections, header: Header) -> Any:
        make, stamped = self._make, self._header(header)
        nowhere = make('geometry_msgs/PoseWithCovariance', make(
            'geometry_msgs/Pose', make('geometry_msgs/Point', 0.0, 0.0, 0.0),
            make('geometry_msgs/Quaternion', 0.0, 0.0, 0.0, 1.0)), np.zeros(36))
        rows = zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist())
        return make('vision_msgs/Detection2DArray', stamped, [
            make('vision_msgs/Detection2D', stamped, [
                make('vision_msgs/ObjectHypothesisWithPose',
                     make('vision_msgs/ObjectHypothesis', str(label), score), nowhere)],
                 make('vision_msgs/BoundingBox2D',
                      make('vision_msgs/Pose2D',
                           make('vision_msgs/Point2D', (x1 + x2) / 2, (y1 + y2) / 2), 0.0),
                      x2 - x1, y2 - y1), '')
            for (x1, y1, x2, y2), score, label in rows])


def typestore() -> Any:
    """Return the messages of ROS 2 with those of vision_msgs that are written here.

    Raises:
        DataError: rosbags is not installed.
    """
    try:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    except ImportError as error:
        raise DataError("writing bags needs the package rosbags: pip install "
                        "'anydepth_ros[replay]'") from error
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for name, text in DEFINITIONS.items():
        types |= get_types_from_msg(text, f'vision_msgs/msg/{name}')
    store.register(types)
    return store


@contextmanager
def new_bag(path: Path, class_names: Sequence[str], threshold: float) -> Iterator[BagWriter]:
    """Make a bag; it appears whole when the block has ended well, or not at all.

    Raises:
        DataError: the path exists, or cannot be written.
    """
    if path.exists():
        raise DataError(f'{path} exists; a bag is never written over')
    if not path.parent.is_dir():
        raise DataError(f'cannot write {path}: there is no folder {path.parent}')
    typestore()
    from rosbags.rosbag2 import StoragePlugin, Writer

    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        try:
            # A folder around it, because the bag's files carry the name of its own.
            with Writer(temporary / path.name, version=9,
                        storage_plugin=StoragePlugin.MCAP) as writer:
                yield BagWriter(writer, class_names, threshold)
            os.replace(temporary / path.name, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except BrokenPipeError:  # of standard output, to which others write in the block
        raise
    except OSError as error:
        raise DataError(f'cannot write {path}: {error.strerror}') from error
