FROM busybox
SHELL ["/bin/sh", "-uc"]
