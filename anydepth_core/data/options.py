# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The data parts of a training recipe, and the data sets they name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from anydepth_core.data.coco import read_coco
from anydepth_core.data.dataset import DetectionDataset, SceneImages
from anydepth_core.data.records import RecordedImages, Records, class_difference
from anydepth_core.data.yolo_txt import read_yolo
from anydepth_core.errors import DataError

Reader = Callable[..., Records]  # takes `report` by name, as read_coco does
Probability = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0)]
Side = Annotated[int, Field(ge=96, le=1280)]
Megabytes = Annotated[int, Field(ge=0, le=1 << 20)]


@dataclass(frozen=True, kw_only=True)
class SceneData:
    """Generated scenes: by default endless, so no image is seen twice.

    Attributes:
        format: 'scenes'.
        count: how many training scenes there are; 0 for no end.
        sizes: (height, width) of the cameras; each image takes one in turn.
        seed: seed of the first training scene; later ones count up.
        validation_seed: seed of the first validation scene.
        validation_count: how many validation scenes.
    """

    format: Literal['scenes'] = 'scenes'
    count: Annotated[int, Field(ge=0)] = 0
    sizes: Annotated[tuple[tuple[Side, Side], ...], Field(min_length=1)] = ((480, 640),)
    seed: Seed = 1_000_000
    validation_seed: Seed = 0
    validation_count: Annotated[int, Field(ge=1)] = 256


@dataclass(frozen=True, kw_only=True)
class CocoData:
    """Images in folders, objects in COCO's JSON.

    Attributes:
        format: 'coco'.
        train_images, validation_images: folders that the files' names in the JSON start from.
        train_annotations, validation_annotations: the JSON files.
        classes: names of the classes to keep, in the order of their labels; () keeps all, in the
            order of their ids.
        skip: leave out training images whose record has a true value under this key; '' none.
        cache_mb: memory for decoded training images in each training process, in MiB.
    """

    format: Literal['coco']
    train_images: str
    train_annotations: str
    validation_images: str
    validation_annotations: str
    classes: tuple[str, ...] = ()
    skip: str = ''
    cache_mb: Megabytes = 0


@dataclass(frozen=True, kw_only=True)
class YoloTxtData:
    """Images in `images/`, objects in `labels/`, one text file for each image.

    Attributes:
        format: 'yolo'.
        path: the data set's YAML file, or its folder.
        classes: names of the classes to keep, in the order of their labels; () keeps all.
        cache_mb: memory for decoded training images in each training process, in MiB.
    """

    format: Literal['yolo']
    path: str
    classes: tuple[str, ...] = ()
    cache_mb: Megabytes = 0


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What is changed at random in training images. Nothing, unless asked for.

    `mosaic`, `mixup`, `copy_paste`, `affine`, `hsv` and `flip` make the YOLO family's recipe;
    `photometric`, `zoom_out`, `iou_crop` and `flip` RT-DETR's. They are applied in the order
    below. Distances are in the frame of the network input.

    Attributes:
        mosaic: probability of four images around a random point instead of one.
        close_mosaic: the last so many epochs have no mosaic, mixup or copy-paste; endless data
            have no epochs.
        copy_paste: probability, for each object of another image, to be pasted as a rectangle.
        zoom_out: probability of the image lying in a larger black frame.
        zoom_out_side: greatest side of that frame, in sides of the image.
        iou_crop: probability of a crop with a least overlap with some object.
        affine: probability of the four below.
        degrees: greatest rotation to either side.
        scale: greatest change of size, as a share: 0.5 gives 0.5 to 1.5.
        shear: greatest shear along each axis, in degrees.
        translate: greatest shift along each axis, in sides of the input.
        mixup: probability of being blended with another image.
        photometric: probability of each part of torchvision's RandomPhotometricDistort.
        hsv: probability of the three below.
        hue, saturation, value: greatest changes, as shares.
        flip: probability of left and right exchanged.
    """

    mosaic: Probability = 0.0
    close_mosaic: Annotated[int, Field(ge=0)] = 0
    copy_paste: Probability = 0.0
    zoom_out: Probability = 0.0
    zoom_out_side: Annotated[float, Field(ge=1, le=16)] = 4.0
    iou_crop: Probability = 0.0
    affine: Probability = 0.0
    degrees: Annotated[float, Field(ge=0, le=180)] = 0.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.5
    shear: Annotated[float, Field(ge=0, le=45)] = 0.0
    translate: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    mixup: Probability = 0.0
    photometric: Probability = 0.0
    hsv: Probability = 0.0
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.015
    saturation: Probability = 0.7
    value: Probability = 0.4
    flip: Probability = 0.0


def open_data(options: SceneData | CocoData | YoloTxtData,
              ) -> tuple[DetectionDataset, DetectionDataset]:
    """Return the training and the validation images.

    Raises:
        DataError: a file or folder that is missing or cannot be used, or two splits whose classes
            differ.
    """
    if isinstance(options, SceneData):
        return (SceneImages(options.seed, options.count, options.sizes),
                SceneImages(options.validation_seed, options.validation_count, options.sizes))
    train, validation = (read() for read in readers(options))
    difference = class_difference(train, validation)
    if difference:
        raise DataError(f'the classes of the splits differ: {difference}')
    for records in (train, validation):
        if not len(records):
            raise DataError(f'{records.source}: has no image')
    return RecordedImages(train, options.cache_mb), RecordedImages(validation)


def readers(options: CocoData | YoloTxtData) -> tuple[Reader, Reader]:
    """Return what reads the record of the training and of the validation images."""
    if isinstance(options, YoloTxtData):
        path = Path(options.path)
        return (partial(read_yolo, path, 'train', classes=options.classes),
                partial(read_yolo, path, 'val', classes=options.classes))
    return (partial(read_coco, Path(options.train_annotations), Path(options.train_images),
                    classes=options.classes, skip=options.skip),
            partial(read_coco, Path(options.validation_annotations),
                    Path(options.validation_images), classes=options.classes))
