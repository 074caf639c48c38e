# Builds the Dockerfile of a directory and prints what happens: build.py DIRECTORY [TAG]
#
# Needs what protoc makes of proto/zlayer/v1 in its path:
#   protoc -Iproto --python_out=OUT --grpc_python_out=OUT \
#     --plugin=protoc-gen-grpc_python=$(command -v grpc_python_plugin) proto/zlayer/v1/*.proto
import os
import subprocess
import sys

import grpc
from zlayer.v1 import build_pb2 as pb
from zlayer.v1.build_pb2_grpc import BuildServiceStub


def context(directory):
    yield pb.UploadContextRequest(start=pb.UploadStart(tar=True))
    with subprocess.Popen(["tar", "-C", directory, "-c", "."], stdout=subprocess.PIPE) as tar:
        while data := tar.stdout.read(1 << 20):
            yield pb.UploadContextRequest(tar=pb.TarChunk(data=data))


def build(client, directory, tags):
    uploaded = next(client.UploadContext(context(directory))).ready.context_id
    spec = pb.BuildSpec(tags=tags, contexts={"": pb.ContextSource(uploaded=uploaded)})
    for event in client.Build(pb.SubmitBuildRequest(spec=spec)):
        kind = event.WhichOneof("event")
        if kind == "output":
            print(event.output.data.decode(errors="replace"), end="")
        else:
            print(event.sequence, kind, str(getattr(event, kind)).replace("\n", " "))
    return kind == "build_complete"


address = os.environ.get("ZLAYER_ADDRESS", "unix:///run/zlayer/zlayerd.sock")
try:
    with grpc.insecure_channel(address) as channel:
        sys.exit(0 if build(BuildServiceStub(channel), sys.argv[1], sys.argv[2:]) else 1)
except grpc.RpcError as error:
    sys.exit(error.details())
