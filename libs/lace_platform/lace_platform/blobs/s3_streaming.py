"""Sends a file to an S3 server in one request that creates or fails, without holding the file in memory.

The MinIO client sends pieces of files only as parts of an upload, which no condition of "create once" governs, and
whole ones only from memory; so this signs the request itself (AWS Signature Version 4, by the client's own signer),
with the hash of the content in the signature: the server refuses what was changed on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BufferedIOBase
from typing import cast
from urllib.parse import urlunsplit

from minio import Minio
from minio.error import S3Error, ServerError
from minio.helpers import DictType
from minio.signer import sign_v4_s3
from minio.time import to_amz_date, utcnow


def put_stream(
    client: Minio, bucket: str, key: str, file: BufferedIOBase, *, size: int, sha256: str, headers: Mapping[str, str]
) -> None:
    """PUT of `size` bytes whose SHA-256 is known. Raises S3Error (PreconditionFailed among them), ServerError."""
    region = client._get_region(bucket)
    url = client._base_url.build(method="PUT", region=region, bucket_name=bucket, object_name=key)
    now = utcnow()
    asked: DictType = {
        **headers,
        "Host": url.netloc,
        "Content-Length": str(size),
        "x-amz-content-sha256": sha256,
        "x-amz-date": to_amz_date(now),
    }
    provider = client._provider
    if provider is not None:
        credentials = provider.retrieve()
        if credentials.session_token:
            asked["X-Amz-Security-Token"] = credentials.session_token
        asked = sign_v4_s3(
            method="PUT",
            url=url,
            region=region,
            headers=asked,
            credentials=credentials,
            content_sha256=sha256,
            date=now,
        )
    response = client._http.urlopen(
        "PUT", urlunsplit(url), body=file, headers=cast(Mapping[str, str], asked), preload_content=True
    )
    if response.status not in (200, 204):
        if not response.data:
            raise ServerError(f"the file store answered with status {response.status}", response.status)
        raise S3Error.fromxml(response)
