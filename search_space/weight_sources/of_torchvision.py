"""The networks of torchvision 0.29 that are also ours, and its names for their tensors.

EfficientNet-B0 to B4 normalise with torch's epsilon, 1e-5, where the paper's code and B5 to B7 have 1e-3.
"""

from __future__ import annotations

from collections.abc import Mapping

from search_space.weight_sources.counterpart import Counterpart, conventions
from search_space.weight_sources.naming import Naming, Place, paired

TORCH_EPS = conventions("symmetric", 1e-5)
CONV = {"conv": ""}

ALEXNET: Naming = {
    "stem": Place("features.0", (CONV,)),
    "stages.1": Place("features.3", (CONV,)),
    "stages.3": Place("features.6", (CONV,)),
    "stages.4": Place("features.8", (CONV,)),
    "stages.5": Place("features.10", (CONV,)),
    "head": Place("classifier", ({"hidden1": "1", "hidden2": "4", "linear": "6"},)),
}

# Where the convolutions of each stage begin among the `features`; they are two apart, or three when normalised.
VGG_FEATURES: dict[str, dict[str, int]] = {
    "vgg11": {"stem": 0, "stages.1": 3, "stages.3": 6, "stages.5": 11, "stages.7": 16},
    "vgg13": {"stem": 0, "stages.0": 2, "stages.2": 5, "stages.4": 10, "stages.6": 15, "stages.8": 20},
    "vgg16": {"stem": 0, "stages.0": 2, "stages.2": 5, "stages.4": 10, "stages.6": 17, "stages.8": 24},
    "vgg19": {"stem": 0, "stages.0": 2, "stages.2": 5, "stages.4": 10, "stages.6": 19, "stages.8": 28},
    "vgg11_bn": {"stem": 0, "stages.1": 4, "stages.3": 8, "stages.5": 15, "stages.7": 22},
    "vgg13_bn": {"stem": 0, "stages.0": 3, "stages.2": 7, "stages.4": 14, "stages.6": 21, "stages.8": 28},
    "vgg16_bn": {"stem": 0, "stages.0": 3, "stages.2": 7, "stages.4": 14, "stages.6": 24, "stages.8": 34},
    "vgg19_bn": {"stem": 0, "stages.0": 3, "stages.2": 7, "stages.4": 14, "stages.6": 27, "stages.8": 40},
}
VGG_HEAD = Place("classifier", ({"hidden1": "0", "hidden2": "3", "linear": "6"},))


def vgg(firsts: Mapping[str, int], step: int, head: Place) -> Naming:
    """Returns the naming of a VGG whose convolutions stand `step` apart."""
    layers = {
        part: {"conv": f"{{{first}+{step}*block}}", "conv_norm": f"{{{first + 1}+{step}*block}}"}
        for part, first in firsts.items()
    }
    return {"head": head} | {part: Place("features", (table,)) for part, table in layers.items()}


INCEPTION = paired(
    "conv",
    "bn",
    pointwise="branch1",
    reduce3x3="branch2.0",
    conv3x3="branch2.1",
    reduce5x5="branch3.0",
    conv5x5="branch3.1",
    projection="branch4.1",
)
CONV_BN = paired("conv", "bn", conv="")
AUXILIARY = paired("conv", "bn", conv="conv") | {"hidden": "fc1", "linear": "fc2"}
GOOGLENET: Naming = {
    "stem": Place("conv1", (CONV_BN,)),
    "stages.1": Place("conv2", (CONV_BN,)),
    "stages.2": Place("conv3", (CONV_BN,)),
    "stages.4": Place("inception3a", (INCEPTION,)),
    "stages.5": Place("inception3b", (INCEPTION,)),
    "stages.7": Place("inception4a", (INCEPTION,)),
    "stages.8": Place("inception4b", (INCEPTION,)),
    "stages.9": Place("inception4c", (INCEPTION,)),
    "stages.10": Place("inception4d", (INCEPTION,)),
    "stages.11": Place("inception4e", (INCEPTION,)),
    "stages.13": Place("inception5a", (INCEPTION,)),
    "stages.14": Place("inception5b", (INCEPTION,)),
    "auxiliary.0": Place("aux1", (AUXILIARY,)),
    "auxiliary.1": Place("aux2", (AUXILIARY,)),
    "head": Place("", ({"linear": "fc"},)),
}

RESIDUAL = {
    "conv1": "conv1",
    "conv1_norm": "bn1",
    "conv2": "conv2",
    "conv2_norm": "bn2",
    "conv3": "conv3",
    "conv3_norm": "bn3",
    "shortcut": "downsample.0",
    "shortcut_norm": "downsample.1",
}
RESNET: Naming = {
    "stem": Place("", ({"conv": "conv1", "conv_norm": "bn1"},)),
    "stages": Place("layer{1+stage}.{block}", (RESIDUAL,)),
    "head": Place("", ({"linear": "fc"},)),
}

SHUFFLE = {
    "shortcut_depthwise": "branch1.0",
    "shortcut_depthwise_norm": "branch1.1",
    "shortcut_pointwise": "branch1.2",
    "shortcut_pointwise_norm": "branch1.3",
    "reduce": "branch2.0",
    "reduce_norm": "branch2.1",
    "depthwise": "branch2.3",
    "depthwise_norm": "branch2.4",
    "expand": "branch2.5",
    "expand_norm": "branch2.6",
}
SHUFFLENET_V2: Naming = {
    "stem": Place("conv1", (paired("0", "1", conv=""),)),
    "stages": Place("stage{2+stage}.{block}", (SHUFFLE,)),
    "head": Place("", (paired("0", "1", conv="conv5") | {"linear": "fc"},)),
}

INVERTED_V2 = (
    paired("0", "1", depthwise="conv.0") | {"project": "conv.1", "project_norm": "conv.2"},
    paired("0", "1", expand="conv.0", depthwise="conv.1") | {"project": "conv.2", "project_norm": "conv.3"},
)
STEM = Place("features.0", (paired("0", "1", conv=""),))
MOBILENET_V2: Naming = {
    "stem": STEM,
    "stages": Place("features.{1+unit}", INVERTED_V2),
    "head": Place("", (paired("0", "1", conv="features.18") | {"linear": "classifier.1"},)),
}

# A block's layers are numbered, so that the numbers depend on whether it expands and squeezes.
MBCONV = (
    paired("0", "1", depthwise="0", project="1"),
    paired("0", "1", depthwise="0", project="2") | {"squeeze_reduce": "1.fc1", "squeeze_expand": "1.fc2"},
    paired("0", "1", expand="0", depthwise="1", project="2"),
    paired("0", "1", expand="0", depthwise="1", project="3")
    | {"squeeze_reduce": "2.fc1", "squeeze_expand": "2.fc2"},
)


def mobilenet_v3(head: int) -> Naming:
    """Returns the naming of a MobileNetV3 whose last convolution is this one of the `features`."""
    last = {"hidden1": "classifier.0", "linear": "classifier.3"}
    return {
        "stem": STEM,
        "stages": Place("features.{1+unit}.block", MBCONV),
        "head": Place("", (paired("0", "1", conv=f"features.{head}") | last,)),
    }


MOBILENET_V3_LARGE = mobilenet_v3(16)
MOBILENET_V3_SMALL = mobilenet_v3(12)

MNASNET_SEPARABLE = {
    "depthwise": "layers.3",
    "depthwise_norm": "layers.4",
    "project": "layers.6",
    "project_norm": "layers.7",
}
MNASNET_INVERTED = {"expand": "layers.0", "expand_norm": "layers.1", **MNASNET_SEPARABLE}
MNASNET: Naming = {
    "stem": Place("layers", ({"conv": "0", "conv_norm": "1"},)),
    "stages.0": Place("", (MNASNET_SEPARABLE,)),
    "stages": Place("layers.{7+stage}.{block}", (MNASNET_INVERTED,)),
    "head": Place("", ({"conv": "layers.14", "conv_norm": "layers.15", "linear": "classifier.1"},)),
}

FUSED = paired("0", "1", expand="0", project="1")


def efficientnet(head: int) -> Naming:
    """Returns the naming of an EfficientNet whose last convolution is this one of the `features`."""
    return {
        "stem": STEM,
        "stages": Place("features.{1+stage}.{block}.block", (FUSED, *MBCONV)),
        "head": Place("", (paired("0", "1", conv=f"features.{head}") | {"linear": "classifier.1"},)),
    }


EFFICIENTNET = efficientnet(8)

# What torchvision calls a network (with the arguments that make it): what it is here.
NETWORKS: dict[str, Counterpart] = {
    "alexnet": Counterpart("alexnet_torchvision", ALEXNET),
    **{
        name: Counterpart(name, vgg(firsts, 3 if name.endswith("_bn") else 2, VGG_HEAD))
        for name, firsts in VGG_FEATURES.items()
    },
    "googlenet": Counterpart("googlenet_torchvision_aux", GOOGLENET),
    "googlenet(aux_logits=False)": Counterpart("googlenet_torchvision", GOOGLENET),
    "resnet18": Counterpart("resnet18", RESNET),
    "resnet34": Counterpart("resnet34", RESNET),
    "resnet50": Counterpart("resnet50", RESNET),
    "resnet101": Counterpart("resnet101", RESNET),
    "resnet152": Counterpart("resnet152", RESNET),
    "resnext50_32x4d": Counterpart("resnext50_32x4d", RESNET),
    "resnext101_32x8d": Counterpart("resnext101_32x8d", RESNET),
    "resnext101_64x4d": Counterpart("resnext101_64x4d", RESNET),
    "wide_resnet50_2": Counterpart("wide_resnet50_2", RESNET),
    "wide_resnet101_2": Counterpart("wide_resnet101_2", RESNET),
    "shufflenet_v2_x0_5": Counterpart("shufflenet_v2_x0_5", SHUFFLENET_V2),
    "shufflenet_v2_x1_0": Counterpart("shufflenet_v2_x1_0", SHUFFLENET_V2),
    "shufflenet_v2_x1_5": Counterpart("shufflenet_v2_x1_5", SHUFFLENET_V2),
    "shufflenet_v2_x2_0": Counterpart("shufflenet_v2_x2_0", SHUFFLENET_V2),
    "mobilenet_v2": Counterpart("mobilenet_v2_1_0_224", MOBILENET_V2),
    "mobilenet_v2(width_mult=0.35)": Counterpart("mobilenet_v2_0_35_224", MOBILENET_V2),
    "mobilenet_v2(width_mult=0.5)": Counterpart("mobilenet_v2_0_5_224", MOBILENET_V2),
    "mobilenet_v2(width_mult=0.75)": Counterpart("mobilenet_v2_0_75_224", MOBILENET_V2),
    "mobilenet_v2(width_mult=1.3)": Counterpart("mobilenet_v2_1_3_224", MOBILENET_V2),
    "mobilenet_v2(width_mult=1.4)": Counterpart("mobilenet_v2_1_4_224", MOBILENET_V2),
    "mobilenet_v3_large": Counterpart("mobilenet_v3_large_torchvision", MOBILENET_V3_LARGE),
    "mobilenet_v3_large(width_mult=0.75)": Counterpart(
        "mobilenet_v3_large_0_75_torchvision_headscaled", MOBILENET_V3_LARGE
    ),
    "mobilenet_v3_small": Counterpart("mobilenet_v3_small_torchvision", MOBILENET_V3_SMALL),
    "mnasnet0_5": Counterpart("mnasnet_b1_torchvision_0_5", MNASNET),
    "mnasnet0_75": Counterpart("mnasnet_b1_torchvision_0_75", MNASNET),
    "mnasnet1_0": Counterpart("mnasnet_b1_torchvision_1_0", MNASNET),
    "mnasnet1_3": Counterpart("mnasnet_b1_torchvision_1_3", MNASNET),
    "efficientnet_b0": Counterpart("efficientnet_b0", EFFICIENTNET, TORCH_EPS),
    "efficientnet_b1": Counterpart("efficientnet_b1", EFFICIENTNET, TORCH_EPS),
    "efficientnet_b2": Counterpart("efficientnet_b2", EFFICIENTNET, TORCH_EPS),
    "efficientnet_b3": Counterpart("efficientnet_b3", EFFICIENTNET, TORCH_EPS),
    "efficientnet_b4": Counterpart("efficientnet_b4", EFFICIENTNET, TORCH_EPS),
    "efficientnet_b5": Counterpart("efficientnet_b5", EFFICIENTNET),
    "efficientnet_b6": Counterpart("efficientnet_b6", EFFICIENTNET),
    "efficientnet_b7": Counterpart("efficientnet_b7", EFFICIENTNET),
    "efficientnet_v2_s": Counterpart("efficientnet_v2_s", efficientnet(7)),
    "efficientnet_v2_m": Counterpart("efficientnet_v2_m", EFFICIENTNET),
    "efficientnet_v2_l": Counterpart("efficientnet_v2_l", EFFICIENTNET),
}
