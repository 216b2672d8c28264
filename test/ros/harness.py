# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Real processes on a real DDS, and a node in this process that talks to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time
from typing import Any, ClassVar

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import ChangeState, GetState
import numpy as np
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import GetParameters, SetParameters
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from anydepth_ros.conversions import to_image

CLASSES = ('ball', 'cup', 'box')
ROOT = Path(__file__).resolve().parents[2]
# How long a process may take to start or answer on a machine that is busy with other things: a
# tenth of a core is enough.
PATIENCE_S = 120.0
FIRST_ANSWER_S = 15.0
HEARD_S = 0.3  # in which a node hears of a new client, if it has time
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=50)
NODE_VARIABLES = {'OMP_NUM_THREADS': '1'}
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def untrained(path: Path, model: str = 'anydepth-yolo-tiny', side: int = 160) -> Path:
    """Write the random weights of a model for square images and return their path."""
    import torch

    from anydepth_core.models.registry import create_model
    from anydepth_core.models.weights import ModelInfo, save_weights
    torch.manual_seed(0)
    save_weights(path, create_model(model, num_classes=len(CLASSES)),
                 ModelInfo(model=model, class_names=CLASSES, input_size=(side, side)))
    return path


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> Any:
    """Return what `condition` returns as soon as it is true; fail naming `what` after a while."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f'no {what} within {timeout_s:g} s'
        time.sleep(0.01)
    return value


class Process:
    """One of the project's executables, started as its console script would start it.

    Attributes:
        running: those that were not killed yet.
    """

    running: ClassVar[list[Process]] = []

    def __init__(self, module: str, environment: Mapping[str, str], log: Path,
                 *arguments: str, paths: Sequence[Path] = ()) -> None:
        self.log = log
        python_path = ':'.join(map(str, (ROOT, *paths)))
        with log.open('w') as output:
            self.popen = subprocess.Popen(
                [sys.executable, '-m', module, *arguments], cwd=log.parent,
                env={**environment, 'PYTHONPATH': python_path, **NODE_VARIABLES},
                stdout=output, stderr=subprocess.STDOUT)
        self.running.append(self)

    @property
    def text(self) -> str:
        """Everything it has written."""
        return self.log.read_text()

    def wait_text(self, words: str) -> None:
        """Wait until it has written `words`; fail at once when it has ended without."""
        def seen() -> bool:
            alive = self.popen.poll() is None
            assert words in self.text or alive, f'ended without {words!r}:\n{self.text}'
            return words in self.text
        wait_for(seen, f'{words!r} in the output of the process')

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Return the exit code of a process that ends by itself."""
        return self.popen.wait(timeout_s)

    def stop(self, number: int = signal.SIGINT, times: int = 1) -> int:
        """Send a signal and return the exit code."""
        for _ in range(times):
            self.popen.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        """End it whatever it does."""
        if self in self.running:
            self.running.remove(self)
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()


class Peer:
    """A node in this process, in the domain of the environment it was made with."""

    def __init__(self, domain: int) -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node('peer', context=self._context,
                                      start_parameter_services=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._closed = False
        self._clients: dict[str, Any] = {}
        self._answered: set[str] = set()
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self) -> None:
        while not self._closed:
            self._executor.spin_once(timeout_sec=1.0)

    def close(self) -> None:
        self._closed = True
        self._executor.wake()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def listen(self, kind: type, topic: str, qos: QoSProfile = RELIABLE) -> list[Any]:
        """Return a list that grows with each message; it returns once a publisher is there."""
        received: list[Any] = []
        self.node.create_subscription(kind, topic, received.append, qos)
        wait_for(lambda: self.node.count_publishers(topic), f'publisher of {topic}')
        return received

    def publisher(self, topic: str = '/image', qos: QoSProfile = BEST_EFFORT) -> Any:
        """Return a publisher of images once somebody subscribes."""
        publisher = self.node.create_publisher(Image, topic, qos)
        wait_for(publisher.get_subscription_count, f'subscriber of {topic}')
        return publisher

    def call(self, kind: type, service: str, request: Any, *, repeatable: bool = False) -> Any:
        """Return the response of a service.

        Fast DDS gives up ("client will not receive response") where a node that is short of time
        answers a client that it has not heard of yet. So a new client asks once more where no
        harm is done by that; every later request must be answered.
        """
        client = self._client(kind, service)
        assert client.wait_for_service(PATIENCE_S), f'no service {service}'
        future = client.call_async(request)
        if repeatable and service not in self._answered:
            deadline = time.monotonic() + FIRST_ANSWER_S
            while not future.done() and time.monotonic() < deadline:
                time.sleep(0.01)
            future = future if future.done() else client.call_async(request)
        wait_for(future.done, f'answer of {service}')
        self._answered.add(service)
        return future.result()

    def _client(self, kind: type, service: str) -> Any:
        """Return the client of a service, which is kept: a new one takes ten times as long.

        A service may drop the answer to a client that it has not heard of yet.
        """
        if service not in self._clients:
            self._clients[service] = self.node.create_client(kind, service)
        return self._clients[service]

    def set(self, name: str, value: Any, node: str = '/detector') -> SetParametersResult:
        """Set one parameter as `ros2 param set` does."""
        parameter = value if isinstance(value, Parameter) else Parameter(name, value=value)
        request = SetParameters.Request(parameters=[parameter.to_parameter_msg()])
        return self.call(SetParameters, f'{node}/set_parameters', request,
                         repeatable=True).results[0]

    def get(self, name: str, node: str = '/detector') -> Any:
        """Return the value of one parameter as `ros2 param get` does."""
        request = GetParameters.Request(names=[name])
        value = self.call(GetParameters, f'{node}/get_parameters', request,
                          repeatable=True).values[0]
        return parameter_value_to_python(value)

    def state(self, node: str = '/detector') -> str:
        """Return the name of the lifecycle state."""
        response = self.call(GetState, f'{node}/get_state', GetState.Request(),
                             repeatable=True)
        return str(response.current_state.label)

    def change_state(self, label: str, node: str = '/detector') -> bool:
        """Ask for a transition by its label and return whether it was made."""
        request = ChangeState.Request()
        request.transition.label = label
        service = f'{node}/change_state'
        if service not in self._clients:  # a transition cannot be asked for twice
            self._client(ChangeState, service).wait_for_service(PATIENCE_S)
            time.sleep(HEARD_S)
        return bool(self.call(ChangeState, service, request).success)

    def wait_active(self, node: str = '/detector') -> None:
        """Wait until the node is active."""
        wait_for(lambda: self.state(node) == 'active', f'active {node}')


assert State.PRIMARY_STATE_ACTIVE == 3


class Camera:
    """Publishes images with stamps that count up, and collects what the detector makes of them."""

    def __init__(self, peer: Peer, node: str = '/detector', topic: str = '/image') -> None:
        self.detections: list[Detection2DArray] = peer.listen(
            Detection2DArray, f'{node}/detections')
        self.status: list[DiagnosticArray] = peer.listen(
            DiagnosticArray, f'{node}/frame_status')
        self._publisher = peer.publisher(topic)
        self._count = 0
        wait_for(self._heard, f'first detections of {node}')

    def _heard(self) -> bool:
        """Publish an image; topics are seen before they are connected, so some get no answer."""
        self.publish(self.image(48, 64))
        time.sleep(0.1)
        return bool(self.detections and self.status)

    def header(self) -> Header:
        """Return a header that was never used before."""
        self._count += 1
        header = Header(frame_id=f'eye_{self._count}')
        header.stamp.sec, header.stamp.nanosec = 1000 + self._count, 17 * self._count
        return header

    def image(self, height: int, width: int, encoding: str = 'bgr8') -> Image:
        """Return an image of noise."""
        rng = np.random.default_rng(height * width)
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        return to_image(pixels, encoding, self.header())

    def show(self, message: Image) -> tuple[Detection2DArray, dict[str, str]]:
        """Publish an image and return its detections and the values of its status."""
        self.publish(message)
        array = wait_for(lambda: _find(self.detections, message.header), 'detections')
        status = wait_for(lambda: _find(self.status, message.header), 'frame status')
        return array, values(status.status[0])

    def publish(self, message: Image) -> None:
        """Publish an image."""
        self._publisher.publish(message)


def _find(messages: Sequence[Any], header: Header) -> Any:
    return next((m for m in list(messages) if m.header == header), None)


def values(status: Any) -> dict[str, str]:
    """Return the key/value pairs of a DiagnosticStatus."""
    return {pair.key: pair.value for pair in status.values}
