# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Every parameter of the node `detector`, once: name, default, words, range, and what is valid.

No ROS here: `parameter_server.py` declares this table and keeps it in step with the running node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
import re
from typing import TYPE_CHECKING, Any

from anydepth_core.depth import DepthSpace
from anydepth_core.errors import AnyDepthError, nearest
from anydepth_core.runtime.profile import Profile
from anydepth_ros.depth_choice import AUTO, BUDGETS, DEPTH_LIMITS, Plan, make_plan

if TYPE_CHECKING:
    from anydepth_core.runtime.detector import Detector

WEIGHTS = 'weights'
# Longer than any path; what is longer would only be echoed into logs.
LONGEST_TEXT = 4096


class ParameterError(AnyDepthError):
    """A parameter value that cannot be; the message names it and says what to write."""


@dataclass(frozen=True)
class Spec:
    """One parameter.

    Attributes:
        name: as users write it.
        default: gives the type too; a list is a list of strings.
        description: one sentence for `ros2 param describe`.
        constraints: what is valid, in words; empty where range or choices say it.
        low: smallest valid number; None without a range.
        high: greatest valid number.
        choices: the valid words; empty where any word may be.
        read_only: can be given at start only.
        node_wide: one for the whole node; all other live parameters each camera has its own of.
        cameras_only: there only where several cameras are named.
    """

    name: str
    default: Any
    description: str
    constraints: str = ''
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = False
    node_wide: bool = False
    cameras_only: bool = False

    @property
    def valid(self) -> str:
        """What is valid, in words; empty where the range says it."""
        return self.constraints or ' or '.join(map(repr, self.choices))


DEPTHS = ("'full', 'base', 'full-STAGE…' or 'base+STAGE…' with p2 p3 p4 p5 fpn4 fpn3 pan4 pan5 "
          'backbone neck fpn pan; @N at the end for N decoder layers of a model that has them')
SPECS = (
    Spec('depth', 'full', 'How much of the network runs; takes effect on the next frame.',
         f"{DEPTHS}; 'auto': what the budget allows, which needs a profile"),
    Spec('latency_budget_ms', 0.0, 'Milliseconds that 95 of 100 images stay within, from pixels '
         'to detections; 0: none. A budget sets depth to auto and the other budgets to 0.',
         low=0.0, high=1e6),
    Spec('compute_budget_gflops', 0.0, 'GFLOPs that an image needs on average; 0: none. A budget '
         'sets depth to auto and the other budgets to 0.', low=0.0, high=1e6),
    Spec('target_fps', 0.0, 'Images per second to keep up with on average; 0: none. Several '
         'cameras share the time in equal parts. A budget sets depth to auto and the other '
         'budgets to 0.', low=0.0, high=1000.0),
    Spec('depth_floor', 'base', 'What depth auto always runs.', DEPTHS),
    Spec('depth_ceiling', 'full', 'All that depth auto may run.', DEPTHS),
    Spec('mission_mode', '', 'Sets the parameters that a mode of mission_modes_file names. Reads '
         "'custom' once one of them was set to something else.",
         "name of a mode; '': none, and everything stays as it is"),
    Spec('score_threshold', 0.3, 'Objects with a lower score are left out.', low=0.0, high=1.0),
    Spec('nms_iou', 0.7, 'Of two boxes of one class that overlap more (intersection over union) '
         'the better is kept; no effect on models that need no such step.', low=0.0, high=1.0),
    Spec('max_detections', 100, 'At most this many objects per image, best first.',
         low=1, high=1000),
    Spec('classes', [], 'Names or indices of the classes to report; empty: all.',
         'names as in ~/label_info, or their indices'),
    Spec('rate_limit_hz', 0.0, 'At most this many images per second are processed; 0: all.',
         low=0.0, high=1000.0),
    Spec('max_age_ms', 0.0, 'Images whose stamp is older when their turn comes are refused and '
         'counted; 0: none is.', low=0.0, high=1e6),
    Spec('priority', 1, 'How many images of this camera are processed for one of a camera with '
         'priority 1, when there is no time for all.', low=1, high=100, cameras_only=True),
    Spec('enabled', True, 'False: images are not processed and nothing is published.'),
    Spec('power_budget_w', 0.0, 'Watts that all sensors together may tell with depth auto: on '
         'average where the profile knows the joules of a frame, else above which it is made '
         'shallower step by step; 0: none.', low=0.0, high=1e5, node_wide=True),
    Spec('max_temperature_c', 0.0, 'Degrees Celsius above which depth auto is made shallower step '
         'by step, where a sensor tells; 0: none.', low=0.0, high=150.0, node_wide=True),
    Spec('request_depth', 'full', 'How much of the network runs for images on ~/request_image; '
         'not auto.', DEPTHS, node_wide=True),
    Spec(WEIGHTS, 'scenes', 'Name of packaged weights, or path of a .safetensors file. Others are '
         'loaded beside those that run, which takes seconds, and take over between two images.',
         node_wide=True),
    Spec('cameras', [], 'Names of the cameras; empty: one without a name. Camera `front` has the '
         'topics front/image and ~/front/detections, and the parameters front.depth and so on, '
         'which follow depth and so on until they are set.',
         'small letters, digits and single _ between', read_only=True),
    Spec('image_transport', 'raw', 'raw: sensor_msgs/Image on the topic `image`; compressed: '
         'sensor_msgs/CompressedImage (JPEG or PNG) on the topic `image`/compressed.',
         choices=('raw', 'compressed'), read_only=True),
    Spec('class_id_as', 'index', 'What class_id in ~/detections is: index, which ~/label_info '
         'gives the name of, or the name itself.', choices=('index', 'name'), read_only=True),
    Spec('backend', 'auto', 'What runs the network; auto says in the log what it chose.',
         read_only=True),
    Spec('device', 'auto', "Where the network runs: 'auto', 'cpu', 'cuda', 'cuda:1', …; a device "
         'that is not there is an error.', read_only=True),
    Spec('input_size', '', 'WIDTHxHEIGHT of the network input; empty: as the weights say. One of '
         "the camera's shape, such as 640x384 for 16:9, saves what letterbox borders cost.",
         'multiples of 32 pixels', read_only=True),
    Spec('precision', 'fp32', "Number format of the network: 'fp32', or what the backend offers.",
         read_only=True),
    Spec('router', '', 'File of a router (training/train_router.py) for these weights: target_fps '
         'and compute_budget_gflops are then spent on the images that it expects to gain most; '
         "empty: none. It needs the backend 'torch', which auto is then.", read_only=True),
    Spec('profile', '', "File of 'anydepth profile'; empty: the one of this device, model and "
         'precision in the cache, if there is one.', read_only=True),
    Spec('profile_on_start', False, 'Measure a profile when there is none, which takes about ten '
         'seconds, and up to ten more where a sensor tells power; it is kept in the cache.',
         read_only=True),
    Spec('mission_modes_file', '', 'YAML file of the mission modes; empty: the packaged one.',
         read_only=True),
    Spec('autostart', True, 'Configure and activate at start; false leaves that to a lifecycle '
         'manager.', read_only=True),
)
BY_NAME: Mapping[str, Spec] = {spec.name: spec for spec in SPECS}
CAMERA_NAME = re.compile('[a-z][a-z0-9]*(_[a-z0-9]+)*')
MAX_CAMERAS = 16


@dataclass(frozen=True)
class Settings:
    """What one frame is processed with: a snapshot that never changes.

    Attributes are the live parameters; `class_indices` is None until a model is known or when
    every class is reported, `plan` and `detector` are None until a model is known. The detector is
    part of it, so that a frame never meets settings that were made for another.
    """

    depth: str
    latency_budget_ms: float
    compute_budget_gflops: float
    target_fps: float
    depth_floor: str
    depth_ceiling: str
    mission_mode: str
    score_threshold: float
    nms_iou: float
    max_detections: int
    classes: tuple[str, ...]
    rate_limit_hz: float
    max_age_ms: float
    priority: int
    enabled: bool
    power_budget_w: float
    max_temperature_c: float
    request_depth: str
    class_indices: frozenset[int] | None = None
    plan: Plan | None = None
    detector: Detector | None = None


@dataclass(frozen=True)
class ModelFacts:
    """What a loaded model decides about the parameters.

    Attributes:
        depths: that it has.
        class_names: that it finds.
        profile: what its depths cost here; None if nobody measured.
        no_profile: how to come by one, for the refusal of depth auto without.
        cameras: how many share it.
        routed: whether a router watches it.
        detector: that runs it; None if it is not loaded yet.
    """

    depths: DepthSpace
    class_names: tuple[str, ...]
    profile: Profile | None = None
    no_profile: str = ''
    cameras: int = 1
    routed: bool = False
    detector: Detector | None = None


LIVE = tuple(field.name for field in fields(Settings) if field.name in BY_NAME)


def coerce(spec: Spec, value: Any) -> Any:
    """Return `value` in the type of the parameter where it is plain what was meant.

    The command line and YAML make 1 an integer, [0, 2] a list of integers, [] a list of nothing,
    on a bool and 1e-1 a string. A value that stays of a wrong type is returned unchanged.
    """
    default = spec.default
    if isinstance(default, float):
        return _number(value)
    if isinstance(default, str) and isinstance(value, (bool, int, float)):
        return str(value)
    if isinstance(default, list):
        one = isinstance(value, (str, bytes)) or not isinstance(value, Iterable)
        items = [] if value is None else [value] if one else value
        return [str(item) for item in items if item != '']
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return value


def expected(spec: Spec) -> str:
    """Return how a value of the parameter is written, for an error message."""
    words = {bool: 'true or false', int: 'an integer such as 100', float: 'a number such as 0.3',
             str: 'a text', list: 'a list of texts such as [ball, cup]'}[type(spec.default)]
    return words if spec.low is None else f'{words}, {spec.low:g} to {spec.high:g}'


def check(spec: Spec, value: Any) -> None:
    """Refuse a value of the parameter that is of a wrong type or out of range.

    Raises:
        ParameterError: with what to write instead.
    """
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and len(text) > LONGEST_TEXT:
            raise ParameterError(f'{spec.name}: {text[:40]!r}… has {len(text)} characters; at '
                                 f'most {LONGEST_TEXT} are taken')
    fits = type(value) is type(spec.default)
    if fits and spec.low is not None and spec.high is not None:
        fits = bool(spec.low <= value <= spec.high)
    if not fits:
        raise ParameterError(f'{spec.name}: {value!r} is not {expected(spec)}')
    if spec.choices and value not in spec.choices:
        raise ParameterError(f'{spec.name}: {value!r} is not one of {", ".join(spec.choices)}')


def make_settings(values: Mapping[str, Any], model: ModelFacts | None) -> Settings:
    """Return the snapshot of these parameter values, valid for `model` (None: not loaded yet).

    Args:
        values: at least every live parameter, in its right type.
        model: None checks the grammar of the depth, but not what the model lacks.

    Raises:
        ParameterError: a value that cannot be.
        DepthError: a depth that is none, or that this model does not have.
    """
    for name in LIVE:
        check(BY_NAME[name], values[name])
    given = [f'{name} {values[name]:g}' for name in BUDGETS if values[name]]
    if len(given) > 1:
        raise ParameterError(f'{" and ".join(given)}: one budget at a time; set the others to 0')
    plan = None
    if model is None:
        for name in ('depth', 'request_depth', *DEPTH_LIMITS):
            _check_depth(name, values[name])
    else:
        model.depths.parse(values['request_depth'])
        plan = make_plan(values, model.depths, model.profile, model.no_profile, model.cameras,
                         model.routed)
    classes = tuple(values['classes'])
    indices = class_indices(classes, model.class_names) if model and classes else None
    return Settings(**{**{name: values[name] for name in LIVE}, 'classes': classes},
                    class_indices=indices, plan=plan, detector=model.detector if model else None)


def _check_depth(name: str, text: str) -> None:
    """Refuse what no model can have as a depth."""
    if name != 'depth' or text != AUTO:
        DepthSpace(decoder_layers=999 if '@' in text else None).parse(text)


def class_indices(classes: tuple[str, ...], names: tuple[str, ...]) -> frozenset[int]:
    """Return the indices that names or written indices stand for.

    Raises:
        ParameterError: a class that the model does not have.
    """
    found = set()
    for word in classes:
        if word in names:
            found.add(names.index(word))
        elif word.isdecimal() and word.isascii() and len(word) < 9 and int(word) < len(names):
            found.add(int(word))
        else:
            shown = ', '.join(names[:20]) + (', …' if len(names) > 20 else '')
            raise ParameterError(f'classes: this model has no class {word!r}'
                                 f'{nearest(word, names)}; it has {shown} '
                                 f'(or indices 0 to {len(names) - 1})')
    return frozenset(found)


def camera_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the cameras; one empty name where none is given.

    Raises:
        ParameterError: a name that cannot be part of a topic, or that comes twice.
    """
    for name in names:
        if not CAMERA_NAME.fullmatch(name) or len(name) > 40 or name in BY_NAME:
            raise ParameterError(f'cameras: {name!r} cannot name a camera; valid: small letters, '
                                 'digits and single _ between, and no name of a parameter')
    if len(set(names)) < len(names) or len(names) > MAX_CAMERAS:
        raise ParameterError(f'cameras: {", ".join(names)}; valid: up to {MAX_CAMERAS} names, '
                             'each once')
    return tuple(names) or ('',)


def scoped(camera: str, name: str) -> str:
    """Return the full name of a parameter of a camera; '' is the node itself."""
    return f'{camera}.{name}' if camera else name


def table(cameras: Sequence[str]) -> dict[str, Spec]:
    """Return every parameter of a node with these cameras, by full name; the node's come first."""
    several = tuple(cameras) != ('',)
    found = {spec.name: spec for spec in SPECS if several or not spec.cameras_only}
    for camera in cameras if several else ():
        found.update({scoped(camera, spec.name): replace(spec, name=scoped(camera, spec.name))
                      for spec in SPECS if not (spec.read_only or spec.node_wide)})
    return found


def parse_size(text: str) -> tuple[int, int] | None:
    """Return (height, width) of a text such as '640x480' (width first); None for an empty one.

    Raises:
        ParameterError: no such text.
    """
    if not text:
        return None
    match = re.fullmatch(r'(\d{1,5})x(\d{1,5})', text.strip())
    if not match or '0' in (match[1].lstrip('0') or '0', match[2].lstrip('0') or '0'):
        raise ParameterError(f'size {text!r} is not WIDTHxHEIGHT such as 640x480')
    return int(match[2]), int(match[1])
