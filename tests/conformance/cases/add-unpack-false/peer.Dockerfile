FROM busybox
COPY a.tar /d/
