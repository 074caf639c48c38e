FROM busybox
ONBUILD COPY nosuch /x
