# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Which depth the next frame of a camera gets: from its parameters to a policy. No ROS here.

A `Plan` is what the parameters say; it is part of the settings and never changes. A `DepthChooser`
keeps the policy that follows it, with what that has learnt, from frame to frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import threading
from typing import Any

from anydepth_core.depth import Depth, DepthSpace
from anydepth_core.errors import ProfileError
from anydepth_core.runtime.budget import Budget
from anydepth_core.runtime.policy import Choice, Fixed, FrameCost, Policy
from anydepth_core.runtime.policy_budgeted import Budgeted, Table, Tracking, within
from anydepth_core.runtime.policy_power import Capped, PowerCap
from anydepth_core.runtime.policy_routed import Routed
from anydepth_core.runtime.policy_step_down import Limited, StepDown
from anydepth_core.runtime.profile import Profile

AUTO = 'auto'
# Which unit a budget has, and who keeps it: each frame stays within, or all on average.
BUDGETS: Mapping[str, tuple[str, type[Budgeted]]] = {
    'latency_budget_ms': ('ms', Table),
    'compute_budget_gflops': ('gflops', Tracking),
    'target_fps': ('fps', Tracking),
}
DEPTH_LIMITS = ('depth_floor', 'depth_ceiling')


@dataclass(frozen=True)
class Plan:
    """What decides the depth of a camera's frames.

    Attributes:
        depth: the one that was set; None: auto.
        budget: what auto keeps; None: the deepest it may run.
        keeper: the class of the policy that keeps the budget.
        floor: what auto always runs.
        ceiling: all that auto may run.
        profile: what depths cost; None only where a depth is set.
        power_budget_w: above which auto gets shallower; None: never.
        max_temperature_c: above which auto gets shallower; None: never.
        cameras: how many share the power.
    """

    depth: Depth | None
    budget: Budget | None = None
    keeper: type[Budgeted] = Table
    floor: Depth | None = None
    ceiling: Depth | None = None
    profile: Profile | None = None
    power_budget_w: float | None = None
    max_temperature_c: float | None = None
    cameras: int = 1

    @property
    def power_on_average(self) -> bool:
        """Whether the power budget is met on average, which takes a profile that knows joules."""
        return self.power_budget_w is not None and self.profile is not None and all(
            entry.energy_j is not None for entry in self.profile.entries)


def make_plan(values: Mapping[str, Any], depths: DepthSpace, profile: Profile | None,
              no_profile: str = '', cameras: int = 1, routed: bool = False) -> Plan:
    """Return what these parameters say, after making sure that a policy can follow it.

    Args:
        values: at least depth, its limits and the budgets, in their right types.
        depths: of the model.
        profile: of the model on this device; None if there is none.
        no_profile: how to come by one.
        cameras: how many share the time for `target_fps`.
        routed: whether detections tell what a router predicts; a budget that is kept on average
            is then spent by that.

    Raises:
        DepthError: a depth that the model does not have.
        BudgetError: no depth of the profile lies within the limits.
        ProfileError: depth is auto and there is no profile.
    """
    floor, ceiling = depths.parse(values['depth_floor']), depths.parse(values['depth_ceiling'])
    if values['depth'] != AUTO:
        return Plan(depths.parse(values['depth']))
    if profile is None:
        raise ProfileError('depth: auto needs to know what each depth costs on this device, and '
                           f'there is no profile; {no_profile}')
    budget: Budget | None = None
    keeper: type[Budgeted] = Table
    for name, (unit, keeps) in BUDGETS.items():
        if values[name]:
            share = cameras if unit == 'fps' else 1
            budget = Budget(values[name] * share, unit)
            keeper = Routed if routed and keeps is Tracking else keeps
    plan = Plan(None, budget, keeper, floor, ceiling, profile,
                values['power_budget_w'] or None, values['max_temperature_c'] or None, cameras)
    make_policy(plan)
    return plan


def make_policy(plan: Plan) -> Policy:
    """Return a policy that follows the plan and has learnt nothing yet.

    Raises:
        BudgetError: no depth of the profile lies within the limits.
        ProfileError: the profile does not know the cost that the budget counts.
    """
    if plan.depth is not None:
        return Fixed(plan.depth)
    assert plan.profile is not None
    if plan.budget is None:
        return Deepest(plan)
    return plan.keeper(plan.profile, plan.budget, floor=plan.floor, ceiling=plan.ceiling)


def make_step_down(plan: Plan) -> StepDown:
    """Return what keeps the plan's limits of temperature and, step by step, of power."""
    assert plan.profile is not None
    return StepDown(plan.profile, power_budget_w=_stepped_power(plan),
                    max_temperature_c=plan.max_temperature_c, floor=plan.floor,
                    ceiling=plan.ceiling)


def _stepped_power(plan: Plan) -> float | None:
    return None if plan.power_on_average else plan.power_budget_w


class Deepest(Policy):
    """The best depth within the limits, whatever it costs: auto without a budget."""

    def __init__(self, plan: Plan) -> None:
        assert plan.profile is not None
        allowed = within(plan.profile, plan.floor, plan.ceiling)
        entry = plan.profile.pareto(lambda each: each.mean_ms, allowed)[-1]
        self._choice = Choice(entry.depth, f'auto: {entry.name}, the deepest allowed; no budget')

    def choose(self, now: float) -> Choice:  # noqa: D102
        return self._choice


class DepthChooser:
    """Chooses the depth of each frame of one camera.

    One thread calls `choose` and `observe`; any other may call `feel` and `limit`.
    """

    def __init__(self) -> None:
        self._plan = Plan(None)
        self._policy: Policy | None = None
        self._limited: Policy | None = None
        self._lock = threading.Lock()
        self._step_down: StepDown | None = None
        self._cap: PowerCap | None = None

    def choose(self, plan: Plan, now: float) -> Choice:
        """Return the depth of the frame that starts `now`, in seconds of a monotonic clock.

        Args:
            plan: in force for this frame, from `make_plan`.
            now: not before the frame before.
        """
        if plan is not self._plan:
            if self._policy is None or plan != self._plan:
                self._follow(plan)
            self._plan = plan
        assert self._limited is not None
        return self._limited.choose(now)

    def observe(self, cost: FrameCost) -> None:
        """Take note of what the frame did cost."""
        if self._policy is not None:
            self._policy.observe(cost)
        if self._cap is not None:
            self._cap.observe(cost.depth)

    def feel(self, now: float, power_w: float | None, temperature_c: float | None) -> None:
        """Take note of power and temperature, about once a second."""
        with self._lock:
            if self._step_down:
                self._step_down.feel(now, power_w, temperature_c)
            if self._cap:
                self._cap.feel(now, power_w)

    def limit(self) -> tuple[str, str]:
        """Return why nothing deeper runs, and by how much even the shallowest is over."""
        with self._lock:
            step_down, cap = self._step_down, self._cap
            limits = [(step_down.reason, step_down.shortfall)] if step_down else []
            if cap:
                limits.append((cap.reason, f'{cap.shortfall_w:.3g} W' if cap.shortfall_w else ''))
        return next((each for each in limits if each[1]), limits[0] if limits else ('', ''))

    def _follow(self, plan: Plan) -> None:
        """Let the policy keep what it knows of the device where only budget or limits changed."""
        policy = self._policy
        if (isinstance(policy, Budgeted) and plan.budget is not None
                and type(policy) is plan.keeper and plan.profile is self._plan.profile):
            policy.change(plan.budget, floor=plan.floor, ceiling=plan.ceiling)
        else:
            policy = self._policy = make_policy(plan)
        with self._lock:
            self._step_down, self._cap = self._limits(plan), self._power_cap(plan)
            step_down, cap = self._step_down, self._cap
        limited = Capped(policy, cap) if cap else policy
        self._limited = Limited(limited, step_down) if step_down else limited

    def _limits(self, plan: Plan) -> StepDown | None:
        if plan.profile is None or (_stepped_power(plan), plan.max_temperature_c) == (None, None):
            return None
        if self._step_down is None or plan.profile is not self._plan.profile:
            return make_step_down(plan)
        self._step_down.change(
            power_budget_w=_stepped_power(plan), max_temperature_c=plan.max_temperature_c,
            floor=plan.floor, ceiling=plan.ceiling)
        return self._step_down

    def _power_cap(self, plan: Plan) -> PowerCap | None:
        if plan.profile is None or plan.power_budget_w is None or not plan.power_on_average:
            return None
        if self._cap is None or plan.profile is not self._plan.profile:
            return PowerCap(plan.profile, plan.power_budget_w, floor=plan.floor,
                            ceiling=plan.ceiling, shares=plan.cameras)
        self._cap.change(plan.power_budget_w, floor=plan.floor, ceiling=plan.ceiling)
        return self._cap
