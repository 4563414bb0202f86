"""Registry of the models."""

from dataclasses import dataclass
from pathlib import Path

from persam_video.errors import ModelError
from persam_video.util.suggest import did_you_mean


@dataclass(frozen=True)
class VitDimensions:
    """Shape of segment-anything's image encoder.

    Attributes:
        width: channels of the transformer.
        depth: number of its blocks.
        heads: attention heads in each.
        global_blocks: blocks with global instead of windowed attention.
    """

    width: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]


@dataclass(frozen=True)
class TinyVitDimensions:
    """Shape of MobileSAM's image encoder: one value for each of its four stages.

    Attributes:
        widths: channels.
        depths: number of blocks.
        heads: attention heads; the first stage is convolutional and has none.
        windows: side of the attention windows, in tokens; none in the first stage either.
    """

    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    heads: tuple[int, int, int, int]
    windows: tuple[int, int, int, int]


@dataclass(frozen=True)
class HieraDimensions:
    """Shape of SAM 2.1's image encoder: widths and heads double with each of its four stages.

    Attributes:
        width: channels of the first stage.
        heads: its attention heads.
        blocks: number of blocks in each stage.
        global_blocks: blocks with global instead of windowed attention, counted over all stages.
        windows: side of each stage's attention windows, in tokens.
        background: (rows, columns) of the positional embedding that spans the image.
    """

    width: int
    heads: int
    blocks: tuple[int, int, int, int]
    global_blocks: tuple[int, int, int]
    windows: tuple[int, int, int, int] = (8, 4, 14, 7)
    background: tuple[int, int] = (7, 7)


@dataclass(frozen=True)
class SavedShape:
    """Shape of a model that the configuration beside its weights describes, as EdgeTAM's."""


@dataclass(frozen=True)
class PublishedWeights:
    """A weight file that its authors publish.

    Attributes:
        url: address; the last part is the file's name.
        size: in bytes.
        sha256: of the file, in hexadecimal. The digits in the names of Meta's files are the first
            ones of the MD5, so they cannot replace it.
    """

    url: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        """Name of the file, as other tools use it too."""
        return self.url.rsplit("/", maxsplit=1)[-1]


@dataclass(frozen=True)
class ModelSpec:
    """One model.

    Attributes:
        name: as given to ``--model``.
        description: short text for listings.
        image_size: the input's long side, in pixels.
        encoder: shape of the image encoder; ``None`` for the embedded model.
        weights: where its weights are published as one file; ``None`` for the others.
        licence: of the weights.
        repository: on Hugging Face's hub, for weights that are taken from the hub's cache.
    """

    name: str
    description: str
    image_size: int
    encoder: VitDimensions | TinyVitDimensions | HieraDimensions | SavedShape | None
    weights: PublishedWeights | None
    licence: str
    repository: str | None = None


_META = "https://dl.fbaipublicfiles.com/segment_anything"

# Kirillov et al., "Segment Anything", ICCV 2023; the dimensions are those of segment-anything's
# own builders. Zhang et al., "Faster Segment Anything", 2023: MobileSAM, whose encoder is the
# 5-million TinyViT of Wu et al., ECCV 2022. Ravi et al., "SAM 2: Segment Anything in Images and
# Videos", ICLR 2025, with the Hiera encoders of its published configurations. Zhou et al.,
# "EdgeTAM: On-Device Track Anything Model", CVPR 2025.
MODELS = {
    spec.name: spec
    for spec in (
        ModelSpec(
            "lite",
            "embedded small SAM (MobileNetV2)",
            768,
            None,
            None,
            "research use",
        ),
        ModelSpec(
            "vit_t",
            "MobileSAM (TinyViT)",
            1024,
            TinyVitDimensions((64, 128, 160, 320), (2, 2, 6, 2), (2, 4, 5, 10), (7, 7, 14, 7)),
            PublishedWeights(
                "https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt",
                40_728_226,
                "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
            ),
            "Apache-2.0",
        ),
        ModelSpec(
            "vit_b",
            "SAM ViT-B",
            1024,
            VitDimensions(768, 12, 12, (2, 5, 8, 11)),
            PublishedWeights(
                f"{_META}/sam_vit_b_01ec64.pth",
                375_042_383,
                "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
            ),
            "Apache-2.0",
        ),
        ModelSpec(
            "vit_l",
            "SAM ViT-L",
            1024,
            VitDimensions(1024, 24, 16, (5, 11, 17, 23)),
            PublishedWeights(
                f"{_META}/sam_vit_l_0b3195.pth",
                1_249_524_607,
                "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
            ),
            "Apache-2.0",
        ),
        ModelSpec(
            "vit_h",
            "SAM ViT-H",
            1024,
            VitDimensions(1280, 32, 16, (7, 15, 23, 31)),
            PublishedWeights(
                f"{_META}/sam_vit_h_4b8939.pth",
                2_564_550_879,
                "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
            ),
            "Apache-2.0",
        ),
        *(
            ModelSpec(
                f"sam2.1-{size}",
                f"SAM 2.1 {size}",
                1024,
                encoder,
                None,
                "Apache-2.0",
                f"facebook/sam2.1-hiera-{size.replace('+', '-plus')}",
            )
            for size, encoder in (
                ("tiny", HieraDimensions(96, 1, (1, 2, 7, 2), (5, 7, 9))),
                ("small", HieraDimensions(96, 1, (1, 2, 11, 2), (7, 10, 13))),
                (
                    "base+",
                    HieraDimensions(112, 2, (2, 3, 16, 3), (12, 16, 20), background=(14, 14)),
                ),
                ("large", HieraDimensions(144, 2, (2, 6, 36, 4), (23, 33, 43), (8, 4, 16, 8))),
            )
        ),
        ModelSpec(
            "edgetam",
            "EdgeTAM (RepViT)",
            1024,
            SavedShape(),
            None,
            "Apache-2.0",
            "yonigozlan/EdgeTAM-hf",
        ),
    )
}


def model_spec(name: str) -> ModelSpec:
    """Look a model up.

    Args:
        name: its name, or a folder that transformers saved a video model in.

    Raises:
        ModelError: no model has that name.
    """
    if name in MODELS:
        return MODELS[name]
    if Path(name).is_dir():
        return ModelSpec(name, "saved by transformers", 1024, SavedShape(), None, "unknown")
    raise ModelError(f"unknown model '{name}': {did_you_mean(name, MODELS)}")
