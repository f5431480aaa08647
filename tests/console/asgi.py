"""A client for applications without a server."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # It works with the httpx that NiceGUI brings; that it would rather have another is no concern of these tests.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

__all__ = ["TestClient"]
