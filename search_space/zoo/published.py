"""Numbers that papers and authors printed for the reference networks, each with where it stands.

`params` and `macs` as published (the papers' "FLOPs"), often rounded and sometimes counted by other rules
than ours; top-1 accuracy on ImageNet in percent where a table gives it.
"""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """Published numbers of one network; None where none were published."""

    params: int | None = None
    macs: int | None = None
    top1: float | None = None  # percent, ImageNet, one centre crop
    source: str = ""


PUBLISHED: dict[str, Published] = {
    "alexnet_two_group": Published(
        60_000_000, 720_000_000, None, "AlexNet paper abstract; ShuffleNet V1 table"
    ),
    "vgg11": Published(
        133_000_000, None, None, "params: VGG Table 2; macs: ResNet paper text (15.3 / 19.6 G)"
    ),
    "vgg13": Published(133_000_000, None, None, "VGG Table 2; ResNet text"),
    "vgg16": Published(
        138_000_000, 15_300_000_000, None, "params: VGG Table 2; macs: ResNet paper text (15.3 / 19.6 G)"
    ),
    "vgg19": Published(144_000_000, 19_600_000_000, None, "VGG Table 2; ResNet text"),
    "googlenet_v1_original": Published(
        6_800_000, 1_500_000_000, None, "Table 1 column sums 6797.7K params / 1502M ops"
    ),
    "resnet18": Published(
        None,
        1_800_000_000,
        None,
        "macs: ResNet Table 1 / text; params: ResNeXt Table 1 (R50 25.5M), WRN ImageNet table (R101, R152)",
    ),
    "resnet50": Published(
        25_500_000,
        3_800_000_000,
        None,
        "macs: ResNet Table 1 / text; params: ResNeXt Table 1 (R50 25.5M), WRN ImageNet table (R101, R152)",
    ),
    "resnet101": Published(
        44_500_000,
        7_600_000_000,
        None,
        "macs: ResNet Table 1 / text; params: ResNeXt Table 1 (R50 25.5M), WRN ImageNet table (R101, R152)",
    ),
    "resnet50_v1_stride1x1": Published(
        None,
        3_800_000_000,
        None,
        "ResNet paper Table 1 / text; SENet paper text says 3.86 G for R50, 7.58 G for R101",
    ),
    "resnet101_v1_stride1x1": Published(None, 7_600_000_000, None, "ResNet Table 1"),
    "resnet152_v1_stride1x1": Published(
        None,
        11_300_000_000,
        None,
        "ResNet paper Table 1 / text; SENet paper text says 3.86 G for R50, 7.58 G for R101",
    ),
    "resnet20_cifar10_optA": Published(270_000, None, None, "ResNet Table 6 / pre-act Table 4"),
    "resnet110_cifar10_optA": Published(1_700_000, None, None, "ResNet Table 6 / pre-act Table 4"),
    "stochastic_depth_resnet110": Published(1_700_000, None, None, "ResNet-110 (1.7M): pre-act Table 4"),
    "preresnet110_cifar10": Published(1_700_000, None, None, "pre-act Table 4 (ResNet-110 1.7M)"),
    "preresnet164_cifar10": Published(1_700_000, None, None, "pre-act Table 4"),
    "preresnet1001_cifar100": Published(10_200_000, None, None, "pre-act Table 4"),
    "preresnet200b_imagenet": Published(64_700_000, None, None, "WRN Table 8 (64.7M)"),
    "wrn_16_8_cifar10": Published(11_000_000, None, None, "WRN Table 4"),
    "wrn_28_10_cifar10": Published(
        36_500_000, None, None, "WRN paper tables (36.5M also in ResNeXt Table 7)"
    ),
    "wrn_40_4_cifar10": Published(8_900_000, None, None, "WRN paper tables (36.5M also in ResNeXt Table 7)"),
    "wrn_22_8_cifar10": Published(17_200_000, None, None, "WRN Table 4"),
    "wrn_28_10_cifar100": Published(36_500_000, None, None, "WRN"),
    "wide_resnet50_2": Published(68_900_000, None, None, "WRN ImageNet table"),
    "resnext50_32x4d": Published(
        25_000_000,
        4_200_000_000,
        None,
        "ResNeXt Table 1 (50: 25.0M/4.2G); ResNeXt README ~4.1/~15.6 G; 101-64x4d params: DPN Table 1",
    ),
    "resnext101_64x4d": Published(
        83_700_000,
        15_600_000_000,
        None,
        "ResNeXt Table 1 (50: 25.0M/4.2G); ResNeXt README ~4.1/~15.6 G; 101-64x4d params: DPN Table 1",
    ),
    "resnext101_32x4d": Published(
        44_300_000, 7_800_000_000, None, "ResNeXt Table 3 caption (~7.8 G); params DPN Table 1"
    ),
    "resnext29_8x64d_cifar10": Published(34_400_000, None, None, "ResNeXt Table 7"),
    "se_resnet50": Published(28_100_000, 3_870_000_000, None, "SENet Table 10 (28.1M), text (3.87 G)"),
    "se_resnet101": Published(None, 7_600_000_000, None, "SENet Table 2"),
    "se_resnext101_32x4d": Published(None, 8_000_000_000, None, "SENet Table 2"),
    "senet154": Published(None, 20_700_000_000, None, "ShuffleNet V2 Table 6 (20.7 G)"),
    "dpn68": Published(
        12_600_000, 2_500_000_000, None, "GFLOPs: DPN repo README; params: DPN paper Table 1 (92, 98)"
    ),
    "dpn92": Published(
        37_800_000, 6_500_000_000, None, "GFLOPs: DPN repo README; params: DPN paper Table 1 (92, 98)"
    ),
    "dpn98": Published(None, 11_700_000_000, None, "DPN Table 1"),
    "dpn131": Published(
        79_500_000, 16_000_000_000, None, "GFLOPs: DPN repo README; params: DPN paper Table 1 (92, 98)"
    ),
    "condensenet74_c4g4": Published(4_800_000, 529_000_000, None, "repo README / paper"),
    "condensenet50_cifar10": Published(220_000, 28_600_000, None, "repo README"),
    "condensenet74_cifar10": Published(410_000, 51_900_000, None, "repo README"),
    "condensenet86_cifar10": Published(520_000, 65_800_000, None, "repo README"),
    "condensenet110_cifar10": Published(790_000, 98_200_000, None, "repo README"),
    "condensenet86_cifar100": Published(520_000, 65_800_000, None, "repo README"),
    "condensenet182_cifar100": Published(4_200_000, 513_000_000, None, "repo README"),
    "shufflenet_v1_g1_x1": Published(
        None, 143_000_000, None, "ShuffleNet V1 Table 1 complexity row; SE paper quotes 1.8M/140M for g=3"
    ),
    "shufflenet_v1_g2_x1": Published(
        None, 140_000_000, None, "ShuffleNet V1 Table 1 complexity row; SE paper quotes 1.8M/140M for g=3"
    ),
    "shufflenet_v1_g3_x1": Published(
        1_800_000,
        137_000_000,
        None,
        "ShuffleNet V1 Table 1 complexity row; SE paper quotes 1.8M/140M for g=3",
    ),
    "shufflenet_v1_g4_x1": Published(None, 133_000_000, None, "ShuffleNet Table 2"),
    "shufflenet_v1_g8_x1": Published(None, 137_000_000, None, "ShuffleNet Table 2"),
    "shufflenet_v1_g1_x0_5": Published(
        None, 38_000_000, None, "ShuffleNet V1 Table 2 (one figure for all g)"
    ),
    "shufflenet_v1_g1_x0_25": Published(
        None, 13_000_000, None, "ShuffleNet V1 Table 2 (one figure for all g)"
    ),
    "shufflenet_v1_g3_x0_5": Published(
        None, 38_000_000, None, "ShuffleNet V1 Table 2 (one figure for all g)"
    ),
    "shufflenet_v1_g3_x0_25": Published(
        None, 13_000_000, None, "ShuffleNet V1 Table 2 (one figure for all g)"
    ),
    "shufflenet_v1_g3_x2_0_megvii": Published(
        5_400_000, 524_000_000, None, "megvii README (V1 paper Table 5 for 2x/1.5x)"
    ),
    "shufflenet_v1_g3_x1_5_megvii": Published(None, 292_000_000, None, "ShuffleNet Table 2"),
    "shufflenet_v1_g3_x1_0_megvii": Published(
        1_900_000, 138_000_000, None, "megvii README (V1 paper Table 5 for 2x/1.5x)"
    ),
    "shufflenet_v1_g3_x0_5_megvii": Published(
        700_000, 38_000_000, None, "megvii README (V1 paper Table 5 for 2x/1.5x)"
    ),
    "shufflenet_v1_g8_x1_5_megvii": Published(
        4_300_000, 290_000_000, None, "megvii README (V1 paper Table 5 for 2x/1.5x)"
    ),
    "shufflenet_v1_g8_x1_0_megvii": Published(
        2_400_000, 138_000_000, None, "megvii README (V1 paper Table 5 for 2x/1.5x)"
    ),
    "shufflenet_v1_g8_x0_5_megvii": Published(
        1_000_000, 40_000_000, None, "megvii README (V1 paper Table 5 for 2x/1.5x)"
    ),
    "shufflenet_v2_x0_5": Published(1_400_000, 41_000_000, None, "ShuffleNet V2 Table 5"),
    "shufflenet_v2_x1_0": Published(2_300_000, 146_000_000, None, "ShuffleNet V2 Table 5"),
    "shufflenet_v2_x1_5": Published(3_500_000, 299_000_000, None, "ShuffleNet V2 Table 5"),
    "shufflenet_v2_x2_0": Published(7_400_000, 591_000_000, None, "ShuffleNet V2 Table 5"),
    "mobilenet_v1_1_0_224": Published(
        4_240_000,
        569_000_000,
        70.6,
        "TF-slim mobilenet_v1.md; the paper has 325M for 0.75-224, 149M for 0.5-224",
    ),
    "mobilenet_v1_1_0_192": Published(None, 418_000_000, None, "MobileNet Tables 5-7"),
    "mobilenet_v1_1_0_160": Published(
        4_240_000,
        291_000_000,
        None,
        "TF-slim mobilenet_v1.md; the paper has 325M for 0.75-224, 149M for 0.5-224",
    ),
    "mobilenet_v1_1_0_128": Published(
        4_240_000,
        186_000_000,
        None,
        "TF-slim mobilenet_v1.md; the paper has 325M for 0.75-224, 149M for 0.5-224",
    ),
    "mobilenet_v1_0_75_224": Published(
        2_590_000,
        317_000_000,
        68.4,
        "TF-slim mobilenet_v1.md; the paper has 325M for 0.75-224, 149M for 0.5-224",
    ),
    "mobilenet_v1_0_75_192": Published(
        2_590_000,
        233_000_000,
        None,
        "TF-slim mobilenet_v1.md; the paper has 325M for 0.75-224, 149M for 0.5-224",
    ),
    "mobilenet_v1_0_75_128": Published(
        2_590_000,
        104_000_000,
        None,
        "TF-slim mobilenet_v1.md; the paper has 325M for 0.75-224, 149M for 0.5-224",
    ),
    "mobilenet_v1_0_5_224": Published(1_300_000, 149_000_000, 63.7, "MobileNet Tables 5-7"),
    "mobilenet_v1_0_5_160": Published(
        1_340_000,
        77_000_000,
        None,
        "TF-slim mobilenet_v1.md; the paper has 325M for 0.75-224, 149M for 0.5-224",
    ),
    "mobilenet_v1_0_5_128": Published(
        1_340_000,
        49_000_000,
        None,
        "TF-slim mobilenet_v1.md; the paper has 325M for 0.75-224, 149M for 0.5-224",
    ),
    "mobilenet_v1_0_25_224": Published(
        470_000,
        41_000_000,
        50.6,
        "TF-slim mobilenet_v1.md; the paper has 325M for 0.75-224, 149M for 0.5-224",
    ),
    "mobilenet_v1_0_25_192": Published(
        470_000,
        34_000_000,
        None,
        "TF-slim mobilenet_v1.md; the paper has 325M for 0.75-224, 149M for 0.5-224",
    ),
    "mobilenet_v1_0_25_160": Published(
        470_000,
        21_000_000,
        None,
        "TF-slim mobilenet_v1.md; the paper has 325M for 0.75-224, 149M for 0.5-224",
    ),
    "mobilenet_v1_conv_full": Published(29_300_000, 4_866_000_000, None, "MobileNets Table 4"),
    "mobilenet_v1_shallow": Published(None, 307_000_000, None, "MobileNet Tables 5-7"),
    "mobilenet_v2_1_0_224": Published(
        3_470_000,
        300_000_000,
        72.0,
        "TF-slim mobilenet/README.md; paper Table 4: 1.0 3.4M/300M, 1.4 6.9M/585M",
    ),
    "mobilenet_v2_1_0_192": Published(
        3_470_000,
        221_000_000,
        None,
        "TF-slim mobilenet/README.md; paper Table 4: 1.0 3.4M/300M, 1.4 6.9M/585M",
    ),
    "mobilenet_v2_1_0_128": Published(
        3_470_000,
        99_000_000,
        None,
        "TF-slim mobilenet/README.md; paper Table 4: 1.0 3.4M/300M, 1.4 6.9M/585M",
    ),
    "mobilenet_v2_1_0_96": Published(
        3_470_000,
        56_000_000,
        None,
        "TF-slim mobilenet/README.md; paper Table 4: 1.0 3.4M/300M, 1.4 6.9M/585M",
    ),
    "mobilenet_v2_0_75_224": Published(
        2_610_000,
        209_000_000,
        None,
        "TF-slim mobilenet/README.md; paper Table 4: 1.0 3.4M/300M, 1.4 6.9M/585M",
    ),
    "mobilenet_v2_0_35_224": Published(
        1_660_000,
        59_000_000,
        None,
        "TF-slim mobilenet/README.md; paper Table 4: 1.0 3.4M/300M, 1.4 6.9M/585M",
    ),
    "mobilenet_v2_1_3_224": Published(
        5_340_000,
        509_000_000,
        None,
        "TF-slim mobilenet/README.md; paper Table 4: 1.0 3.4M/300M, 1.4 6.9M/585M",
    ),
    "mobilenet_v2_1_4_224": Published(6_900_000, 585_000_000, 74.7, "MobileNetV2 Table 4"),
    "mobilenet_v3_large_1_0": Published(5_400_000, 219_000_000, 75.2, "paper Table 3"),
    "mobilenet_v3_large_0_75": Published(4_000_000, 155_000_000, 73.3, "MobileNetV3 Tables 3, 4"),
    "mobilenet_v3_small_1_0": Published(2_900_000, 66_000_000, 67.4, "MobileNetV3 Tables 3, 4"),
    "mobilenet_v3_small_0_75": Published(2_400_000, 44_000_000, 65.4, "paper Table 3 (final: 44M/2.0M)"),
    "mobilenet_v3_large_minimal": Published(3_900_000, 209_000_000, 72.3, "slim README"),
    "mobilenet_v3_small_minimal": Published(2_000_000, 65_000_000, 61.9, "MobileNetV3 Tables 3, 4"),
    "mobilenet_v3_large_torchvision": Published(5_400_000, 219_000_000, None, "paper Table 3"),
    "mnasnet_a1_1_0": Published(
        3_900_000,
        312_000_000,
        75.2,
        "paper Table 1 (A1 3.9M/312M); other widths tensorflow/tpu mnasnet README",
    ),
    "mnasnet_a1_0_75": Published(
        2_900_000,
        226_700_000,
        None,
        "paper Table 1 (A1 3.9M/312M); other widths tensorflow/tpu mnasnet README",
    ),
    "mnasnet_a1_1_0_192": Published(3_900_000, 232_000_000, None, "tensorflow/tpu mnasnet README"),
    "mnasnet_a1_1_0_160": Published(3_900_000, 161_600_000, None, "tensorflow/tpu mnasnet README"),
    "mnasnet_a1_1_0_96": Published(3_900_000, 59_300_000, None, "tensorflow/tpu mnasnet README"),
    "mnasnet_a1_0_35": Published(1_700_000, 63_200_000, 64.1, "MnasNet Table 4 / README"),
    "mnasnet_b1_1_0": Published(4_400_000, 315_000_000, 74.5, "paper Table 2 (B1)"),
    "mnasnet_small": Published(2_000_000, 68_000_000, 66.0, "MnasNet Tables 1, 4"),
    "nasnet_a_mobile_4_1056": Published(5_300_000, 564_000_000, None, "NASNet Table 3; slim README"),
    "nasnet_a_large_6_4032": Published(88_900_000, 23_800_000_000, None, "NASNet Table 2"),
    "efficientnet_b0": Published(5_300_000, 390_000_000, 77.1, "EfficientNet Table 2"),
    "efficientnet_b1": Published(7_800_000, 700_000_000, 79.1, "EfficientNet Table 2"),
    "efficientnet_b2": Published(9_200_000, 1_000_000_000, 80.1, "EfficientNet Table 2"),
    "efficientnet_b3": Published(12_000_000, 1_800_000_000, 81.6, "EfficientNet Table 2"),
    "efficientnet_b4": Published(19_000_000, 4_200_000_000, 82.9, "EfficientNet Table 2"),
    "efficientnet_b5": Published(30_000_000, 9_900_000_000, 83.6, "EfficientNet Table 2"),
    "efficientnet_b6": Published(43_000_000, 19_000_000_000, 84.0, "EfficientNet Table 2"),
    "efficientnet_b7": Published(66_000_000, 37_000_000_000, 84.3, "EfficientNet Table 2"),
    "efficientnet_b8": Published(87_400_000, None, None, "FixEfficientNet README (87.4M)"),
    "efficientnet_l2": Published(480_000_000, None, None, "EfficientNet Table 2"),
    "efficientnet_v2_s": Published(21_500_000, 8_400_000_000, None, "google/automl efficientnetv2 README"),
    "efficientnet_v2_m": Published(None, 24_700_000_000, None, "google/automl efficientnetv2 README"),
    "efficientnet_v2_l": Published(119_500_000, 56_300_000_000, None, "google/automl efficientnetv2 README"),
    "efficientnet_v2_b0": Published(7_100_000, 720_000_000, None, "google/automl efficientnetv2 README"),
    "efficientnet_v2_b1": Published(8_100_000, 1_200_000_000, None, "google/automl efficientnetv2 README"),
    "efficientnet_v2_b2": Published(None, 1_700_000_000, None, "google/automl efficientnetv2 README"),
    "efficientnet_v2_b3": Published(14_400_000, 3_000_000_000, None, "google/automl efficientnetv2 README"),
    "nasnet_a_mobile_4_1056_same": Published(5_300_000, 564_000_000, None, "NASNet Table 3; slim README"),
    "nasnet_a_large_6_4032_cadene": Published(88_900_000, 23_800_000_000, None, "NASNet Table 2"),
    "shufflenet_v2_x0_5_megvii": Published(1_400_000, 41_000_000, None, "ShuffleNet V2 Table 5"),
    "shufflenet_v2_x1_0_megvii": Published(2_300_000, 146_000_000, None, "ShuffleNet V2 Table 5"),
    "shufflenet_v2_x1_5_megvii": Published(3_500_000, 299_000_000, None, "ShuffleNet V2 Table 5"),
    "shufflenet_v2_x2_0_megvii": Published(7_400_000, 591_000_000, None, "ShuffleNet V2 Table 5"),
    "shufflenet_v1_g1_x0_25_stem12": Published(None, 13_000_000, None, "ShuffleNet V1 Table 2"),
    "shufflenet_v1_g8_x0_5_stem16": Published(1_000_000, 40_000_000, None, "megvii README"),
    "wrn_16_8_cifar100": Published(11_000_000, None, None, "WRN"),
    "dpn107": Published(None, 18_300_000_000, None, "DPN Table 1"),
    "wrn_40_8_cifar10": Published(35_700_000, None, None, "WRN Table 4"),
    "wrn_28_12_cifar10": Published(52_500_000, None, None, "WRN Table 4"),
    "mobilenet_v3_large_0_75_torchvision_headscaled": Published(
        4_000_000, 155_000_000, None, "paper Table 3"
    ),
    "preresnet164_cifar10_stride1x1": Published(1_700_000, None, None, "pre-act Table 4"),
    "mnasnet_a2": Published(4_800_000, 340_000_000, None, "MnasNet Table 1"),
    "mnasnet_a3": Published(5_200_000, 403_000_000, None, "MnasNet Table 1"),
    "mnasnet_search1_22ms": Published(1_900_000, 65_000_000, None, "MnasNet Table 4 (64.9%, 22.0 ms)"),
    "nasnet_b_4_1536": Published(5_300_000, 488_000_000, None, "NASNet Table 3"),
    "nasnet_c_3_960": Published(4_900_000, 558_000_000, None, "NASNet Table 3"),
    "nasnet_a_cifar_6_768": Published(3_300_000, None, None, "NASNet Table 1"),
    "nasnet_a_cifar_7_2304": Published(27_600_000, None, None, "NASNet Table 1"),
    "shufflenet_v2_50": Published(None, 2_300_000_000, None, "ShuffleNet V2 Table 6"),
    "se_shufflenet_v2_164": Published(None, 12_700_000_000, None, "ShuffleNet V2 Table 6"),
    "shufflenet_v1_g3_x2_se": Published(None, 527_000_000, None, "ShuffleNet V1 Table 5"),
}
