FROM busybox
HEALTHCHECK --interval=7s CMD a
