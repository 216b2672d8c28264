# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Image bytes of every encoding to arrays, against the definitions of the encodings."""

from __future__ import annotations

import array

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from anydepth_core.errors import ImageError
from anydepth_core.runtime.encodings import ENCODINGS, decode

sides = st.integers(1, 40)


@st.composite
def pictures(draw):
    height, width, pad = draw(sides), draw(sides), draw(st.integers(0, 7))
    seed = draw(st.integers(0, 2 ** 16))
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8), pad


def padded(rows: np.ndarray, pad: int) -> array.array:
    """Return rows of samples as message memory with `pad` bytes after each row."""
    lines = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    return array.array('B', np.pad(lines, ((0, 0), (0, pad)), constant_values=99).tobytes())


@given(pictures(), st.sampled_from(['rgb8', 'bgr8', '8UC3', 'rgba8', 'bgra8', '8UC4']))
def test_colours_are_views_whatever_the_step(picture, encoding):
    pixels, pad = picture
    height, width, _ = pixels.shape
    channels = ENCODINGS[encoding].pixel
    stored = np.dstack([pixels, pixels[..., :1]]) if channels == 4 else pixels
    data = padded(stored, pad)
    found, color = decode(data, height=height, width=width, step=width * channels + pad,
                          encoding=encoding)
    assert np.array_equal(found, pixels)
    assert color == ('rgb' if encoding.startswith('rgb') else 'bgr')
    assert np.shares_memory(found, np.frombuffer(data, np.uint8))


@given(pictures(), st.booleans())
def test_grey_of_one_and_two_bytes(picture, big_endian):
    pixels, pad = picture
    grey = pixels[..., 0]
    height, width = grey.shape
    expected = np.repeat(grey[..., None], 3, 2)
    found, _ = decode(padded(grey, pad), height=height, width=width, step=width + pad,
                      encoding='mono8')
    assert np.array_equal(found, expected)
    wide = (grey.astype(np.uint16) * 257).astype('>u2' if big_endian else '<u2')
    found, _ = decode(padded(wide, pad), height=height, width=width, step=2 * width + pad,
                      encoding='mono16', big_endian=big_endian)
    assert np.array_equal(found, expected)


@given(pictures(), st.sampled_from(['rgb16', 'bgr16', 'rgba16', 'bgra16']), st.booleans())
def test_sixteen_bit_colours_are_views_of_the_high_bytes(picture, encoding, big_endian):
    pixels, pad = picture
    height, width, _ = pixels.shape
    channels = ENCODINGS[encoding].pixel
    stored = np.dstack([pixels, pixels[..., :1]]) if channels == 4 else pixels
    wide = (stored.astype(np.uint16) * 256 + 200).astype('>u2' if big_endian else '<u2')
    data = padded(wide, pad)
    found, color = decode(data, height=height, width=width, step=2 * width * channels + pad,
                          encoding=encoding, big_endian=big_endian)
    assert np.array_equal(found, pixels) and color == encoding[:3]
    assert np.shares_memory(found, np.frombuffer(data, np.uint8))


def smooth(height: int = 32, width: int = 48) -> np.ndarray:
    """Return a BGR picture of gradients, which survives halved chroma."""
    y, x = np.mgrid[0:1:height * 1j, 0:1:width * 1j]
    return (np.dstack([255 * x, 255 * y, 255 * (1 - x)])).astype(np.uint8)


def planes(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Y, U, V of ITU-R BT.601 with studio range (16 to 235), each of full size."""
    blue, green, red = (pixels[..., i].astype(float) for i in range(3))
    y = 16 + 0.257 * red + 0.504 * green + 0.098 * blue
    u = 128 - 0.148 * red - 0.291 * green + 0.439 * blue
    v = 128 + 0.439 * red - 0.368 * green - 0.071 * blue
    return y, u, v


@pytest.mark.parametrize('encoding', ['yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv', 'nv12', 'nv21'])
def test_yuv_layouts_against_their_definition(encoding):
    pixels = smooth()
    height, width, _ = pixels.shape
    y, u, v = planes(pixels)
    if encoding in ('nv12', 'nv21'):
        chroma = np.empty((height // 2, width))
        first, second = (u, v) if encoding == 'nv12' else (v, u)
        chroma[:, 0::2], chroma[:, 1::2] = first[::2, ::2], second[::2, ::2]
        stored, step = np.vstack([y, chroma]), width
    else:
        luma_first = encoding in ('yuyv', 'yuv422_yuy2')
        stored, step = np.empty((height, 2 * width)), 2 * width
        stored[:, (0 if luma_first else 1)::2] = y
        stored[:, (1 if luma_first else 0)::4] = u[:, ::2]
        stored[:, (3 if luma_first else 2)::4] = v[:, ::2]
    data = padded(np.rint(stored).astype(np.uint8), 6)
    found, color = decode(data, height=height, width=width, step=step + 6, encoding=encoding)
    assert color == 'bgr' and found.shape == pixels.shape
    assert np.abs(found.astype(int) - pixels).mean() < 4


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer_patterns_against_their_definition(pattern, bits):
    pixels = smooth()
    stored = np.empty(pixels.shape[:2], np.uint8)
    for place, letter in enumerate(pattern):
        row, column = divmod(place, 2)
        stored[row::2, column::2] = pixels[row::2, column::2, 'bgr'.index(letter)]
    samples = stored if bits == 8 else stored.astype('<u2') * 256
    found, color = decode(padded(samples, 3), height=32, width=48, step=48 * bits // 8 + 3,
                          encoding=f'bayer_{pattern}{bits}')
    assert color == 'bgr'
    inner = np.s_[4:-4, 4:-4]
    assert np.abs(found[inner].astype(int) - pixels[inner]).mean() < 4


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from([*ENCODINGS, 'jpeg', '', 'rgb', '16UC1']), st.integers(0, 9),
       st.integers(0, 9), st.integers(0, 40), st.integers(0, 400), st.booleans())
def test_any_header_gives_an_image_of_its_size_or_a_clear_refusal(
        encoding, height, width, step, size, big_endian):
    try:
        found, color = decode(bytes(size), height=height, width=width, step=step,
                              encoding=encoding, big_endian=big_endian)
    except ImageError as error:
        assert '\n' not in str(error)
    else:
        assert found.shape == (height, width, 3) and found.dtype == np.uint8
        assert color in ('rgb', 'bgr')


def test_refusals_say_what_is_wrong():
    for changed, words in (
            ({'encoding': 'rbg8'}, r"unknown image encoding 'rbg8' \(did you mean 'rgb8'\?\)"),
            ({'height': 0}, 'empty image'), ({'step': 5}, 'step 5 is less than the 6 bytes'),
            ({'data': bytes(11)}, 'truncated image: 11 bytes of 12'),
            ({'encoding': 'yuyv', 'width': 3}, 'width must be even'),
            ({'encoding': 'nv12', 'height': 1}, 'height must be even'),
            ({'encoding': 'bayer_rggb8'}, 'too small')):
        arguments = {'data': bytes(12), 'height': 2, 'width': 2, 'step': 6, 'encoding': 'rgb8'}
        arguments.update(changed)
        with pytest.raises(ImageError, match=words):
            decode(arguments.pop('data'), **arguments)
