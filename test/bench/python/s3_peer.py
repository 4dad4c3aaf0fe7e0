"""boto3's transfers of one file, by default or tuned settings: `s3_peer.py ENDPOINT BUCKET FILE MODE`.

Prints {"up": seconds, "down": seconds}. The tuned ones have larger parts and more of them at once."""

import json
import os
import sys
import time

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

endpoint, bucket, path, mode = sys.argv[1:]
MIB = 1024 * 1024
settings = {
    "default": TransferConfig(),
    "tuned": TransferConfig(
        multipart_threshold=16 * MIB, multipart_chunksize=32 * MIB, max_concurrency=16, io_chunksize=MIB
    ),
}[mode]
client = boto3.client(
    "s3",
    endpoint_url=endpoint,
    config=Config(s3={"addressing_style": "path"}, max_pool_connections=32),
)
key = f"peer/{mode}-{os.getpid()}.bin"
start = time.perf_counter()
client.upload_file(path, bucket, key, Config=settings)
up = time.perf_counter() - start
target = f"{path}.{mode}"
start = time.perf_counter()
client.download_file(bucket, key, target, Config=settings)
down = time.perf_counter() - start
os.unlink(target)
client.delete_object(Bucket=bucket, Key=key)
print(json.dumps({"up": up, "down": down}))
