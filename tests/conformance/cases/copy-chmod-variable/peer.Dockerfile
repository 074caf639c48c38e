FROM busybox
ARG MODE=640
COPY --chmod=640 file /1
