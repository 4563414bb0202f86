"""Computing with a part of the machine, beside other processes that have theirs."""

import cv2
import torch

from persam_video.util.workers import Share


def use_share(share: Share) -> None:
    """Compute with the threads of a share, and on the GPU that is its turn."""
    torch.set_num_threads(share.threads)
    cv2.setNumThreads(share.threads)
    if torch.cuda.device_count() > 1:
        torch.cuda.set_device(share.number % torch.cuda.device_count())
