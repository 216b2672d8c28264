# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Build the messages in msg/ against a ROS 2 that was installed from Python wheels.

Such a ROS 2 brings the interface generators, headers and libraries but neither CMake files nor
ament. This runs the generators and compiles what they write into one extension module (C and
Fast DDS type support), then installs it with the index entries that any ROS 2 package has:

    pip install --no-build-isolation --no-deps FOLDER

Needs a C++ compiler and the Python headers. The package's name and dependencies come from
package.xml. A second interface package cannot depend on one that is built this way.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
import json
import os
from pathlib import Path
import shutil
import xml.etree.ElementTree as ET

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
MANIFEST = ET.parse(HERE / 'package.xml').getroot()
PACKAGE = MANIFEST.findtext('name', '').strip()
VERSION = MANIFEST.findtext('version', '').strip()
MESSAGES = [path.relative_to(HERE) for path in sorted((HERE / 'msg').glob('*.msg'))]
WORK = HERE / 'build' / 'rosidl'
GENERATED = WORK / 'generated'
TYPE_SUPPORT = 'rosidl_typesupport_fastrtps_c'


def ros_prefix() -> Path:
    """Return the folder that holds the share/, include/ and lib/ of the installed wheels."""
    import rosidl_pycommon

    return Path(rosidl_pycommon.__file__).resolve().parents[4]


def dependencies() -> list[str]:
    """Return the interface packages that package.xml leads to, direct ones and theirs."""
    share = ros_prefix() / 'share'
    index = share / 'ament_index' / 'resource_index' / 'rosidl_interfaces'
    found: dict[str, None] = {}

    def visit(manifest: ET.Element) -> None:
        for tag in ('depend', 'build_depend', 'exec_depend', 'build_export_depend'):
            for element in manifest.findall(tag):
                name = (element.text or '').strip()
                if name not in found and (index / name).exists():
                    found[name] = None
                    visit(ET.parse(share / name / 'package.xml').getroot())

    visit(MANIFEST)
    # Every generated file refers to these two, whether or not a manifest names them.
    return list(found | dict.fromkeys(('builtin_interfaces', 'service_msgs')))


def run_generator(generate: Callable, *arguments: object, **settings: object) -> None:
    """Call one of rosidl's generators as its CMake function would: arguments in a JSON file.

    Settings named here replace or join the ones that all generators take.
    """
    share = ros_prefix() / 'share'
    name = generate.__module__.split('.')[0]
    output = Path(str(settings.pop('output', GENERATED))) / PACKAGE
    (output / 'msg').mkdir(parents=True, exist_ok=True)
    described = {
        'package_name': PACKAGE,
        'output_dir': str(output),
        'target_dependencies': [],
        'idl_tuples': [f'{WORK / "idl" / PACKAGE}:{m.with_suffix(".idl")}' for m in MESSAGES],
        'ros_interface_dependencies': [
            f'{package}:{idl}' for package in dependencies()
            for idl in (share / package).glob('*/*.idl')
        ],
        'template_dir': str(share / name / 'resource'),
        **settings,
    }
    visibility = share / name / 'resource' / f'{name}__visibility_control.h.in'
    if visibility.exists():
        text = visibility.read_text().replace('@PROJECT_NAME_UPPER@', PACKAGE.upper())
        header = output / 'msg' / visibility.stem
        header.write_text(text.replace('@PROJECT_NAME@', PACKAGE))
    argument_file = WORK / f'{name}.json'
    argument_file.write_text(json.dumps(described))
    generate(str(argument_file), *arguments)


def generate() -> None:
    """Write the C, C++ and Python sources of all messages under GENERATED."""
    os.environ.setdefault('AMENT_PREFIX_PATH', str(ros_prefix()))
    from rosidl_adapter.msg import convert_msg_to_idl
    from rosidl_generator_c import generate_c
    from rosidl_generator_py.generate_py_impl import generate_py
    from rosidl_generator_type_description import generate_type_hash
    from rosidl_typesupport_c import generate_c as generate_type_support
    from rosidl_typesupport_fastrtps_c import generate_typesupport_fastrtps_c

    shutil.rmtree(WORK, ignore_errors=True)
    idl = WORK / 'idl' / PACKAGE / 'msg'
    idl.mkdir(parents=True)
    for message in MESSAGES:
        convert_msg_to_idl(HERE, PACKAGE, message, idl)
    share, hashes = ros_prefix() / 'share', WORK / 'hashes'
    run_generator(generate_type_hash, output=hashes,
                  include_paths=[f'{name}:{share / name}' for name in dependencies()])
    run_generator(
        generate_c, ros_interface_files=[str(HERE / message) for message in MESSAGES],
        type_description_tuples=[
            f'{message.with_suffix(".idl")}:{hashes / PACKAGE / message.with_suffix(".json")}'
            for message in MESSAGES
        ])
    run_generator(generate_typesupport_fastrtps_c)
    run_generator(generate_type_support, [TYPE_SUPPORT])
    (GENERATED / PACKAGE / '__init__.py').touch()
    run_generator(generate_py, ['rosidl_typesupport_c'])


def unity_sources() -> list[Path]:
    """Gather the generated sources into few files, so that their headers are read only once."""
    entry, groups = [], dict[str, list[Path]]()
    for source in sorted([*GENERATED.rglob('*.c'), *GENERATED.rglob('*.cpp')]):
        if source.name.endswith('.ep.rosidl_typesupport_c.c'):
            entry.append(source)  # the module's own entry: compiled by itself
        elif not source.name.endswith('.c') or '.ep.' not in source.name:
            kind = ('cpp' if source.suffix == '.cpp' else
                    'description' if source.name.endswith('__description.c') else
                    'python' if source.name.endswith('_s.c') else 'c')
            groups.setdefault(kind, []).append(source)
    # Descriptions define static names that clash within one file.
    unity = entry + groups.pop('description', [])
    for kind, sources in groups.items():
        path = WORK / f'all_{kind}.{"cpp" if kind == "cpp" else "c"}'
        path.write_text(''.join(f'#include "{source}"\n' for source in sources))
        unity.append(path)
    return unity


class BuildMessages(build_ext):
    """Generates the sources, then compiles them into the extension module."""

    def build_extension(self, ext: Extension) -> None:
        """Fill in what is known only after generating, build, and place the Python modules."""
        import numpy

        generate()
        prefix = ros_prefix()
        ext.language = 'c++'
        ext.sources = [str(path) for path in unity_sources()]
        ext.include_dirs = [str(GENERATED), numpy.get_include(), str(prefix / 'include')]
        ext.include_dirs += [str(path) for path in (prefix / 'include').iterdir() if path.is_dir()]
        ext.library_dirs = [str(prefix / 'lib')]
        ext.libraries = [
            f'{package}__{kind}' for package in dependencies()
            for kind in ('rosidl_generator_c', 'rosidl_generator_py', 'rosidl_typesupport_c',
                         TYPE_SUPPORT)
        ] + [TYPE_SUPPORT, 'rosidl_typesupport_fastrtps_cpp', 'rosidl_typesupport_c',
             'rosidl_runtime_c', 'rcutils', 'fastcdr']
        ext.extra_compile_args = ['-O1', '-g0', '-w']
        # From PREFIX/lib/pythonX.Y/site-packages/PACKAGE, where the module lies, to PREFIX/lib.
        ext.extra_link_args = ['-Wl,-rpath,$ORIGIN/../../..', '-Wl,--as-needed',
                               f'-Wl,-rpath-link,{prefix / "lib"}']
        compile_some = self.compiler.compile

        def compile_in_parallel(sources: list[str], *args: object, **kwargs: object) -> list[str]:
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
                parts = pool.map(lambda source: compile_some([source], *args, **kwargs), sources)
                return [path for part in parts for path in part]

        self.compiler.compile = compile_in_parallel
        super().build_extension(ext)
        for module in GENERATED.rglob('*.py'):
            target = Path(self.build_lib) / module.relative_to(GENERATED)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(module, target)


def index_files() -> list[tuple[str, list[str]]]:
    """Return what makes the package known to ament: index entries, manifest, definitions."""
    entries = {'packages': '', 'rosidl_interfaces': ''.join(f'{m}\n' for m in MESSAGES)}
    placed = [(f'share/{PACKAGE}', ['package.xml']),
              (f'share/{PACKAGE}/msg', [str(message) for message in MESSAGES])]
    for kind, text in entries.items():
        entry = HERE / 'build' / 'index' / kind / PACKAGE
        entry.parent.mkdir(parents=True, exist_ok=True)
        entry.write_text(text)
        placed.append((f'share/ament_index/resource_index/{kind}', [str(entry.relative_to(HERE))]))
    return placed


os.chdir(HERE)
setup(
    name='anydepth-' + PACKAGE.replace('_', '-'),
    version=VERSION,
    packages=[],
    data_files=index_files(),
    ext_modules=[Extension(f'{PACKAGE}.{PACKAGE}_s__rosidl_typesupport_c', ['setup.py'])],
    cmdclass={'build_ext': BuildMessages},
)
