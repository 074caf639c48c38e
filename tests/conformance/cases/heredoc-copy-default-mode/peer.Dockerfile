FROM busybox AS a
RUN touch /a
FROM scratch
COPY --from=a /a /etc/a
