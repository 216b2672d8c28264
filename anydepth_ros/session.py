# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What exists while the node is configured: the model, its thread, its topics."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
import time

from sensor_msgs.msg import Image

from anydepth_core.errors import AnyDepthError
from anydepth_core.runtime.detector import Detector
from anydepth_ros.conversions import to_array
from anydepth_ros.diagnostics import Identity
from anydepth_ros.frame_statistics import FrameStatistics
from anydepth_ros.image_input import ImageInput
from anydepth_ros.mailbox import Letter, Mailbox
from anydepth_ros.outputs import ManagedNode, Outputs
from anydepth_ros.parameter_server import ParameterServer
from anydepth_ros.parameters import ModelFacts
from anydepth_ros.worker import Worker


class Session:
    """A loaded detector between its input and its outputs, from configure to cleanup."""

    def __init__(self, node: ManagedNode, parameters: ParameterServer,
                 is_open: Callable[[], bool], asked_to_end: Callable[[], bool]) -> None:
        """Load and warm up the model, then create the thread and the topics.

        Args:
            node: whose topics they are.
            parameters: where the settings of each frame come from.
            is_open: whether images are to be processed at this moment.
            asked_to_end: whether to give up on the way.

        Raises:
            AnyDepthError: weights, device or settings that cannot be; nothing is left behind.
        """
        self._logger = node.get_logger()
        self._parameters = parameters
        self._is_open = is_open
        started = time.monotonic()
        detector = Detector.open(parameters['weights'], backend=parameters['backend'],
                                 device=parameters['device'], precision=parameters['precision'])
        loaded = time.monotonic()
        self.identity = Identity(node.get_fully_qualified_name(), detector.device)
        self.statistics = FrameStatistics()
        self.last_error = ''
        with ExitStack() as undo:
            settings = parameters.attach(ModelFacts(detector.depths, detector.class_names))
            undo.callback(parameters.attach, None)
            for depth in dict.fromkeys(('full', 'base', settings.depth)):
                if asked_to_end():
                    raise AnyDepthError('told to end')
                detector.warm_up([depth])
            warm = time.monotonic()
            self._detector: Detector | None = detector
            self._mailbox: Mailbox[Image] = Mailbox()
            # First, because a vision_msgs built without CMake leaves an error state in the thread
            # that makes its publishers, and the next topic made there would complain.
            self.input = ImageInput(node, self._mailbox, self.statistics, is_open)
            undo.callback(self.input.destroy)
            self.outputs = Outputs(node, self.identity, detector.class_names)
            undo.callback(self.outputs.destroy)
            worker = Worker(self._mailbox, self._process, self._report)
            undo.callback(worker.close)
            self.outputs.publish_labels(settings.score_threshold)
            self._undo = undo.pop_all()
        self.facts = {
            'model': detector.model_name, 'weights': parameters['weights'],
            'weights_sha256': detector.weights_hash, 'classes': len(detector.class_names),
            'input_size': '{1}x{0}'.format(*detector.input_size), 'backend': detector.backend,
            'device': detector.device, 'precision': detector.precision,
            'load_s': loaded - started, 'warm_up_s': warm - loaded}

    def close(self) -> None:
        """End the thread, take the topics away and free the model."""
        self._undo.close()
        self._detector = None

    def discard_waiting(self) -> None:
        """Forget an image that waits for its turn."""
        self._mailbox.discard()

    def _process(self, letter: Letter[Image]) -> None:
        settings = self._parameters.settings
        if self._detector is None or not self._is_open():
            return
        message = letter.item
        pixels, color = to_array(message)
        detections = self._detector.detect(
            pixels, depth=settings.depth, color=color, score_threshold=settings.score_threshold,
            nms_iou=settings.nms_iou, max_detections=settings.max_detections,
            classes=settings.class_indices)
        self.outputs.publish_detections(detections, message.header)
        counts = self.statistics.add_processed(detections.timing.total_ms)
        self.outputs.publish_status(detections, message.header, counts, 1e3 * letter.waited_s)
        self.outputs.publish_debug_image(pixels, color, detections, message.header)

    def _report(self, error: Exception) -> None:
        self.last_error = str(error) or type(error).__name__
        if not isinstance(error, AnyDepthError):
            self.last_error = f'{type(error).__name__}: {self.last_error}'
        if self.statistics.add_failed(self.last_error):
            self._logger.error(f'image not processed: {self.last_error} (told once; counted in '
                               '~/frame_status and /diagnostics)')
