# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The status messages: one per frame on ~/frame_status, one per second on /diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from anydepth_core.detections import Detections
from anydepth_ros.frame_statistics import Counts, FrameStatistics
from anydepth_ros.input_watch import Finding

MAX_FAILURES = 10
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Identity:
    """Who reports.

    Attributes:
        node: full name of the node.
        hardware: the device the network runs on.
    """

    node: str
    hardware: str


def status(identity: Identity, part: str, level: bytes, message: str,
           values: Mapping[str, object]) -> DiagnosticStatus:
    """Return one status; numbers with a fraction get three decimals."""
    return DiagnosticStatus(
        name=f'{identity.node}: {part}', hardware_id=identity.hardware, level=level,
        message=message,
        values=[KeyValue(key=key, value=f'{value:.3f}' if isinstance(value, float) else str(value))
                for key, value in values.items()])


def frame_status(identity: Identity, header: Header, detections: Detections, counts: Counts, *,
                 wait_ms: float, age_ms: float) -> DiagnosticArray:
    """Return what is known of one processed image, under that image's own header.

    Args:
        identity: who reports.
        header: of the image.
        detections: with the depth that ran and the times it took.
        counts: the totals with this image.
        wait_ms: from the image's arrival to the start of its processing.
        age_ms: from the image's stamp to now; nan without a stamp.
    """
    timing = detections.timing
    values = {
        'depth': detections.depth,
        'preprocess_ms': timing.preprocess_ms,
        'network_ms': timing.network_ms,
        'decode_ms': timing.decode_ms,
        'total_ms': timing.total_ms,
        'wait_ms': wait_ms,
        'age_ms': age_ms,
        'detections': len(detections),
        **_totals(counts),
    }
    return DiagnosticArray(header=header, status=[
        status(identity, 'frame', OK, detections.depth, values)])


def input_status(identity: Identity, finding: Finding | None, counts: Counts, rate_hz: float,
                 topic: str, transport: str) -> DiagnosticStatus:
    """Return whether images arrive; WARN with the fix where something is wrong."""
    values = {'topic': topic, 'rate_hz': rate_hz, 'transport': transport, **_totals(counts)}
    if finding is None:
        return status(identity, 'input', OK, 'not configured', values)
    return status(identity, 'input', WARN if finding.bad else OK, finding.text, values)


def inference_status(identity: Identity, gate: str, statistics: FrameStatistics, depth: str,
                     rate_hz: float, last_error: str) -> DiagnosticStatus:
    """Return how frames are processed; ERROR when the last ten all failed.

    Args:
        identity: who reports.
        gate: why nothing is processed ('inactive', 'disabled'); empty when it is.
        statistics: of all frames.
        depth: the depth in force.
        rate_hz: frames processed per second.
        last_error: of the newest frame that failed.
    """
    p50, p95, p99 = statistics.quantiles_ms(0.50, 0.95, 0.99)
    failures = statistics.failures_in_a_row
    counts = statistics.counts
    level, message = OK, gate or f'{rate_hz:.1f} images/s at depth {depth}'
    if failures:
        level = ERROR if failures >= MAX_FAILURES else WARN
        message = f'the last {failures} images failed: {last_error}'
    return status(identity, 'inference', level, message, {
        'depth': depth, 'rate_hz': rate_hz, 'p50_ms': p50, 'p95_ms': p95, 'p99_ms': p99,
        'processed': counts.processed, 'dropped': counts.dropped, 'failed': counts.failed,
        'last_error': last_error})


def model_status(identity: Identity, facts: Mapping[str, object], error: str) -> DiagnosticStatus:
    """Return which model is loaded; ERROR with the reason where loading failed."""
    if error:
        return status(identity, 'model', ERROR, error, facts)
    return status(identity, 'model', OK, str(facts.get('model', 'not loaded')), facts)


def _totals(counts: Counts) -> dict[str, int]:
    return {'received': counts.received, 'processed': counts.processed, 'dropped': counts.dropped,
            'failed': counts.failed, 'lost_in_transport': counts.lost_in_transport}
