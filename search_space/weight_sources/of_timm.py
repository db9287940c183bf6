"""The networks of timm 1.0 that are also ours, and its names for their tensors.

Its `tf_` networks have the padding and the epsilon of the authors' TensorFlow releases, most others torch's.
"""

from __future__ import annotations

from dataclasses import replace

from search_space.architecture import Architecture, Stage
from search_space.blocks import SqueezeExcitation
from search_space.scale import scale
from search_space.weight_sources.counterpart import Change, Counterpart, conventions
from search_space.weight_sources.naming import AsConvolution, Layers, Naming, Place, paired
from search_space.weight_sources.of_torchvision import RESIDUAL, RESNET, VGG_FEATURES, vgg

TORCH = conventions("symmetric", 1e-5)
TENSORFLOW = conventions("same", 1e-3)

# The first linear layer is a convolution of the whole 7x7 map.
VGG_HEAD: Layers = {
    "hidden1": AsConvolution("pre_logits.fc1", 7),
    "hidden2": AsConvolution("pre_logits.fc2"),
    "linear": "head.fc",
}

# A stem has one convolution, or SENet-154's three.
LEGACY_STEM = {"conv": "conv1", "conv_norm": "bn1"} | {
    "conv1": "conv1",
    "conv1_norm": "bn1",
    "conv2": "conv2",
    "conv2_norm": "bn2",
    "conv3": "conv3",
    "conv3_norm": "bn3",
}
LEGACY_BLOCK = RESIDUAL | {"squeeze_reduce": "se_module.fc1", "squeeze_expand": "se_module.fc2"}
LEGACY_SE: Naming = {
    "stem": Place("layer0", (LEGACY_STEM,)),
    "stages": Place("layer{1+stage}.{block}", (LEGACY_BLOCK,)),
    "head": Place("", ({"linear": "last_linear"},)),
}
SE_STEM = {"conv": "conv1", "conv_norm": "bn1"} | {
    "conv1": "conv1.0",
    "conv1_norm": "conv1.1",
    "conv2": "conv1.3",
    "conv2_norm": "conv1.4",
    "conv3": "conv1.6",
    "conv3_norm": "bn1",
}
SE_BLOCK = RESIDUAL | {"squeeze_reduce": "se.fc1", "squeeze_expand": "se.fc2"}
SE: Naming = {
    "stem": Place("", (SE_STEM,)),
    "stages": Place("layer{1+stage}.{block}", (SE_BLOCK,)),
    "head": RESNET["head"],
}

UNIT = paired("conv", "bn", conv1="c1x1_a", conv2="c3x3_b", conv3="c1x1_c")
DPN_HEAD: Layers = {"norm": "features.conv5_bn_ac.bn", "linear": AsConvolution("classifier")}
DPN: Naming = {
    "stem": Place("features.conv1_1", (paired("conv", "bn", conv=""),)),
    "stages.0": Place("features.conv2_{1+block}", (UNIT | paired("conv", "bn", shortcut="c1x1_w_s1"),)),
    "stages": Place("features.conv{2+stage}_{1+block}", (UNIT | paired("conv", "bn", shortcut="c1x1_w_s2"),)),
    "head": Place("", (DPN_HEAD,)),
}

# Blocks of timm's EfficientNet class, which is also its MobileNets and MnasNets.
SQUEEZE = {"squeeze_reduce": "se.conv_reduce", "squeeze_expand": "se.conv_expand"}
DEPTHWISE = {"depthwise": "conv_dw", "depthwise_norm": "bn1"}
MBCONV = (
    DEPTHWISE | {"pointwise": "conv_pw", "pointwise_norm": "bn2"},  # MobileNet V1's separable convolution
    DEPTHWISE | {"project": "conv_pw", "project_norm": "bn2"} | SQUEEZE,  # without expansion
    {"expand": "conv", "expand_norm": "bn1"},  # fused, without expansion
    {"expand": "conv_exp", "expand_norm": "bn1", "project": "conv_pwl", "project_norm": "bn2"},  # fused
    {
        "expand": "conv_pw",
        "expand_norm": "bn1",
        "depthwise": "conv_dw",
        "depthwise_norm": "bn2",
        "project": "conv_pwl",
        "project_norm": "bn3",
    }
    | SQUEEZE,
)
STEM = Place("", ({"conv": "conv_stem", "conv_norm": "bn1"},))
EFFICIENTNET: Naming = {
    "stem": STEM,
    "stages": Place("blocks.{stage}.{block}", MBCONV),
    "head": Place("", ({"conv": "conv_head", "conv_norm": "bn2", "linear": "classifier"},)),
}


def mobilenet_v3(blocks: str, head: str) -> Naming:
    """Returns the naming of a MobileNetV3: where its blocks and the head's convolution stand."""
    places = {f"units.{unit}": Place(f"blocks.{block}", MBCONV) for unit, block in enumerate(blocks.split())}
    last: Layers = {"hidden1": AsConvolution("conv_head"), "linear": "classifier"}
    table = {"conv": f"blocks.{head}.conv", "conv_norm": f"blocks.{head}.bn1", **last}
    return {"stem": STEM, **places, "head": Place("", (table,))}


MOBILENET_V3_LARGE = mobilenet_v3("0.0 1.0 1.1 2.0 2.1 2.2 3.0 3.1 3.2 3.3 4.0 4.1 5.0 5.1 5.2", "6.0")
MOBILENET_V3_SMALL = mobilenet_v3("0.0 1.0 1.1 2.0 2.1 2.2 3.0 3.1 4.0 4.1 4.2", "5.0")

# NASNet's cells: block1 here is comb_iter_0 there.
SEPARABLE = {
    "depthwise": "separable_{}.depthwise_conv2d",
    "pointwise": "separable_{}.pointwise_conv2d",
    "norm": "bn_sep_{}",
}
CELL = paired("conv", "bn", current="conv_1x1") | {
    f"block{block}_{side}{step}_{layer}": f"comb_iter_{block - 1}_{side}.{theirs.format(step)}"
    for block, side in ((1, "left"), (1, "right"), (2, "left"), (2, "right"), (3, "right"), (5, "left"))
    for step in (1, 2)
    for layer, theirs in SEPARABLE.items()
}
CELLS = (
    CELL | paired("conv", "bn", previous="conv_prev_1x1"),
    CELL  # whose earlier input is twice as large
    | {"previous_path1": "path_1.conv", "previous_path2": "path_2.conv", "previous_norm": "final_path_bn"},
)
NASNET: Naming = {
    "stem": Place("conv0", (paired("conv", "bn", conv=""),)),
    "stages.0": Place("cell_stem_0", CELLS),
    "stages.1": Place("cell_stem_1", CELLS),
    "stages.2": Place("cell_{block}", CELLS),
    "stages.3": Place("reduction_cell_0", CELLS),
    "stages.4": Place("cell_{6+block}", CELLS),
    "stages.5": Place("reduction_cell_1", CELLS),
    "stages.6": Place("cell_{12+block}", CELLS),
    "head": Place("", ({"linear": "last_linear"},)),
}


def relu6(network: Architecture) -> Architecture:
    """Returns a MobileNet V1 with the activation of the authors' release, where the paper has relu."""
    return replace(
        network,
        stem=_with_options(network.stem, activation="relu6"),
        stages=tuple(_with_options(stage, activation="relu6") for stage in network.stages),
    )


def like_resnet(network: Architecture) -> Architecture:
    """Returns a SENet with ResNet's details: a pixel of padding around the first pool, stride in the 3x3."""
    return replace(
        network,
        stem=_with_options(network.stem, pool="padded"),
        stages=tuple(_with_options(stage, strided="3x3") for stage in network.stages),
    )


def counting_padding(network: Architecture) -> Architecture:
    """Returns a NASNet whose strided average pools count the zeros of their padding; TensorFlow's do not."""
    stages = (
        _with_options(stage, counts_padding=True) if stage.block == "reduction_cell" else stage
        for stage in network.stages
    )
    return replace(network, stages=tuple(stages))


def deepened(*repeats: int) -> Change:
    """Returns the change to other numbers of blocks, one for each stage."""
    return lambda network: replace(
        network,
        stages=tuple(
            replace(stage, repeats=number) for stage, number in zip(network.stages, repeats, strict=True)
        ),
    )


def with_blocks(**options: object) -> Change:
    """Returns the change of some options of every stage's blocks."""
    return lambda network: replace(
        network, stages=tuple(_with_options(stage, **options) for stage in network.stages)
    )


def with_gates(network: Architecture) -> Architecture:
    """Returns a ResNet with squeeze-excitation to a sixteenth of the channels, a multiple of 8."""
    return with_blocks(squeeze=SqueezeExcitation(1 / 16, base="output", divisor=8))(network)


def _with_wide_stem(network: Architecture, width: float) -> Architecture:
    """Returns a network at another width whose stem stays as wide."""
    return replace(scale(network, width=width), stem=network.stem)


def within(width: float, depth: float = 1.0) -> Change:
    """Returns the change of what lies between stem and head, the first and the last stage never deeper."""

    def change(network: Architecture) -> Architecture:
        depths = (1.0, *(depth for _ in network.stages[2:]), 1.0)
        scaled = scale(network, width=width, depth=depths)
        return replace(scaled, stem=network.stem, head=network.head)

    return change


def _with_options(stage: Stage, **options: object) -> Stage:
    """Returns a stage with some of its block's options changed."""
    return replace(stage, options=replace(stage.options, **options))


# What timm calls a network: what it is here.
NETWORKS: dict[str, Counterpart] = {
    **{
        name: Counterpart(name, vgg(firsts, 3 if name.endswith("_bn") else 2, Place("", (VGG_HEAD,))))
        for name, firsts in VGG_FEATURES.items()
    },
    "resnet18": Counterpart("resnet18", RESNET),
    "resnet34": Counterpart("resnet34", RESNET),
    "resnet26": Counterpart("resnet50", RESNET, deepened(2, 2, 2, 2)),
    "resnet50": Counterpart("resnet50", RESNET),
    "resnet101": Counterpart("resnet101", RESNET),
    "resnet152": Counterpart("resnet152", RESNET),
    "resnet200": Counterpart("resnet152", RESNET, deepened(3, 24, 36, 3)),
    "resnext50_32x4d": Counterpart("resnext50_32x4d", RESNET),
    "resnext101_32x4d": Counterpart("resnext101_32x4d", RESNET),
    "resnext101_32x8d": Counterpart("resnext101_32x8d", RESNET),
    "resnext101_32x16d": Counterpart("resnext101_32x8d", RESNET, with_blocks(inner=2.0)),
    "resnext101_32x32d": Counterpart("resnext101_32x8d", RESNET, with_blocks(inner=4.0)),
    "resnext101_64x4d": Counterpart("resnext101_64x4d", RESNET),
    "wide_resnet50_2": Counterpart("wide_resnet50_2", RESNET),
    "wide_resnet101_2": Counterpart("wide_resnet101_2", RESNET),
    "legacy_seresnext26_32x4d": Counterpart("se_resnext50_32x4d", LEGACY_SE, deepened(2, 2, 2, 2)),
    "legacy_seresnet50": Counterpart("se_resnet50", LEGACY_SE),
    "legacy_seresnet101": Counterpart("se_resnet101", LEGACY_SE),
    "legacy_seresnet152": Counterpart("se_resnet152", LEGACY_SE),
    "legacy_seresnext50_32x4d": Counterpart("se_resnext50_32x4d", LEGACY_SE),
    "legacy_seresnext101_32x4d": Counterpart("se_resnext101_32x4d", LEGACY_SE),
    "legacy_senet154": Counterpart("senet154", LEGACY_SE),
    "seresnet18": Counterpart("resnet18", SE, with_gates),
    "seresnet34": Counterpart("resnet34", SE, with_gates),
    "seresnet50": Counterpart("seresnet50_timm", SE),
    "seresnet101": Counterpart("se_resnet101", SE, like_resnet),
    "seresnet152": Counterpart("se_resnet152", SE, like_resnet),
    "seresnext50_32x4d": Counterpart("se_resnext50_32x4d", SE, like_resnet),
    "seresnext101_32x4d": Counterpart("se_resnext101_32x4d", SE, like_resnet),
    "seresnext101_32x8d": Counterpart("resnext101_32x8d", SE, with_gates),
    "seresnext101_64x4d": Counterpart("resnext101_64x4d", SE, with_gates),
    "senet154": Counterpart("senet154", SE, like_resnet),
    "dpn68": Counterpart("dpn68", DPN),
    "dpn92": Counterpart("dpn92", DPN),
    "dpn98": Counterpart("dpn98", DPN),
    "dpn107": Counterpart("dpn107", DPN),
    "dpn131": Counterpart("dpn131", DPN),
    "mobilenetv1_100": Counterpart("mobilenet_v1_1_0_224", EFFICIENTNET, relu6),
    "mobilenetv1_125": Counterpart(
        "mobilenet_v1_1_0_224", EFFICIENTNET, lambda network: relu6(scale(network, width=1.25))
    ),
    "mobilenetv2_110d": Counterpart("mobilenet_v2_1_0_224", EFFICIENTNET, within(1.1, 1.2)),
    "mobilenetv2_120d": Counterpart("mobilenet_v2_1_0_224", EFFICIENTNET, within(1.2, 1.4)),
    "mobilenetv2_035": Counterpart("mobilenet_v2_0_35_224", EFFICIENTNET),
    "mobilenetv2_050": Counterpart("mobilenet_v2_0_5_224", EFFICIENTNET),
    "mobilenetv2_075": Counterpart("mobilenet_v2_0_75_224", EFFICIENTNET),
    "mobilenetv2_100": Counterpart("mobilenet_v2_1_0_224", EFFICIENTNET),
    "mobilenetv2_140": Counterpart("mobilenet_v2_1_4_224", EFFICIENTNET),
    "mobilenetv3_large_075": Counterpart("mobilenet_v3_large_0_75", MOBILENET_V3_LARGE, TORCH),
    "mobilenetv3_large_100": Counterpart("mobilenet_v3_large_1_0", MOBILENET_V3_LARGE, TORCH),
    "mobilenetv3_small_050": Counterpart(
        "mobilenet_v3_small_1_0", MOBILENET_V3_SMALL, lambda network: TORCH(_with_wide_stem(network, 0.5))
    ),
    "mobilenetv3_small_075": Counterpart("mobilenet_v3_small_0_75", MOBILENET_V3_SMALL, TORCH),
    "mobilenetv3_small_100": Counterpart("mobilenet_v3_small_1_0", MOBILENET_V3_SMALL, TORCH),
    "tf_mobilenetv3_large_075": Counterpart("mobilenet_v3_large_0_75", MOBILENET_V3_LARGE, TENSORFLOW),
    "tf_mobilenetv3_large_100": Counterpart("mobilenet_v3_large_1_0", MOBILENET_V3_LARGE, TENSORFLOW),
    "tf_mobilenetv3_large_minimal_100": Counterpart(
        "mobilenet_v3_large_minimal", MOBILENET_V3_LARGE, TENSORFLOW
    ),
    "tf_mobilenetv3_small_075": Counterpart("mobilenet_v3_small_0_75", MOBILENET_V3_SMALL, TENSORFLOW),
    "tf_mobilenetv3_small_100": Counterpart("mobilenet_v3_small_1_0", MOBILENET_V3_SMALL, TENSORFLOW),
    "tf_mobilenetv3_small_minimal_100": Counterpart(
        "mobilenet_v3_small_minimal", MOBILENET_V3_SMALL, TENSORFLOW
    ),
    "semnasnet_050": Counterpart("mnasnet_a1_0_5", EFFICIENTNET, TORCH),
    "semnasnet_075": Counterpart("mnasnet_a1_0_75", EFFICIENTNET, TORCH),
    "semnasnet_100": Counterpart("mnasnet_a1_1_0", EFFICIENTNET, TORCH),
    "semnasnet_140": Counterpart("mnasnet_a1_1_4", EFFICIENTNET, TORCH),
    "mnasnet_050": Counterpart("mnasnet_b1_0_5", EFFICIENTNET, TORCH),
    "mnasnet_075": Counterpart("mnasnet_b1_0_75", EFFICIENTNET, TORCH),
    "mnasnet_100": Counterpart("mnasnet_b1_1_0", EFFICIENTNET, TORCH),
    "mnasnet_140": Counterpart("mnasnet_b1_1_4", EFFICIENTNET, TORCH),
    "mnasnet_small": Counterpart("mnasnet_small", EFFICIENTNET, TORCH),
    "nasnetalarge": Counterpart("nasnet_a_large_6_4032", NASNET, counting_padding),
    **{
        f"{prefix}efficientnet_{size}": Counterpart(f"efficientnet_{size}", EFFICIENTNET, change)
        for prefix, change in (("", TORCH), ("tf_", TENSORFLOW))
        for size in ("b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "l2")
    },
    "efficientnetv2_s": Counterpart("efficientnet_v2_s", EFFICIENTNET, TORCH),
    "efficientnetv2_m": Counterpart("efficientnet_v2_m", EFFICIENTNET, TORCH),
    "efficientnetv2_l": Counterpart("efficientnet_v2_l", EFFICIENTNET, TORCH),
    **{
        f"tf_efficientnetv2_{size}": Counterpart(f"efficientnet_v2_{size}", EFFICIENTNET, TENSORFLOW)
        for size in ("s", "m", "l", "b0", "b1", "b2", "b3")
    },
}
