"""How torch computes during training: one thread, deterministic, and as fast as stays accurate."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from robot_il.learning.devices import CPU

PRODUCT_ERROR_BOUND = 2e-6
"""Largest relative (Frobenius) error of a product that still counts as float32: that of plain float32 is 2e-7 to 5e-7,
of bfloat16 2e-3."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Names of the settings in glibc's malloc.h."""
_KEPT_BLOCK, _KEPT_BYTES = 2**25, 2**30
"""The largest block that is kept, which glibc does not take any larger, and how much is kept in all."""
_PROBE_SIZES = ((512, 256, 256), (512, 512, 512))


def product_error(precision: str, device: torch.device = CPU) -> float:
    """Largest relative error of float32 products of this project's sizes under a torch matmul precision."""
    generator = torch.Generator().manual_seed(0)
    before = torch.get_float32_matmul_precision()
    worst = 0.0
    try:
        torch.set_float32_matmul_precision(precision)
        for rows, inner, columns in _PROBE_SIZES:
            left = torch.randn(rows, inner, generator=generator)
            right = torch.randn(columns, inner, generator=generator)
            exact = left.double() @ right.double().T
            product = torch.nn.functional.linear(left.to(device), right.to(device)).cpu()
            error = torch.linalg.norm(product.double() - exact)
            worst = max(worst, float(error / torch.linalg.norm(exact)))
    finally:
        torch.set_float32_matmul_precision(before)
    return worst


def fastest_accurate_precision(device: torch.device = CPU) -> str:
    """``medium`` where its products are as good as float32, else ``highest``.

    On processors without bfloat16 matrix units, "medium" merely chooses the faster library for float32; on others it
    really computes in bfloat16, and on a GPU in TF32. Only a measurement tells which.
    """
    return "medium" if product_error("medium", device) <= PRODUCT_ERROR_BOUND else "highest"


def keep_freed_memory() -> None:
    """Asks glibc to keep what a step frees for the next step; without effect under another C library.

    By default it hands large blocks back to the kernel and gets them again, page by page, at every step: a thousand
    page faults a step of DMIL. The setting is the process's and stays.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _KEPT_BLOCK)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


@contextmanager
def reproducible_torch(precision: str) -> Iterator[None]:
    """Sets torch to one thread, deterministic algorithms and this matmul precision; puts everything back at the end.

    One thread because the products are small: more threads gain little on an idle machine and lose an order of
    magnitude on a shared one. Seeds are better run as processes of their own.
    """
    threads, before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    deterministic = torch.get_deterministic_debug_mode()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    with torch.random.fork_rng(devices=[]):
        try:
            torch.set_num_threads(1)
            # Not torch.use_deterministic_algorithms, which tells the compiler too and imports it, in some 3 s.
            torch.set_deterministic_debug_mode("error")
            # Nothing here reads memory before it is written; filling it is one more operation for every new tensor.
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
            torch.set_float32_matmul_precision(precision)
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_deterministic_debug_mode(deterministic)
            torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
            torch.set_float32_matmul_precision(before)
