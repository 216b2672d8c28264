# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Power and temperature, read from trees of files as platforms have them."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from anydepth_core.runtime.energy import open_sensors

ORIN_NANO = {
    'class/hwmon/hwmon0/name': 'gpu_thermal',
    'class/hwmon/hwmon1/name': 'ina3221',
    **{f'class/hwmon/hwmon1/in{i}_label': label
       for i, label in enumerate(('VDD_IN', 'VDD_CPU_GPU_CV', 'VDD_SOC'), 1)},
    **{f'class/hwmon/hwmon1/in{i}_input': '5096' for i in (1, 2, 3)},
    'class/hwmon/hwmon1/curr1_input': '1184', 'class/hwmon/hwmon1/curr2_input': '264',
    'class/hwmon/hwmon1/curr3_input': '312', 'class/hwmon/hwmon1/curr4_input': '576',
    'class/hwmon/hwmon1/in7_label': 'sum of shunt voltages',
    'class/thermal/thermal_zone0/type': 'cpu-thermal', 'class/thermal/thermal_zone0/temp': '48531',
    'class/thermal/thermal_zone1/type': 'gpu-thermal', 'class/thermal/thermal_zone1/temp': '49750',
    'class/thermal/thermal_zone2/type': 'cv0-thermal',  # off, so reading it fails
    'class/thermal/thermal_zone8/type': 'tj-thermal', 'class/thermal/thermal_zone8/temp': '50125',
    'class/thermal/thermal_zone9/type': 'PMIC-Die', 'class/thermal/thermal_zone9/temp': '100000',
}
TX2 = {  # the whole board is on the second of two monitors
    'class/hwmon/hwmon2/name': 'ina3221',
    'class/hwmon/hwmon2/in1_label': 'VDD_SYS_GPU', 'class/hwmon/hwmon2/in1_input': '19000',
    'class/hwmon/hwmon2/curr1_input': '100',
    'class/hwmon/hwmon3/name': 'ina3221',
    'class/hwmon/hwmon3/in1_label': 'VDD_IN', 'class/hwmon/hwmon3/in1_input': '19000',
    'class/hwmon/hwmon3/curr1_input': '400',
}
AGX_ORIN = {
    'class/hwmon/hwmon3/name': 'ina3221', 'class/hwmon/hwmon4/name': 'ina3221',
    **{f'class/hwmon/hwmon3/in{i}_label': label for i, label in enumerate(
        ('VDD_GPU_SOC', 'VDD_CPU_CV', 'VIN_SYS_5V0'), 1)},
    'class/hwmon/hwmon3/in1_input': '20000', 'class/hwmon/hwmon3/curr1_input': '300',
    'class/hwmon/hwmon3/in2_input': '20000', 'class/hwmon/hwmon3/curr2_input': '-4',
    'class/hwmon/hwmon3/in3_input': '5000', 'class/hwmon/hwmon3/curr3_input': '800',
    'class/hwmon/hwmon4/in1_label': 'NC',
    'class/hwmon/hwmon4/in2_label': 'VDDQ_VDD2_1V8AO', 'class/hwmon/hwmon4/in2_input': '5000',
    'class/hwmon/hwmon4/curr2_input': '500',
}
LAPTOP = {
    'class/powercap/intel-rapl/enabled': '1',
    'class/powercap/intel-rapl:0/name': 'package-0',
    'class/powercap/intel-rapl:0/energy_uj': '1000000',
    'class/powercap/intel-rapl:0/max_energy_range_uj': '262143328850',
    'class/powercap/intel-rapl:0:0/name': 'core',
    'class/powercap/intel-rapl:0:0/energy_uj': '1',
    'class/powercap/intel-rapl:1/name': 'psys', 'class/powercap/intel-rapl:1/energy_uj': '5',
    'class/powercap/intel-rapl-mmio:0/name': 'package-0',
    'class/powercap/intel-rapl-mmio:0/energy_uj': '7',
    'class/hwmon/hwmon0/name': 'nvme', 'class/hwmon/hwmon0/temp1_input': '81000',
    'class/hwmon/hwmon1/name': 'coretemp', 'class/hwmon/hwmon1/temp1_input': '61000',
    'class/thermal/thermal_zone0/type': 'acpitz', 'class/thermal/thermal_zone0/temp': '90000',
    'class/thermal/thermal_zone1/type': 'x86_pkg_temp',
    'class/thermal/thermal_zone1/temp': '62000',
}
RASPBERRY_PI = {'class/thermal/thermal_zone0/type': 'cpu-thermal',
                'class/thermal/thermal_zone0/temp': '55504'}
DESKTOP_AMD = {
    'class/hwmon/hwmon0/name': 'k10temp', 'class/hwmon/hwmon0/temp1_input': '45250',
    'class/hwmon/hwmon1/name': 'amdgpu', 'class/hwmon/hwmon1/power1_average': '31000000',
    'class/hwmon/hwmon1/power1_cap': '200000000', 'class/hwmon/hwmon1/temp1_input': '51000',
    'class/hwmon/hwmon2/name': 'amdgpu', 'class/hwmon/hwmon2/power1_input': '9000000',
}
PACKAGE = 'class/powercap/intel-rapl:0/energy_uj'


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def tree(tmp_path):
    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'{text}\n')
        return tmp_path
    return write


class NoGpu:
    """Stands in for pynvml without a driver, so that the machine under test does not matter."""

    class NVMLError(Exception):
        """As pynvml calls it."""

    def nvmlInit(self):  # noqa: N802
        raise self.NVMLError('Driver Not Loaded')


def sensors(root, clock=None, nvml=None):
    return open_sensors(root, nvml=nvml or NoGpu(), clock=clock or Clock())


def test_a_jetson_orin_nano_tells_its_whole_board(tree):
    found = sensors(tree(ORIN_NANO))
    assert found.power_w() == pytest.approx(5.096 * 1.184)
    assert found.temperature_c() == 50.125
    assert found.words == ('power: INA3221 VDD_IN; '
                           'temperature: cpu-thermal, gpu-thermal, tj-thermal')


def test_rails_are_added_but_nothing_twice(tree):
    assert sensors(tree(AGX_ORIN)).power_w() == pytest.approx(6.0 + 0.0 + 4.0)


def test_the_rail_of_the_board_counts_alone_on_whichever_monitor(tree):
    assert sensors(tree(TX2)).power_w() == pytest.approx(7.6)


def test_a_laptop_tells_the_mean_power_between_two_readings(tree):
    clock = Clock()
    root = tree(LAPTOP)
    found = sensors(root, clock)
    assert found.power_w() is None and found.temperature_c() == 62.0
    assert found.words == 'power: RAPL package-0; temperature: coretemp, x86_pkg_temp'
    clock.now += 2.0
    tree({PACKAGE: '31000000'})
    assert found.power_w() == pytest.approx(15.0)
    clock.now += 0.01
    tree({PACKAGE: '99000000'})
    assert found.power_w() == pytest.approx(15.0)  # too soon to tell


def test_a_counter_wraps_or_begins_anew(tree):
    clock = Clock()
    found = sensors(tree({**LAPTOP, PACKAGE: '262143000000'}), clock)
    clock.now += 1.0
    tree({PACKAGE: '9671150'})
    assert found.power_w() == pytest.approx(10.0)
    clock.now += 1.0
    tree({PACKAGE: '5'})  # 262 kW: it was reset
    assert found.power_w() is None
    clock.now += 1.0
    tree({PACKAGE: '7000005'})
    assert found.power_w() == pytest.approx(7.0)
    tree({'class/powercap/intel-rapl:0/max_energy_range_uj': ''})
    found = sensors(tree({}), clock)
    clock.now += 1.0
    tree({PACKAGE: '1'})
    assert found.power_w() is None


def test_a_counter_for_root_only_says_what_to_do(tree, monkeypatch):
    from anydepth_core.runtime.energy import sysfs
    root, number = tree(LAPTOP), sysfs.number

    def denied(path):
        if path == root / PACKAGE:
            raise PermissionError(13, 'Permission denied')
        return number(path)

    monkeypatch.setattr(sysfs, 'number', denied)
    found = sensors(root)
    assert found.power_w() is None and found.temperature_c() == 62.0
    assert found.words.startswith('power: no sensor found; temperature: coretemp')
    assert f'sudo chmod a+r {root / PACKAGE}' in found.words


def test_a_raspberry_pi_tells_its_temperature_only(tree):
    found = sensors(tree(RASPBERRY_PI))
    assert found.power_w() is None and found.temperature_c() == 55.504
    assert found.words == 'power: no sensor found; temperature: cpu-thermal'


def test_graphics_inside_the_processor_are_not_counted_again(tree):
    found = sensors(tree(DESKTOP_AMD))
    assert found.power_w() == 31.0 and found.temperature_c() == 51.0


def test_nothing_at_all_is_fine(tmp_path):
    for root in (tmp_path, tmp_path / 'missing'):
        found = sensors(root)
        assert found.power_w() is None and found.temperature_c() is None
        assert found.words == 'power: no sensor found; temperature: no sensor found'


def test_zones_that_are_no_processor_count_only_where_nothing_else_does(tree):
    found = sensors(tree({'class/thermal/thermal_zone0/type': 'acpitz',
                          'class/thermal/thermal_zone0/temp': '40000'}))
    assert found.temperature_c() == 40.0


def test_a_sensor_that_goes_away_makes_the_sum_unknown(tree):
    root = tree(AGX_ORIN)
    found = sensors(root)
    (root / 'class/hwmon/hwmon3/curr3_input').unlink()
    assert found.power_w() is None
    root = tree(ORIN_NANO)
    found = sensors(root)
    (root / 'class/thermal/thermal_zone8/temp').unlink()
    assert found.temperature_c() == 49.75


def test_the_hottest_sensor_is_not_replaced_while_it_is_silent(tree):
    root = tree(ORIN_NANO)
    found = sensors(root)
    assert found.temperature_c() == 50.125
    hottest = root / 'class/thermal/thermal_zone8/temp'
    hottest.unlink()
    assert found.temperature_c() is None and found.temperature_c() is None
    hottest.write_text('40000')
    assert found.temperature_c() == 49.75
    hottest.unlink()
    assert found.temperature_c() == 49.75


def fake_nvml(power=(212345, 88000), heat=(61, 44)):
    class NVMLError(Exception):
        pass

    def ask(values):
        def get(index, *_):
            if values[index] is None:
                raise NVMLError('Not Supported')
            return values[index]
        return get

    return SimpleNamespace(
        NVMLError=NVMLError, NVML_TEMPERATURE_GPU=0, nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: len(power), nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda index: b'NVIDIA H100', nvmlDeviceGetPowerUsage=ask(power),
        nvmlDeviceGetTemperature=ask(heat))


def test_gpus_are_added_to_the_processor(tree):
    clock = Clock()
    found = sensors(tree(LAPTOP), clock, fake_nvml())
    assert found.power_w() is None  # the processor's is not known yet, and the sum would be small
    clock.now += 1.0
    tree({PACKAGE: '16000000'})
    assert found.power_w() == pytest.approx(15.0 + 300.345)
    assert found.temperature_c() == 62.0
    assert 'power: RAPL package-0, NVIDIA H100;' in found.words


def test_gpus_that_do_not_tell_are_said(tree):
    found = sensors(tree({}), nvml=fake_nvml(power=[None], heat=[None]))
    assert found.power_w() is None and found.temperature_c() is None
    assert 'NVIDIA H100 tells no power (Not Supported)' in found.words
    found = sensors(tree({'module/nvidia/version': '550'}))
    assert found.words.endswith('; NVML: Driver Not Loaded')


def test_a_missing_package_is_said_where_it_would_help(tree, monkeypatch):
    import sys
    monkeypatch.setitem(sys.modules, 'pynvml', None)
    assert 'nvidia-ml-py' not in open_sensors(tree({})).words
    assert 'pip install nvidia-ml-py' in open_sensors(tree({'module/nvidia/version': '1'})).words


garbage = st.sampled_from(['', 'x', '-1', '1e9', '9' * 30, '\x00', '-999999999', '12 34', 'nan',
                           'ina3221', 'package-0', '100000']) | st.text(max_size=12)
FILES = sorted({**ORIN_NANO, **LAPTOP, **DESKTOP_AMD})


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(FILES), garbage, max_size=12))
def test_garbage_is_never_a_reading_and_never_an_error(tmp_path_factory, changed):
    root, clock = tmp_path_factory.mktemp('sys'), Clock()
    for name, text in {**ORIN_NANO, **LAPTOP, **DESKTOP_AMD, **changed}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding='utf-8', errors='surrogatepass')
    found = sensors(root, clock)
    assert found.words.isprintable()
    for _ in range(2):
        clock.now += 1.0
        power, heat = found.power_w(), found.temperature_c()
        assert power is None or 0 <= power < 1e6
        assert heat is None or -55 < heat < 200
