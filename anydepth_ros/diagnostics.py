# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The status messages: one per frame on ~/frame_status, one per second on /diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from anydepth_core.detections import Detections
from anydepth_core.errors import AnyDepthError
from anydepth_core.runtime.policy import Choice
from anydepth_ros.energy_watch import Reading
from anydepth_ros.frame_statistics import Counts, FrameStatistics
from anydepth_ros.input_watch import Finding

MAX_FAILURES = 10
# As many as tell weights apart at a glance; /diagnostics has all.
HASH_DIGITS = 12
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Identity:
    """Who reports.

    Attributes:
        node: full name of the node.
        hardware: the device the network runs on.
        camera: of which camera; empty where there is but one.
    """

    node: str
    hardware: str
    camera: str = ''


@dataclass(frozen=True)
class FrameReport:
    """What is known of one processed image.

    Attributes:
        detections: with the depth that ran and the times it took.
        choice: why that depth, and by how much the budget is too small for any.
        unit: of that shortfall.
        mission_mode: in force.
        weights_hash: SHA-256 of the weights that ran.
        counts: the totals with this image.
        wait_ms: from the image's arrival to the start of its processing.
        age_ms: from the image's stamp to now; nan without a stamp.
        batch: how many images the pass had; the times are this one's share of it.
    """

    detections: Detections
    choice: Choice
    unit: str
    mission_mode: str
    weights_hash: str
    counts: Counts
    wait_ms: float
    age_ms: float
    batch: int = 1

    @property
    def shortfall(self) -> str:
        """One clause where nothing fits the budget; empty where something does."""
        return shortfall_text(self.choice, self.unit)


def shortfall_text(choice: Choice | None, unit: str) -> str:
    """Return one clause where nothing fits the budget; empty where something does."""
    if choice is None or not choice.shortfall:
        return ''
    return (f'nothing fits the budget: the shallowest depth allowed is {choice.shortfall:.3g} '
            f'{unit} over; raise the budget or lower depth_floor')


def status(identity: Identity, part: str, level: bytes, message: str,
           values: Mapping[str, object]) -> DiagnosticStatus:
    """Return one status; numbers with a fraction get three decimals."""
    name = f'{identity.camera} {part}' if identity.camera else part
    return DiagnosticStatus(
        name=f'{identity.node}: {name}', hardware_id=identity.hardware, level=level,
        message=message,
        values=[KeyValue(key=key, value=f'{value:.3f}' if isinstance(value, float) else str(value))
                for key, value in values.items()])


def frame_status(identity: Identity, header: Header, report: FrameReport,
                 part: str = 'frame') -> DiagnosticArray:
    """Return what is known of one image, under its own header; WARN where no depth fits."""
    detections, timing = report.detections, report.detections.timing
    values = {
        'depth': detections.depth,
        'why': report.choice.reason,
        'shortfall': report.choice.shortfall,
        'mission_mode': report.mission_mode,
        'weights': report.weights_hash[:HASH_DIGITS],
        'preprocess_ms': timing.preprocess_ms,
        'network_ms': timing.network_ms,
        'decode_ms': timing.decode_ms,
        'total_ms': timing.total_ms,
        'batch': report.batch,
        'wait_ms': report.wait_ms,
        'age_ms': report.age_ms,
        'detections': len(detections),
        **_totals(report.counts),
    }
    short = report.shortfall
    return DiagnosticArray(header=header, status=[
        status(identity, part, WARN if short else OK,
               f'{detections.depth}; {short}' if short else detections.depth, values)])


def input_status(identity: Identity, finding: Finding | None, gate: str, counts: Counts,
                 rate_hz: float, topic: str, transport: str) -> DiagnosticStatus:
    """Return whether images arrive; WARN with the fix where something is wrong."""
    values = {'topic': topic, 'rate_hz': rate_hz, 'transport': transport, **_totals(counts)}
    if finding is None:
        return status(identity, 'input', OK, gate, values)
    return status(identity, 'input', WARN if finding.bad else OK, finding.text, values)


@dataclass(frozen=True)
class Running:
    """How the frames of a camera are processed.

    Attributes:
        gate: why nothing is processed ('inactive', 'disabled'); empty when it is.
        depth: that was set; 'auto' where a policy chooses.
        mission_mode: in force.
        rate_hz: frames processed per second.
        why: the reason for the depth of the newest frame.
        short: one clause where no depth fits the budget.
        last_error: of the newest frame that failed.
    """

    gate: str
    depth: str
    mission_mode: str = ''
    rate_hz: float = 0.0
    why: str = ''
    short: str = ''
    last_error: str = ''


def inference_status(identity: Identity, running: Running,
                     statistics: FrameStatistics) -> DiagnosticStatus:
    """Return how frames are processed: WARN when no depth fits, ERROR when the last ten failed."""
    p50, p95, p99 = statistics.quantiles_ms(0.50, 0.95, 0.99)
    failures = statistics.failures_in_a_row
    counts = statistics.counts
    level = OK
    message = running.gate or f'{running.rate_hz:.1f} images/s at depth {running.depth}'
    if running.short and not running.gate:
        level, message = WARN, running.short
    if failures:
        level = ERROR if failures >= MAX_FAILURES else WARN
        message = f'the last {failures} images failed: {running.last_error}'
    return status(identity, 'inference', level, message, {
        'depth': running.depth, 'why': running.why, 'mission_mode': running.mission_mode,
        'rate_hz': running.rate_hz, 'p50_ms': p50, 'p95_ms': p95, 'p99_ms': p99,
        'processed': counts.processed, 'dropped': counts.dropped, 'refused': counts.refused,
        'failed': counts.failed, 'last_error': running.last_error})


def model_status(identity: Identity, facts: Mapping[str, object], error: str,
                 warning: str = '') -> DiagnosticStatus:
    """Return which model is loaded; ERROR with the reason where loading failed.

    Args:
        identity: who reports.
        facts: about the model.
        error: why it could not be loaded.
        warning: what should be better about how it runs.
    """
    if error:
        return status(identity, 'model', ERROR, error, facts)
    if warning:
        return status(identity, 'model', WARN, warning, facts)
    loading = f'; loading {facts["loading"]}' if facts.get('loading') else ''
    return status(identity, 'model', OK, f'{facts.get("model", "not loaded")}{loading}', facts)


def request_status(identity: Identity, counts: Counts, trouble: str) -> DiagnosticStatus:
    """Return how requests were answered; WARN with the reason where the newest could not be."""
    return status(identity, 'requests', WARN if trouble else OK,
                  trouble or f'{counts.processed} answered', _totals(counts))


def request_refusal(identity: Identity, header: Header, reason: str,
                    counts: Counts) -> DiagnosticArray:
    """Return the answer to a request whose image is not processed, under its own header."""
    return DiagnosticArray(header=header, status=[
        status(identity, 'request', ERROR, reason, {'detections': 0, **_totals(counts)})])


def words(error: Exception) -> str:
    """Return what an error says; its kind too where it is none of ours."""
    text = str(error) or type(error).__name__
    return text if isinstance(error, AnyDepthError) else f'{type(error).__name__}: {text}'


def energy_status(identity: Identity, reading: Reading, limits: Mapping[str, float], words: str,
                  warning: str) -> DiagnosticStatus:
    """Return what the machine draws; WARN where a limit is set that nothing is measured for.

    Args:
        identity: who reports.
        reading: of this second.
        limits: in force, by parameter.
        words: what is read.
        warning: why a limit cannot be kept; empty where all can.
    """
    known = {'power_w': reading.power_w, 'temperature_c': reading.temperature_c}
    return status(identity, 'energy', WARN if warning else OK, warning or words, {
        **{name: 'unknown' if value is None else value for name, value in known.items()},
        **limits})


def _totals(counts: Counts) -> dict[str, int]:
    return {'received': counts.received, 'processed': counts.processed, 'dropped': counts.dropped,
            'refused': counts.refused, 'failed': counts.failed,
            'lost_in_transport': counts.lost_in_transport}
