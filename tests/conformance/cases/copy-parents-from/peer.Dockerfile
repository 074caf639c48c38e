FROM busybox AS a
RUN mkdir -p /a/b && echo x > /a/b/x && chmod 750 /a && chown app /a/b
FROM busybox
COPY --from=a /a /r/a/
RUN chmod 750 /r/a
