"""The embedded model's part of a step as four graphs, with the default settings built in.

They compute what ``Segmenter`` does for one object, in a form that other runtimes can run: without
Python control flow, and with no sizes but those of the inputs. Two things differ, with the same
result: masks are computed everywhere and cropped to the window, since a graph cannot slice by a
value; and tracked and lost objects, which have different numbers of prompts, have a graph each.

All coordinates are (x, y) in pixels of the model's input, of which a cell is 16 by 16.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from persam_video.config import Settings
from persam_video.persam.confidence import blend
from persam_video.persam.matching import matching_maps
from persam_video.persam.target import location_confidence, target_embedding
from persam_video.sam.decoder import OUTSIDE_WINDOW
from persam_video.sam.lite import LiteImageEncoder, LiteSam
from persam_video.sam.network import CELL
from persam_video.sam.readout import VALUE_DIM, MemoryReadout, distances
from persam_video.tracking.prior import grow_cells
from persam_video.tracking.segmenter import WINDOW_CELLS, likeness

_FINE = 4  # low-resolution mask pixels along the side of a cell


class EncoderGraph(nn.Module):
    """Encodes a frame.

    Args:
        encoder: the model's.
    """

    inputs = ("image",)
    outputs = ("features", "keys", "half", "quarter")

    def __init__(self, encoder: LiteImageEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Encode a normalised RGB image (1, 3, H, W), H and W multiples of 32.

        Returns:
            Features (1, C, h, w), keys (1, D, h, w), and the skips (1, C/4, 2h, 2w) and
            (1, C/8, 4h, 4w); h and w are H / 16 and W / 16.
        """
        found = self.encoder(image)
        return found.embedding, found.keys, *found.skips


class MemoryGraph(nn.Module):
    """Computes one object's memory of a frame.

    Args:
        readout: the model's.
        settings: settings of the tracker.

    """

    inputs = ("features", "mask", "others")
    outputs = ("coverage", "values", "target")

    def __init__(self, readout: MemoryReadout, settings: Settings) -> None:
        super().__init__()
        self.readout = readout
        self.pooling = settings.target.pooling

    def forward(self, features: Tensor, mask: Tensor, others: Tensor) -> tuple[Tensor, ...]:
        """Compute the memory.

        Args:
            features: (1, C, h, w) of the frame.
            mask: (1, 4h, 4w) soft mask of the object, 0 to 1.
            others: (1, 4h, 4w) union of other objects' masks.

        Returns:
            Coverage (1, h, w), values (1, V, h, w) and target embedding (1, C).
        """
        coverage = _cells(mask)
        target = target_embedding(features, coverage, self.pooling)
        return coverage, self.readout.values(features, mask, others), target


class ObjectGraph(nn.Module):
    """Segments one object in a frame: the prompts, the first pass and the refinement.

    Args:
        network: the embedded model.
        readout: its memory readout.
        settings: settings of the tracker; only numbers may differ from the default.
        tracked: whether the object is tracked; a lost one is searched for everywhere.
    """

    outputs = ("logits", "score", "likeness")

    def __init__(
        self,
        network: LiteSam,
        readout: MemoryReadout,
        settings: Settings,
        *,
        tracked: bool,
    ) -> None:
        super().__init__()
        self.prompt_encoder, self.mask_decoder = network.prompt_encoder, network.mask_decoder
        self.readout = readout
        self.position: Tensor
        self.register_buffer("position", network.prompt_encoder.get_dense_pe())
        self.settings = settings
        self.tracked = tracked
        self.inputs = (
            *("features", "keys", "half", "quarter", "size", "corner", "target"),
            *("memory_keys", "memory_values", "coverage"),
            *("recent_keys", "recent_values", "recent_coverage"),
            *(("mask", "others", "box") if tracked else ()),
        )

    def forward(
        self,
        features: Tensor,
        keys: Tensor,
        half: Tensor,
        quarter: Tensor,
        size: Tensor,
        corner: Tensor,
        target: Tensor,
        memory_keys: Tensor,
        memory_values: Tensor,
        coverage: Tensor,
        recent_keys: Tensor,
        recent_values: Tensor,
        recent_coverage: Tensor,
        mask: Tensor | None = None,
        others: Tensor | None = None,
        box: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Segment the object.

        Args:
            features: (1, C, h, w) of the frame; likewise ``keys``, ``half`` and ``quarter``.
            size: (2,) width and height of the frame in the input, without the padding.
            corner: (2,) position of the frame's last pixel in the input.
            target: (1, C) target embedding.
            memory_keys: (1, D, M * h * w) keys of the annotated frame, and of M - 1 good ones.
            memory_values: (1, V, M * h * w) their values.
            coverage: (1, h, w) share of the annotated frame's cells that the object covers.
            recent_keys: (1, D, h, w) of the last good frame; likewise ``recent_values`` (1, V, h,
                w) and ``recent_coverage`` (1, h, w).
            mask: (1, 4h, 4w) its last good soft mask, while it is tracked.
            others: (1, 4h, 4w) union of the last masks of other tracked objects.
            box: (1, 4) its last good box, (x0, y0, x1, y1).

        Returns:
            Mask logits (1, 4h, 4w), score (1,) and likeness (1,).
        """
        inside = self._inside(features, size)
        similarity = location_confidence(features, target)
        confidence = _standardised(similarity, inside)
        prior = torch.zeros_like(confidence)
        prior_others, share = prior, 0.0
        if mask is not None and others is not None:
            share = self.settings.prior.alpha
            prior, prior_others = (
                grow_cells(_cells(one), self.settings.prior.grow) for one in (mask, others)
            )
            confidence = blend(confidence, prior, confidence.new_full((1,), share))
        evidence = torch.stack([confidence, share * prior, share * prior_others], dim=1)

        matching = torch.cat(
            [
                matching_maps(keys, memory_keys[:, :, : coverage.numel()], coverage),
                matching_maps(keys, recent_keys, recent_coverage),
            ],
            dim=1,
        )
        long_term = self.readout.read(keys, memory_keys, memory_values)
        recent = self.readout.read(
            keys,
            recent_keys.flatten(2),
            recent_values.flatten(2),
            share * self._distances(features)[None],
        )
        dense = self.prompt_encoder.embed_matching(matching) + self.readout.embed(
            long_term, recent, evidence
        )

        points = self._points(confidence, inside, corner)
        window = None if box is None else self._window(box, confidence)
        first = self.prompt_encoder.no_mask_embed.weight[:, :, None, None] + dense
        sparse = points if box is None else torch.cat([points[:, :2], self._box(box, size)], dim=1)
        logits, iou = self._decode(features, half, quarter, sparse, first, target[:, None], window)
        logits, score = logits[:, :1], iou[:, :1]

        again = self.prompt_encoder.mask_downscaling(logits) + dense
        refined, iou = self._decode(features, half, quarter, points, again, None, window)
        best = iou[:, 1:].argmax(dim=1)
        refined, iou = refined[:, 1:].index_select(1, best), iou[:, 1:].index_select(1, best)
        some = (logits > 0).any()
        logits, score = torch.where(some, refined, logits), torch.where(some, iou, score)
        return logits[:, 0], score[:, 0].clamp(0, 1), likeness(logits[:, 0], matching)

    def _inside(self, features: Tensor, size: Tensor) -> Tensor:
        """Return the mask (1, h, w) of cells that lie in the frame."""
        rows, columns = (torch.arange(features.shape[axis]) * CELL for axis in (2, 3))
        return ((rows[:, None] < size[1]) & (columns[None] < size[0]))[None]

    def _distances(self, features: Tensor) -> Tensor:
        rows, columns = (torch.arange(features.shape[axis], dtype=torch.float32) for axis in (2, 3))
        return distances(rows, rows, columns, columns)

    def _points(self, confidence: Tensor, inside: Tensor, corner: Tensor) -> Tensor:
        """Embed the cells of highest and of lowest confidence, and the absence of a box."""
        outside = ~inside.flatten(1)
        flat = confidence.flatten(1)
        index = torch.stack(
            [
                flat.masked_fill(outside, -1).argmax(dim=1),
                flat.masked_fill(outside, 2).argmin(dim=1),
            ],
            dim=1,
        )
        down, across = (torch.ones_like(confidence[0]).cumsum(axis) for axis in (0, 1))
        # cells are numbered from 1 here, so that their centres are half a cell before
        middles = (torch.stack([across, down], dim=2).view(-1, 2) - 0.5) * CELL
        places = middles.index_select(0, index[0])[None].minimum(corner)
        encoder = self.prompt_encoder
        kinds = torch.stack([encoder.point_embeddings[at].weight[0] for at in (1, 0)])
        points = self._coordinates(places) + kinds
        return torch.cat([points, encoder.not_a_point_embed.weight[None]], dim=1)

    def _box(self, box: Tensor, size: Tensor) -> Tensor:
        """Embed a box, enlarged on each side and clipped to the frame."""
        grow = self.settings.prompts.box_margin * (box[:, 2:] - box[:, :2])
        grown = box + torch.cat([-grow, grow], dim=1)
        corners = grown.clamp(min=0).minimum(size.repeat(2)).view(1, 2, 2)
        encoder = self.prompt_encoder
        kinds = torch.stack([encoder.point_embeddings[at].weight[0] for at in (2, 3)])
        return self._coordinates(corners) + kinds

    def _coordinates(self, places: Tensor) -> Tensor:
        """Encode positions (1, P, 2) as SAM does, at pixel centres."""
        encoder = self.prompt_encoder
        encoded: Tensor = encoder.pe_layer._pe_encoding(
            (places + 0.5) / float(encoder.input_image_size[0])
        )
        return encoded

    def _window(self, box: Tensor, confidence: Tensor) -> Tensor:
        """Return the window (4,), in cells, in which to search for the object."""
        cells = box[0] / CELL
        longer = (cells[2:] - cells[:2]).amax(dim=0)
        share = self.settings.prompts.window
        assert share is not None
        margin = (share * longer).clamp(min=WINDOW_CELLS)
        begin = (cells[:2] - margin).floor().clamp(min=0)
        rows, columns = (torch.ones_like(confidence[0]).cumsum(axis)[-1, -1] for axis in (0, 1))
        end = (cells[2:] + margin).ceil().minimum(torch.stack([columns, rows]))
        return torch.cat([begin, end])

    def _decode(
        self,
        features: Tensor,
        half: Tensor,
        quarter: Tensor,
        sparse: Tensor,
        dense: Tensor,
        target: Tensor | None,
        window: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        height, width = features.shape[2:]
        logits, iou = self.mask_decoder.predict_masks(
            features,
            self.position[:, :, :height, :width],
            sparse,
            dense,
            target_embedding=target,
            skips=(half, quarter),
        )
        return logits if window is None else _cut(logits, window), iou


def _cells(mask: Tensor) -> Tensor:
    """Return the share of each cell (1, h, w) that a mask (1, 4h, 4w) covers."""
    return F.avg_pool2d(mask[:, None], _FINE)[:, 0]


def _standardised(similarity: Tensor, inside: Tensor) -> Tensor:
    """Standardise as ``persam_video.persam.confidence.standardise`` does, over a mask (1, h, w)."""
    count = inside.sum()
    part = similarity.where(inside, similarity.new_zeros(()))
    mean = part.sum() / count
    spread = (similarity - mean).square().where(inside, similarity.new_zeros(()))
    deviation = (spread.sum() / (count - 1).clamp(min=1)).sqrt().clamp(min=1e-6)
    scaled = ((similarity - mean) / deviation).sigmoid()
    return scaled.where(inside, similarity.new_zeros(()))


def example_inputs(names: tuple[str, ...], grid: tuple[int, int]) -> tuple[Tensor, ...]:
    """Return example inputs for tracing, by name.

    Args:
        names: names of the inputs.
        grid: (h, w) of the cells.
    """
    rows, columns = grid
    height, width = CELL * rows, CELL * columns
    fine = (1, _FINE * rows, _FINE * columns)
    shapes: dict[str, tuple[int, ...]] = {
        "image": (1, 3, height, width),
        "features": (1, 256, rows, columns),
        "keys": (1, 128, rows, columns),
        "half": (1, 64, 2 * rows, 2 * columns),
        "quarter": (1, 32, 4 * rows, 4 * columns),
        "target": (1, 256),
        "memory_keys": (1, 128, 2 * rows * columns),
        "memory_values": (1, VALUE_DIM, 2 * rows * columns),
        "coverage": (1, rows, columns),
        "recent_keys": (1, 128, rows, columns),
        "recent_values": (1, VALUE_DIM, rows, columns),
        "recent_coverage": (1, rows, columns),
        "mask": fine,
        "others": fine,
    }
    places = {
        "size": torch.tensor([width, height]).float(),
        "corner": torch.tensor([width - 1, height - 1]).float(),
        "box": torch.tensor([[width / 4, height / 4, width / 2, height / 2]]),
    }
    return tuple(places[name] if name in places else torch.rand(shapes[name]) for name in names)


def _cut(logits: Tensor, window: Tensor) -> Tensor:
    """Fill masks (1, M, 4h, 4w) outside a window as the decoder does."""
    x0, y0, x1, y1 = (_FINE * window).unbind()
    rows, columns = (torch.arange(logits.shape[axis]) for axis in (2, 3))
    down = ((rows >= y0) & (rows < y1)).float()
    across = ((columns >= x0) & (columns < x1)).float()
    edge_rows = (rows == y0).float() + (rows == y1 - 1).float()
    edge_columns = (columns == x0).float() + (columns == x1 - 1).float()
    border = edge_rows[:, None] * across + down[:, None] * edge_columns
    outside = (logits * border).sum(dim=(2, 3)) / border.sum()
    inside = (down[:, None] * across) > 0
    return torch.where(inside, logits, outside.clamp(max=OUTSIDE_WINDOW)[..., None, None])
