"""Whether transfers cost memory for good: image after image is built, pushed to docker-registry,
served by /v2/, removed and pulled again. transfers.sh starts it.
"""
import argparse
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "peers"))
from builders import BuildOptions, Zlayer, make_work, programs, remove_work  # noqa: E402
from registry_rows import Registry, free_port, largest_layer  # noqa: E402


def make_context(work, size):
    context = os.path.join(work, "context")
    os.makedirs(context, exist_ok=True)
    with open(os.path.join(context, "half"), "wb") as file:
        file.write(os.urandom(size // 2) + bytes(size // 2))
    with open(os.path.join(context, "Dockerfile"), "w") as file:
        file.write("FROM scratch\nCOPY half /half\n")
    return context


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--size", type=int, default=16 << 20, help="bytes of each image's layer")
    parser.add_argument("--directory", default=None, help="where the stores are: disk or a tmpfs")
    options = parser.parse_args()
    work = make_work("zlayer-transfers-", options.directory)
    peer = Zlayer(work, programs())
    registry = Registry(work)
    port = free_port()
    config = os.path.join(peer.work, "serve.yaml")
    with open(config, "w") as file:
        file.write(f"server: {{address: '127.0.0.1:{port}'}}\n")
    peer.flags = ["--config", config]
    try:
        peer.start()
        registry.start()
        print(f"{'images':>7} {'idle':>6} {'peak':>6}")
        for done in range(1, options.images + 1):
            peer.run(peer.build_argv(make_context(work, options.size), "app:1", BuildOptions()))
            url = largest_layer(f"http://127.0.0.1:{port}", "app")
            subprocess.run(["curl", "-sf", "-o", "/dev/null", url], check=True)
            image = f"{registry.host}/app:{done}"
            for argv in peer.push_argvs("app:1", image, ("gzip", "zstd")[done % 2]):
                peer.run(argv)
            peer.run([peer.zlayer, "rmi", "app:1"])
            peer.run(peer.pull_argv(image))
            peer.run([peer.zlayer, "export", "-o", os.devnull, image])
            peer.run([peer.zlayer, "rmi", image])
            if done % max(1, options.images // 10) == 0:
                print(f"{done:7} {peer.idle_kib() / 1024:6.1f} "
                      f"{peer.memory_kib('VmHWM') / 1024:6.1f}", flush=True)
    finally:
        peer.stop()
        registry.stop()
        remove_work(work)


if __name__ == "__main__":
    main()
