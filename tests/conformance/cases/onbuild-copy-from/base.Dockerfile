FROM busybox
ONBUILD COPY --from=busybox /etc/group /g
