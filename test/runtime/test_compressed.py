# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Compressed pictures: what image_transport writes, and what an attacker would."""

from __future__ import annotations

import struct
import time
import tracemalloc
import zlib

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from anydepth_core.errors import ImageError
from anydepth_core.runtime.compressed import MAX_PIXELS, decode_compressed
from anydepth_core.runtime.images import (
    MAX_JPEG_SCANS,
    has_many_scans,
    is_cut_jpeg,
    read_image,
)

PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)


def smooth(height: int = 60, width: int = 80) -> np.ndarray:
    """Return a BGR picture of gradients, which a JPEG hardly changes."""
    y, x = np.mgrid[0:1:height * 1j, 0:1:width * 1j]
    return (np.dstack([255 * x, 255 * y, 255 * (1 - x)])).astype(np.uint8)


def encoded(pixels: np.ndarray, suffix: str, *options: int) -> bytes:
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


@pytest.mark.parametrize(('words', 'order'), [
    ('jpeg', 'bgr'), ('png', 'bgr'), ('', 'bgr'), ('jpg', 'bgr'),
    ('rgb8; jpeg compressed bgr8', 'bgr'), ('bgr8; png compressed bgr8', 'bgr'),
    ('rgb16; png compressed bgr16', 'bgr'), ('rgb8; jpeg compressed rgb8', 'rgb'),
    ('bgr8;jpeg compressed rgb8', 'rgb')])
@pytest.mark.parametrize('options', [('.png',), ('.jpg',), ('.jpg', *PROGRESSIVE)])
def test_the_formats_that_image_transport_writes(words, order, options):
    pixels = smooth()
    found, color = decode_compressed(encoded(pixels, *options), words)
    assert color == order and found.shape == pixels.shape and found.dtype == np.uint8
    assert np.abs(found.astype(int) - pixels).max() <= (0 if options[0] == '.png' else 12)


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_grey_transparent_and_sixteen_bit_pictures(suffix):
    grey = smooth()[..., 0]
    found, _ = decode_compressed(encoded(grey, suffix), 'mono8; jpeg compressed ')
    assert np.abs(found.astype(int) - grey[..., None]).max() < 6
    if suffix == '.png':
        wide = encoded(grey.astype(np.uint16) * 256, suffix)
        found, _ = decode_compressed(wide, 'mono16; png compressed ')
        assert np.abs(found.astype(int) - grey[..., None]).max() <= 1
        found, _ = decode_compressed(encoded(np.dstack([smooth(), grey]), suffix), 'png')
        assert np.array_equal(found, smooth())


@pytest.mark.parametrize('encoding', ['bayer_rggb8', 'bayer_rggb16'])
def test_a_compressed_mosaic_is_given_its_colours(encoding):
    pixels = smooth()
    stored = np.empty(pixels.shape[:2], np.uint8)
    for row, column, channel in ((0, 0, 2), (0, 1, 1), (1, 0, 1), (1, 1, 0)):
        stored[row::2, column::2] = pixels[row::2, column::2, channel]
    found, color = decode_compressed(encoded(stored, '.png'), f'{encoding}; png compressed ')
    inner = np.s_[4:-4, 4:-4]
    assert color == 'bgr' and np.abs(found[inner].astype(int) - pixels[inner]).mean() < 5
    # Newer transports send the colours and keep the name.
    found, _ = decode_compressed(encoded(pixels, '.png'), f'{encoding}; png compressed bgr8')
    assert np.array_equal(found, pixels)


def test_boxes_are_in_the_pixels_that_were_sent():
    """A camera that marks its pictures as lying on their side does not turn them."""
    orientation = struct.pack('>2sHIHHHIHHI', b'MM', 42, 8, 1, 0x112, 3, 1, 6, 0, 0)
    exif = b'Exif\0\0' + orientation
    data = encoded(smooth(), '.jpg')
    marked = data[:2] + b'\xff\xe1' + struct.pack('>H', 2 + len(exif)) + exif + data[2:]
    turned = cv2.imdecode(np.frombuffer(marked, np.uint8), cv2.IMREAD_COLOR)
    assert turned.shape == (80, 60, 3)  # the mark works
    assert decode_compressed(marked, 'jpeg')[0].shape == (60, 80, 3)


def png_header(width: int, height: int) -> bytes:
    chunk = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    data = b'IDAT' + zlib.compress(bytes(1000))
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(part) - 4) + part + struct.pack('>I', zlib.crc32(part))
        for part in (chunk, data, b'IEND'))


def jpeg_claiming(width: int, height: int) -> bytes:
    data = encoded(smooth(), '.jpg')
    place = data.index(b'\xff\xc0') + 5
    return data[:place] + struct.pack('>HH', height, width) + data[place + 4:]


@pytest.mark.parametrize(('data', 'words'), [
    (png_header(8000, 8000), 'claims 8000x8000, more than its'),
    (png_header(2 ** 31 - 1, 2 ** 31 - 1), f'more than {MAX_PIXELS} pixels'),
    (png_header(0, 5), 'empty'), (png_header(2 ** 20, 1 << 5), 'more than its'),
    (jpeg_claiming(65535, 65535), f'more than {MAX_PIXELS} pixels'),
    (jpeg_claiming(8000, 8000), 'claims 8000x8000, more than its'),
    (jpeg_claiming(80, 0), 'empty'), (b'', 'neither JPEG nor PNG'),
    (b'GIF89a' + bytes(50), 'neither JPEG nor PNG'), (b'\xff\xd8\xff', 'ends before'),
    (b'\xff\xd8\xff\xe0\0\4ab' + bytes(20), 'damaged JPEG'),
    (b'\xff\xd8' + b'\xff\xe0\0\2' * 50, 'ends before'),
    (b'\xff\xd8' + b'\xff' * 3000, 'ends before'),
    (png_header(80, 60).replace(b'IHDR', b'JHDR'), 'damaged PNG')])
def test_bombs_are_refused_before_memory_is_taken(data, words):
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match=words) as refusal:
            decode_compressed(data, 'rgb8; jpeg compressed bgr8')
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert '\n' not in str(refusal.value)


def test_a_picture_of_endless_scans_is_refused(tmp_path):
    data = encoded(smooth(), '.jpg', *PROGRESSIVE)
    assert decode_compressed(data, 'jpeg')[0].shape == (60, 80, 3)
    start, end = data.rindex(b'\xff\xda'), len(data) - 2
    endless = data[:end] + data[start:end] * 100 + data[end:]
    with pytest.raises(ImageError, match='64 scans'):
        decode_compressed(endless, 'jpeg')
    path = tmp_path / 'endless.jpg'
    path.write_bytes(endless)
    with pytest.raises(ImageError, match=r'endless\.jpg: .*64 scans'):
        read_image(path)


@pytest.mark.parametrize('options', [(), PROGRESSIVE, (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)])
def test_what_phones_put_after_a_jpeg_is_passed_over(tmp_path, options):
    """A Motion Photo is a JPEG and then a video, in whose bytes any marker may be seen."""
    data = encoded(smooth(), '.jpg', *options)
    video = b'\0\0\0\x18ftypmp42' + b'\xff\xda' * 100 + bytes(500) + b'\xff\xd8\xff\xc0'
    expected, _ = decode_compressed(data, 'jpeg')
    path = tmp_path / 'motion.jpg'
    path.write_bytes(data + video)
    assert np.array_equal(decode_compressed(data + video, 'jpeg')[0], expected)
    assert np.array_equal(read_image(path), expected[..., ::-1])
    cut = data[:-40] + video
    with pytest.raises(ImageError):
        decode_compressed(cut, 'jpeg')


def test_a_thumbnail_is_no_part_of_the_picture():
    data, inside = encoded(smooth(), '.jpg'), encoded(smooth(6, 8), '.jpg')
    held = b'\xff\xe1' + struct.pack('>H', 2 + len(inside)) + inside
    assert decode_compressed(data[:2] + held + data[2:], 'jpeg')[0].shape == (60, 80, 3)
    assert is_cut_jpeg(data[:2] + held + data[2:-2])
    assert not has_many_scans(data[:2] + held * (MAX_JPEG_SCANS + 1) + data[2:])


@pytest.mark.parametrize('part', [b'\xff\xe0\0\2', b'\xff\xd0', b'\xff\0', b'\xff'])
def test_to_walk_through_a_jpeg_takes_no_time(part):
    begin = time.perf_counter()
    assert has_many_scans(b'\xff\xd8' + part * (1 << 20)) == (len(part) == 4)
    assert time.perf_counter() - begin < 2


def test_distances_are_no_picture():
    with pytest.raises(ImageError, match='colour camera'):
        decode_compressed(encoded(smooth(), '.png'), '16UC1; compressedDepth png')


@pytest.mark.parametrize('options', [('.png',), ('.jpg',), ('.jpg', *PROGRESSIVE)])
def test_a_truncated_picture_is_refused_wherever_it_ends(options):
    data = encoded(smooth(), *options)
    for end in range(0, len(data) - 1, max(1, len(data) // 200)):
        with pytest.raises(ImageError):
            decode_compressed(data[:end], 'jpeg')


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from([('.png',), ('.jpg',), ('.jpg', *PROGRESSIVE)]),
       st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8))
def test_damaged_pictures_are_refused_or_of_the_claimed_size(options, changes):
    data = bytearray(encoded(smooth(24, 32), *options))
    for place, value in changes:
        data[int(place * len(data))] = value
    try:
        found, _ = decode_compressed(data, 'bayer_rggb8; jpeg compressed bgr8')
    except ImageError as error:
        assert '\n' not in str(error)
    else:
        assert found.ndim == 3 and found.shape[2] == 3 and found.dtype == np.uint8
