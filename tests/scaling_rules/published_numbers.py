"""Numbers that the EfficientNet paper printed (Tan and Le 2019), each with where it stands."""

from __future__ import annotations

# Table 2 (arXiv versions 1 to 4): B0 to B7. FLOPs are multiply-adds in 1e9, top-1 on ImageNet in percent.
FLOPS_B = (0.39, 0.70, 1.0, 1.8, 4.2, 9.9, 19.0, 37.0)
TOP1 = (76.3, 78.8, 79.8, 81.1, 82.6, 83.3, 84.0, 84.4)
# The same column of version 5 (September 2020).
TOP1_V5 = (77.1, 79.1, 80.1, 81.6, 82.9, 83.6, 84.0, 84.3)
# Released coefficients (width, depth, resolution in pixels), B0 to B7.
RELEASED = (
    (1.0, 1.0, 224),
    (1.0, 1.1, 240),
    (1.1, 1.2, 260),
    (1.2, 1.4, 300),
    (1.4, 1.8, 380),
    (1.6, 2.2, 456),
    (1.8, 2.6, 528),
    (2.0, 3.1, 600),
)
# Figure 3, read off the drawing to 0.03e9 FLOPs and 0.05 points: (multiplier, FLOPs in 1e9, top-1).
WIDTH_CURVE = (
    (1.0, 0.51, 76.1),
    (1.4, 0.79, 77.5),
    (1.8, 1.16, 78.5),
    (2.6, 2.26, 79.5),
    (3.8, 4.89, 80.0),
    (5.0, 8.26, 80.3),
)
DEPTH_CURVE = (
    (1.0, 0.50, 76.1),
    (2.0, 0.95, 78.5),
    (3.0, 1.40, 78.85),
    (4.0, 1.85, 79.0),
    (6.0, 2.75, 80.0),
    (8.0, 3.64, 80.0),
)
RESOLUTION_CURVE = (
    (1.0, 0.50, 76.1),
    (1.3, 0.94, 77.7),
    (1.5, 1.14, 78.1),
    (1.7, 1.45, 78.8),
    (1.9, 1.94, 79.1),
    (2.2, 2.54, 79.5),
    (2.5, 3.11, 79.7),
)
