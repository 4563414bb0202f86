"""Restrict a process to its share of the machine, beside other processes."""

import cv2
import torch

from persam_video.util.workers import Share


def use_share(share: Share) -> None:
    """Set the number of threads and the GPU of a share."""
    torch.set_num_threads(share.threads)
    cv2.setNumThreads(share.threads)
    if torch.cuda.device_count() > 1:
        torch.cuda.set_device(share.number % torch.cuda.device_count())
