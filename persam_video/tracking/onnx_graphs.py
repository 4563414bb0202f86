"""The embedded model's part of a step as five graphs, with the default settings built in.

They compute what ``Segmenter`` does for one object, in a form that other runtimes can run: without
Python control flow, and with no sizes but those of the inputs. Two things differ, with the same
result: masks are computed everywhere and cropped to the window, since a graph cannot slice by a
value; and tracked and lost objects, which have different numbers of prompts, have a graph each.

The model's input is the resized frame. Its coordinates are (x, y), its boxes (x0, y0, x1, y1), and
a cell is 16 by 16 of its pixels.
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
from persam_video.sam.readout import VALUE_DIM, Distances, MemoryReadout
from persam_video.sam.transform import PIXEL_MEAN, PIXEL_STD, InputTransform, cell_means
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
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(PIXEL_MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(PIXEL_STD)[:, None, None])

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Encode a frame that is resized: uint8 RGB (H, W, 3), its long side the model's size.

        Returns:
            Features (1, C, h, w), keys (1, D, h, w), and the skips (1, C/4, 2h, 2w) and
            (1, C/8, 4h, 4w); h and w are H / 16 and W / 16, rounded up to even numbers.
        """
        bottom, right = (-side % LiteSam.padding for side in image.shape[:2])
        pixels = (image.permute(2, 0, 1).float() - self.mean) / self.std
        found = self.encoder(F.pad(pixels, (0, right, 0, bottom))[None])
        return found.embedding, found.keys, *found.skips


class MemoryGraph(nn.Module):
    """Computes one object's memory of a frame.

    Args:
        readout: the model's.
        settings: settings of the tracker.
        annotated: whether the mask is an annotation, not one that was tracked.
    """

    def __init__(self, readout: MemoryReadout, settings: Settings, *, annotated: bool) -> None:
        super().__init__()
        self.readout = readout
        self.pooling = settings.target.pooling
        self.inputs = (
            *("features", "input_size", "mask", "others"),
            *(() if annotated else ("predicted",)),
        )
        self.outputs = (
            *("coverage", "values", "soft", "box"),
            *(("target",) if annotated else ()),
        )

    def forward(
        self,
        features: Tensor,
        input_size: Tensor,
        mask: Tensor,
        others: Tensor,
        predicted: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Compute the memory.

        Args:
            features: (1, C, h, w) of the frame.
            input_size: (2,) int64 height and width of the resized frame.
            mask: bool (H, W) of the object in the frame itself, not empty.
            others: (1, 4h, 4w) union of other objects' soft masks.
            predicted: (1, 4h, 4w) soft mask that the model predicted; not of an annotation.

        Returns:
            Coverage (1, h, w), values (1, V, h, w), soft mask (1, 4h, 4w) without pixels that
            are not the object's, box (1, 4), and of an annotation its target embedding (1, C).
        """
        rows, columns = (
            cell_means(frame, resized, CELL * cells, _FINE * cells)
            for frame, resized, cells in zip(
                mask.shape, input_size.unbind(), features.shape[2:], strict=True
            )
        )
        area = (rows @ mask.float() @ columns.T)[None]
        box = _box_of(mask) * (input_size / torch.tensor(mask.shape)).flip(0).repeat(2)
        if predicted is not None:
            soft = predicted.where(grow_cells(area, 1) > 0, 0.0)
            return _cells(soft), self.readout.values(features, soft, others), soft, box[None]
        coverage = _cells(area)
        target = target_embedding(features, coverage, self.pooling)
        return coverage, self.readout.values(features, area, others), area, box[None], target


class ObjectGraph(nn.Module):
    """Segments one object in a frame: the prompts, the first pass and the refinement.

    Args:
        network: the embedded model.
        readout: its memory readout.
        settings: settings of the tracker; only numbers may differ from the default.
        tracked: whether the object is tracked; a lost one is searched for everywhere.
    """

    outputs = ("logits", "predicted", "score", "likeness")

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
            *("features", "keys", "half", "quarter", "frame_size", "input_size"),
            *("target", "coverage", "memory_keys", "memory_values"),
            *("recent_keys", "recent_values", "recent_coverage"),
            *(("recent_soft", "recent_box", "others") if tracked else ()),
        )

    def forward(
        self,
        features: Tensor,
        keys: Tensor,
        half: Tensor,
        quarter: Tensor,
        frame_size: Tensor,
        input_size: Tensor,
        target: Tensor,
        coverage: Tensor,
        memory_keys: Tensor,
        memory_values: Tensor,
        recent_keys: Tensor,
        recent_values: Tensor,
        recent_coverage: Tensor,
        recent_soft: Tensor | None = None,
        recent_box: Tensor | None = None,
        others: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Segment the object.

        Args:
            features: (1, C, h, w) of the frame; likewise ``keys``, ``half`` and ``quarter``.
            frame_size: (2,) int64 height and width of the frame.
            input_size: (2,) int64 height and width of the resized frame.
            target: (1, C) target embedding.
            coverage: (1, h, w) of the annotated frame.
            memory_keys: (M, D, h, w) keys of the annotated frame, and of M - 1 good ones.
            memory_values: (M, V, h, w) their values.
            recent_keys: (1, D, h, w) of the last good frame; likewise ``recent_values`` (1, V, h,
                w) and ``recent_coverage`` (1, h, w).
            recent_soft: (1, 4h, 4w) its soft mask, while the object is tracked.
            recent_box: (1, 4) its box.
            others: (1, 4h, 4w) union of the last soft masks of other tracked objects.

        Returns:
            Mask logits (H, W) of the frame's size, soft mask (1, 4h, 4w), score (1,) and
            likeness (1,).
        """
        size, frame = (one.flip(0).float() for one in (input_size, frame_size))
        inside = self._inside(features, size)
        similarity = location_confidence(features, target)
        confidence = _standardised(similarity, inside)
        prior = torch.zeros_like(confidence)
        prior_others, share = prior, 0.0
        if recent_soft is not None and others is not None:
            share = self.settings.prior.alpha
            prior, prior_others = (
                grow_cells(_cells(one), self.settings.prior.grow) for one in (recent_soft, others)
            )
            confidence = blend(confidence, prior, confidence.new_full((1,), share))
        evidence = torch.stack([confidence, share * prior, share * prior_others], dim=1)

        matching = torch.cat(
            [
                matching_maps(keys, memory_keys[:1], coverage),
                matching_maps(keys, recent_keys, recent_coverage),
            ],
            dim=1,
        )
        readout, grid = self.readout, (keys.shape[2], keys.shape[3])
        affinities = readout.affinities(keys, _in_a_row(memory_keys))
        long_term = readout.read(affinities, _in_a_row(memory_values), grid)
        affinities = readout.affinities(keys, recent_keys.flatten(2), recent=True)
        far = readout.far(Distances.within(grid).shared(share))
        recent = readout.read(affinities - far, recent_values.flatten(2), grid)
        dense = self.prompt_encoder.embed_matching(matching) + self.readout.embed(
            long_term, recent, evidence
        )

        points = self._points(confidence, inside, (frame - 1) * size / frame)
        box = recent_box
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
        if self.settings.cascade.sure is not None:
            some = some & (score < self.settings.cascade.sure)
        logits, score = torch.where(some, refined, logits), torch.where(some, iou, score)
        logits, score = logits[:, 0], score[:, 0].clamp(0, 1)
        full = _restored(logits, frame_size, input_size)
        return full, logits.sigmoid(), score, likeness(logits, matching)

    def _inside(self, features: Tensor, size: Tensor) -> Tensor:
        """Return the mask (1, h, w) of cells that lie in the frame."""
        rows, columns = (torch.arange(features.shape[axis]) * CELL for axis in (2, 3))
        return ((rows[:, None] < size[1]) & (columns[None] < size[0]))[None]

    def _points(self, confidence: Tensor, inside: Tensor, corner: Tensor) -> Tensor:
        """Embed the cells of highest and of lowest confidence, and the absence of a box.

        Args:
            confidence: (1, h, w).
            inside: (1, h, w) cells in the frame.
            corner: (2,) position (x, y) of the frame's last pixel.
        """
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


def _in_a_row(memories: Tensor) -> Tensor:
    """Return the cells (1, C, M * h * w) of M frames (M, C, h, w)."""
    return memories.transpose(0, 1).flatten(1)[None]


def _box_of(mask: Tensor) -> Tensor:
    """Return the box (4,) around a mask (H, W), as ``persam_video.masks.boxes.box_of`` does."""
    edges = []
    for axis in (0, 1):
        some = mask.any(dim=axis)
        places = torch.arange(some.shape[0])
        begin = places.where(some, some.shape[0]).amin(dim=0)
        edges.append(torch.stack([begin, (places + 1).where(some, 0).amax(dim=0)]))
    return torch.stack(edges, dim=1).flatten()


def _restored(logits: Tensor, frame_size: Tensor, input_size: Tensor) -> Tensor:
    """Bring mask logits (1, 4h, 4w) to the frame: (H, W)."""
    height, width = frame_size.tolist()
    down, across = input_size.tolist()
    padded = (CELL // _FINE * logits.shape[1], CELL // _FINE * logits.shape[2])
    transform = InputTransform((height, width), (down, across), padded)
    return transform.restore(logits[:, None])[0, 0]


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
    fine = torch.rand(1, _FINE * rows, _FINE * columns)
    keys, values = torch.rand(2, 128, rows, columns), torch.rand(2, VALUE_DIM, rows, columns)
    examples = {
        "image": torch.zeros(height - 3, width - 5, 3, dtype=torch.uint8),
        "input_size": torch.tensor([height - 3, width - 5]),
        "frame_size": torch.tensor([2 * height, 2 * width]),
        "mask": torch.ones(2 * height, 2 * width, dtype=torch.bool),
        "features": torch.rand(1, 256, rows, columns),
        "keys": keys[:1],
        "half": torch.rand(1, 64, 2 * rows, 2 * columns),
        "quarter": torch.rand(1, 32, 4 * rows, 4 * columns),
        "target": torch.rand(1, 256),
        "coverage": torch.rand(1, rows, columns),
        "memory_keys": keys,
        "memory_values": values,
        "recent_keys": keys[:1],
        "recent_values": values[:1],
        "recent_coverage": torch.rand(1, rows, columns),
        "recent_soft": fine,
        "recent_box": torch.tensor([[width / 4, height / 4, width / 2, height / 2]]),
        "predicted": fine,
        "others": fine,
    }
    return tuple(examples[name].clone() for name in names)


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
