FROM busybox
RUN false; echo after > /out
